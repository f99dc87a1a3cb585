"""What the tested hops of a trace say together: the fault, what it means, and what to type."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from kedoctor.base.errors import ExitCode
from kedoctor.base.text import Text
from kedoctor.judge.registry import Registry
from kedoctor.model.declarations import Check, Side, repair_command
from kedoctor.model.findings import Certainty
from kedoctor.model.traces import StepState, Tested, Trace

__all__ = ["Conclusion"]

_BEGUN = 2
"""Hops; the first one only looks up where the target is."""


class Conclusion:
    """``root`` is the fault (``None``: there is none), ``works`` whether the request does (``None``: not known)."""

    def __init__(self, tested: Sequence[Tested], registry: Registry, hops: Mapping[str, Text]) -> None:
        self._tested = tested
        self._hops = hops
        self._checks = {code: node.check for code, node in registry.checks.items()}
        self._remedies = registry.remedies
        self._rank = {hop: place for place, hop in enumerate(hops)}
        self.proved = any(one.step.proof and one.result.state is StepState.OK for one in tested)
        self.root = self._root()
        self.works = self._works()

    def _root(self) -> Tested | None:
        """The fault: nothing else that is broken explains it, and of those the nearest to who asks.

        How a request ended counts only where no probe found a fault. Where the real request works, what is merely
        written somewhere breaks nothing.
        """
        broken = [one for one in self._tested if one.broken]
        if self.proved:
            broken = [one for one in broken if one.result.certainty is Certainty.PROVED]
        codes = {one.result.code for one in broken if not one.result.inferred}
        free = [one for one in broken if not (_behind(one.result.code, self._checks) & codes)]
        return min(free or broken, key=self._order, default=None)

    def _order(self, one: Tested) -> tuple[bool, int, bool]:
        return one.result.inferred, self._rank.get(one.hop, len(self._rank)), not one.step.proof

    def _works(self) -> bool | None:
        if self.proved:
            return True
        return False if self.root is not None else None

    @property
    def exit_code(self) -> ExitCode:
        """0: it works and nothing is broken, 1: something is broken, 3: it could not be told."""
        if self.root is not None:
            return ExitCode.FAILED
        return ExitCode.OK if self.works else ExitCode.UNDETERMINED

    def place(self, trace: Trace, node: str, *, here: bool, sides: Sequence[str]) -> str:
        """Where the fault is put right; empty: on this host."""
        side = trace.repaired_on.get(self.root.hop) if self.root is not None else None
        if side is Side.EDGE:
            return "" if here else node
        return "" if side is None or side.value in sides else f"the {side.value} host"

    def next(self, place: str) -> tuple[str, ...]:
        """What to type, the repair at its ``place``."""
        if self.root is None:
            # A trace that could not begin has said in its only hop what to do; a run would fail in the same way.
            return () if self.works or len(self._tested) < _BEGUN else ("kedoctor run",)
        code = self.root.result.code
        explain = (f"kedoctor explain {code}",) if code in self._checks else self.root.result.commands[:1]
        risk = self._checks[code].risk if code in self._checks else None
        repair = repair_command(risk.value if risk else "")
        if place:
            return (*explain, f"{repair}   # on {place}")
        mendable = code in self._remedies and not self.root.result.inferred
        return (*explain, f"{repair} --only {code}" if mendable else repair)

    def summary(self, trace: Trace, label: str, *, interrupted: bool) -> Text:
        """One sentence: the broken hop and what it means, or that everything works, or what is missing."""
        name, zh = f"{trace.title.en} {label}", f"{trace.title.zh} {label}"
        if self.root is not None:
            return self._of_fault(self.root, name, zh)
        if self.works:
            return Text(
                f"{name} works: the real request was answered, and its content is right.",
                zh=f"{zh} 正常：真实请求得到应答，且内容正确。",
            )
        if interrupted:
            return Text(
                f"{name}: interrupted before there was a result.",
                zh=f"{zh}：在得出结论之前已中断。",
            )
        return self._undetermined(name, zh)

    def _of_fault(self, root: Tested, name: str, zh: str) -> Text:
        number = self._tested.index(root) + 1
        told = self._hops.get(root.hop, root.step.title)
        title = Text(f"hop {number}, {told.en}", zh=f"第 {number} 环节（{told.zh}）")
        if self.works:
            return Text(
                f"{name} works at this moment, but {title.en}, is broken, so it will not last: {root.result.seen.en}",
                zh=f"{zh} 目前仍可用，但{title.zh}已中断，因此不会持久：{root.result.seen.zh}",
            )
        if root.result.inferred:
            return Text(
                f"{name} is broken, and its answer points at {told.en}: {root.result.seen.en}",
                zh=f"{zh} 已中断，应答指向{told.zh}：{root.result.seen.zh}",
            )
        return Text(
            f"{name} is broken at {title.en}: {root.result.seen.en}",
            zh=f"{zh} 中断于{title.zh}：{root.result.seen.zh}",
        )

    def _undetermined(self, name: str, zh: str) -> Text:
        if len(self._tested) < _BEGUN:
            return Text(
                f"{name} could not be traced: hop 1 says why.",
                zh=f"无法跟踪 {zh}：原因见第 1 环节。",
            )
        proof = next((place for place, one in enumerate(self._tested, 1) if one.step.proof), 0)
        return Text(
            f"{name}: inconclusive; no fault was found, but the final request gave no result (hop {proof}).",
            zh=f"{zh}：尚无定论；没有发现故障，但最终请求没有结果（见第 {proof} 环节）。",
        )


def _behind(code: str, checks: Mapping[str, Check]) -> set[str]:
    """The codes that can explain a failure of this one, followed back."""
    found: set[str] = set()
    waiting: list[Iterable[str]] = [checks[code].explained_by] if code in checks else []
    while waiting:
        for other in waiting.pop():
            if other not in found and other != code:
                found.add(other)
                waiting.append(checks[other].explained_by if other in checks else ())
    return found
