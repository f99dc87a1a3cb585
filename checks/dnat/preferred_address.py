"""Which address of an edge Node kube-apiserver dials (facts.md §3.1)."""

from __future__ import annotations

from collections.abc import Iterator

from kedoctor.api import (
    Certainty,
    EveryHost,
    Evidence,
    Finding,
    Reason,
    Side,
    Text,
    Unavailable,
    check,
    failed,
    passed,
    skipped,
    unknown,
    warned,
)
from kedoctor.checks.data_path import ALL_STREAMS
from kedoctor.checks.dnat.ipv6 import judge_ipv6
from kedoctor.checks.facts.cloud.apiserver_flags import ApiserverArguments
from kedoctor.checks.facts.cloud.relayed import EdgeAnswers
from kedoctor.checks.facts.cluster.nodes import EdgeNode, EdgeNodes
from kedoctor.checks.facts.edge.routing import EdgeNames

__all__ = ["FLAG", "node_address"]

FLAG = "kubelet-preferred-address-types"
"""The flag of kube-apiserver that orders the addresses of a Node."""

_NOT_ASKED = Unavailable(Reason.NOT_RECORDED, "what edges answer")


@check(
    code="KE311",
    slug="node-address",
    title=Text(
        "kube-apiserver has an address of every edge that it can dial",
        zh="kube-apiserver 有每个边缘节点可用的地址",
    ),
    side=Side.SITE,
    breaks=ALL_STREAMS,
    hop="address",
    explained_by=("KE510", "KE701", "KE201"),
    remedy=Text(
        "Put InternalIP first in kubelet-preferred-address-types; set edged.nodeIP where InternalIP is missing.",
        zh="在 kubelet-preferred-address-types 中将 InternalIP 放在首位；缺少 InternalIP 时设置 edged.nodeIP。",
    ),
    references=("facts.md §3.1", "facts.md §10 (2, 57)", "facts.md §12.6"),
)
def node_address(
    edges: EdgeNodes,
    apiservers: EveryHost[ApiserverArguments],
    names: EveryHost[EdgeNames],
    answers: EdgeAnswers | Unavailable = _NOT_ASKED,
) -> Iterator[Finding]:
    """An InternalIP for each edge, and no API server told to look up names that its ``/etc/hosts`` lacks.

    An order that is not written anywhere is judged only where all flags were read (MicroK8s' file of them): what a process
    table shows may be cut off.
    """
    if not edges.items:
        yield unknown(Text("There is no edge node to judge.", zh="没有可判断的边缘节点。"))
    by_name = {
        host: arguments
        for host, arguments in apiservers.known().items()
        if (FLAG in arguments.flags or arguments.complete)
        and arguments.kubelet_preferred_address_types[0] == "Hostname"
    }
    asked = {} if isinstance(answers, Unavailable) else {one.edge: one for one in answers.items}
    for node in edges.items:
        six = ":" in node.internal_ip and not node.runs_foreign_kubelet and not node.absent_as_planned
        yield judge_ipv6(node, asked.get(node.name)) if six else _judge(node, by_name, names)


def _judge(node: EdgeNode, by_name: dict[str, ApiserverArguments], names: EveryHost[EdgeNames]) -> Finding:
    if not node.internal_ip:
        return (
            skipped(_away(node), subject=node.name, node=node.name)
            if not node.is_ready
            else _no_address(node)
        )
    for host, arguments in by_name.items():
        known = names.known().get(host)
        if node.hostname and known is not None and not known.addresses_of(node.hostname):
            return _looked_up(node, host, arguments)
    return passed(
        Text(
            f"kube-apiserver can dial {node.name} at its InternalIP {node.internal_ip}.",
            zh=f"kube-apiserver 可使用 {node.name} 的 InternalIP {node.internal_ip}。",
        ),
        subject=node.name,
        node=node.name,
    )


def _away(node: EdgeNode) -> Text:
    return Text(
        f"{node.name} has reported no address yet, and it is not Ready (KE702).",
        zh=f"{node.name} 尚未上报地址，且不是 Ready（KE702）。",
    )


def _no_address(node: EdgeNode) -> Finding:
    return failed(
        Text(
            f"Node {node.name} has no InternalIP: kube-apiserver has no address at which it could dial it.",
            zh=f"节点 {node.name} 没有 InternalIP：kube-apiserver 没有可连接的地址。",
        ),
        expected=Text(
            "an address of type InternalIP in status.addresses", zh="status.addresses 中有 InternalIP"
        ),
        actual=f"Hostname {node.hostname}" if node.hostname else Text("no address", zh="没有地址"),
        hint=Text(
            "Set modules.edged.nodeIP on that edge, or give it a default route.",
            zh="在该边缘节点设置 modules.edged.nodeIP，或为其配置默认路由。",
        ),
        subject=node.name,
        node=node.name,
        evidence=(Evidence(f"node/{node.name}, status.addresses", node.hostname or "empty"),),
        commands=(
            f"kubectl get node {node.name} -o jsonpath='{{.status.addresses}}'",
            f"ip route show default  # on {node.name}",
        ),
    )


def _looked_up(node: EdgeNode, host: str, arguments: ApiserverArguments) -> Finding:
    source = arguments.source(FLAG)
    order = ",".join(arguments.kubelet_preferred_address_types)
    return warned(
        Text(
            f"kube-apiserver on {host} dials edges by host name first ({order}), and /etc/hosts there lacks {node.hostname}: "
            "unless a DNS knows it, requests end with `no such host`.",
            zh=f"{host} 上的 kube-apiserver 优先使用主机名（{order}），而该处 /etc/hosts 中没有 {node.hostname}："
            "除非 DNS 能解析，否则请求会报 `no such host`。",
        ),
        expected=Text("InternalIP first", zh="InternalIP 在首位"),
        actual=order,
        hint=Text(
            f"Set --{FLAG}=InternalIP,ExternalIP,Hostname; as a stopgap add the name to /etc/hosts of {host}.",
            zh=f"设置 --{FLAG}=InternalIP,ExternalIP,Hostname；临时可在 {host} 的 /etc/hosts 中添加该名称。",
        ),
        subject=node.name,
        node=node.name,
        evidence=(Evidence(source, f"--{FLAG}={order}"),),
        commands=(f"getent hosts {node.hostname}  # on {host}",),
        breaks=(),
        certainty=Certainty.IMPLIED,
        root=True,  # a flag of the API server, whatever happens on an edge
    )
