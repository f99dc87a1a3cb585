"""The certificate cloudcore shows on 10000 and 10002: made once, never again when addresses change (facts.md §4.1)."""

from __future__ import annotations

from collections.abc import Iterator

from kedoctor.api import (
    Certainty,
    EveryHost,
    Evidence,
    Expiry,
    Finding,
    Risk,
    Side,
    Text,
    Unavailable,
    check,
    expiring,
    failed,
    passed,
    unknown,
    warned,
)
from kedoctor.api.certificates import Certificate, CertificateError, read_certificates
from kedoctor.checks.facts.cloud.cloudcore import CloudcoreConfig
from kedoctor.checks.facts.cluster.secrets import KubeedgeSecrets
from kedoctor.checks.facts.edge.edgecore import EdgecoreConfig
from kedoctor.checks.parsers.host_port import is_loopback

__all__ = ["cloudcore_cert_san"]

_OBJECT = "secret/kubeedge/cloudcoresecret"
_REMAKE = Text(
    "Put every address that edges dial into cloudHub.advertiseAddress, back the Secret up, delete it and restart cloudcore: it makes a new one.",
    zh="将边缘节点所连接的全部地址写入 cloudHub.advertiseAddress，备份并删除该 Secret，重启 cloudcore 后会重新生成。",
)
_COMMANDS = (
    "kubectl -n kubeedge get configmap cloudcore -o yaml | grep -A 5 advertiseAddress",
    "kubectl -n kubeedge get secret cloudcoresecret -o yaml > cloudcoresecret.backup.yaml",
    "kubectl -n kubeedge delete secret cloudcoresecret",
    "kubectl -n kubeedge scale deployment cloudcore --replicas=0 && sleep 10 && kubectl -n kubeedge scale deployment cloudcore --replicas=1",
)


@check(
    code="KE408",
    slug="cloudcore-cert-san",
    title=Text("Cloudcore's certificate names what edges dial", zh="cloudcore 证书包含边缘节点所连接的地址"),
    side=Side.SITE,
    breaks=("ready",),
    hop="link",
    remedy=_REMAKE,
    risk=Risk.RESTARTS_CLOUDCORE,
    references=(
        "facts.md §4.1",
        "facts.md §4.2",
        "facts.md §10 (31, 32)",
        "KubeEdge: cloud/pkg/cloudhub/servers/httpserver/pre_server.go",
    ),
)
def cloudcore_cert_san(
    secrets: KubeedgeSecrets, edges: EveryHost[EdgecoreConfig], cloudcore: CloudcoreConfig | Unavailable
) -> Iterator[Finding]:
    """Whether ``cloudcoresecret`` is signed by ``casecret`` and covers each address that an edge in view dials.

    Without an edge in view the advertised addresses are compared instead.
    """
    certificate = _read(secrets.cloudcore)
    if not isinstance(certificate, Certificate):
        yield unknown(
            Text(
                f"Cloudcore's certificate was not read: {certificate}.",
                zh=f"未能读取 cloudcore 的证书：{certificate}。",
            ),
            subject=_OBJECT,
        )
        return
    authority = _read(secrets.ca)
    shown = {_OBJECT: certificate}
    if isinstance(authority, Certificate):
        shown["secret/kubeedge/casecret"] = authority
    expiries = tuple(
        Expiry(item=item, begins=one.not_before, ends=one.not_after) for item, one in shown.items()
    )
    for place, finding in enumerate(_judged(certificate, authority, edges, cloudcore)):
        yield finding if place else expiring(finding, *expiries)


def _judged(
    certificate: Certificate,
    authority: Certificate | str,
    edges: EveryHost[EdgecoreConfig],
    cloudcore: CloudcoreConfig | Unavailable,
) -> Iterator[Finding]:
    if isinstance(authority, Certificate) and not certificate.is_signed_by(authority):
        yield _foreign(certificate, authority)
    configs = edges.known()
    for config in configs.values():
        yield _edge(config, certificate)
    if not configs:
        yield _advertised(certificate, cloudcore)


def _read(der: bytes | Unavailable) -> Certificate | str:
    if isinstance(der, Unavailable):
        return str(der)
    try:
        return read_certificates(der)[0]
    except CertificateError as error:
        return error.reason


def _names(certificate: Certificate) -> str:
    return ", ".join(filter(None, (*certificate.ip_addresses, *certificate.dns_names))) or "nothing"


def _foreign(certificate: Certificate, authority: Certificate) -> Finding:
    return failed(
        Text(
            "Cloudcore's certificate is not signed by the CA in Secret casecret: no edge that trusts this CA can connect.",
            zh="cloudcore 的证书不是由 Secret casecret 中的 CA 签发：信任该 CA 的边缘节点均无法连接。",
        ),
        expected=Text(
            f"signed by the CA sha256 {authority.sha256[:16]}…",
            zh=f"由 CA sha256 {authority.sha256[:16]}… 签发",
        ),
        actual=f"issuer {certificate.issuer}, another key",
        hint=_REMAKE,
        subject=_OBJECT,
        evidence=(
            Evidence(_OBJECT, f"notBefore {certificate.not_before:%Y-%m-%d %H:%M}"),
            Evidence("secret/kubeedge/casecret", f"notBefore {authority.not_before:%Y-%m-%d %H:%M}"),
        ),
        commands=_COMMANDS[1:],
    )


def _edge(config: EdgecoreConfig, certificate: Certificate) -> Finding:
    node = config.node_name
    dialled = {server.host: None for server in (config.hub_server, config.http_server) if server is not None}
    lacking = [host for host in dialled if not is_loopback(host) and not certificate.covers(host)]
    if not lacking:
        return passed(
            Text(
                f"Cloudcore's certificate covers what {node} dials ({', '.join(dialled) or 'nothing'}).",
                zh=f"cloudcore 证书包含 {node} 所连接的地址（{', '.join(dialled) or '无'}）。",
            ),
            subject=node,
            node=node,
        )
    return failed(
        Text(
            f"{node} dials {', '.join(lacking)}, but cloudcore's certificate is only for {_names(certificate)}: edgecore refuses the hub (10000) and gets no certificate (10002).",
            zh=f"{node} 连接 {', '.join(lacking)}，而 cloudcore 的证书只包含 {_names(certificate)}：edgecore 拒绝与 10000 建立连接，也无法从 10002 获取证书。",
        ),
        expected=Text(f"a certificate for {', '.join(lacking)}", zh=f"包含 {', '.join(lacking)} 的证书"),
        actual=_names(certificate),
        hint=_REMAKE,
        subject=node,
        node=node,
        evidence=(
            Evidence(_OBJECT, f"names: {_names(certificate)}"),
            Evidence(config.path, f"edgeHub dials {', '.join(dialled)}"),
        ),
        commands=_COMMANDS,
    )


def _advertised(certificate: Certificate, cloudcore: CloudcoreConfig | Unavailable) -> Finding:
    addresses = (
        None if isinstance(cloudcore, Unavailable) else cloudcore.value("modules.cloudHub.advertiseAddress")
    )
    written = [a for a in addresses if isinstance(a, str) and a] if isinstance(addresses, list) else []
    if not written:
        return unknown(
            Text(
                "No edge is in view and no advertised address is known to compare with.",
                zh="当前看不到边缘节点，也没有可对照的对外地址。",
            ),
            subject=_OBJECT,
            hint=Text(
                "Give the evidence of an edge with --evidence FILE.",
                zh="请用 --evidence FILE 提供边缘节点的证据包。",
            ),
        )
    lacking = [address for address in written if not certificate.covers(address)]
    if not lacking:
        return passed(
            Text(
                f"Cloudcore's certificate covers the advertised {', '.join(written)}.",
                zh=f"cloudcore 证书包含对外地址 {', '.join(written)}。",
            ),
            subject=_OBJECT,
        )
    return warned(
        Text(
            f"Cloudcore advertises {', '.join(lacking)}, but its certificate is only for {_names(certificate)}: edges that dial it cannot connect.",
            zh=f"cloudcore 对外地址为 {', '.join(lacking)}，而其证书只包含 {_names(certificate)}：使用该地址的边缘节点无法连接。",
        ),
        expected=Text(f"a certificate for {', '.join(written)}", zh=f"包含 {', '.join(written)} 的证书"),
        actual=_names(certificate),
        hint=_REMAKE,
        subject=_OBJECT,
        evidence=(Evidence(_OBJECT, f"names: {_names(certificate)}"),),
        commands=_COMMANDS,
        breaks=(),
        certainty=Certainty.IMPLIED,
    )
