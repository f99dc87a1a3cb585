"""A recorded site with two edges whose kubelets run pods, and ``kedoctor gate`` against it by a person with a kubeconfig."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from apiserver import Kubelets, Object
from apiserver.fixtures import TOKEN, certificates
from control_plane import ControlPlane, control_plane, named, stamp
from site_runs import CODES

ROUND_TRIPS = ("KE901", "KE902", "KE903", "KE904")
ONLY = [word for code in CODES for word in ("--only", f"KE{code}")] + [
    word for code in ROUND_TRIPS for word in ("--only", code)
]


def edges(count: int) -> Callable[[list[Object]], None]:
    """So many edges (edge1, edge2 …), all like the recorded one."""

    def change(objects: list[Object]) -> None:
        for number in range(2, count + 1):
            for kind in ("Node", "Lease"):
                text = json.dumps(named(objects, kind, "edge1"))
                text = text.replace("edge1", f"edge{number}").replace("10.99.0.2", f"10.99.0.{number + 1}")
                other = json.loads(text)
                other["metadata"].pop("uid", None)
                objects.append(other)

    return change


TWO = edges(2)


def no_edges(objects: list[Object]) -> None:
    objects.remove(named(objects, "Node", "edge1"))


class GateSite:
    """The cluster, its kubelets, and gates run against it."""

    def __init__(self, cluster: ControlPlane, kubelets: Kubelets, home: Path) -> None:
        self.cluster = cluster
        self.server = cluster.server
        self.kubelets = kubelets
        self.home = home
        self.mend()

    def cut(self) -> None:
        """The API server answers nobody any more."""
        self.server.faults.clear()
        self.server.faults.add(None, drop=True)

    def mend(self) -> None:
        """It answers, and so does metrics-server for every edge (the control plane's own knows one)."""
        self.server.faults.clear()
        self.server.faults.add("GET /apis/metrics.k8s.io/.*/pods", before=self._sample)
        self.server.faults.add("GET /apis/metrics.k8s.io/.*/nodes", before=self.sample_nodes)

    def _sample(self) -> None:
        """metrics-server has metrics for every pod that runs."""
        for pod in self.cluster.objects("", "pods"):
            if (
                pod["metadata"]["namespace"].startswith("kedoctor-gate-")
                and pod["status"]["phase"] == "Running"
            ):
                meta = {key: pod["metadata"][key] for key in ("name", "namespace", "labels")}
                usage = {"cpu": "700000n", "memory": "928Ki"}
                containers = [{"name": one["name"], "usage": usage} for one in pod["spec"]["containers"]]
                kind = {"apiVersion": "metrics.k8s.io/v1beta1", "kind": "PodMetrics"}
                self.cluster.put(
                    {
                        **kind,
                        "metadata": meta,
                        "timestamp": stamp(-1),
                        "window": "15s",
                        "containers": containers,
                    }
                )

    def sample_nodes(self) -> None:
        sample = self.cluster.get("metrics.k8s.io", "nodes", "cloud")
        for node in self.cluster.objects("", "nodes"):
            name = {"name": node["metadata"]["name"]}
            self.cluster.put({**sample, "metadata": name, "timestamp": stamp(-5)})

    def start(
        self, *words: str, patience: str = "0.05", token: str = TOKEN, **more: str
    ) -> subprocess.Popen[str]:
        config = self.server.kubeconfig(self.home / f"config-{token}", certificates()[1], token)
        argv = ["gate", "--lang", "en", "--format", "json", *ONLY, "--kubeconfig", str(config), *words]
        return self._start(argv, {"KEDOCTOR_GATE_PATIENCE": patience, **more})

    def _start(self, words: list[str], environment: dict[str, str]) -> subprocess.Popen[str]:
        environment = {**os.environ, "XDG_STATE_HOME": str(self.home / "state"), **environment}
        argv = [sys.executable, "-m", "kedoctor", *words]
        return subprocess.Popen(
            argv, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=self.home
        )

    def run(self, *words: str) -> Ran:
        """Another command, on the same site."""
        return finish(self._start(list(words), {}))

    def gate(self, *words: str, **how: Any) -> Ran:
        return finish(self.start(*words, **how))

    def namespaces(self) -> list[str]:
        """The namespaces of gates that are there."""
        names = [one["metadata"]["name"] for one in self.cluster.objects("", "namespaces")]
        return [name for name in names if name.startswith("kedoctor-gate-")]

    def pods(self) -> list[Object]:
        """The test pods that are there."""
        return [
            pod
            for pod in self.cluster.objects("", "pods")
            if pod["metadata"]["namespace"].startswith("kedoctor-gate-")
        ]

    def until(self, happens: Callable[[], object], seconds: float = 20.0) -> None:
        ends = time.monotonic() + seconds
        while not happens():
            assert time.monotonic() < ends, "it did not happen"
            time.sleep(0.02)


class Ran:
    """A gate that is over: its exit code, what it said, and its report."""

    def __init__(self, code: int, out: str, err: str) -> None:
        assert "Traceback" not in err, err
        self.code, self.out, self.err = code, out, err

    @property
    def report(self) -> dict[str, Any]:
        assert self.out, self.err
        found: dict[str, Any] = json.loads(self.out)
        return found

    def verdicts(self, code: str) -> dict[str, tuple[str, str]]:
        """Status and sentence of a check by edge (or subject)."""
        return {
            one["node"] or one["subject"]: (one["status"], one["summary"])
            for one in self.report["verdicts"]
            if one["code"] == code
        }

    def matrix(self, edge: str) -> dict[str, str]:
        """The states of an edge's capabilities."""
        row = next(one for one in self.report["matrix"] if one["edge"] == edge)
        return {one["name"]: one["state"] for one in row["capabilities"]}


def finish(process: subprocess.Popen[str], seconds: float = 90.0) -> Ran:
    out, err = process.communicate(timeout=seconds)
    return Ran(process.returncode, out, err)


@contextmanager
def gate_site(
    home: Path, change: Callable[[list[Object]], None] = TWO, *, roles: Sequence[Object] = ()
) -> Iterator[GateSite]:
    with (
        control_plane(stream=True, change=change, roles=roles) as cluster,
        Kubelets(cluster.server.store, cluster.server.edge) as kubelets,
    ):
        yield GateSite(cluster, kubelets, home)
