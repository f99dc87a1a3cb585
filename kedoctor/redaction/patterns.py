"""Secrets in text of any kind: found by their shape, replaced by placeholders.

This is the second net, behind the redaction of known formats in :mod:`kedoctor.redaction.redactor`, and the first one for
logs and for what tools print. It prefers taking too much to leaving something.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable

from kedoctor import patterns
from kedoctor.redaction.placeholders import JWT, PLACEHOLDER, Placeholders, is_placeholder, private_key_kind
from kedoctor.redaction.secret_names import PASSWORD_WORDS, SECRET_WORDS, is_harmless, is_secret_key, kind_of

__all__ = ["is_suspicious", "redact_base64", "redact_text"]

# Every shape below contains one of these, so that most text is done with after a few fast searches.
_WORDS = (
    *("passw", "passphrase", "secret", "token", "api", "access", "auth", "private", "credential", "key-data"),
    *("bearer", "basic", "eyj", "k10"),
)
_RARE = (
    patterns.compiled(r"://[^/\s]{0,1024}@"),
    patterns.compiled(r"(?<![a-z0-9+/_-])[a-z0-9+/_-]{40}"),
    patterns.compiled(r"\.[a-z0-9]{16}(?![\w.-])"),
)


def is_suspicious(text: str) -> bool:
    """Whether a text is worth a closer look; one that is not comes out of the net unchanged."""
    lowered = text.lower()
    return any(word in lowered for word in _WORDS) or any(rare.search(lowered) for rare in _RARE)


def redact_text(text: str, marks: Placeholders) -> str:
    """``text`` with everything that looks like a secret replaced; a second time changes nothing."""
    if not is_suspicious(text):
        return text
    text = _redact_pem(text, marks)
    text = redact_base64(text, marks)
    for pattern, replace in _SHAPES:
        text = pattern.sub(_outside_placeholders(replace, marks), text)
    return text


# ------------------------------------------------------------------------------------------ PEM blocks

_BEGIN = patterns.compiled(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----")
_END = patterns.compiled(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY-----")
_LINE_END = patterns.compiled(r"(\r?\n|(?:\\{1,8}r)?\\{1,8}n)")
_BASE64_WORD = patterns.compiled(r"[A-Za-z0-9+/]+={0,2}")
_PEM_HEADERS = ("Proc-Type:", "DEK-Info:")
_KEY_LINE = 16
_LAST_LINE = 4  # where the text was cut, so may be the line


def _redact_pem(text: str, marks: Placeholders) -> str:
    """Replaces private key blocks: whole, split over log lines with a prefix each, escaped, or cut off."""
    if "PRIVATE KEY-----" not in text:
        return text
    begins = list(_BEGIN.finditer(text))
    ends = list(_END.finditer(text))
    out: list[str] = []
    position = 0
    for number, begin in enumerate(begins, start=1):
        limit = begins[number].start() if number < len(begins) else len(text)
        while ends and ends[0].start() < begin.end():
            ends.pop(0)
        out.append(_without_tails(text[position : begin.start()], marks))
        if ends and ends[0].end() <= limit:
            position = ends[0].end()
        else:
            position = min(limit, _end_of_cut_block(text, begin.end()))
        out.append(marks.of_private_key(_as_pem(text[begin.start() : position])))
    out.append(_without_tails(text[position:], marks))
    return "".join(out)


def _as_pem(block: str) -> bytes:
    """The block with one newline a line and without what a log put in front of each."""
    lines = [line.strip() for line in _LINE_END.split(block)[::2]]
    body = [line if line.startswith(_PEM_HEADERS) else _last_word(line) for line in lines[1:-1]]
    last = lines[-1][lines[-1].find("-----END") :] if "-----END" in lines[-1] else _last_word(lines[-1])
    return "\n".join([lines[0], *body, last, ""]).encode("utf-8", "surrogateescape")


def _last_word(line: str) -> str:
    return line.rsplit(None, 1)[-1].strip("\"',") if line else ""


def _end_of_cut_block(text: str, start: int) -> int:
    """Where a block without its last line ends: at the first line that is not base64."""
    first = _LINE_END.search(text, start)
    position = first.end() if first else len(text)
    while position < len(text):
        line_end = _LINE_END.search(text, position)
        line = text[position : line_end.start() if line_end else len(text)].strip()
        shortest = _KEY_LINE if line_end else _LAST_LINE
        if line and not line.startswith(_PEM_HEADERS) and not _is_key_line(line, shortest):
            return position - len(first[0]) if first else position
        first = line_end
        position = line_end.end() if line_end else len(text)
    return position


def _is_key_line(line: str, shortest: int) -> bool:
    word = _last_word(line)
    return len(word) >= shortest and _BASE64_WORD.fullmatch(word) is not None


def _without_tails(text: str, marks: Placeholders) -> str:
    """``text`` without the ends of keys whose beginnings were cut off."""
    out: list[str] = []
    position = 0
    for end in _END.finditer(text):
        # Lines and what ends them take turns; the last piece is what stands before the mark on its own line.
        pieces = _LINE_END.split(text[position : end.start()])
        taken = [pieces.pop()]
        shortest = 1
        while len(pieces) >= 2 and _is_key_line(pieces[-2].strip(), shortest):
            taken.extend((pieces.pop(), pieces.pop()))
            shortest = _KEY_LINE
        out.extend((*pieces, marks.of("private key", "".join(reversed(taken)))))
        position = end.end()
    return "".join((*out, text[position:]))


# ---------------------------------------------------------------------------------------------- base64

_BASE64_RUN = patterns.compiled(rf"{PLACEHOLDER}|[A-Za-z0-9+/_-]{{40,}}={{0,2}}")
_MORE_BASE64 = patterns.compiled(r"(?:\\{1,8}n|\s)++(?:[A-Za-z0-9+/_-]{20,}={0,2}|[A-Za-z0-9+/_-]+={1,2})")
_MAX_DEPTH = 3


def redact_base64(text: str, marks: Placeholders, depth: int = 0) -> str:
    """Replaces long base64 runs that hide a private key or other secrets; certificates and digests stay."""
    out: list[str] = []
    position = 0
    while (run := _BASE64_RUN.search(text, position)) is not None:
        out.append(text[position : run.start()])
        position = run.end()
        if run[0].startswith("["):
            out.append(run[0])
            continue
        found = _hidden(run[0], depth)
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
    data = _decoded(patterns.compiled(r"(?:\\{1,8}n|\s)++").sub("", run))
    return marks.of_private_key(data) if "private key" in kind and data else marks.of(kind, run)


def _hidden(run: str, depth: int) -> str:
    """What kind of secret a base64 run hides, or nothing."""
    data = _decoded(run)
    if (kind := private_key_kind(data)) or depth >= _MAX_DEPTH:
        return kind
    try:
        inner = data.decode()
    except UnicodeDecodeError:
        return ""
    scratch = Placeholders(b"")
    if redact_base64(inner, scratch, depth + 1) != inner:
        return next(iter(scratch.counts))
    for pattern, replace in _SHAPES:
        if pattern.sub(_outside_placeholders(replace, scratch), inner) != inner:
            return next(iter(scratch.counts))
    return ""


def _decoded(run: str) -> bytes:
    plain = run.rstrip("=").translate(str.maketrans("-_", "+/"))
    plain = plain[: len(plain) - (len(plain) % 4 == 1)]
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4))
    except (binascii.Error, ValueError):
        return b""


# ---------------------------------------------------------------------------------------------- shapes

Replace = Callable[[patterns.Match[str], Placeholders], str]


def _outside_placeholders(replace: Replace, marks: Placeholders) -> Callable[[patterns.Match[str]], str]:
    return lambda match: match[0] if match["placeholder"] else replace(match, marks)


def _shape(pattern: str, flags: patterns.RegexFlag = patterns.NOFLAG) -> patterns.Pattern[str]:
    return patterns.compiled(rf"(?P<placeholder>{PLACEHOLDER})|(?:{pattern})", flags)


def _jwt(match: patterns.Match[str], marks: Placeholders) -> str:
    # A run without a dot is base64 of something; it is taken as a whole so that nothing in it is looked at again.
    return marks.of_jwt(match["jwt"]) if "." in match["jwt"] else match[0]


def _token(match: patterns.Match[str], marks: Placeholders) -> str:
    return marks.of("token", match["token"])


def _bootstrap_token(match: patterns.Match[str], marks: Placeholders) -> str:
    first, _, second = match["token"].partition(".")
    if not (any(c.isdigit() for c in first) and any(c.isdigit() for c in second)):
        return match[0]
    return marks.of("token", match["token"])


def _malformed_token(match: patterns.Match[str], marks: Placeholders) -> str:
    return match["before"] + marks.of("token", match["token"]) + match["after"]


def _user_of_url(match: patterns.Match[str], marks: Placeholders) -> str:
    return match["user"] + marks.of("password", match["password"]) + "@"


def _authorization(match: patterns.Match[str], marks: Placeholders) -> str:
    value = match["value"]
    if is_harmless("authorization", value) or value.lower() in ("bearer", "basic", "digest"):
        return match[0]
    return match["before"] + marks.of("credential", value)


def _bearer(match: patterns.Match[str], marks: Placeholders) -> str:
    value = match["value"]
    if is_placeholder(value) or (value.isalpha() and len(value) < 20):
        return match[0]
    return match["before"] + marks.of("bearer token", value)


def _basic(match: patterns.Match[str], marks: Placeholders) -> str:
    if b":" not in _decoded(match["value"]):
        return match[0]
    return match["before"] + marks.of("credential", match["value"])


def _flag(match: patterns.Match[str], marks: Placeholders) -> str:
    if not is_secret_key(match["key"]) or is_harmless(match["key"], match["value"]):
        return match[0]
    return match["key"] + match["between"] + marks.of_value(kind_of(match["key"]), match["value"])


def _assignment(match: patterns.Match[str], marks: Placeholders) -> str:
    key, value = match["word"] + match["rest"], match["value"]
    before = match.string[max(0, match.start() - 80) : match.start()]
    prefix = patterns.compiled(r"[\w.-]*\Z").search(before)
    lead = prefix[0] if prefix else ""
    # "…/serviceaccount/token: no such file" speaks of a path.
    sure = _SURE.search(lead + key) is not None
    of_path = (
        not sure and match["sep"].strip() == ":" and _PATH_BEFORE.search(before + match["word"]) is not None
    )
    if of_path or not is_secret_key(lead + key):
        return match[0]
    bare = _unquoted(value)
    if is_harmless(lead + key, bare):
        return match[0]
    quote = value[: len(value) - len(value.lstrip("\\\"'"))]
    closing = quote if quote and value.endswith(quote) and len(value) > len(quote) else ""
    return key + match["sep"] + quote + marks.of_value(kind_of(lead + key), bare) + closing


_SURE = patterns.compiled(PASSWORD_WORDS, patterns.IGNORECASE)
_PATH_BEFORE = patterns.compiled(r"/[\w.-]{1,64}/[\w.-]{1,64}\Z")


def _unquoted(value: str) -> str:
    for quote in ('\\"', '"', "'"):
        if value.startswith(quote):
            return value[len(quote) :].removesuffix(quote)
    return value


def _quoted_assignment(match: patterns.Match[str], marks: Placeholders) -> str:
    """``"NAME=value with spaces"``, as units and compose files write environment variables."""
    key, value = match["key"], match["value"]
    if not is_secret_key(key) or is_harmless(key, value):
        return match[0]
    return f"{match['quote']}{key}={marks.of_value(kind_of(key), value)}{match['quote']}"


_VALUE = rf"(?:\\\"(?:(?!\\\").)*(?:\\\")?|\"(?:\\.|[^\"\\\n])*\"?|'[^'\n]*'?|(?:{PLACEHOLDER}|[^\s\"'])(?:{PLACEHOLDER}|[^\s\"'])*)"

_SHAPES: tuple[tuple[patterns.Pattern[str], Replace], ...] = (
    (_shape(rf"(?P<jwt>{JWT})"), _jwt),
    (_shape(r"(?P<token>K10[0-9a-f]{16,64}::[^\s\"']+)"), _token),
    (_shape(r"(?<![\w.-])(?P<token>[a-z0-9]{6}\.[a-z0-9]{16})(?![\w.-])"), _bootstrap_token),
    (_shape(r"(?P<user>://[^\s/:@\"']{0,256}:)(?P<password>[^\s/@\"']{1,512})@"), _user_of_url),
    (
        _shape(
            rf"(?P<before>(?<![a-z])authorization[\"']?[ \t]{{0,4}}[:=][ \t]{{0,4}}[\"']?(?:(?:basic|bearer|digest)[ \t]+)?)(?P<value>{PLACEHOLDER}|[^\s\"']+)",
            patterns.IGNORECASE,
        ),
        _authorization,
    ),
    (
        _shape(rf"(?P<before>\bbearer[ \t]+)(?P<value>{PLACEHOLDER}|[\w.~+/=-]{{8,}})", patterns.IGNORECASE),
        _bearer,
    ),
    (_shape(r"(?P<before>\bbasic[ \t]+)(?P<value>[A-Za-z0-9+/]{6,}={0,2})", patterns.IGNORECASE), _basic),
    (
        _shape(
            r"(?P<before>\btoken\s+)(?P<token>[^\s/]{16,})(?P<after>\s+credentials?\b)", patterns.IGNORECASE
        ),
        _malformed_token,
    ),
    (
        _shape(
            rf"(?P<key>(?:--|(?<![\w-])-)[\w-]{{0,60}}(?:{SECRET_WORDS})[\w-]{{0,60}})(?P<between>[ \t]+)(?P<value>(?![-:=]){_VALUE})",
            patterns.IGNORECASE,
        ),
        _flag,
    ),
    (
        _shape(r"(?P<quote>[\"'])(?P<key>[A-Za-z_][\w.-]{0,120})=(?P<value>[^\"'\n]+)(?P=quote)"),
        _quoted_assignment,
    ),
    (
        _shape(
            rf"(?P<word>{SECRET_WORDS}|\bauth\b)(?P<rest>[\w.-]{{0,80}})(?P<sep>(?:\\)?[\"']?[ \t]{{0,8}}(?:=>|:=|[:=])[ \t]{{0,8}})(?P<value>{_VALUE})",
            patterns.IGNORECASE,
        ),
        _assignment,
    ),
)
