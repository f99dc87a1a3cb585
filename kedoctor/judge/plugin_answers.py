"""The hooks of plugins that others wrote: called with a deadline, and what they give is looked at before it is used.

A hook that raises, hangs or gives something else than its specification says is refused with its reason; the rest of
the plugin, and everybody else's, goes on.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable
from typing import Any

from kedoctor.base.code_places import at
from kedoctor.base.foreign_code import BrokenCodeError, call_bounded
from kedoctor.hookspecs import PluginManager
from kedoctor.model.actors import ActionKind
from kedoctor.model.declarations import DataPath, EvidenceRules, Symptom
from kedoctor.model.explanations import Explanation
from kedoctor.model.fake_services import FakeService
from kedoctor.model.gate import GateRecipe
from kedoctor.model.procedures import Procedure
from kedoctor.model.release_contents import OfflineKnowledge
from kedoctor.model.report_format import ReportFormat
from kedoctor.model.traces import Trace

__all__ = ["guard_hooks", "is_ours", "told"]

HOOK_SECONDS = 10.0
"""How long a hook may take; one that reads a log of gigabytes takes as long as that."""

_UNLIMITED = 1e9
_MOST = 10_000
_LISTS: dict[str, type] = {
    "kedoctor_paths": DataPath,
    "kedoctor_symptoms": Symptom,
    "kedoctor_settings": type,
    "kedoctor_sides": str,
    "kedoctor_reports": ReportFormat,
    "kedoctor_traces": Trace,
    "kedoctor_demos": tuple,
    "kedoctor_procedures": Procedure,
    "kedoctor_standins": FakeService,
    "kedoctor_actions": ActionKind,
}
_VALUES: dict[str, type] = {
    "kedoctor_evidence": EvidenceRules,
    "kedoctor_page": str,
    "kedoctor_explain": Explanation,
    "kedoctor_gate": GateRecipe,
    "kedoctor_offline": OfflineKnowledge,
}

Refuse = Callable[[str, str, str], None]


def is_ours(plugin: object) -> bool:
    """Whether a plugin is a part of kedoctor: what breaks there is a fault of kedoctor, to be seen as one."""
    return str(getattr(plugin, "__name__", type(plugin).__module__)).startswith("kedoctor.")


def told(error: BaseException) -> str:
    """An error in one line."""
    return str(error) if isinstance(error, BrokenCodeError) else f"{type(error).__name__}: {error}{at(error)}"


def guard_hooks(manager: PluginManager, name: str, plugin: object, refuse: Refuse) -> None:
    """Puts a guard around every hook of a registered plugin; ``refuse`` gets plugin, hook and reason."""
    for caller in manager.get_hookcallers(plugin) or ():
        for implementation in caller.get_hookimpls():
            if implementation.plugin is plugin:
                guarded = _guarded(implementation.function, caller.name, name, refuse)
                # The one place where pluggy keeps it.
                implementation.function = guarded  # type: ignore[misc]


def _guarded(function: Callable[..., Any], hook: str, plugin: str, refuse: Refuse) -> Callable[..., Any]:
    seconds = _UNLIMITED if hook == "kedoctor_explain" else HOOK_SECONDS

    def call(*arguments: Any) -> Any:
        try:
            return call_bounded(functools.partial(_checked, function, hook, arguments), seconds)
        except BrokenCodeError as error:
            if hook in _LISTS or hook in _VALUES:
                refuse(plugin, hook, str(error))
                return None  # pluggy leaves it out
            raise  # declarations: the plugin is refused as a whole

    return call


def _checked(function: Callable[..., Any], hook: str, arguments: tuple[Any, ...]) -> Any:
    answer = function(*arguments)
    if hook in _VALUES:
        if answer is not None and not isinstance(answer, _VALUES[hook]):
            raise TypeError(f"it gave {type(answer).__name__} instead of {_VALUES[hook].__name__}")
        return answer
    if answer is None or isinstance(answer, str | bytes | dict) or not isinstance(answer, Iterable):
        raise TypeError(f"it gave {type(answer).__name__} instead of a list")
    listed = list(itertools.islice(answer, _MOST + 1))
    if len(listed) > _MOST:
        raise TypeError(f"it gave more than {_MOST} values")
    wanted = _LISTS.get(hook, object)
    for one in listed:
        if not isinstance(one, wanted):
            raise TypeError(f"it gave {type(one).__name__} among its {wanted.__name__}s")
    return listed
