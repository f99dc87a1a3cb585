"""Faults of the cloud side: API server, diversion, cloudcore, metrics-server."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from fault import Fault, fault
from faults_edge import edge_dial, hub_dial
from faulty_site import CLOUD, FaultySite

from kedoctor.base.records import replace
from kedoctor.evidence.replay import ReplaySource, open_bundle
from kedoctor.model.observations.apiserver import ListObjects

__all__ = ["CLOUD_FAULTS"]

CLOUD_FAULTS: list[Fault] = []
NOBODY = "10.99.0.77"
JUMP = '-A OUTPUT -m comment --comment "kubeedge tunnel port" -j TUNNEL-PORT\n'


def rule(site: FaultySite) -> str:
    """What iptables-manager wrote for the port that cloudcore took."""
    return f"-A TUNNEL-PORT -p tcp -m tcp --dport {site.tunnel_port} -j DNAT --to-destination {CLOUD}:10003\n"


# ----------------------------------------------------------------------------------------------------------- API server


@fault(CLOUD_FAULTS, "KE801", "api")
def k3s_egress_selector(site: FaultySite) -> None:
    """K3s without ``egress-selector-mode: disabled`` (facts.md §8.5); it trusts kubelets here, or KE802 would say so."""
    site.k3s = True
    site.cloud.absent("/etc/rancher/k3s/config.yaml")
    site.cloud.found["/etc/rancher/k3s/config.yaml.d/*"] = ()


@fault(CLOUD_FAULTS, "KE311", "address", waits=True)
def hostname_first(site: FaultySite) -> None:
    """kube-apiserver asks for edges by name, which nothing resolves (facts.md §3.1, §10 (57))."""
    _apiserver_flag(site, "--kubelet-preferred-address-types=Hostname,InternalIP")
    site.cloud.files["/etc/hosts"] = b"127.0.0.1 localhost cloud\n"
    site.cloud.files["/etc/resolv.conf"] = b""


def _apiserver_flag(site: FaultySite, flag: str) -> None:
    site.apiserver_flags.append(flag)


@fault(CLOUD_FAULTS, "KE301", "address")
def kubelet_port_wrong(site: FaultySite) -> None:
    """edge1's Node was made by hand and has 10250; its tunnel is up (facts.md §10 (8))."""

    def moved(node: Any) -> Any:
        endpoint = replace(node.status.daemon_endpoints.kubelet_endpoint, port=10250)
        endpoints = replace(node.status.daemon_endpoints, kubelet_endpoint=endpoint)
        return replace(node, status=replace(node.status, daemon_endpoints=endpoints))

    site.change("Node", "edge1", moved)


# ------------------------------------------------------------------------------------------------------------ diversion


@fault(CLOUD_FAULTS, "KE307", "diversion")
def manager_missing(site: FaultySite) -> None:
    """A nodeSelector keeps iptables-manager off the cloud host; its chain is gone (testbed.md case d)."""
    site.change("Pod", "cloud-iptables-manager", None)
    site.change(
        "DaemonSet",
        "cloud-iptables-manager",
        lambda one: replace(one, status=replace(one.status, desired_number_scheduled=0, number_ready=0)),
    )
    site.cloud.processes = [one for one in site.cloud.processes if one.name != "iptables-manage"]
    site.change_rules(rule(site), "")


@fault(CLOUD_FAULTS, "KE304", "diversion")
def wrong_dnat_target(site: FaultySite) -> None:
    """A hand-made rule in front leads to cloudcore's tunnel port instead of its stream port (testbed.md case e)."""
    own = f"-A OUTPUT -p tcp -m tcp --dport {site.tunnel_port} -j DNAT --to-destination {CLOUD}:10004\n"
    site.change_rules(JUMP, own + JUMP)


@fault(CLOUD_FAULTS, "KE302", "diversion")
def tunnelport_record_broken(site: FaultySite) -> None:
    """The record of tunnel ports cannot be read; the manager found no port any more (facts.md §3.3)."""
    site.change(
        "ConfigMap",
        "tunnelport",
        lambda one: replace(
            one,
            metadata=replace(
                one.metadata, annotations=replace(one.metadata.annotations, tunnel_port_record="{")
            ),
        ),
    )
    site.change_rules(rule(site), "")


@fault(CLOUD_FAULTS, "KE302", "diversion")
def record_names_nobody(site: FaultySite) -> None:
    """Somebody wrote the address of a host without a cloudcore into the record; the manager made its rule of it."""
    site.change(
        "ConfigMap",
        "tunnelport",
        lambda one: replace(
            one,
            metadata=replace(
                one.metadata,
                annotations=replace(
                    one.metadata.annotations,
                    tunnel_port_record=(one.metadata.annotations.tunnel_port_record or "").replace(
                        CLOUD, NOBODY
                    ),
                ),
            ),
        ),
    )
    site.change_rules(rule(site), rule(site).replace(CLOUD, NOBODY))


@fault(CLOUD_FAULTS, "KE310", "diversion")
def foreign_redirect(site: FaultySite) -> None:
    """A service mesh catches everything before TUNNEL-PORT does (corpus)."""
    site.change_rules(JUMP, "-A OUTPUT -p tcp -j EDGE-MESH\n" + JUMP)
    site.change_rules(":TUNNEL-PORT", ":EDGE-MESH - [0:0]\n:TUNNEL-PORT")
    to_mesh = "-A EDGE-MESH -p tcp -j DNAT --to-destination 127.0.0.1:15001\n"
    site.change_rules(rule(site), to_mesh + rule(site))
    site.metrics.scrapes = False


@fault(CLOUD_FAULTS, "KE305", "diversion", waits=True)
def stale_rule(site: FaultySite) -> None:
    """The document's rule for 10350, beside the manager's (facts.md §9 (10))."""
    own = f"-A OUTPUT -p tcp -m tcp --dport 10350 -j DNAT --to-destination {CLOUD}:10003\n"
    site.change_rules(JUMP, own + JUMP)


@fault(CLOUD_FAULTS, "KE107", "diversion", waits=True)
def manager_internal_too(site: FaultySite) -> None:
    """A partial ConfigMap flips the mode to internal beside the DaemonSet (facts.md §10 (18))."""
    site.cloudcore("modules.iptablesManager.mode", "internal")


# --------------------------------------------------------------------------------------------------------------- stream


@fault(CLOUD_FAULTS, "KE101", "stream")
def cloudstream_off(site: FaultySite) -> None:
    """cloudStream is false and cloudcore was started anew (testbed.md case c)."""
    site.cloudcore("modules.cloudStream.enable", False)
    site.stream_down.add("cloudStream is off")
    site.restarted = True
    edge_dial(site, f"dial tcp {CLOUD}:10004: connect: connection refused")


@fault(CLOUD_FAULTS, "KE105", "stream")
def cloudcore_not_ready(site: FaultySite) -> None:
    """cloudcore's pod waits and nothing runs (facts.md §10 (36, 37))."""

    def pending(pod: Any) -> Any:
        waiting = replace(pod.status.container_statuses[0], ready=False)
        state = type(waiting.state)(waiting=_waiting("CrashLoopBackOff"))
        status = replace(
            pod.status,
            container_statuses=(replace(waiting, state=state, restart_count=7),),
            conditions=tuple(
                replace(one, status="False") if one.type in ("Ready", "ContainersReady") else one
                for one in pod.status.conditions or ()
            ),
        )
        return replace(pod, status=status)

    site.change("Pod", "cloudcore-", pending)
    site.change(
        "Deployment", "cloudcore", lambda one: replace(one, status=replace(one.status, ready_replicas=0))
    )
    site.cloudcore_down.add("it crashes")
    edge_dial(site, f"dial tcp {CLOUD}:10004: connect: connection refused")
    hub_dial(site, f"dial tcp {CLOUD}:10000: connect: connection refused")


def _waiting(reason: str) -> Any:
    from kedoctor.checks.parsers.kubernetes.workloads import Waiting  # noqa: PLC0415  only once the checks are loaded

    return Waiting(reason=reason, message="back-off 5m0s restarting failed container")


@fault(CLOUD_FAULTS, "KE406", "stream")
def stream_cert_expired(site: FaultySite) -> None:
    """The stream certificate of f2, under a kube-apiserver that verifies kubelets with that CA (testbed.md case f2)."""
    pair = _expired_stream()
    site.secret("cloudcore", stream_crt=pair["stream.crt"], streamCA_crt=pair["streamCA.crt"])
    _verifying(site, pair["streamCA.crt"])


@fault(CLOUD_FAULTS, "KE802", "stream")
def stream_cert_untrusted(site: FaultySite) -> None:
    """kube-apiserver verifies kubelets by a CA that did not sign the stream certificate (facts.md §8.5)."""
    _verifying(site, site.edge.content("/etc/kubeedge/ca/rootCA.crt"))


def _verifying(site: FaultySite, ca: bytes) -> None:
    path = "/etc/kubernetes/pki/kubelet-ca.crt"
    _apiserver_flag(site, f"--kubelet-certificate-authority={path}")
    site.cloud.files[path] = ca


def _expired_stream() -> dict[str, bytes]:
    bundle = Path(__file__).parent / "fixtures" / "f2-stream-cert-expired" / "cloud.tgz"
    secrets = ReplaySource(open_bundle(bundle)).observe(ListObjects("Secret", "kubeedge"))
    data = next(one.data for one in secrets if one.metadata.name == "cloudcore")
    return {key: base64.b64decode(data[key]) for key in ("stream.crt", "streamCA.crt")}


@fault(CLOUD_FAULTS, "KE102", "diversion")
def stream_port_moved(site: FaultySite) -> None:
    """cloudcore serves streams on 10013, the manager still leads to 10003 (facts.md §10 (19))."""
    site.cloudcore("modules.cloudStream.streamPort", 10013)
    site.cloud.sockets = [
        replace(one, local_port=10013) if one.state == "LISTEN" and one.local_port == 10003 else one
        for one in site.cloud.sockets
    ]
    site.metrics.scrapes = False


@fault(CLOUD_FAULTS, "KE108", "stream")
def stream_secret_incomplete(site: FaultySite) -> None:
    """The Secret lacks stream.crt: the pod never starts (facts.md §10 (38))."""
    site.secret("cloudcore", stream_crt=None)
    cloudcore_not_ready(site)


@fault(CLOUD_FAULTS, "KE103", "stream")
def cloudcore_config_refused(site: FaultySite) -> None:
    """iptablesManager.mode has no valid value, on which cloudcore exits (facts.md §1.2)."""
    site.cloudcore("modules.iptablesManager.mode", "extern")
    cloudcore_not_ready(site)


@fault(CLOUD_FAULTS, "KE113", "stream")
def cloudcore_rights_missing(site: FaultySite) -> None:
    """cloudcore may no longer write the status of Nodes, as its log says (facts.md §1.3)."""
    site.pod_says(
        "cloudcore",
        "E",
        "tunnelserver.go:231",
        "Failed to update node KubeletEndpoint Port, node: edge1, tunnelPort: 10358, err: nodes "
        '"edge1" is forbidden: User "system:serviceaccount:kubeedge:cloudcore" cannot update resource "nodes/status" '
        'in API group ""',
    )


@fault(CLOUD_FAULTS, "KE114", "link")
def impersonation_forbidden(site: FaultySite) -> None:
    """cloudHub.authorization acts in the name of Nodes, which cloudcore's account may not (facts.md §11.9)."""
    site.cloudcore("modules.cloudHub.authorization", {"enable": True, "debug": False})
    site.cloudcore_denied |= {"impersonate users", "impersonate groups"}
    site.silenced = True


# -------------------------------------------------------------------------------------------------------------- metrics


@fault(CLOUD_FAULTS, "KE601", "apiservice")
def apiservice_missing(site: FaultySite) -> None:
    """The registration is gone: kubectl top knows no metrics API (facts.md §8.3)."""
    site.change("APIService", "v1beta1.metrics", None)
    site.change("NodeMetrics", "", None)


@fault(CLOUD_FAULTS, "KE602", "metrics-server")
def metrics_server_at_zero(site: FaultySite) -> None:
    """Scaled to 0 (testbed.md case m)."""
    site.change("Pod", "metrics-server", None)
    site.change(
        "Deployment",
        "metrics-server",
        lambda one: replace(one, spec=replace(one.spec, replicas=0), status=type(one.status)()),
    )
    site.cloud.close(port=4443, listening=True)
    site.cloud.close(port=4443)
    site.cloud.processes = [one for one in site.cloud.processes if one.name != "metrics-server"]
    site.metrics.runs = False


@fault(CLOUD_FAULTS, "KE603", "metrics-server")
def metrics_args_missing(site: FaultySite) -> None:
    """Without --kubelet-use-node-status-port it dials every edge at 10250 (facts.md §10 (55))."""

    def without(spec: Any) -> Any:
        container = spec.containers[0]
        args = tuple(one for one in container.args if "use-node-status-port" not in one)
        return replace(spec, containers=(replace(container, args=args),))

    def template(one: Any) -> Any:
        return replace(
            one,
            spec=replace(one.spec, template=replace(one.spec.template, spec=without(one.spec.template.spec))),
        )

    site.change("Pod", "metrics-server", lambda pod: replace(pod, spec=without(pod.spec)))
    site.change("Deployment", "metrics-server", template)
    site.metrics.scrapes = False


@fault(CLOUD_FAULTS, "KE604", "metrics-server")
def metrics_server_on_an_edge(site: FaultySite) -> None:
    """It was scheduled to edge2, which reaches no other edge (facts.md §10 (54))."""
    site.change("Pod", "metrics-server", lambda pod: replace(pod, spec=replace(pod.spec, node_name="edge2")))
    site.metrics.scrapes = False
