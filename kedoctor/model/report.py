"""The report document: the one thing a run produces, from which every report format is rendered.

``kedoctor schema`` prints its JSON Schema. Within a major ``schema_version`` fields are added, never renamed,
removed or given another meaning. Texts are English; the Chinese ones stand beside them under ``zh``.
Times are RFC 3339 in UTC, durations milliseconds.
"""

from __future__ import annotations

import threading
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from kedoctor.base.records import Record, field, schema
from kedoctor.model.findings import Certainty, Evidence, Expiry, Status

__all__ = [
    "SCHEMA_VERSION",
    "STATES",
    "Acceptance",
    "AcceptedEntry",
    "BaselineSeen",
    "Capability",
    "CapabilityPath",
    "Cause",
    "Cell",
    "Change",
    "EntryState",
    "EqualRows",
    "Fix",
    "Hint",
    "HopTitle",
    "HostSeen",
    "Missing",
    "Reads",
    "Redaction",
    "Report",
    "Run",
    "SafeReport",
    "Settling",
    "Site",
    "Tool",
    "Translation",
    "Verdict",
    "hidden",
    "report_schema",
    "sealed",
    "site_state",
]

SCHEMA_VERSION = "1.4"


class Tool(Record, frozen=True):
    """What wrote the document."""

    name: str
    version: str


class Run(Record, frozen=True, kw_only=True):
    """When and how it was run.

    ``complete`` is false when it was interrupted or ran out of time. ``fail_on`` is what else than a failure makes
    the exit code non-zero, as the command line took it.
    """

    id: str
    started: datetime
    duration_ms: int
    command: str
    exit_code: int
    complete: bool
    demo: bool = False
    fail_on: str = "fail"


class HostSeen(Record, frozen=True):
    """A machine that was looked at, live or in a bundle; ``origin`` is ``live`` or the bundle's file name."""

    name: str
    sides: tuple[str, ...]
    origin: str = "live"
    observed: datetime | None = None


class Site(Record, frozen=True, kw_only=True):
    """What was in view. Versions are empty where they could not be read."""

    sides: tuple[str, ...]
    hosts: tuple[HostSeen, ...]
    cluster_version: str = ""
    component_versions: dict[str, tuple[str, ...]] = field(default_factory=dict)
    distribution: str = ""


class Translation(Record, frozen=True, kw_only=True):
    """The same texts in another language."""

    title: str = ""
    summary: str = ""
    expected: str = ""
    actual: str = ""
    hint: str = ""
    remedy: str = ""


class Cause(Record, frozen=True, kw_only=True):
    """A root cause: equal verdicts over many subjects are one cause.

    ``capabilities`` is empty for a cause that breaks nothing now (its ``status`` is then ``warn``).
    ``consequences`` are the codes of verdicts that this explains.
    """

    code: str
    slug: str
    status: Status
    title: str
    summary: str
    subjects: tuple[str, ...]
    nodes: tuple[str, ...]
    count: int
    capabilities: tuple[str, ...]
    hop: str
    certainty: Certainty
    remedy: str
    commands: tuple[str, ...]
    consequences: tuple[str, ...]
    zh: Translation


class Capability(Record, frozen=True):
    """One column of the matrix for one edge.

    ``state`` is ``works`` (proved by a probe), ``clear`` (no fault found), ``broken``, ``accepted`` (broken, and the
    baseline accepts it), ``settling`` (something has just started, and it is too early to say) or ``unknown``; ``hop``
    is the first broken one and ``cause`` the code of what broke it.
    """

    name: str
    state: str
    hop: str = ""
    cause: str = ""


class Cell(Record, frozen=True):
    """One row of the matrix: an edge node and what works on it, with the first broken hop."""

    edge: str
    capabilities: tuple[Capability, ...]


class EqualRows(Record, frozen=True):
    """The row that many edges have in common."""

    edges: tuple[str, ...]
    capabilities: tuple[Capability, ...]


class HopTitle(Record, frozen=True):
    """A hop of the data path, in travelling order, as a person calls it; ``short`` is for cells of a table.

    ``side`` is where it lies: ``cloud``, ``edge``, ``site`` (between them), or empty where nothing says.
    """

    name: str
    title: str
    zh: str
    short: str = ""
    short_zh: str = ""
    side: str = ""


class CapabilityPath(Record, frozen=True):
    """The hops that a capability travels, in their order."""

    capability: str
    hops: tuple[str, ...]


class Hint(Record, frozen=True):
    """What to do about it: a sentence, and what to type."""

    text: str = ""
    commands: tuple[str, ...] = ()


class Fix(Record, frozen=True, kw_only=True):
    """Whether ``kedoctor run --fix`` can repair it, and what that disturbs.

    ``available``: a plan can be made from what was seen. Where there is a repair and no plan, ``needs`` names what is
    missing: what could not be read, or what a person has to do. ``reversible``: all of the plan can be rolled back.
    """

    available: bool
    risk: str = ""
    reversible: bool = False
    needs: tuple[str, ...] = ()
    remedy: str = ""


class Acceptance(Record, frozen=True, kw_only=True):
    """Why a finding that is wrong does not count: an entry of the baseline says so until the end of that day.

    ``status`` is what it would be otherwise, ``entry`` the entry's place in the baseline, from 0. ``by`` is the code of
    the accepted finding from which this one merely follows; empty for one that an entry names itself.
    """

    status: Status
    reason: str
    owner: str
    until: date
    entry: int
    by: str = ""


class Settling(Record, frozen=True, kw_only=True):
    """Why it is too early to judge: what has happened, and what is awaited from ``since`` until ``until``.

    ``status`` is what the check says now; once the time is over it counts.
    """

    event: str
    awaited: str
    since: datetime
    until: datetime
    status: Status
    event_zh: str = ""
    awaited_zh: str = ""


class EntryState(StrEnum):
    """What became of an entry of the baseline.

    ``unmatched``: what it is about was looked at, and nothing is wrong with it. ``not-judged``: it was not looked at.
    """

    USED = "used"
    UNMATCHED = "unmatched"
    EXPIRED = "expired"
    NOT_JUDGED = "not-judged"


class AcceptedEntry(Record, frozen=True, kw_only=True):
    """An entry of the baseline; ``subject`` is a glob, ``matched`` the number of findings it accepted."""

    code: str
    subject: str
    reason: str
    owner: str
    until: date
    state: EntryState = EntryState.NOT_JUDGED
    matched: int = 0


class BaselineSeen(Record, frozen=True):
    """The baseline that was used, and what became of its entries."""

    file: str
    entries: tuple[AcceptedEntry, ...]


class Verdict(Record, frozen=True, kw_only=True):
    """One judgement of one check about one subject.

    ``node`` is the edge node concerned. Where a check says the same of very many edges, they are folded into one
    verdict that quotes the first of them and lists all in ``nodes``, in order. Both empty: it concerns every edge. ``root``:
    nothing else can be why. ``settling`` is there where the status is ``settling``. ``proves`` are the capabilities that
    a verdict that passed proves to work; ``null``: those that its check declares. ``source`` is where its check is
    written, ``file:line``; JSON has it with ``-v``. ``reason``: why an unknown one could not be judged, as in
    ``unavailable``. ``expiries``: when the certificates and tokens that it judged end.
    """

    code: str
    slug: str
    title: str
    status: Status
    subject: str
    node: str
    nodes: tuple[str, ...] = ()
    host: str
    side: str
    hop: str
    capabilities: tuple[str, ...]
    certainty: Certainty
    summary: str
    expected: str = ""
    actual: str = ""
    evidence: tuple[Evidence, ...] = ()
    hint: Hint = Hint()
    fix: Fix
    explained_by: tuple[str, ...] = ()
    root: bool = False
    took_ms: int = 0
    accepted: Acceptance | None = None
    settling: Settling | None = None
    proves: tuple[str, ...] | None = None
    source: str = ""
    reason: str = ""
    expiries: tuple[Expiry, ...] = ()
    zh: Translation

    @property
    def expires(self) -> datetime | None:
        """When the first of ``expiries`` ends."""
        return min((one.ends for one in self.expiries), default=None)


class Change(Record, frozen=True, kw_only=True):
    """What a fix did: the journal entry, its actions and how it ended.

    ``result`` is ``fixed``, ``taken back`` (it did not help), ``refused`` (the world did not let it; everything is
    as it was), ``left`` (it did not help, and not all of it could be rolled back) or, in a dry run, ``planned``. ``diffs`` show no secrets.
    ``actions`` are targets, ``steps`` what was done to them in words, ``steps_zh`` the same in Chinese.
    """

    journal_id: str
    code: str
    actions: tuple[str, ...]
    diffs: tuple[str, ...]
    result: str
    steps: tuple[str, ...] = ()
    steps_zh: tuple[str, ...] = ()


class Missing(Record, frozen=True):
    """An observation that could not be made."""

    host: str
    observation: str
    reason: str
    detail: str = ""


class Reads(Record, frozen=True):
    """How much of one kind was read on a host, and how long that took in all; ``unavailable`` of them could not be.

    ``kind`` names what was asked: ``files``, ``units``, ``processes``, ``apiserver``, ``wire`` (connections made) and so on.
    Reads run beside each other, so their times add up to more than the run took.
    """

    host: str
    kind: str
    count: int
    unavailable: int
    took_ms: int


class Redaction(Record, frozen=True):
    """Something secret that was taken out: ``what`` is its kind, or ``withheld`` for a text that could not be made safe."""

    item: str
    what: str
    count: int = 1


class Report(Record, frozen=True, kw_only=True):
    """The whole document.

    ``equal_rows`` stand in the document of a site with 1,000 edges and more, instead of ``matrix``; a report in memory has
    its rows in ``matrix``.
    """

    schema_version: str
    tool: Tool
    run: Run
    site: Site
    hops: tuple[HopTitle, ...]
    causes: tuple[Cause, ...]
    matrix: tuple[Cell, ...]
    verdicts: tuple[Verdict, ...]
    changes: tuple[Change, ...] = ()
    unavailable: tuple[Missing, ...] = ()
    redactions: tuple[Redaction, ...] = ()
    baseline: BaselineSeen | None = None
    paths: tuple[CapabilityPath, ...] = ()
    reads: tuple[Reads, ...] = ()
    equal_rows: tuple[EqualRows, ...] = ()


# The worst first; a run that ended early is no better than one that could not look.
STATES = ("fail", "settling", "unknown", "warn", "pass")

_HIDING = (Status.UNKNOWN, Status.CRASHED)


def site_state(report: Report) -> str:
    """How the site is, as the headline says it in words: one of :data:`STATES`."""
    if any(cause.status is Status.FAIL for cause in report.causes):
        return "fail"
    if any(one.settling is not None and one.capabilities for one in report.verdicts):
        return "settling"
    if hidden(report) or not report.run.complete:
        return "unknown"
    return "warn" if report.causes else "pass"


def hidden(report: Report) -> list[Verdict]:
    """What matters and was not found out."""
    return [one for one in report.verdicts if one.status in _HIDING and one.capabilities]


class SafeReport(Report, frozen=True, kw_only=True):
    """A report that has passed the redactor: the only kind that is kept or shown.

    Nothing but :func:`sealed` makes one: to read one from JSON or to construct one raises :class:`TypeError`. With a field
    replaced it is a plain :class:`Report`, which has to pass the redactor once more.
    """

    def __post_init__(self) -> None:
        if not getattr(_SEALING, "now", False):
            raise TypeError("only the redactor makes a report that is kept or shown")

    def opened(self) -> Report:
        """The same as a report that has not passed."""
        return Report(**{name: getattr(self, name) for name in self.__struct_fields__})


_SEALING = threading.local()


def sealed(report: Report) -> SafeReport:
    """The report as one that has passed the redactor; called by the redactor alone (a test reads the source for it)."""
    _SEALING.now = True
    try:
        return SafeReport(**{name: getattr(report, name) for name in report.__struct_fields__})
    finally:
        _SEALING.now = False


def report_schema() -> dict[str, Any]:
    """The JSON Schema of :class:`Report`."""
    return {
        "$id": f"https://kedoctor.example/report/{SCHEMA_VERSION}",
        "title": "kedoctor report",
        **schema(Report),
    }
