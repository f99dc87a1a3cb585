"""The diversion tried out: what answers at the address and port of an edge Node, seen from an API-server host.

Through a working diversion cloudcore's stream server answers, with 404 and with the same certificate as on its own
port (facts.md §10.1); the edge is not involved, so this holds whether its tunnel is up or not.
"""

from __future__ import annotations

from collections.abc import Iterator

from kedoctor.api import (
    Evidence,
    Finding,
    HttpAnswer,
    Reason,
    Side,
    Text,
    Unavailable,
    check,
    failed,
    passed,
    skipped,
    unknown,
)
from kedoctor.checks.causality import CLOUDCORE_DOWN, NO_DIVERSION
from kedoctor.checks.data_path import ALL_STREAMS
from kedoctor.checks.dnat.wording import SHOW_RULES, not_an_apiserver
from kedoctor.checks.facts.cloud.cloud_host import CloudProcesses
from kedoctor.checks.facts.cloud.diversion_probes import DiversionProbe, DiversionProbes, StreamServers
from kedoctor.checks.facts.cluster.tunnel_port import TunnelPortRecord

__all__ = ["diversion_probe"]

_NOT_FOUND = 404


@check(
    code="KE309",
    slug="diversion-probe",
    title=Text("Connections to edges reach cloudcore", zh="发往边缘节点的连接能到达 cloudcore"),
    side=Side.CLOUD,
    breaks=ALL_STREAMS,
    hop="diversion",
    explained_by=(
        *(code for code in NO_DIVERSION if code not in {"KE309", "KE311"}),
        *CLOUDCORE_DOWN,
        "KE101",
        "KE102",
        "KE104",
    ),
    deadline=40.0,
    references=(
        "facts.md §3.7",
        "facts.md §10.1",
        "testbed.md case d",
        "testbed.md case e",
        "testbed.md case i",
    ),
)
def diversion_probe(
    probes: DiversionProbes,
    servers: StreamServers | Unavailable,
    record: TunnelPortRecord,
    processes: CloudProcesses | Unavailable,
) -> Iterator[Finding]:
    """One TLS connection and one GET to each probed edge's address and port."""
    elsewhere = not_an_apiserver(processes, "diversion")
    if elsewhere is not None:
        yield elsewhere
        return
    if not probes.items:
        yield skipped(
            Text(
                "No edge has a port that is on record, so nothing is meant to be diverted now.",
                zh="没有边缘节点使用记录中的端口，因此目前没有需要转发的连接。",
            ),
            subject="diversion",
        )
        return
    by_port = {port: ip for ip, port in record.ports.items()}
    for probe in probes.items:
        yield _judge(probe, servers, by_port.get(probe.port, ""))
    if probes.left_out:
        yield skipped(
            Text(
                f"{probes.left_out} more edges were not tried; the rules look at the port only.",
                zh=f"另有 {probes.left_out} 个边缘节点未探测；规则只看端口。",
            ),
            subject=f"{probes.left_out} more edges",
        )


def _judge(probe: DiversionProbe, servers: StreamServers | Unavailable, cloudcore: str) -> Finding:
    direct = None if isinstance(servers, Unavailable) else servers.items.get(cloudcore)
    if direct is not None and isinstance(direct.answer, Unavailable):
        return skipped(
            Text(
                f"The stream server {cloudcore}:{direct.port} does not answer even directly (KE501, KE508), so the diversion "
                "cannot be judged by what is behind it.",
                zh=f"流服务 {cloudcore}:{direct.port} 直接连接也无应答（见 KE501、KE508），因此无法据此判断转发。",
            ),
            subject=probe.edge,
            node=probe.edge,
        )
    answer = probe.answer
    if isinstance(answer, Unavailable):
        return _no_answer(probe, answer)
    known = frozenset() if isinstance(servers, Unavailable) else servers.certificates
    if answer.certificate and answer.certificate in known:
        return _arrived(probe)
    if known:
        return _somebody_else(probe, answer)
    if answer.status == _NOT_FOUND:
        return _arrived(probe)
    return unknown(
        Text(
            f"{_place(probe)} answered with HTTP {answer.status}; cloudcore's own certificate is unknown here, so who "
            "answered cannot be told.",
            zh=f"{_place(probe)} 返回 HTTP {answer.status}；此处不知道 cloudcore 的证书，无法判断应答者。",
        ),
        subject=probe.edge,
        node=probe.edge,
    )


def _place(probe: DiversionProbe) -> str:
    return f"{probe.address}:{probe.port}"


def _commands(probe: DiversionProbe) -> tuple[str, ...]:
    return (
        f"curl -sk --max-time 5 -o /dev/null -w '%{{http_code}}\\n' https://{_place(probe)}/   # 404: cloudcore",
        *SHOW_RULES,
    )


def _arrived(probe: DiversionProbe) -> Finding:
    return passed(
        Text(
            f"A connection to {_place(probe)} reaches cloudcore's stream server.",
            zh=f"到 {_place(probe)} 的连接可以到达 cloudcore 的流服务。",
        ),
        subject=probe.edge,
        node=probe.edge,
    )


_MEANING = {
    Reason.REFUSED: Text(
        "refused: no rule takes it, or the rule leads to a closed port",
        zh="被拒绝：没有规则接管，或规则指向未监听的端口",
    ),
    Reason.TIMEOUT: Text(
        "no answer in time: the rule leads into a black hole, or there is none and the edge cannot be reached",
        zh="超时无应答：规则指向黑洞，或没有规则而边缘节点不可达",
    ),
    Reason.UNREACHABLE: Text(
        "no route, or cut off: the rule leads to an address that is not there",
        zh="没有路由或被断开：规则指向不存在的地址",
    ),
    Reason.INVALID: Text("something answered that is not cloudcore", zh="应答的不是 cloudcore"),
}


def _no_answer(probe: DiversionProbe, answer: Unavailable) -> Finding:
    if answer.reason in {Reason.NOT_RECORDED, Reason.NOT_ALLOWED}:
        return unknown(
            Text(
                f"{probe.edge} was not tried: {answer}.",
                zh=f"未探测 {probe.edge}：{answer.in_chinese}。",
            ),
            subject=probe.edge,
            node=probe.edge,
        )
    meaning = _MEANING.get(
        answer.reason,
        Text(
            "the server ended the connection: it wants another client",
            zh="服务端断开了连接：它需要其他客户端",
        ),
    )
    return failed(
        Text(
            f"A connection from this host to {_place(probe)} does not reach cloudcore: {meaning.en}.",
            zh=f"从本机到 {_place(probe)} 的连接没有到达 cloudcore：{meaning.zh}。",
        ),
        expected=Text("404 from cloudcore's stream server", zh="cloudcore 流服务返回 404"),
        actual=answer.detail or answer.reason.value,
        hint=Text(
            "KE303, KE304 and KE306 show the rules; kubectl logs to this edge fails in the same way.",
            zh="KE303、KE304、KE306 会显示规则；对该边缘节点执行 kubectl logs 会以同样方式失败。",
        ),
        subject=probe.edge,
        node=probe.edge,
        evidence=(Evidence(f"GET https://{_place(probe)}/", str(answer)),),
        commands=_commands(probe),
    )


def _somebody_else(probe: DiversionProbe, answer: HttpAnswer) -> Finding:
    return failed(
        Text(
            f"{_place(probe)} answers with HTTP {answer.status}, but not as cloudcore: it shows another certificate.",
            zh=f"{_place(probe)} 返回 HTTP {answer.status}，但不是 cloudcore：证书不同。",
        ),
        expected=Text("the certificate of cloudcore's stream server", zh="cloudcore 流服务的证书"),
        actual=f"HTTP {answer.status} with another certificate"
        if answer.certificate
        else f"HTTP {answer.status}",
        hint=Text(
            "Either the connection is not diverted and a kubelet of the edge answers (KE705), or it is diverted to another server.",
            zh="要么连接没有被转发、由边缘节点上的 kubelet 应答（KE705），要么被转发到了别的服务。",
        ),
        subject=probe.edge,
        node=probe.edge,
        evidence=(Evidence(f"GET https://{_place(probe)}/", f"HTTP {answer.status}"),),
        commands=(
            f"openssl s_client -connect {_place(probe)} </dev/null 2>/dev/null | openssl x509 -noout -subject -issuer",
            *SHOW_RULES,
        ),
    )
