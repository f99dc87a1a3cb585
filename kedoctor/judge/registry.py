"""What is known: facts and checks, and the graph that their signatures draw.

Declarations are judged one by one when they are added. One that does not fit (a type nobody provides, a cycle,
a duplicate code, missing metadata) is refused with its reason and leaves the others alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from kedoctor import patterns
from kedoctor.base.errors import ConfigurationError
from kedoctor.model.declarations import Check, EveryHost, Fact, HostContext, Side
from kedoctor.model.observations.request import Unavailable
from kedoctor.model.plans import Remedy
from kedoctor.model.ports import Cluster, Host, Port, Wire
from kedoctor.model.report import Verdict

__all__ = [
    "DeclarationError",
    "FactNode",
    "Need",
    "Parameter",
    "Refusal",
    "RegisteredCheck",
    "RegisteredRemedy",
    "Registry",
    "Scope",
    "facts_in",
    "parameters_of",
]

_CODE = patterns.compiled(r"[A-Z]{2,8}\d{2,4}\Z")
_SLUG = patterns.compiled(r"[a-z0-9]+(-[a-z0-9]+)*\Z")


class DeclarationError(ConfigurationError):
    """A fact or check whose declaration does not fit; the message says what is wrong with it."""


class Scope(StrEnum):
    """How often a fact is made: once per site, once per host, or wherever it is asked for."""

    ANY = "any"
    SITE = "site"
    HOST = "host"


class Need(StrEnum):
    """What a parameter asks for."""

    PORT = "port"
    FACT = "fact"
    EVERY_HOST = "every-host"
    VANTAGE = "vantage"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a fact or check; ``optional`` ones take :class:`Unavailable` as a value."""

    name: str
    need: Need
    type: type
    optional: bool = False


@dataclass(frozen=True, slots=True)
class FactNode:
    """A fact in the graph."""

    provides: type
    make: Callable[..., Any]
    parameters: tuple[Parameter, ...]
    scope: Scope


@dataclass(frozen=True, slots=True)
class RegisteredCheck:
    """A check in the graph, and which plugin brought it."""

    check: Check
    parameters: tuple[Parameter, ...]
    plugin: str

    @property
    def needs_site(self) -> bool:
        """Whether it judges nothing without a fact of the site; else what hosts show is enough for something."""
        return any(one.need is Need.FACT and not one.optional for one in self.parameters)


@dataclass(frozen=True, slots=True)
class RegisteredRemedy:
    """A remedy in the graph; ``verdict`` is the name of the parameter that takes the failing verdict (or empty)."""

    remedy: Remedy
    parameters: tuple[Parameter, ...]
    verdict: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """A declaration or plugin that was not accepted."""

    plugin: str
    what: str
    reason: str


class Registry:
    """All facts by the type they provide and all checks by code."""

    def __init__(self) -> None:
        self.facts: dict[type, FactNode] = {}
        self.checks: dict[str, RegisteredCheck] = {}
        self.remedies: dict[str, RegisteredRemedy] = {}
        self.refusals: list[Refusal] = []

    def add(self, plugin: str, facts: Iterable[Any], checks: Iterable[Any]) -> None:
        """Adds one plugin's declarations; what does not fit lands in :attr:`refusals`."""
        self._add_facts(plugin, list(facts))
        accepted = []
        for function in checks:
            try:
                accepted.append(self._check_node(plugin, function))
            except DeclarationError as error:
                self.refusals.append(Refusal(plugin, _name(function), str(error)))
                continue
            self.checks[accepted[-1].check.code] = accepted[-1]
        for node in accepted:
            self._refuse_unknown_builds_on(node)

    def add_remedies(self, plugin: str, remedies: Iterable[Any]) -> None:
        """Adds a plugin's remedies; what does not fit lands in :attr:`refusals`."""
        for function in remedies:
            try:
                node = self._remedy_node(function)
            except DeclarationError as error:
                self.refusals.append(Refusal(plugin, _name(function), str(error)))
                continue
            self.remedies.update(dict.fromkeys(node.remedy.codes, node))

    def extended(self, facts: Iterable[Any], values: Iterable[Any] = ()) -> Registry:
        """A registry that also knows these facts, each in the place of the one that provides its type here.

        ``values`` are known without being made: what a command was told, by its type.

        Raises:
            DeclarationError: one of the facts does not fit.
        """
        other = Registry()
        other.checks, other.remedies = self.checks, self.remedies
        for value in values:
            other.facts[type(value)] = FactNode(type(value), lambda value=value: value, (), Scope.ANY)
        own = list(facts)
        provided = {_provided(function) for function in own}
        other.facts |= {kind: node for kind, node in self.facts.items() if kind not in provided}
        other._add_facts("", own)
        if other.refusals:
            raise DeclarationError(f"{other.refusals[0].what} {other.refusals[0].reason}")
        return other

    def parameters(self, function: Any) -> tuple[Parameter, ...]:
        """What a pure function asks for, which may be facts and the vantage only.

        Raises:
            DeclarationError: it asks for a port, or for a fact that nobody provides.
        """
        parameters = parameters_of(function)
        for parameter in parameters:
            if parameter.need is Need.PORT:
                raise DeclarationError(f"{_name(function)} takes the port {parameter.type.__name__}")
            if parameter.need is not Need.VANTAGE and parameter.type not in self.facts:
                raise DeclarationError(f"{_name(function)}: no fact provides {parameter.type.__name__}")
        return parameters

    def of_side(self, side: Side) -> Iterator[RegisteredCheck]:
        """The checks that look from ``side``, by code."""
        return (node for _, node in sorted(self.checks.items()) if node.check.side is side)

    # ------------------------------------------------------------------------------------------- facts

    def _add_facts(self, plugin: str, functions: list[Any]) -> None:
        # A plugin's facts may come in any order, so those that wait for another go round again.
        waiting = functions
        while waiting:
            still = [function for function in waiting if not self._try_fact(plugin, function, waiting)]
            if len(still) == len(waiting):
                for function in still:
                    self.refusals.append(Refusal(plugin, _name(function), self._why_not(function)))
                return
            waiting = still

    def _try_fact(self, plugin: str, function: Any, waiting: list[Any]) -> bool:
        try:
            node = self._fact_node(function, others=waiting)
        except DeclarationError as error:
            self.refusals.append(Refusal(plugin, _name(function), str(error)))
            return True
        if node is None:
            return False
        self.facts[node.provides] = node
        return True

    def _fact_node(self, function: Any, *, others: list[Any]) -> FactNode | None:
        if not isinstance(getattr(function, "__kedoctor_fact__", None), Fact):
            raise DeclarationError("is not declared with @fact")
        provides = _provided(function)
        if provides in self.facts:
            raise DeclarationError(
                f"{provides.__name__} is already provided by {_name(self.facts[provides].make)}"
            )
        parameters = parameters_of(function)
        missing = [
            p for p in parameters if p.need in (Need.FACT, Need.EVERY_HOST) and p.type not in self.facts
        ]
        if missing:
            provided_later = {_provided_or_none(other) for other in others if other is not function}
            if all(p.type in provided_later for p in missing):
                return None
            raise DeclarationError(f"no fact provides {missing[0].type.__name__}")
        return FactNode(provides, function, parameters, self._scope(parameters))

    def _why_not(self, function: Any) -> str:
        wanted = ", ".join(
            p.type.__name__ for p in parameters_of(function) if p.need in (Need.FACT, Need.EVERY_HOST)
        )
        return f"is part of a cycle: it needs {wanted}, which in the end needs it"

    def _scope(self, parameters: tuple[Parameter, ...]) -> Scope:
        scopes = {self._parameter_scope(parameter) for parameter in parameters}
        if Scope.HOST in scopes:
            if any(p.need is Need.EVERY_HOST for p in parameters):
                raise DeclarationError("asks for every host and for one host at once")
            return Scope.HOST
        return Scope.SITE if Scope.SITE in scopes else Scope.ANY

    def _parameter_scope(self, parameter: Parameter) -> Scope:
        if parameter.need is Need.VANTAGE or parameter.type in (Host, Wire):
            return Scope.HOST
        if parameter.need is Need.EVERY_HOST or parameter.type is Cluster:
            return Scope.SITE
        if parameter.need is Need.FACT:
            return self.facts[parameter.type].scope
        return Scope.ANY

    # ------------------------------------------------------------------------------------------ checks

    def _check_node(self, plugin: str, function: Any) -> RegisteredCheck:
        check = getattr(function, "__kedoctor_check__", None)
        if not isinstance(check, Check):
            raise DeclarationError("is not declared with @check")
        if not _CODE.match(check.code):
            raise DeclarationError(f"the code {check.code!r} is not letters followed by digits")
        if check.code in self.checks:
            raise DeclarationError(
                f"the code {check.code} belongs to {self.checks[check.code].check.slug} already"
            )
        if not _SLUG.match(check.slug) or check.slug in {node.check.slug for node in self.checks.values()}:
            raise DeclarationError(f"the slug {check.slug!r} is malformed or taken")
        if not check.title.en:
            raise DeclarationError("the title is empty")
        parameters = parameters_of(function)
        for parameter in parameters:
            self._judge_parameter(check, parameter)
        return RegisteredCheck(check, parameters, plugin)

    def _judge_parameter(self, check: Check, parameter: Parameter) -> None:
        if parameter.need is Need.PORT:
            raise DeclarationError(
                f"takes the port {parameter.type.__name__}: checks judge facts and do no I/O"
            )
        if parameter.need is Need.VANTAGE:
            return
        if parameter.type not in self.facts:
            raise DeclarationError(f"no fact provides {parameter.type.__name__}")
        scope = self.facts[parameter.type].scope
        if check.side is Side.SITE and parameter.need is Need.FACT and scope is Scope.HOST:
            raise DeclarationError(f"looks at the site but needs {parameter.type.__name__} of one host")
        if parameter.need is Need.EVERY_HOST and scope is not Scope.HOST:
            raise DeclarationError(f"{parameter.type.__name__} is not a fact of hosts")

    def _remedy_node(self, function: Any) -> RegisteredRemedy:
        remedy = getattr(function, "__kedoctor_remedy__", None)
        if not isinstance(remedy, Remedy):
            raise DeclarationError("is not declared with @remedy")
        for code in remedy.codes:
            if code not in self.checks:
                raise DeclarationError(f"repairs {code}, which is not a check")
            if code in self.remedies:
                raise DeclarationError(f"{code} has a remedy already")
        parameters = tuple(one for one in parameters_of(function) if one.type is not Verdict)
        for parameter in parameters:
            if parameter.need is Need.PORT:
                raise DeclarationError(f"takes the port {parameter.type.__name__}: remedies plan from facts")
            if parameter.need is not Need.VANTAGE and parameter.type not in self.facts:
                raise DeclarationError(f"no fact provides {parameter.type.__name__}")
        wanted = next((one.name for one in parameters_of(function) if one.type is Verdict), "")
        return RegisteredRemedy(remedy, parameters, wanted)

    def _refuse_unknown_builds_on(self, node: RegisteredCheck) -> None:
        for code in node.check.builds_on:
            if code not in self.checks or code == node.check.code:
                del self.checks[node.check.code]
                self.refusals.append(
                    Refusal(node.plugin, node.check.code, f"builds on {code}, which is no other check")
                )
                return


def _name(function: Any) -> str:
    return f"{getattr(function, '__module__', '?')}.{getattr(function, '__qualname__', repr(function))}"


@cache
def _hints(function: Any) -> dict[str, Any]:
    # Asked for again and again while facts wait for each other, and each answer compiles every annotation.
    try:
        return get_type_hints(function)
    except (NameError, TypeError, AttributeError) as error:
        raise DeclarationError(f"its annotations cannot be resolved: {error}") from error


def _provided(function: Any) -> type:
    provides, _ = _without_unavailable(_hints(function).get("return"))
    if not isinstance(provides, type) or provides in (NoneType, Unavailable):
        raise DeclarationError("its return annotation names no type")
    return provides


def _provided_or_none(function: Any) -> type | None:
    try:
        return _provided(function)
    except DeclarationError:
        return None


def parameters_of(function: Any) -> tuple[Parameter, ...]:
    """What the parameters of a fact, check or remedy ask for.

    Raises:
        DeclarationError: one of them has no type that could be supplied.
    """
    hints = _hints(function)
    code = function.__code__
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    return tuple(_parameter(name, hints.get(name)) for name in names)


def _parameter(name: str, annotation: Any) -> Parameter:
    wanted, optional = _without_unavailable(annotation)
    if get_origin(wanted) is EveryHost:
        return Parameter(name, Need.EVERY_HOST, get_args(wanted)[0])
    if not isinstance(wanted, type):
        raise DeclarationError(f"the parameter {name} has no type that could be supplied")
    if issubclass(wanted, Port):
        return Parameter(name, Need.PORT, wanted)
    if wanted is HostContext:
        return Parameter(name, Need.VANTAGE, wanted)
    return Parameter(name, Need.FACT, wanted, optional)


def _without_unavailable(annotation: Any) -> tuple[Any, bool]:
    if get_origin(annotation) not in (Union, UnionType):
        return annotation, False
    rest = [part for part in get_args(annotation) if part is not Unavailable]
    optional = len(rest) < len(get_args(annotation))
    return (rest[0] if len(rest) == 1 else annotation), optional


def facts_in(parameters: Sequence[Parameter]) -> list[type]:
    """The facts that a check, a remedy or another fact asks for by its signature."""
    return [one.type for one in parameters if one.need in (Need.FACT, Need.EVERY_HOST)]
