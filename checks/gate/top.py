"""``kubectl top`` of an edge and of its test pod: metrics of the node, the pod and the container (facts.md §8)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from functools import partial

from kedoctor.api import Evidence, Finding, GatePod, Side, Text, Unavailable, check, failed, passed, unknown
from kedoctor.checks.causality import NO_SAMPLE
from kedoctor.checks.facts.cluster.metrics import NodeSamples
from kedoctor.checks.facts.cluster.nodes import EdgeNodes
from kedoctor.checks.gate.facts import GateFigures, GatePods
from kedoctor.checks.gate.wording import each_edge
from kedoctor.checks.parsers.durations import span

__all__ = ["top_roundtrip"]

_API = "/apis/metrics.k8s.io/v1beta1"
_OF_NODE = Text("the node", zh="节点")
_OF_POD = Text("the test pod and its container", zh="测试 Pod 及其容器")


@check(
    code="KE904",
    slug="top-roundtrip",
    title=Text(
        "kubectl top has metrics for every edge and its pods", zh="kubectl top 有每个边缘节点及其 Pod 的数据"
    ),
    side=Side.SITE,
    breaks=("top",),
    explained_by=(*NO_SAMPLE, "KE606", "KE607", "KE901"),
    proves=("top",),
    references=("facts.md §8.2", "testbed.md case m"),
    deadline=1800.0,
)
def top_roundtrip(
    pods: GatePods,
    figures: GateFigures | Unavailable,
    samples: NodeSamples | Unavailable,
    edges: EdgeNodes | Unavailable,
) -> Iterator[Finding]:
    """A number for the node and one for the container of the test pod; metrics of a new pod take two scrapes."""
    return each_edge(pods, edges, partial(_judge, figures, samples))


def _judge(figures: GateFigures | Unavailable, samples: NodeSamples | Unavailable, pod: GatePod) -> Finding:
    if isinstance(samples, Unavailable):
        return _not_answered(pod, samples)
    if isinstance(figures, Unavailable):
        return _not_answered(pod, figures)
    of_node, of_pod = samples.fresh(pod.node), pod.node in figures.edges
    if of_node and of_pod:
        return passed(
            Text(
                f"kubectl top has metrics for {pod.node}, its test pod and its container.",
                zh=f"kubectl top 有 {pod.node}、其测试 Pod 及容器的数据。",
            ),
            subject=pod.node,
            node=pod.node,
            evidence=(Evidence(f"GET {_API}/nodes and {_API}/pods", f"{pod.node}: node, pod and container"),),
        )
    lacking = [text for text, there in ((_OF_NODE, of_node), (_OF_POD, of_pod)) if not there]
    what = Text(" and ".join(text.en for text in lacking), zh="、".join(text.zh for text in lacking))
    made = pod.metadata.creation_timestamp
    # Three scrapes and a minute: a rate needs two scrapes, and a scrape takes its time.
    if made is not None and samples.now - made < samples.limit:
        return _too_early(pod, what, samples.limit)
    return _missing(pod, what)


def _not_answered(pod: GatePod, answer: Unavailable) -> Finding:
    return unknown(
        Text(
            f"Whether kubectl top has metrics for {pod.node} is unknown: {answer}.",
            zh=f"无法判断 kubectl top 是否有 {pod.node} 的数据：{answer.in_chinese}。",
        ),
        subject=pod.node,
        node=pod.node,
        hint=Text("Look at the metrics API first (KE601, KE605).", zh="请先检查指标 API（KE601、KE605）。"),
        commands=(f"kubectl get --raw {_API}/nodes | head -c 300",),
    )


def _too_early(pod: GatePod, what: Text, patience: timedelta) -> Finding:
    return unknown(
        Text(
            f"kubectl top has no metrics for {what.en} on {pod.node} yet; the first metrics of a new pod take up to "
            f"{span(patience).en}.",
            zh=f"kubectl top 尚无 {pod.node} 上{what.zh}的数据；新 Pod 的首批数据最多需 {span(patience).zh}。",
        ),
        subject=pod.node,
        node=pod.node,
        hint=Text("Give the gate more time with --wait.", zh="请用 --wait 给连通性验收（gate）更多时间。"),
        commands=("kedoctor gate --wait 10m",),
    )


def _missing(pod: GatePod, what: Text) -> Finding:
    return failed(
        Text(
            f"kubectl top has no metrics for {what.en} on {pod.node}.",
            zh=f"kubectl top 没有 {pod.node} 上{what.zh}的数据。",
        ),
        expected=Text("metrics for node, pod and container", zh="节点、Pod 和容器的数据"),
        actual=Text(f"none of {what.en}", zh=f"没有{what.zh}的数据"),
        hint=Text(
            f"Follow one scrape: the log of metrics-server names {pod.node} and the error.",
            zh=f"跟踪一次采集：metrics-server 日志会写明 {pod.node} 及错误。",
        ),
        subject=pod.node,
        node=pod.node,
        evidence=(Evidence(f"GET {_API}/nodes and {_API}/pods", f"none of {what.en}"),),
        commands=(
            f"kubectl get --raw {_API}/nodes/{pod.node}",
            f"kubectl -n kube-system logs -l k8s-app=metrics-server --tail=200 | grep {pod.node}",
        ),
        hop="metrics-server",
    )
