"""What kedoctor needs to be allowed in a cluster: derived from what is declared and from what facts ask."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kedoctor.base.errors import UndeterminedError
from kedoctor.gate import namespace, pods
from kedoctor.judge.fact_evaluation import SiteView
from kedoctor.judge.registry import RegisteredCheck, Registry, facts_in
from kedoctor.judge.selection import Selection
from kedoctor.model.gate import TEST_PODS, GateRecipe, example
from kedoctor.model.objects import EXAMPLE, Object
from kedoctor.model.observations.apiserver import ListObjects, ReviewAccess
from kedoctor.model.observations.request import Request
from kedoctor.model.traces import Trace, TraceTarget
from kedoctor.observe.access_rules import PolicyRule, rights_of_request, rights_of_touch
from kedoctor.plugins import Plugins
from kedoctor.rbac.request_discovery import Pretence, questions_of, what_facts_ask
from kedoctor.run.site import bundled_site
from kedoctor.trace.runner import facts_of_steps

__all__ = ["Wanted", "needs"]

_EVERY_RUN, _GATE, _TRACE = "any", "gate", "trace"
_READ_IF_ALLOWED = ("pods/log",)
_TARGETS = (EXAMPLE, f"{EXAMPLE}/{EXAMPLE}")
"""A node and a pod."""

Needs = Iterator[tuple[str, Iterable[PolicyRule]]]
"""Who needs something (the code of a check, or a word), and what."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be allowed beside looking: ``repair`` the repairs of the checks, ``gate`` and ``trace`` these commands.

    ``operator``: also what a person needs, and what could run a command in a pod.
    """

    repair: bool = False
    gate: bool = False
    trace: bool = False
    operator: bool = False


def needs(
    plugins: Plugins, selection: Selection, wanted: Wanted = Wanted(), *, bundles: Sequence[Path] = ()
) -> dict[PolicyRule, set[str]]:
    """Every right that the selected checks (and what else is wanted) need, with the codes or words of what needs it.

    Raises:
        UndeterminedError: no plugin brings a recorded site, and no evidence was given.
        UsageError: the selection names what does not exist.
    """
    checks = selection.checks(plugins.registry, plugins.symptoms())
    sites = [*plugins.demos().values(), *([bundles] if bundles else [])]
    if not sites:
        raise UndeterminedError("there is no recorded site to ask", hint="give one with --evidence")
    found: dict[PolicyRule, set[str]] = {}

    def note(some: Needs) -> None:
        for who, rights in some:
            for right in rights:
                found.setdefault(right.beyond(EXAMPLE), set()).add(who)

    for paths in sites:
        view = bundled_site(paths).view
        note(_of_looking(plugins, checks, view, wanted=wanted))
        recipe = plugins.gate() if wanted.gate else None
        if recipe is not None:
            note(_of_gate(plugins.registry, recipe, checks, view))
        for trace in plugins.traces().values() if wanted.trace else ():
            note(_of_trace(plugins.registry, trace, view))
    for node in checks:
        remedy = plugins.registry.remedies.get(node.check.code) if wanted.repair else None
        for touch in remedy.remedy.touches if remedy else ():
            note(iter([(node.check.code, rights_of_touch(touch))]))
    return found


def _of_looking(
    plugins: Plugins, checks: Sequence[RegisteredCheck], view: SiteView, *, wanted: Wanted
) -> Needs:
    registry = plugins.registry
    asked = what_facts_ask(registry, view)

    def rights(facts: Iterable[type]) -> Iterator[PolicyRule]:
        for request in questions_of(registry, facts, asked):
            for right in rights_of_request(request):
                if wanted.operator or _harmless(request, right):
                    yield right

    for path in plugins.paths():
        yield _EVERY_RUN, rights([path.members, path.about])
    # Whatever fails may only be starting (kedoctor.report.settling), which is looked at then.
    yield _EVERY_RUN, rights(plugins.transitions())
    for node in checks:
        code = node.check.code
        yield code, rights(facts_in(node.parameters))
        if wanted.repair and code in registry.remedies:
            yield code, rights(facts_in(registry.remedies[code].parameters))


def _of_gate(
    registry: Registry, recipe: GateRecipe, checks: Sequence[RegisteredCheck], view: SiteView
) -> Needs:
    """What makes test pods, and what is asked when there are some; nothing where no check looks at them."""
    looking = [node for node in checks if node.check.code in recipe.codes]

    def pretended(request: Request) -> Any:
        return (example(),) if request == TEST_PODS else None

    facts = [wanted for node in looking for wanted in facts_in(node.parameters)]
    asked = what_facts_ask(registry, view, facts=facts, pretended=pretended)
    for node in looking:
        yield node.check.code, _rights(questions_of(registry, facts_in(node.parameters), asked))
    if looking:
        yield _GATE, (*namespace.RIGHTS, *pods.RIGHTS)


def _of_trace(registry: Registry, trace: Trace, view: SiteView) -> Needs:
    for name in _TARGETS:
        own = registry.extended(trace.facts, values=(TraceTarget(trace.name, name),))
        facts = [trace.subject, *facts_of_steps(trace, own)]
        asked = what_facts_ask(own, view, facts=facts, pretended=_with(trace.example))
        yield _TRACE, _rights(questions_of(own, facts, asked))


def _with(objects: Sequence[Object]) -> Pretence:
    """Lists that name the example have it in them."""

    def pretended(request: Request) -> Any:
        if isinstance(request, ListObjects) and (
            request.namespace == EXAMPLE or request.field_selector.endswith(f"={EXAMPLE}")
        ):
            return tuple(one for one in objects if type(one).__name__ == request.kind)
        return None

    return pretended


def _harmless(request: Request, right: PolicyRule) -> bool:
    """Whether it is a right that kedoctor uses, and with which no command can be run.

    What is reviewed of the current user is what a person does, such as an exec, except for what a check reads where it
    may. ``get nodes/proxy`` looks like reading, but the kubelet accepts an exec as GET; a check that can use it is
    content with ``get pods/log``.
    """
    if right.resource == "nodes/proxy":
        return False
    return not isinstance(request, ReviewAccess) or bool(request.user) or right.resource in _READ_IF_ALLOWED


def _rights(requests: Iterable[Request]) -> Iterator[PolicyRule]:
    return (right for request in requests for right in rights_of_request(request))
