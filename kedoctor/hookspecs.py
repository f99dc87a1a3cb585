"""The hooks of kedoctor: what a plugin can add.

A plugin is a module (or object) that implements some of these functions with ``@kedoctor.api.hookimpl``. It is
found through an entry point of the group ``kedoctor`` or as a ``.py`` file in a plugin directory (``kedoctor
list --plugins`` names them). kedoctor's own checks and reports are registered in just this way::

    from kedoctor.api import Side, Text, check, failed, hookimpl, passed

    @check(code="ACME01", slug="ntp", title=Text("NTP runs", zh="NTP 正在运行"), side=Side.EDGE)
    def ntp(processes: ProcessTable) -> Finding: ...

    @hookimpl
    def kedoctor_checks():
        return [ntp]

All hooks are called once, at start. A plugin whose hook raises is refused as a whole, a declaration that does not
fit is refused alone; either shows up as one ``crashed`` result with its reason, and the rest is not affected.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pluggy

from kedoctor.model.actors import ActionKind
from kedoctor.model.declarations import DataPath, EvidenceRules, Symptom
from kedoctor.model.explanations import Explanation
from kedoctor.model.fake_services import FakeService
from kedoctor.model.gate import GateRecipe
from kedoctor.model.ports import Host
from kedoctor.model.procedures import Procedure
from kedoctor.model.references import Shelf
from kedoctor.model.release_contents import OfflineKnowledge
from kedoctor.model.traces import Trace

__all__ = ["PluginManager", "hookimpl", "hookspec"]

PluginManager = pluggy.PluginManager

hookspec = pluggy.HookspecMarker("kedoctor")
hookimpl = pluggy.HookimplMarker("kedoctor")


@hookspec
def kedoctor_facts() -> Iterable[Callable[..., Any]]:  # type: ignore[empty-body]
    """Functions declared with :func:`kedoctor.api.fact`.

    Exactly one function may provide a type. A fact may use ports and other facts, never checks.
    """


@hookspec
def kedoctor_checks() -> Iterable[Callable[..., Any]]:  # type: ignore[empty-body]
    """Functions declared with :func:`kedoctor.api.check`; codes and slugs are unique among all plugins."""


@hookspec
def kedoctor_remedies() -> Iterable[Callable[..., Any]]:  # type: ignore[empty-body]
    """Functions declared with :func:`kedoctor.api.remedy`; a code has at most one remedy."""


@hookspec
def kedoctor_actions() -> Iterable[ActionKind]:  # type: ignore[empty-body]
    """Kinds of action beyond the built-in ones: :class:`kedoctor.api.changes.ActionKind` values.

    Asked for only by commands that change something or read the journal.
    """


@hookspec
def kedoctor_paths() -> Sequence[DataPath]:  # type: ignore[empty-body]
    """The data paths of the site, from which the diagnosis and the matrix are drawn."""


@hookspec
def kedoctor_symptoms() -> Iterable[Symptom]:  # type: ignore[empty-body]
    """What ``kedoctor run --symptom`` can be asked about; of two with one name the first plugin's counts."""


@hookspec
def kedoctor_settings() -> Iterable[type]:  # type: ignore[empty-body]
    """Facts that hold settings: their attribute ``documents`` are :class:`kedoctor.api.SettingsDocument` values."""


@hookspec
def kedoctor_transitions() -> Iterable[type]:  # type: ignore[empty-body]
    """Facts that tell what has just begun: their attribute ``items`` are :class:`kedoctor.api.Transition` values."""


@hookspec
def kedoctor_sides(host: Host) -> Iterable[str]:  # type: ignore[empty-body]
    """Which sides (``cloud``, ``edge``) this host is; nothing if neither can be seen."""


@hookspec
def kedoctor_evidence() -> EvidenceRules:  # type: ignore[empty-body]
    """What this plugin's facts read, so that it may be collected, and what of it is secret."""


@hookspec
def kedoctor_reports() -> Iterable[Any]:  # type: ignore[empty-body]
    """Report formats: :class:`kedoctor.api.ReportFormat` values."""


@hookspec(firstresult=True)
def kedoctor_page(code: str, language: str) -> str | None:
    """The explanation of a code in Markdown (symptom, meaning, how to see it yourself, remedy, references)."""


@hookspec
def kedoctor_references() -> Shelf:  # type: ignore[empty-body]
    """The documents that this plugin's checks, pages and comments cite, and where upstream files are found."""


@hookspec(firstresult=True)
def kedoctor_explain(text_lines: Iterable[str]) -> Explanation | None:
    """What a pasted error text or a log means: its noise told from its causes, these ranked.

    ``text_lines`` may be a log of gigabytes: read it line by line, and hold no more than a part of it. It can be
    read once. ``None``: this plugin explains no such texts and has not read them; the next one is asked.
    """


@hookspec
def kedoctor_traces() -> Iterable[Trace]:  # type: ignore[empty-body]
    """What ``kedoctor trace`` can walk: :class:`kedoctor.api.Trace` values."""


@hookspec
def kedoctor_demos() -> Iterable[tuple[str, Sequence[Path]]]:  # type: ignore[empty-body]
    """Recorded sites for ``kedoctor demo``: a name and the bundles that belong to it."""


@hookspec
def kedoctor_procedures() -> Iterable[Procedure]:  # type: ignore[empty-body]
    """What ``kedoctor install`` can install: :class:`kedoctor.api.Procedure` values."""


@hookspec
def kedoctor_standins() -> Iterable[FakeService]:  # type: ignore[empty-body]
    """What plays services in a sandbox, where the real ones cannot run: :class:`kedoctor.api.FakeService` values."""


@hookspec(firstresult=True)
def kedoctor_offline() -> OfflineKnowledge | None:
    """What belongs into an offline bundle, for ``kedoctor bundle``."""


@hookspec(firstresult=True)
def kedoctor_gate() -> GateRecipe | None:
    """What ``kedoctor gate`` puts on every member of the matrix, and which checks look at it."""
