"""Where a new connection really goes on a host that has two iptables backends.

What was measured (tests/lab/test_netfilter_path.py repeats it on the kernel it runs on; found on Linux
6.18, iptables 1.8.9; kernels before 4.18 arranged NAT differently and were not measured):

* Both backends act. The rules of iptables-nft and those of iptables-legacy hang on the same NAT hooks of
  the same kernel, and every new connection meets both. There is no "active" backend in the kernel; there is
  only a backend that the command ``iptables`` happens to show. On the healthy recorded cluster the working
  rule is in legacy, while ``iptables`` shows nft and kube-proxy writes nft (testbed.md, recording healthy).
* One mapping per connection. The first rule of either backend that maps it (DNAT, REDIRECT) ends NAT for
  that connection: the other backend is not asked, and no rule sees the new address. A DNAT to a ClusterIP
  is therefore a black hole even when kube-proxy's rules are in the other backend (facts.md §9 row 8,
  recordings i1, i3).
* No match is not an obstacle. When the backend that acts first does not map the connection, whether by
  running to its policy, by ACCEPT or by RETURN, the other one still can.
* The hook that was registered LAST acts first; both use the same priority (-100). iptables-legacy
  registers when its nat table comes into being, which any ``iptables-legacy -t nat`` command causes, even
  one that only lists. iptables-nft registers when its chain is made, and again whenever it is deleted and
  made anew: ``iptables-nft-restore`` without ``--noflush`` and ``nft flush ruleset`` put nft in front.
  ``iptables -F`` and ``--noflush`` change nothing, nor does restoring legacy.
* Neither view shows that order. So when the two backends map one connection to different places, the
  honest answer is "one of these two", unless the caller knows the order and says so.
* ``NOTRACK`` in the raw table of either backend keeps a connection away from NAT altogether.

What the two views do not show at all: NAT chains of native nft tables (kube-proxy in nftables mode,
firewalld, hand-written nftables.conf). Pass those as ``unseen``.

This module joins the views; reading one is :mod:`~kedoctor.checks.parsers.netfilter.parse`, following one is
:mod:`~kedoctor.checks.parsers.netfilter.traverse`, listing mapping rules is :mod:`~kedoctor.checks.parsers.netfilter.dnat`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from kedoctor.checks.parsers.netfilter.dnat import DnatRule, Repetition, dnat_rules, duplicates, owner_of
from kedoctor.checks.parsers.netfilter.match import Answer, Packet, is_untracked
from kedoctor.checks.parsers.netfilter.parse import RulesetError, parse_save
from kedoctor.checks.parsers.netfilter.ruleset import Backend, Rule, Ruleset
from kedoctor.checks.parsers.netfilter.traverse import (
    UNDECIDED,
    DoubtKind,
    Outcome,
    OutcomeKind,
    Path,
    Uncertainty,
    unchanged,
    walk,
)

__all__ = [
    "Answer",
    "Backend",
    "DnatRule",
    "DoubtKind",
    "EffectivePath",
    "Outcome",
    "OutcomeKind",
    "Packet",
    "Path",
    "Repetition",
    "Rule",
    "Ruleset",
    "RulesetError",
    "TerminalVerdict",
    "Uncertainty",
    "combine",
    "dnat_rules",
    "duplicates",
    "effective",
    "owner_of",
    "parse_save",
    "walk",
]

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class TerminalVerdict:
    """One way it can end: the outcome, and the rule of the backend that brings it about.

    Rule and backend are None when no rule does, that is when the connection is left as it is, or when it is unknown.
    """

    outcome: Outcome
    backend: Backend | None = None
    rule: Rule | None = None


@dataclass(frozen=True, slots=True)
class EffectivePath:
    """What both backends together do with one new connection.

    ``nft`` and ``legacy`` are the ways through the nat table of each, None where that view could not be
    read. ``doubts`` is empty exactly when ``certain``.
    """

    hook: str
    packet: Packet
    endings: tuple[TerminalVerdict, ...]
    doubts: tuple[Uncertainty, ...]
    nft: Path | None
    legacy: Path | None

    @property
    def possible(self) -> tuple[Outcome, ...]:
        """The different outcomes."""
        return tuple(dict.fromkeys(ending.outcome for ending in self.endings))

    @property
    def certain(self) -> bool:
        """Whether there is one outcome only, known to the last digit."""
        return len(self.possible) == 1 and self.possible[0].is_exact

    @property
    def outcome(self) -> Outcome:
        """The outcome, or ``UNDECIDED``: then ``possible`` and ``doubts`` say what is known."""
        return self.possible[0] if self.certain else UNDECIDED

    @property
    def decided_by(self) -> TerminalVerdict | None:
        """The rule and backend behind a certain outcome; with equal rules in both, the first listed."""
        return self.endings[0] if self.certain else None


def effective(
    nft: Ruleset | None,
    legacy: Ruleset | None,
    packet: Packet,
    *,
    hook: str = "OUTPUT",
    first: Backend | None = None,
    unseen: Sequence[str] = (),
) -> EffectivePath:
    """What the kernel does with a new TCP connection that enters ``hook`` (OUTPUT or PREROUTING).

    A view that could not be read is None, and then nothing is certain. A view that is known to be empty is
    an empty ruleset, not None: when /proc/net/ip_tables_names is readable and empty, there is no legacy
    table, whether or not the tool is installed.

    ``first`` is the backend that acts first, if the caller knows; ``unseen`` names NAT chains of native nft
    tables at this hook. The raw and mangle tables are followed too, as they can drop the connection or
    keep it from NAT. What the filter table does afterwards is not part of the answer.
    """
    paths = [None if view is None else walk(view, hook, packet) for view in (nft, legacy)]
    joined = combine(paths[0], paths[1], packet, hook=hook, first=first)
    endings, doubts = list(joined.endings), list(joined.doubts)
    for view in (nft, legacy):
        if view is not None:
            endings, more = _before_nat(view, hook, packet, endings)
            doubts += more
    if unseen or None in paths:
        endings.append(TerminalVerdict(UNDECIDED))
        doubts += [Uncertainty(DoubtKind.UNSEEN, name) for name in unseen]
    return _settled(replace(joined, endings=_once(endings), doubts=_once(doubts)))


def combine(
    nft: Path | None,
    legacy: Path | None,
    packet: Packet,
    *,
    hook: str = "OUTPUT",
    first: Backend | None = None,
) -> EffectivePath:
    """The result of two ways through nat: the first mapping made wins, in the order of ``first`` or in both.

    None is a view that could not be read: it may do anything, so nothing is certain.
    """
    ways = {"nft": _endings(nft), "legacy": _endings(legacy)}
    orders = [("nft", "legacy"), ("legacy", "nft")]
    if first is not None:
        orders = [order for order in orders if order[0] == first]
    endings = [ending for one, other in orders for ending in _in_order(ways[one], ways[other])]
    doubts = [doubt for path in (nft, legacy) if path is not None for doubt in path.doubts]
    if nft is None or legacy is None:
        endings.append(TerminalVerdict(UNDECIDED))
    if nft is None:
        doubts.append(Uncertainty(DoubtKind.VIEW, "nft", "nft"))
    if legacy is None:
        doubts.append(Uncertainty(DoubtKind.VIEW, "legacy", "legacy"))
    if first is None and all(any(end.outcome.is_mapping for end in way) for way in ways.values()):
        doubts.append(Uncertainty(DoubtKind.ORDER, "nft, legacy"))
    return _settled(EffectivePath(hook, packet, _once(endings), _once(doubts), nft, legacy))


def _once(items: Iterable[_T]) -> tuple[_T, ...]:
    return tuple(dict.fromkeys(items))


def _settled(path: EffectivePath) -> EffectivePath:
    """The path without doubts that turned out not to matter."""
    return replace(path, doubts=()) if path.certain else path


def _endings(path: Path | None) -> tuple[TerminalVerdict, ...]:
    if path is None:
        return (TerminalVerdict(UNDECIDED),)
    return tuple(
        TerminalVerdict(outcome, path.backend if rule is not None else None, rule)
        for outcome, rule in path.possible
    )


def _in_order(one: Iterable[TerminalVerdict], other: Iterable[TerminalVerdict]) -> list[TerminalVerdict]:
    """All results when ``one`` acts first: what it neither maps nor drops is left to the other."""
    results: list[TerminalVerdict] = []
    for ending in one:
        if ending.outcome.kind is OutcomeKind.UNCHANGED:
            results += other
        elif ending.outcome == UNDECIDED:
            results += [ending, *other]
        else:
            results.append(ending)
    return results


def _before_nat(
    view: Ruleset, hook: str, packet: Packet, endings: list[TerminalVerdict]
) -> tuple[list[TerminalVerdict], list[Uncertainty]]:
    """The endings after what raw and mangle of this view may do to the connection before NAT sees it."""
    doubts: list[Uncertainty] = []
    for table in ("raw", "mangle"):
        path = walk(view, hook, packet, table=table)
        endings, more = _untracked(path, packet, endings)
        doubts += [*path.doubts, *more]
        stopped = [end for end in _endings(path) if end.outcome.kind is not OutcomeKind.UNCHANGED]
        goes_on = len(stopped) < len(path.possible)
        endings = [*(endings if goes_on else ()), *stopped]
    return endings, doubts


def _untracked(
    path: Path, packet: Packet, endings: list[TerminalVerdict]
) -> tuple[list[TerminalVerdict], list[Uncertainty]]:
    """The endings when a rule on this path takes the connection out of tracking, surely or perhaps."""
    steps = [step for step in path.steps if step.rule.target and is_untracked(step.rule.target)]
    if not steps:
        return endings, []
    step = max(steps, key=lambda step: step.sure)
    ending = TerminalVerdict(unchanged(packet), path.backend, step.rule)
    if step.sure:
        return [ending], []
    return [*endings, ending], [Uncertainty(DoubtKind.MATCH, step.rule.text, path.backend, step.rule)]
