"""What one YAML scalar means to Go: the resolution rules of go-yaml v2 and the conversions of sigs.k8s.io/yaml."""

from __future__ import annotations

import base64
import binascii
import math
import struct

from kedoctor import patterns

Scalar = str | int | float | bool | None

_PREFIX = "tag:yaml.org,2002:"

_WORDS: dict[str, Scalar] = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
}

_INTEGER = patterns.compiled(
    r"(?P<sign>[-+]?)(?:0[xX](?P<hex>[0-9a-fA-F]+)|0[bB](?P<bin>[01]+)|0[oO](?P<oct>[0-7]+)"
    r"|0(?P<old>[0-7]+)|(?P<dec>0|[1-9][0-9]*))",
    patterns.ASCII,
)
_BASES = {"hex": 16, "bin": 2, "oct": 8, "old": 8, "dec": 10}
_FLOAT = patterns.compiled(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", patterns.ASCII)
_UNDERSCORE = patterns.compiled(r"(?<=[0-9])_(?=[0-9])", patterns.ASCII)
_TIMESTAMP = patterns.compiled(
    r"\d{4}-(?:0?[1-9]|1[0-2])-(?:0?[1-9]|[12]\d|3[01])"
    r"(?:[Tt ]\d{1,2}:\d{1,2}:\d{1,2}(?:\.\d+)?(?:Z|[-+]\d\d:\d\d)?)?",
    patterns.ASCII,
)


def resolve(text: str, tag: str = "") -> Scalar:
    """The value of a plain (or tagged) scalar; ``tag`` is the full tag, empty when none is written.

    Raises:
        ValueError: the text does not fit its explicit tag.
    """
    name = tag.removeprefix(_PREFIX)
    if name == "binary":
        return _binary(text)
    if tag and name not in {"bool", "int", "float", "null", "timestamp"}:
        return text
    value = _plain(text)
    if name and not _fits(name, text, value):
        raise ValueError(f"cannot decode {text[:40]!r} as !!{name}")
    return float(value) if name == "float" and isinstance(value, int) else value


def key_text(value: object) -> str | None:
    """The string that a key becomes, or None when Go refuses such a key."""
    if value is None or isinstance(value, dict | list) or (isinstance(value, int) and value >= 2**63):
        return None
    return text_of(value) if isinstance(value, str | int | float) else None


def text_of(value: str | bool | float) -> str:
    """A scalar as the string Go makes of it where a string is wanted."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _float_text(value)
    return str(value)


def _float_text(value: float) -> str:
    """What ``strconv.FormatFloat(value, 'g', -1, 32)`` prints: the shortest form that keeps a 32-bit float."""
    if not math.isfinite(value):
        return {"inf": ".inf", "-inf": "-.inf"}.get(str(value), ".nan")
    shortest = next(
        (s for p in range(9) if _single(float(s := f"{value:.{p}e}")) == _single(value)), f"{value:.8e}"
    )
    exponent = int(shortest.partition("e")[2])
    plain = -5 < exponent < 6
    return repr(float(shortest)).removesuffix(".0") if plain else shortest


def _single(value: float) -> bytes:
    try:
        return struct.pack("f", value)
    except OverflowError:
        return b""


def _binary(text: str) -> str:
    try:
        return base64.b64decode("".join(text.split()), validate=True).decode("utf-8", "replace")
    except binascii.Error:
        raise ValueError("!!binary value contains invalid base64 data") from None


def _fits(name: str, text: str, value: Scalar) -> bool:
    if name == "timestamp":
        return is_timestamp(text)
    if name == "bool":
        return isinstance(value, bool)
    if name == "null":
        return value is None
    numbers = (int,) if name == "int" else (int, float)
    large = name == "float" and isinstance(value, int) and value >= 2**63  # a Go uint64 is not widened
    return isinstance(value, numbers) and not isinstance(value, bool) and not large


def _plain(text: str) -> Scalar:
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "+-.0123456789" or is_timestamp(text):
        return text
    # Go allows underscores between digits; go-yaml drops all of them when a digit or a sign comes first.
    digits = _UNDERSCORE.sub("", text) if text[0] == "." else text.replace("_", "")
    number: int | float | None = _integer(digits)
    if number is None and _FLOAT.fullmatch(digits):
        number = float(digits)
    return text if number is None or number in (float("inf"), float("-inf")) else number


def _integer(digits: str) -> int | None:
    match = _INTEGER.fullmatch(digits)
    if match is None:
        return None
    base = match.lastgroup or "dec"
    number = int(match["sign"] + match[base], _BASES[base])
    return number if -(2**63) <= number < 2**64 and not (match["sign"] and number >= 2**63) else None


def is_timestamp(text: str) -> bool:
    """Whether go-yaml would take this plain text for a timestamp (which then stays the text it was)."""
    return _TIMESTAMP.fullmatch(text) is not None
