"""What is said of a test pod through which nothing could be asked, and why: nothing is proved then, nor disproved."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from kedoctor.api import Evidence, Finding, GatePod, Text, Unavailable, skipped, unknown
from kedoctor.checks.facts.cluster.nodes import EdgeNode, EdgeNodes
from kedoctor.checks.gate.facts import GatePods

__all__ = ["NO_RIGHT", "PRINT_RIGHTS", "each_edge"]

_NO_IMAGE = {
    "ErrImageNeverPull",
    "ErrImagePull",
    "ImageInspectError",
    "ImagePullBackOff",
    "InvalidImageName",
    "RegistryUnavailable",
}
_JOIN = Text(
    "Join an edge with keadm join, then run the gate again.",
    zh="请先用 keadm join 加入边缘节点，再运行连通性验收（gate）。",
)

Judge = Callable[[GatePod], Finding]


def each_edge(pods: GatePods, edges: EdgeNodes | Unavailable, judge: Judge) -> Iterator[Finding]:
    """``judge`` of each running test pod, and for every other edge that is asked about the reason why there is none."""
    if not pods.items:
        yield skipped(
            Text(
                "Not asked: only `kedoctor gate` makes the test pods that this needs.",
                zh="未检查：只有 `kedoctor gate` 才会创建所需的测试 Pod。",
            )
        )
    for name, pod in pods.items.items():
        if not name:
            yield _nowhere(pod, edges)
        elif pod.runs:
            yield judge(pod)
        else:
            yield _without(name, pod, edges)


def _nowhere(pod: GatePod, edges: EdgeNodes | Unavailable) -> Finding:
    if isinstance(edges, Unavailable):
        return unknown(
            Text(
                f"Nothing is proved: which edges there are could not be read ({edges}).",
                zh=f"未能证明任何功能：无法读取边缘节点列表（{edges.in_chinese}）。",
            ),
            commands=("kubectl get nodes",),
        )
    if edges.items:
        return unknown(
            Text(
                f"Nothing is proved: no test pod was made ({pod.missing}).",
                zh=f"未能证明任何功能：未创建测试 Pod（{pod.missing}）。",
            )
        )
    return unknown(
        Text(
            "Nothing is proved: there is no edge node to make a test pod on.",
            zh="未能证明任何功能：没有可创建测试 Pod 的边缘节点。",
        ),
        hint=_JOIN,
        commands=(
            "kubectl get nodes -o wide",
            "keadm gettoken   # on the cloud; then keadm join on the edge",
        ),
    )


def _without(name: str, pod: GatePod, edges: EdgeNodes | Unavailable) -> Finding:
    edge = None if isinstance(edges, Unavailable) else edges.named(name)
    if not isinstance(edges, Unavailable) and edge is None:
        return _not_proved(
            name,
            Text(f"there is no edge node {name}", zh=f"没有名为 {name} 的边缘节点"),
            _JOIN,
            "kubectl get nodes",
        )
    if edge is not None and edge.absent_as_planned:
        return skipped(
            Text(f"{name} is cordoned and away.", zh=f"{name} 已 cordon 且不在线。"), subject=name, node=name
        )
    return _not_made(name, pod) if pod.missing else _not_running(name, pod, edge)


def _not_proved(
    name: str, why: Text, hint: Text, *commands: str, evidence: tuple[Evidence, ...] = ()
) -> Finding:
    return unknown(
        Text(f"Not proved on {name}: {why.en}.", zh=f"未能在 {name} 上证明：{why.zh}。"),
        subject=name,
        node=name,
        evidence=evidence,
        hint=hint,
        commands=commands,
    )


NO_RIGHT = Text(
    "This user lacks a right that the gate needs: have an administrator bind the roles that kedoctor prints.",
    zh="当前用户缺少连通性验收（gate）所需的权限：请管理员绑定 kedoctor 输出的角色。",
)
PRINT_RIGHTS = "kedoctor rbac --gate"
"""The command that prints them."""


def _not_made(name: str, pod: GatePod) -> Finding:
    words = pod.missing.rstrip(". ")
    why = Text(f"there is no test pod ({words})", zh=f"没有测试 Pod（{words}）")
    if "cannot create resource" in words or "cannot list resource" in words:
        return _not_proved(
            name,
            why,
            NO_RIGHT,
            PRINT_RIGHTS,
            "kubectl auth can-i create namespaces",
            "kubectl auth can-i create pods -A",
        )
    if "quota" in words:
        hint = Text(
            "A quota of the cluster refuses it: allow a pod of 5m CPU and 8Mi memory for each edge.",
            zh="集群配额拒绝了该 Pod：请为每个边缘节点允许一个 5m CPU、8Mi 内存的 Pod。",
        )
        return _not_proved(name, why, hint, "kubectl get resourcequota -A")
    if "admission webhook" in words or "PodSecurity" in words or "forbidden" in words:
        hint = Text(
            "An admission rule refuses the test pod: exempt the namespaces kedoctor-gate-* from it.",
            zh="准入规则拒绝了测试 Pod：请将命名空间 kedoctor-gate-* 排除在外。",
        )
        return _not_proved(
            name, why, hint, "kubectl get validatingwebhookconfigurations,mutatingwebhookconfigurations"
        )
    hint = Text("Put that right, then run the gate again.", zh="请先解决该问题，再运行连通性验收（gate）。")
    return _not_proved(name, why, hint, f"kubectl describe node {name}")


def _not_running(name: str, pod: GatePod, edge: EdgeNode | None) -> Finding:
    reason, message = pod.trouble
    evidence = (Evidence(f"pod {pod.metadata.namespace}/{pod.metadata.name}, status", _status(pod)),)
    if reason in _NO_IMAGE:
        return _no_image(name, pod, evidence)
    if edge is not None and not edge.is_ready:
        return _not_proved(
            name,
            Text(
                f"its test pod does not run, and {name} is not Ready (KE702)",
                zh=f"测试 Pod 未运行，且 {name} 不是 Ready（KE702）",
            ),
            Text(f"Bring {name} back first.", zh=f"请先恢复 {name}。"),
            f"kubectl describe node {name}",
            f"sudo kedoctor run  # on {name}",
            evidence=evidence,
        )
    if pod.is_untouched:
        return _not_proved(
            name,
            Text(
                f"{name} is Ready, and has said nothing of its test pod yet",
                zh=f"{name} 为 Ready，但尚未上报测试 Pod 的任何状态",
            ),
            Text(
                "The edge does not get the pod, or does not report it: look at its hub link and at edgecore's log.",
                zh="边缘节点未收到该 Pod 或未上报：请检查其到云端的连接和 edgecore 日志。",
            ),
            f"sudo journalctl -u edgecore -n 100 --no-pager  # on {name}",
            f"sudo kedoctor run  # on {name}",
            evidence=evidence,
        )
    words = f"{reason}: {message}" if message else reason or "it does not run"
    return _not_proved(
        name,
        Text(f"its test pod does not start ({words})", zh=f"测试 Pod 未能启动（{words}）"),
        Text(
            f"Look at the container runtime and CNI on {name}: what they say there is not sent to the cloud.",
            zh=f"请检查 {name} 上的容器运行时和 CNI：其错误不会上报云端。",
        ),
        f"sudo journalctl -u edgecore -n 100 --no-pager  # on {name}",
        f"sudo crictl pods --namespace {pod.metadata.namespace}  # on {name}, while the gate runs",
        evidence=evidence,
    )


def _no_image(name: str, pod: GatePod, evidence: tuple[Evidence, ...]) -> Finding:
    image = next((one.image for one in pod.status.container_statuses or () if one.image), "the test image")
    reason = pod.trouble[0]
    return _not_proved(
        name,
        Text(f"it does not have the image {image} ({reason})", zh=f"缺少镜像 {image}（{reason}）"),
        Text(
            "Import the test image of the offline bundle there, or name one that the edge has with --image.",
            zh="请在该边缘节点导入离线包中的测试镜像，或用 --image 指定边缘节点已有的镜像。",
        ),
        f"sudo ctr -n k8s.io images ls | grep busybox  # on {name}",
        f"sudo ctr -n k8s.io images import busybox-1.36.tar  # on {name}, from the offline bundle",
        evidence=evidence,
    )


def _status(pod: GatePod) -> str:
    reason, message = pod.trouble
    parts = (pod.status.phase or "no phase", reason, message)
    return ", ".join(part for part in parts if part)
