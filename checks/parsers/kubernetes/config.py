"""Configuration and networking: ConfigMaps, Secrets, Services and what is behind them."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from kedoctor.api import Fields, Object, field
from kedoctor.checks.parsers.kubernetes.common import Labels, ManagedFields, Metadata

__all__ = [
    "ConfigMap",
    "ConfigMapAnnotations",
    "ConfigMapMetadata",
    "Endpoint",
    "EndpointAddress",
    "EndpointConditions",
    "EndpointPort",
    "EndpointSlice",
    "EndpointSubset",
    "Endpoints",
    "Secret",
    "Service",
    "ServicePort",
    "ServiceSpec",
]


class ConfigMapAnnotations(Fields, frozen=True):
    """The annotations of a ConfigMap that are judged (facts.md §3.3)."""

    tunnel_port_record: str | None = field(default=None, name="tunnelportrecord.kubeedge.io")


class ConfigMapMetadata(Fields, frozen=True):
    """The metadata of a ConfigMap, with who wrote what and when."""

    name: str = ""
    namespace: str = ""
    resource_version: str = ""
    labels: Labels = field(default_factory=dict)
    annotations: ConfigMapAnnotations = ConfigMapAnnotations()
    creation_timestamp: datetime | None = None
    managed_fields: tuple[ManagedFields, ...] | None = None


class ConfigMap(Object, frozen=True):
    """A ConfigMap."""

    plural: ClassVar[str] = "configmaps"

    metadata: ConfigMapMetadata = ConfigMapMetadata()
    data: dict[str, str] | None = None


class Secret(Object, frozen=True):
    """A Secret; values are base64, as the API server sends them."""

    plural: ClassVar[str] = "secrets"

    metadata: Metadata = Metadata()
    type: str = ""
    data: dict[str, str] | None = None


class ServicePort(Fields, frozen=True):
    """A port of a Service."""

    name: str = ""
    port: int = 0
    protocol: str = "TCP"
    target_port: int | str = 0
    node_port: int = 0


class ServiceSpec(Fields, frozen=True):
    """What a Service leads to."""

    type: str = "ClusterIP"
    cluster_ip: str = field(default="", name="clusterIP")
    ports: tuple[ServicePort, ...] | None = None
    selector: Labels | None = None


class Service(Object, frozen=True):
    """A Service."""

    plural: ClassVar[str] = "services"

    metadata: Metadata = Metadata()
    spec: ServiceSpec = ServiceSpec()


class EndpointAddress(Fields, frozen=True):
    """One address behind a Service."""

    ip: str = ""
    node_name: str | None = None


class EndpointPort(Fields, frozen=True):
    """One port behind a Service."""

    name: str | None = None
    port: int | None = None


class EndpointSubset(Fields, frozen=True):
    """Addresses with the same ports."""

    addresses: tuple[EndpointAddress, ...] | None = None
    ports: tuple[EndpointPort, ...] | None = None


class Endpoints(Object, frozen=True):
    """The addresses behind a Service, in the old form."""

    plural: ClassVar[str] = "endpoints"

    metadata: Metadata = Metadata()
    subsets: tuple[EndpointSubset, ...] | None = None


class EndpointConditions(Fields, frozen=True):
    """Whether an endpoint takes traffic; ``None`` means it is unknown and counts as ready."""

    ready: bool | None = None


class Endpoint(Fields, frozen=True):
    """One endpoint of a slice."""

    addresses: tuple[str, ...] | None = None
    conditions: EndpointConditions = EndpointConditions()
    node_name: str | None = None


class EndpointSlice(Object, frozen=True):
    """Addresses behind a Service; the label ``kubernetes.io/service-name`` names the Service."""

    api: ClassVar[str] = "discovery.k8s.io/v1"
    plural: ClassVar[str] = "endpointslices"

    metadata: Metadata = Metadata()
    endpoints: tuple[Endpoint, ...] | None = None
    ports: tuple[EndpointPort, ...] | None = None
