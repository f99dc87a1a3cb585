"""Metrics-server's arguments: what it must be told to reach edge nodes (facts.md §8.2)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from kedoctor.api import Certainty, Evidence, Finding, Risk, Side, Text, check, failed, passed, unknown
from kedoctor.checks.facts.cluster.metrics import MetricsServer, WorkingDiversion
from kedoctor.checks.metrics.deployment import deployment_of, not_ours
from kedoctor.checks.parsers.kubernetes.flags import duration, switched_on

__all__ = ["metrics_args"]

_KUBELET_PORT = 10250
_CLOUDCORE_PORTS = (10000, 10002, 10003, 10004)

Fault = tuple[Text, str]
"""What is wrong, and the argument that puts it right."""


@check(
    code="KE603",
    slug="metrics-args",
    title=Text("metrics-server's arguments fit edge nodes", zh="metrics-server 的参数适合边缘节点"),
    side=Side.SITE,
    breaks=("top",),
    hop="metrics-server",
    remedy=Text("Set exactly the missing arguments.", zh="只设置缺失的参数。"),
    risk=Risk.SAFE,
    references=("facts.md §8.2", "facts.md §10 (55, 57)", "testbed.md case m"),
)
def metrics_args(server: MetricsServer, diversion: WorkingDiversion) -> Finding:
    """The flags without which edges are dialled at the wrong port, or refused, or the process cannot start."""
    skip = not_ours(server)
    if skip is not None:
        return skip
    if server.container is None:
        return unknown(
            Text(
                "The arguments of metrics-server were not read: neither its Deployment nor a pod was seen.",
                zh="未能读取 metrics-server 的参数：既未见到其 Deployment，也未见到 Pod。",
            ),
            subject=deployment_of(server),
        )
    arrives = bool(
        diversion.edges
    )  # metrics for an edge prove that it is dialled and trusted as it should be
    faults = [*([] if arrives else _dialling(server)), *_listening(server), *_timing(server)]
    implied = [] if arrives else [*_trusting(server), *_naming(server)]
    if not faults and not implied:
        return passed(
            Text("The arguments of metrics-server fit edge nodes.", zh="metrics-server 的参数适合边缘节点。"),
            subject=deployment_of(server),
        )
    if faults:
        return _wrong_arguments(server, [*faults, *implied], Certainty.PROVED)
    return _wrong_arguments(server, implied, Certainty.IMPLIED)


def _dialling(server: MetricsServer) -> Iterator[Fault]:
    if not switched_on(server.arguments.get("kubelet-use-node-status-port")):
        yield (
            Text(
                "without --kubelet-use-node-status-port it dials every edge at 10250, where nothing listens",
                zh="缺少 --kubelet-use-node-status-port，会用 10250 端口连接每个边缘节点，而该端口无人监听",
            ),
            "--kubelet-use-node-status-port",
        )


def _trusting(server: MetricsServer) -> Iterator[Fault]:
    """What only breaks unless somebody had the stream certificate signed by a CA that metrics-server trusts."""
    if not switched_on(server.arguments.get("kubelet-insecure-tls")):
        yield (
            Text(
                "without --kubelet-insecure-tls it refuses the chart's stream certificate, which names no edge",
                zh="缺少 --kubelet-insecure-tls，会拒绝 chart 生成的流证书（其中不含边缘节点地址）",
            ),
            "--kubelet-insecure-tls",
        )


def _naming(server: MetricsServer) -> Iterator[Fault]:
    """What only breaks if names of nodes do not resolve where metrics-server runs."""
    first = server.arguments.get("kubelet-preferred-address-types", "Hostname").split(",")[0].strip()
    if first != "InternalIP":
        yield (
            Text(
                f"its first address type is {first}, so it looks up names of edges that no DNS knows",
                zh=f"首选地址类型为 {first}，会去解析 DNS 中不存在的边缘主机名",
            ),
            "--kubelet-preferred-address-types=InternalIP,ExternalIP,Hostname",
        )


def _listening(server: MetricsServer) -> Iterator[Fault]:
    spec, container = server.spec, server.container
    written = server.arguments.get("secure-port", "")
    if spec is None or container is None or not written.isdecimal():
        return
    port = int(written)
    if spec.host_network and port == _KUBELET_PORT:
        yield (
            Text(
                "--secure-port=10250 with hostNetwork is the kubelet's own port on that host",
                zh="使用 hostNetwork 时 --secure-port=10250 与该主机 kubelet 的端口冲突",
            ),
            "--secure-port=4443",
        )
    elif spec.host_network and port in _CLOUDCORE_PORTS:
        yield (
            Text(
                f"--secure-port={port} is a port of cloudcore", zh=f"--secure-port={port} 是 cloudcore 的端口"
            ),
            "--secure-port=4443",
        )
    named = next((one.container_port for one in container.ports or () if one.name == "https"), port)
    if named != port:
        yield (
            Text(
                f"its port named https is {named}, but it listens on {port}",
                zh=f"名为 https 的端口是 {named}，而它监听 {port}",
            ),
            f"--secure-port={named}",
        )


def _timing(server: MetricsServer) -> Iterator[Fault]:
    written = server.arguments.get("metric-resolution")
    length = duration(written) if written is not None else None
    if length is not None and length < timedelta(seconds=10):
        yield (
            Text(
                f"--metric-resolution={written} is below the 10 s that metrics-server accepts",
                zh=f"--metric-resolution={written} 低于 metrics-server 允许的 10 秒",
            ),
            "--metric-resolution=15s",
        )


def _wrong_arguments(server: MetricsServer, faults: list[Fault], certainty: Certainty) -> Finding:
    told_en = "; ".join(text.en for text, _ in faults)
    told_zh = "；".join(text.zh for text, _ in faults)
    name = deployment_of(server).rpartition("/")[2]
    given = " ".join(server.container.args or ()) if server.container else ""
    wanted = " ".join(argument for _, argument in faults)
    return failed(
        Text(f"metrics-server's arguments: {told_en}.", zh=f"metrics-server 的参数：{told_zh}。"),
        expected=Text(wanted, zh=wanted),
        actual=given or Text("no arguments", zh="没有参数"),
        hint=Text(
            f"Set {wanted} in the Deployment and leave the rest.",
            zh=f"在 Deployment 中设置 {wanted}，其余不变。",
        ),
        subject=deployment_of(server),
        evidence=(Evidence(f"{deployment_of(server)}, args", given),),
        commands=(
            f"kubectl -n {server.namespace} edit deployment {name}",
            f"kubectl -n {server.namespace} rollout status deployment {name}",
            "kubectl top node",
        ),
        certainty=certainty,
    )
