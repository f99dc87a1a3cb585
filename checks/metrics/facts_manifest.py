"""Whether K3s was told to leave the Deployment of its own metrics-server alone (k3s: pkg/deploy/controller.go)."""

from __future__ import annotations

from dataclasses import dataclass

from kedoctor.api import FileMetadata, Host, Reason, Unavailable, fact
from kedoctor.checks.facts.cloud.apiserver_flags import ApiserverArguments

__all__ = ["SKIP", "MetricsManifest"]

SKIP = "server/manifests/metrics-server/metrics-server-deployment.yaml.skip"
"""Below K3s' data directory: a file of this name makes K3s leave out the manifest without the ending."""


@dataclass(frozen=True, slots=True)
class MetricsManifest:
    """The file that makes this K3s server leave the Deployment as it is, and whether it is there."""

    path: str
    left_out: bool


@fact
def metrics_manifest(
    host: Host, arguments: ApiserverArguments | Unavailable
) -> MetricsManifest | Unavailable:
    """Of a K3s server; absent on every other host."""
    if isinstance(arguments, Unavailable):
        return arguments
    if not arguments.is_k3s:
        return Unavailable(Reason.ABSENT, "K3s' manifest of metrics-server", "this host is not a K3s server")
    path = f"{arguments.data_directory}/{SKIP}"
    found = host.stat(path)
    if isinstance(found, Unavailable) and found.reason is not Reason.ABSENT:
        return found
    return MetricsManifest(path, isinstance(found, FileMetadata))
