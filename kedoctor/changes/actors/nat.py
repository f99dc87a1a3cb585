"""NAT rules: a chain of our own, and the removal of single rules; every other rule stays to the byte.

Each change is one step of the kernel. What is there is compared before and after; a change that turned out otherwise
than foreseen is rolled back at once.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from difflib import unified_diff

from kedoctor import patterns
from kedoctor.base.records import Record, decode, encode
from kedoctor.changes.actors.nat_tables import NatTables
from kedoctor.model.actions.action import Action
from kedoctor.model.actions.nat import EnsureChain, RemoveRule
from kedoctor.model.actors import ActionKind, ConflictError, Preview, RefusedError, State
from kedoctor.model.nat_rules import (
    BUILT_IN,
    Chains,
    NatEdit,
    applied,
    jump_words,
    place_in,
    target_of,
)

__all__ = ["KINDS", "ChainActor", "RuleActor"]

_NAME = patterns.compiled(r"[A-Za-z0-9][\w.:-]{0,27}", patterns.ASCII)
_RULE = patterns.compiled(r"-A (?P<chain>\S+)(?: (?P<words>[^\n\r]*))?")
_WORDS = patterns.compiled(r"(?:!|-)[^\n\r]*")
_VERDICTS = frozenset(
    {"ACCEPT", "DROP", "RETURN", "QUEUE", "DNAT", "SNAT", "REDIRECT", "MASQUERADE", "LOG", "MARK"}
)


# --------------------------------------------------------------------------------------------- single rules


class RuleActor:
    """Removes single rules, and puts them back where they were.

    Of several equal rules the last goes first (``occurrence`` 3, then 2): what stands behind a removed one would
    take its number.
    """

    def __init__(self, tables: NatTables) -> None:
        self._tables = tables

    def look(self, action: Action) -> State:
        """Whether that rule is there, and the rules of its chain; ``attributes`` say where and how often."""
        removal = _removal(action)
        return _rule_state(removal, self._tables.read(removal.backend))

    def preview(self, action: Action, before: State) -> Preview:
        """The rule that will be gone; its way out and back in is rehearsed with the kernel's tools."""
        removal = _removal(action)
        if not before.exists:
            return Preview(changes=False, diff="", fingerprint="absent")
        chains = self._tables.read(removal.backend)
        out = _removing(removal, _rule_state(removal, chains))
        back = NatEdit("insert", out.chain, out.rule, int(before.attributes["position"]))
        self._tables.rehearse(removal.backend, chains, [out, back])
        where = f"{removal.backend} nat, chain {out.chain}, place {before.attributes['position']}"
        return Preview(changes=True, diff=f"{where}\n- {removal.rule}", fingerprint="absent")

    def do(self, action: Action, before: State) -> State:
        """Removes it, and makes sure that it is the one that went."""
        removal = _removal(action)
        chains = self._tables.read(removal.backend)
        now = _rule_state(removal, chains)
        if now.fingerprint != before.fingerprint:
            raise ConflictError(f"somebody else changed the rule {removal.rule}; the chain is left as it is")
        if int(now.attributes["count"]) > removal.occurrence:
            raise RefusedError(
                f"an equal rule stands behind it, and the last of them goes first: {removal.rule}"
            )
        edit = _removing(removal, now)
        self._tables.apply(removal.backend, chains, [edit])
        self._only_that(removal.backend, edit, chains)
        return self.look(action)

    def undo(self, action: Action, before: State, after: State) -> None:
        """Puts it back behind the rule it stood behind."""
        removal = _removal(action)
        chains = self._tables.read(removal.backend)
        now = _rule_state(removal, chains)
        if now.fingerprint != after.fingerprint:
            raise ConflictError(f"somebody else put the rule {removal.rule} back; the chain is left as it is")
        if now.fingerprint == before.fingerprint:
            return
        chain, words = _parts(removal)
        former = decode(before.data, tuple[str, ...])
        place = place_in(former, int(before.attributes["position"]) - 1, chains.get(chain, ()))
        self._tables.apply(removal.backend, chains, [NatEdit("insert", chain, words, place)])
        if self.look(action).fingerprint != before.fingerprint:
            raise RefusedError(f"iptables did not put the rule back: {removal.rule}")

    def tidy(self, action: Action) -> None:
        """A step of the kernel leaves nothing beside it."""

    def _only_that(self, backend: str, edit: NatEdit, before: Chains) -> None:
        """Puts back what went instead, when the chain was being changed by somebody else at the same moment."""
        now = self._tables.read(backend)
        rules, left = before[edit.chain], now.get(edit.chain, ())
        gone = Counter(rules) - Counter(left)
        if gone[edit.rule]:
            return
        if edit.place and gone.total() == 1:
            (other,) = gone
            place = place_in(rules, rules.index(other), left)
            self._tables.apply(backend, now, [NatEdit("insert", edit.chain, other, place)])
        raise ConflictError(f"somebody else changed the chain {edit.chain} at the same moment; try again")


def _removal(action: Action) -> RemoveRule:
    if not isinstance(action, RemoveRule):
        raise RefusedError(f"{action.target} is not a removal of a rule")
    return action


def _parts(removal: RemoveRule) -> tuple[str, str]:
    found = _RULE.fullmatch(removal.rule)
    if found is None or removal.occurrence < 1:
        raise RefusedError(f"not a rule as iptables-save prints it: {removal.rule}")
    return found["chain"], found["words"] or ""


def _rule_state(removal: RemoveRule, chains: Chains) -> State:
    chain, words = _parts(removal)
    rules = chains.get(chain, ())
    places = [place for place, rule in enumerate(rules, 1) if rule == words]
    there = len(places) >= removal.occurrence
    position = {"position": str(places[removal.occurrence - 1])} if there else {}
    return State(
        target=removal.target,
        exists=there,
        fingerprint="present" if there else "absent",
        data=encode(rules),
        attributes={"count": str(len(places)), **position},
    )


def _removing(removal: RemoveRule, now: State) -> NatEdit:
    """By the exact rule; by its number only where an equal one stands before it."""
    chain, words = _parts(removal)
    place = int(now.attributes["position"]) if removal.occurrence > 1 else 0
    return NatEdit("delete", chain, words, place)


# ---------------------------------------------------------------------------------------- a chain of our own


class _Ours(Record, frozen=True):
    """The rules of our chain (``None``: it is not there), and of each hook that jumps to it."""

    rules: tuple[str, ...] | None
    hooks: dict[str, tuple[str, ...]]


class ChainActor:
    """Keeps a chain of our own, and the jumps to it first in their hooks, so that no other rule wins before it."""

    def __init__(self, tables: NatTables) -> None:
        self._tables = tables

    def look(self, action: Action) -> State:
        """The chain and the jumps to it."""
        wanted = _wanted(action)
        return _chain_state(wanted, self._tables.read(wanted.backend))

    def preview(self, action: Action, before: State) -> Preview:
        """The rules that will be there; the way there and back is rehearsed with the kernel's tools."""
        wanted = _wanted(action)
        chains = self._tables.read(wanted.backend)
        edits = _there(wanted, chains)
        after = applied(chains, edits)
        fingerprint = _chain_state(wanted, after).fingerprint
        if not edits:
            return Preview(changes=False, diff="", fingerprint=fingerprint)
        self._tables.rehearse(wanted.backend, chains, [*edits, *_back(wanted, after, before)])
        name = f"{wanted.backend} nat"
        old, new = _shown(wanted, chains), _shown(wanted, after)
        return Preview(
            changes=True,
            diff="\n".join(unified_diff(old, new, name, name, lineterm="", n=0)),
            fingerprint=fingerprint,
        )

    def do(self, action: Action, before: State) -> State:
        """Makes it so in one step, and takes it back when iptables made something else of it."""
        wanted = _wanted(action)
        chains = self._tables.read(wanted.backend)
        if _chain_state(wanted, chains).fingerprint != before.fingerprint:
            raise _changed(wanted)
        edits = _there(wanted, chains)
        previewed = _chain_state(wanted, applied(chains, edits))
        self._tables.apply(wanted.backend, chains, edits)
        now = self._tables.read(wanted.backend)
        after = _chain_state(wanted, now)
        if after.fingerprint != previewed.fingerprint:
            self._tables.apply(wanted.backend, now, _back(wanted, now, before))
            made = "; ".join(now.get(wanted.chain, ()))
            raise RefusedError(
                f"iptables made other rules of the chain {wanted.chain}, and it was rolled back: {made}"
            )
        return after

    def undo(self, action: Action, before: State, after: State) -> None:
        """Takes the jumps and the chain away, or puts back what the chain held."""
        wanted = _wanted(action)
        chains = self._tables.read(wanted.backend)
        if _chain_state(wanted, chains).fingerprint != after.fingerprint:
            raise _changed(wanted)
        self._tables.apply(wanted.backend, chains, _back(wanted, chains, before))

    def tidy(self, action: Action) -> None:
        """A step of the kernel leaves nothing beside it."""


def _changed(wanted: EnsureChain) -> ConflictError:
    return ConflictError(
        f"somebody else changed the chain {wanted.chain} or the jumps to it; they are left as they are"
    )


def _wanted(action: Action) -> EnsureChain:
    if not isinstance(action, EnsureChain):
        raise RefusedError(f"{action.target} is not a chain of rules")
    name_fits = _NAME.fullmatch(action.chain) and action.chain not in {*BUILT_IN, *_VERDICTS}
    if not name_fits or not set(action.hooks) <= set(BUILT_IN):
        raise RefusedError(f"{action.chain} cannot be a chain of our own at {', '.join(action.hooks)}")
    if not all(_WORDS.fullmatch(rule) for rule in action.rules) or not action.comment.isprintable():
        raise RefusedError(f"the rules for {action.chain} are not as iptables-save prints them")
    return action


def _jump(wanted: EnsureChain) -> str:
    return jump_words(wanted.chain, wanted.comment)


def _chain_state(wanted: EnsureChain, chains: Chains) -> State:
    """The fingerprint leaves out where the jumps stand: others may have put theirs before them since."""
    jump = _jump(wanted)
    for chain, rules in chains.items():
        foreign = [
            rule
            for rule in rules
            if target_of(rule) == wanted.chain and (rule != jump or chain not in BUILT_IN)
        ]
        if foreign:
            raise RefusedError(
                f"the chain {wanted.chain} is not kedoctor's: -A {chain} {foreign[0]} leads to it"
            )
    rules_there = chains.get(wanted.chain)
    hooks = {hook: rules for hook, rules in chains.items() if jump in rules}
    counts = sorted((hook, rules.count(jump)) for hook, rules in hooks.items())
    digest = hashlib.sha256(encode((rules_there, counts))).hexdigest()
    nothing = rules_there is None and not hooks
    return State(
        target=wanted.target,
        exists=not nothing,
        fingerprint="absent" if nothing else digest,
        data=encode(_Ours(rules_there, hooks)),
    )


def _there(wanted: EnsureChain, chains: Chains) -> list[NatEdit]:
    """The edits that make the chain and its jumps what they shall be."""
    jump = _jump(wanted)
    edits = _content(wanted.chain, chains.get(wanted.chain), wanted.rules)
    for hook in BUILT_IN:
        rules = chains.get(hook, ())
        if hook in wanted.hooks and rules[:1] == (jump,) and rules.count(jump) == 1:
            continue
        edits += [NatEdit("delete", hook, jump)] * rules.count(jump)
        if hook in wanted.hooks:
            edits.append(NatEdit("insert", hook, jump, 1))
    return edits


def _content(chain: str, now: tuple[str, ...] | None, rules: tuple[str, ...]) -> list[NatEdit]:
    if now == rules:
        return []
    start = NatEdit("new-chain" if now is None else "flush", chain)
    return [start, *(NatEdit("append", chain, rule) for rule in rules)]


def _back(wanted: EnsureChain, chains: Chains, before: State) -> list[NatEdit]:
    """The edits that make the chain and its jumps what they were."""
    jump, former = _jump(wanted), decode(before.data, _Ours)
    edits: list[NatEdit] = []
    if former.rules is not None:
        edits += _content(wanted.chain, chains.get(wanted.chain), former.rules)
    for hook in BUILT_IN:
        was, now = former.hooks.get(hook, ()), chains.get(hook, ())
        if was == now:
            continue
        edits += [NatEdit("delete", hook, jump)] * now.count(jump)
        rest = [rule for rule in now if rule != jump]
        for index, rule in enumerate(was):
            if rule == jump:
                place = place_in(was, index, rest)
                rest.insert(place - 1, jump)
                edits.append(NatEdit("insert", hook, jump, place))
    if former.rules is None and wanted.chain in chains:
        edits += [NatEdit("flush", wanted.chain), NatEdit("drop-chain", wanted.chain)]
    return edits


def _shown(wanted: EnsureChain, chains: Chains) -> list[str]:
    """What an operator has to see: our chain, and what stands first in its hooks."""
    ours = [f"-A {wanted.chain} {rule}" for rule in chains.get(wanted.chain, ())]
    jump = _jump(wanted)
    jumps = [
        f"-A {hook} {jump} (place {place})"
        for hook in BUILT_IN
        for place, rule in enumerate(chains.get(hook, ()), 1)
        if rule == jump
    ]
    return jumps + ours


KINDS = (
    ActionKind((EnsureChain,), lambda place: ChainActor(NatTables()) if place.is_host else None),
    ActionKind((RemoveRule,), lambda place: RuleActor(NatTables()) if place.is_host else None),
)
