"""The hub link as the edge holds it: one established connection to 10000, and a certificate there that names it.

edgecore verifies the certificate that the hub shows against the address it dials (facts.md §4.2); the tunnel's is not
verified. Without the hub link the Node turns NotReady after its grace, and the cloud sees no more of it.
"""

from __future__ import annotations

from kedoctor.api import (
    Evidence,
    Finding,
    Side,
    Text,
    TlsPeer,
    Unavailable,
    check,
    failed,
    passed,
    skipped,
    unknown,
)
from kedoctor.api.certificates import Certificate, CertificateError, read_certificates
from kedoctor.checks.causality import NOT_READY
from kedoctor.checks.facts.edge.edgecore import EdgecoreConfig, EdgecoreUnit
from kedoctor.checks.facts.edge.edgecore_log import EdgecoreLog, quoted
from kedoctor.checks.facts.edge.sockets_and_probes import CloudPorts, EdgeSockets
from kedoctor.checks.parsers.host_port import HostPort
from kedoctor.checks.parsers.logs.dial_errors import dial_meaning
from kedoctor.checks.parsers.logs.klog import LogLine

__all__ = ["hub_established"]


@check(
    code="KE514",
    slug="hub-established",
    title=Text("edgecore holds its hub link to the cloud", zh="edgecore 与云端 hub 的连接已建立"),
    side=Side.EDGE,
    breaks=("ready",),
    hop="link",
    builds_on=("KE201",),
    explained_by=(*(code for code in NOT_READY if code not in ("KE514", "KE707")), "KE104", "KE409"),
    references=(
        "facts.md §3.5",
        "facts.md §4.2",
        "facts.md §5.4",
    ),
)
def hub_established(
    config: EdgecoreConfig,
    sockets: EdgeSockets,
    unit: EdgecoreUnit,
    log: EdgecoreLog | Unavailable,
    ports: CloudPorts | Unavailable,
) -> Finding:
    """The socket, what edgecore says of it, and whether the certificate of that port covers the address."""
    node, server = config.node_name, config.hub_server
    if server is None or not config.flag("modules.edgeHub.websocket.enable"):
        return skipped(
            Text("edgeHub does not use a websocket.", zh="edgeHub 未使用 websocket。"),
            subject=node,
            node=node,
        )
    if unit.runs is False:
        return skipped(
            Text("edgecore does not run (KE701).", zh="edgecore 未运行（KE701）。"), subject=node, node=node
        )
    errors = () if isinstance(log, Unavailable) else log.hub_errors()
    shown = _shown(ports)
    held = sockets.towards(server)
    if shown is not None and not shown.covers(server.host) and (errors or not held):
        return _other_name(config, server, shown, errors)
    if held and not errors:
        local = f"{held[0].local_address}:{held[0].local_port}"
        return passed(
            Text(
                f"edgecore of {node} holds its hub link: {local} to {server}.",
                zh=f"{node} 的 edgecore 已连接 hub：{local} → {server}。",
            ),
            subject=node,
            node=node,
            evidence=(Evidence("ss -tnp", f"ESTAB {local} {server} {held[0].process}".rstrip()),),
        )
    if held:
        return unknown(
            Text(
                f"edgecore of {node} has a connection to {server}, but its newest log line about the hub is an error.",
                zh=f"{node} 的 edgecore 与 {server} 有连接，但其关于 hub 的最新日志是错误。",
            ),
            subject=node,
            node=node,
            evidence=(Evidence("journalctl -u edgecore", quoted(errors[-1])),),
        )
    return _none(config, server, errors)


def _shown(ports: CloudPorts | Unavailable) -> Certificate | None:
    """The certificate that the hub port shows to this edge."""
    if isinstance(ports, Unavailable):
        return None
    peer = next((one.tls for one in ports.probes if one.role == "hub"), None)
    if not isinstance(peer, TlsPeer) or not peer.certificates:
        return None
    try:
        return read_certificates(peer.certificates[0])[0]
    except CertificateError:
        return None


def _commands(server: HostPort) -> tuple[str, ...]:
    return (
        f"sudo ss -tnp 'dport = :{server.port}'",
        "sudo journalctl -u edgecore --no-pager | grep -iE 'websocket|x509' | tail -n 10",
    )


def _other_name(
    config: EdgecoreConfig, server: HostPort, shown: Certificate, errors: tuple[LogLine, ...]
) -> Finding:
    node = config.node_name
    names = ", ".join(filter(None, (*shown.ip_addresses, *shown.dns_names))) or "nothing"
    said = (Evidence("journalctl -u edgecore", quoted(errors[-1])),) if errors else ()
    return failed(
        Text(
            f"{server} presents a certificate for {names}, not for {server.host}, the address that {node} connects to: edgecore refuses it.",
            zh=f"{server} 出示的证书适用于 {names}，不包含 {node} 所连接的 {server.host}：edgecore 会拒绝。",
        ),
        expected=Text(f"a certificate that names {server.host}", zh=f"包含 {server.host} 的证书"),
        actual=names,
        hint=Text(
            "On the cloud host: add this address to cloudHub.advertiseAddress and let cloudcore issue a new certificate (KE408).",
            zh="在云端主机上：将该地址写入 cloudHub.advertiseAddress，并让 cloudcore 重新签发证书（KE408）。",
        ),
        subject=node,
        node=node,
        evidence=(Evidence(f"TLS to {server}", f"certificate for {names}"), *said),
        commands=(*_commands(server), "sudo kedoctor run   # on the cloud host"),
    )


def _none(config: EdgecoreConfig, server: HostPort, errors: tuple[LogLine, ...]) -> Finding:
    node = config.node_name
    meaning = dial_meaning(errors[-1].raw) if errors else None
    why = Text(f"nothing is connected to {server}", zh=f"没有到 {server} 的连接")
    if meaning is not None:
        why = Text(
            f"connecting to {server} fails: {meaning.text.en}", zh=f"连接 {server} 失败：{meaning.text.zh}"
        )
    evidence = [Evidence("ss -tnp", f"no connection of edgecore to {server}")]
    if errors:
        evidence.append(Evidence("journalctl -u edgecore", quoted(errors[-1])))
    return failed(
        Text(
            f"{node} has no hub link to the cloud: {why.en}.", zh=f"{node} 没有到云端 hub 的连接：{why.zh}。"
        ),
        expected=Text(f"edgecore ESTABLISHED to {server}", zh=f"edgecore 到 {server} 的 ESTABLISHED 连接"),
        actual=why,
        hint=Text("Follow the error of the last connection attempt.", zh="根据最近一次连接的错误排查。"),
        subject=node,
        node=node,
        evidence=tuple(evidence),
        commands=_commands(server),
    )
