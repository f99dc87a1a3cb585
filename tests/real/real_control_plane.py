"""The cloud host of a real Kubernetes cluster: etcd, API server, controllers and scheduler, each as its own process.

There is no kube-proxy: one rule leads the address of Service ``kubernetes`` to the API server.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import os
import signal
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import lab_host
import real_parts
import trustme
from lab_host import Daemon, Host, until

__all__ = [
    "ADMIN_TOKEN",
    "CLOUD",
    "PORT",
    "WEAK_TOKEN",
    "Answer",
    "Cluster",
    "Object",
    "control_plane",
    "obstacle",
]

Object = dict[str, Any]
CLOUD, PORT = "10.99.0.1", 6443
SERVICE = "10.96.0.1"
ADMIN_TOKEN, WEAK_TOKEN = "the-administrator", "may-not-much"  # tokens of a cluster that lives for some tests
NAMES = (
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "localhost",
    "127.0.0.1",
    CLOUD,
    SERVICE,
)


def obstacle() -> str:
    """Why there can be no such cluster here; empty if there can."""
    return lab_host.obstacle() or real_parts.missing("etcd", "kubernetes")


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer as it came."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    def header(self, name: str) -> str | None:
        """The first value of a header."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


class Papers:
    """The certificates, tokens and kubeconfigs of a cluster, in a folder."""

    def __init__(self, place: Path) -> None:
        place.mkdir(parents=True)
        self.place = place
        self.ca = trustme.CA()
        (place / "ca.crt").write_bytes(self.ca.cert_pem.bytes())
        self.serving()
        self.pair("service-accounts", "service-accounts")
        self.pair("front-proxy-client", "front-proxy-client")
        self.pair("apiserver-kubelet-client", "kube-apiserver-kubelet-client", "system:masters")
        self.kubeconfig("admin", "kubernetes-admin", "system:masters")
        self.kubeconfig("controller-manager", "system:kube-controller-manager")
        self.kubeconfig("scheduler", "system:kube-scheduler")
        lines = [f'{ADMIN_TOKEN},kubernetes-admin,1,"system:masters"', f"{WEAK_TOKEN},weak,2"]
        (place / "tokens.csv").write_text("\n".join([*lines, ""]), encoding="utf-8")

    def serving(self, *, ended: datetime | None = None) -> None:
        """The API server's certificate, perhaps one that is over."""
        times = {"not_before": datetime(2020, 1, 1, tzinfo=UTC), "not_after": ended} if ended else {}
        self._write("apiserver", self.ca.issue_cert(*NAMES, common_name="kube-apiserver", **times))

    def pair(self, name: str, user: str, group: str | None = None) -> None:
        """A client certificate and its key."""
        self._write(
            name, self.ca.issue_cert(f"{name}.lab.invalid", common_name=user, organization_name=group)
        )

    def serve(self, name: str, *names: str) -> None:
        """A certificate for a server at these names and addresses."""
        self._write(name, self.ca.issue_cert(*names))

    def _write(self, name: str, leaf: trustme.LeafCert) -> None:
        self.path(f"{name}.crt").write_bytes(b"".join(one.bytes() for one in leaf.cert_chain_pems))
        self.path(f"{name}.key").write_bytes(leaf.private_key_pem.bytes())

    def path(self, name: str) -> Path:
        """A file in the folder."""
        return self.place / name

    def kubeconfig(self, name: str, user: str, group: str | None = None) -> Path:
        """A kubeconfig with a client certificate."""
        self.pair(name, user, group)
        files = {"client-certificate": f"{name}.crt", "client-key": f"{name}.key"}
        return self._config(name, {key: str(self.path(file)) for key, file in files.items()})

    def token_config(self, token: str) -> Path:
        """A kubeconfig with a token."""
        return self._config(f"token-{hashlib.sha256(token.encode()).hexdigest()[:8]}", {"token": token})

    def _config(self, name: str, user: Object) -> Path:
        authority = base64.b64encode(self.ca.cert_pem.bytes()).decode()
        server = {"server": f"https://{CLOUD}:{PORT}", "certificate-authority-data": authority}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "lab", "cluster": server}],
            "users": [{"name": "lab", "user": user}],
            "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "lab"}}],
            "current-context": "lab",
        }
        path = self.path(f"{name}.kubeconfig")
        path.write_text(json.dumps(config), encoding="utf-8")
        return path


class Cluster:
    """A running cluster, seen from its cloud host."""

    def __init__(self, cloud: Host, home: Path) -> None:
        self.cloud = cloud
        self.home = home
        self.nodes: dict[str, Host] = {}
        self.papers = Papers(home / "papers")
        self._tls = ssl.create_default_context(cadata=self.papers.ca.cert_pem.bytes().decode())

    # ------------------------------------------------------------------------------------------ starting

    def start_etcd(self) -> Daemon:
        """etcd with its data in the home of the cluster."""
        url = "http://127.0.0.1:2379"
        return self.cloud.daemon(
            "etcd",
            real_parts.binary("etcd"),
            f"--data-dir={self.home}/etcd",
            f"--listen-client-urls={url}",
            f"--advertise-client-urls={url}",
            "--listen-peer-urls=http://127.0.0.1:2380",
            "--unsafe-no-fsync",
        )

    def start_apiserver(self, *more: str) -> Daemon:
        """kube-apiserver; ``more`` are further flags."""
        at = self.papers.path
        return self.cloud.daemon(
            "kube-apiserver",
            real_parts.binary("kube-apiserver"),
            "--etcd-servers=http://127.0.0.1:2379",
            f"--secure-port={PORT}",
            f"--advertise-address={CLOUD}",
            f"--tls-cert-file={at('apiserver.crt')}",
            f"--tls-private-key-file={at('apiserver.key')}",
            f"--client-ca-file={at('ca.crt')}",
            f"--service-account-key-file={at('service-accounts.key')}",
            f"--service-account-signing-key-file={at('service-accounts.key')}",
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            "--service-cluster-ip-range=10.96.0.0/16",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            "--allow-privileged=true",
            f"--token-auth-file={at('tokens.csv')}",
            f"--kubelet-client-certificate={at('apiserver-kubelet-client.crt')}",
            f"--kubelet-client-key={at('apiserver-kubelet-client.key')}",
            "--kubelet-preferred-address-types=InternalIP,Hostname",
            f"--requestheader-client-ca-file={at('ca.crt')}",
            "--requestheader-allowed-names=front-proxy-client",
            "--requestheader-username-headers=X-Remote-User",
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            f"--proxy-client-cert-file={at('front-proxy-client.crt')}",
            f"--proxy-client-key-file={at('front-proxy-client.key')}",
            # Without kube-proxy: aggregated APIs are reached at the addresses of their pods.
            "--enable-aggregator-routing=true",
            f"--cert-dir={self.home}/apiserver",
            *more,
        )

    def start_controllers(self, *more: str) -> None:
        """kube-controller-manager and kube-scheduler; ``more`` are further flags of the first."""
        at = self.papers.path
        config = f"--kubeconfig={at('controller-manager.kubeconfig')}"
        self.cloud.daemon(
            "kube-controller-manager",
            real_parts.binary("kube-controller-manager"),
            config,
            f"--authentication-kubeconfig={at('controller-manager.kubeconfig')}",
            f"--authorization-kubeconfig={at('controller-manager.kubeconfig')}",
            f"--service-account-private-key-file={at('service-accounts.key')}",
            f"--root-ca-file={at('ca.crt')}",
            "--use-service-account-credentials=true",
            "--leader-elect=false",
            # Faster than by default, so that a test need not wait 40 s for a node to be given up.
            "--node-monitor-grace-period=16s",
            f"--cert-dir={self.home}/controllers",
            *more,
        )
        self.cloud.daemon(
            "kube-scheduler",
            real_parts.binary("kube-scheduler"),
            f"--kubeconfig={at('scheduler.kubeconfig')}",
            f"--authentication-kubeconfig={at('scheduler.kubeconfig')}",
            f"--authorization-kubeconfig={at('scheduler.kubeconfig')}",
            "--leader-elect=false",
        )

    def wait_ready(self, seconds: float = 90) -> None:
        """Returns when the API server says that it is ready."""

        def ready() -> bool:
            assert self.cloud.daemons["kube-apiserver"].runs, self.told()
            try:
                return self.ask("GET", "/readyz", timeout=5).status == 200
            except (OSError, http.client.HTTPException):
                return False

        until(ready, seconds, self.told)

    def eventually(self, happens: Callable[[], bool], seconds: float = 30) -> None:
        """Waits until it happens; fails with what all parts said if it does not."""
        until(happens, seconds, self.told)

    def until_refused(self, seconds: float = 60) -> str:
        """Waits until the API server's certificate is refused by a client; what that said."""

        def refused() -> str:
            try:
                self.open(5).close()
            except ssl.SSLCertVerificationError as error:
                return str(error)
            except OSError:
                return ""
            return ""

        return str(until(refused, seconds, self.told))

    def told(self) -> str:
        """The ends of all logs."""
        hosts = (self.cloud, *self.nodes.values())
        return "\n".join(one.said() for host in hosts for one in host.daemons.values())

    # -------------------------------------------------------------------------------------------- asking

    def open(self, timeout: float = 20) -> ssl.SSLSocket:
        """A TLS connection to the API server, made from the cloud host."""
        raw = self.cloud.connect(CLOUD, PORT, timeout)
        return self._tls.wrap_socket(raw, server_hostname=CLOUD)

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | str | Object | None = None,
        *,
        token: str | None = ADMIN_TOKEN,
        content_type: str = "application/json",
        timeout: float = 20,
        **headers: str,
    ) -> Answer:
        """One request over a connection of its own. Header names are given with underscores."""
        sent = {"Accept": "application/json"} | {
            key.replace("_", "-"): value for key, value in headers.items()
        }
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        if body is not None:
            sent["Content-Type"] = content_type
        connection = http.client.HTTPSConnection(CLOUD, PORT)
        connection.sock = self.open(timeout)
        try:
            connection.request(method, path, json.dumps(body) if isinstance(body, dict) else body, sent)
            answer = connection.getresponse()
            return Answer(answer.status, tuple(answer.getheaders()), answer.read())
        finally:
            connection.close()

    def get(self, path: str) -> Object:
        """An object or list that is there."""
        answer = self.ask("GET", path)
        assert answer.status == 200, answer.body
        found: Object = answer.json
        return found

    def create(self, path: str, body: Object) -> Object:
        """Makes an object; ``path`` is that of its collection."""
        answer = self.ask("POST", path, body)
        assert answer.status == 201, answer.body
        found: Object = answer.json
        return found

    def is_ready(self, node: str) -> bool:
        """Whether the node's kubelet says that it is ready."""
        answer = self.ask("GET", f"/api/v1/nodes/{node}")
        said = answer.json.get("status", {}).get("conditions", []) if answer.status == 200 else []
        return any((one["type"], one["status"]) == ("Ready", "True") for one in said)

    def forget_history(self) -> None:
        """etcd forgets every version but the newest, and the API server is started again, so that it does too."""
        revision = int(self.get("/api/v1/namespaces")["metadata"]["resourceVersion"])
        connection = http.client.HTTPConnection("127.0.0.1", 2379)
        connection.sock = self.cloud.connect("127.0.0.1", 2379, 10)
        try:
            connection.request("POST", "/v3/kv/compaction", json.dumps({"revision": str(revision)}))
            answer = connection.getresponse()
            assert answer.status == 200, answer.read()
        finally:
            connection.close()
        self.cloud.daemons["kube-apiserver"].stop(signal.SIGKILL)
        self.cloud.daemons["kube-apiserver"].start()
        self.wait_ready()

    def kubectl(
        self, *words: str, check: bool = True, timeout: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """kubectl as the administrator, on the cloud host."""
        config = self.papers.path("admin.kubeconfig")
        argv = (real_parts.binary("kubectl"), f"--kubeconfig={config}", *words)
        return self.cloud.run(*argv, check=check, timeout=timeout, env={**os.environ, "HOME": str(self.home)})

    def kedoctor(
        self,
        *words: str,
        config: Path | None = None,
        host: Host | None = None,
        timeout: float = 120,
        **environment: str,
    ) -> subprocess.CompletedProcess[str]:
        """kedoctor on the cloud host, with the administrator's kubeconfig or another."""
        chosen = config or self.papers.path("admin.kubeconfig")
        argv = (sys.executable, "-m", "kedoctor", *words, "--kubeconfig", str(chosen))
        done = (host or self.cloud).run(
            *argv, check=False, timeout=timeout, env={**os.environ, **environment}, cwd=self.home
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done


@contextmanager
def control_plane(home: Path, *, controllers: bool = False, flags: Sequence[str] = ()) -> Iterator[Cluster]:
    """A cluster without nodes."""
    with Host("cloud", home / "cloud") as cloud:
        cloud.run("ip", "link", "add", "br0", "type", "bridge")
        cloud.run("ip", "address", "add", f"{CLOUD}/24", "dev", "br0")
        cloud.run("ip", "link", "set", "br0", "up")
        cloud.run("ip", "address", "add", f"{SERVICE}/32", "dev", "lo")
        for chain in ("PREROUTING", "OUTPUT"):
            match = ["-d", SERVICE, "-p", "tcp", "--dport", "443"]
            cloud.run("iptables", "-t", "nat", "-A", chain, *match, "-j", "REDIRECT", "--to-ports", str(PORT))
        made = Cluster(cloud, home)
        made.start_etcd()
        made.start_apiserver(*flags)
        made.wait_ready()
        if controllers:
            made.start_controllers()
        yield made
