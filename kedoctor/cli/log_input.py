"""Lines of a file (plain or gzipped) or of standard input, of any length, in bounded memory."""

from __future__ import annotations

import codecs
import errno
import io
import itertools
import os
import select
import stat
import zlib
from collections.abc import Iterator
from pathlib import Path

from kedoctor.base.directories import PlaceError
from kedoctor.base.errors import ConfigurationError
from kedoctor.cli import telling
from kedoctor.cli.speech import message

__all__ = ["lines_of"]

BLOCK = 1 << 20
NEWEST = 128 << 20
"""Bytes of a file that are read; the reports of one restart are some hundred kilobytes."""

MAX_LINE = 1 << 16  # what follows in one line is cut off: a binary file is one very long line
_PATIENCE = 10.0
_GZIP = b"\x1f\x8b"


def lines_of(path: str) -> Iterator[str]:
    """The lines of a file, ``-`` for standard input; bytes that are no UTF-8 become replacement characters.

    A text with a byte order mark is read as UTF-16. Zero bytes are left out: a log that was cut while its program went
    on writing begins with a hole of them. Of a file that is longer than ``NEWEST`` only the newest bytes are read, and a
    sentence on standard error says so.

    Raises:
        ConfigurationError: it cannot be opened or read, or it holds zero bytes and nothing else.
    """
    try:
        with _opened(path) as file:
            yield from _lines(_without_zeros(_as_utf8(_unpacked(file))))
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror or error}") from error


def _opened(path: str) -> io.BufferedReader:
    # Descriptor 0 is left open: others may want to say something to it still.
    if path == "-":
        return open(0, "rb", closefd=False)
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    kind = stat.S_IFMT(os.fstat(handle).st_mode)
    if kind == stat.S_IFBLK or (kind == stat.S_IFCHR and not os.isatty(handle) and not _is_null(handle)):
        os.close(handle)
        raise PlaceError("it is a device and not a log")
    if kind == stat.S_IFIFO and not _somebody_writes(handle):
        os.close(handle)
        raise PlaceError(f"it is a pipe into which nobody has written for {_PATIENCE:.0f} seconds")
    os.set_blocking(handle, True)
    return os.fdopen(handle, "rb")


def _is_null(handle: int) -> bool:
    return os.fstat(handle).st_rdev == Path(os.devnull).stat().st_rdev


def _somebody_writes(handle: int) -> bool:
    ready = select.poll()
    ready.register(handle, select.POLLIN)
    return bool(ready.poll(_PATIENCE * 1000))


def _unpacked(file: io.BufferedReader) -> Iterator[bytes]:
    """The content in blocks; of a gzip file that is cut off or damaged, what comes before."""
    if file.peek(2)[:2] != _GZIP:
        yield from _plain(file)
        return
    try:
        yield from _unzipped(file)
    except (EOFError, zlib.error) as error:
        _say(f"the gzip data are damaged ({error}); going on with what was read")


def _plain(file: io.BufferedReader) -> Iterator[bytes]:
    """All that comes out of a pipe; of a plain file what is written in it, without its holes, or in its newest bytes."""
    status = os.fstat(file.fileno())
    if not stat.S_ISREG(status.st_mode):
        while block := file.read1(
            BLOCK
        ):  # read() goes on in C, and an interrupt would wait for the next data
            yield block
        return
    place, end = file.tell(), status.st_size
    if end - place > NEWEST:
        _say(f"only the last {NEWEST >> 20} MiB of {end >> 20} MiB are read")
        place = end - NEWEST
        place += os.pread(file.fileno(), MAX_LINE, place).find(b"\n") + 1  # behind the rest of a line
    written = _written(file.fileno(), place)
    if written is None and place < end:
        raise _no_text()
    while written is not None and (block := os.pread(file.fileno(), BLOCK, written)):
        yield block
        written = _written(file.fileno(), written + len(block))


def _written(handle: int, place: int) -> int | None:
    """The next place of a file where something is written, behind a hole; nowhere at its end."""
    try:
        return os.lseek(handle, place, os.SEEK_DATA)
    except OSError as error:
        return None if error.errno == errno.ENXIO else place  # not every file system knows its holes


def _as_utf8(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """What Windows' shells write is UTF-16 with a byte order mark."""
    first = next(blocks, b"")
    if not first.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" not in first:
        yield first
        yield from blocks
        return
    decoder = codecs.getincrementaldecoder("utf-16")("replace")
    for block in itertools.chain([first], blocks):
        yield decoder.decode(block).encode("utf-8", "replace")


def _without_zeros(blocks: Iterator[bytes]) -> Iterator[bytes]:
    zeros = texts = False
    for block in blocks:
        text = block.replace(b"\0", b"")
        zeros, texts = zeros or len(text) < len(block), texts or bool(text)
        yield text
    if zeros and not texts:
        raise _no_text()


def _no_text() -> PlaceError:
    return PlaceError("it holds zero bytes and nothing else")


def _say(sentence: str) -> None:
    telling.say(f"kedoctor: {message(sentence)}", err=True)


def _unzipped(file: io.BufferedReader) -> Iterator[bytes]:
    """As gzip, which would keep what it has read of a file that is cut off to itself."""
    unpack = zlib.decompressobj(wbits=31)
    begun = False
    while packed := file.read1(BLOCK):
        while packed:
            begun = True
            yield unpack.decompress(packed, BLOCK)
            packed = unpack.unconsumed_tail
            if unpack.eof:  # another file may follow in the same one
                packed, unpack, begun = unpack.unused_data.lstrip(b"\0"), zlib.decompressobj(wbits=31), False
    if begun:
        raise EOFError("they end too early")


def _lines(blocks: Iterator[bytes]) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    rest = ""
    for block in blocks:
        if len(rest) >= MAX_LINE:  # of a line that is too long the rest is not even decoded
            end = block.find(b"\n")
            if end < 0:
                continue
            block = block[end:]  # noqa: PLW2901
            decoder.reset()
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
