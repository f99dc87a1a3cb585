"""KE206, KE208, KE210, KE411: single settings of edgecore.yaml put right."""

from __future__ import annotations

from kedoctor.api import NoPlan, Plan, Text, Unavailable, Verdict, remedy
from kedoctor.checks.edgecore.cluster_dns import DNS_KEY
from kedoctor.checks.edgecore.edged_settings import LOG_FILES, LOG_SIZE, ignored_rotation
from kedoctor.checks.facts.cluster.cluster_dns import EDGEMESH_ADDRESS, ClusterDns
from kedoctor.checks.facts.edge.edgecore import ROTATE_KEY, EdgecoreConfig
from kedoctor.checks.facts.edge.host import EdgeAddresses
from kedoctor.checks.plans.edgecore import edgecore_plan, no_plan, set_keys

__all__ = ["cert_rotation", "cluster_dns", "log_rotation", "stream_handlers"]

_HANDLERS = "modules.edged.tailoredKubeletConfig.enableDebuggingHandlers"


@remedy("KE206")
def stream_handlers(verdict: Verdict, config: EdgecoreConfig) -> Plan:
    """Switches the handlers of logs, exec and attach on."""
    return edgecore_plan(
        verdict,
        Text(
            f"set enableDebuggingHandlers: true in {config.path}",
            zh=f"在 {config.path} 中设置 enableDebuggingHandlers: true",
        ),
        Text("", zh=""),
        set_keys(config, {_HANDLERS: True}),
    )


@remedy("KE208")
def log_rotation(verdict: Verdict, config: EdgecoreConfig) -> Plan | NoPlan:
    """Sets the defaults; keys that only lie in the wrong place are KE207's to move."""
    if ignored_rotation(config):
        return no_plan(
            "the keys are written where edgecore does not read them, and KE207 moves them",
            "这些键写在 edgecore 不读取的位置，由 KE207 移动",
        )
    return edgecore_plan(
        verdict,
        Text(
            f"set containerLogMaxSize: 10Mi and containerLogMaxFiles: 5 in {config.path}",
            zh=f"在 {config.path} 中设置 containerLogMaxSize: 10Mi 和 containerLogMaxFiles: 5",
        ),
        Text(
            "Older log files of the containers beyond that are removed.", zh="超出限制的旧容器日志会被删除。"
        ),
        set_keys(config, {LOG_SIZE: "10Mi", LOG_FILES: 5}),
    )


@remedy("KE210")
def cluster_dns(
    verdict: Verdict,
    config: EdgecoreConfig,
    dns: ClusterDns | Unavailable,
    addresses: EdgeAddresses | Unavailable,
) -> Plan | NoPlan:
    """Writes EdgeMesh's address where it runs, else that of the cluster's DNS Service."""
    mesh = (not isinstance(addresses, Unavailable) and addresses.has(EDGEMESH_ADDRESS)) or (
        not isinstance(dns, Unavailable) and dns.edgemesh
    )
    server = EDGEMESH_ADDRESS if mesh else "" if isinstance(dns, Unavailable) else dns.address
    if not server:
        return no_plan("no DNS server of the cluster is known", "未知集群的 DNS 服务器")
    return edgecore_plan(
        verdict,
        Text(
            f"set clusterDNS: [{server}] in {config.path}",
            zh=f"在 {config.path} 中设置 clusterDNS: [{server}]",
        ),
        Text("Pods that start from then on resolve names there.", zh="此后启动的 Pod 使用该服务器解析名称。"),
        set_keys(config, {DNS_KEY: [server]}),
    )


@remedy("KE411")
def cert_rotation(verdict: Verdict, config: EdgecoreConfig) -> Plan | NoPlan:
    """Switches the renewal on; one that is on and fails has another cause."""
    if config.value(ROTATE_KEY) is not False:
        return no_plan(
            "renewal is switched on and the cloud refuses it; the line in the log says why (KE402, KE404, KE408, KE410)",
            "更新已启用但被云端拒绝；原因见日志（KE402、KE404、KE408、KE410）",
        )
    return edgecore_plan(
        verdict,
        Text(
            f"set rotateCertificates: true in {config.path}",
            zh=f"在 {config.path} 中设置 rotateCertificates: true",
        ),
        Text("", zh=""),
        set_keys(config, {ROTATE_KEY: True}),
    )
