"""Cloudcore's four ports on the host where it runs, and whoever else holds one of them (facts.md §3.5).

Without hostNetwork cloudcore listens inside its pod, and the host's sockets say nothing of it. That cloudcore runs
with an older configuration, and therefore without its stream ports, is told by KE104 and not again here; that it does
not run at all is told by KE105, unless a stranger on one of its ports is the reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from kedoctor.api import (
    Evidence,
    Finding,
    Side,
    Socket,
    Text,
    Unavailable,
    check,
    failed,
    passed,
    skipped,
    unknown,
)
from kedoctor.checks.data_path import ALL_STREAMS
from kedoctor.checks.facts.cloud.cloud_host import CloudProcesses, CloudSockets, HostAddresses
from kedoctor.checks.facts.cloud.cloudcore import CloudcoreConfig, CloudcoreWorkload
from kedoctor.checks.facts.cloud.cloudcore_log import CloudcoreLog
from kedoctor.checks.parsers.host_port import is_loopback

__all__ = ["cloud_listeners"]

_STARTING = timedelta(seconds=40)
"""Cloudcore sleeps up to 9 s and then waits for CloudHub's certificates before it opens 10003 and 10004."""


@dataclass(frozen=True, slots=True)
class _Port:
    """One of cloudcore's ports: what it is for and what breaks without it."""

    role: Text
    path: str
    default: int
    hop: str
    breaks: tuple[str, ...]
    switch: str = ""


_PORTS = (
    _Port(
        Text("hub, for edges", zh="边缘连接的 hub"),
        "modules.cloudHub.websocket.port",
        10000,
        "link",
        ("ready",),
        "modules.cloudHub.websocket.enable",
    ),
    _Port(
        Text("HTTPS, for certificates of edges", zh="为边缘节点签发证书的 HTTPS"),
        "modules.cloudHub.https.port",
        10002,
        "certificates",
        ("install",),
    ),
    _Port(
        Text("stream server, for kube-apiserver", zh="供 kube-apiserver 使用的流服务"),
        "modules.cloudStream.streamPort",
        10003,
        "stream",
        ALL_STREAMS,
    ),
    _Port(
        Text("tunnel server, for edges", zh="供边缘节点使用的隧道服务"),
        "modules.cloudStream.tunnelPort",
        10004,
        "tunnel",
        ALL_STREAMS,
    ),
)


@check(
    code="KE501",
    slug="cloud-listeners",
    title=Text("cloudcore listens on its four ports", zh="cloudcore 监听其四个端口"),
    side=Side.CLOUD,
    breaks=ALL_STREAMS,
    hop="stream",
    explained_by=("KE101", "KE103", "KE108", "KE111", "KE113"),
    references=(
        "facts.md §1.3",
        "facts.md §3.5",
        "facts.md §10 (35, 37)",
        "testbed.md ports",
        "testbed.md case c",
    ),
)
def cloud_listeners(
    sockets: CloudSockets,
    config: CloudcoreConfig | Unavailable,
    workload: CloudcoreWorkload | Unavailable,
    *,
    processes: CloudProcesses | Unavailable,
    addresses: HostAddresses | Unavailable,
    log: CloudcoreLog | Unavailable,
) -> Iterator[Finding]:
    """Who listens on each port, where cloudcore runs; elsewhere only strangers that keep it from starting."""
    if not isinstance(workload, Unavailable) and workload.host_network is False:
        yield skipped(
            Text(
                "cloudcore has a network of its own (no hostNetwork); its ports are not this host's.",
                zh="cloudcore 使用自己的网络（非 hostNetwork），其端口不在本机。",
            )
        )
        return
    runs = _runs_here(workload, processes, addresses)
    if runs is None:
        yield unknown(
            Text(
                "Whether cloudcore runs on this host is unknown: neither processes nor pods could be read.",
                zh="无法得知 cloudcore 是否在本机运行：进程和 Pod 均无法读取。",
            )
        )
        return
    wanted = [(port, number) for port in _PORTS if (number := _number(port, config))]
    if runs:
        outdated = _runs_without_stream(config, log)
        for port, number in wanted:
            if outdated and not sockets.listening(number) and port.hop in {"stream", "tunnel"}:
                yield _outdated(number)
            else:
                yield _judge(port, number, sockets, processes)
        return
    nowhere = not isinstance(workload, Unavailable) and not workload.live
    strangers = [found for port, number in wanted if nowhere and (found := _stranger(port, number, sockets))]
    yield from strangers or [
        skipped(Text("cloudcore does not run on this host.", zh="cloudcore 不在本机运行。"))
    ]


def _runs_here(
    workload: CloudcoreWorkload | Unavailable,
    processes: CloudProcesses | Unavailable,
    addresses: HostAddresses | Unavailable,
) -> bool | None:
    if not isinstance(processes, Unavailable):
        return processes.cloudcore is not None
    if isinstance(workload, Unavailable) or isinstance(addresses, Unavailable):
        return None
    return any(pod.status.host_ip and addresses.has(pod.status.host_ip) for pod in workload.live)


def _runs_without_stream(config: CloudcoreConfig | Unavailable, log: CloudcoreLog | Unavailable) -> bool:
    """Whether cloudStream is switched on, but cloudcore's log says that it started with it off."""
    if isinstance(config, Unavailable) or isinstance(log, Unavailable) or not config.stream_enabled:
        return False
    return any(pod.stream_module is False for pod in log.pods)


def _outdated(number: int) -> Finding:
    return skipped(
        Text(
            f"Nothing listens on {number}, because cloudcore started before cloudStream was switched on (KE104).",
            zh=f"端口 {number} 没有监听，因为 cloudcore 在启用 cloudStream 之前启动（见 KE104）。",
        ),
        subject=f"port {number}",
    )


def _number(port: _Port, config: CloudcoreConfig | Unavailable) -> int:
    """The port's number; 0 when the configuration does not want it."""
    if isinstance(config, Unavailable):
        return port.default
    if port.switch and config.value(port.switch) is False:
        return 0
    return config.port(port.path) or port.default


def _is_cloudcore(socket: Socket) -> bool:
    return socket.process == "cloudcore"


def _told(listeners: tuple[Socket, ...]) -> str:
    told = []
    for one in listeners:
        owner = f"{one.process} (pid {one.pid})" if one.process else "an owner that is not visible"
        told.append(f"{one.local_address or '*'}:{one.local_port} {owner}")
    return ", ".join(dict.fromkeys(told))


def _judge(
    port: _Port, number: int, sockets: CloudSockets, processes: CloudProcesses | Unavailable
) -> Finding:
    listeners = sockets.listening(number)
    own = tuple(filter(_is_cloudcore, listeners))
    if own:
        return _open(port, number, own)
    if not listeners:
        age = None if isinstance(processes, Unavailable) else processes.cloudcore_age
        starting = age is not None and timedelta(0) <= age < _STARTING
        return _starting(number) if starting else _closed(port, number)
    if any(not one.process for one in listeners):
        return unknown(
            Text(
                f"Something listens on {number}, but its owner is not visible to this user.",
                zh=f"端口 {number} 有监听，但当前用户看不到其所有者。",
            ),
            subject=f"port {number}",
            hint=Text("Run kedoctor as root.", zh="请以 root 运行 kedoctor。"),
            commands=(f"sudo ss -tlnp 'sport = :{number}'",),
        )
    return _taken(port, number, listeners)


def _open(port: _Port, number: int, own: tuple[Socket, ...]) -> Finding:
    if all(is_loopback(one.local_address) and one.local_address not in ("", "::", "0.0.0.0") for one in own):  # noqa: S104
        return failed(
            Text(
                f"cloudcore listens on {number} ({port.role.en}) on loopback only: nobody else can reach it.",
                zh=f"cloudcore 只在回环地址监听 {number}（{port.role.zh}）：其他主机无法访问。",
            ),
            expected=Text(f"0.0.0.0:{number}", zh=f"0.0.0.0:{number}"),
            actual=_told(own),
            hint=Text(
                "Set the address of this port in cloudcore.yaml to 0.0.0.0.",
                zh="在 cloudcore.yaml 中将该端口的地址设为 0.0.0.0。",
            ),
            subject=f"port {number}",
            evidence=(Evidence("ss -tlnp", _told(own)),),
            commands=("kubectl -n kubeedge edit configmap cloudcore",),
            breaks=port.breaks,
            hop=port.hop,
        )
    return passed(
        Text(
            f"cloudcore listens on {number} ({port.role.en}).",
            zh=f"cloudcore 监听 {number}（{port.role.zh}）。",
        ),
        subject=f"port {number}",
        evidence=(Evidence("ss -tlnp", _told(own)),),
    )


def _starting(number: int) -> Finding:
    return unknown(
        Text(
            f"Nothing listens on {number} yet; cloudcore has just started and takes up to half a minute.",
            zh=f"端口 {number} 尚无监听；cloudcore 刚启动，最多需要约半分钟。",
        ),
        subject=f"port {number}",
        commands=(f"sudo ss -tlnp 'sport = :{number}'",),
    )


def _closed(port: _Port, number: int) -> Finding:
    return failed(
        Text(
            f"cloudcore runs, but nothing listens on {number} ({port.role.en}).",
            zh=f"cloudcore 在运行，但端口 {number}（{port.role.zh}）没有监听。",
        ),
        expected=Text(f"cloudcore listening on {number}", zh=f"cloudcore 监听 {number}"),
        actual=Text("no listener", zh="没有监听者"),
        hint=Text(
            "10003 and 10004 need cloudStream switched on (KE101) before cloudcore started (KE104); if all four are closed, it "
            "waits for CRDs (KE111).",
            zh="10003 与 10004 需要先启用 cloudStream（KE101）再启动 cloudcore（KE104）；若四个端口都未监听，则它在等待 CRD（KE111）。",
        ),
        subject=f"port {number}",
        evidence=(Evidence("ss -tlnp", f"no listener on {number}"),),
        commands=(
            f"sudo ss -tlnp 'sport = :{number}'",
            "kubectl -n kubeedge logs deployment/cloudcore --tail=50 | grep -E 'Prepare to start|disabled|error'",
        ),
        breaks=port.breaks,
        hop=port.hop,
    )


def _stranger(port: _Port, number: int, sockets: CloudSockets) -> Finding | None:
    listeners = tuple(one for one in sockets.listening(number) if one.process and not _is_cloudcore(one))
    return _taken(port, number, listeners) if listeners else None


def _taken(port: _Port, number: int, listeners: tuple[Socket, ...]) -> Finding:
    owner = listeners[0]
    return failed(
        Text(
            f"Port {number} ({port.role.en}) is held by {owner.process} (pid {owner.pid}), so cloudcore cannot have it.",
            zh=f"端口 {number}（{port.role.zh}）被 {owner.process}（pid {owner.pid}）占用，cloudcore 无法使用。",
        ),
        expected=Text(f"cloudcore listening on {number}", zh=f"cloudcore 监听 {number}"),
        actual=_told(listeners),
        hint=Text(
            f"Stop {owner.process} or give it another port; then delete the cloudcore pod.",
            zh=f"停止 {owner.process} 或更换其端口；然后删除 cloudcore Pod。",
        ),
        subject=f"port {number}",
        evidence=(Evidence("ss -tlnp", _told(listeners)),),
        commands=(
            f"sudo ss -tlnp 'sport = :{number}'",
            "kubectl -n kubeedge delete pod -l kubeedge=cloudcore   # once the port is free",
        ),
        breaks=port.breaks,
        hop=port.hop,
    )
