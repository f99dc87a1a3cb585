"""What of the cloud side runs on one host, on which addresses and ports, and what the machine has."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import PurePosixPath

from kedoctor.api import (
    Addresses,
    Clock,
    EveryHost,
    Host,
    Process,
    Resources,
    Socket,
    Sockets,
    Unavailable,
    fact,
    require,
)
from kedoctor.checks.parsers.host_port import is_loopback

__all__ = [
    "CloudProcesses",
    "CloudResources",
    "CloudSockets",
    "HostAddresses",
    "cloud_processes",
    "cloud_resources",
    "cloud_sockets",
    "host_addresses",
    "is_k3s_server",
    "is_kubelite_server",
    "is_program",
    "other_ends",
]


@dataclass(frozen=True, slots=True)
class CloudProcesses:
    """The processes of the cloud side; containers' processes are seen from their host like any other.

    ``k3s`` is a ``k3s server``, which has kube-apiserver and kube-proxy inside it (facts.md §8.5), ``kubelite`` the same of
    MicroK8s (facts.md §12.4). ``now`` is when the table was read, by this host's clock.
    """

    apiserver: Process | None = None
    k3s: Process | None = None
    kubelite: Process | None = None
    cloudcore: Process | None = None
    now: datetime | None = None

    @property
    def cloudcore_age(self) -> timedelta | None:
        """How long cloudcore runs; ``None`` if it does not, or if that is unknown."""
        started = self.cloudcore.started if self.cloudcore is not None else None
        return None if started is None or self.now is None else self.now - started

    @property
    def serves_api(self) -> bool:
        """Whether requests for ``kubectl logs`` start on this host."""
        return any(one is not None for one in (self.apiserver, self.k3s, self.kubelite))


@fact
def cloud_processes(host: Host, clock: Clock) -> CloudProcesses:
    """Looks for kube-apiserver, K3s and cloudcore in the process table."""
    items = require(host.processes()).items
    now = clock.now()
    return CloudProcesses(
        apiserver=next((one for one in items if is_program(one, "kube-apiserver")), None),
        k3s=next(filter(is_k3s_server, items), None),
        kubelite=next(filter(is_kubelite_server, items), None),
        cloudcore=next((one for one in items if is_program(one, "cloudcore")), None),
        now=None if isinstance(now, Unavailable) else now.time,
    )


def is_program(process: Process, name: str) -> bool:
    """Whether a process runs the program ``name``; the kernel keeps 15 characters of a name only.

    One without arguments has ended and waits for its parent (a zombie): it runs nothing.
    """
    return bool(process.argv) and (process.name == name[:15] or PurePosixPath(process.argv[0]).name == name)


def is_k3s_server(process: Process) -> bool:
    """Whether this is ``k3s server``, which overwrites its own arguments with just these two words."""
    words = " ".join(process.argv).split()
    return process.name == "k3s-server" or (
        len(words) > 1 and PurePosixPath(words[0]).name == "k3s" and words[1] == "server"
    )


def is_kubelite_server(process: Process) -> bool:
    """Whether this is MicroK8s' ``kubelite`` with a control plane in it; a worker has ``--start-control-plane=false``."""
    return is_program(process, "kubelite") and "--start-control-plane=false" not in process.argv


@dataclass(frozen=True, slots=True)
class CloudSockets:
    """The TCP sockets of a cloud host; without root the owners of some are not visible."""

    sockets: Sockets

    def listening(self, port: int) -> tuple[Socket, ...]:
        """Everything that listens on ``port``, on whatever address."""
        return tuple(s for s in self.sockets.items if s.state == "LISTEN" and s.local_port == port)


@fact
def cloud_sockets(host: Host) -> CloudSockets:
    """All TCP sockets of this host."""
    return CloudSockets(require(host.sockets()))


@dataclass(frozen=True, slots=True)
class HostAddresses:
    """All addresses of this host."""

    addresses: Addresses

    @property
    def ipv4(self) -> frozenset[str]:
        """Its IPv4 addresses, loopback among them."""
        return frozenset(one.address for one in self.addresses.items if ":" not in one.address)

    def has(self, address: str) -> bool:
        """Whether a connection to ``address`` ends on this host."""
        return is_loopback(address) or any(one.address == address for one in self.addresses.items)


@fact
def host_addresses(host: Host) -> HostAddresses:
    """The addresses of all interfaces."""
    return HostAddresses(require(host.addresses()))


def other_ends(
    held: Socket, port: int, hosts: EveryHost[CloudSockets], addresses: EveryHost[HostAddresses]
) -> list[CloudSockets]:
    """The cloud hosts in view that would have the other end of an edge's connection to that port.

    With several cloudcores that is the one whose address is dialled. An address that is nobody's here (translated on the
    way, a load balancer's) is that of the only cloud host in view, and of none where there are more.
    """
    listening = {name: one for name, one in hosts.known().items() if one.listening(port)}
    owners = [name for name, one in addresses.known().items() if one.has(held.remote_address)]
    if owners:
        return [one for name, one in listening.items() if name in owners]
    return list(listening.values()) if len(listening) == 1 else []


@dataclass(frozen=True, slots=True)
class CloudResources:
    """CPUs and memory, and the disk that holds ``/var/lib`` (images, etcd or K3s' database)."""

    resources: Resources


@fact
def cloud_resources(host: Host) -> CloudResources:
    """What this cloud host has."""
    return CloudResources(require(host.resources("/var/lib")))
