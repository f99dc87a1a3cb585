"""Baselines: findings that somebody accepts, by code and subject, with a reason, an owner and an end.

::

    accepted:
      - code: KE202
        subject: edge7
        reason: no logs from this one until its link is upgraded
        owner: network team
        until: 2027-01-31

``code`` is a code or a name, ``subject`` a glob, ``until`` the last day on which it counts. All five are needed.
"""

from __future__ import annotations

import glob
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from kedoctor.base.records import replace
from kedoctor.base.strict_yaml import SteeringFile, read_steering
from kedoctor.base.suggestions import did_you_mean
from kedoctor.judge.registry import Registry
from kedoctor.model.declarations import Side
from kedoctor.model.findings import Status
from kedoctor.model.report import Acceptance, AcceptedEntry, BaselineSeen, EntryState, Report, Verdict
from kedoctor.yaml.render import Layout, pair

__all__ = ["Baseline", "accepting", "read_baseline", "written"]

KEYS = ("code", "subject", "reason", "owner", "until")
_WRONG = (Status.FAIL, Status.WARN)
_JUDGED = (Status.PASS, Status.FAIL, Status.WARN, Status.ACCEPTED)


@dataclass(frozen=True, slots=True)
class Baseline:
    """What is accepted; ``today`` decides which entries still count."""

    file: str
    entries: tuple[AcceptedEntry, ...]
    today: date

    def accept(self, verdict: Verdict) -> Verdict:
        """The verdict, accepted if it is wrong and an entry that still counts is about it."""
        if verdict.status not in _WRONG:
            return verdict
        for place, entry in enumerate(self.entries):
            if not self._expired(entry) and entry.code == verdict.code and _about(entry, verdict):
                accepted = Acceptance(
                    status=verdict.status,
                    reason=entry.reason,
                    owner=entry.owner,
                    until=entry.until,
                    entry=place,
                )
                return replace(verdict, status=Status.ACCEPTED, accepted=accepted)
        return verdict

    def seen(self, verdicts: Sequence[Verdict]) -> BaselineSeen:
        """What became of each entry in a run with these verdicts."""
        matched = [0] * len(self.entries)
        for verdict in verdicts:
            if verdict.accepted is not None:
                matched[verdict.accepted.entry] += len(verdict.nodes) or 1
        return BaselineSeen(
            self.file,
            tuple(
                replace(entry, matched=count, state=self._state(entry, count, verdicts))
                for entry, count in zip(self.entries, matched, strict=True)
            ),
        )

    def _state(self, entry: AcceptedEntry, matched: int, verdicts: Sequence[Verdict]) -> EntryState:
        if self._expired(entry):
            return EntryState.EXPIRED
        if matched:
            return EntryState.USED
        judged = [one for one in verdicts if one.code == entry.code and one.status in _JUDGED]
        # An edge that is not in view is not known to be right.
        elsewhere = all(one.side == Side.EDGE.value and not _about(entry, one) for one in judged)
        return EntryState.NOT_JUDGED if elsewhere else EntryState.UNMATCHED

    def _expired(self, entry: AcceptedEntry) -> bool:
        return entry.until < self.today


def _about(entry: AcceptedEntry, verdict: Verdict) -> bool:
    names = verdict.nodes or (verdict.subject,)
    return all(fnmatchcase(name, entry.subject) for name in names)


def read_baseline(path: Path, registry: Registry, *, today: date | None = None) -> Baseline:
    """The baseline of a file.

    Raises:
        ConfigurationError: the file cannot be read, or an entry is not wholly understood.
    """
    file = read_steering(path, "baseline")
    file.refuse_unknown([], file.document.data, ["accepted"])
    listed = file.document.data.get("accepted")
    if not isinstance(listed, list):
        raise file.wrong([], "it has no list `accepted`", hint="kedoctor baseline -o FILE writes one")
    entries = tuple(_entry(file, place, one, registry) for place, one in enumerate(listed))
    return Baseline(str(path), entries, today or datetime.now(UTC).date())


def _entry(file: SteeringFile, place: int, found: Any, registry: Registry) -> AcceptedEntry:
    where: list[str | int] = ["accepted", place]
    if not isinstance(found, dict):
        raise file.wrong(where, f"an entry has the keys {', '.join(KEYS)}")
    file.refuse_unknown(where, found, KEYS)
    for key in KEYS:
        if key not in found:
            raise file.wrong(where, f"this entry has no {key}")
    texts = {key: file.text([*where, key], found[key]) for key in KEYS}
    return AcceptedEntry(
        code=_code(file, [*where, "code"], texts["code"], registry),
        subject=texts["subject"],
        reason=texts["reason"],
        owner=texts["owner"],
        until=_day(file, [*where, "until"], texts["until"]),
    )


def _code(file: SteeringFile, where: Sequence[str | int], name: str, registry: Registry) -> str:
    for code, node in registry.checks.items():
        if name.upper() == code or name.lower() == node.check.slug:
            return code
    names = [*registry.checks, *(node.check.slug for node in registry.checks.values())]
    raise file.wrong(
        where,
        f"there is no check {name!r}{did_you_mean(name, names)}",
        hint="kedoctor list shows every code and name",
    )


def _day(file: SteeringFile, where: Sequence[str | int], text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise file.wrong(where, f"{text!r} is not a date", hint="write it as 2027-01-31") from None


# ---------------------------------------------------------------------------------------- writing one


def accepting(report: Report, *, reason: str, owner: str, until: date) -> list[AcceptedEntry]:
    """Entries for what is wrong in a report, but not for what follows from it; accepted ones keep their words."""
    entries: dict[tuple[str, str], AcceptedEntry] = {}
    for verdict in report.verdicts:
        for subject in verdict.nodes or (verdict.subject,):
            entry = AcceptedEntry(
                code=verdict.code, subject=glob.escape(subject), reason=reason, owner=owner, until=until
            )
            if verdict.status is Status.ACCEPTED and verdict.accepted is not None and not verdict.accepted.by:
                told = verdict.accepted
                entry = replace(entry, reason=told.reason, owner=told.owner, until=told.until)
            elif verdict.status not in _WRONG or verdict.explained_by:
                continue
            entries.setdefault((verdict.code, subject), entry)
    return list(entries.values())


def written(entries: Iterable[AcceptedEntry], *, told: str) -> bytes:
    """The file with these entries, with ``told`` as its first comment."""
    listed = [
        {
            "code": one.code,
            "subject": one.subject,
            "reason": one.reason,
            "owner": one.owner,
            "until": one.until.isoformat(),
        }
        for one in entries
    ]
    return f"# {told}\n{pair('accepted', listed, 0, Layout(dash=2))}".encode()
