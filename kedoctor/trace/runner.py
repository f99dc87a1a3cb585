"""Traces: the hops of one request tested one after the other, each told as soon as it is known."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any

from kedoctor import __version__
from kedoctor.base.errors import ExitCode, UsageError
from kedoctor.base.text import Text
from kedoctor.judge.check_runner import not_known
from kedoctor.judge.fact_evaluation import Context, FactCrashError, SiteView, contexts
from kedoctor.judge.registry import Registry, facts_in
from kedoctor.model.declarations import FactUnavailableError
from kedoctor.model.observations.request import Reason, Unavailable
from kedoctor.model.report import Tool
from kedoctor.model.traces import (
    HopSeen,
    Spoken,
    StepResult,
    StepState,
    Tested,
    Trace,
    TraceObserver,
    TraceReport,
    TraceStep,
    TraceTarget,
)
from kedoctor.redaction.documents import DocumentRedactor
from kedoctor.trace.conclusion import Conclusion

__all__ = ["facts_of_steps", "run_trace"]

SCHEMA_VERSION = "1.0"
_GLANCE = 0.2


class _Planned:
    """A step with what its functions ask for."""

    def __init__(self, declared: TraceStep, registry: Registry) -> None:
        self.step = declared
        self._parameters = registry.parameters(declared.judge)
        self._before = registry.parameters(declared.unless) if declared.unless else ()

    @property
    def facts(self) -> list[type]:
        """What it asks for."""
        return facts_in((*self._parameters, *self._before))

    def judged(self, context: Context) -> StepResult:
        """The result, whatever happens inside."""
        try:
            if self.step.unless is not None:
                unseen = self.step.unless(**context.arguments(self._before))
                if unseen is not None:
                    return unseen
            return self.step.judge(**context.arguments(self._parameters))
        except FactUnavailableError as missing:
            return StepResult(state=StepState.UNKNOWN, seen=_whole(missing.unavailable))
        except Exception as error:  # noqa: BLE001  a step of a plugin may break in any way; the trace goes on
            return _crashed(error)


def run_trace(
    registry: Registry,
    site: SiteView,
    trace: Trace,
    target: TraceTarget,
    *,
    hops: Mapping[str, Text],
    observer: TraceObserver,
) -> TraceReport:
    """Tests the hops in their order; the report holds no secrets. A ``KeyboardInterrupt`` ends it early; what is known by then is in the report.

    Raises:
        UsageError: what was asked for does not exist, or its requests travel another way.
        DeclarationError: the trace does not fit the facts that there are.
    """
    started, clock = datetime.now(UTC), time.monotonic()
    own = registry.extended(trace.facts, values=(target,))
    planned = [_Planned(_declared(function), own) for function in trace.steps]
    here = next(iter(contexts(own, site)[1].values()))
    sides = tuple(sorted(side.value for side in site.hosts[0].sides))
    clean = DocumentRedactor()
    run = _Run(planned, here, trace, target, observer, clean=clean)
    try:
        run.go(sides)
    except KeyboardInterrupt:
        run.interrupted = True
    end = Conclusion(run.tested, registry, hops)
    place = end.place(trace, run.node, here=run.here, sides=sides)
    summary = end.summary(trace, run.label, interrupted=run.interrupted)
    report = TraceReport(
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
    return clean.record(report)


def _declared(function: Callable[..., Any]) -> TraceStep:
    declared = getattr(function, "__kedoctor_step__", None)
    if not isinstance(declared, TraceStep):
        raise TypeError(f"{function!r} is not declared with @step")
    return declared


def _seen(number: int, tested: Tested) -> HopSeen:
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


def facts_of_steps(trace: Trace, registry: Registry) -> list[type]:
    """The facts that the steps of a trace ask for; ``registry`` knows the trace's own."""
    return [wanted for one in trace.steps for wanted in _Planned(_declared(one), registry).facts]


class _Run:
    """The steps on their way; what is known so far survives an interruption."""

    def __init__(
        self,
        planned: Sequence[_Planned],
        here: Context,
        trace: Trace,
        target: TraceTarget,
        observer: TraceObserver,
        *,
        clean: DocumentRedactor,
    ) -> None:
        self._clean = clean
        self._planned = planned
        self._here = here
        self._trace = trace
        self._observer = observer
        # A step asks for a few things in a row, each of which keeps its own time; this is for what does not.
        self._deadline = 3 * target.patience + 5
        self.tested: list[Tested] = []
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
        self._observer.begins(self._clean.record(label), self._clean.text(self._here.name), sides)
        for number, planned in enumerate(self._planned if known else self._planned[:1], 1):
            self._observer.starts(number, planned.step.title)
            result = _within(self._deadline, partial(planned.judged, self._here))
            took = round((time.monotonic() - clock) * 1000)
            told = self._clean.record(result or _out_of_time(self._deadline))
            self.tested.append(Tested(planned.step, told, took))
            self._observer.ends(self._clean.record(_seen(number, self.tested[-1])))
            clock = time.monotonic()

    def _fact(self, wanted: type) -> Any:
        try:
            return self._here.fact(wanted)
        except FactCrashError:
            return None  # the first step asks for it again, and says so


def _whole(missing: Unavailable) -> Text:
    """Why it is unknown, with what was said about it."""
    found = not_known(missing)
    # Where a kubeconfig was looked for is of no use beside the option that names one.
    if not found.actual or missing.reason is Reason.NOT_CONFIGURED:
        return found.summary
    return Text(
        f"{found.summary.en.removesuffix('.')} ({found.actual}).",
        zh=f"{found.summary.zh.removesuffix('。')}（{found.actual}）。",
    )


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
