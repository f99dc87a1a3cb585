"""The metrics API as its users see it: registered, answering, and with fresh metrics for every edge."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from kedoctor.api import (
    Evidence,
    Finding,
    Side,
    Status,
    Text,
    Unavailable,
    check,
    failed,
    passed,
    replace,
    skipped,
    unknown,
    warned,
)
from kedoctor.checks.causality import NO_SAMPLE
from kedoctor.checks.facts.cloud.cloudcore_log import CloudcoreLog
from kedoctor.checks.facts.cloud.relayed import NOT_TRIED, ProvedEdges
from kedoctor.checks.facts.cluster.metrics import (
    API_SERVICE,
    MetricsRegistration,
    MetricsServer,
    NodeSamples,
    PodSamples,
)
from kedoctor.checks.facts.cluster.nodes import EdgeNode, EdgeNodes
from kedoctor.checks.parsers.durations import span
from kedoctor.checks.parsers.kubernetes.pod_health import condition, running_since

__all__ = ["metrics_apiservice", "metrics_per_edge"]

_SUBJECT = f"apiservice/{API_SERVICE}"
_CLOCKS_AGREE = timedelta(minutes=2)
_SETTLING = timedelta(seconds=15)


@check(
    code="KE605",
    slug="metrics-apiservice",
    title=Text("The metrics API is available", zh="指标 API 可用"),
    side=Side.SITE,
    breaks=("top",),
    hop="apiservice",
    explained_by=("KE601", "KE602", "KE603", "KE604", "KE608", "KE609"),
    references=("facts.md §8.3", "testbed.md case m"),
)
def metrics_apiservice(registration: MetricsRegistration) -> Finding:
    """The condition ``Available`` of the APIService."""
    if registration.service is None:
        return skipped(
            Text("The metrics API is not registered (KE601).", zh="指标 API 未注册（KE601）。"),
            subject=_SUBJECT,
        )
    found = condition(registration.service.status.conditions, "Available")
    if found is None:
        return unknown(
            Text(
                "The API server has not said yet whether the metrics API is available.",
                zh="API 服务器尚未给出指标 API 的可用状态。",
            ),
            subject=_SUBJECT,
        )
    if found.status == "True":
        return passed(Text("The metrics API is available.", zh="指标 API 可用。"), subject=_SUBJECT)
    namespace, service = registration.backend
    return failed(
        Text(
            f"The API server cannot use the metrics API: {found.reason}: {found.message}.",
            zh=f"API 服务器无法使用指标 API：{found.reason}：“{found.message}”。",
        ),
        expected=Text("condition Available=True", zh="条件 Available=True"),
        actual=f"Available={found.status}, {found.reason}",
        hint=_hint(found.reason, namespace, service),
        subject=_SUBJECT,
        evidence=(Evidence(f"{_SUBJECT}, status.conditions", f"{found.reason}: {found.message}"),),
        commands=(
            f"kubectl describe apiservice {API_SERVICE}",
            f"kubectl -n {namespace} get service,endpoints {service}",
            f"kubectl -n {namespace} get pods -l k8s-app=metrics-server -o wide",
        ),
    )


def _hint(reason: str, namespace: str, service: str) -> Text:
    if reason in ("MissingEndpoints", "EndpointsNotFound"):
        return Text(
            f"No ready pod stands behind service {namespace}/{service}: look at metrics-server's pods.",
            zh=f"服务 {namespace}/{service} 后面没有就绪的 Pod：请检查 metrics-server 的 Pod。",
        )
    if reason == "ServiceNotFound":
        return Text(
            f"Create service {namespace}/{service}, port 443 to the port named https.",
            zh=f"创建服务 {namespace}/{service}，443 端口指向名为 https 的端口。",
        )
    return Text(
        "The API server must reach metrics-server's pod: look at its port, its arguments and its network.",
        zh="API 服务器必须能访问 metrics-server 的 Pod：请检查其端口、参数与网络。",
    )


@check(
    code="KE606",
    slug="metrics-per-edge",
    title=Text("There is a fresh metrics sample of every edge node", zh="每个边缘节点都有最新的指标数据"),
    side=Side.SITE,
    breaks=("top",),
    hop="metrics-server",
    explained_by=NO_SAMPLE,
    proves=("top",),
    references=("facts.md §8.2", "facts.md §8.4", "testbed.md case m"),
)
def metrics_per_edge(
    edges: EdgeNodes,
    samples: NodeSamples,
    server: MetricsServer | Unavailable,
    log: CloudcoreLog | Unavailable,
    pods: PodSamples | Unavailable,
    *,
    proved: ProvedEdges = NOT_TRIED,
) -> Iterator[Finding]:
    """Each edge by name and by the age of its sample; ``kubectl top`` exits 0 for those it shows as <unknown>."""
    tunnels = {} if isinstance(log, Unavailable) else log.tunnels
    without = {} if isinstance(pods, Unavailable) else pods.missing
    for node in edges.items:
        since = [
            time for time in (_started(server), tunnels.get(node.name), node.created) if time is not None
        ]
        found = _sample(node, samples, max(since, default=None))
        if found.status is Status.PASS:  # figures outlive the path they came by
            found = replace(found, proves=("top",) if node.name in proved.names else ())
        yield (
            _pods(node, without[node.name]) if found.status is Status.PASS and node.name in without else found
        )


def _pods(node: EdgeNode, without: tuple[str, ...]) -> Finding:
    names = ", ".join(without[:5]) + (f" and {len(without) - 5} more" if len(without) > 5 else "")
    return warned(
        Text(
            f"metrics-server has metrics for {node.name}, but none of {len(without)} pod(s) there: {names}.",
            zh=f"metrics-server 有 {node.name} 的数据，但缺少其上 {len(without)} 个 Pod 的数据：{names}。",
        ),
        expected=Text("metrics for every running pod and container", zh="每个运行中的 Pod 和容器都有数据"),
        actual=Text(f"missing: {names}", zh=f"缺少：{names}"),
        hint=Text(
            "Compare with what the edge reports; a container without memory metrics is left out with its pod.",
            zh="与边缘节点上报的数据比较；缺少内存数据的容器会使整个 Pod 被忽略。",
        ),
        subject=node.name,
        node=node.name,
        commands=(
            "kubectl top pod -A --containers",
            f"curl -s http://127.0.0.1:10350/metrics/resource | grep container_memory  # on {node.name}",
        ),
        breaks=(),
    )


def _started(server: MetricsServer | Unavailable) -> datetime | None:
    starts = [] if isinstance(server, Unavailable) else [running_since(pod) for pod in server.live_pods]
    return max((start for start in starts if start is not None), default=None)


def _sample(node: EdgeNode, samples: NodeSamples, since: datetime | None) -> Finding:
    age = samples.age(node.name)
    if age is not None and age <= samples.limit:
        return passed(
            Text(
                f"metrics-server has metrics for {node.name} that are {span(age).en} old.",
                zh=f"metrics-server 有 {node.name} 的数据，生成于 {span(age).zh}前。",
            ),
            subject=node.name,
            node=node.name,
        )
    if node.absent_as_planned:
        return skipped(
            Text(f"{node.name} is cordoned and away.", zh=f"{node.name} 已 cordon 且不在线。"),
            subject=node.name,
            node=node.name,
        )
    # Two scrapes are needed for a rate, and a scrape takes its time.
    patience = 2 * (samples.limit - timedelta(minutes=1)) / 3 + _SETTLING
    if since is not None and samples.now - since < patience:
        return _too_early(node, samples.now - since, patience)
    if age is not None and _clock_is_off(node, age, samples.now):
        return _other_clock(node, age)
    return _missing(node, age)


def _too_early(node: EdgeNode, elapsed: timedelta, patience: timedelta) -> Finding:
    return unknown(
        Text(
            f"No metrics for {node.name} yet: its tunnel or metrics-server started {span(elapsed).en} ago, and the "
            f"first metrics take up to {span(patience).en}.",
            zh=f"暂无 {node.name} 的数据：其隧道或 metrics-server 于 {span(elapsed).zh}前启动，"
            f"首批数据最多需 {span(patience).zh}。",
        ),
        subject=node.name,
        node=node.name,
        hint=Text("Look again in a minute.", zh="请一分钟后再检查。"),
    )


def _clock_is_off(node: EdgeNode, age: timedelta, now: datetime) -> bool:
    """Whether the lease of a Ready node is as old as its sample: then both were dated by a clock that is behind."""
    return node.is_ready and node.lease is not None and abs((now - node.lease) - age) < _CLOCKS_AGREE


def _other_clock(node: EdgeNode, age: timedelta) -> Finding:
    return unknown(
        Text(
            f"The metrics for {node.name} are dated {span(age).en} back, and so is its lease although it is Ready: "
            "its clock seems to be behind.",
            zh=f"{node.name} 的数据时间落后 {span(age).zh}，其租约也同样落后，但节点为 Ready：其时钟可能偏慢。",
        ),
        subject=node.name,
        node=node.name,
        hint=Text(f"Set the time on {node.name}.", zh=f"请校正 {node.name} 的时间。"),
        commands=(f"date -u; timedatectl  # on {node.name}",),
    )


def _missing(node: EdgeNode, age: timedelta | None) -> Finding:
    if age is None:
        summary = Text(
            f"metrics-server has no metrics for {node.name}; kubectl top shows it as <unknown>.",
            zh=f"metrics-server 没有 {node.name} 的数据；kubectl top 显示为 <unknown>。",
        )
    else:
        summary = Text(
            f"The last metrics for {node.name} are {span(age).en} old.",
            zh=f"{node.name} 的最后一次数据是 {span(age).zh}前的。",
        )
    path = "/apis/metrics.k8s.io/v1beta1/nodes"
    return failed(
        summary,
        expected=Text("a sample from the last few scrapes", zh="最近几次采集的数据"),
        actual=Text("no sample", zh="没有数据")
        if age is None
        else Text(f"{span(age).en} old", zh=f"{span(age).zh}前的数据"),
        hint=Text(
            f"Follow one scrape: the log of metrics-server names {node.name} and the error; then look at its tunnel.",
            zh=f"跟踪一次采集：metrics-server 日志会写明 {node.name} 及错误；再检查其隧道。",
        ),
        subject=node.name,
        node=node.name,
        evidence=(
            Evidence(
                f"GET {path}", f"no item {node.name}" if age is None else f"{node.name}: {span(age).en} old"
            ),
        ),
        commands=(
            f"kubectl get --raw {path}/{node.name}",
            f"kubectl -n kube-system logs -l k8s-app=metrics-server --tail=200 | grep {node.name}",
            f"kubectl get --raw --request-timeout=15s /api/v1/nodes/{node.name}/proxy/stats/summary | head -c 300",
        ),
    )
