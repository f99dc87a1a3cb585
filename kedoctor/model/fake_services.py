"""Stand-ins: what plays a service in a sandbox, where the real one cannot run.

A stand-in is a pure function from the stage (the sandbox as it is when its unit starts or stops) to a scene (what
that changes). It plays by the files that lie there at that moment, so that a repair that writes the wrong thing
does not look like a success.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from kedoctor.base.text import Text
from kedoctor.model.observations.network import Sockets
from kedoctor.model.observations.processes import Processes
from kedoctor.model.observations.request import Request, Unavailable
from kedoctor.model.observations.units import Unit
from kedoctor.model.observations.wire import Connection, HttpAnswer, TlsPeer
from kedoctor.model.ports import Cluster, Host, Wire

__all__ = ["ApiWrite", "FakeService", "HostChange", "PodLines", "SandboxState", "StateChange"]


@dataclass(frozen=True, slots=True)
class SandboxState:
    """What a stand-in sees: every machine by name as it is now, the cluster, and where the unit is.

    ``starts`` is false when the unit stops. ``pid`` is free for its process, ``now`` the time in the sandbox.
    """

    host: str
    starts: bool
    hosts: Mapping[str, Host]
    wires: Mapping[str, Wire]
    cluster: Cluster
    now: datetime
    pid: int


@dataclass(frozen=True, slots=True)
class HostChange:
    """What changes on one machine; ``None`` and missing keys leave a thing as it is.

    ``journal`` is text to add, by unit. ``ports`` is what a TCP and a TLS connection to an address and port find,
    ``pages`` what a GET gives, by URL and Host header. ``files`` and ``gap`` only fill what was not recorded: ``gap`` gives
    the answer to a request, or ``None`` where it stays not recorded.
    """

    processes: Processes | None = None
    sockets: Sockets | None = None
    units: Mapping[str, Unit] = field(default_factory=dict)
    journal: Mapping[str, str] = field(default_factory=dict)
    ports: Mapping[tuple[str, int], tuple[Connection | Unavailable, TlsPeer | Unavailable]] = field(
        default_factory=dict
    )
    pages: Mapping[tuple[str, str], HttpAnswer | Unavailable] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    gap: Callable[[Request], Any] | None = None


@dataclass(frozen=True, slots=True)
class ApiWrite:
    """What somebody in the cluster writes: merged into the object, which is made if need be; ``None`` removes it."""

    kind: str
    name: str
    content: dict[str, Any] | None
    namespace: str = ""


@dataclass(frozen=True, slots=True)
class PodLines:
    """Lines that a container adds to its log."""

    namespace: str
    pod: str
    container: str
    text: str


@dataclass(frozen=True, slots=True)
class StateChange:
    """What changes: on machines (by name), in the API, and in the logs of pods.

    ``whole`` names kinds and namespaces (empty: none) of which the API then holds everything there is, so that a list
    of them that was never recorded can be answered.
    """

    hosts: Mapping[str, HostChange] = field(default_factory=dict)
    writes: tuple[ApiWrite, ...] = ()
    logs: tuple[PodLines, ...] = ()
    whole: frozenset[tuple[str, str]] = frozenset()


@dataclass(frozen=True, slots=True)
class FakeService:
    """What plays a systemd unit; ``told`` says to people what it is and does.

    ``furnish`` is asked once, when the sandbox is opened, for what the recording lacks; ``added`` says what that is.
    """

    unit: str
    told: Text
    play: Callable[[SandboxState], StateChange]
    furnish: Callable[[SandboxState], StateChange] | None = None
    added: Text | None = None
