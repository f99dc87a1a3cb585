"""A stand-in for the ``k3s`` binary: ``server``, ``ctr`` and ``--version``, with K3s' files, arguments and refusals.

``k3s server`` reads ``/etc/rancher/k3s/config.yaml`` and the fragments beside it as K3s does, refuses flags that K3s
does not know, and starts: a containerd of its own (the real one), which imports what lies in ``agent/images``; the API
server of the sandbox on 6443 with certificates below ``server/tls``; and what a cluster does by itself (k3s_cluster).
Its objects outlive a restart. ``k3s ctr`` is the real ``ctr`` on that containerd.
"""

from __future__ import annotations

import base64
import contextlib
import ctypes
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent)]

from apiserver import K3S, KUBEEDGE, METRICS  # noqa: E402  found by the line above
from k3s_cluster import Cluster  # noqa: E402
from k3s_edges import Edges  # noqa: E402

from kedoctor.pki.certificates import Issued, make_ca, sign_server  # noqa: E402
from kedoctor.sandbox.apiserver import ADMIN, ApiServer  # noqa: E402
from kedoctor.yaml.document import load  # noqa: E402

VERSION = "v1.34.2+k3s1"
DATA = Path("/var/lib/rancher/k3s")
CONFIG = Path("/etc/rancher/k3s/config.yaml")
KUBECONFIG = Path("/etc/rancher/k3s/k3s.yaml")
SOCKET = "/run/k3s/containerd/containerd.sock"
KNOWN = {
    "advertise-address",
    "bind-address",
    "cluster-cidr",
    "cluster-dns",
    "disable",
    "egress-selector-mode",
    "kube-apiserver-arg",
    "kube-controller-manager-arg",
    "kube-scheduler-arg",
    "kubelet-arg",
    "node-ip",
    "node-label",
    "node-name",
    "node-taint",
    "service-cidr",
    "tls-san",
    "write-kubeconfig-mode",
}
LISTS = {"disable", "kube-apiserver-arg", "kubelet-arg", "node-label", "node-taint", "tls-san"}
CONTAINERD = """
version = 2
root = "/var/lib/rancher/k3s/agent/containerd"
state = "/run/k3s/containerd"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt"]
[grpc]
address = "/run/k3s/containerd/containerd.sock"
[ttrpc]
address = "/run/k3s/containerd/containerd.sock.ttrpc"
"""


def say(message: str) -> None:
    sys.stderr.write(f"{message}\n")
    sys.stderr.flush()


def fatal(message: str) -> None:
    say(f'time="{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}" level=fatal msg="{message}"')
    sys.exit(1)


def arguments(words: list[str]) -> dict[str, list[str]]:
    """The values of every flag: files first, ``key+`` appended, the command line last (facts.md §8.5)."""
    found: dict[str, list[str]] = {}
    fragments = sorted(Path(f"{CONFIG}.d").glob("*.yaml"))
    for path in (CONFIG, *fragments):
        for key, value in (load(path.read_bytes()).data if path.exists() else {}).items():
            name = key.removesuffix("+")
            values = [str(one) for one in (value if isinstance(value, list) else [value])]
            if name not in KNOWN:
                say(f"Unknown flag --{name} found in {path.name}, skipping")
                continue
            found[name] = [*(found.get(name, []) if key.endswith("+") else []), *values]
    for word in words:
        name, equals, value = word.removeprefix("--").partition("=")
        if not word.startswith("--") or name not in KNOWN or not equals:
            say(f"Incorrect Usage: flag provided but not defined: -{name}")
            sys.exit(1)
        found[name] = [*(found.get(name, []) if name in LISTS else []), value]
    return found


def ctr(words: list[str]) -> None:
    argv = ["ctr", "--address", SOCKET, *words]
    os.execve("/usr/bin/ctr", argv, {**os.environ, "CONTAINERD_SNAPSHOTTER": "native"})


class Server:
    """``k3s server``."""

    def __init__(self, words: list[str]) -> None:
        self.given = arguments(words)
        self.node = self.one("node-name", socket.gethostname())
        self.address = self.one("node-ip", own_address())
        self.stopped = threading.Event()

    def one(self, name: str, default: str = "") -> str:
        return (self.given.get(name) or [default])[-1]

    def run(self) -> None:
        mode = self.one("egress-selector-mode", "agent")
        if mode not in ("disabled", "agent", "pod", "cluster"):
            fatal(f"invalid egress-selector-mode {mode}")
        with contextlib.suppress(OSError):
            ctypes.CDLL(None).prctl(15, b"k3s-server", 0, 0, 0)
        if not self.address:
            fatal("unable to select an IP from default routes")
        containerd = self._containerd()
        authority, serving = self._certificates()
        try:
            server = self._api(serving)
        except OSError as error:
            containerd.terminate()
            fatal(f"starting kubernetes: preparing server: listen tcp :6443: bind: {error.strerror}")
        self._kubeconfig(authority)
        say(f'level=info msg="Tunnel server egress proxy mode: {mode}"')
        cluster = Cluster(server, self.node, self.address, self.given, DATA)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.stopped.set())
        with server, Edges(cluster) as edges:
            cluster.begin()
            notify("READY=1")
            while not self.stopped.wait(0.2) and containerd.poll() is None:
                cluster.tick()
                edges.tick()
            cluster.end()
        containerd.terminate()
        containerd.wait(10)

    def _containerd(self) -> subprocess.Popen[bytes]:
        config = DATA / "agent/etc/containerd/config.toml"
        config.parent.mkdir(parents=True, exist_ok=True)
        config.write_text(CONTAINERD)
        quiet = {name: value for name, value in os.environ.items() if name != "NOTIFY_SOCKET"}
        daemon = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "/usr/bin/containerd", "--config", str(config)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=quiet,
        )
        ask = ["/usr/bin/ctr", "--address", SOCKET, "--connect-timeout", "1s"]
        deadline = time.monotonic() + 20
        while subprocess.run([*ask, "version"], capture_output=True, check=False).returncode:
            if daemon.poll() is not None or time.monotonic() > deadline:
                fatal("containerd exited")
            time.sleep(0.1)
        environment = {**os.environ, "CONTAINERD_SNAPSHOTTER": "native"}
        for archive in sorted((DATA / "agent/images").glob("*.tar")):
            ran = subprocess.run(
                [*ask, "-n", "k8s.io", "images", "import", str(archive)],
                capture_output=True,
                check=False,
                env=environment,
            )
            if ran.returncode:  # K3s says so and goes on
                say(f'level=error msg="Unable to import {archive}"')
        return daemon

    def _certificates(self) -> tuple[Issued, Issued]:
        place, now = DATA / "server/tls", datetime.now(UTC)
        place.mkdir(parents=True, exist_ok=True)
        if not (place / "server-ca.crt").exists():
            made = make_ca("k3s-server-ca", now, 3650)
            (place / "server-ca.crt").write_bytes(made.certificate)
            (place / "server-ca.key").write_bytes(made.key)
            (place / "server-ca.key").chmod(0o600)
        authority = Issued((place / "server-ca.crt").read_bytes(), (place / "server-ca.key").read_bytes())
        names = ["127.0.0.1", "localhost", "kubernetes", self.address, *self.given.get("tls-san", [])]
        serving = sign_server(authority, "kube-apiserver", names, now, days=365, algorithm="ECDSA-P-256")
        (place / "serving-kube-apiserver.crt").write_bytes(serving.certificate)
        (place / "serving-kube-apiserver.key").write_bytes(serving.key)
        (DATA / "server/node-token").write_text("K10::server:of-the-lab\n")
        (DATA / "server/node-token").chmod(0o600)
        return authority, serving

    def _api(self, serving: Issued) -> ApiServer:
        place = DATA / "server/tls"
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(place / "serving-kube-apiserver.crt", place / "serving-kube-apiserver.key")
        return ApiServer(
            tls=tls,
            tokens={self._token(): ADMIN},
            load_yaml=lambda text: json.loads(json.dumps(load(text).data)),
            serves=(KUBEEDGE, METRICS, K3S),
            version=VERSION,
            listen=("0.0.0.0", 6443),
        )

    def _token(self) -> str:
        place = DATA / "server/admin-token"
        if not place.exists():
            place.write_text(base64.b32encode(os.urandom(20)).decode())
            place.chmod(0o600)
        return place.read_text()

    def _kubeconfig(self, authority: Issued) -> None:
        document: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "default",
            "clusters": [
                {
                    "name": "default",
                    "cluster": {
                        "server": "https://127.0.0.1:6443",
                        "certificate-authority-data": base64.b64encode(authority.certificate).decode(),
                    },
                }
            ],
            "contexts": [{"name": "default", "context": {"cluster": "default", "user": "default"}}],
            "users": [{"name": "default", "user": {"token": self._token()}}],
        }
        KUBECONFIG.parent.mkdir(parents=True, exist_ok=True)
        KUBECONFIG.write_text(json.dumps(document, indent=1) + "\n")
        KUBECONFIG.chmod(int(self.one("write-kubeconfig-mode", "0600"), 8))


def own_address() -> str:
    """The address of the default route's interface; empty without one."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        asked.connect(("192.0.2.1", 9))
        return str(asked.getsockname()[0])
    return ""


def notify(text: str) -> None:
    place = os.environ.get("NOTIFY_SOCKET", "")
    if place:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
            told.sendto(text.encode(), "\0" + place[1:] if place.startswith("@") else place)


def main(words: list[str]) -> None:
    if words[:1] == ["--version"]:
        sys.stdout.write(f"k3s version {VERSION} (lab)\ngo version go1.24.9\n")
    elif words[:1] == ["ctr"]:
        ctr(words[1:])
    elif words[:1] == ["server"]:
        Server(words[1:]).run()
    else:
        say(f"No help topic for '{' '.join(words)}'")
        sys.exit(3)


if __name__ == "__main__":
    main(sys.argv[1:])
