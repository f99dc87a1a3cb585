"""After a repair: are the same checks right now, have the consequences gone, and does everything else still work."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from kedoctor.base.text import Text
from kedoctor.model.declarations import Check, Risk
from kedoctor.model.findings import Status
from kedoctor.model.plans import Plan
from kedoctor.model.report import Report, Verdict

__all__ = ["Recheck", "recheck"]

_GOOD = (Status.PASS, Status.SKIP, Status.ACCEPTED)
_NOT_KNOWN = (Status.UNKNOWN, Status.CRASHED, Status.BLOCKED, Status.SETTLING)


@dataclass(frozen=True, slots=True)
class Recheck:
    """Codes, by what is the matter with them.

    ``wrong``: what was to be repaired is not right (or cannot be judged any more). ``worse``: it passed before
    and fails now. ``behind``: a mere consequence that has not gone yet. ``unsure``: what was known to be right and
    is unknown now, or could not be judged before; with what is said of it, so that one sees whether it moves.
    ``meanwhile``: it fails now, and no plan can have harmed it. ``said`` is what is said now of each that is wrong or worse.
    """

    wrong: frozenset[str]
    worse: frozenset[str]
    behind: frozenset[str]
    unsure: frozenset[tuple[str, str]] = frozenset()
    meanwhile: frozenset[str] = frozenset()
    said: Mapping[str, Text] = field(default_factory=dict)

    @property
    def awaited(self) -> frozenset[str]:
        """Everything that time may still put right."""
        return self.wrong | self.worse | self.behind | {code for code, _ in self.unsure}

    @property
    def settled(self) -> bool:
        """Whether there is nothing left that time is known to put right."""
        return not self.wrong and not self.worse and not self.behind

    @property
    def good(self) -> bool:
        """Whether the repair can stay: another cause may keep a consequence alive."""
        return not self.wrong and not self.worse


def recheck(
    plans: Sequence[Plan], before: Report, now: Report, checks: Mapping[str, Check] | None = None
) -> Recheck:
    """Compares two whole reports of the same question, as far as they concern the edges of these plans.

    With the declarations of the ``checks`` a plan answers for its own targets and what depends on them; what else has
    changed meanwhile is in ``meanwhile`` and not charged to it. Without them it answers for everything.
    """
    codes = {plan.code for plan in plans}
    subjects = {(plan.code, plan.subject) for plan in plans}
    places = _places(one for one in before.verdicts if (one.code, one.subject) in subjects)
    was = {_key(one): one for one in before.verdicts}
    causes = {cause.code for cause in before.causes}
    wrong: set[str] = set()
    worse: set[str] = set()
    behind: set[str] = set()
    meanwhile: set[str] = set()
    unsure: set[tuple[str, str]] = set()
    reach = None if checks is None or any(_restarts_much(plan) for plan in plans) else _reach(codes, checks)
    for verdict in now.verdicts:
        if verdict.status in _GOOD:
            continue
        earlier = was.get(_key(verdict))
        if (verdict.code, verdict.subject) in subjects:
            wrong.add(verdict.code)
        elif not _concerns(verdict, places):
            continue
        elif verdict.code in codes and verdict.status in _NOT_KNOWN and not _in(earlier, _NOT_KNOWN):
            wrong.add(verdict.code)
        elif _in(earlier, (Status.PASS,)) and verdict.status is Status.FAIL:
            (worse if _charged(verdict, before, codes, reach) else meanwhile).add(verdict.code)
        elif earlier is not None and _reasons(earlier, causes) and _reasons(earlier, causes) <= codes:
            behind.add(verdict.code)
        elif earlier is not None and _unsure(earlier, verdict) and (reach is None or verdict.code in reach):
            unsure.add((verdict.code, verdict.summary))
    said = {
        one.code: Text(one.summary, zh=one.zh.summary or one.summary)
        for one in reversed(now.verdicts)
        if one.code in wrong | worse and one.status not in _GOOD
    }
    return Recheck(
        frozenset(wrong), frozenset(worse), frozenset(behind), frozenset(unsure), frozenset(meanwhile), said
    )


def _restarts_much(plan: Plan) -> bool:
    """Whether everything may depend on what a plan restarts."""
    return plan.risk is not Risk.SAFE


def _reach(codes: set[str], checks: Mapping[str, Check]) -> frozenset[str]:
    """The codes that a plan for these can have harmed: they, and all that a failure of them can explain."""
    found, growing = set(codes), True
    while growing:
        more = {
            code for code, check in checks.items() if code not in found and found & set(check.explained_by)
        }
        found |= more
        growing = bool(more)
    return frozenset(found)


def _charged(verdict: Verdict, before: Report, codes: set[str], reach: frozenset[str] | None) -> bool:
    """Whether what fails now may be the plan's doing: within its reach, and not what another fault explains."""
    if reach is not None and verdict.code not in reach:
        return False
    if reach is None:
        return True
    known = {
        one.code
        for one in before.verdicts
        if one.status is Status.FAIL or (one.hop and one.status is Status.WARN)
    }
    return not (set(verdict.explained_by) & known - codes)


def _key(verdict: Verdict) -> tuple[str, str, str]:
    return verdict.code, verdict.host, verdict.subject


def _places(verdicts: Iterable[Verdict]) -> frozenset[str]:
    """The edges concerned; empty: all of them."""
    found: set[str] = set()
    for verdict in verdicts:
        mine = set(verdict.nodes) | ({verdict.node} if verdict.node else set())
        if not mine:
            return frozenset()
        found |= mine
    return frozenset(found)


def _concerns(verdict: Verdict, places: frozenset[str]) -> bool:
    mine = set(verdict.nodes) | ({verdict.node} if verdict.node else set())
    return not places or not mine or not places.isdisjoint(mine)


def _in(verdict: Verdict | None, states: Sequence[Status]) -> bool:
    return verdict is not None and verdict.status in states


def _reasons(verdict: Verdict, causes: set[str]) -> set[str]:
    """The root causes behind a consequence; other consequences on the way there do not count."""
    return causes & set(verdict.explained_by)


def _unsure(earlier: Verdict, verdict: Verdict) -> bool:
    """Whether it may only not be known yet, so shortly after a restart."""
    if earlier.status is Status.PASS:
        return verdict.status in _NOT_KNOWN
    return earlier.status is Status.BLOCKED and bool(verdict.capabilities)
