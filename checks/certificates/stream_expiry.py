"""The certificate of cloudcore's stream server: a year long, made once, and rarely looked at (facts.md §1.3, §4.1)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from kedoctor.api import (
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
from kedoctor.checks.data_path import ALL_STREAMS
from kedoctor.checks.facts.cloud.apiserver_flags import ApiserverArguments
from kedoctor.checks.facts.cluster.secrets import KubeedgeSecrets
from kedoctor.checks.facts.edge.clock import SiteClock, Validity
from kedoctor.checks.parsers.durations import SOON, day, span

__all__ = ["stream_cert_expiry"]

_OBJECT = "secret/kubeedge/cloudcore"
_RENEW = Text(
    "Make a new CA and pair with the same names, replace the three keys of the Secret keeping its labels, then stop cloudcore fully and start it.",
    zh="用相同的名称生成新的 CA 和证书，替换 Secret 的三个键并保留其标签，然后先完全停止 cloudcore 再启动。",
)
_COMMANDS = (
    "kubectl -n kubeedge get secret cloudcore -o yaml > cloudcore-secret.backup.yaml",
    "openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj /CN=cloudcore-ca -keyout streamCA.key -out streamCA.crt",
    "openssl req -newkey rsa:2048 -nodes -subj /CN=cloudcore -keyout stream.key -out stream.csr",
    "printf 'subjectAltName=DNS:cloudcore.kubeedge,DNS:cloudcore.kubeedge.svc\\n' > san.cnf   # plus the names of the old one",
    "openssl x509 -req -in stream.csr -CA streamCA.crt -CAkey streamCA.key -CAcreateserial -days 3650 -extfile san.cnf -out stream.crt",
    "kubectl -n kubeedge create secret generic cloudcore --from-file=streamCA.crt --from-file=stream.crt --from-file=stream.key --dry-run=client -o yaml | kubectl apply -f -",
    "kubectl -n kubeedge label secret cloudcore k8s-app=kubeedge kubeedge=cloudcore --overwrite",
    "kubectl -n kubeedge scale deployment cloudcore --replicas=0 && sleep 10 && kubectl -n kubeedge scale deployment cloudcore --replicas=1",
)


@check(
    code="KE406",
    slug="stream-cert-expiry",
    title=Text("The stream certificate is in date", zh="流证书在有效期内"),
    side=Side.SITE,
    breaks=ALL_STREAMS,
    hop="stream",
    remedy=_RENEW,
    risk=Risk.RESTARTS_CLOUDCORE,
    references=("facts.md §1.3", "facts.md §4.1", "facts.md §4.2", "facts.md §8.5", "testbed.md case f2"),
)
def stream_cert_expiry(
    secrets: KubeedgeSecrets, clock: SiteClock, apiservers: EveryHost[ApiserverArguments]
) -> Iterator[Finding]:
    """stream.crt and streamCA.crt against a checked clock.

    An expired one breaks logs, exec and attach only if kube-apiserver verifies kubelets, as K3s does.
    """
    if isinstance(secrets.stream, Unavailable):
        yield unknown(
            Text(
                f"The stream certificate was not read: {secrets.stream}.",
                zh=f"未能读取流证书：{secrets.stream.in_chinese}。",
            ),
            subject=_OBJECT,
        )
        return
    verifier = _verifier(apiservers)
    for key, pem in (("stream.crt", secrets.stream.certificate), ("streamCA.crt", secrets.stream.ca)):
        if not pem:
            yield unknown(
                Text(
                    f"The Secret has no {key} to judge (KE108).",
                    zh=f"Secret 中没有可供判断的 {key}（见 KE108）。",
                ),
                subject=f"{_OBJECT} {key}",
            )
            continue
        try:
            certificate = read_certificates(pem)[0]
        except CertificateError as error:
            yield _unreadable(key, error.reason)
        else:
            begins, ends = certificate.not_before, certificate.not_after
            expiry = Expiry(item=f"{_OBJECT} {key}", begins=begins, ends=ends)
            yield expiring(_judge(key, certificate, clock, verifier), expiry)


def _verifier(apiservers: EveryHost[ApiserverArguments]) -> str | None:
    """The host whose kube-apiserver verifies kubelets; empty if none does, ``None`` if that was not seen."""
    known = apiservers.known()
    if not known:
        return None
    return next((host for host, seen in known.items() if seen.kubelet_certificate_authority), "")


def _judge(key: str, certificate: Certificate, clock: SiteClock, verifier: str | None) -> Finding:
    subject = f"{_OBJECT} {key}"
    state = clock.validity(certificate.not_before, certificate.not_after)
    if state is Validity.UNSURE:
        return _unsure(subject, key, certificate, clock)
    if state is not Validity.VALID:
        return _out_of_date(key, certificate, clock, state, verifier)
    left = certificate.not_after - clock.now
    if left < SOON:
        return _soon(subject, key, certificate, left, verifier)
    return passed(
        Text(
            f"{key} is valid until {day(certificate.not_after)}.",
            zh=f"{key} 有效期至 {day(certificate.not_after)}。",
        ),
        subject=subject,
    )


def _unreadable(key: str, reason: str) -> Finding:
    return failed(
        Text(
            f"{key} in Secret kubeedge/cloudcore cannot be used: {reason}.",
            zh=f"Secret kubeedge/cloudcore 中的 {key} 无法使用：{reason}。",
        ),
        expected=Text("a certificate in PEM", zh="PEM 格式的证书"),
        actual=reason,
        hint=_RENEW,
        subject=f"{_OBJECT} {key}",
        commands=_COMMANDS,
    )


def _unsure(subject: str, key: str, certificate: Certificate, clock: SiteClock) -> Finding:
    off = abs(clock.skew_seconds or 0)
    why = (
        clock.detail_text
        if clock.detail
        else Text(f"this clock is {off:.0f} s off (KE410)", zh=f"本机时钟相差 {off:.0f} 秒（见 KE410）")
    )
    return unknown(
        Text(
            f"Whether {key} is in date is unknown: the clock cannot be relied on ({why.en}). It is valid from {day(certificate.not_before)} to {day(certificate.not_after)}.",
            zh=f"无法判断 {key} 是否在有效期内：时钟不可信（{why.zh}）。证书有效期为 {day(certificate.not_before)} 至 {day(certificate.not_after)}。",
        ),
        subject=subject,
        evidence=(_dates(key, certificate),),
        commands=("date -u", "kubectl get --raw /version -v=8 2>&1 | grep -i 'date:'"),
    )


def _dates(key: str, certificate: Certificate) -> Evidence:
    dates = f"notBefore {day(certificate.not_before)}, notAfter {day(certificate.not_after)}"
    return Evidence(f"{_OBJECT}, key {key}", dates)


def _when(certificate: Certificate, state: Validity, now: datetime) -> Text:
    if state is Validity.NOT_YET:
        return Text(
            f"is not valid before {day(certificate.not_before)}",
            zh=f"在 {day(certificate.not_before)} 之前无效",
        )
    age = span(now - certificate.not_after)
    return Text(
        f"expired on {day(certificate.not_after)} ({age.en} ago)",
        zh=f"已于 {day(certificate.not_after)} 过期（{age.zh}前）",
    )


def _out_of_date(
    key: str, certificate: Certificate, clock: SiteClock, state: Validity, verifier: str | None
) -> Finding:
    when = _when(certificate, state, clock.now)
    effect = _effect(verifier)
    tell = failed if verifier else warned
    return tell(
        Text(
            f"{key} of the stream server {when.en}. {effect.en}", zh=f"流服务的 {key} {when.zh}。{effect.zh}"
        ),
        expected=Text("a certificate that is valid now", zh="当前有效的证书"),
        actual=f"notBefore {day(certificate.not_before)}, notAfter {day(certificate.not_after)}",
        hint=_RENEW,
        subject=f"{_OBJECT} {key}",
        evidence=(
            _dates(key, certificate),
            Evidence("date -u", f"{day(clock.now)} (compared with {clock.reference})"),
        ),
        commands=_COMMANDS,
        # metrics-server is told not to verify (--kubelet-insecure-tls), so top goes on.
        breaks=("logs", "exec", "attach") if verifier else (),
    )


def _effect(verifier: str | None) -> Text:
    if verifier:
        return Text(
            f"kube-apiserver on {verifier} verifies kubelets, so logs, exec and attach fail with x509 errors.",
            zh=f"{verifier} 上的 kube-apiserver 会校验 kubelet 证书，因此 logs、exec、attach 会报 x509 错误。",
        )
    if verifier is None:
        return Text(
            "Whether kube-apiserver verifies it was not seen: K3s does, kubeadm does not; without verification it breaks nothing.",
            zh="未看到 kube-apiserver 是否校验它：K3s 会校验，kubeadm 不会；不校验则不影响使用。",
        )
    return Text(
        "kube-apiserver does not verify kubelets, so this breaks nothing now.",
        zh="kube-apiserver 不校验 kubelet 证书，因此目前不影响使用。",
    )


def _soon(subject: str, key: str, certificate: Certificate, left: timedelta, verifier: str | None) -> Finding:
    effect = (
        _effect(verifier)
        if not verifier
        else Text(
            f"kube-apiserver on {verifier} will then refuse it.",
            zh=f"届时 {verifier} 上的 kube-apiserver 将拒绝它。",
        )
    )
    return warned(
        Text(
            f"{key} of the stream server expires in {span(left).en}; nothing renews it. {effect.en}",
            zh=f"流服务的 {key} 将在 {span(left).zh}后过期，且不会自动更新。{effect.zh}",
        ),
        expected=Text("at least 30 days left", zh="至少剩余 30 天"),
        actual=f"notAfter {day(certificate.not_after)}",
        hint=_RENEW,
        subject=subject,
        evidence=(_dates(key, certificate),),
        commands=_COMMANDS,
        breaks=(),
    )
