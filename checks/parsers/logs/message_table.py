"""What programs print and what it means: the table ``messages.yaml``, ready to be searched.

The table names its sources (``facts.md §3.1, §5, §8.4``, ``testbed.md``); this module only reads it. ``kedoctor
explain`` and the checks of logs (KE112, KE607, KE711) know what it holds and nothing beside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources
from typing import Any

from kedoctor.api import Text, decode_yaml, patterns
from kedoctor.checks.parsers.logs.prefilter import common_parts, fixed_words

__all__ = ["CodeInfo", "ErrorKind", "Knowledge", "Leg", "LogUse", "Message", "Port", "knowledge"]

PERSON = "person"
_FLAGS = (
    patterns.IGNORECASE | patterns.ASCII
)  # between a Chinese and a Latin letter there is a border of words
_WEIGHT = {"cause": 0, "sign": 1, "log": 1, "follows": 2, "start": 2}  # what a check of logs tells first


@dataclass(frozen=True, slots=True)
class CodeInfo:
    """A check as the table knows it: also checks that are not built; ``why`` has ``{host}`` and ``{port}``."""

    code: str
    slug: str
    hop: str
    side: str
    why: Text


@dataclass(frozen=True, slots=True)
class Port:
    """What a port means, and the leg (and its variant) of the path that uses it."""

    first: int
    last: int
    leg: str
    variant: str
    meaning: Text


@dataclass(frozen=True, slots=True)
class ErrorKind:
    """A kind of error; ``tls`` is who refused a certificate (``self``: the speaker, ``peer``: the other side)."""

    kind: str
    pattern: patterns.Pattern[str]
    words: tuple[str, ...]
    tls: str
    status: int | None
    meaning: Text


@dataclass(frozen=True, slots=True)
class Leg:
    """A leg of the path: for each kind of error the codes that decide, likeliest first.

    ``stated`` are the kinds that state the first of them as the cause.
    """

    name: str
    hop: str
    codes: Mapping[str, tuple[str, ...]]
    stated: frozenset[str]
    meaning: Text


@dataclass(frozen=True, slots=True)
class LogUse:
    """How a check of logs looks for a text: at which hop it is a fault, how often it must stand there to count.

    ``healed`` are words of a later line that end it; ``hint`` is what to do, where the text alone says so.
    """

    check: str
    hop: str
    least: int
    healed: str
    hint: Text | None


@dataclass(frozen=True)
class Message:
    """A text of the table; the fields are described at its head. ``tells`` of noise is ``benign``.

    Patterns are compiled when they are first needed: of the table a run needs few, and ``explain`` not all.
    """

    text: str
    component: str
    versions: str
    severity: str
    tells: str
    leg: str
    codes: tuple[str, ...]
    settles: frozenset[str]
    names: str
    logs: LogUse | None
    meaning: Text

    @cached_property
    def pattern(self) -> patterns.Pattern[str]:
        """What the text looks like."""
        return patterns.compiled(patterns.bounded(self.text), _FLAGS)

    @cached_property
    def words(self) -> tuple[str, ...]:
        """Of which every match has one, in lower case."""
        return fixed_words(self.text)

    @cached_property
    def node(self) -> patterns.Pattern[str] | None:
        """What finds the edge's name where ``pattern`` does not."""
        return patterns.compiled(patterns.bounded(self.names), _FLAGS) if self.names else None

    def place(self, text: str, match: patterns.Match[str]) -> str:
        """The name or address of the edge that the text is about, or nothing."""
        if self.node and (named := self.node.search(text)):
            return named["node"]
        groups = match.groupdict()
        return groups.get("node") or groups.get("host") or ""

    @property
    def of_people(self) -> bool:
        """Whether people write this, no program."""
        return self.component == PERSON


class Knowledge:
    """The whole table."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self._data = data

    @cached_property
    def codes(self) -> dict[str, CodeInfo]:
        """Every check of the catalogue."""
        return {
            code: CodeInfo(code, one["slug"], one["hop"], one["side"], _text(one))
            for code, one in self._data["codes"].items()
        }

    @cached_property
    def states(self) -> frozenset[str]:
        """The checks that see a state, which others may explain."""
        return frozenset(self._data["states"])

    @cached_property
    def ports(self) -> list[Port]:
        """The ports that mean something on such a site."""
        return [
            Port(first, last, one["leg"], one.get("variant", ""), _text(one))
            for one in self._data["ports"]
            for first, last in (
                [(p, p) for p in one["ports"]] if "ports" in one else [(one["from"], one["to"])]
            )
        ]

    @cached_property
    def errors(self) -> list[ErrorKind]:
        """The kinds of errors, in the order in which they are looked for."""
        return [
            ErrorKind(
                one["kind"],
                patterns.compiled(patterns.bounded(one["pattern"]), _FLAGS),
                fixed_words(one["pattern"]),
                one.get("tls", ""),
                one.get("status"),
                _text(one),
            )
            for one in self._data["errors"]
        ]

    @cached_property
    def legs(self) -> dict[str, Leg]:
        """The legs of the path by name; a variant is called ``leg.variant``."""
        return {name: _leg(name, one) for name, one in self._data["legs"].items()}

    @cached_property
    def messages(self) -> list[Message]:
        """The texts, in the order of the table."""
        return [_message(one, self._data["defaults"]) for one in self._data["messages"]]

    @cached_property
    def _noise(self) -> list[Message]:
        return [one for one in self.messages if one.tells == "benign"]

    @cached_property
    def of_logs(self) -> dict[str, list[Message]]:
        """By check the texts it looks for in its program's log, those that state a cause first."""
        found: dict[str, list[Message]] = {}
        for message in sorted(self.messages, key=lambda one: _WEIGHT.get(one.tells, 0)):
            if message.logs:
                found.setdefault(message.logs.check, []).append(message)
        return found

    def in_log(self, check: str, text: str) -> tuple[Message, patterns.Match[str]] | None:
        """The first of the check's texts that stands in a line of that log, noise in the line left out."""
        lowered = text.lower()
        for message in self.of_logs[check]:
            if _may_match(message.words, lowered) and message.pattern.search(text):
                match = message.pattern.search(self._without_noise(text))
                if match:
                    return message, match
        return None

    def _without_noise(self, text: str) -> str:
        lowered = text.lower()
        for noise in self._noise:
            if _may_match(noise.words, lowered):
                text = noise.pattern.sub(" ", text)
        return text

    @cached_property
    def _speakers(self) -> list[tuple[str, patterns.Pattern[str], str]]:
        kinds = ("source", "unit", "begins")
        return [
            (kind, patterns.compiled(patterns.bounded(one[kind]), patterns.IGNORECASE), one["name"])
            for one in self._data["programs"]
            for kind in kinds
            if kind in one
        ]

    @cached_property
    def _vocabulary(self) -> frozenset[str]:
        texts = [one.text for one in self.messages if not one.of_people] + [
            one.pattern.pattern for one in self.errors
        ]
        return frozenset(
            word for text in texts for word in patterns.compiled(r"[a-z][a-z0-9-]+").findall(text.lower())
        )

    def is_word(self, word: str) -> bool:
        """Whether a word (in lower case) occurs in the texts that programs print."""
        return word in self._vocabulary

    @cached_property
    def _all_words(self) -> tuple[tuple[str, ...], list[patterns.Pattern[str]]]:
        """Words of which a line of a log that is of interest has at least one, and the patterns that have none."""
        programs = [one for one in self.messages if not one.of_people]
        known: list[Message | ErrorKind] = [*programs, *self.errors]
        words = common_parts(word for one in known for word in one.words)
        return words, [one.pattern for one in known if not one.words]

    def may_matter(self, line: str) -> bool:
        """Whether a line of a log can be of interest at all; quick, and sometimes true without need."""
        words, wordless = self._all_words
        lowered = line.lower()
        return any(word in lowered for word in words) or any(one.search(line) for one in wordless)

    def speaker(self, source: str, unit: str, text: str) -> str:
        """The program that printed a line, or nothing."""
        asked = {"source": source, "unit": unit, "begins": text}
        return next((name for kind, pattern, name in self._speakers if pattern.search(asked[kind])), "")

    def port(self, number: int | None) -> Port | None:
        """What a port means."""
        return next((port for port in self.ports if number and port.first <= number <= port.last), None)

    def leg(self, name: str, *variants: str, kind: str = "") -> Leg | None:
        """A leg in the first of the variants that exists (and says something of that kind of error), else without one."""
        names = [*(f"{name}.{variant}" for variant in variants if variant), name]
        known = [self.legs[one] for one in names if one in self.legs]
        return next((one for one in known if kind in one.codes), known[0] if known else None)

    def error_in(self, text: str) -> tuple[ErrorKind, patterns.Match[str]] | None:
        """The kind of error that a text ends with."""
        lowered = text.lower()
        for kind in self.errors:
            if _may_match(kind.words, lowered) and (match := kind.pattern.search(text)):
                return kind, match
        return None

    def messages_in(self, text: str, *, people: bool) -> Iterator[tuple[Message, patterns.Match[str]]]:
        """The texts of the table that occur; those that people write only if ``people``."""
        lowered = text.lower()
        for message in self.messages:
            if message.tells == "log" or (message.of_people and not people):
                continue
            if _may_match(message.words, lowered) and (match := message.pattern.search(text)):
                yield message, match


@cache
def knowledge() -> Knowledge:
    """The table, read once."""
    source = resources.files("kedoctor.checks.parsers.logs") / "messages.yaml"
    return Knowledge(decode_yaml(source.read_bytes()))


def _may_match(words: tuple[str, ...], lowered: str) -> bool:
    return not words or any(word in lowered for word in words)


def _use(one: Mapping[str, Any]) -> LogUse:
    hint = _text(one["hint"]) if "hint" in one else None
    return LogUse(one["check"], one["hop"], one.get("least", 1), one.get("healed", ""), hint)


def _text(one: Mapping[str, Any]) -> Text:
    return Text(one["en"], zh=one["zh"])


def _leg(name: str, one: Mapping[str, Any]) -> Leg:
    codes = {kind: tuple(row.replace("!", "").split()) for kind, row in one["errors"].items()}
    stated = frozenset(kind for kind, row in one["errors"].items() if "!" in row)
    return Leg(name, one["hop"], codes, stated, _text(one))


def _message(one: Mapping[str, Any], defaults: Mapping[str, Any]) -> Message:
    return Message(
        text=one["pattern"],
        component=one["component"],
        versions=one.get("versions", defaults["versions"]),
        severity=one.get("severity", defaults["severity"]),
        tells="benign" if one.get("benign") else one["tells"],
        leg=one.get("leg", ""),
        codes=tuple(one.get("codes", ())),
        settles=frozenset(one.get("settles", ())),
        names=one.get("node", ""),
        logs=_use(one["logs"]) if "logs" in one else None,
        meaning=_text(one["meaning"]),
    )
