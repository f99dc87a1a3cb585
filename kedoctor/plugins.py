"""Plugins: found, loaded and registered, the built-in ones exactly like anybody's.

A plugin that cannot be imported or whose hooks raise is refused with its reason; it never ends a run.
"""

from __future__ import annotations

import importlib.util
import os
import stat
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

import pluggy

from kedoctor import hookspecs, patterns
from kedoctor.base.directories import changeable_by_others
from kedoctor.base.foreign_code import BrokenCodeError, call_bounded
from kedoctor.base.state_places import PLUGIN_DIRECTORY, plugin_directories
from kedoctor.judge.declared_page import page_beside, page_of
from kedoctor.judge.plugin_answers import guard_hooks, is_ours, told
from kedoctor.judge.registry import Refusal, Registry
from kedoctor.model.actors import ActionKind
from kedoctor.model.declarations import DataPath, EvidenceRules, Side, Symptom
from kedoctor.model.explanations import Explanation
from kedoctor.model.fake_services import FakeService
from kedoctor.model.gate import GateRecipe
from kedoctor.model.ports import Host
from kedoctor.model.procedures import Procedure
from kedoctor.model.release_contents import OfflineKnowledge
from kedoctor.model.report_format import ReportFormat
from kedoctor.model.traces import Trace
from kedoctor.sources.library import Library

__all__ = ["PLUGIN_DIRECTORY", "Plugins", "load_plugins"]

_WORD = patterns.compiled(r"\W+")
_CODE = patterns.compiled(r"[A-Z]{2,8}\d{2,4}")
GROUP = "kedoctor"
IMPORT_SECONDS = 10.0
"""How long the import of a plugin may take."""


class Plugins:
    """All plugins that were accepted, and what they bring together."""

    def __init__(self) -> None:
        self._manager = pluggy.PluginManager("kedoctor")
        self._manager.add_hookspecs(hookspecs)
        self._registered: list[tuple[str, object]] = []
        self._refused: list[Refusal] = []
        self._registry: Registry | None = None
        self._library: Library | None = None

    @property
    def registry(self) -> Registry:
        """All facts, checks and remedies; declared when first asked for, because that imports all knowledge."""
        if self._registry is None:
            self._registry = Registry()
            for name, plugin in list(self._registered):
                self._declare(self._registry, name, plugin)
            self._registry.refusals.extend(self._refused)
        return self._registry

    @property
    def library(self) -> Library:
        """The documents of all plugins; none is read before something of it is asked for."""
        if self._library is None:
            self._library = Library(reversed(self._manager.hook.kedoctor_references()))
        return self._library

    @property
    def names(self) -> list[str]:
        """The plugins that were accepted, in the order of registration."""
        return [name for name, _ in self._registered]

    def refuse(self, plugin: str, what: str, reason: str) -> None:
        """Notes that a plugin (or a part of it) was not accepted."""
        self._refused.append(Refusal(plugin, what, reason))

    def register(self, name: str, plugin: object) -> None:
        """Adds a plugin; one that does not fit the hooks is refused as a whole, here or when it is asked."""
        try:
            self._manager.register(plugin, name)
            self._manager.check_pending()
        except Exception as error:  # noqa: BLE001  a plugin may break in any way
            self._drop(name, plugin, error)
            return
        if not is_ours(plugin):
            guard_hooks(self._manager, name, plugin, self.refuse)
        self._registered.append((name, plugin))

    def _declare(self, registry: Registry, name: str, plugin: object) -> None:
        try:
            facts = _flat(self._ask(plugin, "kedoctor_facts"))
            checks = _flat(self._ask(plugin, "kedoctor_checks"))
            remedies = _flat(self._ask(plugin, "kedoctor_remedies"))
        except Exception as error:  # noqa: BLE001  a plugin may break in any way
            self._registered.remove((name, plugin))
            self._drop(name, plugin, error)
            return
        registry.add(name, facts, checks)
        registry.add_remedies(name, remedies)

    def _drop(self, name: str, plugin: object, error: Exception) -> None:
        if self._manager.is_registered(plugin):
            self._manager.unregister(plugin)
        self.refuse(name, "everything", told(error))

    def paths(self) -> list[DataPath]:
        """The data paths, the first plugin's first."""
        return [path for paths in reversed(self._manager.hook.kedoctor_paths()) for path in paths]

    def symptoms(self) -> dict[str, Symptom]:
        """What a run can be asked about, by name; the first plugin that names one wins."""
        found: dict[str, Symptom] = {}
        for symptoms in reversed(self._manager.hook.kedoctor_symptoms()):
            for one in symptoms:
                found.setdefault(one.name, one)
        return found

    def settings(self) -> list[type]:
        """The facts that hold settings; one that no fact provides is left out."""
        named = [one for facts in self._manager.hook.kedoctor_settings() for one in facts]
        return [one for one in named if one in self.registry.facts]

    def transitions(self) -> list[type]:
        """The facts that tell what has just begun; one that nobody provides is left out."""
        named = [one for facts in self._manager.hook.kedoctor_transitions() for one in facts]
        return [one for one in named if one in self.registry.facts]

    def sides(self, host: Host) -> frozenset[Side]:
        """Which sides a host is, as all plugins together see it."""
        answers = self._manager.hook.kedoctor_sides(host=host)
        return frozenset(Side(side) for sides in answers for side in sides)

    def evidence(self) -> list[EvidenceRules]:
        """What may be collected, by plugin."""
        return list(self._manager.hook.kedoctor_evidence())

    def formats(self) -> dict[str, ReportFormat]:
        """The report formats by name; the first plugin that names one wins."""
        found: dict[str, ReportFormat] = {}
        for formats in reversed(self._manager.hook.kedoctor_reports()):
            for one in formats:
                found.setdefault(one.name, one)
        return found

    def page(self, code: str, language: str) -> str | None:
        """The explanation of a code, or ``None``.

        What no hook explains is looked for beside the code of the check, in ``pages/<language>/<code>.md``; a check
        without a page is explained by what it declares.
        """
        answer: str | None = self._manager.hook.kedoctor_page(code=code, language=language)
        if answer is not None or not _CODE.fullmatch(code):
            return answer
        node = self.registry.checks.get(code)
        return None if node is None else page_beside(node.check, language) or page_of(node.check, language)

    def explain(self, lines: Iterable[str]) -> Explanation | None:
        """What a pasted text or a log means; ``None`` if no plugin explains texts."""
        answer: Explanation | None = self._manager.hook.kedoctor_explain(text_lines=lines)
        return answer

    def traces(self) -> dict[str, Trace]:
        """What can be traced, by name; the first plugin that names one wins."""
        found: dict[str, Trace] = {}
        for traces in reversed(self._manager.hook.kedoctor_traces()):
            for one in traces:
                found.setdefault(one.name, one)
        return found

    def demos(self) -> dict[str, Sequence[Path]]:
        """The recorded sites by name."""
        return {name: bundles for demos in self._manager.hook.kedoctor_demos() for name, bundles in demos}

    def procedures(self) -> dict[str, Procedure]:
        """What can be installed, by name; the first plugin that names one wins."""
        found: dict[str, Procedure] = {}
        for procedures in reversed(self._manager.hook.kedoctor_procedures()):
            for one in procedures:
                found.setdefault(one.name, one)
        return found

    def standins(self) -> list[FakeService]:
        """What can play services in a sandbox."""
        return [one for standins in self._manager.hook.kedoctor_standins() for one in standins]

    def offline(self) -> OfflineKnowledge | None:
        """What belongs into an offline bundle; ``None`` if no plugin knows."""
        knowledge: OfflineKnowledge | None = self._manager.hook.kedoctor_offline()
        return knowledge

    def actions(self) -> list[ActionKind]:
        """The kinds of action: the built-in ones, then those of plugins; of two with one name the first counts."""
        from kedoctor.changes.actors import built_in  # noqa: PLC0415  only where something may be changed

        found, taken = [], set[str]()
        brought = [kind for kinds in reversed(self._manager.hook.kedoctor_actions()) for kind in kinds]
        for kind in [*built_in(), *brought]:
            names = {action.__name__ for action in kind.actions}
            if names & taken:
                self.refuse(
                    ", ".join(sorted({action.__module__ for action in kind.actions})),
                    f"the kind of action {', '.join(sorted(names & taken))}",
                    "there is one of that name already",
                )
                continue
            taken |= names
            found.append(kind)
        return found

    def gate(self) -> GateRecipe | None:
        """How a gate proves that things work; ``None`` if no plugin knows."""
        recipe: GateRecipe | None = self._manager.hook.kedoctor_gate()
        return recipe

    def _ask(self, plugin: object, hook: str) -> list[Iterable[Callable[..., Any]]]:
        others = [other for other in self._manager.get_plugins() if other is not plugin]
        answers: list[Iterable[Callable[..., Any]]] = self._manager.subset_hook_caller(hook, others)()
        return answers


def _flat(answers: list[Iterable[Any]]) -> list[Any]:
    return [value for answer in answers for value in answer]


def load_plugins(*, directory: Path | None = None) -> Plugins:
    """All plugins of the entry point group ``kedoctor``, then those of the drop-in directories.

    These are ``directory``, or without it ``/etc/kedoctor/plugins`` and what ``KEDOCTOR_PLUGINS`` names (joined by
    colons).
    """
    plugins = Plugins()
    for entry in sorted(entry_points(group=GROUP), key=_ours_first):
        try:
            module = entry.load() if _is_ours(entry) else call_bounded(entry.load, IMPORT_SECONDS)
        except (Exception, BrokenCodeError) as error:  # noqa: BLE001  importing foreign code may fail in any way
            plugins.refuse(entry.name, "everything", f"it cannot be imported: {told(error)}")
            continue
        plugins.register(entry.name, module)
    for place in [directory] if directory is not None else plugin_directories():
        for path in _drop_ins(plugins, place):
            _load_file(plugins, path)
    return plugins


def _ours_first(entry: EntryPoint) -> tuple[bool, str]:
    return not _is_ours(entry), entry.name


def _is_ours(entry: EntryPoint) -> bool:
    return entry.value.startswith("kedoctor.")


def _drop_ins(plugins: Plugins, directory: Path) -> list[Path]:
    try:
        paths = sorted(directory.glob("*.py"))
    except OSError:
        return []
    for path in paths:
        why = _unsafe(path)
        if why:
            plugins.refuse(str(directory), "everything", why)
            return []
    return paths


def _unsafe(path: Path) -> str:
    """Why a path must not be executed by a tool that often runs as root; the directories on its way count too."""
    try:
        for one in (path, *path.resolve(strict=True).parents, *path.absolute().parents):
            facts = one.lstat()
            if stat.S_ISLNK(facts.st_mode):
                facts = one.stat()
            why = changeable_by_others(facts, inner=one in (path, path.parent))
            if why or (os.geteuid() != 0 and facts.st_mode & stat.S_IWGRP and one in (path, path.parent)):
                return f"{one} {why or 'can be written by others than its owner'}"
    except OSError as error:
        return f"{path} cannot be looked at: {error.strerror}"
    return ""


def _load_file(plugins: Plugins, path: Path) -> None:
    name = f"kedoctor_dropin_{_WORD.sub('_', str(path.with_suffix('')))}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        plugins.refuse(str(path), "everything", "it is not a Python file")
        return
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        call_bounded(partial(spec.loader.exec_module, module), IMPORT_SECONDS)
    except BrokenCodeError as error:
        sys.modules.pop(name, None)
        plugins.refuse(str(path), "everything", f"it cannot be imported: {error}")
        return
    plugins.register(str(path), module)
