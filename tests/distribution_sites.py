"""The recorded site under other distributions: RKE2 and MicroK8s (facts.md §12.3, §12.4).

RKE2's kube-apiserver is a static pod whose process shows its flags, with everything in ``/var/lib/rancher/rke2``; MicroK8s has
it in kubelite, which reads its flags from a file of the snap.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from faults_cloud import rule
from faulty_site import NOW, FaultySite

from kedoctor.base.records import replace
from kedoctor.model.observations.processes import Process

__all__ = ["DISTRIBUTION_FAULTS", "DistributionFault", "microk8s", "rke2"]

EGRESS = "/var/lib/rancher/rke2/server/etc/egress-selector-config.yaml"
ARGS = "/var/snap/microk8s/8612/args/kube-apiserver"
_STARTED = NOW - timedelta(days=2)
_TLS = "/var/lib/rancher/rke2/server/tls"
_RKE2_FLAGS = (
    "--advertise-address=10.99.0.1",
    f"--client-ca-file={_TLS}/client-ca.crt",
    f"--egress-selector-config-file={EGRESS}",
    f"--etcd-certfile={_TLS}/etcd/client.crt",
    f"--kubelet-client-certificate={_TLS}/client-kube-apiserver.crt",
    "--kubelet-preferred-address-types=InternalIP,ExternalIP,Hostname",
    f"--tls-cert-file={_TLS}/serving-kube-apiserver.crt",
)
_KUBELITE = (
    "/snap/microk8s/8612/kubelite",
    "--kubelet-args-file=/var/snap/microk8s/8612/args/kubelet",
    f"--apiserver-args-file={ARGS}",
    "--start-control-plane=true",
)
_MICROK8S_FLAGS = """--cert-dir=${SNAP_DATA}/certs
--tls-cert-file=${SNAP_DATA}/certs/server.crt
--kubelet-client-certificate=${SNAP_DATA}/certs/server.crt
--secure-port=16443
--etcd-servers="unix://${SNAP_DATA}/var/kubernetes/backend/kine.sock:12379"

# Enable the aggregation layer
--requestheader-allowed-names=front-proxy-client
"""
_BY_ADDRESS = "--kubelet-preferred-address-types=InternalIP,ExternalIP,Hostname\n"


def rke2(site: FaultySite, protocol: str = "Direct", authority: str = "") -> None:
    """kube-apiserver is RKE2's, with what KubeEdge needs: no egress selector, no verification of kubelets."""
    flags = (*_RKE2_FLAGS, f"--kubelet-certificate-authority={authority}")
    site.cloud.processes = [one for one in site.cloud.processes if one.name != "kube-apiserver"]
    site.cloud.processes.append(
        Process(57, 1, "kube-apiserver", ("kube-apiserver", *flags), started=_STARTED)
    )
    site.cloud.processes.append(Process(40, 1, "rke2", ("/usr/local/bin/rke2 server",), started=_STARTED))
    connection: dict[str, Any] = {"proxyProtocol": protocol}
    if protocol != "Direct":
        connection["transport"] = {"tcp": {"url": "https://127.0.0.1:9345"}}
    chosen = [{"name": "cluster", "connection": connection}]
    document = {"kind": "EgressSelectorConfiguration", "egressSelections": chosen}
    site.cloud.files[EGRESS] = json.dumps(document).encode()


def microk8s(site: FaultySite, more: str = _BY_ADDRESS) -> None:
    """kube-apiserver is in kubelite; ``more`` are lines of its file of flags."""
    site.cloud.processes = [one for one in site.cloud.processes if one.name != "kube-apiserver"]
    site.cloud.processes.append(Process(57, 1, "kubelite", _KUBELITE, started=_STARTED))
    site.cloud.files[ARGS] = (_MICROK8S_FLAGS + more).encode()

    def labelled(node: Any) -> Any:
        labels = replace(node.metadata.labels, microk8s="true")
        return replace(node, metadata=replace(node.metadata, labels=labels))

    site.change("Node", "cloud", labelled)


@dataclass(frozen=True, slots=True)
class DistributionFault:
    """One fault: the site, and the only cause; ``told`` stands in what is said of it, ``command`` among what a person types."""

    name: str
    code: str
    inject: Callable[[FaultySite], None]
    told: str
    command: str
    waits: bool = False


def _rke2_tunnel(site: FaultySite) -> None:
    rke2(site, "HTTPConnect")


def _rke2_verifies(site: FaultySite) -> None:
    path = f"{_TLS}/server-ca.crt"
    rke2(site, authority=path)
    site.cloud.files[path] = site.edge.content("/etc/kubeedge/ca/rootCA.crt")


def _rke2_no_rule(site: FaultySite) -> None:
    rke2(site)
    site.change_rules(rule(site), "")


def _microk8s_verifies(site: FaultySite) -> None:
    microk8s(site, _BY_ADDRESS + "--kubelet-certificate-authority=${SNAP_DATA}/certs/ca.crt\n")
    site.cloud.files["/var/snap/microk8s/8612/certs/ca.crt"] = site.edge.content(
        "/etc/kubeedge/ca/rootCA.crt"
    )


def _microk8s_by_name(site: FaultySite) -> None:
    microk8s(site, "")
    site.cloud.files["/etc/hosts"] = b"127.0.0.1 localhost cloud\n"
    site.cloud.files["/etc/resolv.conf"] = b""


def _microk8s_no_rule(site: FaultySite) -> None:
    microk8s(site)
    site.change_rules(rule(site), "")


DISTRIBUTION_FAULTS = (
    DistributionFault("rke2-tunnel", "KE801", _rke2_tunnel, "RKE2's own tunnel", "restart rke2-server"),
    DistributionFault(
        "rke2-verifies", "KE802", _rke2_verifies, f"against {_TLS}/server-ca.crt", "rke2/config.yaml.d"
    ),
    DistributionFault("rke2-no-rule", "KE303", _rke2_no_rule, "No rule on this host", "iptables-nft-save"),
    DistributionFault(
        "microk8s-verifies",
        "KE802",
        _microk8s_verifies,
        "against /var/snap/microk8s/8612/certs/ca.crt",
        "snap restart microk8s.daemon-kubelite",
    ),
    DistributionFault(
        "microk8s-by-name", "KE311", _microk8s_by_name, "by host name first", "getent hosts", waits=True
    ),
    DistributionFault(
        "microk8s-no-rule", "KE303", _microk8s_no_rule, "No rule on this host", "iptables-nft-save"
    ),
)
