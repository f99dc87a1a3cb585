"""Sites of other shapes: two hosts that each run kube-apiserver, iptables-manager and a cloudcore.

The base is the site of :mod:`faulty_site`. ``cloud2`` is what ``cloud`` is under another name and address, edge2 hangs on
its cloudcore: each cloudcore writes its own address and port into the record, the manager of each host makes a rule of
each entry, and a tunnel writes the port of the cloudcore that took it into the Node (facts.md §3.2 to §3.4; KubeEdge
v1.22.0: cloud/cmd/cloudcore/app/server.go NegotiateTunnelPort, cloud/pkg/cloudstream/iptables/iptables.go reconcile).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from faulty_machine import (
    CLOUD,
    CLOUDCORE_PORTS,
    EDGE,
    NODE_PORT,
    NOW,
    OTHER,
    STREAM,
    TUNNEL,
    Machine,
    recorded,
)
from faulty_site import FaultySite
from faulty_source import FaultySource
from recorded_wire import HostOnWire, SiteOnWire

from kedoctor.base.records import replace
from kedoctor.model.declarations import Side
from kedoctor.model.observations.apiserver import ListObjects
from kedoctor.model.observations.logs import LogText, ReadPodLog
from kedoctor.model.observations.network import Addresses

__all__ = ["CLOUD2", "OTHER_PORT", "SECOND", "TwoClouds", "replace_site"]

CLOUD2 = "10.99.0.4"
OTHER_PORT = NODE_PORT + 1
FIRST, SECOND = "cloudcore-979b69468-654gf", "cloudcore-979b69468-zx2wq"
MANAGER2 = "cloud-iptables-manager-q9d4t"
_MANAGER = "cloud-iptables-manager-x7w97"
RULE = "-A TUNNEL-PORT -p tcp -m tcp --dport {port} -j DNAT --to-destination {address}:10003\n"


@dataclass
class TwoClouds(FaultySite):
    """Two cloudcores, each on a host with a kube-apiserver; edge1 is with the first, edge2 with the second."""

    cloud2: Machine = field(default_factory=lambda: Machine("cloud2", "cloud"))
    record: dict[str, int] = field(default_factory=lambda: {CLOUD: NODE_PORT, CLOUD2: OTHER_PORT})
    legacy2: str = ""
    second_down: str = ""  # why the second cloudcore does not run

    def __post_init__(self) -> None:
        super().__post_init__()
        self.cloud2.addresses = _moved(self.cloud.addresses)
        self.cloud2.sockets = [
            replace(
                one,
                **{
                    end: CLOUD2 if getattr(one, end) == CLOUD else getattr(one, end)
                    for end in ("local_address", "remote_address")
                },
            )
            for one in self.cloud.sockets
            if one.remote_address != EDGE
        ]
        for port in (10000, 10002, TUNNEL):
            self.cloud.close(port=port, peer=OTHER)
        first = RULE.format(port=NODE_PORT, address=CLOUD)
        self.legacy = self.legacy.replace(first, first + RULE.format(port=OTHER_PORT, address=CLOUD2))
        self.legacy2 = self.legacy
        whole = self._log("cloudcore")
        self.logs[FIRST] = _without(whole, "edge2", OTHER)
        self.logs[SECOND] = _without(whole, "edge1", EDGE)
        self.change("Node", "edge2", _joined_long_ago)
        self.logs[MANAGER2] = self._log("cloud-iptables-manager")
        self.change("Node", "edge2", _of_second)
        self.change("Deployment", "cloudcore", _twice)
        self.change("DaemonSet", "cloud-iptables-manager", _on_both)
        self.change("ConfigMap", "tunnelport", self._recorded)

    def _recorded(self, item: Any) -> Any:
        text = json.dumps(
            {"ipTunnelPort": self.record, "port": {str(port): True for port in range(10351, OTHER_PORT + 1)}},
            separators=(",", ":"),
        )
        annotations = replace(item.metadata.annotations, tunnel_port_record=text)
        return replace(item, metadata=replace(item.metadata, annotations=annotations))

    # ------------------------------------------------------------------------------------- what is asked

    def is_cloud(self, machine: Machine) -> bool:
        return machine is self.cloud or machine is self.cloud2

    def place_of(self, machine: Machine, wired: SiteOnWire) -> HostOnWire:
        return wired.others[0] if machine is self.cloud2 else super().place_of(machine, wired)

    def rules_of(self, machine: Machine) -> tuple[str, str]:
        return (self.legacy2, self.nft) if machine is self.cloud2 else super().rules_of(machine)

    def sources(self) -> dict[str, tuple[FaultySource, frozenset[Side]]]:
        second = FaultySource(self, self.cloud2)
        return {**super().sources(), "cloud2": (second, frozenset({Side.CLOUD}))}

    def on_wire(self) -> SiteOnWire:
        return replace_site(
            super().on_wire(),
            cloudcore_log=self.logs[FIRST],
            others=[HostOnWire("cloud2", CLOUD2, self.cloud2.sockets)],
            rules_there={"cloud": [self.legacy, self.nft], "cloud2": [self.legacy2, self.nft]},
            logs_there={"cloud2": self.logs[SECOND]},
        )

    def listed(self, request: ListObjects) -> Any:
        if request.field_selector == "spec.nodeName=cloud2":
            return ()
        return super().listed(request)

    def _base_list(self, request: ListObjects) -> Any:
        answer = super()._base_list(request)
        if not isinstance(answer, tuple) or request.field_selector.startswith("spec.nodeName"):
            return answer
        return tuple(new for old in answer for new in _doubled(old))

    # ------------------------------------------------------------------------------------- what follows

    def derive(self) -> None:
        if self.second_down:
            for port in CLOUDCORE_PORTS:
                self.cloud2.close(port=port, listening=True)
                self.cloud2.close(port=port)
            self.cloud2.processes = [one for one in self.cloud2.processes if one.name != "cloudcore"]
        super().derive()

    def _answers(self, name: str) -> bool:
        wired = self.on_wire()
        edge, target = wired.edge_named(name), wired.diverted(self.node_port(name), "cloud")
        cloud = next((one for one in wired.clouds if target == (one.address, STREAM)), None)
        return edge is not None and cloud is not None and wired.session(edge, cloud) == "live"

    def move_edge2(self) -> None:
        """The tunnel and hub link of edge2 are with the first cloudcore; what its Node says is not changed."""
        held = [one for one in recorded_sockets() if one.remote_address == OTHER]
        self.cloud.sockets += held
        for port in (10000, 10002, TUNNEL):
            self.cloud2.close(port=port, peer=OTHER)
        arrived = [
            _ARRIVED.sub(_LONG_AGO, line) for line in self._whole().splitlines() if "hostname edge2," in line
        ]
        self.logs[FIRST] += "\n".join(arrived) + "\n"

    def _whole(self) -> str:
        for request, answer in recorded("cloud").entries():
            if isinstance(request, ReadPodLog) and request.pod == FIRST and isinstance(answer, LogText):
                return answer.text
        raise AssertionError

    def node_on(self, name: str, port: int, cloudcore: str) -> None:
        """What a Node says: its kubelet port, and the cloudcore of its hub link."""
        self.change("Node", name, lambda node: _hung(node, port, cloudcore))


def replace_site(site: SiteOnWire, **fields: Any) -> SiteOnWire:
    """The same site with other fields."""
    from dataclasses import replace as changed  # noqa: PLC0415  records are replaced by another function of that name

    return changed(site, **fields)


def recorded_sockets() -> Iterable[Any]:
    """The sockets of the recorded cloud host."""
    return Machine("cloud").sockets


def _moved(addresses: Addresses) -> Addresses:
    items = (replace(one, address=CLOUD2) if one.address == CLOUD else one for one in addresses.items)
    return replace(addresses, items=tuple(items))


def _without(text: str, *words: str) -> str:
    lines = [line for line in text.splitlines() if not any(word in line for word in words)]
    return "".join(_ARRIVED.sub(_LONG_AGO, line) + "\n" for line in lines)


_ARRIVED = re.compile(r"^I1123 \S+(?=.*get a new tunnel agent)")
_LONG_AGO = "I1123 03:45:00.000000"
"""When the tunnels came: nothing has just begun on this site."""


def _joined_long_ago(node: Any) -> Any:
    return replace(node, metadata=replace(node.metadata, creation_timestamp=NOW - timedelta(days=1)))


def _hung(node: Any, port: int, cloudcore: str) -> Any:
    endpoint = replace(node.status.daemon_endpoints.kubelet_endpoint, port=port)
    endpoints = replace(node.status.daemon_endpoints, kubelet_endpoint=endpoint)
    annotations = replace(node.metadata.annotations, cloudcore=cloudcore)
    return replace(
        node,
        status=replace(node.status, daemon_endpoints=endpoints),
        metadata=replace(node.metadata, annotations=annotations),
    )


def _of_second(node: Any) -> Any:
    return _hung(node, OTHER_PORT, CLOUD2)


def _twice(item: Any) -> Any:
    status = replace(item.status, replicas=2, ready_replicas=2)
    return replace(item, spec=replace(item.spec, replicas=2), status=status)


def _on_both(item: Any) -> Any:
    return replace(item, status=replace(item.status, desired_number_scheduled=2, number_ready=2))


def _doubled(item: Any) -> Iterable[Any]:
    """An object, and what corresponds to it on the second host."""
    yield item
    kind, name = type(item).__name__, item.metadata.name
    if kind == "Node" and name == "cloud":
        addresses = tuple(
            replace(one, address={CLOUD: CLOUD2, "cloud": "cloud2"}.get(one.address, one.address))
            for one in item.status.addresses
        )
        labels = replace(item.metadata.labels, hostname="cloud2")
        yield replace(
            item,
            metadata=replace(item.metadata, name="cloud2", labels=labels),
            status=replace(item.status, addresses=addresses),
        )
    elif kind == "Lease" and name == "cloud":
        yield replace(item, metadata=replace(item.metadata, name="cloud2"))
    elif kind == "Lease" and item.metadata.labels.hostname == "cloud":
        labels = replace(item.metadata.labels, hostname="cloud2")
        yield replace(item, metadata=replace(item.metadata, name="apiserver-of-cloud2", labels=labels))
    elif kind == "Pod" and name in (FIRST, _MANAGER):
        yield replace(
            item,
            metadata=replace(item.metadata, name=SECOND if name == FIRST else MANAGER2),
            spec=replace(item.spec, node_name="cloud2"),
            status=replace(item.status, host_ip=CLOUD2, pod_ip=CLOUD2),
        )
