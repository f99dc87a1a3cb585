"""Can this edge reach the cloud's ports: 10000 (hub), 10002 (certificates), 10004 (tunnel) (facts.md §9 (20))."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta

from kedoctor.api import (
    Certainty,
    Connection,
    Evidence,
    Finding,
    Reason,
    Record,
    Side,
    Text,
    TlsPeer,
    Unavailable,
    check,
    detail_text,
    failed,
    passed,
    skipped,
    unknown,
    warned,
)
from kedoctor.api.certificates import Certificate, CertificateError, read_certificates
from kedoctor.checks.causality import CLOUDCORE_DOWN
from kedoctor.checks.data_path import ALL_STREAMS
from kedoctor.checks.facts.cloud.cloudcore import CloudcoreConfig
from kedoctor.checks.facts.edge.edgecore import EdgecoreConfig, EdgecoreUnit
from kedoctor.checks.facts.edge.edgecore_log import EdgecoreLog, quoted
from kedoctor.checks.facts.edge.sockets_and_probes import CloudPorts, EdgeSockets, PortProbe
from kedoctor.checks.facts.edge.stream_server import server_fault
from kedoctor.checks.facts.edge.trust import CloudAuthorities
from kedoctor.checks.parsers.logs.dial_errors import dial_meaning
from kedoctor.checks.parsers.logs.klog import LogLine

__all__ = ["cloud_reachable"]

_LASTING = timedelta(seconds=30)  # longer than cloudcore takes to restart and to listen (facts.md §10.2)
_ANSWERED_NO = frozenset({Reason.REFUSED, Reason.TIMEOUT, Reason.UNREACHABLE})


class _Role(Record, frozen=True):
    """What a port is for, what cannot be done without it, and where it sits on the path."""

    text: Text
    breaks: tuple[str, ...]
    hop: str


_ROLES = {
    "hub": _Role(Text("the hub link", zh="云边连接"), ("ready",), "link"),
    "https": _Role(Text("certificates and joining", zh="证书与加入"), ("install",), "certificates"),
    "tunnel": _Role(Text("the tunnel", zh="隧道"), ALL_STREAMS, "tunnel"),
}
_WHY = {
    Reason.REFUSED: Text(
        "connection refused: nothing listens there, or a firewall rejects it",
        zh="连接被拒绝：无人监听或被防火墙拒绝",
    ),
    Reason.TIMEOUT: Text(
        "no answer: a firewall drops it, or the host is down", zh="没有应答：被防火墙丢弃或主机已停机"
    ),
    Reason.UNREACHABLE: Text(
        "there is no way there: no route, or the name does not resolve", zh="无法到达：没有路由或名称无法解析"
    ),
}

_GONE = {
    Reason.REFUSED: Text(
        "connection refused by all: cloudcore does not run there, or a firewall rejects them",
        zh="全部拒绝连接：cloudcore 未在该处运行，或被防火墙拒绝",
    ),
    Reason.TIMEOUT: Text(
        "no answer from any: a firewall drops them, or the host is down",
        zh="均无应答：被防火墙丢弃，或主机已停机",
    ),
    Reason.UNREACHABLE: _WHY[Reason.UNREACHABLE],
}


@check(
    code="KE505",
    slug="cloud-reachable",
    title=Text("The edge reaches the cloud's ports", zh="边缘节点能访问云端端口"),
    side=Side.EDGE,
    breaks=(*ALL_STREAMS, "ready"),
    hop="link",
    builds_on=("KE201",),
    # Not KE101, KE203, KE404: they concern one port of three, and are told apart below.
    explained_by=(*CLOUDCORE_DOWN, "KE102", "KE104", "KE106", "KE211", "KE510"),
    references=(
        "facts.md §3.5",
        "facts.md §5.4",
        "facts.md §10.1",
        "testbed.md case h1",
        "testbed.md case h2",
    ),
    deadline=60.0,
)
def cloud_reachable(
    *,
    config: EdgecoreConfig,
    ports: CloudPorts,
    authorities: CloudAuthorities,
    cloudcore: CloudcoreConfig | Unavailable,
    unit: EdgecoreUnit,
    sockets: EdgeSockets | Unavailable,
    log: EdgecoreLog | Unavailable,
) -> Iterator[Finding]:
    """TCP, then TLS, to each port that edgecore dials, told apart; without a probe, what sockets and log prove.

    A host none of whose ports answers is one fault: no cloudcore there, or no way to it.
    """
    elsewhere = {
        probe: _judged_elsewhere(config, probe, unit, cloudcore)
        for probe in ports.probes
        if isinstance(probe.tcp, Unavailable)
    }
    gone = {
        host: probes
        for host, probes in _by_host(one for one in ports.probes if elsewhere.get(one) is None).items()
        if _all_gone(probes)
    }
    for probes in gone.values():
        yield _no_cloudcore(config, probes)
    for probe in ports.probes:
        told = elsewhere.get(probe)
        if told is not None:
            yield skipped(told, subject=_subject(config, probe), node=config.node_name)
        elif probe.server.host in gone:
            continue
        elif isinstance(probe.tcp, Unavailable) and probe.tcp.reason not in _ANSWERED_NO:
            yield _not_probed(config, probe, sockets, log)
        elif isinstance(probe.tcp, Unavailable):
            why = _WHY[probe.tcp.reason]
            seen = (Evidence(f"TCP to {probe.server}", str(probe.tcp)),)
            yield _unreachable(config, probe, why, seen, root=_filtered(probe, ports))
        else:
            yield _tls(config, probe, authorities.certificates)


def _by_host(probes: Iterable[PortProbe]) -> dict[str, list[PortProbe]]:
    found: dict[str, list[PortProbe]] = {}
    for probe in probes:
        found.setdefault(probe.server.host, []).append(probe)
    return found


def _all_gone(probes: list[PortProbe]) -> bool:
    """Whether no port answered and all for the same reason; of a single port nothing follows for the host."""
    reasons = {one.tcp.reason if isinstance(one.tcp, Unavailable) else None for one in probes}
    return len(probes) > 1 and len(reasons) == 1 and reasons <= _ANSWERED_NO


def _no_cloudcore(config: EdgecoreConfig, probes: list[PortProbe]) -> Finding:
    node, host = config.node_name, probes[0].server.host
    numbers = [str(one.server.port) for one in probes]
    listed = f"{', '.join(numbers[:-1])} and {numbers[-1]}"
    reason = next((one.tcp.reason for one in probes if isinstance(one.tcp, Unavailable)), Reason.REFUSED)
    why = _GONE[reason]
    breaks = dict.fromkeys(name for one in probes for name in _ROLES[one.role].breaks)
    return failed(
        Text(
            f"{node} reaches no port of cloudcore at {host} ({listed}): {why.en}.",
            zh=f"{node} 无法访问 {host} 上 cloudcore 的任何端口（{'、'.join(numbers)}）：{why.zh}。",
        ),
        expected=Text(
            f"TCP and TLS to {listed} of {host}", zh=f"可通过 TCP 和 TLS 访问 {host} 的 {'、'.join(numbers)}"
        ),
        actual=_said(probes[0].tcp),
        hint=Text(
            f"See whether cloudcore runs on {host}; then open 10000, 10002 and 10004 in every firewall between.",
            zh=f"先确认 {host} 上的 cloudcore 正在运行；再在沿途所有防火墙上放通 10000、10002、10004。",
        ),
        subject=f"{node} → {host}",
        node=node,
        evidence=tuple(Evidence(f"TCP to {one.server}", str(one.tcp)) for one in probes),
        commands=(
            "kubectl -n kubeedge get pods -l kubeedge=cloudcore -o wide   # on the cloud host",
            *_commands(probes[0]),
        ),
        breaks=tuple(breaks),
    )


def _filtered(probe: PortProbe, ports: CloudPorts) -> bool:
    """Whether packets to this one port vanish: a host that answers on another port would refuse a closed one."""
    lost = isinstance(probe.tcp, Unavailable) and probe.tcp.reason is Reason.TIMEOUT
    return lost and any(
        one.server.host == probe.server.host
        and (not isinstance(one.tcp, Unavailable) or one.tcp.reason is Reason.REFUSED)
        for one in ports.probes
    )


def _judged_elsewhere(
    config: EdgecoreConfig, probe: PortProbe, unit: EdgecoreUnit, cloudcore: CloudcoreConfig | Unavailable
) -> Text | None:
    """Why a closed tunnel port says nothing new; the other ports stand for themselves."""
    if probe.role != "tunnel":
        return None
    if server_fault(config, unit, cloudcore) is not None:
        return Text(
            f"Not judged: {probe.server} is not the place to dial (KE203).",
            zh=f"不作判断：{probe.server} 本就不是应连接的地址（KE203）。",
        )
    if isinstance(cloudcore, CloudcoreConfig) and not cloudcore.stream_enabled:
        return Text(
            f"Not judged: cloudStream is off, so {probe.server} is closed (KE101).",
            zh=f"不作判断：cloudStream 未启用，{probe.server} 因此关闭（KE101）。",
        )
    return None


def _parsed(data: bytes) -> Certificate | None:
    try:
        return read_certificates(data)[0]
    except CertificateError:
        return None


def _subject(config: EdgecoreConfig, probe: PortProbe) -> str:
    return f"{config.node_name} → {probe.server}"


def _tls(config: EdgecoreConfig, probe: PortProbe, authorities: Sequence[Certificate]) -> Finding:
    role, subject, node = _ROLES[probe.role], _subject(config, probe), config.node_name
    if isinstance(probe.tls, Unavailable) or probe.tls is None:
        if probe.tls is not None and probe.tls.reason in (Reason.INVALID, *_ANSWERED_NO):
            return _no_tls(config, probe, probe.tls)
        return unknown(
            Text(
                f"{probe.server} accepts connections; TLS was not tried.",
                zh=f"{probe.server} 接受连接；未尝试 TLS。",
            ),
            subject=subject,
            node=node,
        )
    leaf = _parsed(probe.tls.certificates[0]) if probe.tls.certificates else None
    if leaf is not None and authorities and not any(leaf.is_signed_by(one) for one in authorities):
        return _stranger(config, probe, leaf)
    return passed(
        Text(
            f"{node} reaches {probe.server} ({role.text.en}): TCP and TLS.",
            zh=f"{node} 可访问 {probe.server}（{role.text.zh}）：TCP 和 TLS 正常。",
        ),
        subject=subject,
        node=node,
        evidence=(Evidence(f"TLS to {probe.server}", _told(probe.tls, leaf)),),
    )


def _told(peer: TlsPeer, leaf: Certificate | None) -> str:
    shown = f"certificate {leaf.subject}" if leaf is not None else "no certificate shown"
    return f"{shown}, {peer.alert}" if peer.alert else shown


def _said(answer: Connection | Unavailable) -> str | Text:
    """An answer as it is shown where something else was expected."""
    return Text(str(answer), zh=answer.in_chinese) if isinstance(answer, Unavailable) else str(answer)


def _no_tls(config: EdgecoreConfig, probe: PortProbe, why: Unavailable) -> Finding:
    role = _ROLES[probe.role]
    return failed(
        Text(
            f"{probe.server} takes connections of {config.node_name} but speaks no TLS ({why.detail or why.reason.value}): that is not cloudcore, or something on the way cuts in.",
            zh=f"{probe.server} 接受 {config.node_name} 的连接但不支持 TLS（{detail_text(why.detail).zh or why.reason.value}）：对端不是 cloudcore，或途中有设备干预。",
        ),
        expected=Text("a TLS server", zh="TLS 服务器"),
        actual=_said(why),
        hint=Text("Find out what listens there.", zh="查明该端口上运行的程序。"),
        subject=_subject(config, probe),
        node=config.node_name,
        evidence=(Evidence(f"TLS to {probe.server}", str(why)),),
        commands=_commands(probe),
        breaks=role.breaks,
        hop=role.hop,
    )


def _stranger(config: EdgecoreConfig, probe: PortProbe, leaf: Certificate) -> Finding:
    role = _ROLES[probe.role]
    # The edge verifies cloudcore on 10000 and 10002, but not on 10004 (facts.md §3.5).
    tell = warned if probe.role == "tunnel" else failed
    return tell(
        Text(
            f"Another server than this site's cloudcore answers {config.node_name} at {probe.server}: its certificate ({leaf.subject}) is not signed by KubeEdge's CA.",
            zh=f"在 {probe.server} 应答 {config.node_name} 的不是本站点的 cloudcore：其证书（{leaf.subject}）不是由 KubeEdge 的 CA 签发。",
        ),
        expected=Text("a certificate signed by KubeEdge's CA", zh="由 KubeEdge CA 签发的证书"),
        actual=f"subject {leaf.subject}, issuer {leaf.issuer}",
        hint=Text(
            "See whether the address is right, and whether a proxy cuts in.",
            zh="检查地址是否正确，途中是否有代理。",
        ),
        subject=_subject(config, probe),
        node=config.node_name,
        evidence=(Evidence(f"TLS to {probe.server}", f"subject {leaf.subject}, issuer {leaf.issuer}"),),
        commands=_commands(probe),
        breaks=() if probe.role == "tunnel" else role.breaks,
        hop=role.hop,
    )


def _commands(probe: PortProbe) -> tuple[str, ...]:
    server = probe.server
    return (
        f"timeout 5 bash -c '</dev/tcp/{server.host}/{server.port}' && echo open",
        f"timeout 5 openssl s_client -connect {server} </dev/null | openssl x509 -noout -subject -issuer",
        f"sudo ss -tlnp 'sport = :{server.port}'   # on the cloud host",
    )


def _unreachable(
    config: EdgecoreConfig,
    probe: PortProbe,
    why: Text,
    evidence: tuple[Evidence, ...],
    certainty: Certainty = Certainty.PROVED,
    *,
    root: bool = False,
) -> Finding:
    role = _ROLES[probe.role]
    return failed(
        Text(
            f"{config.node_name} cannot reach {probe.server} ({role.text.en}): {why.en}.",
            zh=f"{config.node_name} 无法访问 {probe.server}（{role.text.zh}）：{why.zh}。",
        ),
        expected=Text(f"TCP and TLS to {probe.server}", zh=f"可通过 TCP 和 TLS 访问 {probe.server}"),
        actual=why,
        hint=Text(
            "Open 10000, 10002 and 10004 from the edge to the cloud in every firewall between, and see that cloudcore listens.",
            zh="在沿途所有防火墙上放通边缘节点到云端的 10000、10002、10004，并确认 cloudcore 正在监听。",
        ),
        subject=_subject(config, probe),
        node=config.node_name,
        evidence=evidence,
        commands=_commands(probe),
        breaks=role.breaks,
        hop=role.hop,
        certainty=certainty,
        root=root,
    )


def _not_probed(
    config: EdgecoreConfig,
    probe: PortProbe,
    sockets: EdgeSockets | Unavailable,
    log: EdgecoreLog | Unavailable,
) -> Finding:
    """What the kernel and edgecore's own attempts prove; an old connection proves nothing about new ones."""
    held = () if isinstance(sockets, Unavailable) else sockets.towards(probe.server)
    waiting = () if isinstance(sockets, Unavailable) else sockets.towards(probe.server, "SYN_SENT")
    errors = _errors(probe, log)
    last = errors[-1] if errors else None
    meaning = dial_meaning(last.raw) if last is not None else None
    if (
        not held
        and last is not None
        and meaning is not None
        and meaning.leg == "tcp"
        and (waiting or _lasts(errors))
    ):
        evidence = [Evidence("journalctl -u edgecore", quoted(last))]
        if waiting:
            evidence.insert(
                0,
                Evidence(
                    "ss -tnp", f"SYN-SENT {waiting[0].local_address}:{waiting[0].local_port} {probe.server}"
                ),
            )
        return _unreachable(config, probe, meaning.text, tuple(evidence))
    tail_en = "; edgecore holds a connection to it, which says nothing about new ones" if held else ""
    tail_zh = "；edgecore 与其保持着连接，但这不能说明新连接可用" if held else ""
    return unknown(
        Text(
            f"Whether {config.node_name} reaches {probe.server} was not tried ({probe.tcp}){tail_en}.",
            zh=f"未尝试 {config.node_name} 能否访问 {probe.server}（{probe.tcp}）{tail_zh}。",
        ),
        subject=_subject(config, probe),
        node=config.node_name,
        hint=Text("Run kedoctor on the edge.", zh="请在边缘主机上运行 kedoctor。"),
        commands=_commands(probe)[:1],
    )


def _errors(probe: PortProbe, log: EdgecoreLog | Unavailable) -> tuple[LogLine, ...]:
    if isinstance(log, Unavailable) or probe.role == "https":
        return ()
    return log.tunnel_errors() if probe.role == "tunnel" else log.hub_errors()


def _lasts(errors: tuple[LogLine, ...]) -> bool:
    first, last = errors[0].time, errors[-1].time
    return first is not None and last is not None and last - first >= _LASTING
