"""What only ``kubectl top`` needs: the registration of the metrics API, metrics-server, and the metrics themselves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote

from kedoctor.api import (
    ApiAnswer,
    Cluster,
    Reason,
    RecordError,
    StepResult,
    StepState,
    Text,
    TraceTarget,
    Unavailable,
    decode,
    detail_text,
    fact,
    step,
)
from kedoctor.checks.data_path import HOPS
from kedoctor.checks.facts.cluster.metrics import (
    MetricsRegistration,
    MetricsServer,
    NodeSamples,
    WorkingDiversion,
)
from kedoctor.checks.facts.cluster.nodes import EdgeNodes
from kedoctor.checks.facts.cluster.site_info import SiteTime
from kedoctor.checks.metrics.apiservice import metrics_apiservice, metrics_per_edge
from kedoctor.checks.metrics.arguments import metrics_args
from kedoctor.checks.metrics.deployment import metrics_pod
from kedoctor.checks.parsers.durations import span
from kedoctor.checks.parsers.kubernetes import NodeMetrics, PodMetrics
from kedoctor.checks.parsers.kubernetes.pod_health import running_since
from kedoctor.checks.trace.request_errors import unavailable
from kedoctor.checks.trace.step_results import broken, judged, not_known, off_api, ok
from kedoctor.checks.trace.target import Traced, TracedObjects

__all__ = ["FACTS", "NodeFigures", "PodFigures", "metrics_backend", "metrics_registered", "metrics_request"]

_API = "/apis/metrics.k8s.io/v1beta1"
_NOT_READ = Unavailable(Reason.NOT_ALLOWED, "what a trace does not read")


@dataclass(frozen=True, slots=True)
class NodeFigures:
    """What the metrics API answers for the node (``kubectl top node NAME``); ``sample`` is ``None`` without one."""

    answer: ApiAnswer | Unavailable
    sample: NodeMetrics | None = None


@dataclass(frozen=True, slots=True)
class PodFigures:
    """The same for the pod that is traced (``kubectl top pod``)."""

    answer: ApiAnswer | Unavailable
    sample: PodMetrics | None = None


@fact
def node_figures(cluster: Cluster, objects: TracedObjects, target: TraceTarget) -> NodeFigures:
    """One GET."""
    name = objects.node.metadata.name if objects.node is not None else ""
    answer = cluster.get(f"{_API}/nodes/{quote(name, safe='')}", timeout=target.patience)
    if isinstance(answer, Unavailable) or answer.status != 200:
        return NodeFigures(answer)
    try:
        return NodeFigures(answer, decode(answer.body, NodeMetrics))
    except RecordError as error:
        return NodeFigures(Unavailable(Reason.INVALID, "the metrics of the node", str(error)))


@fact
def pod_figures(cluster: Cluster, objects: TracedObjects, target: TraceTarget) -> PodFigures | Unavailable:
    """One GET; ``absent`` where a node was named."""
    if objects.pod is None:
        return Unavailable(Reason.ABSENT, "the pod")
    meta = objects.pod.metadata
    path = f"{_API}/namespaces/{quote(meta.namespace, safe='')}/pods/{quote(meta.name, safe='')}"
    answer = cluster.get(path, timeout=target.patience)
    if isinstance(answer, Unavailable) or answer.status != 200:
        return PodFigures(answer)
    try:
        return PodFigures(answer, decode(answer.body, PodMetrics))
    except RecordError as error:
        return PodFigures(Unavailable(Reason.INVALID, "the metrics of the pod", str(error)))


@fact
def one_sample(
    figures: NodeFigures, time: SiteTime, server: MetricsServer | Unavailable
) -> NodeSamples | Unavailable:
    """The sample of the one node, as the checks know it."""
    if isinstance(figures.answer, Unavailable):
        return figures.answer
    resolution = timedelta(seconds=60) if isinstance(server, Unavailable) else server.resolution
    ends: dict[str, datetime] = {}
    if figures.sample is not None and figures.sample.timestamp is not None:
        ends[figures.sample.metadata.name] = figures.sample.timestamp
    return NodeSamples(ends, time.now, 3 * resolution + timedelta(minutes=1))


FACTS: tuple[Callable[..., object], ...] = (node_figures, pod_figures, one_sample)
"""What the trace of ``top`` knows beside the others."""


@step(name="apiservice", title=HOPS["apiservice"], hop="apiservice", unless=off_api)
def metrics_registered(registration: MetricsRegistration, target: TraceTarget) -> StepResult:
    """KE605: the API server can use the metrics API."""
    if registration.service is None:
        return broken(
            Text(
                "The metrics API is not registered: kubectl top says `Metrics API not available`.",
                zh="指标 API 未注册：kubectl top 会提示 `Metrics API not available`。",
            ),
            code="KE601",
        )
    return judged(target.trace, (metrics_apiservice, metrics_apiservice(registration)))


@step(name="metrics-server", title=HOPS["metrics-server"], hop="metrics-server", unless=off_api)
def metrics_backend(server: MetricsServer, diversion: WorkingDiversion, target: TraceTarget) -> StepResult:
    """KE602 says whether it runs, KE603 whether it dials edges as it must."""
    pod = judged(target.trace, (metrics_pod, metrics_pod(server)))
    if pod.state is not StepState.OK:
        return pod
    dials = judged(target.trace, (metrics_args, metrics_args(server, diversion)))
    return dials if dials.state is not StepState.OK else pod


@step(
    name="top",
    title=Text("the real request: its figures", zh="真实请求：边缘节点的指标数据"),
    hop="metrics-server",
    unless=off_api,
    proof=True,
)
def metrics_request(
    figures: NodeFigures,
    pod: PodFigures | Unavailable,
    samples: NodeSamples | Unavailable,
    server: MetricsServer | Unavailable,
    traced: Traced,
    *,
    edges: EdgeNodes,
    target: TraceTarget,
) -> StepResult:
    """KE606 judges the sample of the node; then the pod must have metrics, too."""
    what = Text(f"The request for metrics for {traced.node}", zh=f"对 {traced.node} 指标数据的请求")
    answer = figures.answer
    if isinstance(answer, Unavailable):
        return _unanswered(answer, what, target)
    if answer.status in (401, 403):
        return not_known(
            Text(
                f"{what.en} is not allowed to this user (right: get nodes.metrics.k8s.io, KE921).",
                zh=f"当前用户无权执行{what.zh}（需要权限 get nodes.metrics.k8s.io，见 KE921）。",
            ),
            code="KE921",
        )
    if isinstance(samples, Unavailable):
        return not_known(Text(f"Not checked: {samples}.", zh=f"无法判断：{samples.in_chinese}。"))
    findings = metrics_per_edge(edges, samples, server, _NOT_READ, _NOT_READ)
    found = judged(target.trace, (metrics_per_edge, findings))
    if found.state is not StepState.OK or isinstance(pod, Unavailable):
        return found
    return _of_pod(found, pod, traced, samples)


def _unanswered(missing: Unavailable, what: Text, target: TraceTarget) -> StepResult:
    """The metrics API answers from metrics-server's memory, so its silence says nothing of the edge."""
    if missing.reason not in (Reason.TIMEOUT, Reason.SERVER_ERROR):
        return unavailable(missing, what, target.patience)
    late = missing.reason is Reason.TIMEOUT
    why = f"no answer within {target.patience:g} s" if late else missing.detail
    why_zh = f"{target.patience:g} 秒内没有应答" if late else detail_text(missing.detail).zh
    return broken(
        Text(
            f"{what.en} got no metrics from the metrics API: {why}.",
            zh=f"{what.zh}没有从指标 API 得到数据：{why_zh}。",
        ),
        code="KE605",
        inferred=True,
    )


def _of_pod(found: StepResult, pod: PodFigures, traced: Traced, samples: NodeSamples) -> StepResult:
    """The node has metrics; whether the pod has."""
    if pod.sample is not None and pod.sample.containers:
        return ok(
            Text(
                f"{found.seen.en.removesuffix('.')}, and metrics for {len(pod.sample.containers)} container(s) of {traced.label}.",
                zh=f"{found.seen.zh.removesuffix('。')}，并有 {traced.label} 的 {len(pod.sample.containers)} 个容器的数据。",
            )
        )
    start = running_since(traced.pod) if traced.pod is not None else None
    if start is not None and samples.now - start < samples.limit:
        age = span(samples.now - start)
        return not_known(
            Text(
                f"There are metrics for {traced.node}, none yet of {traced.label}, which started {age.en} ago.",
                zh=f"已有 {traced.node} 的数据，{traced.label} 尚无数据，它于 {age.zh}前启动。",
            )
        )
    return broken(
        Text(
            f"There are metrics for {traced.node}, but none of {traced.label}: a container without memory metrics is left out "
            "with its pod.",
            zh=f"已有 {traced.node} 的数据，但没有 {traced.label} 的数据：缺少内存数据的容器会使整个 Pod 被忽略。",
        ),
        code="KE709",
        hop="runtime",
        inferred=True,
    )
