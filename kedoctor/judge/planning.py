"""Asking a remedy for its plan, which touches nothing: what could be done about a verdict, here and now."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from kedoctor.base.code_places import at
from kedoctor.base.records import replace
from kedoctor.base.text import Text
from kedoctor.judge.fact_evaluation import Context, FactCrashError
from kedoctor.judge.registry import Registry
from kedoctor.model.actions.action import OneWay
from kedoctor.model.declarations import FactUnavailableError
from kedoctor.model.findings import Status
from kedoctor.model.plans import NoPlan, Plan
from kedoctor.model.report import Fix, Verdict

__all__ = ["plan_for", "with_fixes"]

_WRONG = (Status.FAIL, Status.WARN)
SECONDS = 15.0
"""How long all remedies together may look for what their plans need."""


def plan_for(registry: Registry, verdict: Verdict, context: Context) -> Plan | NoPlan:
    """What the remedy of a verdict wants to do, from the facts of the context in which it was judged."""
    node = registry.remedies.get(verdict.code)
    if node is None:
        return NoPlan(
            Text("kedoctor has no repair for this; see its hint", zh="kedoctor 无法自动修复此项，请参见提示")
        )
    try:
        arguments = context.arguments(node.parameters)
        if node.verdict:
            arguments[node.verdict] = verdict
        answer: object = node.remedy.plan(**arguments)
    except FactUnavailableError as missing:
        return NoPlan(
            Text(
                f"cannot repair: required data could not be read: {missing.unavailable}",
                zh=f"未能读取修复所需信息：{missing.unavailable}",
            ),
            needs=(missing.unavailable.what,),
        )
    except FactCrashError as crash:
        return NoPlan(Text(str(crash), zh=str(crash)))
    except Exception as error:  # noqa: BLE001  a remedy of a plugin may break in any way; then nothing is done
        broke = f"{type(error).__name__}: {error}{at(error)}"
        return NoPlan(Text(f"the repair itself broke ({broke})", zh=f"修复程序自身出错（{broke}）"))
    if isinstance(answer, (Plan, NoPlan)):
        return answer
    return NoPlan(Text("the repair gave no plan", zh="修复程序没有给出方案"))


def with_fixes(
    verdicts: Sequence[Verdict],
    registry: Registry,
    place: Callable[[Verdict], Context],
    *,
    seconds: float = SECONDS,
) -> list[Verdict]:
    """The verdicts, with the truth about what can be repaired from here and now.

    Plans may need facts that nobody has asked for yet. They are given ``seconds``; what has no plan by then has none.
    """
    wanted = [one for one in verdicts if one.status in _WRONG and one.code in registry.remedies]
    found: dict[int, Fix] = {}

    def work() -> None:
        for one in wanted:
            found[id(one)] = _fix(one.fix, plan_for(registry, one, place(one)))

    if wanted:
        worker = threading.Thread(target=work, name="kedoctor-plans", daemon=True)
        worker.start()
        worker.join(seconds)
    late = {id(one): replace(one.fix, needs=("more time to plan it",)) for one in wanted}
    known = late | dict(found)
    return [replace(one, fix=known[id(one)]) if id(one) in known else one for one in verdicts]


def _fix(declared: Fix, answer: Plan | NoPlan) -> Fix:
    if isinstance(answer, NoPlan):
        return replace(declared, needs=answer.needs or (answer.reason.en.partition("\n")[0],))
    actions = (*answer.actions, *answer.restarts)
    return replace(
        declared,
        available=True,
        reversible=not any(isinstance(action, OneWay) for action in actions),
        risk=answer.risk.value,
    )
