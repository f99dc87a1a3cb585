"""What a check says: one :class:`Finding` per thing it judged."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import TypedDict, Unpack

from kedoctor.base.records import Record, replace
from kedoctor.base.text import Text

__all__ = [
    "STATUSES",
    "Certainty",
    "Evidence",
    "Expiry",
    "Finding",
    "Status",
    "Wrong",
    "expiring",
    "failed",
    "passed",
    "skipped",
    "unknown",
    "warned",
]


class Status(StrEnum):
    """The states of a verdict; ``blocked``, ``accepted``, ``crashed`` and ``settling`` are given by the engine only."""

    PASS = "pass"  # noqa: S105  a verdict, not a password
    WARN = "warn"
    FAIL = "fail"
    UNKNOWN = "unknown"
    BLOCKED = "blocked"
    SKIP = "skip"
    ACCEPTED = "accepted"
    CRASHED = "crashed"
    SETTLING = "settling"


STATUSES = {
    Status.PASS: Text("passed", zh="正常"),
    Status.WARN: Text("warning", zh="警告"),
    Status.FAIL: Text("failed", zh="未通过"),
    Status.UNKNOWN: Text("undetermined", zh="无法判断"),
    Status.BLOCKED: Text("blocked", zh="未判断"),
    Status.SKIP: Text("not applicable", zh="不适用"),
    Status.ACCEPTED: Text("accepted", zh="已豁免（基线）"),
    Status.CRASHED: Text("crashed", zh="检查出错"),
    Status.SETTLING: Text("settling", zh="正在恢复"),
}
"""What a person calls them."""


class Certainty(StrEnum):
    """How a finding is known: a probe or a log line of the fault itself, or only what configuration says."""

    PROVED = "proved"
    IMPLIED = "implied"


class Evidence(Record, frozen=True):
    """What was read: ``source`` names it as a person would (a path, an object, a command), ``excerpt`` quotes it."""

    source: str
    excerpt: str = ""
    line: int | None = None


class Expiry(Record, frozen=True, kw_only=True):
    """When something ends that has to be renewed: ``item`` names it as a person would (a path, an object and its key).

    ``kind`` is ``certificate`` or ``token``; ``begins`` is ``None`` where it does not say. Times are aware.
    """

    item: str
    ends: datetime
    begins: datetime | None = None
    kind: str = "certificate"


class Finding(Record, frozen=True, kw_only=True):
    """One judgement.

    ``subject`` names the thing judged (``edge1``, ``configmap/kubeedge/cloudcore``; empty: the host it was
    judged on). ``node`` is the edge node that is concerned, empty when it concerns every one of them. ``breaks``
    and ``hop`` replace the check's own when they are not ``None``. ``commands`` are what a person types next. ``root``
    says that nothing else can be why: it is wrong by itself, whatever else fails. ``actual`` is quoted from the site, or
    a text where it is a word of ours. ``reason`` is why an unknown one could not be judged (a
    :class:`~kedoctor.api.Reason`). ``proves`` are the capabilities that this one proves to work; ``None``: those that
    the check declares. ``expiries`` are the certificates and tokens whose dates were judged.
    """

    status: Status
    summary: Text
    subject: str = ""
    node: str = ""
    expected: Text | None = None
    actual: str | Text = ""
    evidence: tuple[Evidence, ...] = ()
    hint: Text | None = None
    commands: tuple[str, ...] = ()
    breaks: tuple[str, ...] | None = None
    hop: str | None = None
    certainty: Certainty = Certainty.PROVED
    root: bool = False
    reason: str = ""
    proves: tuple[str, ...] | None = None
    expiries: tuple[Expiry, ...] = ()

    @property
    def expires(self) -> datetime | None:
        """When the first of ``expiries`` ends."""
        return min((one.ends for one in self.expiries), default=None)


def expiring(finding: Finding, *expiries: Expiry) -> Finding:
    """The finding with the dates of what it is about, so that the time left can be watched and drawn."""
    return replace(finding, expiries=expiries)


def passed(
    summary: Text,
    *,
    subject: str = "",
    node: str = "",
    evidence: tuple[Evidence, ...] = (),
    proves: tuple[str, ...] | None = None,
) -> Finding:
    """It was looked at and is right."""
    return Finding(
        status=Status.PASS, summary=summary, subject=subject, node=node, evidence=evidence, proves=proves
    )


def skipped(summary: Text, *, subject: str = "", node: str = "") -> Finding:
    """It does not apply here; the summary says why."""
    return Finding(status=Status.SKIP, summary=summary, subject=subject, node=node)


def unknown(
    summary: Text,
    *,
    subject: str = "",
    node: str = "",
    evidence: tuple[Evidence, ...] = (),
    hint: Text | None = None,
    commands: tuple[str, ...] = (),
) -> Finding:
    """It could not be found out; the summary says why, the hint how it could be."""
    return Finding(
        status=Status.UNKNOWN,
        summary=summary,
        subject=subject,
        node=node,
        evidence=evidence,
        hint=hint,
        commands=commands,
    )


class _Said(TypedDict):
    expected: Text
    actual: str | Text
    hint: Text


class Wrong(_Said, total=False):
    """What a finding says of something that is wrong: the fields of :class:`Finding`, of which three are needed."""

    subject: str
    node: str
    evidence: tuple[Evidence, ...]
    commands: tuple[str, ...]
    breaks: tuple[str, ...] | None
    hop: str | None
    certainty: Certainty
    root: bool


def failed(summary: Text, **said: Unpack[Wrong]) -> Finding:
    """It is wrong and breaks something now; ``expected``, ``actual`` and ``hint`` are needed."""
    return _wrong(Status.FAIL, summary, said)


def warned(summary: Text, **said: Unpack[Wrong]) -> Finding:
    """It is wrong, but does not break anything now (or not for certain); it says the same as :func:`failed`."""
    return _wrong(Status.WARN, summary, said)


def _wrong(status: Status, summary: Text, said: Wrong) -> Finding:
    lacking = sorted(Wrong.__required_keys__ - said.keys())
    if lacking:
        raise TypeError(f"a finding that is wrong lacks {', '.join(lacking)}")
    return Finding(status=status, summary=summary, **said)
