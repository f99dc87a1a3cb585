"""A recorded KubeEdge site behind a real HTTPS API server, with what its controllers and cloudcore do when things change.

The objects are those of the recording ``c-cloudstream-disabled``, moved to the present; Secrets are made for the
test, metrics-server's objects are upstream's. What is played here: Deployment and DaemonSet bring pods back,
cloudcore starts by the document that lies in its ConfigMap (facts.md §1.1, §3.2, §3.3), edges connect, samples come.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from apiserver import K3S, KUBEEDGE, METRICS, Object, Rule, User
from apiserver.fixtures import running

from kedoctor.checks.metrics.fix_objects import complete_set
from kedoctor.pki.certificates import Issued, make_ca, read_certificates, sign_server
from kedoctor.sandbox.apiserver.edge import REFUSED, State
from kedoctor.sandbox.apiserver.store import Event
from kedoctor.yaml.document import load

HERE = Path(__file__).parent
RECORDED = datetime(2026, 11, 23, 3, 25, 30, tzinfo=UTC)
WEAK = "may-only-look"
_STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z")
_READ_ONLY = [Rule(verbs=("get", "list", "watch"), groups="*", resources="*"), Rule(verbs="*", urls="*")]
_ALL = [Rule(verbs="*", groups="*", resources="*"), Rule(verbs="*", urls="*")]
REGISTRATION = "v1beta1.metrics.k8s.io"
_RECORD = "tunnelportrecord.kubeedge.io"


def stamp(seconds: float = 0.0) -> str:
    """The time as Kubernetes writes it, so many seconds from now."""
    return f"{datetime.now(UTC) + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%SZ}"


def _moved(text: str) -> str:
    """All times of a recording, as far from now as they were from its own moment."""
    shift = datetime.now(UTC) - RECORDED

    def move(found: re.Match[str]) -> str:
        return f"{datetime.fromisoformat(found[0]) + shift:%Y-%m-%dT%H:%M:%SZ}"

    return _STAMP.sub(move, text)


def recorded() -> list[Object]:
    """The objects of the recording, times moved to the present."""
    found: list[Object] = json.loads(_moved((HERE / "recorded_site.json").read_text(encoding="utf-8")))
    return found


def named(objects: list[Object], kind: str, name: str) -> Object:
    """One of them."""
    return next(one for one in objects if (one["kind"], one["metadata"]["name"]) == (kind, name))


def secrets() -> list[Object]:
    """The four Secrets of namespace kubeedge, made now (facts.md §1.3, §4.1)."""
    now = datetime.now(UTC)
    authority = make_ca("KubeEdge", now, 36400)
    ca_secret = kubeedge_secret("casecret", cadata=_der(authority), cakeydata=authority.key)
    return [ca_secret, cloudcore_secret(ca_secret), token_secret(ca_secret), stream_secret(now)]


def cloudcore_secret(ca_secret: Object, addresses: tuple[str, ...] = ("10.99.0.1",)) -> Object:
    """The certificate that cloudcore makes at start when it has none, with the CA that lies there."""
    authority = Issued(*(base64.b64decode(ca_secret["data"][key]) for key in ("cadata", "cakeydata")))
    server = sign_server(
        authority, "KubeEdge", addresses, datetime.now(UTC), days=36400, algorithm="ECDSA-P-256"
    )
    return kubeedge_secret("cloudcoresecret", cloudcoredata=_der(server), cloudcorekeydata=server.key)


def token_secret(ca_secret: Object) -> Object:
    """A join token that is good for 20 hours."""
    claims = {"exp": int((datetime.now(UTC) + timedelta(hours=20)).timestamp())}
    words = (b'{"alg":"HS256"}', json.dumps(claims).encode(), b"signature")
    parts = [base64.urlsafe_b64encode(word).decode().rstrip("=") for word in words]
    digest = hashlib.sha256(base64.b64decode(ca_secret["data"]["cadata"])).hexdigest()
    return kubeedge_secret("tokensecret", tokendata=f"{digest}.{'.'.join(parts)}".encode())


def stream_secret(issued: datetime) -> Object:
    """What the chart makes at its first install."""
    authority = make_ca("cloudcore-ca", issued, 365)
    stream = sign_server(authority, "cloudcore", ["cloudcore.kubeedge"], issued, algorithm="ECDSA-P-256")
    names = {
        "streamCA.crt": authority.certificate,
        "stream.crt": stream.certificate,
        "stream.key": stream.key,
    }
    return kubeedge_secret("cloudcore", **names)


def _der(issued: Issued) -> bytes:
    return read_certificates(issued.certificate)[0].der


def kubeedge_secret(name: str, **data: bytes) -> Object:
    """A Secret of namespace kubeedge as cloudcore and the chart make them."""
    labels = {"k8s-app": "kubeedge", "kubeedge": "cloudcore", "app.kubernetes.io/managed-by": "Helm"}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": "kubeedge", "labels": labels},
        "type": "Opaque",
        "data": {key: base64.b64encode(value).decode() for key, value in data.items()},
    }


def metrics_server() -> list[Object]:
    """The nine objects of metrics-server but the registration, which was recorded, and the role it delegates to."""
    objects = [one.body for one in complete_set("rancher/mirrored-metrics-server:v0.8.0")]
    delegator = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "system:auth-delegator"},
        "rules": [
            {
                "apiGroups": ["authorization.k8s.io"],
                "resources": ["subjectaccessreviews"],
                "verbs": ["create"],
            }
        ],
    }
    return [*(one for one in objects if one["kind"] != "APIService"), delegator]


class ControlPlane:
    """The running site. ``broken`` makes cloudcore come up without its stream servers, whatever is written."""

    def __init__(self, server: Any) -> None:
        self.server = server
        self.broken = False
        self.starts = 0
        self._cut = False
        self._lock = threading.RLock()
        server.store.on_change.append(self._react)
        server.faults.add("GET /apis/metrics.k8s.io/.*/nodes", before=self._sample)
        for pod in self.objects("", "pods"):
            if pod["metadata"]["labels"].get("kubeedge") == "cloudcore":
                self._log(pod["metadata"]["name"], datetime.fromisoformat(pod["status"]["startTime"]))
        self._reach()

    # ------------------------------------------------------------------------------------------ looking

    def objects(self, group: str, plural: str) -> list[Object]:
        """Copies of all objects of a resource."""
        found: list[Object] = json.loads(json.dumps(self.server.store.objects(group, plural)))
        return found

    def get(self, group: str, plural: str, name: str) -> Object:
        """One object by name."""
        return next(one for one in self.objects(group, plural) if one["metadata"]["name"] == name)

    def document(self) -> str:
        """cloudcore.yaml as it lies in the ConfigMap."""
        return str(self.get("", "configmaps", "cloudcore")["data"]["cloudcore.yaml"])

    def put(self, obj: Object) -> None:
        """Writes an object as somebody in the cluster would."""
        with self.server.store.lock:
            obj["metadata"].pop("resourceVersion", None)
            self.server.store.add(obj)

    def written(self) -> list[str]:
        """The requests that were meant to change something, in order."""
        methods = ("POST", "PUT", "PATCH", "DELETE")
        return [
            f"{seen.method} {seen.path}"
            for seen in list(self.server.requests)
            if seen.method in methods
            and "dryRun" not in seen.query
            and not seen.path.endswith("accessreviews")
        ]

    # ----------------------------------------------------------------------------------------- playing

    @property
    def streams(self) -> bool:
        """Whether cloudcore has its stream servers, so that edges have tunnels."""
        section = load(self.document()).data.get("modules", {}).get("cloudStream", {})
        return bool(section.get("enable")) and not self.broken

    def _ruled(self) -> bool:
        """Whether the manager is there that writes the rule."""
        return any(
            one["metadata"]["name"].startswith("cloud-iptables-manager-") for one in self.objects("", "pods")
        )

    def _reached(self) -> bool:
        """Whether a request of metrics-server ends at the edge: tunnel, rule, and the port of the Node."""
        if not self._wanted("metrics-server"):
            return False
        spec = self.get("apps", "deployments", "metrics-server")["spec"]["template"]["spec"]
        return (
            self.streams
            and self._ruled()
            and "--kubelet-use-node-status-port" in spec["containers"][0]["args"]
        )

    def _react(self, event: Event) -> None:
        self._answer(event)
        if event.entry.obj["kind"] == "Pod":
            self._reach()

    def _answer(self, event: Event) -> None:
        obj = event.entry.obj
        labels = obj["metadata"].get("labels") or {}
        if event.kind == "DELETED" and obj["kind"] == "Pod":
            if labels.get("kubeedge") == "cloudcore":
                self._start_cloudcore(obj)
            elif labels.get("kubeedge") == "iptables-manager" or (
                labels.get("k8s-app") == "metrics-server" and self._wanted("metrics-server")
            ):
                self._again(obj)
        elif event.kind == "MODIFIED" and obj["kind"] == "DaemonSet":
            self._schedule(obj)
        elif obj["kind"] == "Deployment" and obj["metadata"]["name"] == "metrics-server":
            self._scale(0 if event.kind == "DELETED" else obj["spec"]["replicas"])
        elif event.kind == "ADDED" and obj["kind"] == "APIService":
            self.put(
                {
                    **json.loads(json.dumps(obj)),
                    "status": named(recorded(), "APIService", REGISTRATION)["status"],
                }
            )

    def _wanted(self, deployment: str) -> bool:
        found = [one for one in self.objects("apps", "deployments") if one["metadata"]["name"] == deployment]
        return bool(found and found[0]["spec"]["replicas"])

    def _scale(self, replicas: int) -> None:
        """As many pods of metrics-server as are wanted, none or one."""
        there = [
            one for one in self.objects("", "pods") if one["metadata"]["name"].startswith("metrics-server-")
        ]
        if replicas and not there:
            pod = next(one for one in recorded() if one["metadata"]["name"].startswith("metrics-server-"))
            self.put(pod)
        for one in () if replicas else there:
            self.server.store.delete(self.server.store.resources.for_object(one), one)

    def _again(self, pod: Object) -> str:
        """A pod's successor, ready at once."""
        new = json.loads(json.dumps(pod))
        self.starts += 1
        name = f"{pod['metadata']['generateName']}{self.starts:05}"
        new["metadata"] = {
            key: value
            for key, value in new["metadata"].items()
            if key in ("namespace", "labels", "generateName", "ownerReferences")
        } | {"name": name, "creationTimestamp": stamp()}
        new["status"]["startTime"] = stamp()
        for status in new["status"]["containerStatuses"]:
            status |= {"ready": True, "state": {"running": {"startedAt": stamp()}}, "restartCount": 0}
        self.put(new)
        return name

    def _start_cloudcore(self, pod: Object) -> None:
        with self._lock:
            self._log(self._again(pod), datetime.now(UTC))
            authority = self.get("", "secrets", "casecret")
            if not any(one["metadata"]["name"] == "cloudcoresecret" for one in self.objects("", "secrets")):
                self.put(cloudcore_secret(authority))
            self.put(token_secret(authority))
            record = self.get("", "configmaps", "tunnelport")
            port = 1 + max(map(int, json.loads(record["metadata"]["annotations"][_RECORD])["port"]))
            known = {"ipTunnelPort": {"10.99.0.1": port}, "port": {str(port): True}}
            record["metadata"]["annotations"][_RECORD] = json.dumps(known)
            self.put(record)
            for lease in self.objects("coordination.k8s.io", "leases"):  # every edge is back at once
                lease["spec"]["renewTime"] = stamp().replace("Z", ".000000Z")
                self.put(lease)
            if self.streams:
                edge = self.get("", "nodes", "edge1")
                edge["status"]["daemonEndpoints"]["kubeletEndpoint"]["Port"] = port
                self.put(edge)

    def _log(self, pod: str, started: datetime) -> None:
        """What cloudcore says when it starts (facts.md §5.1)."""

        def line(seconds: float, text: str) -> str:
            moment = started + timedelta(seconds=seconds)
            return f"I{moment:%m%d %H:%M:%S.%f}       1 {text}\n"

        text = line(0.1, "server.go:98] Version: v1.22.0")
        if self.streams:
            text += line(0.2, "module.go:90] Module cloudStream registered successfully")
            text += line(0.3, "streamserver.go:407] Prepare to start stream server ...")
            text += line(0.3, "tunnelserver.go:208] Prepare to start tunnel server ...")
            text += line(
                0.4, "tunnelserver.go:139] get a new tunnel agent hostname edge1, internalIP 10.99.0.2"
            )
        else:
            text += line(0.2, "module.go:93] Module cloudStream is disabled, do not register")
        self.server.edge.container("kubeedge", pod, "cloudcore").log = text

    def _schedule(self, daemonset: Object) -> None:
        """One pod of iptables-manager on the cloud host, as soon as nothing keeps it away."""
        name = "cloud-iptables-manager"
        spec = daemonset["spec"]["template"]["spec"]
        there = [one for one in self.objects("", "pods") if one["metadata"]["name"].startswith(name)]
        if daemonset["metadata"]["name"] != name or spec.get("nodeSelector") or there:
            return
        self.put(manager_pod())

    def _reach(self) -> None:
        """The API server's own requests get to the edge through the same rule; what a test has broken stays so."""
        states, through = self.server.edge.states, self.streams and self._ruled()
        if through and self._cut:
            states["edge1"] = State.OK
        elif not through and states.get("edge1", State.OK) is State.OK:
            states["edge1"] = REFUSED
        self._cut = not through

    def _sample(self) -> None:
        """metrics-server scrapes an edge as long as its requests get there."""
        sample = self.get("metrics.k8s.io", "nodes", "cloud")
        for name in ("cloud", "edge1") if self._reached() else ("cloud",):
            self.put({**sample, "metadata": {"name": name}, "timestamp": stamp(-5)})


def manager_pod() -> Object:
    """A ready pod of iptables-manager on the cloud host."""
    pod = next(one for one in recorded() if one["metadata"]["name"].startswith("cloud-iptables-manager-"))
    pod["metadata"].pop("resourceVersion", None)
    return pod


@contextmanager
def control_plane(
    *,
    stream: bool = False,
    change: Callable[[list[Object]], None] | None = None,
    roles: Sequence[Object] = (),
) -> Iterator[ControlPlane]:
    """The site with cloudStream on or off; ``change`` may alter its objects before it starts.

    With ``roles`` (and their bindings) everybody may do what they say, and no more.
    """
    objects = [*recorded(), *secrets(), *metrics_server()]
    named(objects, "Node", "cloud")["metadata"]["labels"]["node-role.kubernetes.io/control-plane"] = ""
    if stream:
        port = named(objects, "Node", "edge1")["status"]["daemonEndpoints"]["kubeletEndpoint"]
        port["Port"] = 10354
        data = named(objects, "ConfigMap", "cloudcore")["data"]
        off = "cloudStream:\n    enable: false"
        data["cloudcore.yaml"] = data["cloudcore.yaml"].replace(off, off.replace("false", "true"))
    if change is not None:
        change(objects)
    user = User("system:serviceaccount:ops:weak", ("system:authenticated",))

    def rules(who: User) -> list[Rule]:
        return _READ_ONLY if who is user else _ALL

    tables = (KUBEEDGE, METRICS, K3S)
    judge = None if roles else rules
    with running([*objects, *roles], tokens={WEAK: user}, rbac=judge, serves=tables) as server:
        yield ControlPlane(server)
