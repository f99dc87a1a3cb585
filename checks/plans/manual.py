"""Faults of the site that only a person can put right, with what that person does (KE407, KE704, KE911)."""

from __future__ import annotations

from kedoctor.api import NoPlan, Text, Verdict, remedy

__all__ = ["cloud_resources", "duplicate_internal_ip", "stream_trust"]


@remedy("KE704")
def duplicate_internal_ip(verdict: Verdict) -> NoPlan:
    """Which of the machines is to have which address, the network decides."""
    return NoPlan(
        Text(
            f"only you know which address {verdict.node or verdict.subject} is to have; write one that no other edge has "
            "into modules.edged.nodeIP of its edgecore.yaml, then: sudo systemctl restart edgecore",
            zh=f"{verdict.node or verdict.subject} 应使用哪个地址只有您知道；请在其 edgecore.yaml 的 modules.edged.nodeIP "
            "中写入其他边缘节点未使用的地址，然后执行 sudo systemctl restart edgecore",
        )
    )


@remedy("KE911")
def cloud_resources(verdict: Verdict) -> NoPlan:
    """No software makes a machine larger."""
    return NoPlan(
        Text(
            f"this needs a larger machine or fewer things on it ({verdict.actual})",
            zh=f"需要更大的机器或减少其负载（{verdict.actual}）",
        )
    )


@remedy("KE407")
def stream_trust(verdict: Verdict) -> NoPlan:
    """The certificate is what it is because kube-apiserver insists, which is KE802's to repair."""
    return NoPlan(
        Text(
            f"kube-apiserver insists on a certificate that its own CA signed ({verdict.actual}); kedoctor ends that "
            "instead (KE802), because a signed one has to be made again for every edge that joins",
            zh=f"kube-apiserver 要求由其自身 CA 签发的证书（{verdict.actual}）；kedoctor 会改为关闭该校验（KE802），"
            "因为签发的证书在每次有边缘节点加入时都要重做",
        )
    )
