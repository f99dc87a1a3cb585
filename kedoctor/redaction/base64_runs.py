"""Base64 that hides a secret: in one run, or wrapped over lines; and tokens that were wrapped."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable

from kedoctor import patterns
from kedoctor.redaction.placeholders import JWT, PLACEHOLDER, Placeholders, private_key_kind
from kedoctor.redaction.private_keys import LINE_END

__all__ = ["LooksSecret", "decoded", "redact_base64", "redact_wrapped"]

LooksSecret = Callable[[str, Placeholders], bool]
"""Whether a text that was found inside base64 holds a secret; counts it in the marks."""

_BASE64_RUN = patterns.compiled(rf"{PLACEHOLDER}|[A-Za-z0-9+/_-]{{40,}}={{0,2}}")
_MORE_BASE64 = patterns.compiled(r"(?:\\{1,8}n|\s)++(?:[A-Za-z0-9+/_-]{20,}={0,2}|[A-Za-z0-9+/_-]+={1,2})")
_MAX_DEPTH = 3


def redact_base64(text: str, marks: Placeholders, looks_secret: LooksSecret, depth: int = 0) -> str:
    """Replaces long base64 runs that hide a private key or other secrets; certificates and digests stay."""
    out: list[str] = []
    position = 0
    while (run := _BASE64_RUN.search(text, position)) is not None:
        out.append(text[position : run.start()])
        position = run.end()
        if run[0].startswith("["):
            out.append(run[0])
            continue
        found = _hidden(run[0], depth, looks_secret)
        if not found:
            out.append(run[0])
            continue
        while (more := _MORE_BASE64.match(text, position)) is not None:
            position = more.end()
        whole = text[run.start() : position]
        out.append(_placeholder_of_run(found, whole, marks))
    out.append(text[position:])
    return "".join(out)


def _placeholder_of_run(kind: str, run: str, marks: Placeholders) -> str:
    data = decoded(patterns.compiled(r"(?:\\{1,8}n|\s)++").sub("", run))
    return marks.of_private_key(data) if "private key" in kind and data else marks.of(kind, run)


def _hidden(run: str, depth: int, looks_secret: LooksSecret) -> str:
    """What kind of secret a base64 run hides, or nothing."""
    data = decoded(run)
    if (kind := private_key_kind(data)) or depth >= _MAX_DEPTH:
        return kind
    try:
        inner = data.decode()
    except UnicodeDecodeError:
        return ""
    scratch = Placeholders(b"")
    if redact_base64(inner, scratch, looks_secret, depth + 1) != inner:
        return next(iter(scratch.counts))
    if looks_secret(inner, scratch):
        return next(iter(scratch.counts), "secret")
    return ""


def decoded(run: str) -> bytes:
    """What a run of base64 of either alphabet holds, however it is padded; nothing if it is none."""
    plain = run.rstrip("=").translate(str.maketrans("-_", "+/"))
    plain = plain[: len(plain) - (len(plain) % 4 == 1)]
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4))
    except (binascii.Error, ValueError):
        return b""


# ------------------------------------------------------------------------------------------ wrapped

_TRAILING = patterns.compiled(
    r"(?<![A-Za-z0-9+/_.=-])(?P<run>[A-Za-z0-9+/_.=-]{8,400})(?P<behind>[\"'\\,;)}\]]{0,8}\s{0,8})\Z"
)
_LEADING = patterns.compiled(r"(?P<before>[ \t]{0,80})(?P<run>[A-Za-z0-9+/_.=-]{4,400})")
_WHOLE_JWT = patterns.compiled(rf"[^.]{{0,80}}\.?{JWT}")
_KEY = patterns.compiled(r"[A-Za-z]{1,80}:(?:\s|\Z)")  # of a document that begins behind what was wrapped
_SHORTEST = 16
_STARTS = 3
_LONGEST_LINE = 2000


def redact_wrapped(text: str, marks: Placeholders, looks_secret: LooksSecret) -> str:
    """``text`` without keys and tokens that were broken over several lines, each of which may have a prefix."""
    pieces = LINE_END.split(text)
    lines = pieces[::2]
    at = 0
    while at < len(lines) - 1:
        runs = _runs_from(lines, at)
        # A word of another text may stand in front of what was wrapped.
        for skipped in range(min(_STARTS, len(runs) - 1)):
            whole = "".join(run for _, _, run in runs[skipped:])
            if kind := _kind_of(whole, looks_secret):
                _take_out(lines, runs[skipped:], marks.of(kind, whole))
                break
        at += max(len(runs) - 1, 1)
    pieces[::2] = lines
    return "".join(pieces)


def _take_out(lines: list[str], runs: list[tuple[int, int, str]], mark: str) -> None:
    for line, start, run in runs:
        lines[line] = lines[line][:start] + mark + lines[line][start + len(run) :]
        mark = ""


def _runs_from(lines: list[str], at: int) -> list[tuple[int, int, str]]:
    """The number of the line, where in it and what, for lines that end with what may be parts of one word."""
    first = _trailing(lines[at])
    if first is None:
        return []
    inner = first["run"].rstrip("=").rfind("=") + 1  # name=…
    if len(first["run"]) - inner < _SHORTEST:
        return []
    found = [(at, first.start("run") + inner, first["run"][inner:])]
    for number in range(at + 1, min(at + 400, len(lines))):
        match = _trailing(lines[number])
        rest = _LEADING.match(lines[number][:_LONGEST_LINE])
        # A sentence may go on behind the last line, and end with a word that could be one of the run.
        ends_here = rest is not None and _is_mixed(rest["run"])
        if match is not None and not (ends_here and rest is not None and rest.end() <= match.start("run")):
            found.append((number, match.start("run"), match["run"]))
            continue
        if rest is not None and not _KEY.match(lines[number], rest.start("run")):
            found.append((number, rest.start("run"), rest["run"]))
        break
    return found


def _is_mixed(word: str) -> bool:
    """Whether there are capitals, small letters and digits in it, as in what was made by chance, or it is filled up."""
    return word.endswith("=") or all(any(map(one, word)) for one in (str.isupper, str.islower, str.isdigit))


def _trailing(line: str) -> patterns.Match[str] | None:
    return _TRAILING.search(line, max(0, len(line) - 500)) if line else None


def _kind_of(word: str, looks_secret: LooksSecret) -> str:
    if "eyJ" in word[:100] and word.count(".") >= 2 and _WHOLE_JWT.match(word):
        return "jwt"
    return _hidden(word, 0, looks_secret) if len(word) >= _FEWEST and "." not in word.rstrip(".") else ""


_FEWEST = 40
