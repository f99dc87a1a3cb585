"""What all repairs of an edge share: the file, the restart, how long to wait, and how keys are spelt there."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from kedoctor.api import (
    Action,
    EditYaml,
    NoPlan,
    Plan,
    RestartUnit,
    Risk,
    TemporaryFile,
    Text,
    Verdict,
    YamlChange,
)
from kedoctor.checks.facts.edge.edgecore import UNIT_NAME, EdgecoreConfig

__all__ = ["AT_ONCE", "SETTLE", "changed", "edgecore_plan", "no_plan", "set_keys", "spelt"]

SETTLE = 55.0
"""Seconds: a tunnel may take 40 after edgecore starts (facts.md §10.2), and checks need some themselves."""

AT_ONCE = 5.0
"""Seconds for what needs no time at all but another look."""


def edgecore_plan(
    verdict: Verdict,
    title: Text,
    prediction: Text,
    *actions: Action,
    loan: TemporaryFile | None = None,
    settle: float = SETTLE,
) -> Plan:
    """A plan that restarts edgecore once after its actions; its unit's KillMode keeps containers running (facts.md §2.2).

    ``prediction`` is what else running edges notice; it may be empty.
    """
    node = verdict.node or verdict.subject
    restart = Text(
        f"edgecore of {node} restarts; its containers keep running, logs and exec are back within 40 s.",
        zh=f"{node} 的 edgecore 会重启；容器继续运行，logs 和 exec 在 40 秒内恢复。",
    )
    return Plan(
        code=verdict.code,
        subject=verdict.subject,
        title=title,
        prediction=prediction if prediction.en else restart,
        risk=Risk.RESTARTS_EDGECORE,
        actions=actions,
        restarts=(RestartUnit(UNIT_NAME, loan=loan),),
        settle=settle,
    )


def no_plan(en: str, zh: str) -> NoPlan:
    """Why nothing is done, as a clause without a full stop."""
    return NoPlan(Text(en, zh=zh))


def set_keys(config: EdgecoreConfig, values: Mapping[str, Any]) -> EditYaml:
    """An edit of edgecore.yaml that sets these keys (by their dotted paths in the schema)."""
    changes = tuple(YamlChange("set", spelt(config, path), value) for path, value in values.items())
    return EditYaml(config.path, changes)


def spelt(config: EdgecoreConfig, path: str) -> str:
    """A path as the file spells it: Go takes keys in any case, and of several the last in order (facts.md §2.1).

    Parts that are not written are as given.
    """
    found: Any = config.document.data
    parts: list[str] = []
    for part in path.split("."):
        written = [key for key in found if key.lower() == part.lower()] if isinstance(found, dict) else []
        parts.append(max(written, default=part))
        found = found.get(parts[-1]) if isinstance(found, dict) else None
    return ".".join(parts)


def changed(tree: Mapping[str, Any], changes: Sequence[YamlChange]) -> dict[str, Any] | None:
    """The tree that these changes leave, or ``None`` where one of them does not fit it."""
    result = copy.deepcopy(dict(tree))
    for change in changes:
        *above, name = change.path.split(".")
        home = _mapping(result, above, create=change.how == "set")
        if home is None or (change.how != "set" and name not in home):
            return None
        if change.how == "set":
            home[name] = change.value
            continue
        value = home.pop(name)
        if change.how == "move":
            *above, name = change.to.split(".")
            home = _mapping(result, above, create=True)
            if home is None or name in home:
                return None
            home[name] = value
    return result


def _mapping(tree: dict[str, Any], path: Sequence[str], *, create: bool) -> dict[str, Any] | None:
    for part in path:
        below = tree.setdefault(part, {}) if create else tree.get(part)
        if not isinstance(below, dict):
            return None
        tree = below
    return tree
