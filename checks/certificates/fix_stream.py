"""A new CA and certificate for cloudcore's stream server (KE108, KE406).

Nothing else renews them (facts.md §4.1). A kube-apiserver that verifies kubelets trusts its own CA only, so a new CA
of ours would help nobody there: such a site needs the certificate signed by that CA, whose key stays where it is, or
the verification ended (KE802).
"""

from __future__ import annotations

from datetime import timedelta

from kedoctor.api import (
    EveryHost,
    IssueCertificates,
    NoPlan,
    Plan,
    Risk,
    Text,
    Unavailable,
    Verdict,
    remedy,
)
from kedoctor.api.certificates import Certificate, CertificateError, read_certificates
from kedoctor.checks.facts.cloud.apiserver_flags import ApiserverArguments
from kedoctor.checks.facts.cloud.cloudcore import CloudcoreWorkload
from kedoctor.checks.facts.cluster.secrets import KubeedgeSecrets
from kedoctor.checks.plans.cloudcore import AFTER_CLOUDCORE, noticed, restart_cloudcore
from kedoctor.checks.plans.touches import PODS, SECRETS

__all__ = ["stream_certificate"]

_SECRET = "/api/v1/namespaces/kubeedge/secrets/cloudcore"  # noqa: S105  the path of a Secret, not its content
_COMMON_NAME = "cloudcore"
_NAMES = ("cloudcore.kubeedge", "cloudcore.kubeedge.svc")
"""What the chart puts into the certificate (facts.md §1.3)."""

_DAYS = 365


@remedy("KE108", "KE406", touches=(*SECRETS, *PODS))
def stream_certificate(
    verdict: Verdict,
    secrets: KubeedgeSecrets,
    workload: CloudcoreWorkload,
    apiservers: EveryHost[ApiserverArguments],
) -> Plan | NoPlan:
    """A self-made CA as the chart's, with the names of the old certificate and at least its life.

    An expired certificate that nobody verifies is replaced, too: the restart it costs has to be allowed by name.
    """
    verifying = [host for host, seen in apiservers.known().items() if seen.kubelet_certificate_authority]
    if verifying:
        return NoPlan(_verified(verifying[0]))
    if isinstance(secrets.stream, Unavailable):
        return NoPlan(_NO_SECRET)
    old = _read(secrets.stream.certificate)
    if old is not None and old.ip_addresses and not apiservers.known():
        return NoPlan(_MAYBE_VERIFIED)
    restarts = restart_cloudcore(workload)
    return Plan(
        code=verdict.code,
        subject=verdict.subject,
        title=Text(
            "make a new CA and certificate for the stream server, put them into Secret kubeedge/cloudcore under the "
            "same keys, and restart cloudcore",
            zh="为流服务生成新的 CA 和证书，写入 Secret kubeedge/cloudcore 的原有键，并重启 cloudcore",
        ),
        prediction=noticed(restarts),
        risk=Risk.RESTARTS_CLOUDCORE,
        actions=(_issue(old),),
        restarts=restarts,
        settle=AFTER_CLOUDCORE,
    )


def _read(pem: bytes) -> Certificate | None:
    try:
        return read_certificates(pem)[0]
    except CertificateError:
        return None


def _issue(old: Certificate | None) -> IssueCertificates:
    dns = [name for name in (old.dns_names if old else ()) if name]
    life = (old.not_after - old.not_before) if old else timedelta(0)
    return IssueCertificates(
        object=_SECRET,
        ca_key="streamCA.crt",
        certificate_key="stream.crt",
        private_key_key="stream.key",
        common_name=(old.common_name if old else "") or _COMMON_NAME,
        dns_names=tuple(dict.fromkeys([*dns, *_NAMES])),
        ip_addresses=old.ip_addresses if old else (),
        days=max(_DAYS, life.days),
    )


def _verified(host: str) -> Text:
    return Text(
        f"kube-apiserver on {host} verifies kubelets and trusts its own CA only, so a CA of kedoctor's would not help; "
        "either end that verification (KE802, kedoctor can do it there with --allow restarts-apiserver), or sign "
        "stream.crt with that CA for the InternalIP of every edge",
        zh=f"{host} 上的 kube-apiserver 会校验 kubelet，且只信任自己的 CA，kedoctor 生成的 CA 无济于事；"
        "请关闭该校验（KE802，可在该主机用 --allow restarts-apiserver 由 kedoctor 完成），或用该 CA 为所有边缘节点的 "
        "InternalIP 签发 stream.crt",
    )


_MAYBE_VERIFIED = Text(
    "the old certificate names addresses of edges, so it was made for a kube-apiserver that verifies it; run kedoctor "
    "on the API-server host, where that can be seen",
    zh="旧证书包含边缘节点地址，说明它是为会校验它的 kube-apiserver 制作的；请在 API 服务器主机上运行 kedoctor 以便判断",
)
_NO_SECRET = Text(
    "Secret kubeedge/cloudcore does not exist, and the chart would refuse to adopt one it did not make; restore it from "
    "a backup or let Helm make it: helm -n kubeedge uninstall cloudcore, then keadm init (edges keep their certificates)",
    zh="Secret kubeedge/cloudcore 不存在，而 chart 不会接管并非由它创建的 Secret；请从备份恢复，"
    "或由 Helm 重新创建：helm -n kubeedge uninstall cloudcore，再执行 keadm init（边缘证书保留）",
)
