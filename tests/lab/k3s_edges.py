"""What cloudcore and the edges' kubelets make of sessions that edges hold, for the stand-in of ``k3s server``.

An edge that holds a session on 10000 (cloud_standin.py notes it, with the images that it has told of) is a Node with
a heartbeat; its tunnel on 10004 decides whether streams reach its pods. Pods bound to it start if it has their image.
Where a pod of iptables-manager runs, the host has its rule (with the nft variant, whichever image it is).
"""

from __future__ import annotations

import json
import subprocess
import time
from typing import Any, Self

from control_plane import named, recorded, stamp
from k3s_cloudcore import RECORD
from k3s_cluster import Cluster

from kedoctor.offline.image_archive import canonical
from kedoctor.sandbox.apiserver import Kubelets, Manner, State
from kedoctor.sandbox.apiserver.store import Object


class Edges:
    """The edges of a cluster; a context manager."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._sessions = cluster.data / "lab-cloudcore/edges"
        self._kubelets = Kubelets(cluster.server.store, cluster.server.edge)
        self._kubelets.manners[cluster.node] = Manner.AWAY  # the cluster itself runs what is bound to it
        self._tunnelled: set[str] = set()
        self._diverted = 0
        self._beat = 0.0

    def __enter__(self) -> Self:
        self._kubelets.__enter__()
        return self

    def __exit__(self, *how: object) -> None:
        self._kubelets.__exit__(*how)

    def tick(self) -> None:
        """A round: streams follow the tunnels at once, nodes and metrics are written every second."""
        for node in self._known():
            held = self._told(10004, node) is not None
            if held:
                self._tunnelled.add(node)
            self._judge(node, self._told(10000, node) or {"images": []})
            gone = State.DEAD if node in self._tunnelled else State.NO_SESSION
            self._cluster.server.edge.states[node] = State.OK if held else gone
        now = time.monotonic()
        if now - self._beat < 1.0:
            return
        self._beat = now
        self._divert()
        for node in self._known():
            told = self._told(10000, node)
            if told:
                self._register(node, told)
                self._measure(node)

    def _divert(self) -> None:
        """iptables-manager, where its pod runs: the rule of the record (facts.md §3.4)."""
        runs = any(
            one["metadata"]["labels"].get("kubeedge") == "iptables-manager"
            and one["status"].get("phase") == "Running"
            for one in self._cluster.all("", "pods")
        )
        port = self._port() if runs else 0
        if port == self._diverted:
            return
        self._diverted = port
        for words in ("-N TUNNEL-PORT", "-F TUNNEL-PORT"):
            iptables(*words.split())
        if port:
            to = f"{self._cluster.address}:10003"
            iptables(*f"-A TUNNEL-PORT -p tcp --dport {port} -j DNAT --to {to}".split())
        for chain in ("OUTPUT", "PREROUTING"):
            jump = (chain, "-m", "comment", "--comment", "kubeedge tunnel port", "-j", "TUNNEL-PORT")
            if iptables("-C", *jump):
                iptables("-A", *jump)

    def _known(self) -> list[str]:
        return sorted(place.name for place in (self._sessions / "10000").glob("*"))

    def _told(self, port: int, node: str) -> dict[str, Any] | None:
        """What the edge has told in the session it holds on that port."""
        for place in (self._sessions / str(port) / node).glob("*"):
            try:
                found: dict[str, Any] = json.loads(place.read_text())
            except (OSError, ValueError):
                continue  # it has just ended, or is just being written
            return found
        return None

    def _register(self, name: str, told: dict[str, Any]) -> None:
        """The Node as the edge reports it and cloudcore completes it: the tunnel port is that of the record."""
        images = [canonical(one) for one in told["images"] if not one.startswith("sha256:")]
        with self._cluster.server.store.lock:
            old = next(
                (one for one in self._cluster.all("", "nodes") if one["metadata"]["name"] == name), None
            )
            node = old or self._new("Node", name)
            node["status"]["addresses"] = [
                {"address": told["address"], "type": "InternalIP"},
                {"address": name, "type": "Hostname"},
            ]
            node["status"]["daemonEndpoints"]["kubeletEndpoint"]["Port"] = self._port()
            node["status"]["images"] = [{"names": [one], "sizeBytes": 1000} for one in images]
            for condition in node["status"]["conditions"]:
                condition["lastHeartbeatTime"] = stamp()
            self._cluster.put(node)
            lease = self._new("Lease", name)
            lease["metadata"].pop("ownerReferences", None)
            lease["spec"]["renewTime"] = stamp().replace("Z", ".000000Z")
            self._cluster.put(lease)

    def _judge(self, node: str, told: dict[str, Any]) -> None:
        """Pods begin once it is known whether the edge has their images."""
        pods = [one for one in self._cluster.all("", "pods") if one["spec"].get("nodeName") == node]
        wanted = {canonical(one["image"]) for pod in pods for one in pod["spec"]["containers"]}
        here = wanted <= {canonical(one) for one in told["images"]}
        manner = Manner.RUNS if here else Manner.NO_REGISTRY
        self._kubelets.manners[node] = manner if pods else Manner.AWAY

    def _new(self, kind: str, name: str) -> Object:
        """The recorded edge's object, for this edge and from now on."""
        text = json.dumps(named(recorded(), kind, "edge1")).replace("edge1", name)
        made: Object = json.loads(text.replace("10.99.0.1", self._cluster.address))
        made["metadata"].pop("uid", None)
        made["metadata"]["creationTimestamp"] = stamp()
        return made

    def _port(self) -> int:
        configs = self._cluster.all("", "configmaps")
        record = next((one for one in configs if one["metadata"]["name"] == "tunnelport"), None)
        if record is None:
            return 0
        ports = json.loads(record["metadata"]["annotations"][RECORD])["ipTunnelPort"]
        return int(ports.get(self._cluster.address, 0))

    def _measure(self, node: str) -> None:
        """metrics-server's metrics of the edge and its pods, which it gets through the tunnel."""
        samples = self._cluster.all("metrics.k8s.io", "nodes")
        if self._cluster.server.edge.state(node) is not State.OK or not samples:
            return
        self._cluster.put({**samples[0], "metadata": {"name": node}, "timestamp": stamp(-5)})
        for pod in self._cluster.all("", "pods"):
            if pod["spec"].get("nodeName") == node and pod["status"].get("phase") == "Running":
                self._cluster.put(_figures(pod))


def iptables(*words: str) -> int:
    """The exit code of a change of table nat."""
    argv = ["iptables-nft", "-w", "5", "-t", "nat", *words]
    return subprocess.run(argv, capture_output=True, check=False, timeout=20).returncode


def _figures(pod: Object) -> Object:
    usage = {"cpu": "700000n", "memory": "928Ki"}
    return {
        "apiVersion": "metrics.k8s.io/v1beta1",
        "kind": "PodMetrics",
        "metadata": {key: pod["metadata"][key] for key in ("name", "namespace", "labels")},
        "timestamp": stamp(-1),
        "window": "15s",
        "containers": [{"name": one["name"], "usage": usage} for one in pod["spec"]["containers"]],
    }
