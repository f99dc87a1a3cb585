"""Runs checks: in the order they build on each other, in parallel, each with a deadline.

The deadline of a check is for its own thinking and begins when its facts are there. Making facts has several times as
long, and that does not run while anything is being read: a slow link makes a run long, and loses nothing.

Threads cannot be killed in Python. A check that does not come back is reported, its thread is left behind (they
are daemons, so they never hold up the exit), and another takes its place.
"""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from kedoctor.base.text import Text
from kedoctor.judge import check_runner
from kedoctor.judge.activity import Activity
from kedoctor.judge.fact_evaluation import Context, SiteView, contexts
from kedoctor.judge.registry import RegisteredCheck, Registry
from kedoctor.model.declarations import Side
from kedoctor.model.findings import Status
from kedoctor.model.report import Verdict

__all__ = ["Observer", "Outcome", "SilentObserver", "run_checks"]

WORKERS = 8
RUN_DEADLINE = 600.0
"""Seconds; a list may take 300 (its own limit), and some lists are read one after another."""

_FACTS = 5  # times the deadline of the check that waits for them

_RELIEF = 2.0  # seconds that a worker waits for facts before another takes the checks that could go on


class Observer(Protocol):
    """Is told what happens while checks run; called from one thread only."""

    def begins(self, total: int) -> None:
        """So many checks are going to be run."""

    def starts(self, code: str, title: Text, host: str) -> None:
        """A check starts on a host (empty: the site)."""

    def ends(self, code: str, host: str, verdicts: Sequence[Verdict]) -> None:
        """A check has come to its verdicts."""


class SilentObserver:
    """Shows nothing."""

    def begins(self, total: int) -> None:
        """Nothing."""

    def starts(self, code: str, title: Text, host: str) -> None:
        """Nothing."""

    def ends(self, code: str, host: str, verdicts: Sequence[Verdict]) -> None:
        """Nothing."""


@dataclass(slots=True)
class Outcome:
    """All verdicts, in the order of their codes, and whether every check had its turn.

    ``interrupted``: a person ended the run.
    """

    verdicts: list[Verdict]
    complete: bool
    site: Context
    interrupted: bool = False


@dataclass(slots=True, eq=False)
class _Task:
    """One check in one context."""

    node: RegisteredCheck
    context: Context
    activity: Activity
    waits_for: list[_Task] = field(default_factory=list)
    started: float = 0.0
    begun: bool = False  # its facts are there
    relieved: bool = False  # another worker does the work of the one that waits for its facts
    verdicts: list[Verdict] | None = None

    def begins(self) -> None:
        self.started = time.monotonic()
        self.begun = True

    @property
    def deadline(self) -> float:
        if self.begun:
            return self.started + self.node.check.deadline
        # Facts of 100,000 edges take a busy machine longer to make than a check to judge them.
        return max(self.started, self.activity.last()) + _FACTS * self.node.check.deadline

    def ready(self) -> bool:
        return all(other.verdicts is not None for other in self.waits_for)

    def blocker(self) -> Verdict | None:
        """The failure of a check this one builds on, if it concerns everything this one looks at."""
        for other in self.waits_for:
            for found in other.verdicts or ():
                # What is accepted is broken nevertheless.
                status = found.accepted.status if found.accepted else found.status
                if status in (Status.FAIL, Status.BLOCKED) and (self.context.name or not found.node):
                    return found
        return None


def _as_it_is(verdict: Verdict) -> Verdict:
    return verdict


def run_checks(
    registry: Registry,
    site: SiteView,
    checks: Sequence[RegisteredCheck],
    *,
    observer: Observer | None = None,
    deadline: float = RUN_DEADLINE,
    revise: Callable[[Verdict], Verdict] | None = None,
    clean: Callable[[Verdict], Verdict] = _as_it_is,
) -> Outcome:
    """Runs ``checks`` on everything in view; comes back after ``deadline`` seconds at the latest.

    ``revise`` has the last word about each verdict (a baseline). ``clean`` makes its texts safe to show; nobody sees a verdict
    before.
    A ``KeyboardInterrupt`` ends the run early: what is known by then is in the outcome, marked incomplete.
    """
    activity = Activity()
    whole, hosts = contexts(registry, site, activity)
    tasks, verdicts = _plan(site, checks, whole, hosts, activity)
    verdicts.extend(clean(check_runner.refused(refusal)) for refusal in registry.refusals)
    said = revise if site.cluster_expected else _of_hosts_alone(revise)
    run = _Run(tasks, observer or SilentObserver(), time.monotonic() + deadline, said, clean)
    complete = run.go()
    for task in tasks:
        verdicts.extend(task.verdicts or [clean(_left(task))])
    if sum(Side.CLOUD in view.sides for view in site.hosts) > 1:
        verdicts = [check_runner.with_host(one) for one in verdicts]
    verdicts.sort(key=lambda found: (found.code, found.host, found.subject))
    return Outcome(verdicts, complete, whole, run.interrupted)


def _left(task: _Task) -> Verdict:
    lacking = task.context.lacking() if task.started and not task.begun else ()
    return check_runner.not_run(task.node.check, task.context.name, lacking)


def _plan(
    site: SiteView,
    checks: Sequence[RegisteredCheck],
    whole: Context,
    hosts: dict[str, Context],
    activity: Activity,
) -> tuple[list[_Task], list[Verdict]]:
    tasks: list[_Task] = []
    absent: list[Verdict] = []
    for node in checks:
        places = list(_places(node, site, whole, hosts))
        tasks.extend(_Task(node, place, activity) for place in places)
        if not places:
            absent.append(check_runner.not_seen(node.check))
    by_code: dict[str, list[_Task]] = {}
    for task in tasks:
        by_code.setdefault(task.node.check.code, []).append(task)
    for task in tasks:
        for code in task.node.check.builds_on:
            task.waits_for.extend(_nearest(by_code.get(code, []), task.context))
    return tasks, absent


def _places(
    node: RegisteredCheck, site: SiteView, whole: Context, hosts: dict[str, Context]
) -> Iterator[Context]:
    if node.check.side is Side.SITE:
        if site.cluster_expected or not node.needs_site:
            yield whole
        return
    for view in site.hosts:
        if node.check.side is Side.HOST or node.check.side in view.sides:
            yield hosts[view.name]


def _of_hosts_alone(
    revise: Callable[[Verdict], Verdict] | None,
) -> Callable[[Verdict], Verdict]:
    """What nobody would look for an API for is not unknown, it is out of view."""

    def said(verdict: Verdict) -> Verdict:
        seen = check_runner.out_of_view(verdict)
        return revise(seen) if revise else seen

    return said


def _nearest(tasks: list[_Task], context: Context) -> list[_Task]:
    same = [task for task in tasks if task.context is context]
    return same or [task for task in tasks if not task.context.name]


class _Run:
    """The threads, the queue between them, and the one loop that decides."""

    def __init__(
        self,
        tasks: list[_Task],
        observer: Observer,
        deadline: float,
        revise: Callable[[Verdict], Verdict] | None,
        clean: Callable[[Verdict], Verdict],
    ) -> None:
        self._waiting = list(tasks)
        self._revise = revise
        self._clean = clean
        self._running: list[_Task] = []
        self._observer = observer
        self._deadline = deadline
        self._work: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[tuple[_Task, list[Verdict]]] = queue.SimpleQueue()
        self._idle = 0
        self._hired = 0
        self.interrupted = False

    def go(self) -> bool:
        self._observer.begins(len(self._waiting))
        self._idle = min(WORKERS, max(1, len(self._waiting)))
        for _ in range(self._idle):
            self._hire()
        try:
            while self._waiting or self._running:
                self._dispatch()
                if time.monotonic() >= self._deadline:
                    return False
                self._collect()
                self._relieve()
                self._abandon_late()
        except KeyboardInterrupt:
            self.interrupted = True
            return False
        finally:
            for _ in range(self._hired):
                self._work.put(None)
        return True

    def _hire(self) -> None:
        self._hired += 1
        threading.Thread(target=self._labour, name="kedoctor-check", daemon=True).start()

    def _labour(self) -> None:
        process = os.getpid()
        while (task := self._work.get()) is not None:
            verdicts = check_runner.judge(task.node, task.context, self._revise, task.begins)
            if os.getpid() != process:
                os._exit(0)  # a check forked, and its child would go on as if it were kedoctor
            self._done.put((task, [self._clean(one) for one in verdicts]))

    def _dispatch(self) -> None:
        progress = True
        while progress:  # a blocked check may unblock the verdict that another waits for
            progress = False
            for task in [task for task in self._waiting if task.ready()]:
                blocker = task.blocker()
                if blocker is not None:
                    self._waiting.remove(task)
                    self._finish(task, [check_runner.blocked(task.node.check, task.context.name, blocker)])
                    progress = True
                elif self._idle > 0:
                    self._waiting.remove(task)
                    self._start(task)

    def _start(self, task: _Task) -> None:
        self._idle -= 1
        task.started = time.monotonic()
        self._running.append(task)
        self._observer.starts(task.node.check.code, task.node.check.title, task.context.name)
        self._work.put(task)

    def _collect(self) -> None:
        now = time.monotonic()
        soonest = min([self._deadline, *(task.deadline for task in self._running)])
        try:
            task, verdicts = self._done.get(timeout=max(0.01, min(soonest - now, 1.0)))
        except queue.Empty:
            return
        if task in self._running:  # else it was given up and its worker replaced
            self._running.remove(task)
            self._idle += 0 if task.relieved else 1
            self._finish(task, verdicts)

    def _relieve(self) -> None:
        """Sees to it that a fact that is slow to read holds up only the checks that need it."""
        now = time.monotonic()
        for task in self._running:
            if not (task.begun or task.relieved) and now - task.started > _RELIEF and self._waiting:
                task.relieved = True
                self._idle += 1
                self._hire()

    def _abandon_late(self) -> None:
        now = time.monotonic()
        for task in [task for task in self._running if task.deadline <= now]:
            self._running.remove(task)
            if not task.relieved:
                self._idle += 1
                self._hire()
            self._finish(
                task, [check_runner.out_of_time(task.node.check, task.context.name, task.node.check.deadline)]
            )

    def _finish(self, task: _Task, verdicts: list[Verdict]) -> None:
        task.verdicts = verdicts
        self._observer.ends(task.node.check.code, task.context.name, verdicts)
