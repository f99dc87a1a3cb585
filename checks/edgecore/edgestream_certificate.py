"""The pair that edgeStream shows to the cloud: edgeHub's, or one that nobody renews (facts.md §2.2)."""

from __future__ import annotations

from kedoctor.api import (
    Evidence,
    Finding,
    Reason,
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
from kedoctor.checks.data_path import ALL_STREAMS
from kedoctor.checks.facts.edge.certificates import EdgeCertificates
from kedoctor.checks.facts.edge.edgecore import EdgecoreConfig

__all__ = ["edgestream_cert_paths"]

_SECTION = "modules.edgeStream"
_RESTART = (
    "sudo systemctl restart edgecore",
    "sudo journalctl -u edgecore -n 50 --no-pager | grep edgestream",
)


@check(
    code="KE204",
    slug="edgestream-cert-paths",
    title=Text(
        "edgeStream uses the certificate that edgeHub obtains", zh="edgeStream 使用 edgeHub 获取的证书"
    ),
    side=Side.EDGE,
    breaks=ALL_STREAMS,
    hop="tunnel",
    builds_on=("KE201",),
    remedy=Text(
        "Set tlsTunnelCertFile and tlsTunnelPrivateKeyFile to the files of edgeHub and restart edgecore.",
        zh="将 tlsTunnelCertFile 和 tlsTunnelPrivateKeyFile 设为 edgeHub 的文件，并重启 edgecore。",
    ),
    risk=Risk.RESTARTS_EDGECORE,
    references=("facts.md §2.2", "facts.md §5.4", "KubeEdge: edge/pkg/edgestream/edgestream.go"),
)
def edgestream_cert_paths(config: EdgecoreConfig, certificates: EdgeCertificates) -> Finding:
    """Whether the tunnel's pair is edgeHub's; another one must exist and is never renewed.

    ``tlsTunnelCAFile`` is never read on the edge, so nothing is said of it (facts.md §2.2).
    """
    node = config.node_name
    if not config.stream_enabled:
        return skipped(
            Text(
                f"edgeStream of {node} is switched off (KE202).", zh=f"{node} 的 edgeStream 未启用（KE202）。"
            ),
            subject=node,
            node=node,
        )
    pairs = {
        f"{_SECTION}.{tunnel}": (config.text(f"{_SECTION}.{tunnel}"), config.text(f"modules.edgeHub.{hub}"))
        for tunnel, hub in (
            ("tlsTunnelCertFile", "tlsCertFile"),
            ("tlsTunnelPrivateKeyFile", "tlsPrivateKeyFile"),
        )
    }
    differing = {key: paths for key, paths in pairs.items() if paths[0] != paths[1]}
    if not differing:
        return passed(
            Text(
                f"edgeStream of {node} uses edgeHub's pair.",
                zh=f"{node} 的 edgeStream 使用 edgeHub 的证书和私钥。",
            ),
            subject=node,
            node=node,
        )
    return _differing(config, certificates, differing)


def _differing(
    config: EdgecoreConfig, certificates: EdgeCertificates, differing: dict[str, tuple[str, str]]
) -> Finding:
    absent: list[str] = []
    unread: list[str] = []
    for path, _ in differing.values():
        seen = certificates.tunnel_files.get(path)
        if seen is None or (isinstance(seen, Unavailable) and seen.reason is Reason.ABSENT):
            absent.append(path)
        elif isinstance(seen, Unavailable):
            unread.append(str(seen))
    if unread and not absent:
        return unknown(
            Text(
                f"The tunnel's files could not be looked at: {'; '.join(unread)}.",
                zh=f"无法查看隧道的证书文件：{'；'.join(unread)}。",
            ),
            subject=config.node_name,
            node=config.node_name,
        )
    return _other_pair(config, differing, exists=not absent)


def _other_pair(config: EdgecoreConfig, differing: dict[str, tuple[str, str]], *, exists: bool) -> Finding:
    node = config.node_name
    told = "; ".join(f"{key.rpartition('.')[2]} is {path or 'empty'}" for key, (path, _) in differing.items())
    expected = "; ".join(f"{key.rpartition('.')[2]}: {hub}" for key, (_, hub) in differing.items())
    summary = Text(
        f"edgeStream of {node} is configured with files that do not exist ({told}): edgecore exits with `Failed to load x509 key pair`.",
        zh=f"{node} 的 edgeStream 指定了不存在的文件（{told}）：edgecore 会报 `Failed to load x509 key pair` 并退出。",
    )
    if exists:
        summary = Text(
            f"edgeStream of {node} uses another pair than edgeHub ({told}); edgecore never renews that one.",
            zh=f"{node} 的 edgeStream 使用的不是 edgeHub 的证书（{told}）；edgecore 不会更新它。",
        )
    tell = warned if exists else failed
    return tell(
        summary,
        expected=Text(expected, zh=expected),
        actual=told,
        hint=Text("Name edgeHub's files and restart edgecore.", zh="改为 edgeHub 的文件并重启 edgecore。"),
        subject=node,
        node=node,
        evidence=tuple(
            Evidence(config.path, f"{key}: {path}", config.line(key)) for key, (path, _) in differing.items()
        ),
        commands=(f"sudo vi {config.path}   # {expected}", *_RESTART),
        breaks=() if exists else None,
    )
