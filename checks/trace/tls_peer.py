"""Who answers at the address and port that kube-apiserver dials: TCP, TLS and whose certificate (facts.md §10.1)."""

from __future__ import annotations

from kedoctor.api import (
    HttpAnswer,
    Reason,
    StepResult,
    StepState,
    Text,
    TraceTarget,
    Unavailable,
    detail_text,
    replace,
    step,
)
from kedoctor.api.certificates import CertificateError, read_certificates
from kedoctor.checks.dnat.diversion_probe import diversion_probe
from kedoctor.checks.facts.cloud.cloud_host import CloudProcesses
from kedoctor.checks.facts.cloud.diversion_probes import DiversionProbe, DiversionProbes, StreamServers
from kedoctor.checks.facts.cluster.tunnel_port import TunnelPortRecord
from kedoctor.checks.trace.probes import TracedPeer
from kedoctor.checks.trace.step_results import judged, nothing_meant, off_apiserver, ok

__all__ = ["who_answers"]


@step(
    name="answer",
    title=Text("who answers there", zh="应答者"),
    hop="diversion",
    unless=off_apiserver,
)
def who_answers(
    probes: DiversionProbes,
    peer: TracedPeer,
    servers: StreamServers | Unavailable,
    record: TunnelPortRecord,
    *,
    processes: CloudProcesses | Unavailable,
    target: TraceTarget,
) -> StepResult:
    """KE309 judges the answer; where there was none, how far the connection got."""
    probe = probes.items[0]
    found = judged(target.trace, (diversion_probe, diversion_probe(probes, servers, record, processes)))
    if found.state is StepState.OK:
        return ok(_arrived(probe))
    if found.state is not StepState.BROKEN:
        return found
    if record.current and probe.port not in record.current:
        said = str(probe.answer.status) if isinstance(probe.answer, HttpAnswer) else probe.answer.detail
        told = Text(
            f"cloudcore does not answer ({said})", zh=f"应答者不是 cloudcore（{detail_text(said).zh}）"
        )
        return nothing_meant(f"{probe.address}:{probe.port}", probe.port, told)
    return _with_peer(found, probe, peer)


def _arrived(probe: DiversionProbe) -> Text:
    place, shown = f"{probe.address}:{probe.port}", _certificate(probe.answer)
    status = probe.answer.status if isinstance(probe.answer, HttpAnswer) else 0
    return Text(
        f"cloudcore's stream server answers at {place}: TCP, TLS with {shown.en}, HTTP {status}.",
        zh=f"{place} 由 cloudcore 的流服务应答：TCP、TLS（{shown.zh}）、HTTP {status}。",
    )


def _with_peer(found: StepResult, probe: DiversionProbe, peer: TracedPeer) -> StepResult:
    """The finding with what else is known of who is there."""
    place = f"{probe.address}:{probe.port}"
    if isinstance(probe.answer, HttpAnswer):
        shown = _certificate(probe.answer)
        return replace(
            found,
            seen=Text(
                f"{found.seen.en.removesuffix('.')} ({shown.en}).",
                zh=f"{found.seen.zh.removesuffix('。')}（{shown.zh}）。",
            ),
        )
    if (
        probe.answer.reason is Reason.TIMEOUT
        and peer.tcp is not None
        and not isinstance(peer.tcp, Unavailable)
    ):
        return replace(
            found,
            seen=Text(
                f"{place} takes the connection and then says nothing: what is there is no stream server of cloudcore, or it hangs.",
                zh=f"{place} 接受连接后没有任何应答：那里不是 cloudcore 的流服务，或已挂起。",
            ),
        )
    if peer.tls is not None and not isinstance(peer.tls, Unavailable):
        shown = _shown(peer.tls.certificates[0] if peer.tls.certificates else b"")
        ended = f", and ends the handshake: {peer.tls.alert}" if peer.tls.alert else ""
        ended_zh = f"，并中止握手：{peer.tls.alert}" if peer.tls.alert else ""
        return replace(
            found,
            seen=Text(
                f"{place} is not cloudcore's stream server: it shows {shown.en}{ended}.",
                zh=f"{place} 不是 cloudcore 的流服务：出示 {shown.zh}{ended_zh}。",
            ),
        )
    if isinstance(peer.tls, Unavailable) and peer.tls.reason is Reason.INVALID:
        return replace(
            found,
            seen=Text(
                f"{place} does not speak TLS, so it is not cloudcore's stream server: {peer.tls.detail}.",
                zh=f"{place} 不使用 TLS，因此不是 cloudcore 的流服务：{detail_text(peer.tls.detail).zh}。",
            ),
        )
    return found


def _certificate(answer: HttpAnswer | Unavailable) -> Text:
    return _shown(answer.certificate if isinstance(answer, HttpAnswer) else b"")


def _shown(der: bytes) -> Text:
    """The names in a certificate."""
    if not der:
        return Text("no certificate", zh="没有证书")
    try:
        leaf = read_certificates(der)[0]
    except CertificateError as error:
        return Text(f"a certificate that cannot be read ({error})", zh=f"无法读取的证书（{error}）")
    return Text(
        f"certificate {leaf.subject}, issuer {leaf.issuer}", zh=f"证书 {leaf.subject}，签发者 {leaf.issuer}"
    )
