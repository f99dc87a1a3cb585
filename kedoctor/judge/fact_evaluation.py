"""Making facts: each at most once per host (or once per site), shared by everybody who asks at the same time."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kedoctor.base.code_places import at
from kedoctor.judge.activity import Activity, WatchedSource
from kedoctor.judge.registry import FactNode, Need, Parameter, Registry, Scope
from kedoctor.model.declarations import EveryHost, FactUnavailableError, HostContext, Side
from kedoctor.model.observations.request import Source, Unavailable
from kedoctor.model.ports import Clock, Cluster, Host, Port, Wire

__all__ = ["Context", "FactCrashError", "HostView", "SiteView", "contexts"]


class FactCrashError(Exception):
    """A fact's own code broke; every check that needs it is reported as crashed with this message."""


@dataclass(frozen=True, slots=True)
class HostView:
    """One machine in view: where its answers come from and which sides it is."""

    name: str
    sides: frozenset[Side]
    source: Source
    origin: str = "live"
    observed: datetime | None = None

    def vantage(self) -> HostContext:
        """What facts and checks see of it."""
        return HostContext(self.name, frozenset(side.value for side in self.sides))


@dataclass(frozen=True, slots=True)
class SiteView:
    """All that is in view: hosts, and the source that answers for the cluster (with the clock beside it).

    ``cluster_expected`` is false where nobody would look for an API: on an edge host without a kubeconfig.
    """

    hosts: tuple[HostView, ...]
    cluster: Source
    cluster_expected: bool = True


class _Slot:
    """A fact being made or made."""

    __slots__ = ("crash", "ready", "value")

    def __init__(self) -> None:
        self.ready = threading.Event()
        self.value: Any = None
        self.crash: FactCrashError | None = None


class Context:
    """Supplies facts for the site (``vantage`` is ``None``) or for one host of it."""

    def __init__(
        self,
        registry: Registry,
        source: Source,
        *,
        vantage: HostContext | None = None,
        site: Context | None = None,
    ) -> None:
        self.vantage = vantage
        self._registry = registry
        self._site = site or self
        self._hosts: Mapping[str, Context] = {}
        self._source: Source = source
        cluster = source if site is None else site._source  # noqa: SLF001  the same class
        self._ports: dict[type, Port] = {
            Host: Host(source),
            Wire: Wire(source),
            Clock: Clock(source),
            Cluster: Cluster(cluster),
        }
        self._slots: dict[type, _Slot] = {}
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """The host's name; empty for the site."""
        return self.vantage.name if self.vantage else ""

    @property
    def hosts(self) -> Mapping[str, Context]:
        """The contexts of the hosts in view, by name."""
        return self._site._hosts  # noqa: SLF001  the same class

    def see(self, hosts: Mapping[str, Context]) -> None:
        """Tells the site's context which hosts there are."""
        self._hosts = hosts

    def arguments(self, parameters: Sequence[Parameter]) -> dict[str, Any]:
        """Values for a signature.

        Raises:
            FactUnavailableError: a fact that is needed could not be had.
            FactCrashError: a fact's code broke.
        """
        return {parameter.name: self._argument(parameter) for parameter in parameters}

    def fact(self, wanted: type) -> Any:
        """The fact, or :class:`Unavailable`.

        Raises:
            FactCrashError: its code broke.
        """
        node = self._registry.facts[wanted]
        home = self._site if node.scope is Scope.SITE else self
        return home._make_once(node)  # noqa: SLF001  the same class

    def lacking(self) -> tuple[str, ...]:
        """Names of the facts that are still being made and wait for no other fact, of this host and of the site."""
        making: dict[type, FactNode] = {}
        for home in {self, self._site}:
            with home._lock:  # noqa: SLF001  the same class
                making |= {
                    wanted: self._registry.facts[wanted]
                    for wanted, slot in home._slots.items()  # noqa: SLF001  the same class
                    if not slot.ready.is_set()
                }
        waiting = {
            wanted for wanted, node in making.items() if any(one.type in making for one in node.parameters)
        }
        return tuple(sorted(wanted.__name__ for wanted in making if wanted not in waiting))

    def fact_at_hand(self, wanted: type, *, make: bool) -> Any:
        """The fact without waiting for anybody: ``None`` while a thread that hangs holds it.

        One that nobody has asked for is made now if ``make`` is true.

        Raises:
            FactCrashError: its code broke.
        """
        node = self._registry.facts[wanted]
        home = self._site if node.scope is Scope.SITE else self
        with home._lock:  # noqa: SLF001  the same class
            slot = home._slots.get(wanted)  # noqa: SLF001  the same class
        if slot is None:
            return self.fact(wanted) if make else None
        return slot.value if slot.ready.is_set() else None

    def _argument(self, parameter: Parameter) -> Any:
        if parameter.need is Need.PORT:
            return self._ports[parameter.type]
        if parameter.need is Need.VANTAGE:
            return self.vantage
        if parameter.need is Need.EVERY_HOST:
            return EveryHost({name: host.fact(parameter.type) for name, host in self._site._hosts.items()})  # noqa: SLF001
        value = self.fact(parameter.type)
        if isinstance(value, Unavailable) and not parameter.optional:
            raise FactUnavailableError(value)
        return value

    def _make_once(self, node: FactNode) -> Any:
        with self._lock:
            slot = self._slots.get(node.provides)
            mine = slot is None
            if slot is None:
                slot = self._slots[node.provides] = _Slot()
        if mine:
            try:
                slot.value = self._make(node)
            except FactCrashError as crash:
                slot.crash = crash
            finally:
                slot.ready.set()
        else:
            slot.ready.wait()
        if slot.crash is not None:
            raise slot.crash
        return slot.value

    def _make(self, node: FactNode) -> Any:
        name = node.make.__qualname__
        try:
            value = node.make(**self.arguments(node.parameters))
        except FactUnavailableError as missing:
            return missing.unavailable
        except FactCrashError:
            raise
        except (
            BaseException
        ) as error:  # a fact of a plugin may break in any way; that is its checks' crash, not ours
            if isinstance(error, KeyboardInterrupt) and threading.current_thread() is threading.main_thread():
                raise
            raise FactCrashError(
                f"the fact {name} broke: {type(error).__name__}: {error}{at(error)}"
            ) from error
        if value is None or not isinstance(value, (node.provides, Unavailable)):
            raise FactCrashError(
                f"the fact {name} gave {type(value).__name__} instead of {node.provides.__name__}"
            )
        return value


def contexts(
    registry: Registry, site: SiteView, activity: Activity | None = None
) -> tuple[Context, dict[str, Context]]:
    """The context of the site and those of its hosts, by name; ``activity`` is told of every read."""

    def watched(source: Source) -> Source:
        return source if activity is None else WatchedSource(source, activity)

    whole = Context(registry, watched(site.cluster))
    hosts = {
        view.name: Context(registry, watched(view.source), vantage=view.vantage(), site=whole)
        for view in site.hosts
    }
    whole.see(hosts)
    return whole, hosts
