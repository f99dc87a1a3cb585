"""A cloud host and an edge host in namespaces, where requests of the API server really go the way they are routed.

What the API server answers for logs, exec and the node proxy follows from a connection it makes to the edge's address
and port, so a rule that leads nowhere breaks them as it does on a real site. cloudcore is a stand-in whose mood the
test chooses; a connection from the edge to its tunnel port stands for the live session, which nobody may touch.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import trustme
from dnat_site import CLOUD, EDGE, OBJECTS, PORT
from netns import BACKENDS, Backend, NetworkNamespace

Object = dict[str, Any]
HERE = Path(__file__).parent
NAMESPACES = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}}]
_RUNNING = {"running": {"startedAt": "2026-11-23T03:00:00Z"}}


def pod(name: str, node: str) -> Object:
    """A ready pod of one container."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "labels": {"app": name}},
        "spec": {"nodeName": node, "containers": [{"name": "main", "image": "busybox"}]} if node else {},
        "status": {
            "phase": "Running" if node else "Pending",
            "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": [{"name": "main", "ready": True, "state": _RUNNING}],
        },
    }


PODS = [pod("web", "edge1"), pod("proxy", "cloud"), pod("waits", "")]

API = """
import ctypes, http.client, json, ssl, sys, threading, time
sys.path.insert(0, sys.argv[1])
from apiserver import ADMIN, ApiServer, NO_ROUTE, REFUSED, WRONG_PORT, State, Unreachable
ctypes.CDLL(None).prctl(15, b"kube-apiserver")
tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
tls.load_cert_chain(sys.argv[2])
anyone = ssl.create_default_context()
anyone.check_hostname, anyone.verify_mode = False, ssl.CERT_NONE

def state(node):
    link = http.client.HTTPSConnection(server.edge.address(node), context=anyone, timeout=40)
    try:
        link.request("GET", "/stats/summary", headers={"Host": node})
        answer = link.getresponse()
        body = answer.read()
    except ConnectionRefusedError:
        return REFUSED
    except ssl.SSLError:
        return WRONG_PORT
    except TimeoutError:
        return State.HANG
    except OSError as error:
        return NO_ROUTE
    finally:
        link.close()
    if answer.status == 500:
        return State.NO_SESSION
    if answer.status == 200:
        return State.OK if body else State.DEAD
    return Unreachable("the server could not find the requested resource")

with ApiServer(json.loads(sys.argv[3]), tls=tls, tokens={"t": ADMIN}) as server:
    type(server.edge).state = lambda edge, node: state(node)
    container = server.edge.container("default", "web", "main")
    writing = threading.Event()

    def write():
        while True:
            time.sleep(0.1)
            if writing.is_set():
                container.log += "tick\\n"

    threading.Thread(target=write, daemon=True).start()
    print(server.port)
    for line in sys.stdin:
        said = json.loads(line)
        for path, port in said.get("ports", {}).items():
            entry = server.store.get(server.store.resources.find("", "v1", "nodes"), "", path)
            obj = json.loads(json.dumps(entry.obj))
            obj["status"]["daemonEndpoints"]["kubeletEndpoint"]["Port"] = port
            obj["metadata"].pop("resourceVersion", None)
            with server.store.lock:
                server.store.add(obj)
        container.log = said.get("log", container.log)
        writing.set() if said.get("writes") else writing.clear()
        server.faults.clear()
        if said.get("hangs"):
            server.faults.add(said["hangs"], hang_after_accept=True)
        print("done")
"""
CLOUDCORE = """
import ctypes, pathlib, socket, ssl, sys, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
ctypes.CDLL(None).prctl(15, b"cloudcore")
mood, tunnel, over = pathlib.Path(sys.argv[3]), pathlib.Path(sys.argv[4]), threading.Event()
class Stream(BaseHTTPRequestHandler):
    def do_GET(self):
        said = mood.read_text()
        status, body = 404, b"404: Page Not Found"
        if said == "mute" or (said == "hangs" and self.path.startswith("/stats")):
            mood.with_name("hanging").touch()
            over.wait(60)
        if self.path.startswith("/stats") and self.server.server_port == 10003:
            known = self.headers["Host"] == "edge1" or (self.headers["Host"] == "10.99.0.2" and said != "by-name")
            status, body = (200, b'{"node": {"nodeName": "edge1"}}') if known else (500, b"")
            status, body = {"no-session": (500, b""), "dead": (200, b"")}.get(said, (status, body))
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *told):
        pass
class Quiet(ThreadingHTTPServer):
    daemon_threads = True
    def handle_error(self, *told):
        pass
for port, certificate in ((10000, 2), (10002, 2), (10003, 1)):
    server = Quiet(("0.0.0.0", port), Stream)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(sys.argv[certificate])
    if port == 10000:
        tls.verify_mode = ssl.CERT_REQUIRED
        tls.load_verify_locations(sys.argv[5])
    server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
listener = socket.create_server(("0.0.0.0", 10004))
def hold(link):
    for data in iter(lambda: link.recv(64), b""):
        with tunnel.open("ab") as file:
            file.write(data)
        link.sendall(data)
print("ready")
while True:
    link, peer = listener.accept()
    with tunnel.open("ab") as file:
        file.write(b"+")
    threading.Thread(target=hold, args=(link,), daemon=True).start()
"""
EDGECORE = """
import ctypes, socket, sys, threading
from http.server import BaseHTTPRequestHandler, HTTPServer
ctypes.CDLL(None).prctl(15, b"edgecore")
class Health(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")
    def log_message(self, *told):
        pass
link, edged = socket.create_connection((sys.argv[1], 10004)), None
print("up", flush=True)
for line in sys.stdin:
    if line == "serve\\n":
        edged = HTTPServer(("127.0.0.1", 10350), Health)
        threading.Thread(target=edged.serve_forever, daemon=True).start()
    elif line == "silence\\n":
        edged.shutdown()
        edged.server_close()
    link.sendall(b".")
    print("alive" if link.recv(1) == b"." else "gone", flush=True)
"""
PLAIN = """
import socket, sys
listener = socket.create_server((sys.argv[1], int(sys.argv[2])))
print("ready")
while True:
    link, peer = listener.accept()
    if sys.argv[3] == "http":
        link.recv(4096)
        link.sendall(b"HTTP/1.1 404 Not Found\\r\\nContent-Length: 0\\r\\n\\r\\n")
        link.close()
    else:
        globals().setdefault("kept", []).append(link)
"""


class TraceSite:
    """The two hosts; ``mood`` is cloudcore's, ``tell`` changes what the API server knows."""

    def __init__(self, cloud: NetworkNamespace, edge: NetworkNamespace, home: Path) -> None:
        self.cloud = cloud
        self.edge = edge
        self.home = home
        self.kubeconfig = home / "kubeconfig"
        self.mood("well")
        self._api = self._start_api()
        cloud.start_python(
            CLOUDCORE,
            home / "stream.pem",
            home / "other.pem",
            home / "mood",
            home / "tunnel",
            home / "ca.crt",
        )
        self._edgecore = self._spoken_with(edge, EDGECORE, CLOUD)
        assert self._answer(self._edgecore) == "up"

    def _start_api(self) -> subprocess.Popen[str]:
        objects = json.dumps([*NAMESPACES, *OBJECTS, *PODS])
        api = self._spoken_with(self.cloud, API, str(HERE), str(self.home / "api.pem"), objects)
        self.port = int(self._answer(api))
        self.kubeconfig.write_text(json.dumps(kubeconfig(self.port, self.home / "ca.crt")))
        return api

    @staticmethod
    def _spoken_with(host: NetworkNamespace, source: str, *words: str) -> subprocess.Popen[str]:
        """A Python program on a host that answers each line it is told with one of its own."""
        argv = host._entering([sys.executable, "-u", "-I", "-c", source, *words])
        child = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=host.env)
        host._children.append(child)
        return child

    @staticmethod
    def _answer(child: subprocess.Popen[str], line: str = "") -> str:
        assert child.stdin is not None
        assert child.stdout is not None
        if line:
            child.stdin.write(f"{line}\n")
            child.stdin.flush()
        return child.stdout.readline().strip()

    def mood(self, word: str) -> None:
        """``well``, ``no-session``, ``dead``, ``hangs``, ``by-name``, ``mute``."""
        (self.home / "hanging").unlink(missing_ok=True)
        (self.home / "mood").write_text(word)

    @property
    def hangs(self) -> bool:
        """Whether somebody has asked cloudcore since its mood changed and waits for the answer."""
        return (self.home / "hanging").exists()

    def tell(self, **said: Any) -> None:
        """``ports`` by node, ``log`` of pod web and whether it ``writes``, ``hangs`` (a pattern of requests)."""
        assert self._answer(self._api, json.dumps(said)) == "done"

    def edged(self, word: str) -> None:
        """``serve`` or ``silence``: edged's own server on the edge."""
        assert self._answer(self._edgecore, word) == "alive"

    def rule(self, backend: Backend = "nft", to: str = f"{CLOUD}:10003", port: int = PORT) -> None:
        """A DNAT rule in OUTPUT."""
        rule = ["-p", "tcp", "--dport", str(port), "-j", "DNAT", "--to-destination", to]
        self.cloud.iptables(backend, "-t", "nat", "-A", "OUTPUT", *rule)

    def reset(self) -> None:
        """As it was: no rule, everything well."""
        for backend in BACKENDS:
            self.cloud.iptables(backend, "-t", "nat", "-F")
            self.cloud.iptables(backend, "-t", "nat", "-X")
        self.mood("well")
        self.tell(ports={"edge1": PORT}, log="hello 1\nhello 2\n")

    def tunnels(self) -> tuple[int, bool]:
        """How many tunnels were ever made, and whether the first one still carries a byte both ways."""
        alive = self._answer(self._edgecore, "ping") == "alive"
        return (self.home / "tunnel").read_bytes().count(b"+"), alive

    def trace(
        self, *words: str, host: NetworkNamespace | None = None, timeout: str = "1s", wait: float = 100
    ) -> subprocess.CompletedProcess[str]:
        """``kedoctor trace`` run on the cloud host."""
        argv = [sys.executable, "-m", "kedoctor", "trace", *words, "--timeout", timeout, "--lang", "en"]
        if host is None:
            argv += ["--kubeconfig", str(self.kubeconfig)]
        done = (host or self.cloud).run(argv, check=False, timeout=wait)
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def traced(self, *words: str, **how: Any) -> tuple[int, Object]:
        """The exit code and the document."""
        done = self.trace(*words, "--format", "json", **how)
        assert done.stdout, done.stderr
        found: Object = json.loads(done.stdout)
        assert done.returncode == found["exit_code"]
        return done.returncode, found


def kubeconfig(port: int, authority: Path) -> Object:
    """For the API server of a namespace."""
    cluster = {"server": f"https://127.0.0.1:{port}", "certificate-authority": str(authority)}
    return {
        "current-context": "lab",
        "clusters": [{"name": "lab", "cluster": cluster}],
        "users": [{"name": "ann", "user": {"token": "t"}}],
        "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "ann"}}],
    }


@contextmanager
def trace_site(home: Path) -> Iterator[TraceSite]:
    """The site, up and well, without any rule."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(home / "ca.crt"))
    for name in ("api", "stream", "other"):
        issued = authority.issue_cert("127.0.0.1" if name == "api" else f"{name}.lab")
        issued.private_key_and_cert_chain_pem.write_to_path(str(home / f"{name}.pem"))
    with NetworkNamespace() as cloud, NetworkNamespace() as edge:
        cloud.join(edge, f"{CLOUD}/24", f"{EDGE}/24")
        cloud.run(["ip", "route", "add", "default", "via", EDGE])
        site = TraceSite(cloud, edge, home)
        site.reset()
        yield site


def states(document: Object) -> dict[str, str]:
    """The state of each hop by its name."""
    return {hop["name"]: hop["state"] for hop in document["hops"]}
