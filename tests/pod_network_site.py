"""A site whose cloudcore has the network of its pod, behind a Service of type NodePort (facts.md §1.3, §12.2).

What is on the host network otherwise is in the pod: the four listeners, the connections of the edges, the process. cloudcore
writes the address of its default route into the record, which is that of the pod; the manager, which is on the host network,
makes its rules of that. Edges dial the node ports of a host.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from faulty_machine import CLOUD, CLOUDCORE_PORTS, CONFIG, EDGE, NODE_PORT, OTHER, STREAM
from faulty_site import FaultySite
from recorded_wire import HostOnWire, SiteOnWire
from shaped_site import replace_site

from kedoctor.base.records import replace
from kedoctor.model.observations.network import Socket

__all__ = ["POD", "PodNetwork"]

POD = "10.244.0.7"
NODE_PORTS = {10000: 30000, 10002: 30002, 10003: 30003, 10004: 30004}


@dataclass
class PodNetwork(FaultySite):
    """cloudcore without hostNetwork; edges come in by the node ports of the cloud host."""

    service: str = "NodePort"
    inside: list[Socket] = field(default_factory=list)  # the sockets of cloudcore's pod

    def __post_init__(self) -> None:
        super().__post_init__()
        of_cloudcore = [one for one in self.cloud.sockets if one.process == "cloudcore"]
        self.inside = [_in_pod(one) for one in of_cloudcore]
        self.cloud.sockets = [one for one in self.cloud.sockets if one not in of_cloudcore]
        self.cloud.processes = [one for one in self.cloud.processes if one.name != "cloudcore"]
        for port, node_port in NODE_PORTS.items():
            self.edge.sockets = [
                replace(one, remote_port=node_port)
                if (one.remote_address, one.remote_port) == (CLOUD, port)
                else one
                for one in self.edge.sockets
            ]
            text = self.edge.content(CONFIG).replace(
                f"{CLOUD}:{port}".encode(), f"{CLOUD}:{node_port}".encode()
            )
            self.edge.files[CONFIG] = text
        self.legacy = self.legacy.replace(f"--to-destination {CLOUD}:10003", f"--to-destination {POD}:10003")
        self.change("Pod", "cloudcore-", _podded)
        self.change("Deployment", "cloudcore", _template)
        self.change("Service", "cloudcore", self._exposed)
        self.change("ConfigMap", "tunnelport", _recorded)
        for edge in ("edge1", "edge2"):
            self.change("Node", edge, _served)

    def _exposed(self, item: Any) -> Any:
        ports = tuple(
            replace(one, node_port=NODE_PORTS.get(one.port, 0) if self.service == "NodePort" else 0)
            for one in item.spec.ports
        )
        return replace(item, spec=replace(item.spec, type=self.service, ports=ports))

    def on_wire(self) -> SiteOnWire:
        return replace_site(
            super().on_wire(),
            others=[HostOnWire("cloudcore", POD, self.inside)],
            logs_there={"cloudcore": self._log("cloudcore")},
            node_ports={(CLOUD, outer): (POD, port) for port, outer in NODE_PORTS.items()}
            if self.service == "NodePort"
            else {},
        )

    def derive(self) -> None:
        if self.cloudcore_down:
            self.inside = [one for one in self.inside if one.local_port not in CLOUDCORE_PORTS]
        for address, alive in ((EDGE, self.tunnel), (OTHER, not (self.stream_down or self.cloudcore_down))):
            if not alive:
                self.inside = [one for one in self.inside if one.remote_address != address]
        super().derive()

    def _answers(self, name: str) -> bool:
        wired = self.on_wire()
        edge = wired.edge_named(name)
        arrives = wired.diverted(self.node_port(name)) == (POD, STREAM)
        return edge is not None and arrives and wired.session(edge, wired.others[0]) == "live"


def _in_pod(one: Socket) -> Socket:
    return replace(one, local_address=POD if one.local_address == CLOUD else one.local_address)


def _podded(pod: Any) -> Any:
    return replace(pod, spec=replace(pod.spec, host_network=False), status=replace(pod.status, pod_ip=POD))


def _template(item: Any) -> Any:
    template = replace(item.spec.template, spec=replace(item.spec.template.spec, host_network=False))
    return replace(item, spec=replace(item.spec, template=template))


def _recorded(item: Any) -> Any:
    record = {
        "ipTunnelPort": {POD: NODE_PORT},
        "port": {str(port): True for port in range(10351, NODE_PORT + 1)},
    }
    annotations = replace(
        item.metadata.annotations, tunnel_port_record=json.dumps(record, separators=(",", ":"))
    )
    return replace(item, metadata=replace(item.metadata, annotations=annotations))


def _served(node: Any) -> Any:
    return replace(
        node, metadata=replace(node.metadata, annotations=replace(node.metadata.annotations, cloudcore=POD))
    )
