"""Does kube-apiserver verify what answers for a kubelet, and would it accept cloudcore's stream certificate?

kubeadm does not verify; K3s does (facts.md §8.5). What answers for every edge is cloudcore's stream server, so
kube-apiserver compares its certificate with the address of the edge: the chart's has no IP address in it at all.
Only logs, exec and attach are concerned: metrics-server dials for itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

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
)
from kedoctor.api.certificates import Certificate, CertificateError, read_certificates
from kedoctor.checks.facts.cloud.apiserver_flags import ApiserverArguments, KubeletCa
from kedoctor.checks.facts.cluster.nodes import EdgeNode, EdgeNodes
from kedoctor.checks.facts.cluster.secrets import KubeedgeSecrets, StreamSecret

__all__ = ["kubelet_ca"]

_FLAG = "kubelet-certificate-authority"
_K3S = "/etc/rancher/k3s/config.yaml.d/kubeedge.yaml"
_REMEDY = Text(
    "Sign the stream certificate with that CA, with every edge InternalIP in it, or let kube-apiserver not verify kubelets.",
    zh="用该 CA 重新签发包含所有边缘节点 InternalIP 的流证书，或让 kube-apiserver 不校验 kubelet 证书。",
)
_EXPECTED = Text(
    "stream.crt signed by that CA, with the InternalIP of every edge; or no kubelet-certificate-authority",
    zh="stream.crt 由该 CA 签发并包含所有边缘节点的 InternalIP；或不设置 kubelet-certificate-authority",
)


@check(
    code="KE802",
    slug="kubelet-ca",
    title=Text(
        "kube-apiserver accepts cloudcore's stream certificate", zh="kube-apiserver 接受 cloudcore 的流证书"
    ),
    side=Side.CLOUD,
    breaks=("logs", "exec", "attach"),
    hop="stream",
    explained_by=("KE108", "KE406"),
    remedy=_REMEDY,
    risk=Risk.RESTARTS_APISERVER,
    references=("facts.md §4.2", "facts.md §8.5", "facts.md §10 (39)", "kubeprepare.md §0.2"),
)
def kubelet_ca(
    arguments: ApiserverArguments,
    ca: KubeletCa | Unavailable,
    secrets: KubeedgeSecrets | Unavailable,
    edges: EdgeNodes | Unavailable,
) -> Iterator[Finding]:
    """The flag first; only where it is set does the certificate matter."""
    path, source = arguments.kubelet_certificate_authority, arguments.source(_FLAG)
    if path is None:
        yield passed(
            Text(
                f"kube-apiserver does not verify what answers for a kubelet ({_FLAG} is not set).",
                zh=f"kube-apiserver 不校验 kubelet 一侧的证书（未设置 {_FLAG}）。",
            ),
            evidence=(Evidence(source, f"{_FLAG} empty"),) if source != "default" else (),
        )
        return
    stream = secrets if isinstance(secrets, Unavailable) else secrets.stream
    if isinstance(ca, Unavailable):
        yield _not_read(path, ca)
    elif isinstance(stream, Unavailable):
        yield _not_read(path, stream)
    else:
        yield from _judge(path, arguments, ca, stream, edges)


def _not_read(path: str, missing: Unavailable) -> Finding:
    return unknown(
        Text(
            f"kube-apiserver verifies kubelets against {path}; whether it accepts cloudcore's certificate is unknown: {missing}.",
            zh=f"kube-apiserver 会用 {path} 校验 kubelet；是否接受 cloudcore 的证书无法判断：{missing.in_chinese}。",
        ),
        hint=Text(
            "If kubectl logs works with --insecure-skip-tls-verify-backend and not without, it does not accept it.",
            zh="若 kubectl logs 加上 --insecure-skip-tls-verify-backend 才能成功，则说明不接受。",
        ),
        commands=("kubectl logs --insecure-skip-tls-verify-backend <pod on an edge> --tail=1",),
    )


def _judge(
    path: str,
    arguments: ApiserverArguments,
    ca: KubeletCa,
    stream: StreamSecret,
    edges: EdgeNodes | Unavailable,
) -> Iterator[Finding]:
    evidence = (Evidence(arguments.source(_FLAG), f"{_FLAG}: {path}"),)
    try:
        roots = read_certificates(ca.pem)
        leaf = read_certificates(stream.certificate)[0]
    except CertificateError as error:
        yield unknown(
            Text(
                f"A certificate could not be read: {error.reason}.",
                zh=f"证书无法读取：{error.reason}。",
            ),
            evidence=evidence,
        )
        return
    if not any(leaf.is_signed_by(root) for root in roots):
        yield _foreign(path, leaf, arguments, evidence)
        return
    nodes = () if isinstance(edges, Unavailable) else edges.items
    left_out = [node for node in nodes if node.internal_ip and not leaf.covers(node.internal_ip)]
    for node in left_out:
        yield _not_named(node, leaf, arguments, evidence)
    if not left_out:
        yield passed(
            Text(
                f"kube-apiserver verifies kubelets against {path}, which signed stream.crt, and every edge address is in it.",
                zh=f"kube-apiserver 用 {path} 校验 kubelet；stream.crt 由其签发，且包含所有边缘节点地址。",
            ),
            evidence=evidence,
        )


def _commands(arguments: ApiserverArguments) -> tuple[str, ...]:
    look = "kubectl -n kubeedge get secret cloudcore -o jsonpath='{.data.stream\\.crt}' | base64 -d | openssl x509 -noout -issuer -ext subjectAltName"
    if arguments.is_microk8s:
        return (
            look,
            f"sudo sed -i '/^--{_FLAG}=/d' {arguments.config}",
            "sudo snap restart microk8s.daemon-kubelite   # kube-apiserver is away for some seconds",
        )
    if arguments.is_rke2:
        return (
            look,
            f"printf 'kube-apiserver-arg+:\\n  - {_FLAG}=\\n' | sudo tee -a /etc/rancher/rke2/config.yaml.d/kubeedge.yaml",
            "sudo systemctl restart rke2-server   # kube-apiserver is away for some minutes",
        )
    if not arguments.is_k3s:
        return (look, f"grep {_FLAG} /etc/kubernetes/manifests/kube-apiserver.yaml   # take the line out")
    return (
        look,
        f"printf 'kube-apiserver-arg+:\\n  - kubelet-certificate-authority=\\n' | sudo tee -a {_K3S}",
        "sudo systemctl restart k3s   # kube-apiserver is away for some seconds",
    )


def _foreign(
    path: str, leaf: Certificate, arguments: ApiserverArguments, evidence: Sequence[Evidence]
) -> Finding:
    return failed(
        Text(
            f"kube-apiserver verifies kubelets against {path}, but stream.crt was signed by {leaf.issuer}: logs, exec and "
            "attach of every edge fail with x509 (kubectl top works).",
            zh=f"kube-apiserver 用 {path} 校验 kubelet，但 stream.crt 由 {leaf.issuer} 签发：所有边缘节点的 logs、exec、attach 会报 x509 错误（kubectl top 正常）。",
        ),
        expected=_EXPECTED,
        actual=f"issuer {leaf.issuer}",
        hint=_REMEDY,
        evidence=(*evidence, Evidence("secret/kubeedge/cloudcore, stream.crt", f"issuer {leaf.issuer}")),
        commands=_commands(arguments),
    )


def _not_named(
    node: EdgeNode, leaf: Certificate, arguments: ApiserverArguments, evidence: Sequence[Evidence]
) -> Finding:
    names = ", ".join((*leaf.dns_names, *leaf.ip_addresses)) or "no name at all"
    return failed(
        Text(
            f"kube-apiserver verifies kubelets, and stream.crt does not name {node.internal_ip} ({node.name}): logs, exec "
            "and attach there fail with x509.",
            zh=f"kube-apiserver 会校验 kubelet，而 stream.crt 中没有 {node.internal_ip}（{node.name}）：该节点的 logs、exec、attach 会报 x509 错误。",
        ),
        expected=_EXPECTED,
        actual=names,
        hint=_REMEDY,
        subject=node.name,
        node=node.name,
        evidence=(*evidence, Evidence("secret/kubeedge/cloudcore, stream.crt", names)),
        commands=_commands(arguments),
    )
