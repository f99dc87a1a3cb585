"""A certificate of cloudcore that names what edges dial: cloudcore makes it itself once the old one is gone (KE408)."""

from __future__ import annotations

from kedoctor.api import (
    DeleteObject,
    EditObjectYaml,
    EveryHost,
    NoPlan,
    Plan,
    Risk,
    Text,
    Unavailable,
    Verdict,
    YamlChange,
    remedy,
)
from kedoctor.api.certificates import CertificateError, read_certificates
from kedoctor.checks.facts.cloud.cloudcore import CloudcoreConfig, CloudcoreWorkload
from kedoctor.checks.facts.cluster.secrets import KubeedgeSecrets
from kedoctor.checks.facts.edge.edgecore import EdgecoreConfig
from kedoctor.checks.parsers.host_port import is_ip, is_loopback
from kedoctor.checks.plans.cloudcore import (
    AFTER_CLOUDCORE,
    CLOUDCORE_PODS,
    EDGES_RECONNECT,
    edit_cloudcore,
    put,
)
from kedoctor.checks.plans.touches import CONFIGURATION, SECRETS

__all__ = ["cloudcore_certificate"]

_SECRET = "/api/v1/namespaces/kubeedge/secrets/cloudcoresecret"  # noqa: S105  the path of a Secret, not its content
_ADDRESSES = "modules.cloudHub.advertiseAddress"
_NAMES = "modules.cloudHub.dnsNames"


@remedy("KE408", touches=(*CONFIGURATION, *SECRETS))
def cloudcore_certificate(
    verdict: Verdict,
    config: CloudcoreConfig,
    workload: CloudcoreWorkload,
    edges: EveryHost[EdgecoreConfig],
    *,
    secrets: KubeedgeSecrets | Unavailable,
) -> Plan | NoPlan:
    """The Secret deleted (the journal keeps it) and cloudcore restarted; before, addresses it does not know yet.

    The certificate is made for ``advertiseAddress`` and ``dnsNames``, and only when there is none (facts.md §4.1). What
    the present one names stays named: edges that nobody sees from here dial it.
    """
    if not workload.pods:
        return NoPlan(
            Text(
                "cloudcore makes the certificate when it starts, and it has no pod now (KE105)",
                zh="证书由 cloudcore 启动时生成，而它目前没有 Pod（见 KE105）",
            )
        )
    edits = _edits(config, [*_dialled(edges), *_named(secrets)])
    told = ", ".join(str(change.value) for edit in edits for change in edit.changes)
    first = (
        f"add what edges dial, and what the current certificate names, to cloudcore.yaml ({told}), then delete"
        if edits
        else "delete"
    )
    first_zh = (
        f"将边缘节点所连地址及现有证书中的地址写入 cloudcore.yaml（{told}），然后删除" if edits else "删除"
    )
    return Plan(
        code=verdict.code,
        subject=verdict.subject,
        title=Text(
            f"{first} Secret kubeedge/cloudcoresecret and restart cloudcore, which makes a new certificate from the same CA",
            zh=f"{first_zh} Secret kubeedge/cloudcoresecret 并重启 cloudcore，由其用同一 CA 生成新证书",
        ),
        prediction=EDGES_RECONNECT,
        risk=Risk.RESTARTS_CLOUDCORE,
        actions=(*edits, DeleteObject(_SECRET, remade=True)),
        restarts=(CLOUDCORE_PODS,),
        settle=AFTER_CLOUDCORE,
    )


def _dialled(edges: EveryHost[EdgecoreConfig]) -> list[str]:
    return [
        server.host
        for edge in edges.known().values()
        for server in (edge.hub_server, edge.http_server)
        if server is not None
    ]


def _named(secrets: KubeedgeSecrets | Unavailable) -> list[str]:
    """What the certificate names that cloudcore has now."""
    der = secrets if isinstance(secrets, Unavailable) else secrets.cloudcore
    if isinstance(der, Unavailable):
        return []
    try:
        certificate = read_certificates(der)[0]
    except CertificateError:
        return []
    return [*certificate.ip_addresses, *filter(None, certificate.dns_names)]


def _edits(config: CloudcoreConfig, wanted: list[str]) -> tuple[EditObjectYaml, ...]:
    hosts = dict.fromkeys(host for host in wanted if not is_loopback(host))
    changes = [
        *_added(config, _ADDRESSES, [host for host in hosts if is_ip(host)]),
        *_added(config, _NAMES, [host for host in hosts if not is_ip(host)]),
    ]
    return (edit_cloudcore(*changes),) if changes else ()


def _added(config: CloudcoreConfig, path: str, hosts: list[str]) -> list[YamlChange]:
    written = config.value(path)
    present = [one for one in written if isinstance(one, str) and one] if isinstance(written, list) else []
    lacking = [host for host in hosts if host not in present]
    return [put(config, path, [*present, *lacking])] if lacking else []
