"""Nodes and the leases by which they are known to be alive."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from kedoctor.api import Fields, Object, field, replace
from kedoctor.checks.parsers.kubernetes.common import Condition

__all__ = [
    "DaemonEndpoints",
    "KubeletEndpoint",
    "Lease",
    "LeaseLabels",
    "LeaseMetadata",
    "LeaseSpec",
    "Node",
    "NodeAddress",
    "NodeAnnotations",
    "NodeInfo",
    "NodeLabels",
    "NodeMetadata",
    "NodeSpec",
    "NodeStatus",
    "Taint",
]


class NodeLabels(Fields, frozen=True):
    """The labels of a node that say what it is; a role label counts when it is there, whatever its value."""

    hostname: str | None = field(default=None, name="kubernetes.io/hostname")
    edge: str | None = field(default=None, name="node-role.kubernetes.io/edge")
    control_plane: str | None = field(default=None, name="node-role.kubernetes.io/control-plane")
    master: str | None = field(default=None, name="node-role.kubernetes.io/master")
    instance_type: str | None = field(default=None, name="node.kubernetes.io/instance-type")
    enable_lb: str | None = field(default=None, name="svccontroller.k3s.cattle.io/enablelb")
    microk8s: str | None = field(default=None, name="microk8s.io/cluster")


class NodeAnnotations(Fields, frozen=True):
    """The annotations of a node that are judged; ``cloudcore`` is the address of its cloudcore (facts.md §7)."""

    cloudcore: str | None = None
    kubeadm_cri_socket: str | None = field(default=None, name="kubeadm.alpha.kubernetes.io/cri-socket")


class NodeMetadata(Fields, frozen=True):
    """The metadata of a node."""

    name: str = ""
    uid: str = ""
    labels: NodeLabels = NodeLabels()
    annotations: NodeAnnotations = NodeAnnotations()
    creation_timestamp: datetime | None = None


class Taint(Fields, frozen=True):
    """A taint."""

    key: str = ""
    value: str = ""
    effect: str = ""


class NodeSpec(Fields, frozen=True):
    """What is wanted of a node."""

    unschedulable: bool = False
    taints: tuple[Taint, ...] | None = None


class NodeAddress(Fields, frozen=True):
    """One address of a node; ``type`` is InternalIP, ExternalIP or Hostname."""

    type: str
    address: str


class KubeletEndpoint(Fields, frozen=True):
    """Where the kubelet is said to listen; Kubernetes spells this key with a capital P."""

    port: int = field(default=0, name="Port")


class DaemonEndpoints(Fields, frozen=True):
    """The ports of a node's daemons."""

    kubelet_endpoint: KubeletEndpoint = KubeletEndpoint()


class NodeInfo(Fields, frozen=True):
    """Versions on a node."""

    kubelet_version: str = ""
    container_runtime_version: str = ""
    architecture: str = ""


class NodeStatus(Fields, frozen=True):
    """What a node says of itself."""

    addresses: tuple[NodeAddress, ...] | None = None
    conditions: tuple[Condition, ...] | None = None
    daemon_endpoints: DaemonEndpoints = DaemonEndpoints()
    node_info: NodeInfo = NodeInfo()


class Node(Object, frozen=True):
    """A node."""

    plural: ClassVar[str] = "nodes"
    namespaced: ClassVar[bool] = False

    metadata: NodeMetadata = NodeMetadata()
    spec: NodeSpec = NodeSpec()
    status: NodeStatus = NodeStatus()

    def reduced(self) -> Node:
        """The node with its Ready condition and those that say that something is wrong.

        Each node says of four other conditions, with a time and a sentence each, that they are as they should be.
        """
        conditions = self.status.conditions or ()
        told = tuple(one for one in conditions if one.type == "Ready" or one.status != "False")
        return (
            self
            if len(told) == len(conditions)
            else replace(self, status=replace(self.status, conditions=told))
        )


class LeaseLabels(Fields, frozen=True):
    """The labels by which a lease says that it is kube-apiserver's, and on which host."""

    identity: str | None = field(default=None, name="apiserver.kubernetes.io/identity")
    hostname: str | None = field(default=None, name="kubernetes.io/hostname")


class LeaseMetadata(Fields, frozen=True):
    """The metadata of a lease."""

    name: str = ""
    namespace: str = ""
    labels: LeaseLabels = LeaseLabels()


class LeaseSpec(Fields, frozen=True):
    """When a lease was last renewed (by its holder's clock)."""

    renew_time: datetime | None = None


class Lease(Object, frozen=True):
    """A lease: the heartbeat of a node, or the identity of an API server."""

    api: ClassVar[str] = "coordination.k8s.io/v1"
    plural: ClassVar[str] = "leases"

    metadata: LeaseMetadata = LeaseMetadata()
    spec: LeaseSpec = LeaseSpec()
