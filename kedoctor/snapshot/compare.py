"""Two reports, or the settings of two sites, side by side: what got worse, what got better, what differs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from kedoctor.base.errors import ExitCode
from kedoctor.base.records import Record
from kedoctor.model.findings import Status
from kedoctor.model.report import Report, Verdict
from kedoctor.model.settings import Difference, differences

__all__ = ["Change", "Comparison", "compare", "compare_settings", "exit_code", "unjudged"]

_NOT_KNOWN = (Status.UNKNOWN, Status.CRASHED, Status.BLOCKED, Status.SETTLING)
_RANK = {Status.PASS: 0, Status.ACCEPTED: 0, Status.WARN: 1, Status.FAIL: 2}
"""How bad a verdict is; what is in no place here says nothing of the site."""


class Change(Record, frozen=True, kw_only=True):
    """A judgement that is another one now; ``summary`` is the sentence of the side on which it is worse."""

    code: str
    subject: str
    before: str
    after: str
    summary: str
    zh: str


class Comparison(Record, frozen=True, kw_only=True):
    """What is different on the second side.

    ``compared`` names what both sides hold: ``verdicts``, documents, ``versions``; ``only_one`` the documents that only
    one side holds. ``unjudged`` is how many subjects of checks were judged on neither side. ``lost`` was judged on the first side and could not be on the second; ``settings`` are keys that differ.
    """

    before: str
    after: str
    compared: tuple[str, ...]
    worse: tuple[Change, ...] = ()
    better: tuple[Change, ...] = ()
    lost: tuple[Change, ...] = ()
    settings: tuple[Difference, ...] = ()
    only_one: tuple[str, ...] = ()
    unjudged: int = 0


Key = tuple[str, str]


def compare(before: Report, after: Report) -> dict[str, tuple[Change, ...]]:
    """``worse``, ``better`` and ``lost`` of two reports; what only one of them looked at is not a change."""
    old, new = _by_key(before), _by_key(after)
    worse, better, lost = [], [], []
    for key in sorted({*old, *new}):
        was, now = old.get(key), new.get(key)
        if was is None or now is None:
            # A finding without a counterpart: things come and go; only what is wrong with them is a change.
            if now is not None and _bad(now) and _looked(before, now):
                worse.append(_change(key, None, now))
            elif was is not None and _bad(was) and _looked(after, was):
                better.append(_change(key, was, None))
        elif was.status in _RANK and now.status in _NOT_KNOWN:
            lost.append(_change(key, was, now))
        elif was.status in _RANK and now.status in _RANK and _RANK[was.status] != _RANK[now.status]:
            (worse if _RANK[now.status] > _RANK[was.status] else better).append(_change(key, was, now))
        elif was.status not in _RANK and _bad(now):
            worse.append(_change(key, was, now))
    return {"worse": tuple(worse), "better": tuple(better), "lost": tuple(lost)}


def unjudged(before: Report, after: Report) -> int:
    """How many subjects of checks both reports are about, and neither could judge."""
    old, new = _by_key(before), _by_key(after)
    return sum(old[key].status in _NOT_KNOWN and new[key].status in _NOT_KNOWN for key in set(old) & set(new))


def _by_key(report: Report) -> dict[Key, Verdict]:
    """Verdicts by code and subject, a folded one once for each of its edges; of two the worse one counts."""
    found: dict[Key, Verdict] = {}
    for verdict in report.verdicts:
        for key in _keys(verdict):
            known = found.get(key)
            if known is None or _RANK.get(verdict.status, -1) > _RANK.get(known.status, -1):
                found[key] = verdict
    return found


def _keys(verdict: Verdict) -> Iterator[Key]:
    return ((verdict.code, name) for name in verdict.nodes or (verdict.subject,))


def _bad(verdict: Verdict) -> bool:
    return _RANK.get(verdict.status, 0) > 0


def _looked(report: Report, verdict: Verdict) -> bool:
    """Whether a report has judged anything by this check, on that host if it is about one."""
    return any(
        one.code == verdict.code and one.host == verdict.host and one.status in _RANK
        for one in report.verdicts
    )


def _change(key: Key, was: Verdict | None, now: Verdict | None) -> Change:
    told = max((one for one in (was, now) if one is not None), key=lambda one: _RANK.get(one.status, 0.5))
    return Change(
        code=key[0],
        subject=key[1],
        before=was.status.value if was else "",
        after=now.status.value if now else "",
        summary=told.summary,
        zh=told.zh.summary,
    )


def compare_settings(
    before: Mapping[str, Mapping[str, str]], after: Mapping[str, Mapping[str, str]]
) -> tuple[tuple[Difference, ...], tuple[str, ...]]:
    """The keys that differ in documents that both sides hold, and the names of those that only one holds."""
    both = sorted(set(before) & set(after))
    found = tuple(one for name in both for one in differences(name, before[name], after[name]))
    return found, tuple(sorted(set(before) ^ set(after)))


def exit_code(found: Comparison) -> ExitCode:
    """1 if something got worse, 2 if only settings differ, 3 if less could be judged or nothing compared, else 0."""
    if found.worse:
        return ExitCode.FAILED
    if found.lost or not found.compared:
        return ExitCode.UNDETERMINED
    return ExitCode.WARNED if found.settings else ExitCode.OK
