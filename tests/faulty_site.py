"""A recorded healthy site in which things are broken: what is set decides what happens, and both are observed.

::

    site = FaultySite()
    faults.named("edgestream-off").inject(site)
    site.report()                # as `kedoctor run --bundle cloud.tgz --bundle edge1.tgz`

The base is ``fixtures/healthy-two-edges``: a cloud host and edge1 as hosts, edge2 through the API. A fault changes what
is *set* (a key of a file, a flag, a rule, an object) and says what that *keeps from working* (``tunnel_down``,
``hub_down`` …). :meth:`FaultySite.report` then derives what follows from all faults together, as testbed.md saw it for
each alone: sockets that are gone, a dead session, a Node that no longer reports, figures that are missing, lines in
logs. Probes are answered by :mod:`recorded_wire` from that state. So two faults at once look as two faults would.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from faulty_machine import (
    CLOUD,
    CLOUDCORE_PORTS,
    CONFIG,
    EDGE,
    EDGED,
    HUB,
    NODE_PORT,
    NOW,
    OTHER,
    STREAM,
    TUNNEL,
    Machine,
    plugins,
    recorded,
)
from faulty_source import FaultySource, FaultyWire, LaptopSource
from recorded_certificates import Pki
from recorded_wire import HostOnWire, SiteOnWire

from kedoctor.base.records import replace
from kedoctor.judge.fact_evaluation import HostView, SiteView
from kedoctor.model.declarations import Side
from kedoctor.model.observations.apiserver import ApiAnswer, ListObjects
from kedoctor.model.observations.files import FileMetadata
from kedoctor.model.observations.logs import LogText, ReadJournal, ReadPodLog
from kedoctor.model.observations.network import ListSockets, Socket
from kedoctor.model.observations.processes import Process
from kedoctor.model.observations.tools import RunTool
from kedoctor.model.observations.units import Unit
from kedoctor.model.report import Report
from kedoctor.observe.memo import MemoSource
from kedoctor.pki.certificates import read_certificates
from kedoctor.run.diagnose import RunRequest, diagnose_site
from kedoctor.run.site import SiteSession
from kedoctor.yaml.document import Edit, SetKey
from kedoctor.yaml.edit import edit

__all__ = ["CLOUD", "EDGE", "NODE_PORT", "NOW", "FaultySite", "silent"]

Change = Callable[[Any], Any]


@dataclass(slots=True)
class _Metrics:
    """Metrics-server: whether its pod runs, and whether it reads metrics for edges."""

    runs: bool = True
    scrapes: bool = True


@dataclass
class FaultySite:
    """The site: what is set, and what keeps what from working (a set of reasons; empty: it works)."""

    cloud: Machine = field(default_factory=lambda: Machine("cloud"))
    edge: Machine = field(default_factory=lambda: Machine("edge1"))
    edits: dict[str, list[Change]] = field(default_factory=dict)  # by kind of object
    logs: dict[str, str] = field(default_factory=dict)  # by the beginning of a pod's name
    denied: set[str] = field(default_factory=set)  # access reviews: "get pods/log"
    cloudcore_denied: set[str] = field(default_factory=set)  # what cloudcore's account may not do
    legacy: str = ""  # iptables-save of the legacy tables of the cloud host
    nft: str = ""
    tunnel_port: int = NODE_PORT
    paths: dict[str, ApiAnswer] = field(default_factory=dict)  # what the API server says at a path
    lists: dict[str, Any] = field(
        default_factory=dict
    )  # by kind of object: what a list of it is answered with
    edgecore_down: set[str] = field(default_factory=set)
    edged_down: set[str] = field(default_factory=set)
    tunnel_down: set[str] = field(default_factory=set)
    hub_down: set[str] = field(default_factory=set)
    cloudcore_down: set[str] = field(default_factory=set)
    stream_down: set[str] = field(default_factory=set)
    half_open: bool = False  # cloudcore lost its end of the tunnel, the edge does not know
    hub_half_open: bool = False  # cloudcore lost its end of the hub link, the edge does not know
    silenced: bool = False  # the hub link holds, and what the edge reports is not taken
    not_ready: str = ""  # what the edge reports of itself when it is not Ready
    restarted: bool = False  # cloudcore was started anew: it knows no session of before
    metrics: _Metrics = field(default_factory=_Metrics)
    k3s: bool = False  # kube-apiserver is K3s'
    apiserver_flags: list[str] = field(default_factory=list)
    extra_daemon_pod: Change | None = None  # makes one more pod of a DaemonSet from one that is there
    yaml_tail: bytes = b""  # what somebody wrote below the last line of edgecore.yaml
    foreign_listener: tuple[int, str, int] | None = None  # on the edge: port, program, process

    def __post_init__(self) -> None:
        self.legacy = self._saved("iptables-legacy-save")
        self.nft = self._saved("iptables-nft-save")
        self.journal: str = self.edge.base.observe(ReadJournal("edgecore.service")).text
        secrets = self.secrets()
        self.pki = Pki(secrets["casecret"]["cadata"], secrets["cloudcoresecret"]["cloudcoredata"])
        self._complement()

    def is_cloud(self, machine: Machine) -> bool:
        """Whether that host is of the cloud side: it has a kubeconfig and rules."""
        return machine is self.cloud

    def place_of(self, machine: Machine, wired: SiteOnWire) -> HostOnWire:
        """That host as others see it."""
        return wired.cloud if machine is self.cloud else wired.edges[0]

    def rules_of(self, machine: Machine) -> tuple[str, str]:
        """The rules of a cloud host as iptables-save prints them: legacy, nft."""
        assert self.is_cloud(machine), machine.name
        return self.legacy, self.nft

    def _saved(self, tool: str) -> str:
        text: str = self.cloud.base.observe(RunTool(tool)).stdout
        return text

    def _complement(self) -> None:
        """What nobody recorded on this site, as it is on one that works, so that its checks can decide."""
        edge = self.edge
        edge.files["/etc/containerd/config.toml"] = b"version = 2\n"
        edge.files["/run/containerd/containerd.sock"] = b""
        edge.says("crictl", "Version:  0.1.0\nRuntimeName:  containerd\n")
        edge.found["/etc/cni/net.d/*"] = (_plain("/etc/cni/net.d/10-bridge.conf"),)
        edge.files["/etc/cni/net.d/10-bridge.conf"] = b'{"type": "bridge"}'
        edge.found["/opt/cni/bin/*"] = (_plain("/opt/cni/bin/bridge"),)
        edge.files["/sys/fs/cgroup/cgroup.controllers"] = b"cpuset cpu io memory pids\n"
        edge.units["kubelet.service"] = Unit("kubelet.service", "not-found", "inactive", "dead")

    # ------------------------------------------------------------------------------------- changing it

    def objects(self, kind: str) -> tuple[Any, ...]:
        """The recorded objects of a kind, as far as any list of them was recorded."""
        for request, answer in recorded("cloud").entries():
            if isinstance(request, ListObjects) and request.kind == kind and isinstance(answer, tuple):
                return answer
        return ()

    def change(self, kind: str, name: str, change: Change | None) -> None:
        """Objects of a kind whose names begin so are ``change(object)`` from now on; ``None``: they are gone."""

        def one(item: Any) -> Any:
            if not item.metadata.name.startswith(name):
                return item
            return None if change is None else change(item)

        self.edits.setdefault(kind, []).append(one)

    def configure(self, *edits: Edit) -> None:
        """Edits edgecore.yaml, with which edgecore was then started."""
        self.edge.files[CONFIG] = edit(self.edge.content(CONFIG), list(edits))

    def set(self, path: str, value: Any) -> None:
        """Sets one key of edgecore.yaml."""
        self.configure(SetKey(path, value))

    def change_rules(self, old: str, new: str) -> None:
        """Other rules on the cloud host, in whichever backend the old text stands."""
        self.legacy = self.legacy.replace(old, new)
        self.nft = self.nft.replace(old, new)

    def cloudcore(self, path: str, value: Any) -> None:
        """Sets one key of cloudcore.yaml; cloudcore was started anew with it."""

        def change(item: Any) -> Any:
            text = edit(item.data["cloudcore.yaml"].encode(), [SetKey(path, value)]).decode()
            return replace(item, data={**item.data, "cloudcore.yaml": text})

        self.change("ConfigMap", "cloudcore", change)

    def edge_says(self, severity: str, source: str, message: str, *, times: int = 1, ago: float = 60) -> None:
        """Lines of edgecore's journal, the last of them ``ago`` seconds before now."""
        pid = next((one.pid for one in self.edge.processes if one.name == "edgecore"), 6044)
        for place in reversed(range(times)):
            moment = NOW + self.edge.clock_ahead - timedelta(seconds=ago + 2 * place)
            klog = moment.strftime(f"{severity}%m%d %H:%M:%S.%f {pid:7} {source}] {message}")
            self.journal += f"{moment.strftime('%Y-%m-%dT%H:%M:%S.%f+0000')} edge1 edgecore[{pid}]: {klog}\n"

    def edge_prints(self, message: str, *, ago: float = 60) -> None:
        """A line of edgecore's journal as Go's own log writes it."""
        moment = NOW + self.edge.clock_ahead - timedelta(seconds=ago)
        self.journal += (
            f"{moment.strftime('%Y-%m-%dT%H:%M:%S.%f+0000')} edge1 edgecore[6044]: "
            f"{moment.strftime('%Y/%m/%d %H:%M:%S')} {message}\n"
        )

    def edge_systemd_says(self, message: str, *, ago: float = 2) -> None:
        """A line of systemd about edgecore.service."""
        moment = NOW + self.edge.clock_ahead - timedelta(seconds=ago)
        self.journal += (
            f"{moment.strftime('%Y-%m-%dT%H:%M:%S.%f+0000')} edge1 systemd[1]: edgecore.service: {message}\n"
        )

    def pod_says(self, pod: str, severity: str, source: str, message: str, *, ago: float = 20) -> None:
        """A line in the log of a pod."""
        moment = NOW - timedelta(seconds=ago)
        self.logs[pod] = (
            self._log(pod) + moment.strftime(f"{severity}%m%d %H:%M:%S.%f       1 {source}] {message}") + "\n"
        )

    def _log(self, pod: str) -> str:
        if pod not in self.logs:
            for request, answer in recorded("cloud").entries():
                if (
                    isinstance(request, ReadPodLog)
                    and request.pod.startswith(pod)
                    and isinstance(answer, LogText)
                ):
                    return answer.text
        return self.logs.get(pod, "")

    # ------------------------------------------------------------------------------------ what follows

    @property
    def tunnel(self) -> bool:
        """Whether edge1 has a tunnel."""
        return not (self.tunnel_down or self.edgecore_down or self.stream_down or self.cloudcore_down)

    @property
    def hub(self) -> bool:
        """Whether edge1 is connected to CloudHub."""
        return not (self.hub_down or self.edgecore_down or self.cloudcore_down)

    def sources(self) -> dict[str, tuple[FaultySource, frozenset[Side]]]:
        """The hosts from which it can be looked at, with their sides."""
        return {
            "cloud": (FaultySource(self, self.cloud), frozenset({Side.CLOUD})),
            "edge1": (FaultySource(self, self.edge), frozenset({Side.EDGE})),
            "laptop": (LaptopSource(self, self.cloud), frozenset()),
        }

    def report(self, *sides: str) -> Report:
        """What kedoctor says of it, over both hosts, or over those named: ``cloud``, ``edge1``, ``laptop``."""
        self.derive()
        sources = self.sources()
        memos = {name: MemoSource(source) for name, (source, _) in sources.items()}
        wanted = sides or ("cloud", "edge1")
        views = tuple(HostView(name, sources[name][1], memos[name]) for name in wanted)
        view = SiteView(views, memos[wanted[0]], wanted != ("edge1",))
        return diagnose_site(
            plugins(), SiteSession(view, {name: memos[name] for name in wanted}), RunRequest()
        )

    def derive(self) -> None:
        """Puts in what follows from everything that is set; once, when all faults are in."""
        self._derive_apiserver()
        self._derive_edge()
        self._derive_cloud()
        self._derive_session()
        self._derive_metrics()

    def _derive_edge(self) -> None:
        edge = self.edge
        if self.yaml_tail:
            edge.files[CONFIG] = edge.content(CONFIG) + self.yaml_tail
        if not self.tunnel:
            edge.close(port=TUNNEL)
        if not self.hub:
            edge.close(port=HUB)
        if not self.hub or self.hub_half_open or self.silenced:
            self.change("Node", "edge1", silent)
            self.change("Lease", "edge1", _stale)
        elif self.not_ready:
            message = self.not_ready
            self.change("Node", "edge1", lambda node: _with_ready(node, "False", "KubeletNotReady", message))
        if self.edgecore_down or self.edged_down:
            edge.close(port=EDGED, listening=True)
            edge.close(port=EDGED)
        if self.foreign_listener is not None:
            port, program, pid = self.foreign_listener
            edge.listen("127.0.0.1", port, program, pid)
        if self.edgecore_down:
            edge.processes = [one for one in edge.processes if one.name != "edgecore"]

    def _derive_apiserver(self) -> None:
        cloud, flags = self.cloud, tuple(self.apiserver_flags)
        if not self.k3s:
            cloud.processes = [
                replace(one, argv=(*one.argv, *flags)) if one.name == "kube-apiserver" else one
                for one in cloud.processes
            ]
            return
        # K3s verifies kubelets unless told otherwise, and looks up names last (facts.md §8.5).
        given = ("--kubelet-certificate-authority=", *flags)
        words = ("server", *(f"--kube-apiserver-arg={flag.removeprefix('--')}" for flag in given))
        started = NOW - timedelta(hours=1)
        cloud.processes = [one for one in cloud.processes if one.name != "kube-apiserver"]
        cloud.processes.append(Process(57, 1, "k3s-server", ("/usr/local/bin/k3s", *words), started=started))
        cloud.units["k3s.service"] = Unit(
            "k3s.service",
            "loaded",
            "active",
            "running",
            "enabled",
            main_pid=57,
            exec_start=("/usr/local/bin/k3s", *words),
            fragment_path="/etc/systemd/system/k3s.service",
        )

    def _derive_cloud(self) -> None:
        cloud = self.cloud
        for address, alive in ((EDGE, self.tunnel), (OTHER, not (self.stream_down or self.cloudcore_down))):
            if not alive:
                cloud.close(port=TUNNEL, peer=address)
        if not self.hub or self.hub_half_open:
            cloud.close(port=HUB, peer=EDGE)
        if self.half_open:
            cloud.close(port=TUNNEL, peer=EDGE)
        if self.stream_down:
            for port in (STREAM, TUNNEL):
                cloud.close(port=port, listening=True)
                cloud.close(port=port)
        if self.cloudcore_down:
            for port in CLOUDCORE_PORTS:
                cloud.close(port=port, listening=True)
                cloud.close(port=port)
            cloud.processes = [one for one in cloud.processes if one.name != "cloudcore"]
            self.change("Node", "edge2", silent)
            self.change("Lease", "edge2", _stale)

    def _derive_session(self) -> None:
        if self.restarted and not self.cloudcore_down:
            kept = [line for line in self._log("cloudcore").splitlines() if "Tunnel session" not in line]
            gone = () if self.tunnel else ("hostname edge1,",)
            gone = (*gone, "hostname edge2,") if self.stream_down else gone
            self.logs["cloudcore"] = "\n".join(ln for ln in kept if not any(g in ln for g in gone)) + "\n"
        site = self.on_wire()
        arrives = site.diverted(self.node_port("edge1")) == (CLOUD, STREAM)
        edge = site.edge_named("edge1")
        lost = self.half_open or not self.tunnel
        if arrives and lost and not (self.stream_down or self.cloudcore_down) and edge is not None:
            said = {
                "dead": "add apiServer connection into Tunnel session [edge1] error the tunnel connection of Tunnel "
                "session [edge1] has closed",
                "none": "can not find edge1 session",
            }.get(site.session(edge))
            if said:
                self.pod_says(
                    "cloudcore", "E", "streamserver.go:120", f"Failed to get container logs, err: {said}"
                )

    def _derive_metrics(self) -> None:
        for name in ("edge1", "edge2"):
            if not (self.metrics.runs and self.metrics.scrapes and self._answers(name)):
                self.change("NodeMetrics", name, None)
        if not self.metrics.runs:
            self.change("NodeMetrics", "cloud", None)
            self.change("APIService", "v1beta1.metrics", _unavailable)

    def _answers(self, name: str) -> bool:
        """Whether a scrape of that edge would succeed."""
        arrives = self.on_wire().diverted(self.node_port(name)) == (CLOUD, STREAM)
        if name == "edge2":
            return arrives and not (self.stream_down or self.cloudcore_down)
        return arrives and self.tunnel and not self.half_open and not self.edged_down

    def secrets(self) -> dict[str, dict[str, bytes]]:
        """The Secrets of namespace kubeedge by name, decoded."""
        return {
            one.metadata.name: {key: base64.b64decode(value) for key, value in one.data.items()}
            for one in self.listed(ListObjects("Secret", "kubeedge"))
        }

    def secret(self, name: str, **values: bytes | None) -> None:
        """Other contents of a Secret; ``None`` takes a key out. ``_`` stands for the dot in a key."""

        def change(item: Any) -> Any:
            data = dict(item.data)
            for key, value in values.items():
                data.pop(key.replace("_", "."), None)
                if value is not None:
                    data[key.replace("_", ".")] = base64.b64encode(value).decode()
            return replace(item, data=data)

        self.change("Secret", name, change)

    def node_port(self, name: str) -> int:
        """The kubelet port of a Node."""
        nodes = {node.metadata.name: node for node in self.listed(ListObjects("Node"))}
        port: int = nodes[name].status.daemon_endpoints.kubelet_endpoint.port
        return port

    def listed(self, request: ListObjects) -> Any:
        """The objects of a list as they are now."""
        answer = self.lists[request.kind] if request.kind in self.lists else self._base_list(request)
        if request.label_selector == "app.kubernetes.io/name=metrics-server":
            answer = ()  # the label of the Helm chart, which is not what runs here
        elif request.kind == "Deployment" and request.namespace != "kubeedge":
            answer = (self._metrics_deployment(),)
        if not isinstance(answer, tuple):
            return answer
        if self.extra_daemon_pod is not None and request.label_selector == "controller-revision-hash":
            answer = (*answer, self.extra_daemon_pod(answer[0]))
        changed: Iterable[Any] = answer
        for change in self.edits.get(request.kind, ()):
            changed = [new for old in changed if (new := change(old)) is not None]
        return tuple(changed)

    def _base_list(self, request: ListObjects) -> Any:
        """The objects of a list before anything was changed."""
        return self.cloud.base.observe(request)

    def _metrics_deployment(self) -> Any:
        """What the recorded pod of metrics-server was made from."""
        from kedoctor.checks.parsers.kubernetes import workloads as kinds  # noqa: PLC0415  as in _recorded

        request = ListObjects("Pod", "kube-system", "k8s-app=metrics-server")
        pod = self.cloud.base.observe(request)[0]
        metadata = replace(pod.metadata, name="metrics-server", labels={"k8s-app": "metrics-server"})
        return kinds.Deployment(
            metadata=metadata,
            spec=kinds.DeploymentSpec(
                replicas=1,
                selector=kinds.Selector(match_labels={"k8s-app": "metrics-server"}),
                template=kinds.PodTemplate(metadata=metadata, spec=replace(pod.spec, node_name="")),
            ),
            status=kinds.DeploymentStatus(replicas=1, ready_replicas=1, updated_replicas=1),
        )

    def on_wire(self) -> SiteOnWire:
        """What decides the answers to probes."""
        secrets = self.secrets()
        stream = secrets.get("cloudcore", {}).get("stream.crt", b"")
        edges = [
            HostOnWire("edge1", EDGE, self.edge.sockets),
            HostOnWire("edge2", OTHER, _alike(self.edge.sockets)),
        ]
        return FaultyWire(
            cloud=HostOnWire("cloud", CLOUD, self.cloud.sockets),
            edges=edges,
            rules=[self.legacy, self.nft],
            kubectl="",
            cloudcore_log=self._log("cloudcore"),
            clock=NOW,
            stream_certificate=_der(stream),
            cloudcore_certificate=secrets["cloudcoresecret"]["cloudcoredata"],
            ca=secrets["casecret"]["cadata"],
            ports={name: self.node_port(name) for name in ("edge1", "edge2")},
            exchanges=Path("/nonexistent"),
            node_addresses={
                node.metadata.name: next(
                    one.address for one in node.status.addresses if one.type == "InternalIP"
                )
                for node in self.listed(ListObjects("Node"))
            },
        )


# ------------------------------------------------------------------------------------------- small changes


def _plain(path: str) -> FileMetadata:
    return FileMetadata(path, "file", 0o755, 0, 0, 100, NOW - timedelta(days=1))


def _der(pem: bytes) -> bytes:
    return read_certificates(pem)[0].der if pem else b""


def _alike(sockets: Iterable[Socket]) -> list[Socket]:
    return [one for one in recorded("edge1").observe(ListSockets()).items if one.state == "LISTEN"]


def _with_ready(node: Any, status: str, reason: str, message: str) -> Any:
    conditions = tuple(
        replace(one, status=status, reason=reason, message=message) if one.type == "Ready" else one
        for one in node.status.conditions
    )
    return replace(node, status=replace(node.status, conditions=conditions))


def silent(node: Any) -> Any:
    """A Node that no longer reports."""
    return _with_ready(node, "Unknown", "NodeStatusUnknown", "Kubelet stopped posting node status.")


def _stale(lease: Any) -> Any:
    return replace(lease, spec=replace(lease.spec, renew_time=NOW - timedelta(minutes=10)))


def _unavailable(service: Any) -> Any:
    conditions = tuple(
        replace(one, status="False", reason="MissingEndpoints", message="no endpoints for service")
        for one in service.status.conditions
    )
    return replace(service, status=replace(service.status, conditions=conditions))
