"""The chains of a ``nat`` table as ``iptables-save`` prints them, and edits of them: pure, so both can be foreseen.

A rule is kept in the words of ``iptables-save`` without ``-A CHAIN``. Edits become one ``iptables-restore`` program,
which the kernel takes as a whole or not at all; :func:`applied` says beforehand what they make of the chains.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Literal

from kedoctor import patterns
from kedoctor.base.records import Record

__all__ = [
    "BUILT_IN",
    "Chains",
    "EditError",
    "NatEdit",
    "applied",
    "jump_words",
    "place_in",
    "quoted",
    "read_chains",
    "script",
    "target_of",
    "words_of",
]

Chains = Mapping[str, tuple[str, ...]]
"""Rules by chain, in order."""

BUILT_IN = ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING")
"""The hooks of the ``nat`` table."""

How = Literal["new-chain", "flush", "drop-chain", "append", "insert", "delete"]

_RULE = patterns.compiled(r"(?:\[[0-9]+:[0-9]+\] )?-A (?P<chain>\S+)(?: (?P<words>.*))?")
_TOKEN = patterns.compiled(r'\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"(?!\S)|(?P<plain>[^\s"]\S*))', patterns.ASCII)
_ESCAPE = patterns.compiled(r"\\(.)")
_HARMLESS = patterns.compiled(r"[-\w]+", patterns.ASCII)


class NatEdit(Record, frozen=True):
    """One edit. ``place`` counts from 1; a ``delete`` without place takes the first rule that equals ``rule``."""

    how: How
    chain: str
    rule: str = ""
    place: int = 0


class EditError(ValueError):
    """An edit that cannot be made to these chains; the message says why."""


def read_chains(text: str) -> dict[str, tuple[str, ...]]:
    """The chains of the table ``nat`` in what ``iptables-save`` prints (with or without counters)."""
    found: dict[str, list[str]] = {}
    inside = False
    # Not str.splitlines: a comment may hold U+2028 and its relatives, which end no line of iptables-save.
    for line in text.split("\n"):
        if line.startswith("*"):
            inside = line.strip() == "*nat"
        elif inside and line.startswith(":"):
            found.setdefault(line[1:].split(" ", 1)[0], [])
        elif inside and (rule := _RULE.fullmatch(line)):
            found.setdefault(rule["chain"], []).append(rule["words"] or "")
    return {chain: tuple(rules) for chain, rules in found.items()}


def applied(chains: Chains, edits: Iterable[NatEdit]) -> dict[str, tuple[str, ...]]:
    """The chains after the edits; a built-in chain that is not listed is an empty one.

    Raises:
        EditError: one of them cannot be made.
    """
    result = {chain: list(rules) for chain, rules in chains.items()}
    for edit in edits:
        _apply(result, edit)
    return {chain: tuple(rules) for chain, rules in result.items()}


def _apply(chains: dict[str, list[str]], edit: NatEdit) -> None:
    if edit.how == "new-chain":
        if edit.chain in chains or edit.chain in BUILT_IN:
            raise EditError(f"the chain {edit.chain} is there already")
        chains[edit.chain] = []
        return
    if edit.chain not in chains:
        if edit.chain not in BUILT_IN:
            raise EditError(f"there is no chain {edit.chain}")
        chains[edit.chain] = []
    rules = chains[edit.chain]
    if edit.how == "flush":
        rules.clear()
    elif edit.how == "drop-chain":
        _drop(chains, edit.chain)
    elif edit.how == "delete":
        del rules[_victim(rules, edit)]
    else:
        rules.insert(len(rules) if edit.how == "append" else edit.place - 1, edit.rule)


def _drop(chains: dict[str, list[str]], chain: str) -> None:
    if chains[chain]:
        raise EditError(f"the chain {chain} is not empty")
    if any(target_of(rule) == chain for rules in chains.values() for rule in rules):
        raise EditError(f"a rule still leads to the chain {chain}")
    del chains[chain]


def _victim(rules: Sequence[str], edit: NatEdit) -> int:
    if not edit.place and edit.rule in rules:
        return rules.index(edit.rule)
    if edit.place and edit.place <= len(rules) and rules[edit.place - 1] == edit.rule:
        return edit.place - 1
    raise EditError(f"the rule -A {edit.chain} {edit.rule} is not there")


def script(edits: Iterable[NatEdit]) -> bytes:
    """The edits as input of ``iptables-restore --noflush``."""
    return "\n".join(["*nat", *(_line(edit) for edit in edits), "COMMIT", ""]).encode()


def _line(edit: NatEdit) -> str:
    if edit.how in ("new-chain", "flush", "drop-chain"):
        return f"-{ {'new-chain': 'N', 'flush': 'F', 'drop-chain': 'X'}[edit.how] } {edit.chain}"
    if edit.how == "delete" and edit.place:
        return f"-D {edit.chain} {edit.place}"
    place = f" {edit.place}" if edit.how == "insert" else ""
    rule = f" {edit.rule}" if edit.rule else ""
    return f"-{edit.how[0].upper()} {edit.chain}{place}{rule}"


def place_in(former: Sequence[str], index: int, current: Sequence[str]) -> int:
    """Where (from 1) the rule that was ``former[index]`` belongs among the rules there are now.

    Behind the nearest of its former predecessors that is still there, else before the nearest successor.
    """
    rest = [*former[:index], *former[index + 1 :]]
    successor: int | None = None
    predecessor: int | None = None
    for block in SequenceMatcher(None, rest, list(current), autojunk=False).get_matching_blocks():
        for offset in range(block.size):
            if block.a + offset < index:
                predecessor = block.b + offset
            elif successor is None:
                successor = block.b + offset
    if predecessor is not None:
        return predecessor + 2
    if successor is not None:
        return successor + 1
    return min(index, len(current)) + 1


def target_of(rule: str) -> str:
    """The chain or verdict a rule jumps or goes to when nothing is said behind it; empty otherwise."""
    words = rule.rsplit(" ", 2)
    return words[-1] if len(words) > 1 and words[-2] in ("-j", "-g") else ""


def words_of(rule: str) -> list[str]:
    """The words of a rule, quotes taken off.

    Raises:
        EditError: quotes do not match.
    """
    found, end = [], 0
    while end < len(rule.rstrip()):
        token = _TOKEN.match(rule, end)
        if token is None:
            raise EditError(f"not in the words of iptables-save: {rule}")
        quoted_text = token["quoted"]
        found.append(token["plain"] if quoted_text is None else _ESCAPE.sub(r"\1", quoted_text))
        end = token.end()
    return found


def quoted(text: str) -> str:
    """A word as ``iptables-save`` prints free text: in quotes unless it is harmless."""
    if _HARMLESS.fullmatch(text):
        return text
    escaped = patterns.compiled(r'(["\\\'])').sub(r"\\\1", text)
    return f'"{escaped}"'


def jump_words(chain: str, comment: str) -> str:
    """The jump to a chain of ours, as ``iptables-save`` prints it behind ``-A HOOK``."""
    said = f"-m comment --comment {quoted(comment)} " if comment else ""
    return f"{said}-j {chain}"
