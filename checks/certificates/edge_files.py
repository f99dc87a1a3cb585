"""The certificate files of an edge: are they there, in date, and from the right hands (facts.md §4)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from kedoctor.api import (
    Evidence,
    Expiry,
    Finding,
    Reason,
    Risk,
    Side,
    Text,
    Unavailable,
    check,
    expiring,
    failed,
    passed,
    skipped,
    unknown,
    warned,
)
from kedoctor.api.certificates import Certificate
from kedoctor.checks.data_path import ALL_STREAMS
from kedoctor.checks.facts.edge.certificates import CertificateFile, EdgeCertificates, KeyFile
from kedoctor.checks.facts.edge.clock import TrustedClock, Validity
from kedoctor.checks.facts.edge.edgecore import EdgecoreConfig
from kedoctor.checks.facts.edge.edgecore_log import EdgecoreLog, quoted
from kedoctor.checks.parsers.durations import SOON, day, span
from kedoctor.checks.parsers.logs.edgecore_exit_reasons import exit_meaning
from kedoctor.checks.plans.edge_certificates import LOOK_AS_ROOT, reissue

__all__ = ["edge_cert_expiry", "edge_cert_files", "no_certificate"]

_EVERYTHING = (*ALL_STREAMS, "ready")
_LATE = 0.1  # rotation is tried from 70 to 90 % of a certificate's life (facts.md §4.1)


def no_certificate(file: CertificateFile | KeyFile, node: str) -> Finding:
    """What a check says that needs a certificate which is not there (KE401 judges that) or was not read."""
    if isinstance(file.metadata, Unavailable) and file.metadata.reason is not Reason.ABSENT:
        return unknown(
            Text(
                f"{file.path} was not read: {file.metadata}.",
                zh=f"未能读取 {file.path}：{file.metadata.in_chinese}。",
            ),
            subject=node,
            node=node,
            hint=LOOK_AS_ROOT,
            commands=("sudo kedoctor run --side edge",),
        )
    return skipped(
        Text(
            f"There is no usable {file.path} to judge (KE401).",
            zh=f"没有可供判断的 {file.path}（见 KE401）。",
        ),
        subject=node,
        node=node,
    )


@check(
    code="KE401",
    slug="edge-cert-files",
    title=Text("The edge has its certificate files", zh="边缘证书文件齐全"),
    side=Side.EDGE,
    breaks=_EVERYTHING,
    hop="certificates",
    builds_on=("KE201",),
    # Only a token that was refused: an edgecore stopped by hand must not hide behind an unreachable cloud.
    explained_by=("KE409",),
    remedy=Text(
        "Keep what is there, put a fresh token into edgecore.yaml and restart edgecore: it obtains all three files anew.",
        zh="保留原文件，在 edgecore.yaml 中写入新令牌并重启 edgecore：它会重新获取三个文件。",
    ),
    risk=Risk.RESTARTS_EDGECORE,
    references=("facts.md §4.1", "facts.md §4.3", "KubeEdge: edge/pkg/edgehub/certificate/certmanager.go"),
)
def edge_cert_files(
    config: EdgecoreConfig, files: EdgeCertificates, log: EdgecoreLog | Unavailable
) -> Iterator[Finding]:
    """Whether CA, certificate and key exist, can be read as what they are, are private, and belong together."""
    yield _files(config, files, log)
    if files.certificate.certificate is not None and not isinstance(files.key.metadata, Unavailable):
        yield _pair(config, files, files.certificate.certificate)


def _files(config: EdgecoreConfig, files: EdgeCertificates, log: EdgecoreLog | Unavailable) -> Finding:
    node = config.node_name
    every = (files.root_ca, files.certificate, files.key)
    bad = [told for file in every if (told := _unusable(file)) is not None]
    if bad:
        return _missing(config, files, bad, log)
    unread = next((f for f in every if isinstance(f.metadata, Unavailable)), None)
    if unread is not None:
        return no_certificate(unread, node)
    if not isinstance(files.key.metadata, Unavailable) and files.key.metadata.mode & 0o077:
        return _exposed(files.key, files.key.metadata.mode, node)
    return passed(
        Text(f"{node} has its CA, its certificate and its key.", zh=f"{node} 的 CA、证书和私钥文件齐全。"),
        subject=node,
        node=node,
    )


def _unusable(file: CertificateFile | KeyFile) -> Text | None:
    if isinstance(file.metadata, Unavailable):
        absent = file.metadata.reason is Reason.ABSENT
        return Text(f"{file.path} does not exist", zh=f"{file.path} 不存在") if absent else None
    if file.error:
        return Text(f"{file.path} cannot be used: {file.error}", zh=f"{file.path} 无法使用：{file.error}")
    return None


def _missing(
    config: EdgecoreConfig, files: EdgeCertificates, bad: list[Text], log: EdgecoreLog | Unavailable
) -> Finding:
    node = config.node_name
    last = None if isinstance(log, Unavailable) else log.ended_with()
    meaning = exit_meaning(last.raw) if last is not None else None
    why_en = f" edgecore ended for this reason: {meaning.text.en}." if meaning else ""
    why_zh = f"edgecore 退出的原因：{meaning.text.zh}。" if meaning else ""
    evidence = [Evidence(f"ls -l {told.en.partition(' ')[0]}", told.en) for told in bad]
    if last is not None:
        evidence.append(Evidence("journalctl -u edgecore", quoted(last)))
    return failed(
        Text(
            f"{node} lacks certificate files: {'; '.join(t.en for t in bad)}.{why_en}",
            zh=f"{node} 缺少证书文件：{'；'.join(t.zh for t in bad)}。{why_zh}",
        ),
        expected=Text(
            "rootCA.crt, server.crt and server.key, each readable",
            zh="rootCA.crt、server.crt、server.key 均存在且可读",
        ),
        actual=Text("; ".join(t.en for t in bad), zh="；".join(t.zh for t in bad)),
        hint=Text("Let edgecore obtain them again with a fresh token.", zh="用新令牌让 edgecore 重新获取。"),
        subject=node,
        node=node,
        evidence=tuple(evidence),
        commands=reissue(files, config.path),
    )


def _exposed(key: KeyFile, mode: int, node: str) -> Finding:
    return warned(
        Text(
            f"The private key of {node} can be read or written by others than its owner (mode {mode:04o}).",
            zh=f"{node} 的私钥可被属主以外的用户读写（权限 {mode:04o}）。",
        ),
        expected=Text("mode 0600", zh="权限 0600"),
        actual=f"{mode:04o} {key.path}",
        hint=Text("Close it; edgecore need not be restarted.", zh="收紧权限即可，无需重启 edgecore。"),
        subject=node,
        node=node,
        evidence=(Evidence(f"stat {key.path}", f"mode {mode:04o}"),),
        commands=(f"sudo chmod 600 {key.path}",),
        breaks=(),
        hop="",
    )


def _pair(config: EdgecoreConfig, files: EdgeCertificates, certificate: Certificate) -> Finding:
    node, key = config.node_name, files.key
    subject = f"{node} {key.path}"
    if key.spki_sha256 is None:
        why = "it is redacted without a fingerprint" if key.redacted else key.error or "it was not read"
        return unknown(
            Text(
                f"Whether {key.path} belongs to {files.certificate.path} is unknown: {why}.",
                zh=f"无法判断 {key.path} 与 {files.certificate.path} 是否配对：{why}。",
            ),
            subject=subject,
            node=node,
        )
    if key.spki_sha256 == certificate.spki_sha256:
        return passed(
            Text(
                f"{key.path} belongs to {files.certificate.path}.",
                zh=f"{key.path} 与 {files.certificate.path} 配对。",
            ),
            subject=subject,
            node=node,
        )
    return failed(
        Text(
            f"The private key of {node} does not belong to its certificate; edgecore cannot load the pair when it starts.",
            zh=f"{node} 的私钥与证书不配对；edgecore 启动时无法加载。",
        ),
        expected=Text("one key pair", zh="证书与私钥配对"),
        actual=Text(
            f"public key of the certificate sha256 {certificate.spki_sha256[:16]}…, of the key {key.spki_sha256[:16]}…",
            zh=f"证书公钥 sha256 {certificate.spki_sha256[:16]}…，私钥对应的公钥 {key.spki_sha256[:16]}…",
        ),
        hint=Text(
            "Put the matching file back, or obtain a new pair with a fresh token.",
            zh="恢复配对的文件，或用新令牌重新获取。",
        ),
        subject=subject,
        node=node,
        evidence=(
            Evidence(files.certificate.path, certificate.subject),
            Evidence(key.path, f"public half sha256 {key.spki_sha256}"),
        ),
        commands=reissue(files, config.path),
    )


@check(
    code="KE402",
    slug="edge-cert-expiry",
    title=Text("The edge's certificate is in date", zh="边缘证书在有效期内"),
    side=Side.EDGE,
    breaks=_EVERYTHING,
    hop="certificates",
    builds_on=("KE201",),
    remedy=Text(
        "An expired certificate never renews itself: move the pair away, put a fresh token into edgecore.yaml, restart edgecore.",
        zh="过期的证书不会自行更新：移走证书和私钥，在 edgecore.yaml 中写入新令牌，重启 edgecore。",
    ),
    risk=Risk.RESTARTS_EDGECORE,
    references=(
        "facts.md §4.3",
        "facts.md §10 (28)",
        "testbed.md case f1",
        "KubeEdge: edge/pkg/edgehub/certificate/certmanager.go",
    ),
)
def edge_cert_expiry(
    config: EdgecoreConfig, files: EdgeCertificates, clock: TrustedClock, log: EdgecoreLog | Unavailable
) -> Finding:
    """The dates of server.crt against a clock that was compared with the cloud's; never against an unchecked one."""
    certificate = files.certificate.certificate
    if certificate is None:
        return no_certificate(files.certificate, config.node_name)
    expiry = Expiry(item=files.certificate.path, begins=certificate.not_before, ends=certificate.not_after)
    return expiring(_in_date(config, files, certificate, clock, log), expiry)


def _in_date(
    config: EdgecoreConfig,
    files: EdgeCertificates,
    certificate: Certificate,
    clock: TrustedClock,
    log: EdgecoreLog | Unavailable,
) -> Finding:
    now = clock.validity(certificate.not_before, certificate.not_after)
    if now is Validity.UNSURE:
        return _unsure(config, files, certificate, clock)
    if now is not Validity.VALID:
        return _out_of_date(config, files, certificate, clock, now)
    left = certificate.not_after - clock.now
    if left < min(SOON, (certificate.not_after - certificate.not_before) * _LATE):
        return _soon(config, files, certificate, left, log)
    return passed(
        Text(
            f"The certificate of {config.node_name} is valid until {day(certificate.not_after)}.",
            zh=f"{config.node_name} 的证书有效期至 {day(certificate.not_after)}。",
        ),
        subject=config.node_name,
        node=config.node_name,
        evidence=(_dates(files.certificate, certificate),),
    )


def _dates(file: CertificateFile, certificate: Certificate) -> Evidence:
    dates = f"notBefore {day(certificate.not_before)}, notAfter {day(certificate.not_after)}"
    return Evidence(f"openssl x509 -dates -in {file.path}", dates)


def _unsure(
    config: EdgecoreConfig, files: EdgeCertificates, certificate: Certificate, clock: TrustedClock
) -> Finding:
    node = config.node_name
    if clock.skew_seconds is None:
        why = Text(
            f"the clock of this host was compared with nothing ({clock.detail_text.en})",
            zh=f"本机时钟没有可对照的时间（{clock.detail_text.zh}）",
        )
    else:
        why = Text(
            f"the clock of this host is {abs(clock.skew_seconds):.0f} s off (KE410)",
            zh=f"本机时钟相差 {abs(clock.skew_seconds):.0f} 秒（见 KE410）",
        )
    return unknown(
        Text(
            f"Whether the certificate of {node} is in date is unknown: {why.en}. It is valid from {day(certificate.not_before)} to {day(certificate.not_after)}.",
            zh=f"无法判断 {node} 的证书是否在有效期内：{why.zh}。证书有效期为 {day(certificate.not_before)} 至 {day(certificate.not_after)}。",
        ),
        subject=node,
        node=node,
        evidence=(_dates(files.certificate, certificate), Evidence("date -u", day(clock.now))),
        hint=Text(
            "Compare the clocks, correct the wrong one, then run again.",
            zh="对照两端时钟并校正，然后再次运行。",
        ),
        commands=("date -u", f"curl -ksI https://{config.http_server}/ca.crt | grep -i ^date"),
    )


def _out_of_date(
    config: EdgecoreConfig,
    files: EdgeCertificates,
    certificate: Certificate,
    clock: TrustedClock,
    now: Validity,
) -> Finding:
    node = config.node_name
    if now is Validity.EXPIRED:
        age = span(clock.reference_time - certificate.not_after)
        summary = Text(
            f"The certificate of {node} expired on {day(certificate.not_after)} ({age.en} ago): cloudcore refuses it on 10000, 10002 and 10004, and edgecore cannot renew it any more.",
            zh=f"{node} 的证书已于 {day(certificate.not_after)} 过期（{age.zh}前）：cloudcore 在 10000、10002、10004 上均拒绝它，edgecore 也无法再自行更新。",
        )
    else:
        summary = Text(
            f"The certificate of {node} is not valid before {day(certificate.not_before)}: cloudcore refuses it until then.",
            zh=f"{node} 的证书在 {day(certificate.not_before)} 之前无效：在此之前 cloudcore 拒绝它。",
        )
    return failed(
        summary,
        expected=Text("a certificate that is valid now", zh="当前有效的证书"),
        actual=f"notBefore {day(certificate.not_before)}, notAfter {day(certificate.not_after)}",
        hint=Text("Obtain a new certificate with a fresh token.", zh="用新令牌重新获取证书。"),
        subject=node,
        node=node,
        evidence=(
            _dates(files.certificate, certificate),
            Evidence("date -u", f"{day(clock.now)}; {clock.reference} has {day(clock.reference_time)}"),
        ),
        commands=reissue(files, config.path),
    )


def _soon(
    config: EdgecoreConfig,
    files: EdgeCertificates,
    certificate: Certificate,
    left: timedelta,
    log: EdgecoreLog | Unavailable,
) -> Finding:
    node = config.node_name
    failure = (
        None if isinstance(log, Unavailable) else log.newest("failed to get edge certificate from CloudCore")
    )
    off = (
        ""
        if config.flag("modules.edgeHub.rotateCertificates")
        else " (modules.edgeHub.rotateCertificates is false)"
    )
    evidence = [_dates(files.certificate, certificate)]
    if failure is not None:
        evidence.append(Evidence("journalctl -u edgecore", quoted(failure)))
    return warned(
        Text(
            f"The certificate of {node} expires in {span(left).en} and should have been renewed by now{off}.",
            zh=f"{node} 的证书将在 {span(left).zh}后过期，按理早该自动更新{off}。",
        ),
        expected=Text("renewed at 70 to 90 % of its life", zh="在有效期的 70%~90% 时更新"),
        actual=f"notAfter {day(certificate.not_after)}",
        hint=Text(
            "See why rotation fails, or obtain a new certificate before it expires.",
            zh="查明自动更新失败的原因，或在过期前重新获取证书。",
        ),
        subject=node,
        node=node,
        evidence=tuple(evidence),
        commands=(
            "sudo journalctl -u edgecore --no-pager | grep -i certmanager | tail -n 20",
            *reissue(files, config.path),
        ),
        breaks=(),
    )
