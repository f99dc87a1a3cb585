"""Whether edgecore renews its certificate before it ends (facts.md §4.1): at 70 to 90 % of its 365 days."""

from __future__ import annotations

from kedoctor.api import Evidence, Finding, Risk, Side, Text, Unavailable, check, passed, warned
from kedoctor.checks.facts.edge.certificates import EdgeCertificates
from kedoctor.checks.facts.edge.edgecore import ROTATE_KEY, EdgecoreConfig
from kedoctor.checks.facts.edge.edgecore_log import EdgecoreLog, quoted
from kedoctor.checks.parsers.durations import day
from kedoctor.checks.parsers.logs.klog import LogLine

__all__ = ["cert_rotation"]

_ROTATED = "succeeded to rotate certificate"
_FAILED = "failed to get edge certificate from CloudCore:"
_TRACES = ("sudo journalctl -u edgecore --no-pager | grep -E 'certmanager.go' | tail",)


@check(
    code="KE411",
    slug="cert-rotation",
    title=Text("edgecore renews its certificate", zh="edgecore 会更新证书"),
    side=Side.EDGE,
    hop="certificates",
    builds_on=("KE201",),
    explained_by=(
        "KE402",
        "KE403",
        "KE404",
        "KE408",
        "KE409",
        "KE410",
        "KE505",
        "KE213",
        "KE501",
        "KE105",
        "KE211",
    ),
    remedy=Text(
        "Set modules.edgeHub.rotateCertificates to true and restart edgecore.",
        zh="将 modules.edgeHub.rotateCertificates 设为 true，并重启 edgecore。",
    ),
    risk=Risk.RESTARTS_EDGECORE,
    references=(
        "facts.md §2.2",
        "facts.md §4.1",
        "facts.md §5.5",
        "KubeEdge: edge/pkg/edgehub/certificate/certmanager.go",
    ),
)
def cert_rotation(config: EdgecoreConfig, files: EdgeCertificates, log: EdgecoreLog | Unavailable) -> Finding:
    """``rotateCertificates``, and the last line about a rotation in the present run."""
    node = config.node_name
    certificate = files.certificate.certificate
    end = "" if certificate is None else f" (its present one ends on {day(certificate.not_after)})"
    zh_end = "" if certificate is None else f"（当前证书于 {day(certificate.not_after)} 到期）"
    if config.value(ROTATE_KEY) is False:
        return warned(
            Text(
                f"edgecore of {node} never renews its certificate: rotateCertificates is false{end}.",
                zh=f"{node} 的 edgecore 不会更新证书：rotateCertificates 为 false{zh_end}。",
            ),
            expected=Text("rotateCertificates: true", zh="rotateCertificates: true"),
            actual="rotateCertificates: false",
            hint=Text(
                "Switch it on; an expired certificate does not heal by itself.",
                zh="请启用；证书过期后无法自行恢复。",
            ),
            subject=node,
            node=node,
            evidence=(Evidence(config.path, "rotateCertificates: false", config.line(ROTATE_KEY)),),
            commands=(f"sudo vi {config.path}   # {ROTATE_KEY}: true", "sudo systemctl restart edgecore"),
            breaks=(),
            root=True,
        )
    failure = None if isinstance(log, Unavailable) else _last_failure(log)
    if failure is not None:
        return _failing(node, failure, end, zh_end)
    return passed(
        Text(
            f"edgecore of {node} renews its certificate{end}.", zh=f"{node} 的 edgecore 会更新证书{zh_end}。"
        ),
        subject=node,
        node=node,
    )


def _last_failure(log: EdgecoreLog) -> LogLine | None:
    failure, success = log.newest(_FAILED), log.newest(_ROTATED)
    if failure is None or success is None:
        return failure
    lines = log.last_run
    return failure if lines.index(failure) > lines.index(success) else None


def _failing(node: str, failure: LogLine, end: str, zh_end: str) -> Finding:
    return warned(
        Text(
            f"edgecore of {node} tries to renew its certificate and fails{end}.",
            zh=f"{node} 的 edgecore 更新证书失败{zh_end}。",
        ),
        expected=Text(
            "`succeeded to rotate certificate` in its log", zh="日志中有 `succeeded to rotate certificate`"
        ),
        actual=quoted(failure),
        hint=Text(
            "It asks port 10002 of the cloud with the certificate it has; the line says why it was refused.",
            zh="它用现有证书向云端 10002 端口申请；该日志说明了被拒绝的原因。",
        ),
        subject=node,
        node=node,
        evidence=(Evidence("journalctl -u edgecore", quoted(failure)),),
        commands=_TRACES,
        breaks=(),
    )
