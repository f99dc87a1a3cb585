"""edgecore in a sandbox: a stand-in that reads the real edgecore.yaml and does of edgecore what others see of it.

It starts or exits by the file, dials ``edgeStream.server`` if edgeStream is on and finds there what listens there,
and what the cloud then does (the port of the Node, a session, a sample of metrics) follows (facts.md §3.2, §3.5).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from kedoctor.api import (
    Addresses,
    ApiWrite,
    Connection,
    FakeService,
    Host,
    HostChange,
    HostContext,
    HttpAnswer,
    PodLines,
    Process,
    Processes,
    Reason,
    SandboxState,
    Socket,
    Sockets,
    StateChange,
    Text,
    TlsPeer,
    Unavailable,
    Unit,
    replace,
)
from kedoctor.checks.facts.cloud.cloudcore import NAMESPACE
from kedoctor.checks.facts.cluster.tunnel_port import parse_record
from kedoctor.checks.facts.edge.edgecore import (
    UNIT_NAME,
    EdgecoreConfig,
    EdgecoreUnit,
    edge_name,
    edgecore_config,
    edgecore_file,
)
from kedoctor.checks.facts.edge.host import EdgeAddresses
from kedoctor.checks.parsers.host_port import HostPort, is_loopback
from kedoctor.checks.parsers.kubernetes import ConfigMap, NodeMetrics, Pod
from kedoctor.checks.sandbox.fixtures import ADDED, fill_missing

__all__ = ["EDGECORE"]

_STREAM_PORT = 10003
_SUMMARY = "/stats/summary?only_cpu_and_memory=true"
_EPHEMERAL = 40000
_TUNNEL_PORTS = (10004, 30004)  # cloudcore's own, and the NodePort in front of it (facts.md §1.3)


def play(stage: SandboxState) -> StateChange:
    """What a start or stop of ``edgecore.service`` changes, on the edge, on the cloud host and in the API."""
    me = stage.hosts[stage.host]
    unit, table, sockets = me.unit(UNIT_NAME), me.processes(), me.sockets()
    if isinstance(unit, Unavailable) or isinstance(table, Unavailable) or isinstance(sockets, Unavailable):
        return StateChange()  # nobody knows what edgecore did before, so there is nothing to go on from
    config = _config(stage, EdgecoreUnit(unit, None, table))
    actor = _Edgecore(stage, unit, table, sockets, config if stage.starts else None)
    tunnel = actor.dial()
    clouds = {name: scene for name in stage.hosts if (scene := _cloud(actor, name, tunnel)) is not None}
    return StateChange(
        hosts={stage.host: actor.scene(tunnel), **clouds},
        writes=tuple(_writes(actor, tunnel)),
        logs=tuple(_lines(actor, tunnel)),
    )


def _config(stage: SandboxState, unit: EdgecoreUnit) -> EdgecoreConfig | None:
    """What edgecore would start from; ``None`` if it would exit (facts.md §2.2, §5.5)."""
    host = stage.hosts[stage.host]
    file = edgecore_file(host, unit)
    name = edge_name(HostContext(stage.host, frozenset({"edge"})), host, file)
    config = edgecore_config(file, name)
    if isinstance(config, Unavailable) or any(one.fatal for one in config.violations):
        return None
    return config


@dataclass(frozen=True, slots=True)
class _Tunnel:
    """A connection that was made: from where, to where, and on which machine it ends."""

    local: tuple[str, int]
    server: HostPort
    cloud: str
    listener: Socket


@dataclass(frozen=True, slots=True)
class _Edgecore:
    """One run of it; ``config`` is ``None`` when it does not run."""

    stage: SandboxState
    unit: Unit
    table: Processes
    sockets: Sockets
    config: EdgecoreConfig | None

    @property
    def node(self) -> str:
        """The Node's name."""
        return self.config.node_name if self.config is not None else self.stage.host

    @property
    def old(self) -> int:
        """The process that was there before."""
        return self.unit.main_pid

    def dial(self) -> _Tunnel | None:
        """The tunnel, if edgeStream is on and something listens where it dials."""
        server = self.config.stream_server if self.config and self.config.stream_enabled else None
        if server is None:
            return None
        for name, host in self.stage.hosts.items():
            if name == self.stage.host if is_loopback(server.host) else _has(host, server.host):
                listener = _listener(host, server)
                local = (self._address(), _EPHEMERAL + self.stage.pid % 20000)
                return _Tunnel(local, server, name, listener) if listener is not None else None
        return None

    def _address(self) -> str:
        """The address it announces: nodeIP, else that of the default route (facts.md §3.5)."""
        addresses = self.stage.hosts[self.stage.host].addresses()
        written = self.config.text("modules.edged.nodeIP") if self.config else ""
        routed = EdgeAddresses(addresses).default_route if isinstance(addresses, Addresses) else ""
        return written or routed

    # ------------------------------------------------------------------------------------ on the edge

    def scene(self, tunnel: _Tunnel | None) -> HostChange:
        """The edge host as it is afterwards."""
        ports = {}
        if self.config is not None and self.config.stream_enabled and self.config.stream_server is not None:
            server = self.config.stream_server
            ports[server.host, server.port] = self._found(server, tunnel)
        return HostChange(
            processes=Processes(tuple(self._processes())),
            sockets=replace(self.sockets, items=tuple(self._sockets(tunnel))),
            units={UNIT_NAME: self._unit()},
            journal={UNIT_NAME: self._journal(tunnel)},
            ports=ports,
        )

    def _processes(self) -> list[Process]:
        others = [one for one in self.table.items if one.pid != self.old]
        was = next((one for one in self.table.items if one.pid == self.old), None)
        if self.config is None:
            return others
        command = was.argv if was is not None else self.unit.exec_start
        rss = was.rss if was is not None else None
        mine = Process(self.stage.pid, 1, "edgecore", command, uid=0, started=self.stage.now, rss=rss)
        return [*others, mine]

    def _sockets(self, tunnel: _Tunnel | None) -> list[Socket]:
        others = [one for one in self.sockets.items if one.pid != self.old]
        if self.config is None:
            return others
        kept = [one for one in self.sockets.items if one.pid == self.old and not _is_tunnel(one)]
        mine = [replace(one, pid=self.stage.pid) for one in kept]
        if tunnel is not None:
            (address, port), server = tunnel.local, tunnel.server
            pid = self.stage.pid
            mine.append(Socket(address, port, server.host, server.port, "ESTABLISHED", pid, "edgecore"))
        return others + mine

    def _unit(self) -> Unit:
        if self.config is not None:
            return replace(
                self.unit,
                active_state="active",
                sub_state="running",
                restarts=0,
                main_pid=self.stage.pid,
                started=self.stage.now,
                result="success",
            )
        if not self.stage.starts:
            return replace(self.unit, active_state="inactive", sub_state="dead", main_pid=0)
        return replace(
            self.unit,
            active_state="activating",
            sub_state="auto-restart",
            restarts=self.unit.restarts + 1,
            main_pid=0,
            result="exit-code",
            exit_status=1,
        )

    def _found(
        self, server: HostPort, tunnel: _Tunnel | None
    ) -> tuple[Connection | Unavailable, TlsPeer | Unavailable]:
        """What a probe of the tunnel server finds: cloudcore shows there what it shows on 10000 (facts.md §3.5)."""
        if tunnel is None:
            refused = Unavailable(Reason.REFUSED, f"TCP connection to {server}", "nothing listens there")
            return refused, refused
        hub = self.config.hub_server if self.config is not None else None
        wire = self.stage.wires[self.stage.host]
        seen = wire.tls(hub.host, hub.port) if hub is not None else None
        missing = Unavailable(Reason.NOT_RECORDED, f"TLS handshake with {server}", "it was not recorded")
        return Connection(server.host, 0.001), seen if seen is not None else missing

    def _journal(self, tunnel: _Tunnel | None) -> str:
        said = [self._systemd("Stopped edgecore.service.")]
        if self.stage.starts:
            said.append(self._systemd("Started edgecore.service."))
        if self.config is None:
            if self.stage.starts:
                said.append(
                    self._systemd("edgecore.service: Main process exited, code=exited, status=1/FAILURE")
                )
            return "".join(said)
        said += [
            self._klog("I", "server.go:104", f"Version: {self.config.text('edgecoreVersion') or 'stand-in'}"),
            self._klog("I", "websocket.go:93", "Websocket connect to cloud access successful"),
        ]
        if not self.config.stream_enabled:
            disabled = "Module edgestream is disabled, do not register"
            return "".join([*said, self._klog("W", "module.go:93", disabled)])
        said += [
            self._klog("I", "module.go:90", "Module edgestream registered successfully"),
            self._klog("I", "edgestream.go:121", "Start a new tunnel stream connection ..."),
        ]
        if tunnel is None:
            server = self.config.stream_server
            why = f"dial wss://{server}/v1/kubeedge/connect error dial tcp {server}: connect: connection refused"
            said.append(self._klog("E", "edgestream.go:147", why))
        return "".join(said)

    def _systemd(self, text: str) -> str:
        return f"{_iso(self.stage.now)} {self.stage.host} systemd[1]: {text}\n"

    def _klog(self, level: str, place: str, text: str) -> str:
        line = klog(self.stage.now, level, self.stage.pid, place, text)
        return f"{_iso(self.stage.now)} {self.stage.host} edgecore[{self.stage.pid}]: {line}"


def klog(now: datetime, level: str, pid: int, place: str, text: str) -> str:
    """A line as klog writes it (facts.md §5)."""
    return f"{level}{now:%m%d %H:%M:%S.%f} {pid:>7} {place}] {text}\n"


def _iso(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S.%f}+0000"


def _has(host: Host, address: str) -> bool:
    addresses = host.addresses()
    return isinstance(addresses, Addresses) and EdgeAddresses(addresses).has(address)


def _listener(host: Host, server: HostPort) -> Socket | None:
    sockets = host.sockets()
    wanted = {server.host, "::", "0.0.0.0"}  # noqa: S104  as the kernel shows a listener on every address
    items = () if isinstance(sockets, Unavailable) else sockets.items
    listening = (one for one in items if one.state == "LISTEN" and one.local_port == server.port)
    return next((one for one in listening if one.local_address in wanted), None)


def _is_tunnel(socket: Socket) -> bool:
    """Whether this socket of edgecore is its tunnel: what it connects to besides the hub and its own services."""
    return socket.state == "ESTABLISHED" and socket.remote_port in _TUNNEL_PORTS


# ---------------------------------------------------------------------------------------------- the cloud


def _cloud(actor: _Edgecore, name: str, tunnel: _Tunnel | None) -> HostChange | None:
    """A cloud host afterwards: the end of the tunnel there, and what its stream server says of this edge."""
    stage = actor.stage
    sockets = stage.hosts[name].sockets()
    if name == stage.host or isinstance(sockets, Unavailable):
        return None
    had = [one for one in sockets.items if _ends_here(actor, one)]
    items = [one for one in sockets.items if one not in had]
    if tunnel is not None and tunnel.cloud == name:
        (address, port), server, owner = tunnel.local, tunnel.server, tunnel.listener
        end = Socket(server.host, server.port, address, port, "ESTABLISHED", owner.pid, owner.process)
        return HostChange(
            sockets=replace(sockets, items=(*items, end)), pages=_pages(actor, name, server.host, alive=True)
        )
    if not had:
        return None
    pages = _pages(actor, name, had[0].local_address, alive=False)
    return HostChange(sockets=replace(sockets, items=tuple(items)), pages=pages)


def _ends_here(actor: _Edgecore, socket: Socket) -> bool:
    edges = _addresses(actor.stage.hosts[actor.stage.host])
    in_tunnel = socket.state == "ESTABLISHED" and socket.local_port in _TUNNEL_PORTS
    return in_tunnel and socket.remote_address in edges


def _addresses(host: Host) -> set[str]:
    found = host.addresses()
    return {item.address for item in found.items} if isinstance(found, Addresses) else set()


def _pages(actor: _Edgecore, name: str, address: str, *, alive: bool) -> dict[tuple[str, str], HttpAnswer]:
    """What 10003 answers for this edge: its stats, or for a session that died 200 and nothing (facts.md §3.8)."""
    stage = actor.stage
    root = stage.wires[name].get(f"https://{address}:{_STREAM_PORT}/")
    certificate = root.certificate if isinstance(root, HttpAnswer) else b""
    body = _stats(actor.node, stage.now) if alive else b""
    answer = HttpAnswer(200, body, stage.now.replace(microsecond=0), certificate)
    keys = {actor.node, *_addresses(stage.hosts[stage.host])}
    return {(f"https://{address}:{_STREAM_PORT}{_SUMMARY}", key): answer for key in keys}


def _stats(node: str, now: datetime) -> bytes:
    time = f"{now:%Y-%m-%dT%H:%M:%SZ}"
    figures = {
        "cpu": {"time": time, "usageNanoCores": 6202596, "usageCoreNanoSeconds": 911000000},
        "memory": {"time": time, "workingSetBytes": 44630016},
    }
    return json.dumps({"node": {"nodeName": node, **figures}, "pods": []}, indent=1).encode()


def _writes(actor: _Edgecore, tunnel: _Tunnel | None) -> list[ApiWrite]:
    """What cloudcore and metrics-server write: the Node's port, then a sample (facts.md §3.2, §6)."""
    cluster, node = actor.stage.cluster, actor.node
    measured = not isinstance(cluster.list(NodeMetrics), Unavailable)
    if tunnel is None:
        return [ApiWrite("NodeMetrics", node, None)] if measured else []
    writes = []
    found = cluster.list(ConfigMap, namespace=NAMESPACE, field_selector="metadata.name=tunnelport")
    text = (
        ""
        if isinstance(found, Unavailable) or not found
        else found[0].metadata.annotations.tunnel_port_record
    )
    port = parse_record(text).ports.get(tunnel.server.host) if text else None
    if port is not None:
        endpoint = {"daemonEndpoints": {"kubeletEndpoint": {"Port": port}}}
        writes.append(ApiWrite("Node", node, {"status": endpoint}))
    if measured:
        usage = {"cpu": "6202596n", "memory": "43584Ki"}
        time = f"{actor.stage.now:%Y-%m-%dT%H:%M:%SZ}"
        writes.append(ApiWrite("NodeMetrics", node, {"timestamp": time, "window": "10s", "usage": usage}))
    return writes


def _lines(actor: _Edgecore, tunnel: _Tunnel | None) -> list[PodLines]:
    """What cloudcore logs when a tunnel comes or goes (facts.md §5.1)."""
    stage = actor.stage
    pods = stage.cluster.list(Pod, namespace=NAMESPACE, label_selector="kubeedge=cloudcore")
    if isinstance(pods, Unavailable):
        return []
    if tunnel is not None:
        said = f"get a new tunnel agent hostname {actor.node}, internalIP {tunnel.local[0]}"
        text = klog(stage.now, "I", 1, "tunnelserver.go:139", said)
        ends = [pod for pod in pods if (pod.status.host_ip or "") == tunnel.server.host] or list(pods[:1])
    else:
        said = f"get Tunnel session [{actor.node}] reader error websocket: close 1006 (abnormal closure): unexpected EOF"
        text = klog(stage.now, "E", 1, "session.go:68", said)
        had = any(_ends_here(actor, one) for name in stage.hosts for one in _items(stage, name))
        ends = list(pods[:1]) if had else []
    return [PodLines(NAMESPACE, pod.metadata.name, "", text) for pod in ends]


def _items(stage: SandboxState, name: str) -> tuple[Socket, ...]:
    sockets = stage.hosts[name].sockets()
    return () if isinstance(sockets, Unavailable) or name == stage.host else sockets.items


EDGECORE = FakeService(
    UNIT_NAME,
    Text(
        "edgecore is a stand-in here: it reads the real edgecore.yaml in the sandbox, starts or exits by it, and "
        "connects if edgeStream is on and something listens where it points. Containers do not run.",
        zh="此处的 edgecore 是模拟程序：它读取沙箱中真实的 edgecore.yaml，据此启动或退出；若 edgeStream 已启用且所指地址有监听，"
        "则建立连接。沙箱中不运行容器。",
    ),
    play,
    fill_missing,
    ADDED,
)
