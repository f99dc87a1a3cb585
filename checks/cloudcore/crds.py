"""The CustomResourceDefinitions that cloudcore waits for (facts.md §5.2, §10 (35))."""

from __future__ import annotations

from collections.abc import Iterator

from kedoctor.api import Evidence, Finding, Risk, Side, Text, check, failed, passed, skipped, warned
from kedoctor.checks.cloudcore.facts_crds import ServedResources
from kedoctor.checks.data_path import ALL_STREAMS
from kedoctor.checks.facts.cloud.cloudcore import CloudcoreWorkload
from kedoctor.checks.facts.cluster.nodes import EdgeNodes
from kedoctor.checks.parsers.releases import Trait, has, parse

__all__ = ["kubeedge_crds"]

_SUBJECT = "customresourcedefinitions"
_STATUSES = "devicestatuses.devices.kubeedge.io"
_APPLY = "kubectl apply -f crds/  # those of your KubeEdge version, from the offline bundle or the chart"
_HINT = Text(
    "Apply the CRDs of your KubeEdge version, then delete the cloudcore pod.",
    zh="应用与 KubeEdge 版本对应的 CRD，然后删除 cloudcore Pod。",
)


@check(
    code="KE111",
    slug="kubeedge-crds",
    title=Text("The custom resources of KubeEdge exist", zh="KubeEdge 的自定义资源存在"),
    side=Side.SITE,
    breaks=(*ALL_STREAMS, "ready"),
    hop="stream",
    remedy=Text("Apply the CRDs from the offline bundle.", zh="从离线包应用 CRD。"),
    risk=Risk.SAFE,
    references=("facts.md §5.2", "facts.md §10 (35)", "versions.md §4"),
)
def kubeedge_crds(
    served: ServedResources, workload: CloudcoreWorkload, edges: EdgeNodes
) -> Iterator[Finding]:
    """Without the two of ``reliablesyncs`` cloudcore runs for ever with no port open."""
    if workload.host_network is None and not edges.items:
        yield skipped(Text("KubeEdge is not installed in this cluster.", zh="本集群未安装 KubeEdge。"))
        return
    asked = has(parse(workload.tag), Trait.DEVICE_STATUSES)
    useful = (*served.missing_useful, *((_STATUSES,) if asked and not served.device_statuses else ()))
    if served.missing:
        yield _waits(served.missing)
    if useful:
        yield _lacks(useful)
    if not served.missing and not useful:
        yield passed(
            Text(
                "The API server serves the custom resources that cloudcore asks for.",
                zh="API 服务器提供 cloudcore 所需的自定义资源。",
            ),
            subject=_SUBJECT,
        )


def _waits(missing: tuple[str, ...]) -> Finding:
    names = ", ".join(missing)
    return failed(
        Text(
            f"The API server does not serve {names}: cloudcore runs, waits for it, and opens no port.",
            zh=f"API 服务器没有 {names}：cloudcore 虽在运行，但会一直等待，不打开任何端口。",
        ),
        expected=Text(
            "objectsyncs and clusterobjectsyncs of reliablesyncs.kubeedge.io/v1alpha1",
            zh="reliablesyncs.kubeedge.io/v1alpha1 的 objectsyncs 与 clusterobjectsyncs",
        ),
        actual=Text(f"missing: {names}", zh=f"缺少：{names}"),
        hint=_HINT,
        subject=_SUBJECT,
        evidence=(Evidence("/apis/reliablesyncs.kubeedge.io/v1alpha1", f"missing: {names}"),),
        commands=(
            "kubectl get crd | grep kubeedge",
            _APPLY,
            "kubectl -n kubeedge delete pod -l kubeedge=cloudcore",
        ),
    )


def _lacks(missing: tuple[str, ...]) -> Finding:
    names = ", ".join(missing)
    return warned(
        Text(
            f"The API server does not serve {names}; logs, exec and top do not need it, devices and rules do.",
            zh=f"API 服务器没有 {names}；logs、exec、top 不需要它，设备和规则功能需要。",
        ),
        expected=Text("all CRDs of the chart", zh="chart 中的全部 CRD"),
        actual=Text(f"missing: {names}", zh=f"缺少：{names}"),
        hint=_HINT,
        subject=_SUBJECT,
        commands=("kubectl get crd | grep kubeedge", _APPLY),
        breaks=(),
        hop="",
    )
