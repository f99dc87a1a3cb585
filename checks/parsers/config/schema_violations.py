"""What can be wrong with one key of a configuration file, told in both languages."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from kedoctor.api import Text, patterns
from kedoctor.api.yaml import Position
from kedoctor.checks.parsers.config.go_types import describe

__all__ = [
    "KeyPath",
    "Violation",
    "bad_value",
    "dotted",
    "gone",
    "misplaced",
    "misspelt",
    "not_exactly_one",
    "null_section",
    "twice",
    "unknown_key",
    "wrong_type",
]

Kind = Literal["unknown-key", "duplicate-key", "wrong-type", "null-section", "bad-value"]
KeyPath = tuple[str | int, ...]

_SECRET = patterns.compiled(r"token|password|secret|username", patterns.IGNORECASE)
_LONGEST = 60


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing in a file that the program does not read as it is written.

    ``text`` is a clause without a full stop that names the key; ``fatal`` says that the program does not start.
    ``did_you_mean`` is a key of the same section, ``belongs_at`` the dotted paths where the key is known.
    No text holds the value of a key that sounds secret.
    """

    kind: Kind
    path: KeyPath
    text: Text
    fatal: bool
    position: Position | None = None
    expected: Text | None = None
    actual: str = ""
    did_you_mean: str | None = None
    belongs_at: tuple[str, ...] = ()

    @property
    def path_text(self) -> str:
        """The path with dots."""
        return dotted(self.path)

    @property
    def line(self) -> int | None:
        """The line of the key, from 1; None if the file does not hold the key."""
        return self.position.line if self.position else None


def dotted(path: KeyPath) -> str:
    """A path as people write it."""
    return ".".join(map(str, path))


def unknown_key(path: KeyPath) -> Violation:
    """A key that resembles nothing."""
    where = dotted(path)
    text = Text(f"{where} is not read: there is no such key", zh=f"{where} 不会被读取：没有这个键")
    return Violation("unknown-key", path, text, fatal=False)


def misspelt(path: KeyPath, meant: str) -> Violation:
    """A key that is nearly one of its section."""
    where = dotted(path)
    text = Text(
        f"{where} is not read (did you mean {meant}?)", zh=f"{where} 不会被读取（是否想写 {meant}？）"
    )
    return Violation("unknown-key", path, text, fatal=False, did_you_mean=meant)


def misplaced(path: KeyPath, places: Sequence[str]) -> Violation:
    """A key that is known, but elsewhere or under another name."""
    where = dotted(path)
    text = Text(
        f"{where} is not read: it belongs at {' or '.join(places)}",
        zh=f"{where} 不会被读取：应写在 {' 或 '.join(places)}",
    )
    return Violation("unknown-key", path, text, fatal=False, belongs_at=tuple(places))


def gone(path: KeyPath, why: Text) -> Violation:
    """A key of an older version or of another program that has no successor."""
    where = dotted(path)
    text = Text(f"{where} is not read: {why.en}", zh=f"{where} 不会被读取：{why.zh}")
    return Violation("unknown-key", path, text, fatal=False)


def twice(path: KeyPath, other: str) -> Violation:
    """A key that is written a second time in other case."""
    where = dotted(path)
    counts = max(str(path[-1]), other)
    text = Text(
        f"{where} and {other} are the same key, and {counts} counts",
        zh=f"{where} 与 {other} 是同一个键，以 {counts} 为准",
    )
    return Violation("duplicate-key", path, text, fatal=False, did_you_mean=counts)


def wrong_type(program: str, path: KeyPath, value: Any, type_name: str) -> Violation:
    """A value that cannot be decoded, so that the program exits at start."""
    where, wanted, kind = dotted(path), describe(type_name), _kind_of(value)
    shown = "" if value is None or isinstance(value, dict | list) else " " + _shown(path, value)
    text = Text(
        f"{where} is {kind.en}{shown}, but {program} needs {wanted.en}",
        zh=f"{where} 是{kind.zh}{shown}，而 {program} 需要 {wanted.zh}",
    )
    return Violation("wrong-type", path, text, fatal=True, expected=wanted, actual=kind.en + shown)


def null_section(program: str, path: KeyPath, *, panics: bool) -> Violation:
    """A section that is there but empty, which makes a nil pointer of it."""
    where = dotted(path)
    wanted = Text("keys below it, or no such section", zh="其下有键，或去掉该段")
    if panics:
        text = Text(
            f"{where} is an empty section, on which {program} panics; fill or remove it",
            zh=f"{where} 是空段，{program} 会因此 panic；请补全或删除该段",
        )
    else:
        text = Text(
            f"{where} is an empty section, so {program} loses its defaults and may crash; fill or remove it",
            zh=f"{where} 是空段，{program} 会丢失其默认值并可能崩溃；请补全或删除该段",
        )
    return Violation("null-section", path, text, fatal=panics, expected=wanted, actual="null")


def bad_value(program: str, path: KeyPath, value: Any, wanted: Text) -> Violation:
    """A value of the right type that validation refuses, so that the program exits at start."""
    where, actual = dotted(path), _shown(path, value)
    text = Text(
        f"{where} is {actual}, but {program} only starts with {wanted.en}",
        zh=f"{where} 为 {actual}，而 {program} 启动时要求 {wanted.zh}",
    )
    return Violation("bad-value", path, text, fatal=True, expected=wanted, actual=actual)


def not_exactly_one(program: str, first: str, second: str, *, both: bool) -> Violation:
    """Two switches of which exactly one must be on."""
    wanted = Text("exactly one of the two on", zh="二者恰有一个开启")
    text = Text(
        f"{first} and {second} are both {'true' if both else 'false'}, but {program} only starts with exactly one of them on",
        zh=f"{first} 与 {second} 均为 {'true' if both else 'false'}，而 {program} 启动时要求二者恰有一个开启",
    )
    actual = "both true" if both else "both false"
    return Violation("bad-value", tuple(second.split(".")), text, fatal=True, expected=wanted, actual=actual)


def _shown(path: KeyPath, value: Any) -> str:
    if any(_SECRET.search(str(part)) for part in path):
        return "***"
    text = value if isinstance(value, str) else json.dumps(value)
    shown = text if len(text) <= _LONGEST else text[:_LONGEST] + "..."
    return f"'{shown}'" if isinstance(value, str) else shown


def _kind_of(value: Any) -> Text:
    if isinstance(value, bool):
        return Text("the word", zh="布尔值")
    if isinstance(value, int | float):
        return Text("the number", zh="数字")
    if isinstance(value, str):
        return Text("the string", zh="字符串")
    if value is None:
        return Text("empty", zh="空值")
    return Text("a list", zh="列表") if isinstance(value, list) else Text("a section", zh="段")
