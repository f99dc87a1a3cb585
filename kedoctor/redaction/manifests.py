"""Secrets of Kubernetes that were printed as text: what stands below ``data`` and ``stringData``."""

from __future__ import annotations

from kedoctor import patterns
from kedoctor.redaction.placeholders import PLACEHOLDER, Placeholders
from kedoctor.redaction.private_keys import LINE_END

__all__ = ["redact_manifests"]

_QUOTE = r"(?:\\{0,8}[\"'])?"
_KIND = patterns.compiled(rf"(?:\b|(?<=\\n))kind{_QUOTE}[ \t]{{0,4}}:[ \t]{{0,4}}{_QUOTE}Secret\b")
_DATA = patterns.compiled(r"\b(?:data|stringData):[ \t]{0,8}\Z")
_PAIR = patterns.compiled(
    rf"(?P<before>(?P<key>[\w.-]{{1,253}}){_QUOTE}:[ \t]{{1,8}}{_QUOTE})(?P<value>[^\s\"'\\]{{1,100000}})(?P<after>[\"'\\,;)\s]{{0,8}}(?:;.{{0,100}})?)\Z"
)
_IN_BRACES = patterns.compiled(
    r"(?P<before>\b(?:data|stringData)\\{0,8}[\"']?[ \t]{0,4}:[ \t]{0,4}\{)(?P<inside>[^{}]{1,200000})(?P<after>\}?)"
)
_VALUE = patterns.compiled(
    rf"(?P<before>:[ \t]{{0,4}}(?P<quote>\\{{0,8}}\"))(?P<value>{PLACEHOLDER}|[^\"\\]{{1,200000}})"
)
_ENDS = frozenset({"kind", "metadata", "type", "apiVersion", "immutable", "name", "reason"})


def redact_manifests(text: str, marks: Placeholders) -> str:
    """``text`` without what Secrets in it hold."""
    if "Secret" not in text or _KIND.search(text) is None:
        return text
    text = _IN_BRACES.sub(
        lambda match: match["before"] + _members(match["inside"], marks) + match["after"], text
    )
    return _lines(text, marks)


def _members(inside: str, marks: Placeholders) -> str:
    return _VALUE.sub(
        lambda match: (
            match["before"]
            + (
                match["value"]
                if match["value"].startswith("[redacted ")
                else marks.of_value("secret", match["value"])
            )
        ),
        inside,
    )


def _lines(text: str, marks: Placeholders) -> str:
    pieces = LINE_END.split(text)
    below = False
    for at in range(0, len(pieces), 2):
        line = pieces[at]
        if _DATA.search(line[-200:]):
            below = True
            continue
        if not below:
            continue
        pair = _PAIR.search(line) if len(line) < 1 << 16 else None
        if pair is None or pair["key"] in _ENDS:
            below = pair is None and bool(line.strip())
            continue
        if not pair["value"].startswith("[redacted"):
            mark = marks.of_value("secret", pair["value"])
            pieces[at] = line[: pair.start()] + pair["before"] + mark + pair["after"]
    return "".join(pieces)
