"""Which YAML values a field of a Go struct accepts, and what it makes of them (sigs.k8s.io/yaml, encoding/json)."""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from kedoctor.api import Text, patterns
from kedoctor.api.yaml import text_of

__all__ = ["NO_DEFAULT", "FieldType", "describe", "has_form"]

NO_DEFAULT: Any = object()

_INTEGERS = {
    "int": (-(2**63), 2**63 - 1),
    "int32": (-(2**31), 2**31 - 1),
    "int64": (-(2**63), 2**63 - 1),
    "uint8": (0, 255),
    "uint32": (0, 2**32 - 1),
}
_DURATION = patterns.compiled(
    r"[-+]?(?:0|(?:(?:\d++(?:\.\d*+)?|\.\d++)(?:ns|us|µs|μs|ms|s|m|h))++)", patterns.ASCII
)
_QUANTITY = patterns.compiled(
    r"[-+]?(?:\d++(?:\.\d*+)?|\.\d++)(?:[eE][-+]?\d+|[KMGTPE]i|[numkMGTPE])?", patterns.ASCII
)

_WORDS = {
    "bool": Text("true or false", zh="true 或 false"),
    "string": Text("a string", zh="字符串"),
    "float": Text("a number", zh="数字"),
    "duration": Text("a duration such as 10s or 1m30s", zh="时长，如 10s 或 1m30s"),
    "time": Text("a duration such as 10s", zh="时长，如 10s"),
    "quantity": Text("a quantity such as 10Mi", zh="数量，如 10Mi"),
    "strings": Text("a list of strings", zh="字符串列表"),
    "list": Text("a list", zh="列表"),
    "string map": Text("a mapping of names to strings", zh="名称到字符串的映射"),
    "bool map": Text("a mapping of names to true or false", zh="名称到 true 或 false 的映射"),
    "section": Text("a section with keys", zh="含有键的段"),
}


@dataclass(frozen=True, slots=True)
class FieldType:
    """The type of one field: its name, whether it is a Go pointer, and whether numbers stay numbers in it."""

    name: str
    optional: bool = False
    embedded: bool = False

    @classmethod
    def parse(cls, text: str) -> tuple[FieldType, Any]:
        """The type and default in ``TYPE[?|!] [= DEFAULT]``; NO_DEFAULT where none is given."""
        name, equals, written = text.partition(" = ")
        found = cls(name.rstrip("?!"), name.endswith("?"), name.endswith("!"))
        return found, found._default(written) if equals else NO_DEFAULT

    def _default(self, text: str) -> Any:
        if self.name == "strings":
            return [part.strip('"') for part in text.split(", ")]
        if self.name == "bool":
            return text == "true"
        if self.name == "float":
            return float(text)
        return int(text) if self.name in _INTEGERS else text.strip('"')

    @property
    def is_map(self) -> bool:
        """Whether names of any kind may stand in it."""
        return _ITEMS.get(self.name, (False, ""))[0]

    def accepts(self, value: Any) -> bool:
        """Whether Go decodes the value; otherwise the whole file is refused."""
        return next(self.faults(value), None) is None

    def faults(self, value: Any) -> Iterator[tuple[tuple[str | int, ...], Any, str]]:
        """What Go does not decode: where below the value, the value there, and the type it should have."""
        if value is None:  # null leaves a field as it is, but a Duration tries to parse it
            if self.name == "duration" and not self.optional:
                yield (), value, self.name
        elif self.name in _ITEMS:
            yield from self._item_faults(value)
        elif not _ACCEPTED[self.name](value) or (self.embedded and not isinstance(value, str)):
            yield (), value, self.name

    def _item_faults(self, value: Any) -> Iterator[tuple[tuple[str | int, ...], Any, str]]:
        wants_dict, item_type = _ITEMS[self.name]
        if not isinstance(value, dict if wants_dict else list):
            yield (), value, self.name
            return
        for place, item in value.items() if isinstance(value, dict) else enumerate(value):
            if item is not None and not _ACCEPTED[item_type](item):
                yield (place,), item, item_type

    def decoded(self, value: Any) -> Any:
        """What Go makes of a value that it accepts: numbers become strings where a string is wanted."""
        if self.name == "string" and not isinstance(value, str):
            return text_of(value)
        if self.name in _INTEGERS:
            return int(value)
        if self.name == "strings":
            return ["" if item is None else text_of(item) for item in value]
        return value


def describe(type_name: str) -> Text:
    """The values that a type takes, in words."""
    if type_name not in _INTEGERS:
        return _WORDS[type_name]
    low, high = _INTEGERS[type_name]
    if low == 0:
        return Text(f"a whole number from 0 to {high}", zh=f"0 到 {high} 的整数")
    return Text(f"a whole number not above {high}", zh=f"不大于 {high} 的整数")


def has_form(value: Any, form: str) -> bool:
    """Whether a value has one of the forms that validation demands."""
    return _FORMS[form](value)


def _is_integer(value: Any, low: int, high: int) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value) and value == int(value) and low <= value <= high


def _is_scalar(value: Any) -> bool:
    return isinstance(value, str | int | float)


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


def _is_duration(value: Any) -> bool:
    return isinstance(value, str) and bool(_DURATION.fullmatch(value))


def _is_quantity(value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number or (isinstance(value, str) and bool(_QUANTITY.fullmatch(value)))


def _is_time(value: Any) -> bool:
    return _is_duration(value) or _is_integer(value, *_INTEGERS["int64"])


_ACCEPTED: dict[str, Callable[[Any], bool]] = {
    "bool": lambda value: isinstance(value, bool),
    "string": _is_scalar,
    "float": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "duration": _is_duration,
    "time": _is_time,
    "quantity": _is_quantity,
    "list": _is_list,
    **{name: partial(_is_integer, low=low, high=high) for name, (low, high) in _INTEGERS.items()},
}
_ITEMS: dict[str, tuple[bool, str]] = {
    "strings": (False, "string"),
    "string map": (True, "string"),
    "bool map": (True, "bool"),
}


def _is_ip(value: Any) -> bool:
    try:
        ipaddress.ip_address(value if isinstance(value, str) else "")
    except ValueError:
        return False
    return True


def _is_ip_port(value: Any) -> bool:
    host, _, port = str(value).rpartition(":")
    in_range = port.isascii() and port.isdigit() and 1 <= int(port[:6]) <= 65535
    return in_range and _is_ip(host.removeprefix("[").removesuffix("]"))


def _is_node_name(value: Any) -> bool:
    label = r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
    return len(str(value)) <= 253 and bool(
        patterns.compiled(rf"{label}(?:\.{label})*", patterns.ASCII).fullmatch(str(value))
    )


_FORMS: dict[str, Callable[[Any], bool]] = {
    "ip": _is_ip,
    "ip-port": _is_ip_port,
    "node-name": _is_node_name,
    "unix-url": lambda value: str(value).lower().startswith("unix://"),
    "absolute-path": lambda value: value == "" or str(value).startswith("/"),
    "not-empty": bool,
}
