"""``name: value`` in every notation, where the name says that the value is a secret; and what follows such a word in prose.

The name is found by a pattern, the value by going through the text from there: quoted, escaped, in brackets, on lines of
its own. What a value may span has an end, so that a text costs no more than its length.
"""

from __future__ import annotations

from kedoctor import patterns
from kedoctor.redaction.placeholders import PLACEHOLDER, Placeholders
from kedoctor.redaction.private_keys import LINE_END
from kedoctor.redaction.secret_names import (
    OBJECT_KEYS,
    PASSWORD_WORDS,
    SECRET_WORDS,
    is_harmless,
    is_secret_key,
    kind_of,
)

__all__ = ["redact_assignments"]

_QUOTE = r"(?:\\{0,8}[\"'`])?"
_SEPARATOR = rf"{_QUOTE}[ \t]{{0,8}}(?:=>|->|:=|[:=：＝]|是|为)[ \t]{{0,8}}"
_KEY = patterns.compiled(
    rf"(?P<placeholder>{PLACEHOLDER})|(?P<word>{SECRET_WORDS}|\bauth\b|_auth\b|(?<=\\n)auth\b)(?P<rest>[A-Za-z0-9_.-]{{0,80}})(?P<sep>{_SEPARATOR})",
    patterns.IGNORECASE,
)
_PROSE = patterns.compiled(
    rf"(?P<placeholder>{PLACEHOLDER})|(?P<before>(?:{PASSWORD_WORDS})[ \t]{{1,4}}(?:(?:is|was|of|to|的是)[ \t]{{1,4}})?)"
    r"(?:(?P<quote>\\{0,8}[\"'`])(?P<quoted>(?!\[redacted )[^\"'`\\\n]{1,200})(?P=quote)|(?P<bare>(?!\[redacted )[^\s\"'`]{6,200}))",
    patterns.IGNORECASE,
)
_XML = patterns.compiled(
    rf"(?P<placeholder>{PLACEHOLDER})|(?P<before><(?P<key>[\w.-]{{0,40}}(?:{SECRET_WORDS})[\w.-]{{0,40}})>)(?P<value>[^<>\n]{{1,4000}})(?=</)",
    patterns.IGNORECASE,
)
_NAME_AND_VALUE = patterns.compiled(
    rf"(?P<before>{_QUOTE}(?:name|key){_QUOTE}[ \t]{{0,4}}:[ \t]{{0,4}}{_QUOTE}(?P<key>[\w.-]{{1,120}}){_QUOTE}(?:,|\s|\\{{1,8}}n){{1,40}}{_QUOTE}value{_QUOTE}[ \t]{{0,4}}:[ \t]{{0,4}})"
)
_LEAD = patterns.compiled(r"[A-Za-z0-9_.-]{0,80}\Z")
_SURE = patterns.compiled(PASSWORD_WORDS, patterns.IGNORECASE)
_PATH_BEFORE = patterns.compiled(r"/[\w.-]{1,64}/[\w.-]{1,64}\Z")
_OBJECT_BEFORE = patterns.compiled(r"(?:\A|[\s(\"'])[a-z][a-z0-9-]{0,62}/[\w.-]{0,64}\Z")
_KIND_BEFORE = patterns.compiled(r"[A-Za-z] \\{0,8}\"(?:[a-z]{1,20}/)?(?:secret|token|credential)\Z")
_WORD_BEHIND = patterns.compiled(r"[a-z]{2,12}(?: [a-z0-9]|[:;,.]|\s*\Z)")
_GOES_ON = patterns.compiled(r"[a-z]{1,12} [a-z]")
_YAML_SIGNS = patterns.compiled(r"(?:[&!][^\s\"'{}\[\]]{1,64}[ \t]{1,8})+")
_BLOCK = patterns.compiled(r"(?:[|>]|&gt;)[-+0-9]{0,3}[ \t]{0,8}(?=\r?\n|\\{1,8}n)")
_OPENING = patterns.compiled(r"(?P<slashes>\\{0,8})(?P<quote>[\"'`])")
_BARE = patterns.compiled(rf"(?:[^\s\"'`\[]++|{PLACEHOLDER}|\[)++")
_ESCAPED_END = patterns.compiled(r"\\{1,8}n")
_ONE_PLACEHOLDER = patterns.compiled(PLACEHOLDER)
_INNER_KEYS = patterns.compiled(r"([\w.-]{1,80})(?:\\{0,8}[\"'])?[ \t]{0,4}[:=]")
_BELOW = patterns.compiled(
    r"(?P<lead>[ \t#>|-]{0,80}(?:(?P<key>[\w.-]{1,120})(?:\\{0,8}[\"'])?:[ \t]{1,8})?)(?P<value>\S.{0,4000})?"
)
_CLOSERS = ",;)}]>"
_LONGEST = 4000
_MOST_LINES = 40
_HAS_DIGIT = patterns.compiled(r"\d")
_NUMBERS = patterns.compiled(r"[\d.:/%-]+[a-z]{0,2}|[\w.-]+\.go:\d+\]?|[vV]?\d+(?:\.\d+)+\S*")
_MIXED = patterns.compiled(r"[a-z][A-Z]|[A-Z]{2}[a-z]|[!@#$%^&*~]")


def redact_assignments(text: str, marks: Placeholders) -> str:
    """``text`` without the values of names that sound secret."""
    text = _names_and_values(text, marks)
    text = _assigned(text, marks)
    text = _XML.sub(lambda match: match[0] if match["placeholder"] else _of_element(match, marks), text)
    return _PROSE.sub(lambda match: match[0] if match["placeholder"] else _of_prose(match, marks), text)


def _assigned(text: str, marks: Placeholders) -> str:
    out: list[str] = []
    position = 0
    while (match := _KEY.search(text, position)) is not None:
        marks.go_on()
        out.append(text[position : match.end()])
        position = match.end()
        if match["placeholder"]:
            continue
        key = _whole_key(text, match)
        if not key:
            continue
        clean, position = _value(text, match.start(), position, key, marks)
        out.append(clean)
    return "".join((*out, text[position:]))


def _whole_key(text: str, match: patterns.Match[str]) -> str:
    """The name that a match stands in, if what follows is its value and a secret."""
    before = text[max(0, match.start() - 80) : match.start()]
    lead = _LEAD.search(before)
    key = (lead[0] if lead else "") + match["word"] + match["rest"]
    if not is_secret_key(key) or _speaks_of_something(text, before + match["word"], key, match):
        return ""
    return key


def _speaks_of_something(text: str, before: str, key: str, match: patterns.Match[str]) -> bool:
    """Of a path ("…/token: no such file"), of an object ("kubeedge/tokensecret: list secrets") or of a kind of objects.

    That is: ``cannot list resource "secrets": exit status 1``.
    """
    if match["sep"].strip(" \t\\\"'`") != ":" or _SURE.search(key) is not None:
        return False
    if key.endswith("s") and _KIND_BEFORE.search(before) and _WORD_BEHIND.match(text, match.end()):
        return True
    if match["sep"].strip() != ":":
        return False
    of_object = _OBJECT_BEFORE.search(before) and _GOES_ON.match(text, match.end())
    return _PATH_BEFORE.search(before) is not None or of_object is not None


def _names_and_values(text: str, marks: Placeholders) -> str:
    out: list[str] = []
    position = 0
    for match in _NAME_AND_VALUE.finditer(text):
        if match.start() < position or not is_secret_key(match["key"]):
            continue
        out.append(text[position : match.end()])
        clean, position = _value(text, match.start(), match.end(), match["key"], marks)
        out.append(clean)
    return "".join((*out, text[position:]))


# ---------------------------------------------------------------------------------------------- values


def _value(text: str, key_at: int, at: int, key: str, marks: Placeholders) -> tuple[str, int]:
    """What is to stand for the value at that place, and where the value ends."""
    start = at
    if LINE_END.match(text, at):
        return _lines_below(text, key_at, at, key, marks)
    if signs := _YAML_SIGNS.match(text, at):
        at = signs.end()
    if block := _BLOCK.match(text, at):
        return _lines_below(text, key_at, block.end(), key, marks, before=text[start : block.end()])
    if opening := _OPENING.match(text, at):
        return _quoted(text, start, opening, key, marks)
    known = _ONE_PLACEHOLDER.match(text, at)
    if text[at : at + 1] in ("{", "[") and known is None:
        return _bracketed(text, start, at, key, marks)
    bare = _BARE.match(text, at, at + _LONGEST)
    if bare is None:
        return "", start
    value = bare[0]
    if ending := _ESCAPED_END.search(value):
        value = value[: ending.start()] or value
    value = value.rstrip("\\")
    if known is not None and not value[len(known[0]) :].strip(_CLOSERS + "\\"):
        return text[start : known.end()], known.end()
    value = value.rstrip(_CLOSERS) or value
    if is_harmless(key, value):
        return text[start : at + len(value)], at + len(value)
    return text[start:at] + marks.of_value(kind_of(key), value), at + len(value)


def _quoted(
    text: str, start: int, opening: patterns.Match[str], key: str, marks: Placeholders
) -> tuple[str, int]:
    first = opening.end()
    closing = _closing(text, first, opening[0])
    value = text[first : closing if closing >= 0 else _end_of_line(text, first)]
    end = first + len(value)
    if is_harmless(key, value):
        return text[start:end], end
    return text[start:first] + marks.of_value(kind_of(key), value), end


def _closing(text: str, first: int, quote: str) -> int:
    """Where the same quote stands again, as often escaped as the first one."""
    at = first
    limit = min(len(text), first + _LONGEST)
    while (at := text.find(quote, at, limit)) >= 0:
        slashes = 0
        while text[at - 1 - slashes] == "\\" and at - 1 - slashes >= first:
            slashes += 1
        if slashes % 2 == 0 or len(quote) > 1:
            return at if slashes == 0 or len(quote) == 1 else at - slashes
        at += 1
    return -1


def _end_of_line(text: str, at: int) -> int:
    end = text.find("\n", at, at + _LONGEST)
    return end if end >= 0 else min(len(text), at + _LONGEST)


def _bracketed(text: str, start: int, at: int, key: str, marks: Placeholders) -> tuple[str, int]:
    depth, end = 0, at
    limit = min(len(text), at + _LONGEST)
    for end in range(at, limit):
        depth += (text[end] in "{[") - (text[end] in "}]")
        if depth == 0:
            break
    value = text[at : end + 1]
    names = _INNER_KEYS.findall(value)
    inner = value.strip("{}[] ")
    # {"secret": {"secretName": …}} speaks of where a secret is.
    if (
        not inner
        or is_harmless(key, inner)
        or (names and OBJECT_KEYS.issuperset(names))
        or (inner.startswith("redacted ") and _ONE_PLACEHOLDER.search(value))
    ):
        return text[start:at] + value[:1], at + 1
    return text[start:at] + marks.of_value(kind_of(key), value), at + len(value)


def _lines_below(
    text: str, key_at: int, at: int, key: str, marks: Placeholders, *, before: str = ""
) -> tuple[str, int]:
    """The lines that belong to a name without a value on its own line: deeper, or items of a list."""
    begun = LINE_END.match(text, at)
    if begun is None:
        return before, at
    line_start = max(text.rfind("\n", 0, key_at), text.rfind("\\n", 0, key_at) + 1) + 1
    prefix = (
        patterns.compiled(r"\d").sub("0", text[line_start:key_at].rstrip(" -\"'"))
        if key_at > line_start
        else ""
    )
    indent = key_at - line_start - len(prefix)
    out, position = [before, begun[0]], begun.end()
    for _ in range(_MOST_LINES):
        ending = LINE_END.search(text, position, position + _LONGEST)
        line = text[position : ending.start() if ending else min(len(text), position + _LONGEST)]
        own = (
            len(prefix) if prefix and patterns.compiled(r"\d").sub("0", line[: len(prefix)]) == prefix else 0
        )
        body = line[own:]
        # What stands in front of the key says how deep it is only where the next lines have the same.
        if body.strip() and not _is_below(body, indent if own == len(prefix) else 0):
            break
        out.append(line[:own] + _clean_line(body, key, marks) + (ending[0] if ending else ""))
        position = ending.end() if ending else position + len(line)
        if ending is None or not body.strip():
            break
    return "".join(out), position


def _is_below(body: str, indent: int) -> bool:
    """Whether a line stands deeper than its key, or is an item of a list at the same depth."""
    own = len(body) - len(body.lstrip())
    return own > indent or (own == indent and body[own:].startswith("- "))


def _clean_line(body: str, key: str, marks: Placeholders) -> str:
    match = _BELOW.match(body)
    if match is None or not match["value"]:
        return body
    value = match["value"].rstrip()
    bare = value.strip("\"'\\")
    if match["key"] in OBJECT_KEYS or is_harmless(key, bare) or _ONE_PLACEHOLDER.search(value):
        return body
    return match["lead"] + marks.of_value(kind_of(key), bare) + body[match.end() :]


# ---------------------------------------------------------------------------------------------- prose


def _of_element(match: patterns.Match[str], marks: Placeholders) -> str:
    key, value = match["key"], match["value"]
    if not is_secret_key(key) or is_harmless(key, value):
        return match[0]
    return match["before"] + marks.of_value(kind_of(key), value)


def _of_prose(match: patterns.Match[str], marks: Placeholders) -> str:
    if match["quoted"] is not None:
        if is_harmless("password", match["quoted"]) or len(match["quoted"].split()) > 1:
            return match[0]
        return match["before"] + match["quote"] + marks.of("password", match["quoted"]) + match["quote"]
    value = match["bare"].rstrip(_CLOSERS + ".:\\")
    if not _looks_like_a_password(value):
        return match[0]
    return match["before"] + marks.of("password", value) + match["bare"][len(value) :]


def _looks_like_a_password(value: str) -> bool:
    if len(value) < 6 or value.startswith(("[", "/", "<", "{", "%")) or _NUMBERS.fullmatch(value):
        return False
    return (_HAS_DIGIT.search(value) is not None and not value.isdigit()) or _MIXED.search(value) is not None
