"""A consultation: look, judge, diagnose, and write the report document."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from kedoctor import __version__
from kedoctor.base.collector import quiet_collector
from kedoctor.base.errors import ExitCode
from kedoctor.base.foreign_code import quiet_stdout
from kedoctor.base.memory_use import share_one_arena
from kedoctor.base.records import replace
from kedoctor.judge.fact_evaluation import Context, FactCrashError
from kedoctor.judge.planning import with_fixes
from kedoctor.judge.scheduler import RUN_DEADLINE, Observer, Outcome, run_checks
from kedoctor.judge.selection import Selection
from kedoctor.model.declarations import DataPath, Side
from kedoctor.model.findings import Status
from kedoctor.model.observations.request import Reason, Unavailable
from kedoctor.model.report import (
    SCHEMA_VERSION,
    HostSeen,
    Missing,
    Reads,
    Report,
    Run,
    SafeReport,
    Site,
    Tool,
    Verdict,
)
from kedoctor.model.transitions import Transition
from kedoctor.observe.memo import Observation
from kedoctor.plugins import Plugins
from kedoctor.redaction.documents import DocumentRedactor
from kedoctor.report.baseline import Baseline
from kedoctor.report.diagnosis import capability_paths, diagnose, hop_titles
from kedoctor.report.settling import settled, transitions_of
from kedoctor.report.symptom_filter import narrowed, relevant
from kedoctor.run.site import SiteSession

__all__ = ["RunRequest", "counting", "diagnose_site", "exit_code"]


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What is asked: which checks, about which edges (none: all), what is accepted, how strict the exit code is.

    ``recent`` is what the caller knows to have just begun, such as a repair of its own.
    """

    selection: Selection = field(default_factory=Selection)
    nodes: tuple[str, ...] = ()
    baseline: Baseline | None = None
    fail_on: str = "fail"
    deadline: float = RUN_DEADLINE
    command: str = ""
    demo: bool = False
    recent: tuple[Transition, ...] = ()


@quiet_collector()
@quiet_stdout()
def diagnose_site(
    plugins: Plugins, site: SiteSession, question: RunRequest, *, observer: Observer | None = None
) -> SafeReport:
    """The report of one run, without secrets.

    Raises:
        UsageError: the selection names a check that does not exist.
    """
    share_one_arena()
    started, clock = datetime.now(UTC), time.monotonic()
    symptoms = plugins.symptoms()
    redactor = DocumentRedactor([rule for one in plugins.evidence() for rule in one.redactions])
    checks = question.selection.checks(plugins.registry, symptoms)
    outcome = run_checks(
        plugins.registry,
        site.view,
        checks,
        observer=observer,
        deadline=question.deadline,
        revise=question.baseline.accept if question.baseline else None,
        clean=redactor.verdict,
    )
    asked = question.selection.asked(symptoms)
    path = narrowed(next(iter(plugins.paths()), None), asked)
    declared = {code: node.check for code, node in plugins.registry.checks.items()}
    events = transitions_of(
        outcome, plugins.registry, plugins.transitions(), cluster=site.view.cluster_expected
    )
    events += question.recent
    placed = _with_fixes(outcome, settled(_placed(outcome, path), events, declared), plugins)
    verdicts = [one for one in placed if _concerns(one, question.nodes)]
    edges = _edges(outcome, verdicts, path, question.nodes)
    diagnosis = diagnose(verdicts, declared, path, edges)
    if asked:
        verdicts = relevant(diagnosis.verdicts, asked, path, declared)
        diagnosis = diagnose(verdicts, declared, path, edges)
    run = Run(
        id=f"{started:%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}",
        started=started,
        duration_ms=round((time.monotonic() - clock) * 1000),
        command=question.command,
        exit_code=0,
        complete=outcome.complete,
        demo=question.demo,
        fail_on=question.fail_on,
    )
    report = Report(
        schema_version=SCHEMA_VERSION,
        tool=Tool("kedoctor", __version__),
        run=run,
        site=_site(site, outcome, path),
        hops=hop_titles(path),
        causes=tuple(diagnosis.causes),
        matrix=tuple(diagnosis.matrix),
        verdicts=tuple(diagnosis.verdicts),
        unavailable=tuple(_missing(site)),
        baseline=question.baseline.seen(outcome.verdicts) if question.baseline else None,
        paths=capability_paths(path),
        reads=tuple(_reads(site)),
    )
    code = ExitCode.INTERRUPTED if outcome.interrupted else exit_code(report, question.fail_on)
    return redactor.report(replace(report, run=replace(run, exit_code=int(code))))


def exit_code(report: Report, fail_on: str = "fail") -> ExitCode:
    """What the report means to a shell.

    Failures come first; then what is still settling and what could not be found out although a capability depends on it
    (with ``fail_on`` ``unknown``: anything unknown); then warnings, if ``fail_on`` is ``warn``.
    """
    states = {verdict.status for verdict in report.verdicts}
    if Status.FAIL in states:
        return ExitCode.FAILED
    if (
        Status.CRASHED in states
        or not report.run.complete
        or any(_matters(one, fail_on) for one in report.verdicts)
    ):
        return ExitCode.UNDETERMINED
    if fail_on == "warn" and Status.WARN in states:
        return ExitCode.WARNED
    return ExitCode.OK


def counting(report: Report, fail_on: str = "fail") -> list[Verdict]:
    """The verdicts that make the exit code non-zero."""
    wrong = {Status.FAIL, Status.CRASHED} | ({Status.WARN} if fail_on == "warn" else set())
    return [one for one in report.verdicts if one.status in wrong or _matters(one, fail_on)]


def _matters(verdict: Verdict, fail_on: str) -> bool:
    open_still = verdict.status in (Status.UNKNOWN, Status.SETTLING)
    return open_still and (bool(verdict.capabilities) or fail_on == "unknown")


def _concerns(verdict: Verdict, nodes: Sequence[str]) -> bool:
    if not nodes:
        return True
    places = verdict.nodes or ((verdict.node,) if verdict.node else ())
    return not places or not set(places).isdisjoint(nodes)


def _placed(outcome: Outcome, path: DataPath | None) -> list[Verdict]:
    """The verdicts, those of an edge host with the member it is: what is unknown there is not unknown elsewhere."""
    names: dict[str, str] = {}
    for host, context in outcome.site.hosts.items():
        own = _at_hand(context, path.own_member, outcome) if path and path.own_member else None
        names[host] = getattr(own, "name", host)
    return [
        replace(one, node=names.get(one.host, one.host))
        if one.side == Side.EDGE.value and one.host and not one.node and not one.nodes
        else one
        for one in outcome.verdicts
    ]


def _with_fixes(outcome: Outcome, verdicts: Sequence[Verdict], plugins: Plugins) -> list[Verdict]:
    """The verdicts with what can be repaired; after an interrupted run nobody is made to wait for plans."""
    if not outcome.complete:
        return list(verdicts)
    site = outcome.site
    return with_fixes(verdicts, plugins.registry, lambda verdict: site.hosts.get(verdict.host, site))


def _edges(
    outcome: Outcome, verdicts: Sequence[Verdict], path: DataPath | None, wanted: Sequence[str]
) -> list[str]:
    names: set[str] = set()
    if path is not None:
        members = _fact(outcome, path.members)
        names |= set(getattr(members, "names", ()))
        names |= {one.node for one in verdicts if one.side == Side.EDGE.value and one.node}
    return sorted(names & set(wanted) if wanted else names)


def _fact(outcome: Outcome, wanted: type) -> object:
    return _at_hand(outcome.site, wanted, outcome)


def _at_hand(context: Context, wanted: type, outcome: Outcome) -> object:
    try:
        return context.fact_at_hand(wanted, make=outcome.complete)
    except (FactCrashError, KeyError):  # its checks have said so already
        return None


def _site(site: SiteSession, outcome: Outcome, path: DataPath | None) -> Site:
    about = _fact(outcome, path.about) if path is not None else None
    hosts = tuple(
        HostSeen(view.name, tuple(sorted(view.sides)), view.origin, view.observed) for view in site.view.hosts
    )
    versions = getattr(about, "component_versions", {})
    return Site(
        sides=tuple(sorted({side for host in hosts for side in host.sides})),
        hosts=hosts,
        cluster_version=getattr(about, "cluster_version", ""),
        component_versions={name: tuple(found) for name, found in versions.items()},
        distribution=getattr(about, "distribution", ""),
    )


def _missing(site: SiteSession) -> Iterator[Missing]:
    for name, memo in site.memos.items():
        for seen in memo.observations():
            if _gap(seen):
                yield Missing(name, seen.answer.what, seen.answer.reason.value, seen.answer.detail)


def _reads(site: SiteSession) -> Iterator[Reads]:
    for name, memo in site.memos.items():
        kinds: dict[str, list[Observation]] = {}
        for seen in memo.observations():
            # One module a subject: its name is the kind.
            kinds.setdefault(type(seen.request).__module__.rpartition(".")[2], []).append(seen)
        for kind, observations in sorted(kinds.items()):
            missing = sum(map(_gap, observations))
            took = sum(one.took_ms for one in observations)
            yield Reads(name, kind, len(observations), missing, took)


def _gap(seen: Observation) -> bool:
    # What merely does not exist is no gap in what was seen; a check that cares has judged it.
    return isinstance(seen.answer, Unavailable) and seen.answer.reason is not Reason.ABSENT
