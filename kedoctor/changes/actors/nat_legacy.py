"""Edits the legacy ``nat`` table through python-iptables, in a child process.

``python -m kedoctor.changes.actors.nat_legacy`` reads a :class:`LegacyRequest` as JSON from its standard input and
prints a :class:`LegacyAnswer`. All edits are made to one copy of the table, which is compared with what the caller
foresaw and only then given to the kernel, in one step: what python-iptables would misread or write otherwise than
``iptables`` does is found before anything has happened.
"""

from __future__ import annotations

import fcntl
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from kedoctor.base.records import Record, decode, encode
from kedoctor.model.nat_rules import EditError, NatEdit, words_of
from kedoctor.observe.live.iptables_legacy import TABLE_NAMES, load_iptc, rule_words

__all__ = ["LOCK_SECONDS", "LegacyAnswer", "LegacyRequest", "main"]

LOCK_SECONDS = 5.0
"""How long iptables' lock is waited for, as ``iptables -w 5`` does; libiptc itself takes none."""

_MATCHING = {
    "-s": "src",
    "-d": "dst",
    "-i": "in_interface",
    "-o": "out_interface",
    "-p": "protocol",
}


class LegacyRequest(Record, frozen=True):
    """Edits, and the chains they concern before and after them; ``commit`` is false to only try them."""

    edits: tuple[NatEdit, ...]
    before: dict[str, tuple[str, ...]]
    after: dict[str, tuple[str, ...]]
    commit: bool = True


class LegacyAnswer(Record, frozen=True):
    """Whether it was done (or could be); if not, nothing was changed, and ``why`` says what stood against it."""

    done: bool
    why: str = ""


def main() -> int:
    """Answers the request on standard input; the exit code is 0 whenever there is an answer."""
    # The extensions of libxtables print through file descriptor 1: the answer gets a descriptor of its own.
    answers = os.dup(1)
    os.dup2(2, 1)
    request = decode(sys.stdin.buffer.read(), LegacyRequest)
    os.write(answers, encode(_answer(request)))
    os._exit(0)  # no destructor of python-iptables gets to touch the table


def _answer(request: LegacyRequest) -> LegacyAnswer:
    try:
        if "nat" not in TABLE_NAMES.read_text().split():
            return LegacyAnswer(done=False, why="the kernel holds no legacy table nat")
        iptc = load_iptc("nat")
    except ModuleNotFoundError:
        return LegacyAnswer(done=False, why="python-iptables is not installed")
    except OSError as error:
        return LegacyAnswer(done=False, why=f"{TABLE_NAMES}: {error.strerror}")
    try:
        with _locked():
            return _edit(iptc, request)
    except (Exception, SystemExit) as error:  # noqa: BLE001  the library raises anything; nothing was committed
        return LegacyAnswer(done=False, why=f"python-iptables: {error}")


@contextmanager
def _locked() -> Iterator[None]:
    path = os.environ.get("XTABLES_LOCKFILE") or "/run/xtables.lock"
    handle = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + LOCK_SECONDS
    try:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise EditError("another program holds iptables' lock") from None
                time.sleep(0.1)
        yield
    finally:
        os.close(handle)


def _edit(iptc: Any, request: LegacyRequest) -> LegacyAnswer:
    table = iptc.Table("nat", autocommit=False)
    if _printed(table, request.before) != request.before:
        return LegacyAnswer(done=False, why="python-iptables reads the chains otherwise than they were read")
    for edit in request.edits:
        _make(iptc, table, edit)
    touched = {edit.chain for edit in request.edits}
    if _printed(table, touched) != {
        chain: rules for chain, rules in request.after.items() if chain in touched
    }:
        return LegacyAnswer(done=False, why="python-iptables would write the rules otherwise than they are")
    if request.commit:
        table.commit()
    return LegacyAnswer(done=True)


def _printed(table: Any, chains: Any) -> dict[str, tuple[str, ...]]:
    """The rules of those of the chains that are there."""
    names = {chain.name for chain in table.chains}
    return {
        chain.name: tuple(" ".join(rule_words(rule, names)) for rule in chain.rules)
        for chain in table.chains
        if chain.name in chains
    }


def _make(iptc: Any, table: Any, edit: NatEdit) -> None:
    chain = iptc.Chain(table, edit.chain)
    if edit.how == "new-chain":
        table.create_chain(edit.chain)
    elif edit.how == "flush":
        chain.flush()
    elif edit.how == "drop-chain":
        chain.delete()
    elif edit.how == "delete":
        _delete(table, edit)
    else:
        rule = _built(iptc, chain, words_of(edit.rule))
        if edit.how == "append":
            chain.append_rule(rule)
        else:
            chain.insert_rule(rule, edit.place - 1)


def _delete(table: Any, edit: NatEdit) -> None:
    rules = _printed(table, {edit.chain})[edit.chain]
    place = edit.place - 1 if edit.place else rules.index(edit.rule)
    if rules[place] != edit.rule:
        raise EditError(f"another rule stands at place {edit.place} of {edit.chain}")
    # By number: python-iptables compares rules loosely, and its own deletion may hit a similar one.
    kernel = table._iptc  # noqa: SLF001  it wraps this call of libiptc, but offers it nowhere
    if kernel.iptc_delete_num_entry(edit.chain.encode(), place, table._handle) != 1:  # noqa: SLF001
        raise EditError(f"{edit.chain}: {table.strerror()}")


def _built(iptc: Any, chain: Any, words: Sequence[str]) -> Any:
    """A rule of python-iptables from the words of ``iptables-save``."""
    rule, extension, at, negated = iptc.Rule(chain=chain), None, 0, ""
    while at < len(words):
        word = words[at]
        at += 1
        if word == "!":
            negated = "!"
            continue
        if word in _MATCHING:
            setattr(rule, _MATCHING[word], f"{negated}{words[at]}")
        elif word == "-m":
            extension = rule.create_match(words[at])
        elif word in ("-j", "-g"):
            extension = rule.create_target(words[at], goto=word == "-g")
        elif word.startswith("--") and extension is not None:
            values = list(_values(words[at:]))
            extension.parse(word.removeprefix("--"), [*negated, *values])
            at += len(values) - 1
        else:
            raise EditError(f"{word} is unknown")
        negated = ""
        at += 1
    return rule


def _values(words: Sequence[str]) -> Iterator[str]:
    for word in words:
        if word == "!" or (word.startswith("-") and len(word) > 1 and not word[1].isdigit()):
            return
        yield word


if __name__ == "__main__":
    sys.exit(main())
