"""Secrets of Kubernetes that were printed as text: what stands below ``data`` and ``stringData``."""

from __future__ import annotations

from kedoctor import patterns
from kedoctor.redaction.placeholders import Placeholders
from kedoctor.redaction.private_keys import LINE_END

__all__ = ["redact_manifests"]

_QUOTE = r"(?:\\{0,8}[\"'])?"
_KIND = patterns.compiled(rf"(?:\b|(?<=\\n))kind{_QUOTE}[ \t]{{0,4}}:[ \t]{{0,4}}{_QUOTE}Secret\b")
_DATA = patterns.compiled(r"\b(?:data|stringData):[ \t]{0,8}\Z")
_PAIR = patterns.compiled(
    rf"(?P<before>(?P<key>[\w.-]{{1,253}}){_QUOTE}:[ \t]{{1,8}}{_QUOTE})(?P<value>[^\s\"'\\]{{1,100000}})(?P<after>[\"'\\,;)\s]{{0,8}}(?:;.{{0,100}})?)\Z"
)
_BRACES = patterns.compiled(r"\b(?:data|stringData)\\{0,8}[\"']?[ \t]{0,4}:[ \t]{0,4}\{")
_SPACE = patterns.compiled(r"\s*+")
_STEP = patterns.compiled(r"(?P<quote>\\{0,8}[\"'])|[{}:]|[^\\\"'{}:]++|\\++")
_BARE = patterns.compiled(r"[^,{}\n\"'\\]++")
_BLOCK = patterns.compiled(r"[|>][+-]?\d?[+-]?")
_ENDS = frozenset({"kind", "metadata", "type", "apiVersion", "immutable", "name", "reason"})


def redact_manifests(text: str, marks: Placeholders) -> str:
    """``text`` without what Secrets in it hold."""
    if "Secret" not in text or _KIND.search(text) is None:
        return text
    return _lines(_in_braces(text, marks), marks)


def _in_braces(text: str, marks: Placeholders) -> str:
    """JSON, also where it was escaped several times, and YAML between braces: every value is taken out whole."""
    out: list[str] = []
    place = 0
    while (opened := _BRACES.search(text, place)) is not None:
        out.append(text[place : opened.end()])
        place = opened.end()
        end, values = _values(text, place)
        for first, last in values:
            value = text[first:last]
            out.append(text[place:first])
            out.append(value if value.startswith("[redacted ") else marks.of_value("secret", value))
            place = last
        out.append(text[place:end])
        place = end
    return "".join([*out, text[place:]])


def _values(text: str, place: int) -> tuple[int, list[tuple[int, int]]]:
    """Where the braces end whose inside begins at ``place``, and from where to where its values are."""
    found: list[tuple[int, int]] = []
    depth, awaited = 1, False
    while depth and (step := _STEP.match(text, place)) is not None:
        place = step.end()
        if step["quote"]:
            closed = _closed(text, place, step["quote"])
            if awaited and closed > place:
                found.append((place, closed))
            awaited, place = False, min(closed + len(step["quote"]), len(text))
        elif step[0] == ":":
            awaited = True
            place = _space_behind(text, place)
            if (bare := _BARE.match(text, place)) is not None:
                place = bare.end()
                found.append((bare.start(), bare.start() + len(bare[0].rstrip())))
                awaited = False
        elif step[0] in "{}":
            depth += 1 if step[0] == "{" else -1
    return place, found


def _space_behind(text: str, place: int) -> int:
    space = _SPACE.match(text, place)
    return space.end() if space else place


def _closed(text: str, place: int, quote: str) -> int:
    """Where the quotation ends that begins at ``place``: at the same quote, with as many backslashes before it."""
    while (found := text.find(quote, place)) >= 0:
        window = text[max(0, found - 64) : found]
        escapes = len(window) - len(window.rstrip("\\"))
        if escapes == 0 or (len(quote) == 1 and escapes % 2 == 0):
            return found
        place = found + len(quote)
    return len(text)


def _lines(text: str, marks: Placeholders) -> str:
    pieces = LINE_END.split(text)
    below = False
    head = 0  # columns of what a log writes before each line
    block: int | None = None  # the indentation of a key whose value is the deeper lines
    for at in range(0, len(pieces), 2):
        line = pieces[at]
        if (data := _DATA.search(line, max(0, len(line) - 200))) is not None:
            below, block, head = True, None, len(line[: data.start()].rstrip())
            continue
        if not below:
            continue
        if block is not None:
            indented = len(line) - len(line[head:].lstrip(" "))
            if indented - head > block and line[indented:].strip():
                pieces[at] = _hidden_line(line, indented, marks)
            if indented - head > block or not line.strip():
                continue
            block = None
        pair = _PAIR.search(line) if len(line) < 1 << 16 else None
        if pair is None or pair["key"] in _ENDS:
            below = pair is None and bool(line.strip())
        elif _BLOCK.fullmatch(pair["value"]):
            block = len(line[head : pair.start("key")])
        elif not pair["value"].startswith("[redacted"):
            mark = marks.of_value("secret", pair["value"])
            pieces[at] = line[: pair.start()] + pair["before"] + mark + pair["after"]
    return "".join(pieces)


def _hidden_line(line: str, begins: int, marks: Placeholders) -> str:
    value = line[begins:].rstrip("\"'\\,;)}] \t")
    if not value or value.startswith("[redacted"):
        return line
    return line[:begins] + marks.of_value("secret", value) + line[begins + len(value) :]
