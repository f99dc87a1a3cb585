"""A cloud host in a namespace: real rules of both backends, real connections.

The namespace has what a cloud host has: a kube-apiserver (the sandbox's), a cloudcore (a program on its four
ports), an edge on the other end of a cable, and the rules of each case.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trustme
from netns import BACKENDS, Backend, NetworkNamespace

CLOUD, EDGE, CLUSTER_IP = "10.99.0.1", "10.99.0.2", "10.96.0.50"
PORT = 10351
CLOUD2, EDGE2, PORT2 = "10.99.0.4", "10.99.0.3", 10352
CHECKS = ("KE303", "KE304", "KE305", "KE306", "KE309", "KE501", "KE508")
OTHER: dict[Backend, Backend] = {"nft": "legacy", "legacy": "nft"}

SERVE_API = """
import ctypes, json, ssl, sys, time
sys.path.insert(0, sys.argv[1])
from apiserver import ADMIN, ApiServer
ctypes.CDLL(None).prctl(15, b"kube-apiserver")
tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
tls.load_cert_chain(sys.argv[2])
with ApiServer(json.loads(sys.argv[3]), tls=tls, tokens={"t": ADMIN}) as server:
    print(server.port)
    while True:
        time.sleep(60)
"""
CLOUDCORE = """
import ctypes, ssl, sys, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
ctypes.CDLL(None).prctl(15, b"cloudcore")
class Stream(BaseHTTPRequestHandler):
    def do_GET(self):
        if not self.path.startswith("/stats"):
            status, body = 404, b"404: Page Not Found"
        elif self.headers["Host"] in sys.argv[3:]:
            status, body = 200, ('{"node": {"nodeName": "%s"}}' % sys.argv[4]).encode()
        else:
            status, body = 500, b""
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *told):
        pass
class Quiet(ThreadingHTTPServer):
    def handle_error(self, *told):
        pass
for port, certificate in ((10000, 2), (10002, 2), (10003, 1), (10004, 2)):
    server = Quiet(("0.0.0.0", port), Stream)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(sys.argv[certificate])
    server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever).start()
print("ready")
"""


def node(name: str, address: str, port: int, version: str, **labels: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {f"node-role.kubernetes.io/{key}": "" for key in labels},
            "creationTimestamp": "2026-01-01T00:00:00Z",  # what has just joined is still settling
        },
        "status": {
            "addresses": [{"type": "InternalIP", "address": address}, {"type": "Hostname", "address": name}],
            "conditions": [{"type": "Ready", "status": "True"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
            "nodeInfo": {"kubeletVersion": version},
        },
    }


def of_kubeedge(kind: str, name: str, **content: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "kubeedge", **content.pop("metadata", {})}
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata, **content}


RECORD = json.dumps({"ipTunnelPort": {CLOUD: PORT}, "port": {str(PORT): True}})
OBJECTS = [
    {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kubeedge"}},
    node("cloud", CLOUD, 10250, "v1.31.14", control_plane=""),
    node("edge1", EDGE, PORT, "v1.31.12-kubeedge-v1.22.0", edge=""),
    of_kubeedge(
        "ConfigMap", "tunnelport", metadata={"annotations": {"tunnelportrecord.kubeedge.io": RECORD}}
    ),
    of_kubeedge(
        "ConfigMap", "cloudcore", data={"cloudcore.yaml": "modules:\n  cloudStream:\n    enable: true\n"}
    ),
    of_kubeedge("Service", "cloudcore", spec={"clusterIP": CLUSTER_IP, "ports": [{"port": 10003}]}),
    of_kubeedge(
        "Pod",
        "cloudcore-1",
        metadata={"labels": {"kubeedge": "cloudcore"}},
        spec={
            "nodeName": "cloud",
            "hostNetwork": True,
            "containers": [{"name": "cloudcore", "image": "cloudcore"}],
        },
        status={"phase": "Running", "hostIP": CLOUD, "podIP": CLOUD},
    ),
]

RECORD2 = json.dumps(
    {"ipTunnelPort": {CLOUD: PORT, CLOUD2: PORT2}, "port": {str(PORT): True, str(PORT2): True}}
)
OBJECTS_OF_TWO = [
    *(one for one in OBJECTS if one["metadata"]["name"] != "tunnelport"),
    node("cloud2", CLOUD2, 10250, "v1.31.14"),
    node("edge2", EDGE2, PORT2, "v1.31.12-kubeedge-v1.22.0", edge=""),
    of_kubeedge(
        "ConfigMap", "tunnelport", metadata={"annotations": {"tunnelportrecord.kubeedge.io": RECORD2}}
    ),
    of_kubeedge(
        "Pod",
        "cloudcore-2",
        metadata={"labels": {"kubeedge": "cloudcore"}},
        spec={
            "nodeName": "cloud2",
            "hostNetwork": True,
            "containers": [{"name": "cloudcore", "image": "cloudcore"}],
        },
        status={"phase": "Running", "hostIP": CLOUD2, "podIP": CLOUD2},
    ),
]


@dataclass
class Site:
    """A cloud host and an edge host on one cable, and the kubeconfig for the cloud host."""

    cloud: NetworkNamespace
    edge: NetworkNamespace
    kubeconfig: Path
    far: subprocess.Popen[str] | None = None  # the second cloudcore

    def nat(self, backend: Backend, *arguments: str) -> None:
        self.cloud.iptables(backend, "-t", "nat", *arguments)

    def rule(
        self, backend: Backend, to: str = f"{CLOUD}:10003", *, chain: str = "OUTPUT", port: int = PORT
    ) -> None:
        self.nat(
            backend, "-A", chain, "-p", "tcp", "--dport", str(port), "-j", "DNAT", "--to-destination", to
        )

    def manager(self, backend: Backend, *ports: int) -> None:
        """What iptables-manager writes (facts.md §3.4)."""
        self.nat(backend, "-N", "TUNNEL-PORT")
        for hook in ("OUTPUT", "PREROUTING"):
            self.nat(
                backend, "-A", hook, "-m", "comment", "--comment", "kubeedge tunnel port", "-j", "TUNNEL-PORT"
            )
        for port in ports:
            self.rule(backend, chain="TUNNEL-PORT", port=port)

    def clear(self) -> None:
        for backend in BACKENDS:
            self.nat(backend, "-F")
            self.nat(backend, "-X")

    def judged(self, *codes: str) -> dict[str, dict[str, Any]]:
        """The worst verdict of each check, by its code, of a whole run inside the namespace."""
        words = [word for code in codes or CHECKS for word in ("--only", code)]
        argv = [
            sys.executable,
            "-m",
            "kedoctor",
            "run",
            *words,
            "--kubeconfig",
            str(self.kubeconfig),
            "--format",
            "json",
        ]
        done = self.cloud.run(argv, check=False, timeout=60)
        assert done.stdout, done.stderr
        found: dict[str, dict[str, Any]] = {}
        order = ["pass", "skip", "unknown", "warn", "fail", "crashed"]
        for verdict in json.loads(done.stdout)["verdicts"]:
            before = found.setdefault(verdict["code"], verdict)
            if order.index(verdict["status"]) > order.index(before["status"]):
                found[verdict["code"]] = verdict
        return found


def opened(directory: Path, *, two: bool = False) -> Iterator[Site]:
    """The site; with ``two`` a second cloudcore and its edge2 are beyond the cable, at addresses of their own."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(directory / "ca.crt"))
    for name in ("api", "stream", "other"):
        issued = authority.issue_cert("127.0.0.1" if name == "api" else f"{name}.lab")
        issued.private_key_and_cert_chain_pem.write_to_path(str(directory / f"{name}.pem"))
    with NetworkNamespace() as cloud, NetworkNamespace() as edge:
        cloud.join(edge, f"{CLOUD}/24", f"{EDGE}/24")
        cloud.run(["ip", "route", "add", "default", "via", EDGE])
        api = cloud.start(
            [
                sys.executable,
                "-u",
                "-I",
                "-c",
                SERVE_API,
                str(Path(__file__).parent),
                str(directory / "api.pem"),
                json.dumps(OBJECTS_OF_TWO if two else OBJECTS),
            ]
        )
        assert api.stdout is not None
        port = int(api.stdout.readline())
        certificates = (directory / "stream.pem", directory / "other.pem")
        cloud.start_python(CLOUDCORE, *certificates, EDGE, "edge1")
        far = None
        if two:
            for address in (CLOUD2, EDGE2):
                edge.run(["ip", "address", "add", f"{address}/24", "dev", "eth0"])
            far = edge.start_python(CLOUDCORE, *certificates, EDGE2, "edge2")
        kubeconfig = directory / "kubeconfig"
        cluster = {"server": f"https://127.0.0.1:{port}", "certificate-authority": str(directory / "ca.crt")}
        kubeconfig.write_text(
            json.dumps(
                {
                    "current-context": "lab",
                    "clusters": [{"name": "lab", "cluster": cluster}],
                    "users": [{"name": "ann", "user": {"token": "t"}}],
                    "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "ann"}}],
                }
            )
        )
        yield Site(cloud, edge, kubeconfig, far)
