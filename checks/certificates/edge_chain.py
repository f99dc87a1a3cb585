"""Who signed what between edge and cloud (facts.md §4.1, §4.2)."""

from __future__ import annotations

from dataclasses import dataclass

from kedoctor.api import (
    Evidence,
    Finding,
    Risk,
    Side,
    Text,
    Unavailable,
    check,
    failed,
    passed,
    unknown,
    warned,
)
from kedoctor.api.certificates import Certificate
from kedoctor.checks.certificates.edge_files import no_certificate
from kedoctor.checks.data_path import ALL_STREAMS
from kedoctor.checks.facts.cluster.secrets import KubeedgeSecrets
from kedoctor.checks.facts.edge.certificates import EdgeCertificates
from kedoctor.checks.facts.edge.edgecore import EdgecoreConfig
from kedoctor.checks.facts.edge.sockets_and_probes import CloudCa
from kedoctor.checks.facts.edge.trust import CloudAuthorities
from kedoctor.checks.facts.edge.version import EdgecoreRelease
from kedoctor.checks.parsers.durations import day
from kedoctor.checks.parsers.releases import Trait, has
from kedoctor.checks.plans.edge_certificates import reissue, rejoin

__all__ = ["edge_ca_match", "edge_cert_chain"]

_EVERYTHING = (*ALL_STREAMS, "ready")


@check(
    code="KE403",
    slug="edge-cert-chain",
    title=Text(
        "The edge's certificate is KubeEdge's and names this node", zh="边缘证书由 KubeEdge 签发且属于该节点"
    ),
    side=Side.EDGE,
    breaks=_EVERYTHING,
    hop="certificates",
    builds_on=("KE201",),
    explained_by=("KE404", "KE213"),
    remedy=Text("Obtain a new certificate with a fresh token.", zh="用新令牌重新获取证书。"),
    risk=Risk.RESTARTS_EDGECORE,
    references=("facts.md §4.1", "facts.md §4.2", "facts.md §10 (30, 31)", "versions.md §4"),
)
def edge_cert_chain(
    config: EdgecoreConfig,
    files: EdgeCertificates,
    authorities: CloudAuthorities,
    *,
    version: EdgecoreRelease,
) -> Finding:
    """Whether server.crt is signed by the CA, for client authentication, for ``system:node:<this node>``.

    What a certificate for another node means depends on the release, and is told by KE213 where it breaks nothing.
    """
    certificate, root = files.certificate.certificate, files.root_ca.certificate
    if certificate is None:
        return no_certificate(files.certificate, config.node_name)
    wanted = f"system:node:{config.node_name}"
    compared = has(version.release, Trait.COMMON_NAME_CHECKED)
    if certificate.common_name != wanted and compared is None:
        return _not_decided(config, certificate, wanted)
    if certificate.common_name != wanted and compared:
        return _chain_wrong(config, files, certificate, _Wrong(_for_another(certificate, wanted), wanted))
    usages = certificate.extended_key_usage
    if usages and not {"clientAuth", "any"} & set(usages):
        return _chain_wrong(
            config, files, certificate, _Wrong(_not_for_clients(config, usages), "clientAuth")
        )
    cloud = authorities.cloud
    signed_by_cloud = None if cloud is None else certificate.is_signed_by(cloud)
    signed_by_root = None if root is None else certificate.is_signed_by(root)
    if signed_by_cloud is False:
        wrong = _Wrong(_foreign(config, "the cloud's CA", "云端的 CA"), "the cloud's CA")
        return _chain_wrong(config, files, certificate, wrong)
    if signed_by_root is False:
        # The cloud decides about this certificate; the edge's own CA file only serves to check the cloud's hub.
        told = _foreign(config, files.root_ca.path, files.root_ca.path)
        return _chain_wrong(config, files, certificate, _Wrong(told, files.root_ca.path, ("ready",)))
    if signed_by_root is None and signed_by_cloud is None:
        return no_certificate(files.root_ca, config.node_name)
    return passed(
        Text(
            f"The certificate of {config.node_name} is signed by KubeEdge's CA and names {certificate.common_name}.",
            zh=f"{config.node_name} 的证书由 KubeEdge 的 CA 签发，名称为 {certificate.common_name}。",
        ),
        subject=config.node_name,
        node=config.node_name,
    )


def _not_decided(config: EdgecoreConfig, certificate: Certificate, wanted: str) -> Finding:
    node, named = config.node_name, certificate.common_name or "-"
    return unknown(
        Text(
            f"The certificate is for {named}, this node is {wanted}; whether this release of edgecore compares them is unknown.",
            zh=f"证书属于 {named}，本节点为 {wanted}；无法得知该版本的 edgecore 是否比较两者。",
        ),
        subject=node,
        node=node,
        commands=("edgecore --version",),
    )


def _for_another(certificate: Certificate, wanted: str) -> Text:
    return Text(
        f"The certificate is for {certificate.common_name or 'nobody'}, but this node is {wanted}: edgecore rejects it at start and cloudcore refuses to renew it.",
        zh=f"证书属于 {certificate.common_name or '（无名称）'}，而本节点为 {wanted}：edgecore 启动时不接受它，cloudcore 也拒绝更新。",
    )


def _not_for_clients(config: EdgecoreConfig, usages: tuple[str, ...]) -> Text:
    return Text(
        f"The certificate of {config.node_name} may not be used by a client (only {', '.join(usages)}).",
        zh=f"{config.node_name} 的证书不能用作客户端证书（仅限 {', '.join(usages)}）。",
    )


def _foreign(config: EdgecoreConfig, authority: str, authority_zh: str) -> Text:
    return Text(
        f"The certificate of {config.node_name} is not signed by {authority}.",
        zh=f"{config.node_name} 的证书不是由 {authority_zh} 签发。",
    )


@dataclass(frozen=True, slots=True)
class _Wrong:
    """What is wrong with a certificate, what it should be instead, and what that breaks."""

    summary: Text
    wanted: str
    breaks: tuple[str, ...] = _EVERYTHING


def _chain_wrong(
    config: EdgecoreConfig, files: EdgeCertificates, certificate: Certificate, wrong: _Wrong
) -> Finding:
    actual = f"subject {certificate.subject}, issuer {certificate.issuer}"
    return failed(
        wrong.summary,
        expected=Text(wrong.wanted, zh=wrong.wanted),
        actual=actual,
        hint=Text("Obtain a new certificate with a fresh token.", zh="用新令牌重新获取证书。"),
        subject=config.node_name,
        node=config.node_name,
        evidence=(Evidence(f"openssl x509 -subject -issuer -in {files.certificate.path}", actual),),
        commands=reissue(files, config.path),
        breaks=wrong.breaks,
    )


@check(
    code="KE404",
    slug="edge-ca-match",
    title=Text("Edge and cloud have the same CA", zh="边缘节点与云端使用同一个 CA"),
    side=Side.EDGE,
    breaks=("ready",),
    hop="certificates",
    builds_on=("KE201",),
    remedy=Text(
        "Join the edge to the present CA again (fresh token, old files moved away), or restore the former CA on the cloud.",
        zh="让边缘节点重新加入当前 CA（新令牌，移走旧文件），或在云端恢复原来的 CA。",
    ),
    risk=Risk.RESTARTS_EDGECORE,
    references=("facts.md §4.1", "facts.md §4.2", "facts.md §10 (31)", "testbed.md case g1"),
)
def edge_ca_match(
    config: EdgecoreConfig,
    files: EdgeCertificates,
    authorities: CloudAuthorities,
    secrets: KubeedgeSecrets | Unavailable,
    served: CloudCa | Unavailable,
) -> Finding:
    """Whether sha256(rootCA.crt) is that of Secret casecret and of the CA that 10002 serves."""
    root = files.root_ca.certificate
    if root is None:
        return no_certificate(files.root_ca, config.node_name)
    if authorities.cloud is None:
        return _nothing_to_compare(config, root, secrets, served)
    if root.sha256 == authorities.cloud.sha256:
        if authorities.kept is not None and authorities.kept.sha256 != root.sha256:
            return _cloud_in_two_minds(config, authorities.kept, root)
        return passed(
            Text(
                f"{config.node_name} and the cloud have the same CA (sha256 {root.sha256[:16]}…).",
                zh=f"{config.node_name} 与云端的 CA 相同（sha256 {root.sha256[:16]}…）。",
            ),
            subject=config.node_name,
            node=config.node_name,
        )
    return _two_cas(config, files, root, authorities)


def _nothing_to_compare(
    config: EdgecoreConfig,
    root: Certificate,
    secrets: KubeedgeSecrets | Unavailable,
    served: CloudCa | Unavailable,
) -> Finding:
    kept = secrets if isinstance(secrets, Unavailable) else secrets.ca
    reasons = [str(part) for part in (kept, served) if isinstance(part, Unavailable)]
    told = "; ".join(reasons) or "the cloud's CA could not be read"
    return unknown(
        Text(
            f"{config.node_name} has the CA {root.sha256[:16]}…, but the cloud's was not read: {told}.",
            zh=f"{config.node_name} 的 CA 为 {root.sha256[:16]}…，但未能读取云端的 CA：{told}。",
        ),
        subject=config.node_name,
        node=config.node_name,
        hint=Text(
            "Compare the two digests yourself, or give the cloud's bundle as well.",
            zh="自行比较两个摘要，或同时提供云端的证据包。",
        ),
        commands=(
            f"openssl x509 -in {config.text('modules.edgeHub.tlsCaFile')} -outform DER | sha256sum",
            f"curl -ks https://{config.http_server}/ca.crt | sha256sum",
        ),
    )


def _cloud_in_two_minds(config: EdgecoreConfig, kept: Certificate, served: Certificate) -> Finding:
    node = config.node_name
    return warned(
        Text(
            f"Cloudcore uses the CA {served.sha256[:16]}…, but Secret kubeedge/casecret holds {kept.sha256[:16]}…: after its next restart it refuses {node}.",
            zh=f"cloudcore 当前使用 CA {served.sha256[:16]}…，而 Secret kubeedge/casecret 中是 {kept.sha256[:16]}…：cloudcore 下次重启后将拒绝 {node}。",
        ),
        expected=Text("one CA in memory and in the Secret", zh="内存与 Secret 中为同一 CA"),
        actual=Text(
            f"served {served.sha256}, Secret {kept.sha256}",
            zh=f"实际提供 {served.sha256}，Secret 中为 {kept.sha256}",
        ),
        hint=Text(
            "Do not restart cloudcore before the CA in use is secured; then re-join the edges to the one you keep.",
            zh="在保存正在使用的 CA 之前不要重启 cloudcore；之后让边缘节点重新加入要保留的 CA。",
        ),
        subject=node,
        node=node,
        commands=(
            f"curl -ks https://{config.http_server}/ca.crt | sha256sum",
            "kubectl -n kubeedge get secret casecret -o jsonpath='{.data.cadata}' | base64 -d | sha256sum",
        ),
        breaks=(),
    )


def _two_cas(
    config: EdgecoreConfig, files: EdgeCertificates, root: Certificate, authorities: CloudAuthorities
) -> Finding:
    node, other = config.node_name, authorities.cloud
    certificate = files.certificate.certificate
    trusted = certificate is not None and other is not None and certificate.is_signed_by(other)
    digest = "" if other is None else other.sha256
    tail_en = (
        "the hub link on 10000 fails; the tunnel does not check the CA and goes on"
        if trusted
        else "cloudcore refuses this edge on 10000 and 10004"
    )
    tail_zh = (
        "到 10000 的连接失败；隧道不校验 CA，仍可用"
        if trusted
        else "cloudcore 在 10000 和 10004 上均拒绝该边缘节点"
    )
    return failed(
        Text(
            f"{node} holds another CA ({root.sha256[:16]}…) than the cloud ({digest[:16]}…): {tail_en}.",
            zh=f"{node} 的 CA（{root.sha256[:16]}…）与云端（{digest[:16]}…）不同：{tail_zh}。",
        ),
        expected=Text(f"sha256 {digest}", zh=f"sha256 {digest}"),
        actual=f"sha256 {root.sha256}",
        hint=Text(
            "Join the edge again with a fresh token, or restore the former CA on the cloud.",
            zh="用新令牌让边缘节点重新加入，或在云端恢复原 CA。",
        ),
        subject=node,
        node=node,
        evidence=(
            Evidence(files.root_ca.path, f"sha256 {root.sha256}, notBefore {day(root.not_before)}"),
            Evidence(_where(authorities), f"sha256 {digest}"),
        ),
        commands=rejoin(files, config.path),
        breaks=("ready",) if trusted else _EVERYTHING,
    )


def _where(authorities: CloudAuthorities) -> str:
    return (
        "GET /ca.crt at port 10002 of the cloud"
        if authorities.served is not None
        else "Secret kubeedge/casecret"
    )
