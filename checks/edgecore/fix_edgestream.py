"""KE202, KE203, KE204: the edgeStream section switched on, dialling the cloud, with the pair that edgeHub renews."""

from __future__ import annotations

from typing import Any

from kedoctor.api import Certainty, FileMetadata, NoPlan, Plan, Reason, Text, Unavailable, Verdict, remedy
from kedoctor.checks.facts.edge.certificates import EdgeCertificates
from kedoctor.checks.facts.edge.edgecore import EdgecoreConfig
from kedoctor.checks.facts.edge.repair import HubTunnel
from kedoctor.checks.plans.edgecore import edgecore_plan, no_plan, set_keys

__all__ = ["edgestream_cert_paths", "edgestream_enabled", "edgestream_server"]

_SECTION = "modules.edgeStream"
_TIMEOUTS = {"handshakeTimeout": 30, "readDeadline": 15, "writeDeadline": 15}  # the defaults (facts.md §2.2)
_PAIR = {"tlsTunnelCertFile": "tlsCertFile", "tlsTunnelPrivateKeyFile": "tlsPrivateKeyFile"}


@remedy("KE202")
def edgestream_enabled(
    verdict: Verdict, config: EdgecoreConfig, certificates: EdgeCertificates | Unavailable
) -> Plan:
    """Switches edgeStream on; one that is on in the file only is restarted."""
    if config.stream_enabled:
        return edgecore_plan(
            verdict,
            Text("restart edgecore, so that edgeStream starts", zh="重启 edgecore，使 edgeStream 启动"),
            Text("", zh=""),
        )
    wanted: dict[str, Any] = {f"{_SECTION}.enable": True}
    for key, seconds in _TIMEOUTS.items():
        if config.line(f"{_SECTION}.{key}") is None:
            wanted[f"{_SECTION}.{key}"] = seconds
    # Once it is on, edgecore exits where these files are not there (facts.md §5.4).
    wanted |= _missing_pair(config, certificates)
    return edgecore_plan(
        verdict,
        Text(f"switch edgeStream on in {config.path}", zh=f"在 {config.path} 中启用 edgeStream"),
        Text(
            f"{verdict.node} dials the tunnel server of the cloud.",
            zh=f"{verdict.node} 会连接云端的隧道服务。",
        ),
        set_keys(config, wanted),
    )


def _missing_pair(config: EdgecoreConfig, certificates: EdgeCertificates | Unavailable) -> dict[str, str]:
    if isinstance(certificates, Unavailable):
        return {}
    found = {}
    for tunnel, hub in _PAIR.items():
        seen = certificates.tunnel_files.get(config.text(f"{_SECTION}.{tunnel}"))
        if isinstance(seen, Unavailable) and seen.reason is Reason.ABSENT:
            found[f"{_SECTION}.{tunnel}"] = config.text(f"modules.edgeHub.{hub}")
    return {key: path for key, path in found.items() if path != config.text(key)}


@remedy("KE203")
def edgestream_server(verdict: Verdict, config: EdgecoreConfig, beside: HubTunnel) -> Plan | NoPlan:
    """Takes the host from edgeHub and the port from cloudcore (or from the NodePort that leads to it).

    An address that may well be another way to the same cloud is replaced only if nobody answers there and
    somebody does beside edgeHub's.
    """
    server, written = beside.server, config.text(f"{_SECTION}.server")
    if server is None:
        return no_plan(
            f"edgeHub does not name the cloud either; write the address of the cloud into modules.edgeHub.websocket.server and modules.edgeStream.server of {config.path} and restart edgecore",
            f"edgeHub 中也没有云端地址；请在 {config.path} 的 modules.edgeHub.websocket.server 和 modules.edgeStream.server 中写入云端地址并重启 edgecore",
        )
    if str(server) == written:
        return no_plan(
            f"edgeStream dials {server} already, which is all that the configuration tells",
            f"edgeStream 已经连接 {server}，配置中没有更多信息",
        )
    if verdict.certainty is not Certainty.PROVED and (beside.present_answers or not beside.answers):
        return no_plan(
            f"the address {written} may be another way to the same cloud, and dialling does not show that {server} is better; if it is: `sudo vi {config.path}`, {_SECTION}.server: {server}, then `sudo systemctl restart edgecore`",
            f"{written} 可能是通往同一云端的另一地址，试拨也不能说明 {server} 更好；若确应更改：`sudo vi {config.path}`，{_SECTION}.server: {server}，然后 `sudo systemctl restart edgecore`",
        )
    return edgecore_plan(
        verdict,
        Text(
            f"let edgeStream dial {server} in {config.path}",
            zh=f"在 {config.path} 中让 edgeStream 连接 {server}",
        ),
        Text(
            f"{verdict.node} dials {server} instead of {written or 'nothing'}.",
            zh=f"{verdict.node} 改为连接 {server}（原为 {written or '空'}）。",
        ),
        set_keys(config, {f"{_SECTION}.server": str(server)}),
    )


@remedy("KE204")
def edgestream_cert_paths(
    verdict: Verdict, config: EdgecoreConfig, certificates: EdgeCertificates
) -> Plan | NoPlan:
    """Names edgeHub's pair for the tunnel, if that pair is there."""
    pair = (certificates.certificate, certificates.key)
    absent = [file.path for file in pair if not isinstance(file.metadata, FileMetadata)]
    if absent:
        return no_plan(
            f"edgeHub's own files are not there either ({', '.join(absent)}); they have to be obtained first (KE401)",
            f"edgeHub 自己的文件也不存在（{'、'.join(absent)}）；须先重新获取（KE401）",
        )
    wanted = {
        f"{_SECTION}.{tunnel}": config.text(f"modules.edgeHub.{hub}")
        for tunnel, hub in _PAIR.items()
        if config.text(f"{_SECTION}.{tunnel}") != config.text(f"modules.edgeHub.{hub}")
    }
    return edgecore_plan(
        verdict,
        Text(
            f"let edgeStream use edgeHub's pair in {config.path}",
            zh=f"在 {config.path} 中让 edgeStream 使用 edgeHub 的证书",
        ),
        Text("", zh=""),
        set_keys(config, wanted),
    )
