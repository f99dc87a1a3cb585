"""The certificate that cloudcore's stream server shows to a client that insists (facts.md §4.2, §8.5).

KE802 tells that kube-apiserver insists; this is what is wrong with the certificate then.
"""

from __future__ import annotations

from collections.abc import Iterator

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
    skipped,
    unknown,
)
from kedoctor.api.certificates import Certificate, CertificateError, read_certificates
from kedoctor.checks.facts.cloud.apiserver_flags import ApiserverArguments, KubeletCa
from kedoctor.checks.facts.cluster.nodes import EdgeNode, EdgeNodes
from kedoctor.checks.facts.cluster.secrets import KubeedgeSecrets

__all__ = ["stream_cert_trust"]

_SUBJECT = "secret/kubeedge/cloudcore"
_SOURCE = f"{_SUBJECT}, stream.crt"
_LOOK = "kubectl -n kubeedge get secret cloudcore -o jsonpath='{.data.stream\\.crt}' | base64 -d | openssl x509 -noout -issuer -ext subjectAltName"
_REMEDY = Text(
    "Sign stream.crt with the CA that kube-apiserver trusts, every edge InternalIP in it; or let it not verify kubelets (KE802).",
    zh="用 kube-apiserver 信任的 CA 重新签发包含所有边缘节点 InternalIP 的 stream.crt；或让其不校验 kubelet（KE802）。",
)


@check(
    code="KE407",
    slug="stream-cert-trust",
    title=Text("The stream certificate satisfies a client that verifies it", zh="流证书能通过客户端的校验"),
    side=Side.CLOUD,
    breaks=("logs", "exec", "attach"),
    hop="stream",
    explained_by=("KE108", "KE406", "KE802"),
    remedy=_REMEDY,
    risk=Risk.RESTARTS_CLOUDCORE,
    references=("facts.md §4.2", "facts.md §8.5", "facts.md §10 (39)"),
)
def stream_cert_trust(
    arguments: ApiserverArguments,
    ca: KubeletCa | Unavailable,
    secrets: KubeedgeSecrets | Unavailable,
    edges: EdgeNodes | Unavailable,
) -> Iterator[Finding]:
    """Only where ``kubelet-certificate-authority`` is set: signed by that CA, with the address of every edge."""
    if arguments.kubelet_certificate_authority is None:
        yield skipped(
            Text(
                "kube-apiserver does not verify what answers for a kubelet, so nobody looks at this certificate.",
                zh="kube-apiserver 不校验 kubelet 一侧的证书，因此该证书无人查看。",
            ),
            subject=_SUBJECT,
        )
        return
    read = _read(ca, secrets)
    if isinstance(read, str):
        yield unknown(
            Text(f"The stream certificate could not be judged: {read}.", zh=f"无法判断流证书：{read}。"),
            subject=_SUBJECT,
            commands=(_LOOK,),
        )
        return
    yield from _judge(*read, () if isinstance(edges, Unavailable) else edges.items)


def _read(
    ca: KubeletCa | Unavailable, secrets: KubeedgeSecrets | Unavailable
) -> tuple[tuple[Certificate, ...], Certificate] | str:
    stream = secrets if isinstance(secrets, Unavailable) else secrets.stream
    if isinstance(ca, Unavailable) or isinstance(stream, Unavailable):
        return str(ca if isinstance(ca, Unavailable) else stream)
    try:
        return read_certificates(ca.pem), read_certificates(stream.certificate)[0]
    except CertificateError as error:
        return error.reason


def _judge(
    roots: tuple[Certificate, ...], leaf: Certificate, edges: tuple[EdgeNode, ...]
) -> Iterator[Finding]:
    if not any(leaf.is_signed_by(root) for root in roots):
        yield _untrusted(
            Text(
                f"stream.crt was signed by {leaf.issuer}, not by the CA against which kube-apiserver verifies kubelets.",
                zh=f"stream.crt 由 {leaf.issuer} 签发，而不是 kube-apiserver 校验 kubelet 所用的 CA。",
            ),
            f"issuer {leaf.issuer}",
        )
        return
    left_out = [one for one in edges if one.internal_ip and not leaf.covers(one.internal_ip)]
    names = ", ".join((*leaf.dns_names, *leaf.ip_addresses)) or "no name at all"
    for edge in left_out:
        yield _untrusted(
            Text(
                f"stream.crt does not name {edge.internal_ip}, the address of {edge.name}, by which kube-apiserver asks for it.",
                zh=f"stream.crt 中没有 {edge.name} 的地址 {edge.internal_ip}，而 kube-apiserver 正是以该地址访问。",
            ),
            names,
            edge.name,
        )
    if not left_out:
        yield passed(
            Text(
                "stream.crt is signed by the CA that kube-apiserver trusts, and names every edge.",
                zh="stream.crt 由 kube-apiserver 信任的 CA 签发，且包含所有边缘节点地址。",
            ),
            subject=_SUBJECT,
        )


def _untrusted(summary: Text, actual: str, node: str = "") -> Finding:
    return failed(
        summary,
        expected=Text(
            "signed by that CA, with the InternalIP of every edge",
            zh="由该 CA 签发，并包含所有边缘节点的 InternalIP",
        ),
        actual=actual,
        hint=_REMEDY,
        subject=node or _SUBJECT,
        node=node,
        evidence=(Evidence(_SOURCE, actual),),
        commands=(_LOOK, "kedoctor explain KE802"),
    )
