"""The columns of the tables that the server makes, with the descriptions that kube-apiserver v1.31 gives."""

from __future__ import annotations

from typing import NamedTuple


class Column(NamedTuple):
    """One column; priority 1 is shown with ``-o wide`` only."""

    name: str
    description: str
    priority: int = 0
    type: str = "string"


_NAME = (
    "Name must be unique within a namespace. Is required when creating resources, although some resources"
    " may allow a client to request the generation of an appropriate name automatically. Name is "
    "primarily intended for creation idempotence and configuration definition. Cannot be updated. More "
    "info: https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names"
)
_AGE = (
    "CreationTimestamp is a timestamp representing the server time when this object was created. It is "
    "not guaranteed to be set in happens-before order across separate operations. Clients may not set "
    "this value. It is represented in RFC3339 form and is in UTC.\n\n"
    "Populated by the system. Read-only. Null for lists. More info: "
    "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata"
)
_ADDRESSES = (
    "List of addresses reachable to the node. Queried from cloud provider, if available. More info: "
    "https://kubernetes.io/docs/concepts/nodes/node/#addresses Note: This field is declared as mergeable,"
    " but the merge key is not sufficiently unique, which can cause data corruption when it is merged. "
    "Callers should instead use a full-replacement patch. See https://pr.k8s.io/79391 for an example. "
    "Consumers should assume that addresses can change during the lifetime of a Node. However, there are "
    "some exceptions where this may not be possible, such as Pods that inherit a Node's address in its "
    "own status or consumers of the downward API (status.hostIP)."
)
_NODE = (
    Column("Name", _NAME, 0),
    Column("Status", ("The status of the node"), 0),
    Column("Roles", ("The roles of the node"), 0),
    Column("Age", _AGE, 0),
    Column("Version", ("Kubelet Version reported by the node."), 0),
    Column("Internal-IP", _ADDRESSES, 1),
    Column("External-IP", _ADDRESSES, 1),
    Column(
        "OS-Image",
        ("OS Image reported by the node from /etc/os-release (e.g. Debian GNU/Linux 7 (wheezy))."),
        1,
    ),
    Column(
        "Kernel-Version",
        ("Kernel Version reported by the node from 'uname -r' (e.g. 3.16.0-0.bpo.4-amd64)."),
        1,
    ),
    Column(
        "Container-Runtime",
        (
            "ContainerRuntime Version reported by the node through runtime remote API (e.g. containerd://1.4.2)."
        ),
        1,
    ),
)
_POD = (
    Column("Name", _NAME, 0),
    Column("Ready", ("The aggregate readiness state of this pod for accepting traffic."), 0),
    Column("Status", ("The aggregate status of the containers in this pod."), 0),
    Column(
        "Restarts",
        (
            "The number of times the containers in this pod have been restarted and when the last container in "
            "this pod has restarted."
        ),
        0,
    ),
    Column("Age", _AGE, 0),
    Column(
        "IP",
        (
            "podIP address allocated to the pod. Routable at least within the cluster. Empty if not yet "
            "allocated."
        ),
        1,
    ),
    Column(
        "Node",
        (
            "NodeName indicates in which node this pod is scheduled. If empty, this pod is a candidate for "
            "scheduling by the scheduler defined in schedulerName. Once this field is set, the kubelet for this "
            "node becomes responsible for the lifecycle of this pod. This field should not be used to express a "
            "desire for the pod to be scheduled on a specific node. "
            "https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/#nodename"
        ),
        1,
    ),
    Column(
        "Nominated Node",
        (
            "nominatedNodeName is set only when this pod preempts other pods on the node, but it cannot be "
            "scheduled right away as preemption victims receive their graceful termination periods. This field "
            "does not guarantee that the pod will be scheduled on this node. Scheduler may decide to place the "
            "pod elsewhere if other nodes become available sooner. Scheduler may also decide to give the "
            "resources on this node to a higher priority pod that is created after preemption. As a result, this "
            "field may be different than PodSpec.nodeName when the pod is scheduled."
        ),
        1,
    ),
    Column(
        "Readiness Gates",
        (
            "If specified, all readiness gates will be evaluated for pod readiness. A pod is ready when all its "
            'containers are ready AND all conditions specified in the readiness gates have status equal to "True"'
            " More info: https://git.k8s.io/enhancements/keps/sig-network/580-pod-readiness-gates"
        ),
        1,
    ),
)
_WORKLOAD = (
    Column("Containers", "Names of each container in the template.", 1),
    Column("Images", "Images referenced by each container in the template.", 1),
    Column("Selector", "Label selector for the pods", 1),
)
_DEPLOYMENT = (
    Column("Name", _NAME),
    Column("Ready", "Number of the pod with ready state"),
    Column("Up-to-date", "Number of the updated pods", type="string"),
    Column("Available", "Number of available pods", type="string"),
    Column("Age", _AGE),
    *_WORKLOAD,
)
_DAEMON_SET = (
    Column("Name", _NAME),
    Column("Desired", "Number of nodes that should run the pod", type="integer"),
    Column("Current", "Number of nodes that run the pod", type="integer"),
    Column("Ready", "Number of nodes with a ready pod", type="integer"),
    Column("Up-to-date", "Number of nodes with the updated pod", type="integer"),
    Column("Available", "Number of nodes with an available pod", type="integer"),
    Column("Node Selector", "Node labels that the pod needs"),
    Column("Age", _AGE),
    *_WORKLOAD,
)
_CONFIG_MAP = (
    Column("Name", _NAME),
    Column("Data", "Number of data entries", type="string"),
    Column("Age", _AGE),
)
_SECRET = (
    Column("Name", _NAME),
    Column("Type", "What the data is for"),
    Column("Data", "Number of data entries"),
    Column("Age", _AGE),
)
_SERVICE = (
    Column("Name", _NAME),
    Column("Type", "How the service is exposed"),
    Column("Cluster-IP", "Its address within the cluster"),
    Column("External-IP", "Its addresses outside"),
    Column("Port(s)", "Its ports"),
    Column("Age", _AGE),
    Column("Selector", "Labels of the pods that serve it", 1),
)
COLUMNS: dict[tuple[str, str], tuple[Column, ...]] = {
    ("", "nodes"): _NODE,
    ("", "pods"): _POD,
    ("", "configmaps"): _CONFIG_MAP,
    ("", "secrets"): _SECRET,
    ("", "services"): _SERVICE,
    ("apps", "daemonsets"): _DAEMON_SET,
    ("apps", "deployments"): _DEPLOYMENT,
    ("", ""): (Column("Name", _NAME), Column("Created At", _AGE, type="date")),
}
