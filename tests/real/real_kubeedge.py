"""The objects of a KubeEdge site on the real API server, with real controllers and the real scheduler.

Nothing runs in the pods: a stand-in does what kubelets do (a pod that has a node is ready, one that is deleted goes at once,
logs are served) and what a cloudcore does with objects when it starts (facts.md §3.2, §4.1). So what is proved is the
side of the API: what is written, who owns it, who else writes. What only a cloudcore can prove says so in its test.
"""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import control_plane as played
import real_control_plane
from real_control_plane import CLOUD, Cluster, Object

from kedoctor.yaml.document import load

__all__ = ["KubeEdge", "kubeedge", "path_of"]

CONTROLLERS = "deployment,replicaset,daemonset,garbagecollector,serviceaccount,namespace"
_PLACES = {
    "Namespace": "/api/v1/namespaces",
    "Node": "/api/v1/nodes",
    "ServiceAccount": "/api/v1/namespaces/kubeedge/serviceaccounts",
    "ConfigMap": "/api/v1/namespaces/kubeedge/configmaps",
    "Secret": "/api/v1/namespaces/kubeedge/secrets",
    "Service": "/api/v1/namespaces/kubeedge/services",
    "Deployment": "/apis/apps/v1/namespaces/kubeedge/deployments",
    "DaemonSet": "/apis/apps/v1/namespaces/kubeedge/daemonsets",
    "ClusterRole": "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "ClusterRoleBinding": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    "Lease": "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases",
}
_RBAC = "rbac.authorization.k8s.io"
_VOLATILE = ("uid", "resourceVersion", "creationTimestamp", "generation", "managedFields", "ownerReferences")
_RECORD = "tunnelportrecord.kubeedge.io"
_RECORD_PATH = f"{_PLACES['ConfigMap']}/tunnelport"
MANAGER = "cloud-iptables-manager"


def path_of(kind: str, name: str) -> str:
    """Where an object of the site is."""
    return f"{_PLACES[kind]}/{name}"


class KubeEdge:
    """The site. ``age`` is for how many seconds a pod is said to have run that has just started."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.objects = _objects()
        self.age = 0.0
        self._pristine: dict[str, Object | None] = {}
        self._complaint = ("", frozenset[str]())
        self._seen: set[str] = set()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="kubelets", daemon=True)

    # ------------------------------------------------------------------------------------------ objects

    def make(self) -> None:
        """Makes all objects and waits until their pods are ready."""
        self._thread.start()
        node_leases = "/api/v1/namespaces/kube-node-lease"  # the API server makes it a moment after its start
        self.cluster.eventually(lambda: self.cluster.ask("GET", node_leases).status == 200)
        for obj in self.objects:
            self.put(obj)
        self.settle()
        self._pristine = {path: self.content(path) for path in map(_path, self.objects)}

    def reset(self) -> None:
        """Puts right again what a test left wrong."""
        self.age, self._complaint = 0.0, ("", frozenset())
        for obj in self.objects:
            if self.content(_path(obj)) != self._pristine[_path(obj)]:
                self.put(obj)
        self.settle()

    def complain(self, line: str) -> None:
        """The pods of iptables-manager that there are now have this in their logs; their successors do not."""
        self._complaint = (line, frozenset(pod["metadata"]["name"] for pod in self.pods()))

    def restart(self, workload: str = "cloudcore") -> None:
        """Deletes the pods of a workload and waits for their successors."""
        self.cluster.ask("DELETE", f"/api/v1/namespaces/kubeedge/pods?labelSelector=kubeedge%3D{workload}")
        self.settle()

    def put(self, obj: Object) -> None:
        """Writes an object as its owner does; what stands in its status goes there."""
        path = _path(obj)
        body = {key: value for key, value in obj.items() if key != "status"}
        body["metadata"] = {key: value for key, value in obj["metadata"].items() if key not in _VOLATILE}
        if self.cluster.ask("GET", path).status == 404:
            created = self.cluster.ask("POST", f"{path.rpartition('/')[0]}?fieldManager=owner", body)
            assert created.status in (201, 409), created.body
        self.cluster.eventually(lambda: self._is_put(path, body))  # a controller may write in between
        if obj["kind"] == "Node":
            self.merge(f"{path}/status", {"status": obj["status"]})

    def _is_put(self, path: str, body: Object) -> bool:
        there = self.cluster.get(path)
        body["metadata"]["resourceVersion"] = there["metadata"]["resourceVersion"]
        if body["kind"] == "Service":
            body["spec"] = {**body["spec"], "clusterIP": there["spec"]["clusterIP"]}
            body["spec"].pop("clusterIPs", None)
        written = self.cluster.ask("PUT", f"{path}?fieldManager=owner", body)
        assert written.status in (200, 409), written.body
        return written.status == 200

    def merge(self, path: str, patch: Object, who: str = "cloudcore") -> None:
        """A merge patch by somebody."""
        answer = self.cluster.ask(
            "PATCH",
            f"{path}?fieldManager={who}",
            json.dumps(patch),
            content_type="application/merge-patch+json",
        )
        assert answer.status == 200, answer.body

    def content(self, path: str) -> Object | None:
        """What an object says, without what the server or a controller counts by itself; ``None``: it is not there."""
        answer = self.cluster.ask("GET", path)
        if answer.status == 404:
            return None
        found: Object = answer.json
        kept = {key: value for key, value in found.items() if key not in ("status", "metadata")}
        return kept | {"labels": found["metadata"].get("labels")}

    def managers(self, path: str) -> dict[str, str]:
        """Who owns fields of an object, and by which operation."""
        entries = self.cluster.get(path)["metadata"].get("managedFields", ())
        return {one["manager"]: one["operation"] for one in entries if not one.get("subresource")}

    def settle(self, seconds: float = 90) -> None:
        """Waits until each workload has the pods that it wants, ready."""
        self.cluster.eventually(self._settled, seconds)

    def _settled(self) -> bool:
        pods = self.pods()
        if any("deletionTimestamp" in one["metadata"] or not _is_ready(one) for one in pods):
            return False
        wanted = {
            (kind, one["metadata"]["name"]): (
                one["spec"].get("replicas", 0)
                if kind == "Deployment"
                else one["status"]["desiredNumberScheduled"]
            )
            for kind in ("Deployment", "DaemonSet")
            for one in self.cluster.get(_PLACES[kind])["items"]
            if one["status"].get("observedGeneration") == one["metadata"]["generation"]
        }
        names = {("Deployment", "cloudcore"): "cloudcore-", ("DaemonSet", MANAGER): f"{MANAGER}-"}
        return set(names) <= set(wanted) and all(
            wanted[which] == sum(pod["metadata"]["name"].startswith(start) for pod in pods)
            for which, start in names.items()
        )

    def pods(self) -> list[Object]:
        """The pods of namespace kubeedge."""
        found: list[Object] = self.cluster.get("/api/v1/namespaces/kubeedge/pods")["items"]
        return found

    # --------------------------------------------------------------------------------------- the stand-in

    def stop(self) -> None:
        """Ends the stand-in."""
        self._over.set()
        self._thread.join(10)

    def _run(self) -> None:
        while not self._over.wait(0.1):
            with suppress(OSError, AssertionError):  # the API server is away, or somebody wrote meanwhile
                for pod in self.pods():
                    self._tend(pod)

    def _tend(self, pod: Object) -> None:
        meta = pod["metadata"]
        path = f"/api/v1/namespaces/kubeedge/pods/{meta['name']}"
        if "deletionTimestamp" in meta:
            self.cluster.ask("DELETE", path, {"gracePeriodSeconds": 0})
        elif pod["spec"].get("nodeName") and not _is_ready(pod):
            if meta["labels"].get("kubeedge") == "cloudcore" and meta["uid"] not in self._seen:
                self._seen.add(meta["uid"])
                self._start_cloudcore()
            elif meta["labels"].get("kubeedge") == "iptables-manager":
                self._divert()
            self.merge(f"{path}/status", {"status": _running(pod, self.age)}, "kubelet")

    def _start_cloudcore(self) -> None:
        """What it writes when it starts: its certificate if there is none, the token, its port, the ports of edges."""
        authority = self.cluster.get(path_of("Secret", "casecret"))
        if self.cluster.ask("GET", path_of("Secret", "cloudcoresecret")).status == 404:
            self.put(played.cloudcore_secret(authority))
        self.put(played.token_secret(authority))
        record = self.cluster.get(_RECORD_PATH)["metadata"].get("annotations") or {}
        known = json.loads(record.get(_RECORD) or "{}").get("port") or {"10350": True}
        port = 1 + max(map(int, known))
        text = json.dumps({"ipTunnelPort": {CLOUD: port}, "port": {str(port): True}})
        self.merge(_RECORD_PATH, {"metadata": {"annotations": {_RECORD: text}}})
        document = self.cluster.get(path_of("ConfigMap", "cloudcore"))["data"]["cloudcore.yaml"]
        if load(document).data["modules"]["cloudStream"].get("enable") is True:
            status = {"daemonEndpoints": {"kubeletEndpoint": {"Port": port}}}
            self.merge(f"{path_of('Node', 'edge1')}/status", {"status": status})

    def _divert(self) -> None:
        """What iptables-manager writes on the host when it starts, for the port on record (facts.md §3.4)."""
        self.forget_diversion()
        record = self.cluster.get(_RECORD_PATH)["metadata"].get("annotations") or {}
        for port in json.loads(record.get(_RECORD) or "{}").get("ipTunnelPort", {}).values():
            for hook in ("OUTPUT", "PREROUTING"):
                self._nat(
                    "-A", hook, "-p", "tcp", "--dport", str(port), "-j", "DNAT", "--to", f"{CLOUD}:10003"
                )

    def forget_diversion(self) -> None:
        """Takes these rules away."""
        rules = self.cluster.cloud.run("iptables", "-t", "nat", "-S").stdout.splitlines()
        for rule in rules:
            if rule.endswith(f"--to-destination {CLOUD}:10003"):
                self._nat("-D", *rule.split()[1:])

    def _nat(self, *words: str) -> None:
        self.cluster.cloud.run("iptables", "-t", "nat", *words)

    def said(self, pod: str) -> str:
        """The log of a pod."""
        line, pods = self._complaint
        return line if pod in pods and pod.startswith(MANAGER) else ""


def _path(obj: Object) -> str:
    return path_of(obj["kind"], obj["metadata"]["name"])


def _objects() -> list[Object]:
    """What the recording has, with roles and Secrets that it leaves out; the pods are the controllers' to make."""
    recorded = [one for one in played.recorded() if one["kind"] in _PLACES]
    wanted = [one for one in recorded if one["metadata"]["name"] != "edge-eclipse-mosquitto"]
    config = played.named(wanted, "ConfigMap", "cloudcore")["data"]
    config["cloudcore.yaml"] = config["cloudcore.yaml"].replace(
        "cloudStream:\n    enable: false", "cloudStream:\n    enable: true"
    )
    played.named(wanted, "Node", "cloud")["metadata"]["labels"]["node-role.kubernetes.io/control-plane"] = ""
    for node in (one for one in wanted if one["kind"] == "Node"):
        node["spec"].setdefault("taints", [])
        for said in node["status"]["conditions"]:
            said["lastHeartbeatTime"] = played.stamp()
    for lease in (one for one in wanted if one["kind"] == "Lease"):
        lease["spec"]["renewTime"] = played.stamp(3600).replace("Z", ".000000Z")
    account = {"kind": "ServiceAccount", "name": "iptables-manager-sa", "namespace": "kubeedge"}
    rule = {
        "apiGroups": [""],
        "resources": ["pods", "configmaps"],
        "verbs": ["get", "list", "watch", "update"],
    }
    role = {"apiGroup": _RBAC, "kind": "ClusterRole", "name": "iptables-manager"}
    roles = [
        _rbac("ClusterRole", rules=[rule]),
        _rbac("ClusterRoleBinding", roleRef=role, subjects=[account]),
    ]
    order = list(_PLACES)
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kubeedge"}}
    return sorted([namespace, *wanted, *roles, *played.secrets()], key=lambda one: order.index(one["kind"]))


def _rbac(kind: str, **rest: Any) -> Object:
    return {"apiVersion": f"{_RBAC}/v1", "kind": kind, "metadata": {"name": "iptables-manager"}, **rest}


def _is_ready(pod: Object) -> bool:
    return any(
        (one["type"], one["status"]) == ("Ready", "True") for one in pod["status"].get("conditions") or ()
    )


def _running(pod: Object, age: float) -> Object:
    """The status of a pod whose containers run for so many seconds."""
    now = played.stamp(-age)
    conditions = ("PodScheduled", "Initialized", "ContainersReady", "Ready")
    return {
        "phase": "Running",
        "hostIP": CLOUD,
        "podIP": CLOUD,
        "podIPs": [{"ip": CLOUD}],
        "startTime": now,
        "conditions": [{"type": one, "status": "True", "lastTransitionTime": now} for one in conditions],
        "containerStatuses": [
            {
                "name": one["name"],
                "image": one["image"],
                "imageID": "",
                "ready": True,
                "started": True,
                "restartCount": 0,
                "state": {"running": {"startedAt": now}},
            }
            for one in pod["spec"]["containers"]
        ],
    }


@contextmanager
def _logs(site: KubeEdge) -> Iterator[None]:
    """The log of each pod, as a kubelet serves it."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            words = self.path.partition("?")[0].split("/")
            text = site.said(words[3]).encode() if len(words) > 3 else b""
            self.send_response(200)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with serving(site.cluster, 10250, Handler):
        yield


@contextmanager
def serving(cluster: Cluster, port: int, handler: type[BaseHTTPRequestHandler]) -> Iterator[None]:
    """An HTTPS server at a port of the cloud host, with a certificate of the cluster's CA."""
    cluster.papers.serve(f"server-{port}", CLOUD)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(
        cluster.papers.path(f"server-{port}.crt"), cluster.papers.path(f"server-{port}.key")
    )
    with cluster.cloud.entered():
        server = ThreadingHTTPServer((CLOUD, port), handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


@contextmanager
def kubeedge(home: Path, prepare: Callable[[Cluster], None] = lambda _: None) -> Iterator[KubeEdge]:
    """The site, in order, on a control plane of its own."""
    with real_control_plane.control_plane(home) as cluster:
        cluster.start_controllers(f"--controllers={CONTROLLERS}")
        prepare(cluster)
        site = KubeEdge(cluster)
        with _logs(site):
            try:
                site.make()
                yield site
            finally:
                site.stop()
