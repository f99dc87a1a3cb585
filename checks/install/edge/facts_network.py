"""The addresses that a host is in already, and the network that its pods are to get."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network, ip_interface

from kedoctor.api import File, Host, InterfaceAddress, Reason, Unavailable, fact, require
from kedoctor.checks.install.edge.facts_request import EdgeTarget
from kedoctor.checks.parsers.pod_cidr import network_for, parse_network

__all__ = ["CLUSTER_CIDR", "POD_CIDR", "SERVICE_CIDR", "PodRange", "TakenNetwork"]

POD_CIDR, CLUSTER_CIDR, SERVICE_CIDR = "pod-cidr", "cluster-cidr", "service-cidr"
_OURS = "cni0"
"""The bridge of the pods themselves: what it is in is theirs."""


@dataclass(frozen=True, slots=True)
class TakenNetwork:
    """A network that pods must not be in, and whose it is, as a person would call it."""

    network: IPv4Network
    whose: str


@dataclass(frozen=True, slots=True)
class PodRange:
    """The network for the pods of this edge: the one that was ``given``, or the one that its name decides.

    ``network`` is ``None`` where there is none; ``problem`` then says why, as a clause. ``taken`` are all others here.
    """

    given: bool
    network: IPv4Network | None
    taken: tuple[TakenNetwork, ...]
    problem: str = ""

    @property
    def clash(self) -> TakenNetwork | None:
        """The network that it overlaps."""
        return next((one for one in self.taken if self.network and one.network.overlaps(self.network)), None)


@fact
def pod_range(host: Host, target: EdgeTarget) -> PodRange:
    """From ``--pod-cidr`` or the name, seen against the host's addresses and routes and the cluster's ranges."""
    taken = (*_interfaces(host), *_routes(host), *_cluster(host))
    given = host.setting(POD_CIDR)
    if isinstance(given, Unavailable):
        network = network_for(target.node, [one.network for one in taken])
        return PodRange(given=False, network=network, taken=taken, problem="" if network else "none is free")
    read = parse_network(given.value)
    if isinstance(read, str):
        return PodRange(given=True, network=None, taken=taken, problem=read)
    return PodRange(given=True, network=read, taken=taken)


def _interfaces(host: Host) -> Iterator[TakenNetwork]:
    for one in require(host.addresses()).items:
        network = _network(one)
        if network is not None and one.interface != _OURS and not network.is_loopback:
            yield TakenNetwork(network, f"{one.interface}'s")


def _network(one: InterfaceAddress) -> IPv4Network | None:
    if ":" in one.address:
        return None
    network = ip_interface(f"{one.address}/{one.prefix}").network
    return network if isinstance(network, IPv4Network) else None


def _routes(host: Host) -> Iterator[TakenNetwork]:
    """The routes of the main table but the default one, as the kernel prints them: hexadecimal, least byte first."""
    table = host.read("/proc/net/route")
    if not isinstance(table, File):
        if table.reason is not Reason.ABSENT:
            require(table)
        return
    for line in table.text().splitlines()[1:]:
        words = line.split()
        if len(words) < 8 or words[0] == _OURS or not int(words[7], 16):
            continue
        target, mask = (int.from_bytes(bytes.fromhex(words[n]), "little") for n in (1, 7))
        yield TakenNetwork(IPv4Network((target, mask.bit_count())), f"a route over {words[0]}")


def _cluster(host: Host) -> Iterator[TakenNetwork]:
    for name, whose in ((CLUSTER_CIDR, "the cluster's pods"), (SERVICE_CIDR, "the cluster's Services")):
        setting = require(host.setting(name))
        read = parse_network(setting.value)
        if isinstance(read, str):
            require(Unavailable(Reason.INVALID, f"--{name} {setting.value}", read))
        else:
            yield TakenNetwork(read, f"{whose} (--{name})")
