"""What traces are made of: targets, steps and their results as a plugin declares them, and the report of a trace.

A plugin brings a :class:`Trace` by the hook ``kedoctor_traces``: pure functions from facts to a :class:`StepResult`,
in the order in which the request travels. Its facts know what is traced by asking for :class:`TraceTarget`; they
may stand in for facts of the site, so that what is known of every node is looked at for one. What was found comes
together in one :class:`TraceReport`, the document that ``kedoctor trace --format json`` prints.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol, TypeVar

from kedoctor.base.records import Record
from kedoctor.base.text import Text
from kedoctor.model.declarations import Side
from kedoctor.model.findings import Certainty
from kedoctor.model.objects import Object
from kedoctor.model.report import Tool

__all__ = [
    "HopSeen",
    "Spoken",
    "StepResult",
    "StepState",
    "Tested",
    "Trace",
    "TraceObserver",
    "TraceReport",
    "TraceStep",
    "TraceTarget",
    "step",
]

F = TypeVar("F", bound=Callable[..., "StepResult"])


class StepState(StrEnum):
    """What was seen of a hop; ``not-seen``: it cannot be looked at from this host."""

    OK = "ok"
    BROKEN = "broken"
    UNKNOWN = "unknown"
    NOT_SEEN = "not-seen"


class TraceTarget(Record, frozen=True):
    """What was asked for: facts and steps of a trace ask for it like for a fact.

    ``name`` is what was typed, ``namespace`` is empty unless one was given. ``patience`` is how many seconds one probe
    may take.
    """

    trace: str
    name: str
    namespace: str = ""
    patience: float = 10.0


class StepResult(Record, frozen=True, kw_only=True):
    """What a step found: one sentence.

    ``hop`` replaces the step's own hop of the data path when it is not empty. ``code`` is the check that decides or
    repairs. ``inferred``: how a request ended only points at the hop. ``where`` tells from which host a hop that is
    not seen would be.
    """

    state: StepState
    seen: Text
    hop: str = ""
    code: str = ""
    commands: tuple[str, ...] = ()
    certainty: Certainty = Certainty.PROVED
    inferred: bool = False
    where: Text | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceStep:
    """A declared step. ``proof``: it is the real request, so that its success proves all hops before it.

    ``unless`` is asked first: what it gives, if anything, is the result, and the facts of the step are never made. So
    nothing is sent from a host that cannot see the hop.
    """

    name: str
    title: Text
    hop: str
    judge: Callable[..., StepResult]
    unless: Callable[..., StepResult | None] | None = None
    proof: bool = False


def step(**metadata: Any) -> Callable[[F], F]:
    """Declares a pure function from facts as a step; the keywords are the fields of :class:`TraceStep` without ``judge``."""

    def declare(judge: F) -> F:
        judge.__kedoctor_step__ = TraceStep(judge=judge, **metadata)  # type: ignore[attr-defined]
        return judge

    return declare


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """A trace by its name on the command line.

    ``subject`` is a fact type with the attributes ``label`` and ``node`` (str), ``here`` (bool: this host is that node)
    and ``refusal`` (Text or ``None``: why this cannot be traced at all). ``facts`` are the trace's own; one that
    provides a type of the site takes its place. ``repaired_on`` names for each hop the side where it is put right.
    ``example`` are the objects behind a target called :data:`~kedoctor.model.objects.EXAMPLE` (pod, namespace and node), so
    that it can be found out which rights the trace needs.
    """

    name: str
    title: Text
    subject: type
    steps: Sequence[Callable[..., StepResult]]
    facts: Sequence[Callable[..., Any]] = ()
    repaired_on: Mapping[str, Side] = field(default_factory=dict)
    example: Sequence[Object] = ()


class Spoken(Record, frozen=True, kw_only=True):
    """The same texts in Chinese."""

    title: str = ""
    seen: str = ""
    where: str = ""
    summary: str = ""


class HopSeen(Record, frozen=True, kw_only=True):
    """One tested hop: ``number`` counts from 1, ``hop`` is where on the data path it is, ``took_ms`` how long it took."""

    number: int
    name: str
    title: str
    hop: str
    state: StepState
    seen: str
    code: str = ""
    commands: tuple[str, ...] = ()
    where: str = ""
    took_ms: int = 0
    zh: Spoken


class TraceReport(Record, frozen=True, kw_only=True):
    """A whole trace.

    ``broken`` is the name of the tested hop that is the fault (empty: none), ``broken_hop`` its place on the data path,
    ``code`` the check that decides it. ``works`` is ``None`` where it could not be told. ``next`` are commands to type.
    ``complete`` is false when somebody ended it.
    """

    schema_version: str
    tool: Tool
    trace: str
    target: str
    label: str
    node: str
    host: str
    sides: tuple[str, ...]
    started: datetime
    duration_ms: int
    complete: bool
    works: bool | None
    broken: str
    broken_hop: str
    code: str
    summary: str
    next: tuple[str, ...]
    exit_code: int
    hops: tuple[HopSeen, ...]
    zh: Spoken


class TraceObserver(Protocol):
    """Is told of each hop, from one thread."""

    def begins(self, label: Text, host: str, sides: Sequence[str]) -> None:
        """What is traced, from where."""

    def starts(self, number: int, title: Text) -> None:
        """A hop is going to be tested."""

    def ends(self, hop: HopSeen) -> None:
        """It has been tested."""


@dataclass(frozen=True, slots=True)
class Tested:
    """A step with what it found, and how many milliseconds that took."""

    step: TraceStep
    result: StepResult
    took_ms: int

    @property
    def hop(self) -> str:
        """Where on the data path it is."""
        return self.result.hop or self.step.hop

    @property
    def broken(self) -> bool:
        """Whether it is not as it should be."""
        return self.result.state is StepState.BROKEN
