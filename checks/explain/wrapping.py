"""Lines that a terminal, a mail or a chat program broke, put together again; and lines that were cut off.

Only a paste is treated so: a log file has whole lines. Whether a paste is wrapped is read off its shape: lines that end
where the next word would not have fitted, and go on with what no record begins with.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import pairwise

__all__ = ["completed", "is_cut", "joined"]

_LEAST = 30  # nobody wraps at fewer columns
_MOST = 260  # longer lines are not wrapped at a width
_BEGINS = re.compile(
    r"[IWEF]\d{4} \d\d:|\d{4}[-/]\d\d[-/]\d\d[T ]|\w{3,4}\.? +\d{1,2} \d\d:\d\d:\d\d|\d{1,2}月 +\d|\d{1,2} \w{3,4}\.? \d\d:|[{\[#$>*•●-]\s?|"
    r"(?:error|warning|fatal|panic|goroutine|usage|flags|examples|events|name|normal|note|caused by)\b[: ]|Error from|"
    r"\S+@\S+[#$:~]|\d+[.)] |time=\"|level=|\S+:\s*$|Chain |-A |\s*\d+[KM]?\s+\d+[KM]?\s+\S+\s+tcp|\w+\.go:\d+\]",
    re.IGNORECASE,
)
_ROW = re.compile(r"\S {2,}\S.*\S {2,}\S|\t")
_NOT_PROSE = re.compile(r"^\s*[\w.-]+:(?: |$)|^\s{2,}\S")
_WORD_END = re.compile(r"\S*$")
_WORD_START = re.compile(r"^\S*")
_WIDTHS = (40, 60, 64, 70, 72, 76, 78, 79, 80, 90, 96, 100, 110, 120, 128, 132, 140, 150, 160, 180, 200)


def joined(lines: Sequence[str], known: Callable[[str], bool]) -> list[str] | None:
    """The lines with broken ones put together, or ``None`` if they are not wrapped.

    Args:
        lines: the paste.
        known: whether a word is one that programs print; it decides whether a word was broken in the middle.
    """
    lines = [line.rstrip() for line in lines]
    width = max(map(len, lines), default=0)
    if len(lines) < 2 or not _LEAST <= width <= _MOST:
        return None
    hard = _is_hard(lines, width)
    found = [lines[0]]
    for line, following in pairwise(lines):
        if not _goes_on(line, following, width):
            found.append(following)
        elif hard or _is_torn(line, following, width, known):
            found[-1] += _gap(line, width, hard=hard) + following
        else:
            found[-1] += " " + following.lstrip()
    return found if len(found) < len(lines) else None


def _is_hard(lines: Sequence[str], width: int) -> bool:
    """Whether the lines were broken at a column, in the middle of words."""
    full = [line for line in lines[:-1] if len(line) >= width - 1]
    exact = sum(len(line) == width for line in lines[:-1])
    if len(full) < max(1, (len(lines) - 1) * 3 // 5) or not exact:
        return False
    return exact > 1 or width in _WIDTHS


def _goes_on(line: str, following: str, width: int) -> bool:
    """Whether the second line is the rest of the first."""
    if not line or not following.strip() or _BEGINS.match(following) or _ROW.search(line) or _ROW.search(following):
        return False
    if _NOT_PROSE.match(following) and _NOT_PROSE.match(line):
        return False
    first = _WORD_START.search(following.lstrip())
    word = len(first[0]) if first else 0
    return len(line) >= _LEAST * 2 // 3 and len(line) + 1 + word > width


def _is_torn(line: str, following: str, width: int, known: Callable[[str], bool]) -> bool:
    """Whether the break is in the middle of a word."""
    end, start = _WORD_END.search(line), _WORD_START.search(following)
    left, right = (end[0] if end else ""), (start[0] if start else "")
    if not left or not right or len(line) < width - 1:
        return left.endswith("-") and left[:-1].isalnum()
    if len(left) + len(right) > width:
        return True
    left, right = _core(left), _core(right)
    return known(left + right) and not (known(left) and known(right))


def _core(word: str) -> str:
    return word.strip("\"'()[]{}<>,.;:=\\").lower()


def _gap(line: str, width: int, *, hard: bool) -> str:
    """A space that stood at the break was lost with the end of the line."""
    return " " if hard and len(line) == width - 1 else ""


_CUT = re.compile(r"(?<=[^\s>])(?<!\w-)>$|(?<=\w)\.\.\.$")
# How errors end: what a line that was cut in the middle of one of these was going to say.
_ENDS = (
    "connect: connection refused",
    "connect: no route to host",
    "connect: network is unreachable",
    "connect: permission denied",
    "connect: cannot assign requested address",
    "i/o timeout",
    "connection reset by peer",
    "context deadline exceeded",
    "no such host",
    "server misbehaving",
    "address already in use",
    "too many colons in address",
    "tls: failed to verify certificate: x509: certificate signed by unknown authority",
    "x509: certificate has expired or is not yet valid",
    "x509: cannot validate certificate for",
    "x509: certificate is valid for",
    "remote error: tls: bad certificate",
    "remote error: tls: expired certificate",
    "remote error: tls: unknown certificate authority",
    "websocket: bad handshake",
    "executable file not found in $PATH",
    "no such file or directory",
    "Module edgestream is disabled, do not register",
    "Module cloudStream is disabled, do not register",
    "find edge peer done, so stop this connection",
    "has closed",
    "server gave HTTP response to HTTPS client",
    "502 Bad Gateway",
    "first record does not look like a TLS handshake",
    "token is expired by",
    "token signature is invalid",
    "credentials are in the wrong format",
    "certificate CN does not match node name",
    "container runtime is down",
    "pleg has yet to be successful",
    "the server is currently unable to handle the request",
    "timeout to get response for message",
    "cni plugin not initialized",
    "kubelet should not running on edge node when running edgecore",
    "no preferred addresses found",
)
_OVERLAP = 5
_MORE_THAN_A_WORD = re.compile(r"[ :/]")


def is_cut(line: str) -> bool:
    """Whether a pager or a terminal cut the line and left its mark."""
    return len(line) > _LEAST and _CUT.search(line) is not None and "<" not in line[-_LEAST:]


def completed(line: str) -> str:
    """The line with the rest of the error that it ends in the middle of; the same line if it ends in none."""
    stem = _CUT.sub("", line.rstrip()).rstrip()
    overlap, end = max(((_overlap(stem[-90:].lower(), end.lower()), end) for end in _ENDS), key=lambda one: one[0])
    return stem + end[overlap:] if overlap else line


def _overlap(stem: str, end: str) -> int:
    """How many characters of ``end`` stand at the end of ``stem``, from the beginning of a word."""
    for size in range(min(len(stem), len(end) - 1), _OVERLAP - 1, -1):
        if stem.endswith(end[:size]) and not stem[: len(stem) - size][-1:].isalnum():
            return size if _MORE_THAN_A_WORD.search(end[:size]) else 0
    return 0

