"""Which resources the server knows, and what is particular to each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_FLAGS = {
    "status",
    "scale",
    "generation",
    "custom",
    "strict-update",
    "upsert",
    "returns",
    "virtual",
    "readonly",
}


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource of the API.

    ``flags``: ``status`` and ``scale`` (subresources), ``generation`` (counts changes of the spec), ``custom`` (from a
    CustomResourceDefinition), ``strict-update`` (an update must name a resourceVersion), ``upsert`` (PUT creates),
    ``returns`` (DELETE answers the object instead of a Status), ``virtual`` (served by an aggregated server: no
    versions, read only).
    """

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool
    short: tuple[str, ...] = ()
    flags: frozenset[str] = frozenset()

    @property
    def api_version(self) -> str:
        """``v1`` or ``group/version``."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """``configmaps`` or ``deployments.apps``, as messages name it."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def table(self) -> tuple[str, str]:
        """Where its objects are kept: all versions of a resource share them."""
        return self.group, self.plural

    def has(self, flag: str) -> bool:
        """Whether the resource has that particularity."""
        return flag in self.flags


# group/version | resources, one a line: plural Kind scope(N namespaced, C cluster) short-names(- none) flags...
_BUILT_IN = """
v1
 bindings Binding N -
 configmaps ConfigMap N cm
 endpoints Endpoints N ep upsert
 events Event N ev upsert
 limitranges LimitRange N limits
 namespaces Namespace C ns status
 nodes Node C no status
 persistentvolumeclaims PersistentVolumeClaim N pvc status returns
 persistentvolumes PersistentVolume C pv status returns
 pods Pod N po status returns
 replicationcontrollers ReplicationController N rc status scale generation
 resourcequotas ResourceQuota N quota status returns
 secrets Secret N -
 serviceaccounts ServiceAccount N sa returns
 services Service N svc status returns
apiregistration.k8s.io/v1
 apiservices APIService C - status strict-update
apps/v1
 controllerrevisions ControllerRevision N - strict-update
 daemonsets DaemonSet N ds status generation
 deployments Deployment N deploy status scale generation
 replicasets ReplicaSet N rs status scale generation
 statefulsets StatefulSet N sts status scale generation
events.k8s.io/v1
 events Event N ev upsert
authentication.k8s.io/v1
authorization.k8s.io/v1
autoscaling/v2
 horizontalpodautoscalers HorizontalPodAutoscaler N hpa status
autoscaling/v1
 horizontalpodautoscalers HorizontalPodAutoscaler N hpa status
batch/v1
 cronjobs CronJob N cj status generation
 jobs Job N - status generation
certificates.k8s.io/v1
 certificatesigningrequests CertificateSigningRequest C csr status
networking.k8s.io/v1
 ingresses Ingress N ing status generation
 networkpolicies NetworkPolicy N netpol generation
policy/v1
 poddisruptionbudgets PodDisruptionBudget N pdb status generation
rbac.authorization.k8s.io/v1
 clusterrolebindings ClusterRoleBinding C -
 clusterroles ClusterRole C -
 rolebindings RoleBinding N -
 roles Role N -
storage.k8s.io/v1
 storageclasses StorageClass C sc returns
admissionregistration.k8s.io/v1
 mutatingwebhookconfigurations MutatingWebhookConfiguration C - generation
 validatingwebhookconfigurations ValidatingWebhookConfiguration C - generation
apiextensions.k8s.io/v1
 customresourcedefinitions CustomResourceDefinition C crd status generation strict-update
scheduling.k8s.io/v1
 priorityclasses PriorityClass C pc generation
coordination.k8s.io/v1
 leases Lease N - strict-update upsert
node.k8s.io/v1
 runtimeclasses RuntimeClass C -
discovery.k8s.io/v1
 endpointslices EndpointSlice N - generation
flowcontrol.apiserver.k8s.io/v1
 flowschemas FlowSchema C - status generation
 prioritylevelconfigurations PriorityLevelConfiguration C - status generation
flowcontrol.apiserver.k8s.io/v1beta3
 flowschemas FlowSchema C - status generation
 prioritylevelconfigurations PriorityLevelConfiguration C - status generation
"""

METRICS = """
metrics.k8s.io/v1beta1
 nodes NodeMetrics C - virtual
 pods PodMetrics N - virtual
"""


class Resources:
    """The resource table of one server; custom resource definitions add to it while it runs."""

    def __init__(self, *more: str) -> None:
        self._by_path: dict[tuple[str, str, str], Resource] = {}
        self._versions: dict[str, list[str]] = {}
        for text in (_BUILT_IN, *more):
            self._read(text)

    def _read(self, text: str) -> None:
        group = version = ""
        for line in text.strip().splitlines():
            if not line.startswith(" "):
                group, _, version = line.rpartition("/")
                self._version(group, version)
                continue
            plural, kind, scope, short, *flags = line.split()
            names = () if short == "-" else tuple(short.split(","))
            given = frozenset(flags)
            if "custom" in given:
                given |= {"generation", "strict-update"}
            self.add(Resource(group, version, plural, kind, scope == "N", names, given))

    def _version(self, group: str, version: str) -> None:
        known = self._versions.setdefault(group, [])
        if version not in known:
            known.append(version)

    def add(self, resource: Resource) -> None:
        """Serve one more resource."""
        self._version(resource.group, resource.version)
        self._by_path[resource.group, resource.version, resource.plural] = resource

    def add_custom(self, definition: dict[str, Any]) -> None:
        """Serve what a CustomResourceDefinition object defines, in each served version."""
        spec = definition["spec"]
        names = spec["names"]
        for version in spec.get("versions", ()):
            if not version.get("served", True):
                continue
            flags = {"custom", "generation", "strict-update"} | set(version.get("subresources", {}))
            scope = spec.get("scope", "Namespaced") == "Namespaced"
            short = tuple(names.get("shortNames", ()))
            self.add(
                Resource(
                    spec["group"],
                    version["name"],
                    names["plural"],
                    names["kind"],
                    scope,
                    short,
                    frozenset(flags & _FLAGS),
                )
            )

    def find(self, group: str, version: str, plural: str) -> Resource | None:
        """The resource at a path, or ``None``."""
        return self._by_path.get((group, version, plural))

    def for_object(self, obj: dict[str, Any]) -> Resource:
        """The resource that an object (``apiVersion``, ``kind``) belongs to.

        Raises:
            LookupError: when no resource of that kind is served.
        """
        group, _, version = str(obj.get("apiVersion", "")).rpartition("/")
        kind = obj.get("kind")
        for resource in self._by_path.values():
            if (resource.group, resource.version, resource.kind) == (group, version, kind):
                return resource
        raise LookupError(f"no resource serves {obj.get('apiVersion')} {kind}")

    def namespaced(self) -> list[Resource]:
        """All namespaced resources that are stored here."""
        return [r for r in self._by_path.values() if r.namespaced and not r.has("virtual")]

    def groups(self) -> Iterator[tuple[str, list[str]]]:
        """Each named group with its versions, the preferred one first; the core group is not among them."""
        return ((group, versions) for group, versions in self._versions.items() if group)

    def of(self, group: str, version: str) -> list[Resource] | None:
        """The resources of a group version, or ``None`` where it is not served."""
        if version not in self._versions.get(group, ()):
            return None
        return [r for (g, v, _), r in self._by_path.items() if (g, v) == (group, version)]
