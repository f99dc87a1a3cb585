"""kedoctor itself run on a cloud host that is a namespace: real rules of both backends, real connections.

The namespace has what a cloud host has: a kube-apiserver (the sandbox's), a cloudcore (a stand-in on its four
ports), an edge on the other end of a cable, and the rules of each case.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trustme
from host_unchanged import host_unchanged
from netns import BACKENDS, Backend, NetworkNamespace, missing

_MISSING = missing() or missing("nft", "iptables-nft-save", "iptables-legacy-save")
pytestmark = [pytest.mark.lab, pytest.mark.skipif(_MISSING is not None, reason=_MISSING or "")]

CLOUD, EDGE, CLUSTER_IP = "10.99.0.1", "10.99.0.2", "10.96.0.50"
PORT = 10351
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
        elif self.headers["Host"] == sys.argv[3]:
            status, body = 200, b'{"node": {"nodeName": "edge1"}}'
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
        "metadata": {"name": name, "labels": {f"node-role.kubernetes.io/{key}": "" for key in labels}},
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


@dataclass
class Site:
    """A cloud host and an edge host on one cable, and the kubeconfig for the cloud host."""

    cloud: NetworkNamespace
    edge: NetworkNamespace
    kubeconfig: Path

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


@pytest.fixture(scope="module", autouse=True)
def host() -> Iterator[None]:
    with host_unchanged():
        yield


def opened(directory: Path) -> Iterator[Site]:
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
                str(Path(__file__).parents[1]),
                str(directory / "api.pem"),
                json.dumps(OBJECTS),
            ]
        )
        assert api.stdout is not None
        port = int(api.stdout.readline())
        cloud.start_python(CLOUDCORE, directory / "stream.pem", directory / "other.pem", EDGE)
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
        yield Site(cloud, edge, kubeconfig)


@pytest.fixture(scope="module")
def module_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    yield from opened(tmp_path_factory.mktemp("dnat"))


@pytest.fixture
def site(module_site: Site) -> Iterator[Site]:
    yield module_site
    module_site.clear()


def states(found: dict[str, dict[str, Any]]) -> dict[str, str]:
    return {code: verdict["status"] for code, verdict in found.items()}


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_working_diversion(site: Site, backend: Backend) -> None:
    site.manager(backend, PORT, 10350)
    assert states(site.judged()) == dict.fromkeys(CHECKS, "pass")


@pytest.mark.parametrize("backend", BACKENDS)
def test_no_rule(site: Site, backend: Backend) -> None:
    site.manager(backend)
    found = site.judged()
    assert found["KE303"]["status"] == "fail"
    assert found["KE309"]["status"] == "fail"
    assert found["KE309"]["explained_by"] == ["KE303"]
    assert {code for code, state in states(found).items() if state != "pass"} == {"KE303", "KE304", "KE309"}
    assert found["KE304"]["status"] == "skip"


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("target", "why"),
    [
        (f"{CLOUD}:10004", "stream server is on port 10003, not 10004"),
        (f"{CLUSTER_IP}:10003", "ClusterIP of Service kubeedge/cloudcore"),
    ],
)
def test_a_rule_that_leads_elsewhere(site: Site, backend: Backend, target: str, why: str) -> None:
    site.rule(backend, target)
    found = site.judged("KE303", "KE304", "KE305", "KE309")
    assert states(found) == {"KE303": "skip", "KE304": "fail", "KE305": "pass", "KE309": "fail"}
    assert why in found["KE304"]["summary"]
    assert f"sudo iptables-{backend} -t nat -D OUTPUT" in found["KE304"]["hint"]["commands"][0]
    assert found["KE309"]["explained_by"] == ["KE304"]


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_duplicate_and_a_leftover(site: Site, backend: Backend) -> None:
    site.manager(backend, PORT)
    site.rule(backend)
    site.rule(backend, port=10350)
    found = site.judged("KE303", "KE304", "KE305", "KE309")
    assert states(found) == {"KE303": "pass", "KE304": "pass", "KE305": "warn", "KE309": "pass"}
    # The command that is shown removes exactly the rule that was meant.
    command = found["KE305"]["hint"]["commands"][0].removeprefix("sudo ")
    site.cloud.run(["sh", "-c", command])
    left = [line for line in site.cloud.save(backend).splitlines() if "DNAT" in line]
    assert len(left) == 2
    assert any("TUNNEL-PORT" in line for line in left)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_rule_only_in_the_other_backend(site: Site, backend: Backend) -> None:
    """The manager writes one backend, the only rule is a hand-made one in the other."""
    site.manager(backend)
    site.rule(OTHER[backend])
    found = site.judged("KE303", "KE306", "KE309")
    assert found["KE306"]["status"] == "warn"
    assert OTHER[backend] in found["KE306"]["summary"]
    assert backend in found["KE306"]["summary"]
    # It works all the same, as both backends act; where this host's iptables does not show it, it does not count.
    assert found["KE309"]["status"] == "pass"
    own = "nft" if "nf_tables" in site.cloud.run(["iptables", "--version"]).stdout else "legacy"
    assert found["KE303"]["status"] == ("pass" if OTHER[backend] == own else "skip")


@pytest.mark.parametrize("backend", BACKENDS)
def test_loopback_is_right_where_cloudcore_runs(site: Site, backend: Backend) -> None:
    site.rule(backend, "127.0.0.1:10003")
    found = site.judged("KE303", "KE304", "KE309")
    assert found["KE304"]["status"] == "pass"
    assert found["KE309"]["status"] == "pass"


def test_backends_that_disagree(site: Site) -> None:
    site.manager("legacy", PORT)
    site.rule("nft", f"{CLOUD}:10004")
    found = site.judged("KE303", "KE304", "KE306", "KE309")
    reached = found["KE309"]["status"] == "pass"
    assert found["KE303"]["status"] == "unknown"
    assert found["KE306"]["status"] == ("warn" if reached else "fail")
    assert "mapped twice" in found["KE306"]["summary"]


def test_reading_changes_nothing(tmp_path: Path) -> None:
    """Not even on a host that never had a legacy table: merely listing one would make it."""
    for site in opened(tmp_path):
        site.manager("nft", PORT)

        def look(site: Site = site) -> list[str]:
            names = ["cat", "/proc/net/ip_tables_names"]
            tools = (
                names,
                ["iptables-nft-save"],
                ["nft", "--stateless", "list", "ruleset"],
                ["ip", "-4", "-o", "address"],
            )
            lines = [line for tool in tools for line in site.cloud.run(tool).stdout.splitlines()]
            return [line for line in lines if not line.startswith(("#", ":"))]

        before = look()
        assert states(site.judged())["KE303"] == "pass"
        assert look() == before
        assert site.cloud.run(["cat", "/proc/net/ip_tables_names"]).stdout == ""
