"""Does edgecore use the certificate that lies on disk, or an older one in its memory (facts.md §4.3)."""

from __future__ import annotations

from datetime import timedelta

from kedoctor.api import (
    Certainty,
    Evidence,
    Finding,
    Risk,
    Side,
    Text,
    Unavailable,
    check,
    failed,
    passed,
    skipped,
    unknown,
    warned,
)
from kedoctor.api.certificates import Certificate
from kedoctor.checks.certificates.edge_files import no_certificate
from kedoctor.checks.data_path import ALL_STREAMS
from kedoctor.checks.facts.edge.certificates import EdgeCertificates
from kedoctor.checks.facts.edge.clock import TrustedClock
from kedoctor.checks.facts.edge.edgecore import EdgecoreConfig, EdgecoreUnit
from kedoctor.checks.facts.edge.edgecore_log import EdgecoreLog, quoted
from kedoctor.checks.parsers.durations import day

__all__ = ["edge_cert_loaded"]

# A certificate that edgecore asked for at its start is dated a little after that start.
_MARGIN = timedelta(minutes=10)


@check(
    code="KE405",
    slug="edge-cert-loaded",
    title=Text("edgecore uses the certificate that is on disk", zh="edgecore 使用的是磁盘上的证书"),
    side=Side.EDGE,
    breaks=ALL_STREAMS,
    hop="tunnel",
    builds_on=("KE201",),
    remedy=Text(
        "Restart edgecore; edgeStream reads its pair only when it starts.",
        zh="重启 edgecore；edgeStream 只在启动时读取证书。",
    ),
    risk=Risk.RESTARTS_EDGECORE,
    references=("facts.md §4.3", "facts.md §10 (29)", "KubeEdge: edge/pkg/edgestream/edgestream.go"),
)
def edge_cert_loaded(
    config: EdgecoreConfig,
    files: EdgeCertificates,
    unit: EdgecoreUnit,
    log: EdgecoreLog | Unavailable,
    clock: TrustedClock,
) -> Finding:
    """Whether edgecore started before server.crt was issued: edgeStream then keeps the old pair in memory for ever."""
    certificate, node = files.certificate.certificate, config.node_name
    if certificate is None:
        return no_certificate(files.certificate, node)
    if not config.stream_enabled or unit.runs is False:
        why = (
            ("edgeStream is switched off", "edgeStream 未启用")
            if unit.runs is not False
            else ("edgecore does not run", "edgecore 未运行")
        )
        return skipped(Text(f"{why[0]} on {node}.", zh=f"{node}：{why[1]}。"), subject=node, node=node)
    if unit.started is None:
        return unknown(
            Text(
                f"When edgecore of {node} started is unknown.", zh=f"无法得知 {node} 的 edgecore 何时启动。"
            ),
            subject=node,
            node=node,
            commands=("systemctl show edgecore -p ActiveEnterTimestamp",),
        )
    rotated = None if isinstance(log, Unavailable) else log.newest("succeeded to rotate certificate")
    skew = timedelta(seconds=abs(clock.skew_seconds or 0.0))
    if rotated is None and certificate.not_before <= unit.started + _MARGIN + skew:
        return passed(
            Text(
                f"edgecore of {node} started ({day(unit.started)}) when its present certificate had been issued.",
                zh=f"{node} 的 edgecore 启动（{day(unit.started)}）时，当前证书已签发。",
            ),
            subject=node,
            node=node,
        )
    if rotated is None and not clock.checked and certificate.not_before > clock.now:
        return unknown(
            Text(
                f"The clock of {node} says {day(clock.now)}, before its certificate was issued, and was compared with nothing: when edgecore started cannot be told by it.",
                zh=f"{node} 的时钟为 {day(clock.now)}，早于证书签发时间，且没有可对照的时间：无法据此判断 edgecore 的启动时间。",
            ),
            subject=node,
            node=node,
            commands=("date -u",),
        )
    refused = None if isinstance(log, Unavailable) else log.tunnel_error()
    return _old_pair(config, certificate, unit, quoted(refused) if refused else "")


def _old_pair(config: EdgecoreConfig, certificate: Certificate, unit: EdgecoreUnit, refused: str) -> Finding:
    node = config.node_name
    started = "?" if unit.started is None else day(unit.started)
    expired = "expired certificate" in refused
    told = (
        Text("Cloudcore already refuses the old one.", zh="cloudcore 已拒绝旧证书。")
        if expired
        else Text("The tunnel breaks when the old one expires.", zh="旧证书过期时隧道将中断。")
    )
    summary = Text(
        f"edgecore of {node} has run since {started}, its certificate was renewed on {day(certificate.not_before)}: edgeStream still holds the old pair. {told.en}",
        zh=f"{node} 的 edgecore 自 {started} 起运行，而证书已于 {day(certificate.not_before)} 更新：edgeStream 仍使用旧证书。{told.zh}",
    )
    evidence = [
        Evidence("systemctl show edgecore -p ActiveEnterTimestamp", started),
        Evidence("server.crt", f"notBefore {day(certificate.not_before)}"),
    ]
    if refused:
        evidence.append(Evidence("journalctl -u edgecore", refused))
    tell = failed if expired else warned
    return tell(
        summary,
        expected=Text("edgecore started after its certificate was issued", zh="edgecore 在证书签发之后启动"),
        actual=Text(
            f"started {started}, certificate issued {day(certificate.not_before)}",
            zh=f"启动于 {started}，证书签发于 {day(certificate.not_before)}",
        ),
        hint=Text("Restart edgecore at a quiet moment.", zh="在业务空闲时重启 edgecore。"),
        subject=node,
        node=node,
        evidence=tuple(evidence),
        commands=("sudo systemctl restart edgecore",),
        breaks=None if expired else (),
        certainty=Certainty.PROVED,
    )
