"""KE401 to KE405: keys closed, certificates obtained anew with a token that is known to be good (facts.md §4.3)."""

from __future__ import annotations

from kedoctor.api import (
    ChangeMode,
    FileMetadata,
    NoPlan,
    Plan,
    RemoveFile,
    Risk,
    TemporaryFile,
    Text,
    Unavailable,
    Verdict,
    remedy,
)
from kedoctor.checks.facts.edge.certificates import EdgeCertificates
from kedoctor.checks.facts.edge.clock import TrustedClock, Validity
from kedoctor.checks.facts.edge.edgecore import EdgecoreConfig
from kedoctor.checks.facts.edge.join_token import TokenAtHand, UsableToken
from kedoctor.checks.plans.edgecore import AT_ONCE, edgecore_plan, no_plan, set_keys

__all__ = ["edge_ca_match", "edge_cert_chain", "edge_cert_expiry", "edge_cert_files", "edge_cert_loaded"]

_PRIVATE = 0o600


@remedy("KE401")
def edge_cert_files(
    verdict: Verdict, config: EdgecoreConfig, files: EdgeCertificates, token: TokenAtHand
) -> Plan | NoPlan:
    """A key that others can read is closed; files that are missing or do not fit are obtained anew."""
    whole = files.root_ca.certificate and files.certificate.certificate and not files.key.error
    if verdict.subject == verdict.node and whole and isinstance(files.key.metadata, FileMetadata):
        return _closed(verdict, files)
    return _reissued(verdict, config, files, token)


def _closed(verdict: Verdict, files: EdgeCertificates) -> Plan:
    path = files.key.path
    return Plan(
        code=verdict.code,
        subject=verdict.subject,
        title=Text(f"close {path} to everybody but its owner", zh=f"{path} 仅允许属主访问"),
        prediction=Text("Nothing is restarted.", zh="不会重启任何服务。"),
        risk=Risk.SAFE,
        actions=(ChangeMode(path, _PRIVATE),),
        settle=AT_ONCE,
    )


@remedy("KE402")
def edge_cert_expiry(
    verdict: Verdict, config: EdgecoreConfig, files: EdgeCertificates, token: TokenAtHand
) -> Plan | NoPlan:
    """Takes the old pair away and lets edgecore obtain a new one; it never renews an expired one by itself."""
    return _reissued(verdict, config, files, token)


@remedy("KE403")
def edge_cert_chain(
    verdict: Verdict, config: EdgecoreConfig, files: EdgeCertificates, token: TokenAtHand
) -> Plan | NoPlan:
    """As for an expired one; but whose name is right, the certificate's or the node's, a person has to say."""
    certificate, wanted = files.certificate.certificate, f"system:node:{config.node_name}"
    if certificate is not None and certificate.common_name != wanted:
        name = certificate.common_name.removeprefix("system:node:")
        return no_plan(
            f"the certificate is for {name or 'nobody'} and this node is {config.node_name}: if the node was renamed by mistake, set modules.edged.hostnameOverride of {config.path} back; if {config.node_name} is right, remove {files.certificate.path} and {files.key.path} and run `kedoctor run --fix` again",
            f"证书属于 {name or '（无名称）'}，而本节点为 {config.node_name}：若节点被误改名，请改回 {config.path} 中的 modules.edged.hostnameOverride；若确应为 {config.node_name}，请删除 {files.certificate.path} 和 {files.key.path} 后再次运行 `kedoctor run --fix`",
        )
    return _reissued(verdict, config, files, token)


@remedy("KE404")
def edge_ca_match(config: EdgecoreConfig, files: EdgeCertificates) -> NoPlan:
    """Nothing: to which cloud an edge belongs is a person's decision."""
    pair = f"{files.certificate.path} {files.key.path} {files.root_ca.path}"
    return no_plan(
        f"whether this edge belongs to that other CA is your decision; if so: `keadm gettoken` on the cloud, then here `sudo mkdir -p /root/edge-certs.old && sudo mv {pair} /root/edge-certs.old/`, write the token into modules.edgeHub.token of {config.path}, `sudo systemctl restart edgecore`",
        f"是否让该边缘节点改用另一个 CA 由您决定；如需如此：在云端执行 `keadm gettoken`，然后在此执行 `sudo mkdir -p /root/edge-certs.old && sudo mv {pair} /root/edge-certs.old/`，将令牌写入 {config.path} 的 modules.edgeHub.token，再执行 `sudo systemctl restart edgecore`",
    )


@remedy("KE405")
def edge_cert_loaded(
    verdict: Verdict, files: EdgeCertificates, clock: TrustedClock | Unavailable
) -> Plan | NoPlan:
    """Restarts edgecore, so that edgeStream reads the pair that is on disk, if that one is any better."""
    certificate = files.certificate.certificate
    if certificate is not None and isinstance(clock, TrustedClock):
        validity = clock.own_validity(certificate.not_before, certificate.not_after)
        if validity is Validity.EXPIRED:
            return no_plan(
                f"the pair on disk, {files.certificate.path}, has expired as well, which KE402 judges",
                f"磁盘上的 {files.certificate.path} 也已过期，请见 KE402",
            )
    return edgecore_plan(
        verdict,
        Text("restart edgecore, so that it loads its new certificate", zh="重启 edgecore 以加载新证书"),
        Text("", zh=""),
    )


def _reissued(
    verdict: Verdict, config: EdgecoreConfig, files: EdgeCertificates, token: TokenAtHand
) -> Plan | NoPlan:
    usable = token.usable
    if not isinstance(usable, UsableToken):
        return NoPlan(usable)
    paths = (files.certificate.path, files.key.path)
    if not all(path.startswith("/") for path in paths):
        return no_plan(
            f"{config.path} names no absolute paths for the certificate and its key",
            f"{config.path} 中的证书和私钥不是绝对路径",
        )
    actions = [RemoveFile(path) for path in paths]
    # A token in the file makes edgecore write the whole file anew, without comments (facts.md §2.1).
    cleared = [set_keys(config, {"modules.edgeHub.token": ""})] if usable.in_file else []
    stale = [RemoveFile(usable.bootstrap)] if usable.bootstrap_present else []
    return edgecore_plan(
        verdict,
        Text(
            f"take {paths[0]} and its key away and let edgecore obtain a new pair with the token from {usable.source}",
            zh=f"移走 {paths[0]} 及其私钥，用 {usable.source} 中的令牌让 edgecore 重新获取",
        ),
        Text(
            f"cloudcore issues a certificate for {config.node_name}; the old pair stays in the journal.",
            zh=f"cloudcore 会为 {config.node_name} 签发新证书；旧证书和私钥保留在日志记录中。",
        ),
        *cleared,
        *stale,
        *actions,
        # Where edgecore looks first, for as long as it takes to obtain the certificate.
        loan=TemporaryFile(usable.bootstrap, usable.text.encode(), until=paths[0]),
    )
