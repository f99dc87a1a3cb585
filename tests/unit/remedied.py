"""What tests of remedies share: a verdict from a finding, and what a plan makes of documents and objects."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from chinese_texts import english_in

from kedoctor.api import EditObjectYaml, Finding, NoPlan, PatchObject, Plan, RestartPods, Status, Verdict
from kedoctor.base.records import decode
from kedoctor.changes.actors.files import edited
from kedoctor.judge.check_runner import verdict
from kedoctor.model.plans import merge
from kedoctor.plugins import Plugins, load_plugins
from kedoctor.sandbox.apiserver.patch import json_patch, merge_patch

T = TypeVar("T")


@cache
def _plugins() -> Plugins:
    return load_plugins(directory=Path("/nonexistent"))


WRONG = (Status.FAIL, Status.WARN)


def verdicts(check: Callable[..., Any], answer: Finding | Iterable[Finding], host: str = "") -> list[Verdict]:
    """The verdicts of a check that are not right."""
    findings = [answer] if isinstance(answer, Finding) else list(answer)
    declared = check.__kedoctor_check__  # type: ignore[attr-defined]
    return [verdict(declared, one, host=host) for one in findings if one.status in WRONG]


def verdict_of(check: Callable[..., Any], answer: Finding | Iterable[Finding], host: str = "") -> Verdict:
    """The only one of them."""
    (found,) = verdicts(check, answer, host)
    return found


def planned(answer: Plan | NoPlan, of: Verdict) -> Plan:
    """A plan for that very verdict, told in both languages, that can be carried out as a whole."""
    assert isinstance(answer, Plan), answer
    assert (answer.code, answer.subject) == (of.code, of.subject)
    for text in (answer.title, answer.prediction):
        assert text.en, text
        assert text.zh, text
        assert english_in(text.zh) == [], text
    targets = [action.target for action in (*answer.actions, *answer.restarts)]
    assert len(set(targets)) == len(targets)
    assert answer.settle > 0
    merge([answer])
    declared = _plugins().registry.remedies[of.code].remedy.touches
    for action in (*answer.actions, *answer.restarts):
        if isinstance(action, RestartPods) or hasattr(action, "object"):
            assert any(touch.covers(action) for touch in declared), (
                f"{of.code} does not declare {action.target}"
            )
    return answer


def told(answer: Plan | NoPlan) -> str:
    """Why there is no plan: a clause in both languages that goes into a sentence."""
    assert isinstance(answer, NoPlan), answer
    reason = answer.reason
    assert reason.en[0].islower() or reason.en.split()[0].isidentifier()
    assert reason.zh
    assert not reason.en.rstrip().endswith(".")
    assert not reason.zh.rstrip().endswith("。")
    assert english_in(reason.zh) == [], reason
    return reason.en


def read(kind: type[Any], content: dict[str, Any]) -> Any:
    """An object of that kind from its JSON."""
    return decode(json.dumps(content), kind)


def after_edit(plan: Plan, document: str) -> str:
    """The YAML document inside the ConfigMap after the plan."""
    (action,) = [one for one in plan.actions if isinstance(one, EditObjectYaml)]
    return edited(document.encode(), action.changes).decode()


def after_patch(plan: Plan, content: dict[str, Any]) -> dict[str, Any]:
    """An object after the plan's patch of it."""
    (action,) = [one for one in plan.actions if isinstance(one, PatchObject)]
    apply = {"json": json_patch, "merge": merge_patch}[action.kind]
    result: dict[str, Any] = apply(copy.deepcopy(content), json.loads(json.dumps(action.patch)))
    return result


def changed_lines(before: str, after: str) -> list[tuple[str, str]]:
    """The lines that differ, where nothing was added or removed."""
    pairs = list(zip(before.splitlines(), after.splitlines(), strict=True))
    return [(old, new) for old, new in pairs if old != new]
