"""Lines of a file (plain or gzipped) or of standard input, of any length, in bounded memory."""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path

import click

from kedoctor.errors import ConfigurationError

__all__ = ["lines_of"]

BLOCK = 1 << 20
MAX_LINE = 1 << 16  # what follows in one line is cut off: a binary file is one very long line
_GZIP = b"\x1f\x8b"


def lines_of(path: str) -> Iterator[str]:
    """The lines of a file, ``-`` for standard input; bytes that are no UTF-8 become replacement characters.

    Raises:
        ConfigurationError: it cannot be opened or read.
    """
    try:
        with _opened(path) as file:
            yield from _lines(_unpacked(file))
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror or error}") from error


def _opened(path: str) -> io.BufferedReader:
    # Descriptor 0 is left open: others may want to say something to it still.
    return open(0, "rb", closefd=False) if path == "-" else Path(path).open("rb")


def _unpacked(file: io.BufferedReader) -> Iterator[bytes]:
    """The content in blocks; of a gzip file that is cut off or damaged, what comes before."""
    packed = file.peek(2)[:2] == _GZIP
    try:
        yield from _blocks(gzip.GzipFile(fileobj=file) if packed else file)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        click.echo(
            f"kedoctor: the gzip data end early or are damaged ({error}); going on with what was read",
            err=True,
        )


def _blocks(source: gzip.GzipFile | io.BufferedReader) -> Iterator[bytes]:
    while block := source.read(BLOCK):
        yield block


def _lines(blocks: Iterator[bytes]) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    rest = ""
    for block in blocks:
        *whole, last = decoder.decode(block).split("\n")
        if whole:
            whole[0] = rest + whole[0]
            rest = last
            yield from whole
        else:
            rest = (rest + last)[:MAX_LINE]
    rest += decoder.decode(b"", final=True)
    if rest:
        yield rest
