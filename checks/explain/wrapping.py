"""Lines that a terminal, a mail or a chat program broke, put together again; and lines that were cut off.

Only a paste is treated so: a log file has whole lines. Whether a paste is wrapped is read off its shape: lines that end
where the next word would not have fitted, and go on with what no record begins with.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from kedoctor.api import patterns

__all__ = ["completed", "is_cut", "joined"]

_LEAST = 30  # nobody wraps at fewer columns
_MOST = 260  # longer lines are not wrapped at a width
_BEGINS = patterns.compiled(
    r"[IWEF]\d{4} \d\d:|\d{4}[-/]\d\d[-/]\d\d[T ]|\w{3,4}\.? +\d{1,2} \d\d:\d\d:\d\d|\d{1,2}月 +\d|\d{1,2} \w{3,4}\.? \d\d:|[{\[#$>*•●-]\s?|"
    r"(?:error|warning|fatal|panic|goroutine|usage|flags|examples|events|name|normal|note|caused by)\b:|Error from|"
    r"\S+@\S+[#$:~]|\d+[.)] |time=\"|level=|[\w.-]+:\s*$|Chain |-A |\s*\d+[KM]?\s+\d+[KM]?\s+\S+\s+tcp|\w+\.go:\d+\]",
    patterns.IGNORECASE,
)
# What such a beginning is the rest of, when the line before ends so.
_LEADS_ON = patterns.compiled(
    r"(?:[,=(]|\b(?:rpc|remote|with|desc|stream|protocol|an|the|of)|[IWEF]\d{4} [\d:.]+ +\d+|\.\d{6})$"
)
_WAITS = patterns.compiled(r"\b(?:current time|is (?:before|after))$")
_ROW = patterns.compiled(r"\S {2,}\S.*\S {2,}\S|\t")
_NOT_PROSE = patterns.compiled(r"^\s*[\w.-]+:(?: |$)|^\s{2,}\S")
_WORD_END = patterns.compiled(r"\S*$")
_WORD_START = patterns.compiled(r"^\S*")
_WIDTHS = (40, 60, 64, 70, 72, 76, 78, 79, 80, 90, 96, 100, 110, 120, 128, 132, 140, 150, 160, 180, 200)
_SHORT = 2


def joined(lines: Sequence[str], known: Callable[[str], bool]) -> list[str] | None:
    """The lines with broken ones put together, or ``None`` if they are not wrapped.

    Args:
        lines: the paste.
        known: whether a word is one that programs print; it decides whether a word was broken in the middle.
    """
    lines = [line.rstrip() for line in lines]
    width = max(map(len, lines), default=0)
    if len(lines) < _SHORT or not _LEAST <= width <= _MOST:
        return None
    pairs = [(line, following, _goes_on(line, following, width)) for line, following in pairwise(lines)]
    column = _column([line for line, _, goes_on in pairs if goes_on], width)
    found = [lines[0]]
    for line, following, goes_on in pairs:
        if not goes_on:
            found.append(following)
        else:
            found[-1] += _gap(line, following, width, column=column, known=known) + following
    return found if len(found) < len(lines) else None


def _is_rest(line: str, following: str) -> bool:
    """Whether what looks like a beginning is the rest of a line that waits for it."""
    if _WAITS.search(line):
        return True
    return _LEADS_ON.search(line) is not None and not _TIMED.match(following)


def _column(broken: Sequence[str], width: int) -> str:
    """Whether lines were broken at a column, in the middle of words: ``yes``, ``perhaps`` or nothing.

    A space that stood at the end of a line was lost.
    """
    exact = sum(len(line) == width for line in broken)
    if not exact or any(len(line) < width - 1 for line in broken):
        return ""
    return "yes" if exact > 1 else "perhaps" if width in _WIDTHS else ""


def _goes_on(line: str, following: str, width: int) -> bool:
    """Whether the second line is the rest of the first."""
    if not line or not following.strip() or _ROW.search(line) or _ROW.search(following):
        return False
    if _BEGINS.match(following) and not _is_rest(line, following):
        return False
    if _NOT_PROSE.match(following) and _NOT_PROSE.match(line):
        return False
    first = _WORD_START.search(following.lstrip())
    word = len(first[0]) if first else 0
    return len(line) >= _LEAST * 2 // 3 and len(line) + 1 + word > width


_TIMED = patterns.compiled(
    r"[IWEF]\d{4} \d\d:|\w{3,4}\.? +\d{1,2} \d\d:\d\d:\d\d|\d{4}[-/]\d\d|\d{1,2}月 +\d"
)


def _gap(line: str, following: str, width: int, *, column: str, known: Callable[[str], bool]) -> str:
    """What stood at the break: nothing if it is in the middle of a word, else a space."""
    end, start = _WORD_END.search(line), _WORD_START.search(following)
    left, right = (end[0] if end else ""), (start[0] if start else "")
    if not left or not right:
        return ""
    if left.endswith("-") and left[-2:-1].isalnum():
        return ""
    if len(line) < width - 1:
        return " "
    if len(left) + len(right) > width or (column == "yes" and len(line) == width):
        return ""
    left, right = _core(left), _core(right)
    whole = known(left + right)
    apart = (known(left) or left.isdigit()) and (known(right) or not right[:1].isalpha())
    if whole is not apart:
        return "" if whole else " "
    return "" if column and len(line) == width else " "


def _core(word: str) -> str:
    return word.strip("\"'()[]{}<>,.;:=\\").lower()


_CUT = patterns.compiled(r"(?<=[^\s>])(?<!\w-)>$|(?<=\w)\.\.\.$")
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
    "no such file or directory",
    "no such host",
    "server misbehaving",
    "address already in use",
    "bind: address already in use",
    "too many colons in address",
    "tls: failed to verify certificate: x509: certificate signed by unknown authority",
    "x509: certificate signed by unknown authority",
    "x509: certificate has expired or is not yet valid",
    "x509: cannot validate certificate for it because it doesn't contain any IP SANs",
    "x509: certificate is valid for others, not it",
    "x509: certificate is not valid for any names, but wanted to match it",
    "remote error: tls: bad certificate",
    "remote error: tls: expired certificate",
    "remote error: tls: unknown certificate authority",
    "websocket: bad handshake",
    "executable file not found in $PATH",
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
    "Container runtime network not ready",
    "kubelet should not running on edge node when running edgecore",
    "no preferred addresses found",
    "code = Unimplemented desc = unknown service runtime.v1.ImageService",
    "desc = unknown service runtime.v1.RuntimeService",
    "can't initialize iptables table",
    "expected cgroupsPath to be of format",
    "failed to verify the certificate",
    "is forbidden: User",
    "failed to verify edge certificate: x509: certificate has expired or is not yet valid",
)
_OVERLAP = 5
_MORE_THAN_A_WORD = patterns.compiled(r"[ :/]")


def is_cut(line: str) -> bool:
    """Whether a pager or a terminal cut the line and left its mark."""
    return len(line) > _LEAST and _CUT.search(line) is not None and "<" not in line[-_LEAST:]


def completed(line: str) -> str:
    """The line with the rest of the error that it ends in the middle of; the same line if it ends in none."""
    stem = _CUT.sub("", line.rstrip()).rstrip()
    overlap, end = max(
        ((_overlap(stem[-90:].lower(), end.lower()), end) for end in _ENDS), key=lambda one: one[0]
    )
    return stem + end[overlap:] if overlap else line


def _overlap(stem: str, end: str) -> int:
    """How many characters of ``end`` stand at the end of ``stem``, from the beginning of a word."""
    for size in range(min(len(stem), len(end) - 1), _OVERLAP - 1, -1):
        if stem.endswith(end[:size]) and not stem[: len(stem) - size][-1:].isalnum():
            return size if _MORE_THAN_A_WORD.search(end[:size]) else 0
    return 0
