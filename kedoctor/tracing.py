"""Traces: the hops of one request tested one after the other, each told as soon as it is known.

A plugin brings a :class:`Trace` by the hook ``kedoctor_traces``: pure functions from facts to a :class:`StepResult`,
in the order in which the request travels. Its facts know what is traced by asking for :class:`TraceTarget`; they
may stand in for facts of the site, so that what is known of every node is looked at for one. What was found comes
together in one :class:`TraceReport`, the document that ``kedoctor trace --format json`` prints.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from typing import Any, Protocol, TypeVar

from kedoctor import __version__
from kedoctor.declarations import Check, MissingError, Side
from kedoctor.errors import ExitCode, UsageError
from kedoctor.evaluation import Context, FactCrashError, SiteView, contexts
from kedoctor.findings import Certainty
from kedoctor.judging import not_known
from kedoctor.model import Tool
from kedoctor.observations import Unavailable
from kedoctor.placeholders import Placeholders
from kedoctor.records import Record, replace
from kedoctor.registry import Registry
from kedoctor.secretpatterns import redact_text
from kedoctor.text import Text

__all__ = [
    "HopSeen",
    "Spoken",
    "Step",
    "StepResult",
    "StepState",
    "Trace",
    "TraceObserver",
    "TraceReport",
    "TraceTarget",
    "run_trace",
    "step",
]

SCHEMA_VERSION = "1.0"
_GLANCE = 0.2
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
class Step:
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
    """Declares a pure function from facts as a step; the keywords are the fields of :class:`Step` without ``judge``."""

    def declare(judge: F) -> F:
        judge.__kedoctor_step__ = Step(judge=judge, **metadata)  # type: ignore[attr-defined]
        return judge

    return declare


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """A trace by its name on the command line.

    ``subject`` is a fact type with the attributes ``label`` and ``node`` (str), ``here`` (bool: this host is that node)
    and ``refusal`` (Text or ``None``: why this cannot be traced at all). ``facts`` are the trace's own; one that
    provides a type of the site takes its place. ``repaired_on`` names for each hop the side where it is put right.
    """

    name: str
    title: Text
    subject: type
    steps: Sequence[Callable[..., StepResult]]
    facts: Sequence[Callable[..., Any]] = ()
    repaired_on: Mapping[str, Side] = field(default_factory=dict)


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


class _Planned:
    """A step with what its functions ask for."""

    def __init__(self, declared: Step, registry: Registry) -> None:
        self.step = declared
        self._parameters = registry.parameters(declared.judge)
        self._before = registry.parameters(declared.unless) if declared.unless else ()

    def judged(self, context: Context) -> StepResult:
        """The result, whatever happens inside."""
        try:
            if self.step.unless is not None:
                unseen = self.step.unless(**context.arguments(self._before))
                if unseen is not None:
                    return unseen
            return self.step.judge(**context.arguments(self._parameters))
        except MissingError as missing:
            return StepResult(state=StepState.UNKNOWN, seen=_whole(missing.unavailable))
        except Exception as error:  # noqa: BLE001  a step of a plugin may break in any way; the trace goes on
            return _crashed(error)


@dataclass(frozen=True, slots=True)
class _Tested:
    """A step with what it found."""

    step: Step
    result: StepResult
    took_ms: int

    @property
    def hop(self) -> str:
        return self.result.hop or self.step.hop

    @property
    def broken(self) -> bool:
        return self.result.state is StepState.BROKEN


def run_trace(
    registry: Registry,
    site: SiteView,
    trace: Trace,
    target: TraceTarget,
    *,
    hops: Mapping[str, Text],
    observer: TraceObserver,
) -> TraceReport:
    """Tests the hops in their order. A ``KeyboardInterrupt`` ends it early; what is known by then is in the report.

    Raises:
        UsageError: what was asked for does not exist, or its requests travel another way.
        DeclarationError: the trace does not fit the facts that there are.
    """
    started, clock = datetime.now(UTC), time.monotonic()
    own = registry.extended(trace.facts, values=(target,))
    planned = [_Planned(_declared(function), own) for function in trace.steps]
    here = next(iter(contexts(own, site)[1].values()))
    sides = tuple(sorted(side.value for side in site.hosts[0].sides))
    run = _Run(planned, here, trace, target, observer)
    try:
        run.go(sides)
    except KeyboardInterrupt:
        run.interrupted = True
    end = _Conclusion(run.tested, registry, hops)
    place = end.place(trace, run.node, here=run.here, sides=sides)
    summary = end.summary(trace, run.label, interrupted=run.interrupted)
    return TraceReport(
        schema_version=SCHEMA_VERSION,
        tool=Tool("kedoctor", __version__),
        trace=trace.name,
        target=target.name,
        label=run.label,
        node=run.node,
        host=here.name,
        sides=sides,
        started=started,
        duration_ms=round((time.monotonic() - clock) * 1000),
        complete=not run.interrupted,
        works=end.works,
        broken=end.root.step.name if end.root else "",
        broken_hop=end.root.hop if end.root else "",
        code=end.root.result.code if end.root else "",
        summary=summary.en,
        next=end.next(place),
        exit_code=int(ExitCode.INTERRUPTED if run.interrupted else end.exit_code),
        hops=tuple(_seen(place, one) for place, one in enumerate(run.tested, 1)),
        zh=Spoken(summary=summary.zh),
    )


def _declared(function: Callable[..., Any]) -> Step:
    declared = getattr(function, "__kedoctor_step__", None)
    if not isinstance(declared, Step):
        raise TypeError(f"{function!r} is not declared with @step")
    return declared


def _seen(number: int, tested: _Tested) -> HopSeen:
    result, where = tested.result, tested.result.where or Text("", zh="")
    return HopSeen(
        number=number,
        name=tested.step.name,
        title=tested.step.title.en,
        hop=tested.hop,
        state=result.state,
        seen=result.seen.en,
        code=result.code,
        commands=result.commands,
        where=where.en,
        took_ms=tested.took_ms,
        zh=Spoken(title=tested.step.title.zh, seen=result.seen.zh, where=where.zh),
    )


class _Run:
    """The steps on their way; what is known so far survives an interruption."""

    def __init__(
        self,
        planned: Sequence[_Planned],
        here: Context,
        trace: Trace,
        target: TraceTarget,
        observer: TraceObserver,
    ) -> None:
        self._planned = planned
        self._here = here
        self._trace = trace
        self._observer = observer
        # A step asks for a few things in a row, each of which keeps its own time; this is for what does not.
        self._deadline = 3 * target.patience + 5
        self.tested: list[_Tested] = []
        self.label = target.name
        self.node = ""
        self.here = False
        self.interrupted = False

    def go(self, sides: Sequence[str]) -> None:
        """Tests one after the other; without a subject only the first, which then says why."""
        clock = time.monotonic()
        subject = _within(self._deadline, lambda: self._fact(self._trace.subject))
        known = subject is not None and not isinstance(subject, Unavailable)
        if known:
            if subject.refusal is not None:
                raise UsageError(subject.refusal.en)
            self.label, self.node, self.here = subject.label, subject.node, subject.here
        label = Text(f"{self._trace.title.en} {self.label}", zh=f"{self._trace.title.zh} {self.label}")
        self._observer.begins(label, self._here.name, sides)
        for number, planned in enumerate(self._planned if known else self._planned[:1], 1):
            self._observer.starts(number, planned.step.title)
            result = _within(self._deadline, partial(planned.judged, self._here))
            took = round((time.monotonic() - clock) * 1000)
            told = _redacted(result or _out_of_time(self._deadline))
            self.tested.append(_Tested(planned.step, told, took))
            self._observer.ends(_seen(number, self.tested[-1]))
            clock = time.monotonic()

    def _fact(self, wanted: type) -> Any:
        try:
            return self._here.fact(wanted)
        except FactCrashError:
            return None  # the first step asks for it again, and says so


def _whole(missing: Unavailable) -> Text:
    """Why it is not known, with what was said about it."""
    found = not_known(missing)
    said = f" ({found.actual})" if found.actual else ""
    return Text(
        f"{found.summary.en.removesuffix('.')}{said}.", zh=f"{found.summary.zh.removesuffix('。')}{said}。"
    )


def _redacted(result: StepResult) -> StepResult:
    """Without the tokens and keys that a quoted answer may hold: what is printed here is often passed on."""
    marks = Placeholders()
    seen = Text(
        redact_text(result.seen.en, marks.for_item()), zh=redact_text(result.seen.zh, marks.for_item())
    )
    return replace(result, seen=seen)


def _within(seconds: float, work: Callable[[], Any]) -> Any:
    """What ``work`` gives, or ``None`` when it does not come back; its thread is then left behind."""
    done: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=lambda: done.put(work()), name="kedoctor-hop", daemon=True).start()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        # A signal that comes just before the wait begins does not end the wait, so no wait is long.
        with suppress(queue.Empty):
            return done.get(timeout=_GLANCE)
    return None


def _out_of_time(seconds: float) -> StepResult:
    return StepResult(
        state=StepState.UNKNOWN,
        seen=Text(
            f"Not found out within {seconds:g} s; this hop was left behind.",
            zh=f"{seconds:g} 秒内未得出结果，已放弃该环节。",
        ),
    )


def _crashed(error: Exception) -> StepResult:
    said = str(error) if isinstance(error, FactCrashError) else f"{type(error).__name__}: {error}"
    return StepResult(
        state=StepState.UNKNOWN,
        seen=Text(
            f"The test itself broke ({said}); this says nothing about the site.",
            zh=f"检测程序自身出错（{said}），与站点状态无关。",
        ),
    )


class _Conclusion:
    """What the tested hops say together."""

    def __init__(self, tested: Sequence[_Tested], registry: Registry, hops: Mapping[str, Text]) -> None:
        self._tested = tested
        self._hops = hops
        self._checks = {code: node.check for code, node in registry.checks.items()}
        self._remedies = registry.remedies
        self._rank = {hop: place for place, hop in enumerate(hops)}
        self.proved = any(one.step.proof and one.result.state is StepState.OK for one in tested)
        self.root = self._root()
        self.works = self._works()

    def _root(self) -> _Tested | None:
        """The fault: nothing else that is broken explains it, and of those the nearest to who asks.

        How a request ended counts only where no probe found a fault. Where the real request works, what is merely
        written somewhere breaks nothing.
        """
        broken = [one for one in self._tested if one.broken]
        if self.proved:
            broken = [one for one in broken if one.result.certainty is Certainty.PROVED]
        codes = {one.result.code for one in broken if not one.result.inferred}
        free = [one for one in broken if not (_behind(one.result.code, self._checks) & codes)]
        return min(free or broken, key=self._order, default=None)

    def _order(self, one: _Tested) -> tuple[bool, int, bool]:
        return one.result.inferred, self._rank.get(one.hop, len(self._rank)), not one.step.proof

    def _works(self) -> bool | None:
        if self.proved:
            return True
        return False if self.root is not None else None

    @property
    def exit_code(self) -> ExitCode:
        """0: it works and nothing is broken, 1: something is broken, 3: it could not be told."""
        if self.root is not None:
            return ExitCode.FAILED
        return ExitCode.OK if self.works else ExitCode.UNDETERMINED

    def place(self, trace: Trace, node: str, *, here: bool, sides: Sequence[str]) -> str:
        """Where the fault is put right; empty: on this host."""
        side = trace.repaired_on.get(self.root.hop) if self.root is not None else None
        if side is Side.EDGE:
            return "" if here else node
        return "" if side is None or side.value in sides else f"the {side.value} host"

    def next(self, place: str) -> tuple[str, ...]:
        """What to type, the repair at its ``place``."""
        if self.root is None:
            return () if self.works else ("kedoctor run",)
        code = self.root.result.code
        explain = (f"kedoctor explain {code}",) if code in self._checks else self.root.result.commands[:1]
        if place:
            return (*explain, f"sudo kedoctor run --fix   # on {place}")
        mendable = code in self._remedies and not self.root.result.inferred
        return (*explain, f"sudo kedoctor run --fix --only {code}" if mendable else "sudo kedoctor run --fix")

    def summary(self, trace: Trace, label: str, *, interrupted: bool) -> Text:
        """One sentence: the broken hop and what it means, or that everything works, or what is missing."""
        name, zh = f"{trace.title.en} {label}", f"{trace.title.zh} {label}"
        if self.root is not None:
            return self._of_fault(self.root, name, zh)
        if self.works:
            return Text(
                f"{name} works: the real request was answered, and its content is right.",
                zh=f"{zh} 正常：真实请求得到应答，且内容正确。",
            )
        if interrupted:
            return Text(
                f"{name}: ended before anything was decided.",
                zh=f"{zh}：在得出结论之前已中断。",
            )
        return self._undetermined(name, zh)

    def _of_fault(self, root: _Tested, name: str, zh: str) -> Text:
        number = self._tested.index(root) + 1
        told = self._hops.get(root.hop, root.step.title)
        title = Text(f"hop {number}, {told.en}", zh=f"第 {number} 环节（{told.zh}）")
        if self.works:
            return Text(
                f"{name} works at this moment, but {title.en}, is broken, so it will not last: {root.result.seen.en}",
                zh=f"{zh} 目前仍可用，但{title.zh}已中断，因此不会持久：{root.result.seen.zh}",
            )
        if root.result.inferred:
            return Text(
                f"{name} is broken, and its answer points at {told.en}: {root.result.seen.en}",
                zh=f"{zh} 已中断，应答指向{told.zh}：{root.result.seen.zh}",
            )
        return Text(
            f"{name} is broken at {title.en}: {root.result.seen.en}",
            zh=f"{zh} 中断于{title.zh}：{root.result.seen.zh}",
        )

    def _undetermined(self, name: str, zh: str) -> Text:
        if len(self._tested) < 2:
            return Text(
                f"{name} could not be traced: what it begins with is not known.",
                zh=f"无法跟踪 {zh}：起点未知。",
            )
        proof = next((place for place, one in enumerate(self._tested, 1) if one.step.proof), 0)
        return Text(
            f"{name}: nothing broken was found, but that it works is not proved; hop {proof} says why.",
            zh=f"{zh}：没有发现中断，但也未证明可用；原因见第 {proof} 环节。",
        )


def _behind(code: str, checks: Mapping[str, Check]) -> set[str]:
    """The codes that can explain a failure of this one, followed back."""
    found: set[str] = set()
    waiting: list[Iterable[str]] = [checks[code].explained_by] if code in checks else []
    while waiting:
        for other in waiting.pop():
            if other not in found and other != code:
                found.add(other)
                waiting.append(checks[other].explained_by if other in checks else ())
    return found
