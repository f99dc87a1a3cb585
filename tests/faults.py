"""Faults that a site can have, each a change of :class:`faulty_site.FaultySite`, with the check that must name it.

``code`` is the cause to be named, ``hop`` where it lies, ``waits`` whether it breaks nothing by itself (a fault that
waits, or one that only the other end shows). What a fault does to the rest of the site is what testbed.md saw, or
what facts.md says of it; the section stands beside it.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from faulty_site import CLOUD, EDGE, NODE_PORT, NOW, FaultySite
from recorded_certificates import Described

from kedoctor import observations as o
from kedoctor.records import replace
from kedoctor.yamldoc import SetKey

__all__ = ["FAULTS", "Fault", "named"]

RULE = f"-A TUNNEL-PORT -p tcp -m tcp --dport {NODE_PORT} -j DNAT --to-destination {CLOUD}:10003\n"
CERTIFICATE, KEY, ROOT = (
    f"/etc/kubeedge/{name}" for name in ("certs/server.crt", "certs/server.key", "ca/rootCA.crt")
)
_EDGED = "modules.edged.tailoredKubeletConfig"


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault: its name, the cause that must be named, its hop, and how it is put in."""

    name: str
    code: str
    hop: str
    inject: Callable[[FaultySite], None]
    waits: bool = False

    def __repr__(self) -> str:
        return self.name


FAULTS: list[Fault] = []


def fault(
    code: str, hop: str, *, waits: bool = False
) -> Callable[[Callable[[FaultySite], None]], Callable[[FaultySite], None]]:
    def keep(inject: Callable[[FaultySite], None]) -> Callable[[FaultySite], None]:
        FAULTS.append(Fault(inject.__name__.replace("_", "-"), code, hop, inject, waits))
        return inject

    return keep


def named(name: str) -> Fault:
    """The fault of that name."""
    return next(one for one in FAULTS if one.name == name)


# ------------------------------------------------------------------------------------------------ API server


@fault("KE801", "api")
def k3s_egress_selector(site: FaultySite) -> None:
    """K3s without ``egress-selector-mode: disabled`` (facts.md §8.5); it trusts kubelets here, or KE802 would say so."""
    cloud = site.cloud
    cloud.processes = [one for one in cloud.processes if one.name != "kube-apiserver"]
    cloud.processes.append(
        o.Process(57, 1, "k3s-server", ("/usr/local/bin/k3s server",), started=NOW - timedelta(hours=1))
    )
    cloud.units["k3s.service"] = o.Unit(
        "k3s.service",
        "loaded",
        "active",
        "running",
        "enabled",
        exec_start=("/usr/local/bin/k3s", "server", "--kube-apiserver-arg=kubelet-certificate-authority="),
        fragment_path="/etc/systemd/system/k3s.service",
    )
    cloud.processes[-1] = replace(
        cloud.processes[-1],
        argv=("/usr/local/bin/k3s", "server", "--kube-apiserver-arg=kubelet-certificate-authority="),
    )
    cloud.absent("/etc/rancher/k3s/config.yaml")
    cloud.found["/etc/rancher/k3s/config.yaml.d/*"] = ()


@fault("KE311", "address")
def hostname_first(site: FaultySite) -> None:
    """kube-apiserver asks for edges by name, which nothing resolves (facts.md §3.1, §10 (57))."""
    _apiserver_flag(site, "--kubelet-preferred-address-types=Hostname,InternalIP")
    site.cloud.files["/etc/hosts"] = b"127.0.0.1 localhost cloud\n"
    site.cloud.files["/etc/resolv.conf"] = b""


def _apiserver_flag(site: FaultySite, flag: str) -> None:
    site.cloud.processes = [
        replace(one, argv=(*one.argv, flag)) if one.name == "kube-apiserver" else one
        for one in site.cloud.processes
    ]


# ------------------------------------------------------------------------------------------------ diversion


@fault("KE307", "diversion")
def manager_missing(site: FaultySite) -> None:
    """A nodeSelector keeps iptables-manager off the cloud host; its chain is gone (testbed.md d)."""
    site.change("Pod", "cloud-iptables-manager", None)
    site.change(
        "DaemonSet",
        "cloud-iptables-manager",
        lambda one: replace(one, status=replace(one.status, desired_number_scheduled=0, number_ready=0)),
    )
    site.cloud.processes = [one for one in site.cloud.processes if one.name != "iptables-manage"]
    site.legacy = site.legacy.replace(RULE, "")


@fault("KE304", "diversion")
def wrong_dnat_target(site: FaultySite) -> None:
    """A hand-made rule in front leads to cloudcore's tunnel port instead of its stream port (testbed.md e)."""
    jump = '-A OUTPUT -m comment --comment "kubeedge tunnel port" -j TUNNEL-PORT\n'
    own = f"-A OUTPUT -p tcp -m tcp --dport {NODE_PORT} -j DNAT --to-destination {CLOUD}:10004\n"
    site.legacy = site.legacy.replace(jump, own + jump)


@fault("KE302", "diversion")
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
    site.legacy = site.legacy.replace(RULE, "")


@fault("KE310", "diversion")
def foreign_redirect(site: FaultySite) -> None:
    """A service mesh catches everything before TUNNEL-PORT does (corpus)."""
    jump = '-A OUTPUT -m comment --comment "kubeedge tunnel port" -j TUNNEL-PORT\n'
    site.legacy = site.legacy.replace(jump, "-A OUTPUT -p tcp -j EDGE-MESH\n" + jump).replace(
        ":TUNNEL-PORT", ":EDGE-MESH - [0:0]\n:TUNNEL-PORT"
    )
    site.legacy = site.legacy.replace(
        RULE, "-A EDGE-MESH -p tcp -j DNAT --to-destination 127.0.0.1:15001\n" + RULE
    )
    site.metrics.scrapes = False


@fault("KE305", "diversion", waits=True)
def stale_rule(site: FaultySite) -> None:
    """The document's rule for 10350, beside the manager's (facts.md §9.10)."""
    jump = '-A OUTPUT -m comment --comment "kubeedge tunnel port" -j TUNNEL-PORT\n'
    own = f"-A OUTPUT -p tcp -m tcp --dport 10350 -j DNAT --to-destination {CLOUD}:10003\n"
    site.legacy = site.legacy.replace(jump, own + jump)


# ------------------------------------------------------------------------------------------------ stream


@fault("KE101", "stream")
def cloudstream_off(site: FaultySite) -> None:
    """cloudStream is false and cloudcore was started anew (testbed.md c)."""
    site.cloudcore("modules.cloudStream.enable", False)
    site.stream_down.add("cloudStream is off")
    site.restarted = True
    _edge_dial(site, f"dial tcp {CLOUD}:10004: connect: connection refused")


@fault("KE105", "stream")
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
    _edge_dial(site, f"dial tcp {CLOUD}:10004: connect: connection refused")
    _hub_dial(site, f"dial tcp {CLOUD}:10000: connect: connection refused")


def _waiting(reason: str) -> Any:
    from kedoctor.checks.kinds_workloads import Waiting  # noqa: PLC0415  only once the checks are loaded

    return Waiting(reason=reason, message="back-off 5m0s restarting failed container")


@fault("KE406", "stream")
def stream_cert_expired(site: FaultySite) -> None:
    """The stream certificate of f2, under a kube-apiserver that verifies kubelets with that CA (testbed.md f2)."""
    pair = _expired_stream()
    site.secret("cloudcore", stream_crt=pair["stream.crt"], streamCA_crt=pair["streamCA.crt"])
    _verifying(site, pair["streamCA.crt"])


@fault("KE802", "stream")
def stream_cert_untrusted(site: FaultySite) -> None:
    """kube-apiserver verifies kubelets by a CA that did not sign the stream certificate (facts.md §8.5)."""
    _verifying(site, site.edge.content(ROOT))


def _verifying(site: FaultySite, ca: bytes) -> None:
    path = "/etc/kubernetes/pki/kubelet-ca.crt"
    _apiserver_flag(site, f"--kubelet-certificate-authority={path}")
    site.cloud.files[path] = ca


def _expired_stream() -> dict[str, bytes]:
    from pathlib import Path  # noqa: PLC0415  for this one file

    from kedoctor.replay import ReplaySource, open_bundle  # noqa: PLC0415  for this one file

    bundle = Path(__file__).parent / "fixtures" / "f2-stream-cert-expired" / "cloud.tgz"
    secrets = ReplaySource(open_bundle(bundle)).observe(o.ListObjects("Secret", "kubeedge"))
    data = next(one.data for one in secrets if one.metadata.name == "cloudcore")
    return {key: base64.b64decode(data[key]) for key in ("stream.crt", "streamCA.crt")}


@fault("KE102", "stream")
def stream_port_moved(site: FaultySite) -> None:
    """cloudcore serves streams on 10013, the manager still leads to 10003 (facts.md §10 (19))."""
    site.cloudcore("modules.cloudStream.streamPort", 10013)
    site.cloud.sockets = [
        replace(one, local_port=10013) if one.state == "LISTEN" and one.local_port == 10003 else one
        for one in site.cloud.sockets
    ]
    site.metrics.scrapes = False


@fault("KE108", "stream")
def stream_secret_incomplete(site: FaultySite) -> None:
    """The Secret lacks stream.crt: the pod never starts (facts.md §10 (38))."""
    site.secret("cloudcore", stream_crt=None)
    cloudcore_not_ready(site)


# ------------------------------------------------------------------------------------------------ session


@fault("KE704", "session")
def duplicate_internal_ip(site: FaultySite) -> None:
    """edge2 has the address of edge1; cloudcore's session of that address is the newer one's (facts.md §10 (4))."""

    def same(node: Any) -> Any:
        addresses = tuple(
            replace(one, address=EDGE) if one.type == "InternalIP" else one for one in node.status.addresses
        )
        return replace(node, status=replace(node.status, addresses=addresses))

    site.change("Node", "edge2", same)


@fault("KE212", "session")
def node_ip_differs(site: FaultySite) -> None:
    """The Node's InternalIP is the one of the second interface; the tunnel announced the first (facts.md §10 (3))."""
    second = "10.98.0.2"

    def moved(node: Any) -> Any:
        addresses = tuple(
            replace(one, address=second) if one.type == "InternalIP" else one for one in node.status.addresses
        )
        return replace(node, status=replace(node.status, addresses=addresses))

    site.change("Node", "edge1", moved)
    site.edge.addresses = replace(
        site.edge.addresses, items=(*site.edge.addresses.items, o.InterfaceAddress("eth1", second, 24))
    )
    site.change("NodeMetrics", "edge1", None)


# ------------------------------------------------------------------------------------------------ tunnel


def _edge_dial(site: FaultySite, error: str, server: str = f"{CLOUD}:10004") -> None:
    site.edge_says(
        "E", "edgestream.go:147", f"dial wss://{server}/v1/kubeedge/connect error {error}", times=10, ago=2
    )


def _hub_dial(site: FaultySite, error: str) -> None:
    site.edge_says("E", "ws.go:84", f"dial websocket error({error}), response message: ", times=5, ago=3)


@fault("KE202", "tunnel")
def edgestream_off(site: FaultySite) -> None:
    """As keadm join leaves it (testbed.md b)."""
    site.set("modules.edgeStream.enable", False)
    site.journal = site.journal.replace(
        "Module edgestream registered successfully", "Module edgestream is disabled, do not register"
    )
    site.journal = "\n".join(ln for ln in site.journal.splitlines() if "edgestream.go" not in ln) + "\n"
    site.tunnel_down.add("edgeStream is off")


@fault("KE203", "tunnel")
def edgestream_server_loopback(site: FaultySite) -> None:
    """The document's value (testbed.md a)."""
    site.set("modules.edgeStream.server", "127.0.0.1:10004")
    site.tunnel_down.add("it dials itself")
    _edge_dial(site, "dial tcp 127.0.0.1:10004: connect: connection refused", "127.0.0.1:10004")


@fault("KE405", "tunnel", waits=True)
def old_certificate_loaded(site: FaultySite) -> None:
    """server.crt was renewed after edgecore started; EdgeStream keeps the old pair (facts.md §10 (29))."""
    site.edge.files[CERTIFICATE] = edge_certificate(site, begins=NOW - timedelta(minutes=1))
    site.edge_says("I", "certmanager.go:220", "succeeded to rotate certificate", ago=60)


# ------------------------------------------------------------------------------------------------ link


@fault("KE505", "link")
def tunnel_port_dropped(site: FaultySite) -> None:
    """Something between the hosts drops 10004 (testbed.md h2)."""
    site.nft = site.nft.replace(
        "-A INPUT -j KUBE-FIREWALL\n",
        "-A INPUT -p tcp -m tcp --dport 10004 -j DROP\n-A INPUT -j KUBE-FIREWALL\n",
    )
    site.tunnel_down.add("10004 is dropped")
    _edge_dial(site, f"dial tcp {CLOUD}:10004: i/o timeout")


@fault("KE110", "link")
def heartbeat_too_slow(site: FaultySite) -> None:
    """The edge is heard of less often than cloudcore waits (facts.md §10 (41))."""
    site.set("modules.edgeHub.heartbeat", 60)
    site.hub_down.add("it flaps")
    site.pod_says("cloudcore", "E", "node_session.go:174", "timeout to receive keepalive for node edge1")


@fault("KE408", "link")
def cloudcore_cert_without_address(site: FaultySite) -> None:
    """advertiseAddress was changed later; the certificate names another address (facts.md §10 (32))."""
    site.secret("cloudcoresecret", cloudcoredata=site.pki.cloudcore_for("10.99.0.99"))
    site.hub_down.add("the certificate does not name the address")
    _hub_dial(
        site, f"tls: failed to verify certificate: x509: certificate is valid for 10.99.0.99, not {CLOUD}"
    )


# ------------------------------------------------------------------------------------------------ certificates


def edge_certificate(site: FaultySite, *, begins: Any = None, ends: Any = None, node: str = "edge1") -> bytes:
    """A server.crt of edge1's key, signed by the site's CA."""
    start = begins or NOW - timedelta(days=100)
    end = ends or start + timedelta(days=365)
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "system:nodes"),
            x509.NameAttribute(NameOID.COMMON_NAME, f"system:node:{node}"),
        ]
    )
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "KubeEdge")])
    usages = (ExtendedKeyUsageOID.CLIENT_AUTH,)
    return site.pki.edge_certificate("edge1", Described(subject, issuer, start, end, 4711, usages))


@fault("KE402", "certificates")
def edge_cert_expired(site: FaultySite) -> None:
    """server.crt ended yesterday (testbed.md f1)."""
    site.edge.files[CERTIFICATE] = edge_certificate(
        site, begins=NOW - timedelta(days=366), ends=NOW - timedelta(days=1)
    )
    site.hub_down.add("its certificate has expired")
    site.tunnel_down.add("its certificate has expired")
    _edge_dial(site, "remote error: tls: expired certificate")
    _hub_dial(site, "remote error: tls: expired certificate")


@fault("KE401", "certificates")
def edge_key_of_another(site: FaultySite) -> None:
    """server.key does not belong to server.crt; edgecore ended with that (facts.md §5.4)."""
    site.edge.files[KEY] = site.pki.edge_key("somebody else")
    _edgecore_ended(
        site, "edgestream.go:97", "Failed to load x509 key pair: tls: private key does not match public key"
    )


@fault("KE404", "certificates")
def other_ca(site: FaultySite) -> None:
    """rootCA.crt is of another CA: the edge refuses cloudcore on 10000, 10004 verifies nothing (testbed.md g1)."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "KubeEdge")])
    other = Described(name, name, NOW - timedelta(days=400), NOW + timedelta(days=36000), 99, ())
    site.edge.files[ROOT] = site.pki.root_ca(other)
    site.hub_down.add("it does not trust cloudcore")
    _hub_dial(site, "tls: failed to verify certificate: x509: certificate signed by unknown authority")


@fault("KE409", "certificates", waits=True)
def token_expired(site: FaultySite) -> None:
    """The refresh of the join token died more than a day ago (facts.md §10 (33))."""
    site.secret("tokensecret", tokendata=join_token(site, ends=NOW - timedelta(hours=5)))


def join_token(site: FaultySite, *, ends: Any) -> bytes:
    """A join token of this site's CA."""
    payload = json.dumps({"exp": int(ends.timestamp())})
    parts = [
        base64.urlsafe_b64encode(part.encode()).rstrip(b"=").decode()
        for part in ('{"alg":"HS256"}', payload, "s")
    ]
    return ".".join([hashlib.sha256(site.pki.ca).hexdigest(), *parts]).encode()


@fault("KE410", "certificates", waits=True)
def edge_clock_ahead(site: FaultySite) -> None:
    """The edge's clock is ten minutes ahead; nothing breaks by that (facts.md §10 (34))."""
    site.edge.clock_ahead = timedelta(minutes=10)


# ------------------------------------------------------------------------------------------------ edgecore


def _edgecore_ended(site: FaultySite, source: str, message: str, *, severity: str = "F") -> None:
    site.edge_says(severity, source, message, ago=3)
    site.edgecore_down.add(message)
    site.edge.unit(
        "edgecore.service", active_state="activating", sub_state="auto-restart", restarts=12, main_pid=0,
        result="exit-code", exit_status=255,
    )  # fmt: skip


@fault("KE701", "edgecore")
def edgecore_stopped(site: FaultySite) -> None:
    """Somebody stopped it (testbed.md j)."""
    site.edgecore_down.add("stopped")
    site.edge.unit("edgecore.service", active_state="inactive", sub_state="dead", main_pid=0)


@fault("KE201", "edgecore")
def edgecore_yaml_broken(site: FaultySite) -> None:
    """A syntax error (testbed.md l1)."""
    site.edge.files["/etc/kubeedge/config/edgecore.yaml"] = (
        site.edge.content("/etc/kubeedge/config/edgecore.yaml") + b"\n  broken: [\n"
    )
    _edgecore_ended(
        site, "server.go:68", "failed to unmarshal configfile /etc/kubeedge/config/edgecore.yaml, err: error converting YAML to JSON"
    )  # fmt: skip


@fault("KE705", "edgecore")
def kubelet_beside(site: FaultySite) -> None:
    """A kubelet runs there, and edgecore refuses to start (facts.md §10 (27))."""
    site.edge.processes.append(o.Process(900, 1, "kubelet", ("/usr/bin/kubelet",)))
    site.edge.units["kubelet.service"] = o.Unit(
        "kubelet.service", "loaded", "active", "running", "enabled", main_pid=900
    )
    _edgecore_ended(
        site,
        "server.go:117",
        "failed to check the running environment: kubelet should not be running on edge node",
    )


@fault("KE703", "edgecore", waits=True)
def edge_label_missing(site: FaultySite) -> None:
    """edge1 lacks its role label (facts.md §10 (53))."""
    site.change(
        "Node",
        "edge1",
        lambda node: replace(
            node, metadata=replace(node.metadata, labels=replace(node.metadata.labels, edge=None))
        ),
    )


@fault("KE207", "edgecore", waits=True)
def misplaced_key(site: FaultySite) -> None:
    """clusterDomain directly under edged, where edgecore ignores it (facts.md §10 (44))."""
    site.configure(SetKey("modules.edged.clusterDomain", "cluster.local"))


# ------------------------------------------------------------------------------------------------ edged


@fault("KE205", "edged")
def edged_moved(site: FaultySite) -> None:
    """readOnlyPort is another, so nobody answers on 10350 (facts.md §10 (21))."""
    site.set(f"{_EDGED}.readOnlyPort", 10255)
    site.edged_down.add("moved")
    pid = next(one.pid for one in site.edge.processes if one.name == "edgecore")
    site.edge.listen("127.0.0.1", 10255, "edgecore", pid)
    site.edge_says(
        "E",
        "edgedlogconnection.go:119",
        'request logs error Get "http://127.0.0.1:10350/containerLogs/default/web/web": dial tcp 127.0.0.1:10350: connect: connection refused',
    )


@fault("KE206", "edged")
def debug_handlers_off(site: FaultySite) -> None:
    """edged refuses logs and exec (facts.md §10 (24))."""
    site.set(f"{_EDGED}.enableDebuggingHandlers", False)


@fault("KE504", "edged")
def port_10350_taken(site: FaultySite) -> None:
    """Another program listens on 10350 and edged ends (facts.md §10 (25))."""
    _edgecore_ended(site, "server.go:219", '"Failed to listen and serve" err="listen tcp 127.0.0.1:10350: bind: address already in use"', severity="E")  # fmt: skip
    site.edged_down.add("the port is taken")
    site.edge.processes.append(o.Process(901, 1, "nginx", ("/usr/sbin/nginx",)))
    site.foreign_listener = (10350, "nginx", 901)


# ------------------------------------------------------------------------------------------------ runtime


@fault("KE706", "runtime")
def cri_disabled(site: FaultySite) -> None:
    """containerd as its package ships it: without CRI; edgecore ends (facts.md §10 (45))."""
    site.edge.files["/etc/containerd/config.toml"] = b'disabled_plugins = ["cri"]\n'
    site.edge.says("crictl", stderr="unknown service runtime.v1.RuntimeService", code=1)
    _edgecore_ended(
        site,
        "edged.go:107",
        'init new edged error, validate CRI v1 runtime API for endpoint "unix:///run/containerd/containerd.sock": rpc error: code = Unimplemented desc = unknown service runtime.v1.RuntimeService',
        severity="E",
    )


@fault("KE707", "runtime")
def cni_missing(site: FaultySite) -> None:
    """No CNI configuration; the edge reports itself not ready (facts.md §10 (45))."""
    site.edge.found["/etc/cni/net.d/*"] = ()
    site.not_ready = "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:Network plugin returns error: cni plugin not initialized"
    site.edge_says(
        "E",
        "kubelet.go:2902",
        '"Container runtime network not ready" networkReady="NetworkReady=false reason:NetworkPluginNotReady message:Network plugin returns error: cni plugin not initialized"',
        times=20,
    )


@fault("KE709", "runtime")
def memory_cgroup_off(site: FaultySite) -> None:
    """A kernel without the memory cgroup: no figures of that edge (facts.md §10 (48))."""
    site.edge.files["/sys/fs/cgroup/cgroup.controllers"] = b"cpuset cpu io pids\n"
    site.change("NodeMetrics", "edge1", None)


# ------------------------------------------------------------------------------------------------ metrics


@fault("KE601", "apiservice")
def apiservice_missing(site: FaultySite) -> None:
    """The registration is gone: kubectl top knows no metrics API (facts.md §8.3)."""
    site.change("APIService", "v1beta1.metrics", None)
    site.change("NodeMetrics", "", None)


@fault("KE602", "metrics-server")
def metrics_server_at_zero(site: FaultySite) -> None:
    """Scaled to 0 (testbed.md m1)."""
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


@fault("KE603", "metrics-server")
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
