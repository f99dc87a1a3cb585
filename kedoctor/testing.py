"""For tests of facts, checks and remedies: run one of them on facts, on evidence, or on a recorded site.

::

    from kedoctor.testing import judged, judged_on_files, judged_on_evidence, planned

    (verdict,) = judged(ntp_runs, NtpDaemon(running=False))
    assert verdict.status == "fail"

Nothing here touches this machine. What a check raises is no error of the test: the verdict's status is ``crashed``,
and its summary names the file and line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

from kedoctor.base.errors import UsageError
from kedoctor.judge.check_runner import judge
from kedoctor.judge.fact_evaluation import Context, HostView, SiteView, contexts
from kedoctor.judge.planning import plan_for
from kedoctor.judge.registry import (
    Need,
    Parameter,
    RegisteredCheck,
    RegisteredRemedy,
    Registry,
    parameters_of,
)
from kedoctor.judge.scheduler import run_checks
from kedoctor.judge.selection import Selection
from kedoctor.model.declarations import Check, EveryHost, FactUnavailableError, HostContext, Side
from kedoctor.model.observations.files import File, FileMetadata, ReadFile
from kedoctor.model.observations.request import Reason, Request, Unavailable
from kedoctor.model.plans import NoPlan, Plan, Remedy
from kedoctor.model.report import Verdict
from kedoctor.plugins import Plugins, load_plugins
from kedoctor.run.site import SiteSession, bundled_site

__all__ = [
    "fact_from",
    "judged",
    "judged_on_demo",
    "judged_on_evidence",
    "judged_on_files",
    "planned",
    "plugins_with",
]

_NOWHERE = Path("/nonexistent")
_THEN = datetime(2026, 1, 1, tzinfo=UTC)


def judged(check: Callable[..., Any], *facts: Any, host: str = "host1") -> list[Verdict]:
    """The verdicts of one check on these facts.

    A fact is a value of the type that a parameter asks for, an ``Unavailable`` in its place counts for the parameters
    that no value fits. ``EveryHost`` parameters take an :class:`kedoctor.api.EveryHost` of such values. What is not
    given is unavailable.

    Raises:
        UsageError: the function is not declared with ``@check``.
        DeclarationError: a parameter has no type that could be supplied.
    """
    declared = getattr(check, "__kedoctor_check__", None)
    if not isinstance(declared, Check):
        raise UsageError(f"{check!r} is not declared with @check")
    node = RegisteredCheck(declared, parameters_of(check), "test")
    return judge(node, _Given(facts, host))


def planned(remedy: Callable[..., Any], verdict: Verdict, *facts: Any) -> Plan | NoPlan:
    """What a remedy plans for a verdict, from these facts; see :func:`judged`.

    Raises:
        UsageError: the function is not declared with ``@remedy``.
    """
    declared = getattr(remedy, "__kedoctor_remedy__", None)
    if not isinstance(declared, Remedy):
        raise UsageError(f"{remedy!r} is not declared with @remedy")
    every = parameters_of(remedy)
    named = next((one.name for one in every if one.type is Verdict), "")
    others = tuple(one for one in every if one.type is not Verdict)
    registry = Registry()
    registry.remedies[verdict.code] = RegisteredRemedy(declared, others, named)
    return plan_for(registry, verdict, _Given(facts, verdict.host))


def fact_from(make: Callable[..., Any], answers: Mapping[str, str | bytes] | Mapping[Request, Any]) -> Any:
    """The fact that a function makes on a host that gives these answers: texts of files by path, or answers by request.

    It may rest on facts of every installed plugin. ``Unavailable`` if it could not be made.

    Raises:
        DeclarationError: the function is no fact, or rests on what nobody provides.
        FactCrashError: its code broke.
    """
    registry = plugins_with().registry.extended([make])
    _, hosts = contexts(registry, _host(answers).view)
    wanted = next(kind for kind, node in registry.facts.items() if node.make is make)
    return hosts["host1"].fact(wanted)


def judged_on_files(
    code: str,
    files: Mapping[str, str | bytes] | Mapping[Request, Any],
    *plugins: ModuleType | object,
    sides: Iterable[Side] = (Side.EDGE,),
) -> list[Verdict]:
    """The verdicts of a check, by code or name, on a host that has just these files (or gives just these answers)."""
    return _run(code, plugins_with(*plugins), _host(files, sides))


def judged_on_evidence(
    code: str, *evidence: Path, plugins: Iterable[ModuleType | object] = ()
) -> list[Verdict]:
    """The verdicts of a check on archives that ``kedoctor collect`` wrote.

    Raises:
        BundleError: an archive cannot be read.
        UsageError: there is no such check.
    """
    return _run(code, plugins_with(*plugins), bundled_site(evidence))


def judged_on_demo(code: str, demo: str, *plugins: ModuleType | object) -> list[Verdict]:
    """The verdicts of a check on a recorded site that comes with kedoctor (``edgestream-off``).

    Raises:
        UsageError: there is no such site or check.
    """
    known = plugins_with(*plugins)
    demos = known.demos()
    if demo not in demos:
        raise UsageError(f"there is no recorded site {demo!r}", hint=f"there are {', '.join(demos)}")
    return _run(code, known, bundled_site(demos[demo]))


def plugins_with(*plugins: ModuleType | object) -> Plugins:
    """The installed plugins and these modules; drop-ins of this machine are left out.

    Raises:
        UsageError: one of them, or a part of it, was refused.
    """
    found = load_plugins(directory=_NOWHERE)
    for plugin in plugins:
        found.register(getattr(plugin, "__name__", type(plugin).__name__), plugin)
    refusals = found.registry.refusals
    if refusals:
        raise UsageError("; ".join(f"{one.what} of {one.plugin}: {one.reason}" for one in refusals))
    return found


def _run(code: str, plugins: Plugins, site: SiteSession) -> list[Verdict]:
    checks = Selection((code,)).checks(plugins.registry, plugins.symptoms())
    return run_checks(plugins.registry, site.view, checks).verdicts


class _Answers:
    """A host that gives just these answers; everything else does not exist."""

    def __init__(self, answers: Mapping[Any, Any]) -> None:
        self._files = {path: one for path, one in answers.items() if isinstance(path, str)}
        self._answers = {request: one for request, one in answers.items() if isinstance(request, Request)}

    def observe(self, request: Request) -> Any:
        """The answer."""
        if request in self._answers:
            return self._answers[request]
        if isinstance(request, ReadFile) and request.path in self._files:
            text = self._files[request.path]
            data = text.encode() if isinstance(text, str) else text
            facts = FileMetadata(request.path, "file", 0o644, 0, 0, len(data), _THEN)
            return File(facts, data)
        return Unavailable(Reason.ABSENT, str(request))


def _host(answers: Mapping[Any, Any], sides: Iterable[Side] = (Side.EDGE,)) -> SiteSession:
    source = _Answers(answers)
    return SiteSession(SiteView((HostView("host1", frozenset(sides), source),), source), {})


class _Given(Context):
    """Supplies facts that were given by value."""

    def __init__(self, facts: Iterable[Any], host: str) -> None:
        super().__init__(Registry(), _Answers({}), vantage=HostContext(host, frozenset({"edge"})))
        self._given = list(facts)

    def _argument(self, parameter: Parameter) -> Any:
        if parameter.need is Need.VANTAGE:
            return next((one for one in self._given if isinstance(one, HostContext)), self.vantage)
        if parameter.need is Need.EVERY_HOST:
            return next((one for one in self._given if _holds(one, parameter.type)), EveryHost({}))
        value = next((one for one in self._given if isinstance(one, parameter.type)), None)
        if value is not None:
            return value
        missing = next((one for one in self._given if isinstance(one, Unavailable)), None)
        missing = missing or Unavailable(Reason.NOT_GIVEN, parameter.type.__name__)
        if not parameter.optional:
            raise FactUnavailableError(missing)
        return missing


def _holds(value: Any, wanted: type) -> bool:
    return isinstance(value, EveryHost) and all(
        isinstance(one, (wanted, Unavailable)) for one in value.items.values()
    )
