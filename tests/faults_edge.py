"""Faults of the edge side: session, tunnel, link, certificates, edgecore, edged, container runtime."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from fault import Fault, fault
from faulty_site import CLOUD, EDGE, NOW, FaultySite
from recorded_certificates import Described

from kedoctor.base.records import replace
from kedoctor.model.observations.network import InterfaceAddress
from kedoctor.model.observations.processes import Process
from kedoctor.model.observations.units import Unit
from kedoctor.yaml.document import SetKey

__all__ = [
    "CERTIFICATE",
    "EDGE_FAULTS",
    "edge_certificate",
    "edge_dial",
    "edgecore_ended",
    "hub_dial",
    "join_token",
]

EDGE_FAULTS: list[Fault] = []
CERTIFICATE, KEY, ROOT = (
    f"/etc/kubeedge/{name}" for name in ("certs/server.crt", "certs/server.key", "ca/rootCA.crt")
)
_EDGED = "modules.edged.tailoredKubeletConfig"


# -------------------------------------------------------------------------------------------------------------- session


@fault(EDGE_FAULTS, "KE704", "session")
def duplicate_internal_ip(site: FaultySite) -> None:
    """edge2 has the address of edge1; cloudcore's session of that address is the newer one's (facts.md §10 (4))."""

    def same(node: Any) -> Any:
        addresses = tuple(
            replace(one, address=EDGE) if one.type == "InternalIP" else one for one in node.status.addresses
        )
        return replace(node, status=replace(node.status, addresses=addresses))

    site.change("Node", "edge2", same)


@fault(EDGE_FAULTS, "KE212", "session")
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
        site.edge.addresses, items=(*site.edge.addresses.items, InterfaceAddress("eth1", second, 24))
    )
    site.change("NodeMetrics", "edge1", None)


@fault(EDGE_FAULTS, "KE509", "session")
def two_machines_one_name(site: FaultySite) -> None:
    """Another machine calls itself edge1, and they push each other out (facts.md §10 (5))."""
    for ago in range(300, 0, -30):
        site.pod_says(
            "cloudcore", "W", "session_manager.go:55", "session exists for edge1, close old session", ago=ago
        )


# --------------------------------------------------------------------------------------------------------------- tunnel


def edge_dial(site: FaultySite, error: str, server: str = f"{CLOUD}:10004") -> None:
    site.edge_says(
        "E", "edgestream.go:147", f"dial wss://{server}/v1/kubeedge/connect error {error}", times=10, ago=2
    )


def hub_dial(site: FaultySite, error: str) -> None:
    site.edge_says("E", "ws.go:84", f"dial websocket error({error}), response message: ", times=5, ago=3)


@fault(EDGE_FAULTS, "KE202", "tunnel")
def edgestream_off(site: FaultySite) -> None:
    """As keadm join leaves it (testbed.md case b)."""
    site.set("modules.edgeStream.enable", False)
    site.journal = site.journal.replace(
        "Module edgestream registered successfully", "Module edgestream is disabled, do not register"
    )
    site.journal = "\n".join(ln for ln in site.journal.splitlines() if "edgestream.go" not in ln) + "\n"
    site.tunnel_down.add("edgeStream is off")


@fault(EDGE_FAULTS, "KE203", "tunnel")
def edgestream_server_loopback(site: FaultySite) -> None:
    """The document's value (testbed.md case a)."""
    site.set("modules.edgeStream.server", "127.0.0.1:10004")
    site.tunnel_down.add("it dials itself")
    edge_dial(site, "dial tcp 127.0.0.1:10004: connect: connection refused", "127.0.0.1:10004")


@fault(EDGE_FAULTS, "KE503", "tunnel")
def tunnel_half_open(site: FaultySite) -> None:
    """Something on the way forgot the connection: cloudcore has no end of it, edgecore still has (facts.md §10 (6))."""
    site.half_open = True


@fault(EDGE_FAULTS, "KE405", "tunnel", waits=True)
def old_certificate_loaded(site: FaultySite) -> None:
    """server.crt was renewed after edgecore started; EdgeStream keeps the old pair (facts.md §10 (29))."""
    site.edge.files[CERTIFICATE] = edge_certificate(site, begins=NOW - timedelta(minutes=1))
    site.edge_says("I", "certmanager.go:220", "succeeded to rotate certificate", ago=60)


@fault(EDGE_FAULTS, "KE204", "tunnel")
def tunnel_cert_path_wrong(site: FaultySite) -> None:
    """edgeStream names a file that does not exist, and edgecore ends (facts.md §5.4)."""
    site.set("modules.edgeStream.tlsTunnelCertFile", "/etc/kubeedge/certs/tunnel.crt")
    site.edge.absent("/etc/kubeedge/certs/tunnel.crt")
    edgecore_ended(
        site,
        "edgestream.go:97",
        "Failed to load x509 key pair: open /etc/kubeedge/certs/tunnel.crt: no such file or directory",
    )


# ----------------------------------------------------------------------------------------------------------------- link


@fault(EDGE_FAULTS, "KE505", "tunnel", also=("KE506",))
def tunnel_port_dropped(site: FaultySite) -> None:
    """Something between the hosts drops 10004 (testbed.md case h2)."""
    site.nft = site.nft.replace(
        "-A INPUT -j KUBE-FIREWALL\n",
        "-A INPUT -p tcp -m tcp --dport 10004 -j DROP\n-A INPUT -j KUBE-FIREWALL\n",
    )
    site.tunnel_down.add("10004 is dropped")
    edge_dial(site, f"dial tcp {CLOUD}:10004: i/o timeout")


@fault(EDGE_FAULTS, "KE110", "link")
def heartbeat_too_slow(site: FaultySite) -> None:
    """The edge is heard of less often than cloudcore waits (facts.md §10 (41))."""
    site.set("modules.edgeHub.heartbeat", 60)
    site.hub_down.add("it flaps")
    site.pod_says("cloudcore", "E", "node_session.go:174", "timeout to receive keepalive for node edge1")


@fault(EDGE_FAULTS, "KE408", "link")
def cloudcore_cert_without_address(site: FaultySite) -> None:
    """advertiseAddress was changed later; the certificate names another address (facts.md §10 (32))."""
    site.secret("cloudcoresecret", cloudcoredata=site.pki.cloudcore_for("10.99.0.99"))
    site.hub_down.add("the certificate does not name the address")
    hub_dial(
        site, f"tls: failed to verify certificate: x509: certificate is valid for 10.99.0.99, not {CLOUD}"
    )


@fault(EDGE_FAULTS, "KE211", "link")
def hub_server_loopback(site: FaultySite) -> None:
    """edgeHub dials the edge itself (facts.md §2.2)."""
    site.set("modules.edgeHub.websocket.server", "127.0.0.1:10000")
    site.hub_down.add("it dials itself")
    hub_dial(site, "dial tcp 127.0.0.1:10000: connect: connection refused")


@fault(EDGE_FAULTS, "KE511", "link")
def hub_half_open(site: FaultySite) -> None:
    """Something on the way forgot the hub link: leases get no answer, the edge keeps it for a good one (facts.md §11.3)."""
    site.hub_half_open = True
    lease = "kube-node-lease/lease/edge1"
    for ago in (130, 68, 6):
        late = "timeout to get response for message 5c1d0f7a-0d0b-4d2e-8c6e-2f1f6d1f7c11"
        site.edge_says("E", "process.go:374", f"process remote failed, req[msgID[7d1f] resource[{lease}]], err: {late}", ago=ago)  # fmt: skip
        site.edge_says("E", "metaclient.go:132", f"send sync message {lease} failed, error:{late}, retries: 1", ago=ago)  # fmt: skip
        site.edge_says("E", "controller.go:195", f'"Failed to update lease" err="update lease failed, err: {late}"', ago=ago)  # fmt: skip


@fault(EDGE_FAULTS, "KE512", "link")
def quic_that_nobody_serves(site: FaultySite) -> None:
    """The edge was switched to QUIC, cloudHub.quic is off (facts.md §11.8)."""
    site.set("modules.edgeHub.quic.enable", True)
    site.set("modules.edgeHub.websocket.enable", False)
    site.hub_down.add("it dials UDP 10001")
    site.edge_says(
        "E",
        "quicclient.go:89",
        "Init quic connection failed timeout: no recent network activity",
        times=3,
        ago=5,
    )


# --------------------------------------------------------------------------------------------------------- certificates


def edge_certificate(
    site: FaultySite,
    *,
    begins: datetime | None = None,
    ends: datetime | None = None,
    node: str = "edge1",
    key: str = "edge1",
) -> bytes:
    """A server.crt for the key of edge1 (or another), signed by the site's CA."""
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
    return site.pki.edge_certificate(key, Described(subject, issuer, start, end, 4711, usages))


@fault(EDGE_FAULTS, "KE402", "certificates")
def edge_cert_expired(site: FaultySite) -> None:
    """server.crt ended yesterday (testbed.md case f1)."""
    site.edge.files[CERTIFICATE] = edge_certificate(
        site, begins=NOW - timedelta(days=366), ends=NOW - timedelta(days=1)
    )
    site.hub_down.add("its certificate has expired")
    site.tunnel_down.add("its certificate has expired")
    edge_dial(site, "remote error: tls: expired certificate")
    hub_dial(site, "remote error: tls: expired certificate")


@fault(EDGE_FAULTS, "KE401", "certificates")
def edge_key_of_another(site: FaultySite) -> None:
    """server.key does not belong to server.crt; edgecore ended with that (facts.md §5.4)."""
    site.edge.files[KEY] = site.pki.edge_key("somebody else")
    edgecore_ended(
        site, "edgestream.go:97", "Failed to load x509 key pair: tls: private key does not match public key"
    )


@fault(EDGE_FAULTS, "KE404", "certificates")
def other_ca(site: FaultySite) -> None:
    """rootCA.crt is of another CA: the edge refuses cloudcore on 10000, 10004 verifies nothing (testbed.md case g1)."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "KubeEdge")])
    other = Described(name, name, NOW - timedelta(days=400), NOW + timedelta(days=36000), 99, ())
    site.edge.files[ROOT] = site.pki.root_ca(other)
    site.hub_down.add("it does not trust cloudcore")
    hub_dial(site, "tls: failed to verify certificate: x509: certificate signed by unknown authority")


@fault(EDGE_FAULTS, "KE409", "certificates", waits=True)
def token_expired(site: FaultySite) -> None:
    """The refresh of the join token died more than a day ago (facts.md §10 (33))."""
    site.secret("tokensecret", tokendata=join_token(site, ends=NOW - timedelta(hours=5)))


def join_token(site: FaultySite, *, ends: datetime) -> bytes:
    """A join token of this site's CA."""
    payload = json.dumps({"exp": int(ends.timestamp())})
    parts = [
        base64.urlsafe_b64encode(part.encode()).rstrip(b"=").decode()
        for part in ('{"alg":"HS256"}', payload, "s")
    ]
    return ".".join([hashlib.sha256(site.pki.ca).hexdigest(), *parts]).encode()


@fault(EDGE_FAULTS, "KE410", "certificates", waits=True)
def edge_clock_ahead(site: FaultySite) -> None:
    """The edge's clock is ten minutes ahead; nothing breaks by that (facts.md §10 (34))."""
    site.edge.clock_ahead = timedelta(minutes=10)


@fault(EDGE_FAULTS, "KE213", "certificates", also=("KE403",))
def edge_cert_of_another(site: FaultySite) -> None:
    """server.crt was issued for another node name; edgecore ends (facts.md §10 (30))."""
    site.edge.files[CERTIFICATE] = edge_certificate(site, node="edge9")
    edgecore_ended(
        site,
        "certmanager.go:82",
        "failed to apply the edge certs, err: certificate CN system:node:edge9 does not match node name edge1",
    )


@fault(EDGE_FAULTS, "KE411", "certificates", waits=True)
def rotation_off(site: FaultySite) -> None:
    """Nobody renews server.crt (facts.md §4.1)."""
    site.set("modules.edgeHub.rotateCertificates", False)


# ------------------------------------------------------------------------------------------------------------- edgecore


def edgecore_ended(site: FaultySite, source: str, message: str, *, severity: str = "F") -> None:
    site.edge_says(severity, source, message, ago=3)
    site.edgecore_down.add(message)
    site.edge.unit(
        "edgecore.service", active_state="activating", sub_state="auto-restart", restarts=12, main_pid=0,
        result="exit-code", exit_status=255,
    )  # fmt: skip


@fault(EDGE_FAULTS, "KE701", "edgecore")
def edgecore_stopped(site: FaultySite) -> None:
    """Somebody stopped it (testbed.md case j)."""
    site.edgecore_down.add("stopped")
    site.edge.unit("edgecore.service", active_state="inactive", sub_state="dead", main_pid=0)


@fault(EDGE_FAULTS, "KE201", "edgecore")
def edgecore_yaml_broken(site: FaultySite) -> None:
    """A syntax error (testbed.md case l1)."""
    site.yaml_tail = b"\n  broken: [\n"
    edgecore_ended(
        site, "server.go:68", "failed to unmarshal configfile /etc/kubeedge/config/edgecore.yaml, err: error converting YAML to JSON"
    )  # fmt: skip


@fault(EDGE_FAULTS, "KE705", "edgecore")
def kubelet_beside(site: FaultySite) -> None:
    """A kubelet runs there, and edgecore refuses to start (facts.md §10 (27))."""
    site.edge.processes.append(Process(900, 1, "kubelet", ("/usr/bin/kubelet",)))
    site.edge.units["kubelet.service"] = Unit(
        "kubelet.service", "loaded", "active", "running", "enabled", main_pid=900
    )
    edgecore_ended(
        site,
        "server.go:117",
        "failed to check the running environment: kubelet should not be running on edge node",
    )


@fault(EDGE_FAULTS, "KE703", "edgecore", waits=True)
def edge_label_missing(site: FaultySite) -> None:
    """edge1 lacks its role label (facts.md §10 (53))."""
    site.change(
        "Node",
        "edge1",
        lambda node: replace(
            node, metadata=replace(node.metadata, labels=replace(node.metadata.labels, edge=None))
        ),
    )


@fault(EDGE_FAULTS, "KE207", "edgecore", waits=True)
def misplaced_key(site: FaultySite) -> None:
    """clusterDomain directly under edged, where edgecore ignores it (facts.md §10 (44))."""
    site.configure(SetKey("modules.edged.clusterDomain", "cluster.local"))


@fault(EDGE_FAULTS, "KE713", "edgecore")
def database_unusable(site: FaultySite) -> None:
    """edgecore.db cannot be opened, and edgecore ends (facts.md §5.5)."""
    edgecore_ended(site, "db.go:22", "Failed to register db: unable to open database file")


@fault(EDGE_FAULTS, "KE715", "edgecore")
def program_of_another_machine(site: FaultySite) -> None:
    """/usr/local/bin/edgecore was built for arm64, and systemd cannot execute it (facts.md §11.1)."""
    site.edge.files["/usr/local/bin/edgecore"] = elf(183)
    site.edgecore_down.add("it cannot be executed")
    site.edge.unit(
        "edgecore.service", active_state="activating", sub_state="auto-restart", restarts=40, main_pid=0,
        result="exit-code", exit_status=203,
    )  # fmt: skip
    for ago in (12, 2):
        site.edge_systemd_says("Failed to execute /usr/local/bin/edgecore: Exec format error", ago=ago)
        site.edge_systemd_says("Main process exited, code=exited, status=203/EXEC", ago=ago)
        site.edge_systemd_says("Failed with result 'exit-code'.", ago=ago)


def elf(machine: int) -> bytes:
    """The head of a program for a 64-bit processor, whose sections end with it."""
    head = bytearray(64)
    head[:7] = b"\x7fELF\x02\x01\x01"
    head[18:20] = machine.to_bytes(2, "little")
    return bytes(head)


@fault(EDGE_FAULTS, "KE717", "edgecore")
def open_files_used_up(site: FaultySite) -> None:
    """edgecore ends because it may open no more files (facts.md §11.2)."""
    edgecore_ended(
        site,
        "server.go:212",
        "Start edged failed, err: failed to run Kubelet: could not init cloud provider: inotify_init: too many open files",
    )


@fault(EDGE_FAULTS, "KE718", "edgecore")
def swap_refused(site: FaultySite) -> None:
    """Swap is on, failSwapOn is true, and edged does not start (facts.md §11.2)."""
    site.set(f"{_EDGED}.failSwapOn", True)
    site.edge.files["/proc/swaps"] = (
        b"Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n/swapfile file 2097148 0 -2\n"
    )
    edgecore_ended(
        site,
        "edged.go:163",
        "Start edged failed, err: failed to run Kubelet: running with swap on is not supported, please disable swap or set --fail-swap-on flag to false",
    )


# ---------------------------------------------------------------------------------------------------------------- edged


@fault(EDGE_FAULTS, "KE205", "edged")
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


@fault(EDGE_FAULTS, "KE206", "edged")
def debug_handlers_off(site: FaultySite) -> None:
    """edged refuses logs and exec (facts.md §10 (24))."""
    site.set(f"{_EDGED}.enableDebuggingHandlers", False)


@fault(EDGE_FAULTS, "KE504", "edged")
def port_10350_taken(site: FaultySite) -> None:
    """Another program listens on 10350 and edged ends (facts.md §10 (25))."""
    edgecore_ended(site, "server.go:219", '"Failed to listen and serve" err="listen tcp 127.0.0.1:10350: bind: address already in use"', severity="E")  # fmt: skip
    site.edged_down.add("the port is taken")
    site.edge.processes.append(Process(901, 1, "nginx", ("/usr/sbin/nginx",)))
    site.foreign_listener = (10350, "nginx", 901)


# -------------------------------------------------------------------------------------------------------------- runtime


@fault(EDGE_FAULTS, "KE706", "runtime")
def cri_disabled(site: FaultySite) -> None:
    """containerd as its package ships it: without CRI; edgecore ends (facts.md §10 (45))."""
    site.edge.files["/etc/containerd/config.toml"] = b'disabled_plugins = ["cri"]\n'
    site.edge.says("crictl", stderr="unknown service runtime.v1.RuntimeService", code=1)
    edgecore_ended(
        site,
        "edged.go:107",
        'init new edged error, validate CRI v1 runtime API for endpoint "unix:///run/containerd/containerd.sock": rpc error: code = Unimplemented desc = unknown service runtime.v1.RuntimeService',
        severity="E",
    )


@fault(EDGE_FAULTS, "KE707", "runtime")
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


@fault(EDGE_FAULTS, "KE709", "runtime")
def memory_cgroup_off(site: FaultySite) -> None:
    """A kernel without the memory cgroup: no metrics for that edge (facts.md §10 (48))."""
    site.edge.files["/sys/fs/cgroup/cgroup.controllers"] = b"cpuset cpu io pids\n"
    site.change("NodeMetrics", "edge1", None)


@fault(EDGE_FAULTS, "KE716", "runtime", waits=True)
def nvidia_runtime_removed(site: FaultySite) -> None:
    """containerd still names nvidia-container-runtime, and new pods do not start (facts.md §11.4)."""
    site.edge_says(
        "E",
        "pod_workers.go:1301",
        '"Error syncing pod, skipping" err="failed to create containerd task: failed to create shim task: exec: \\"nvidia-container-runtime\\": executable file not found in $PATH: unknown"',
    )


@fault(EDGE_FAULTS, "KE214", "runtime", waits=True)
def proxy_before_the_registry(site: FaultySite) -> None:
    """The runtime asks a proxy for images, which does not answer (facts.md §11.5)."""
    site.edge.units["containerd.service"] = Unit(
        "containerd.service", "loaded", "active", "running", environment=("HTTPS_PROXY=http://10.0.0.9:3128",)
    )
    site.edge_says(
        "E",
        "pod_workers.go:1301",
        '"Error syncing pod, skipping" err="failed to pull and unpack image: Head https://registry.k8s.io/v2/pause/manifests/3.9: proxyconnect tcp: dial tcp 10.0.0.9:3128: i/o timeout"',
    )


@fault(EDGE_FAULTS, "KE209", "runtime")
def cgroup_driver_differs(site: FaultySite) -> None:
    """containerd uses systemd, edgecore cgroupfs: no new container starts (facts.md §10 (45))."""
    options = 'plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options'
    site.edge.files["/etc/containerd/config.toml"] = (
        f"version = 2\n[{options}]\nSystemdCgroup = true\n".encode()
    )


@fault(EDGE_FAULTS, "KE710", "runtime", waits=True)
def kube_proxy_on_the_edge(site: FaultySite) -> None:
    """A DaemonSet of the cloud brought its pod to edge1 (facts.md §10 (49))."""

    def moved(pod: Any) -> Any:
        metadata = replace(pod.metadata, name="kube-proxy-x7w97", namespace="kube-system", labels={"k8s-app": "kube-proxy", "controller-revision-hash": "1"})  # fmt: skip
        return replace(pod, metadata=metadata, spec=replace(pod.spec, node_name="edge1"))

    site.extra_daemon_pod = moved
