"""What a K3s cluster does by itself, for the stand-in of ``k3s server``: nodes, pods, add-ons, and cloudcore at work.

A pod starts when its image is in the store of the stand-in's containerd, and waits (ErrImagePull) until it is. A pod
of cloudcore is a process on the host (k3s_cloudcore.py).
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import threading
import time
from pathlib import Path

from control_plane import metrics_server, named, recorded, stamp
from k3s_cloudcore import Cloudcore

from kedoctor.offline.image_archive import canonical
from kedoctor.sandbox.apiserver import ApiServer
from kedoctor.sandbox.apiserver.store import Event, Object

REGISTRATION = "v1beta1.metrics.k8s.io"
EDGE = "node-role.kubernetes.io/edge"
ENABLE_LB = "svccontroller.k3s.cattle.io/enablelb"
ADDON = {"objectset.rio.cattle.io/hash": "d7e6ab3c19b8a1e2a8b3e1d1c0a5f7b2f6e4c9d1"}
SKIP = "server/manifests/metrics-server/metrics-server-deployment.yaml.skip"
STATE = "server/db/state.json"
METRICS_ARGS = [
    "--cert-dir=/tmp",
    "--secure-port=10250",
    "--kubelet-preferred-address-types=InternalIP,ExternalIP,Hostname",
    "--kubelet-use-node-status-port",
    "--metric-resolution=15s",
]


class Cluster:
    """Nodes, workloads and cloudcore on the objects of ``server``; ``given`` are K3s' settings."""

    def __init__(
        self, server: ApiServer, node: str, address: str, given: dict[str, list[str]], data: Path
    ) -> None:
        self.server, self.node, self.address, self.given, self.data = server, node, address, given, data
        self._images: frozenset[str] = frozenset()
        self._asked = 0.0
        self._beat = 0.0
        self._begun = time.monotonic()
        self.cloudcore = Cloudcore(self)
        self._dirty = threading.Event()

    # ----------------------------------------------------------------------------------- begin and end

    def begin(self) -> None:
        """Takes up what was there at the last end, and what K3s brings by itself."""
        state = self.data / STATE
        if state.exists():
            self.server.store.load(json.loads(state.read_text()))
        self.server.store.on_change.append(self._changed)
        self._register()
        for obj in self._addons():
            if self._find(obj) is None or (obj["kind"] == "Deployment" and not self._skipped()):
                self.put(obj)

    def tick(self) -> None:
        """A round of everything that happens by itself."""
        self._heartbeat()
        for deployment in self.all("apps", "deployments"):
            self._workload(deployment, 0 if self._replicas(deployment) == 0 else 1)
        for daemonset in self.all("apps", "daemonsets"):
            self._workload(daemonset, 1 if self._selects(daemonset) else 0)
        self._orphans()
        self.cloudcore.follow()
        self._measure()
        self._save()

    def end(self) -> None:
        """Stops what runs and keeps the objects."""
        self.cloudcore.stop()
        self._dirty.set()
        self._save()

    def _save(self) -> None:
        if not self._dirty.is_set():
            return
        self._dirty.clear()
        store = self.server.store
        tables = {(r.group, r.plural): r for v in store.resources._by_path.values() for r in (v,)}
        objects = [
            one
            for (group, plural), r in tables.items()
            if not r.has("virtual")
            for one in store.objects(group, plural)
        ]
        place = self.data / STATE
        place.parent.mkdir(parents=True, exist_ok=True)
        draft = place.with_suffix(".new")
        draft.write_text(json.dumps(objects))
        draft.rename(place)

    def _changed(self, event: Event) -> None:
        del event
        self._dirty.set()

    # ------------------------------------------------------------------------------------------ objects

    def all(self, group: str, plural: str) -> list[Object]:
        """Copies of all objects of a resource."""
        found: list[Object] = json.loads(json.dumps(self.server.store.objects(group, plural)))
        return found

    def _find(self, obj: Object) -> Object | None:
        store = self.server.store
        meta = obj["metadata"]
        entry = store.get(store.resources.for_object(obj), meta.get("namespace", ""), meta["name"])
        return None if entry is None else json.loads(json.dumps(entry.obj))

    def put(self, obj: Object) -> None:
        """Writes an object as somebody in the cluster would."""
        with self.server.store.lock:
            obj["metadata"].pop("resourceVersion", None)
            self.server.store.add(obj)

    def _delete(self, obj: Object) -> None:
        with self.server.store.lock:
            if self._find(obj) is not None:
                self.server.store.delete(self.server.store.resources.for_object(obj), obj)

    def _status(self, obj: Object, status: Object) -> None:
        """Writes a status if it is another one, over whatever somebody else wrote meanwhile."""
        with self.server.store.lock:
            now = self._find(obj)
            if now is not None and now.get("status") != status:
                self.put({**now, "status": status})

    # ------------------------------------------------------------------------------------- node and images

    def _register(self) -> None:
        node = named(recorded(), "Node", "cloud")
        old = self._find({**node, "metadata": {"name": self.node}})
        labels = {
            **node["metadata"]["labels"],
            **(old["metadata"]["labels"] if old else {}),
            "kubernetes.io/hostname": self.node,
            "node-role.kubernetes.io/control-plane": "true",
            "node.kubernetes.io/instance-type": "k3s",
        }
        node["metadata"] = {"name": self.node, "labels": labels, "creationTimestamp": stamp()}
        node["status"]["addresses"] = [
            {"address": self.address, "type": "InternalIP"},
            {"address": self.node, "type": "Hostname"},
        ]
        node["status"]["nodeInfo"] |= {
            "kubeletVersion": "v1.34.2+k3s1",
            "containerRuntimeVersion": "containerd://2.1.5-k3s1",
        }
        self._ready(node, False)
        self.put(node)

    def _ready(self, node: Object, ready: bool) -> None:
        for one in node["status"]["conditions"]:
            one["lastHeartbeatTime"] = stamp()
            if one["type"] == "Ready":
                one |= {"status": str(ready), "reason": "KubeletReady" if ready else "KubeletNotReady"}
                one["message"] = "kubelet is posting ready status" if ready else "starting"

    def _heartbeat(self) -> None:
        now = time.monotonic()
        if now - self._asked > 1.0:
            self._asked = now
            self._images = frozenset(canonical(name) for name in stored_images())
        if now - self._beat < 1.0:
            return
        self._beat = now
        with self.server.store.lock:
            node = next(one for one in self.all("", "nodes") if one["metadata"]["name"] == self.node)
            self._ready(node, now - self._begun > 0.5)
            node["status"]["images"] = [
                {"names": [name], "sizeBytes": 1000} for name in sorted(self._images)
            ][:50]
            self.put(node)
            lease = named(recorded(), "Lease", "cloud")
            lease["metadata"] = {"name": self.node, "namespace": "kube-node-lease"}
            lease["spec"] |= {"holderIdentity": self.node, "renewTime": stamp().replace("Z", ".000000Z")}
            self.put(lease)

    # ------------------------------------------------------------------------------------------ workloads

    def _replicas(self, deployment: Object) -> int:
        return int(deployment["spec"].get("replicas", 1))

    def _selects(self, daemonset: Object) -> bool:
        spec = daemonset["spec"]["template"]["spec"]
        node = next(one for one in self.all("", "nodes") if one["metadata"]["name"] == self.node)
        labels = node["metadata"]["labels"]
        if any(labels.get(key) != value for key, value in (spec.get("nodeSelector") or {}).items()):
            return False
        return f'"key": "{EDGE}", "operator": "Exists"' not in json.dumps(spec.get("affinity") or {})

    def _workload(self, owner: Object, wanted: int) -> None:
        meta = owner["metadata"]
        template = owner["spec"]["template"]
        digest = hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()[:10]
        own = [
            one
            for one in self.all("", "pods")
            if one["metadata"].get("annotations", {}).get("lab/owner") == self._key(owner)
        ]
        current = [one for one in own if one["metadata"]["annotations"]["lab/template"] == digest]
        for pod in own:
            if pod not in current or not wanted:
                self._delete(pod)
        if wanted and not current:
            self.put(self._pod(owner, template, digest))
        ready = sum(1 for pod in current if self._run(pod))
        if owner["kind"] == "DaemonSet":
            status = {
                "currentNumberScheduled": wanted,
                "desiredNumberScheduled": wanted,
                "numberAvailable": ready,
                "numberMisscheduled": 0,
                "numberReady": ready,
                "observedGeneration": meta.get("generation", 1),
                "updatedNumberScheduled": wanted,
            }
        else:
            available = "True" if ready or not wanted else "False"
            status = {
                "availableReplicas": ready,
                "readyReplicas": ready,
                "replicas": wanted,
                "updatedReplicas": wanted,
                "observedGeneration": meta.get("generation", 1),
                "conditions": [
                    {"type": "Available", "status": available, "reason": "MinimumReplicasAvailable"}
                ],
            }
        self._status(owner, status)

    def _key(self, owner: Object) -> str:
        return f"{owner['kind']}/{owner['metadata']['namespace']}/{owner['metadata']['name']}"

    def _pod(self, owner: Object, template: Object, digest: str) -> Object:
        meta = owner["metadata"]
        labels = {**(template["metadata"].get("labels") or {}), "pod-template-hash": digest}
        kind = "ReplicaSet" if owner["kind"] == "Deployment" else owner["kind"]
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": f"{meta['name']}-{digest}-{os.urandom(3).hex()[:5]}",
                "generateName": f"{meta['name']}-{digest}-",
                "namespace": meta["namespace"],
                "labels": labels,
                "annotations": {"lab/owner": self._key(owner), "lab/template": digest},
                "ownerReferences": [
                    {
                        "apiVersion": "apps/v1",
                        "kind": kind,
                        "name": f"{meta['name']}-{digest}",
                        "uid": meta["uid"],
                        "controller": True,
                    }
                ],
                "creationTimestamp": stamp(),
            },
            "spec": {**template["spec"], "nodeName": self.node},
            "status": {"phase": "Pending", "hostIP": self.address, "startTime": stamp()},
        }

    def _run(self, pod: Object) -> bool:
        """Starts a pod whose images are there; whether it is ready."""
        images = [one["image"] for one in pod["spec"]["containers"]]
        lacking = [one for one in images if canonical(one) not in self._images]
        since = pod["status"]["startTime"]
        state = (
            {"waiting": {"reason": "ErrImagePull", "message": "no registry within reach"}}
            if lacking
            else {"running": {"startedAt": since}}
        )
        ready = not lacking
        if ready:
            self.cloudcore.make_room(pod)
        statuses = [
            {"name": one["name"], "image": one["image"], "ready": ready, "restartCount": 0, "state": state}
            for one in pod["spec"]["containers"]
        ]
        status = {
            "phase": "Running" if ready else "Pending",
            "hostIP": self.address,
            "podIP": self.address,
            "startTime": since,
            "containerStatuses": statuses,
            "conditions": [
                {"type": "Ready", "status": str(ready), "lastTransitionTime": since},
                {"type": "PodScheduled", "status": "True", "lastTransitionTime": since},
            ],
        }
        self._status(pod, status)
        return ready

    def _orphans(self) -> None:
        owners = {
            self._key(one) for plural in ("deployments", "daemonsets") for one in self.all("apps", plural)
        }
        for pod in self.all("", "pods"):
            owner = pod["metadata"].get("annotations", {}).get("lab/owner")
            if owner and owner not in owners:
                self._delete(pod)

    # ------------------------------------------------------------------------------------------- add-ons

    def _skipped(self) -> bool:
        return (self.data / SKIP).exists()

    def _addons(self) -> list[Object]:
        """CoreDNS, ServiceLB's DaemonSet and metrics-server, as K3s brings them (facts.md §8.5)."""
        disabled = self.given.get("disable", [])
        objects = [_deployment("coredns", "rancher/mirrored-coredns-coredns:1.13.1")]
        if "servicelb" not in disabled:
            objects.append(_servicelb())
        if "metrics-server" in disabled:
            return objects
        for obj in metrics_server():
            obj["metadata"]["labels"] = {**obj["metadata"].get("labels", {}), **ADDON}
            if obj["kind"] == "Deployment":
                container = obj["spec"]["template"]["spec"]["containers"][0]
                container["args"] = list(METRICS_ARGS)
                container["ports"] = [{"containerPort": 10250, "name": "https", "protocol": "TCP"}]
                obj["spec"]["template"]["spec"].pop("hostNetwork", None)
                obj["spec"].pop("strategy", None)
            objects.append(obj)
        registration = named(recorded(), "APIService", REGISTRATION)
        registration["metadata"] = {"name": REGISTRATION, "labels": ADDON}
        return [*objects, registration]

    def _measure(self) -> None:
        """metrics-server's samples, and what the registration says of it."""
        pods = [
            one
            for one in self.all("", "pods")
            if one["metadata"]["labels"].get("k8s-app") == "metrics-server"
        ]
        up = any(one["status"].get("phase") == "Running" for one in pods)
        for registration in self.all("apiregistration.k8s.io", "apiservices"):
            if registration["metadata"]["name"] == REGISTRATION:
                status = json.loads(json.dumps(named(recorded(), "APIService", REGISTRATION)["status"]))
                for one in status["conditions"]:
                    if not up:
                        one |= {"status": "False", "reason": "MissingEndpoints", "message": "no endpoints"}
                    one["lastTransitionTime"] = registration["metadata"]["creationTimestamp"]
                self._status(registration, status)
        if up and time.monotonic() - self._beat < 0.25:
            sample = named(recorded(), "NodeMetrics", "cloud")
            with self.server.store.lock:
                self.server.store.add({**sample, "metadata": {"name": self.node}, "timestamp": stamp(-5)})


def stored_images() -> list[str]:
    """The references in the store, as the real ``ctr`` lists them."""
    argv = [
        "/usr/bin/ctr",
        "--address",
        "/run/k3s/containerd/containerd.sock",
        "-n",
        "k8s.io",
        "images",
        "ls",
        "-q",
    ]
    ran = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=20)
    return ran.stdout.split()


def _deployment(name: str, image: str) -> Object:
    labels = {"k8s-app": "kube-dns" if name == "coredns" else name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "kube-system", "labels": {**labels, **ADDON}},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": name, "image": image}]},
            },
        },
    }


def _servicelb() -> Object:
    """The DaemonSet of the load balancer for Traefik; once any node has the label, only labelled nodes have a pod."""
    labels = {"app": "svclb-traefik-5c1b4a2e", "svccontroller.k3s.cattle.io/svcname": "traefik"}
    made = _deployment("svclb-traefik-5c1b4a2e", "rancher/klipper-lb:v0.4.13")
    made["kind"] = "DaemonSet"
    made["metadata"]["labels"] = labels
    made["spec"] = {"selector": {"matchLabels": labels}, "template": made["spec"]["template"]}
    made["spec"]["template"]["metadata"]["labels"] = labels
    return made
