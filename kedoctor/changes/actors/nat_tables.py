"""Reads and writes the ``nat`` table of one iptables backend; each writing is one step of the kernel.

nft goes through ``iptables-nft-save`` and ``iptables-nft-restore --noflush``; legacy through python-iptables in a
child process (:mod:`kedoctor.changes.actors.nat_legacy`), and through ``iptables-legacy-restore --noflush`` where
python-iptables is not installed or fails. A legacy table that the kernel does not hold is never opened: that would
create a second rule set.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from kedoctor import patterns
from kedoctor.base.failpoints import reach
from kedoctor.base.records import RecordError, decode, encode
from kedoctor.changes.actors.nat_legacy import LegacyAnswer, LegacyRequest
from kedoctor.model.actors import RefusedError
from kedoctor.model.nat_rules import (
    BUILT_IN,
    Chains,
    EditError,
    NatEdit,
    applied,
    read_chains,
    script,
)
from kedoctor.model.observations.request import Reason, Unavailable
from kedoctor.model.observations.tools import ReadLegacyTable, ToolOutput
from kedoctor.observe.live import subprocesses
from kedoctor.observe.live.iptables_legacy import TABLE_NAMES, read_legacy_table

__all__ = ["NatTables", "RunTool", "run_tool"]

RunTool = Callable[[Sequence[str], bytes], ToolOutput | Unavailable]
"""Runs a program with that standard input."""

_LIMIT = 16 << 20  # tables of some proxies hold tens of thousands of rules
_WAIT = ("-w", "5")
_CHILD = (sys.executable, "-P", "-m", "kedoctor.changes.actors.nat_legacy")
_INCOMPATIBLE = patterns.compiled(r"^# Table `nat' (?:is|contains) incompatible", patterns.MULTILINE)


def run_tool(argv: Sequence[str], stdin: bytes) -> ToolOutput | Unavailable:
    """Runs a program of this host; it has 30 s."""
    return subprocesses.run(argv, timeout=30.0, limit=_LIMIT, stdin=stdin)


class NatTables:
    """The ``nat`` tables of this network namespace.

    ``library`` is whether python-iptables is asked first; ``names`` is where the kernel lists its legacy tables.
    """

    def __init__(self, run: RunTool = run_tool, *, library: bool = True, names: Path = TABLE_NAMES) -> None:
        self._run = run
        self._library = library
        self._names = names

    def read(self, backend: str) -> Chains:
        """The chains that are there; built-in ones that are not listed are empty.

        Raises:
            RefusedError: they cannot be read.
        """
        if backend == "legacy":
            return self._read_legacy()
        return {**dict.fromkeys(BUILT_IN, ()), **self._saved(backend)}

    def rehearse(self, backend: str, now: Chains, edits: Sequence[NatEdit]) -> None:
        """Finds out whether the kernel's tools would take the edits; touches nothing.

        Raises:
            RefusedError: they would not.
        """
        self._write(backend, now, edits, commit=False)

    def apply(self, backend: str, now: Chains, edits: Sequence[NatEdit]) -> None:
        """Makes the edits to chains that were read as ``now``.

        Raises:
            RefusedError: they were refused; nothing was changed.
        """
        if edits:
            reach()
            self._write(backend, now, edits, commit=True)
            reach()

    # ------------------------------------------------------------------------------------------ reading

    def _read_legacy(self) -> Chains:
        if not self._has_legacy():
            return {}
        try:
            return self._saved("legacy")
        except _NoToolError as missing:
            table = read_legacy_table(ReadLegacyTable("nat"))
            if isinstance(table, Unavailable):
                raise RefusedError(f"{missing}, and {table.detail}") from None
            return read_chains(table.text)

    def _has_legacy(self) -> bool:
        try:
            return "nat" in self._names.read_text().split()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise RefusedError(f"{self._names}: {error.strerror}", hint="run kedoctor as root") from error

    def _saved(self, backend: str) -> Chains:
        text = self._tool(backend, "save", ("-t", "nat"), b"").stdout
        if _INCOMPATIBLE.search(text):
            raise RefusedError(
                "the nft table ip nat holds chains that iptables cannot show; it is left as it is",
                hint="nft list table ip nat",
            )
        return read_chains(text)

    # ------------------------------------------------------------------------------------------ writing

    def _write(self, backend: str, now: Chains, edits: Sequence[NatEdit], *, commit: bool) -> None:
        try:
            after = applied(now, edits)
        except EditError as error:
            raise RefusedError(f"the {backend} table nat was not changed: {error}") from error
        words = ("--noflush", *_WAIT, *(() if commit else ("--test",)))
        if backend != "legacy":
            self._tool(backend, "restore", words, script(edits))
            return
        if not self._has_legacy():
            raise RefusedError(
                "the kernel holds no legacy table nat; making one would put a second rule set in force"
            )
        why = self._through_library(now, after, edits, commit=commit) if self._library else "it is not used"
        if why:
            try:
                self._tool(backend, "restore", words, script(edits))
            except _NoToolError as missing:
                raise RefusedError(f"{missing}; {why}") from None

    def _through_library(self, now: Chains, after: Chains, edits: Sequence[NatEdit], *, commit: bool) -> str:
        """Why python-iptables did not do it, and then nothing was changed; empty when it did."""
        touched = {edit.chain for edit in edits}
        before = {chain: rules for chain, rules in now.items() if chain in touched}
        wanted = {chain: rules for chain, rules in after.items() if chain in touched}
        said = self._run(_CHILD, encode(LegacyRequest(tuple(edits), before, wanted, commit)))
        try:
            if not isinstance(said, Unavailable):
                answer = decode(said.stdout, LegacyAnswer)
                return "" if answer.done else answer.why or "python-iptables did not do it"
        except RecordError:
            pass
        # It ended without an answer, perhaps while it committed: look what came of it.
        return "" if commit and self._stands(wanted, touched) else "python-iptables gave no answer"

    def _stands(self, wanted: Chains, touched: set[str]) -> bool:
        now = self._read_legacy()
        return {chain: rules for chain, rules in now.items() if chain in touched} == wanted

    # -------------------------------------------------------------------------------------------- tools

    def _tool(self, backend: str, verb: str, words: Sequence[str], stdin: bytes) -> ToolOutput:
        answer = self._run([f"iptables-{backend}-{verb}", *words], stdin)
        if _is_missing(answer):
            if self._plain_backend() != backend:
                raise _NoToolError(f"iptables-{backend}-{verb} is not installed")
            answer = self._run([f"iptables-{verb}", *words], stdin)
        if isinstance(answer, Unavailable):
            raise RefusedError(f"the {backend} table nat: {answer.detail or answer.reason.value}")
        if answer.exit_code != 0:
            raise RefusedError(f"the {backend} table nat: {_said(answer)}; it is as it was")
        if answer.truncated:
            raise RefusedError(f"the {backend} table nat is longer than {_LIMIT >> 20} MiB")
        return answer

    def _plain_backend(self) -> str:
        """The backend of the command ``iptables``; empty when there is none."""
        answer = self._run(["iptables", "--version"], b"")
        if isinstance(answer, Unavailable) or answer.exit_code != 0:
            return ""
        # Before 1.8 there was only one iptables, and it did not say which it was.
        return "nft" if "nf_tables" in answer.stdout else "legacy"


class _NoToolError(RefusedError):
    """The tool is not installed."""


def _is_missing(answer: ToolOutput | Unavailable) -> bool:
    return isinstance(answer, Unavailable) and answer.reason is Reason.TOOL_MISSING


def _said(answer: ToolOutput) -> str:
    """The first thing it complained of, without its name and its advice."""
    lines = [line.strip() for line in answer.stderr.splitlines() if line.strip()]
    told = [line for line in lines if not line.startswith(("Try `", "Error occurred", "#"))]
    return (told or lines or [f"exit code {answer.exit_code}"])[0]
