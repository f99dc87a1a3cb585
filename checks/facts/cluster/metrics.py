"""The metrics API: its registration, metrics-server behind it, and the last sample of each node."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from kedoctor.api import Cluster, Reason, Unavailable, fact, require
from kedoctor.checks.facts.cluster.nodes import EdgeNodes
from kedoctor.checks.facts.cluster.site_info import SiteTime
from kedoctor.checks.parsers.kubernetes import (
    APIService,
    ClusterRole,
    ClusterRoleBinding,
    Container,
    Deployment,
    NodeMetrics,
    Pod,
    PodMetrics,
    PodSpec,
    RoleBinding,
    Service,
    ServiceAccount,
)
from kedoctor.checks.parsers.kubernetes.flags import duration, flags
from kedoctor.checks.parsers.kubernetes.pod_health import is_ready, running_since, selector_of

__all__ = [
    "API_SERVICE",
    "MetricsAccess",
    "MetricsRegistration",
    "MetricsServer",
    "NodeSamples",
    "PodSamples",
    "WorkingDiversion",
]

API_SERVICE = "v1beta1.metrics.k8s.io"
_LABEL = "k8s-app=metrics-server"  # upstream's manifest and K3s
_HELM_LABEL = "app.kubernetes.io/name=metrics-server"
_DEFAULT_RESOLUTION = timedelta(seconds=60)
_REMADE = "controller-revision-hash"  # on pods of a DaemonSet or StatefulSet, which makes them again
_FEW_EDGES = 200


@dataclass(frozen=True, slots=True)
class MetricsRegistration:
    """The APIService of the metrics API; ``None`` when nobody registered it."""

    service: APIService | None

    @property
    def backend(self) -> tuple[str, str]:
        """Namespace and name of the Service that answers; metrics-server's usual ones when none is registered."""
        reference = self.service.spec.service if self.service else None
        return (reference.namespace, reference.name) if reference else ("kube-system", "metrics-server")


@dataclass(frozen=True, slots=True)
class MetricsServer:
    """What stands behind the metrics API. Parts that could not be read are :class:`Unavailable`.

    ``registered`` is whether there is an APIService; ``service`` is ``None`` when it does not exist, ``deployment``
    likewise.
    """

    registered: bool
    namespace: str
    service_name: str
    service: Service | Unavailable | None
    deployment: Deployment | Unavailable | None
    pods: tuple[Pod, ...] | Unavailable

    @property
    def installed(self) -> bool:
        """Whether any workload of it was seen that stays."""
        return isinstance(self.deployment, Deployment) or bool(self.staying)

    @property
    def live_pods(self) -> tuple[Pod, ...]:
        """Its pods, none when they could not be read."""
        return () if isinstance(self.pods, Unavailable) else self.pods

    @property
    def staying(self) -> tuple[Pod, ...]:
        """Its pods that are not being deleted; one that is may answer for half a minute, and nothing comes after it.

        A pod that a DaemonSet or StatefulSet makes again stays in this sense, too.
        """
        return tuple(pod for pod in self.live_pods if _stays(pod))

    @property
    def ending(self) -> bool:
        """Whether its pods are all being deleted and its Deployment makes no others, or there is none."""
        deployment = self.deployment
        wanted = not isinstance(deployment, Deployment) or deployment.spec.replicas != 0
        if isinstance(deployment, Unavailable) or (deployment is not None and wanted):
            return False
        return not self.staying

    @property
    def is_metrics_server(self) -> bool:
        """Whether it is metrics-server, and not another program that serves this API (prometheus-adapter …)."""
        container = self.container
        return "metrics-server" in (container.image if container else self.service_name)

    @property
    def spec(self) -> PodSpec | None:
        """What its pods are to be: from the Deployment; without one from a pod."""
        if isinstance(self.deployment, Deployment):
            return self.deployment.spec.template.spec
        return self.live_pods[0].spec if self.live_pods else None

    @property
    def container(self) -> Container | None:
        """Its container; beside others (nanny), the one whose image is metrics-server's."""
        containers = self.spec.containers if self.spec else ()
        own = [one for one in containers if "metrics-server" in one.image]
        return next(iter(own or containers), None)

    @property
    def arguments(self) -> Mapping[str, str]:
        """Its flags by name."""
        container = self.container
        return flags((*(container.command or ()), *(container.args or ())) if container else ())

    @property
    def version(self) -> tuple[int, int] | None:
        """Major and minor version by its image's tag."""
        tag = self.container.image.rpartition(":")[2].lstrip("v") if self.container else ""
        parts = tag.split(".")
        return (
            (int(parts[0]), int(parts[1]))
            if len(parts) > 1 and parts[0].isdecimal() and parts[1].isdecimal()
            else None
        )

    @property
    def resolution(self) -> timedelta:
        """How often it scrapes (60 s unless its flag says otherwise, facts.md §8.2)."""
        return duration(self.arguments.get("metric-resolution", "")) or _DEFAULT_RESOLUTION

    @property
    def nodes(self) -> tuple[str, ...]:
        """The nodes its pods are on, those that are being deleted as well."""
        return tuple(sorted({pod.spec.node_name for pod in self.live_pods if pod.spec.node_name}))


def _stays(pod: Pod) -> bool:
    return pod.metadata.deletion_timestamp is None or _REMADE in pod.metadata.labels


@dataclass(frozen=True, slots=True)
class MetricsAccess:
    """Accounts, roles and bindings around metrics-server."""

    accounts: tuple[ServiceAccount, ...]
    cluster_roles: tuple[ClusterRole, ...]
    cluster_role_bindings: tuple[ClusterRoleBinding, ...]
    role_bindings: tuple[RoleBinding, ...]


@dataclass(frozen=True, slots=True)
class NodeSamples:
    """The end of each node's last sample, by node name, as the metrics API gives it (by the node's own clock).

    A sample is fresh for ``limit``: three scrapes of metrics-server and a minute.
    """

    ends: Mapping[str, datetime]
    now: datetime
    limit: timedelta

    def age(self, node: str) -> timedelta | None:
        """How old the sample of a node is; ``None``: there is none."""
        end = self.ends.get(node)
        return None if end is None else self.now - end

    def fresh(self, node: str) -> bool:
        """Whether there is a sample and it is recent."""
        age = self.age(node)
        return age is not None and age <= self.limit

    @property
    def newest(self) -> datetime | None:
        """The newest of all."""
        return max(self.ends.values(), default=None)


@dataclass(frozen=True, slots=True)
class PodSamples:
    """Pods on edges that have run long enough and have no metrics, as ``namespace/name`` by node name."""

    missing: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WorkingDiversion:
    """Nodes whose requests for edges are known to arrive, whoever diverts them there.

    It is known of a node when metrics-server runs there (and nowhere else) and has a fresh sample of an edge.
    ``edges`` are those with a fresh sample: their tunnel and cloudcore's stream server work.
    """

    nodes: frozenset[str] = frozenset()
    edges: frozenset[str] = frozenset()


@fact
def metrics_registration(cluster: Cluster) -> MetricsRegistration:
    """The APIService ``v1beta1.metrics.k8s.io``."""
    found = require(cluster.list(APIService, field_selector=f"metadata.name={API_SERVICE}"))
    return MetricsRegistration(next(iter(found), None))


@fact
def metrics_server(cluster: Cluster, registration: MetricsRegistration) -> MetricsServer:
    """Service, Deployment and pods behind the registration."""
    namespace, name = registration.backend
    services = cluster.list(Service, namespace=namespace, field_selector=f"metadata.name={name}")
    service = services if isinstance(services, Unavailable) else next(iter(services), None)
    selector = selector_of(service.spec.selector) if isinstance(service, Service) else ""
    pods = cluster.list(Pod, namespace=namespace, label_selector=selector or _LABEL)
    if not selector and not pods:
        pods = cluster.list(Pod, namespace=namespace, label_selector=_HELM_LABEL)
    deployment = _deployment(cluster, namespace, service)
    return MetricsServer(registration.service is not None, namespace, name, service, deployment, pods)


def _deployment(
    cluster: Cluster, namespace: str, service: Service | Unavailable | None
) -> Deployment | Unavailable | None:
    deployments = cluster.list(Deployment, namespace=namespace)
    if isinstance(deployments, Unavailable):
        return deployments
    wanted = set((service.spec.selector or {}).items()) if isinstance(service, Service) else set()
    for deployment in deployments:
        template = deployment.spec.template
        selected = bool(wanted) and wanted <= set(template.metadata.labels.items())
        if selected or any("metrics-server" in container.image for container in template.spec.containers):
            return deployment
    return None


@fact
def metrics_access(cluster: Cluster, server: MetricsServer) -> MetricsAccess:
    """Roles and bindings are judged by what they allow, because charts name them differently."""
    return MetricsAccess(
        accounts=require(cluster.list(ServiceAccount, namespace=server.namespace)),
        cluster_roles=require(cluster.list(ClusterRole)),
        cluster_role_bindings=require(cluster.list(ClusterRoleBinding)),
        role_bindings=require(cluster.list(RoleBinding, namespace="kube-system")),
    )


@fact
def node_samples(cluster: Cluster, time: SiteTime, server: MetricsServer | Unavailable) -> NodeSamples:
    """One list of all samples; unavailable when the metrics API does not answer."""
    resolution = _DEFAULT_RESOLUTION if isinstance(server, Unavailable) else server.resolution
    samples = require(cluster.list(NodeMetrics))
    ends = {sample.metadata.name: sample.timestamp for sample in samples if sample.timestamp is not None}
    return NodeSamples(ends, time.now, 3 * resolution + timedelta(minutes=1))


@fact
def pod_samples(cluster: Cluster, samples: NodeSamples, edges: EdgeNodes) -> PodSamples | Unavailable:
    """Two lists of all pods, on small sites only: where there are many edges it would read for minutes."""
    if len(edges.items) > _FEW_EDGES:
        detail = f"more than {_FEW_EDGES} edges"
        return Unavailable(Reason.TOO_LARGE, "the metrics for every pod", detail)
    sampled = {
        (one.metadata.namespace, one.metadata.name): {container.name for container in one.containers or ()}
        for one in require(cluster.list(PodMetrics))
    }
    names, missing = frozenset(edges.names), dict[str, tuple[str, ...]]()
    for pod in require(cluster.list(Pod)):
        start = running_since(pod)
        settled = is_ready(pod) and start is not None and samples.now - start > samples.limit
        if pod.spec.node_name not in names or not settled:
            continue
        figures = sampled.get((pod.metadata.namespace, pod.metadata.name), set())
        if not {container.name for container in pod.spec.containers} <= figures:
            mine = missing.get(pod.spec.node_name, ())
            missing[pod.spec.node_name] = (*mine, f"{pod.metadata.namespace}/{pod.metadata.name}")
    return PodSamples(missing)


@fact
def working_diversion(
    samples: NodeSamples | Unavailable, server: MetricsServer | Unavailable, edges: EdgeNodes | Unavailable
) -> WorkingDiversion:
    """What fresh samples of edges prove about the host of metrics-server."""
    if isinstance(samples, Unavailable) or isinstance(server, Unavailable) or isinstance(edges, Unavailable):
        return WorkingDiversion()
    through = (node.name for node in edges.items if not node.runs_foreign_kubelet)
    arrived = frozenset(name for name in through if samples.fresh(name))
    certain = bool(arrived) and len(server.nodes) == 1
    return WorkingDiversion(frozenset(server.nodes) if certain else frozenset(), arrived)
