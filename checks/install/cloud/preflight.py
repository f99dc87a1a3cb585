"""Before the cloud side is installed: what was asked for, the bundle, the host. Nothing is ever done about these.

Every one of them is looked at before anything is changed, so that an install that cannot end well does not begin
(kubeprepare.md §1.3, §5.5).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from kedoctor.api import (
    Finding,
    RunMode,
    Shortcoming,
    Side,
    Text,
    check,
    failed,
    passed,
    warned,
)
from kedoctor.checks.facts.cloud.cloud_host import HostAddresses
from kedoctor.checks.install.cloud.facts_installed import Distribution, K3sHere, KubernetesHere
from kedoctor.checks.install.cloud.facts_request import CloudBundle, CloudRequest, VerifiedBundle
from kedoctor.checks.offline.judge import judge
from kedoctor.checks.parsers.kubernetes.names import is_node_name

__all__ = ["install_bundle", "install_request"]

_INSTALL = (RunMode.INSTALL,)


# ------------------------------------------------------------------------------------------ what was asked


@check(
    code="KE951",
    slug="cloud-install-request",
    title=Text("What was asked for can be installed", zh="安装参数可用"),
    side=Side.CLOUD,
    occasions=_INSTALL,
    references=("kubeprepare.md B40", "facts.md §3.4", "facts.md §10 (17)"),
)
def install_request(request: CloudRequest, addresses: HostAddresses, k3s: K3sHere) -> Iterator[Finding]:
    """The address that edges dial, and the name of the node."""
    yield _address(request, addresses)
    yield _name(request, k3s)


def _address(request: CloudRequest, addresses: HostAddresses) -> Finding:
    written, address = request.advertise_address, request.address
    if address is None:
        return _wrong_address(
            written,
            Text(f"{written} is not an IP address", zh=f"{written} 不是 IP 地址"),
        )
    if address.version == 6:
        return _wrong_address(
            written,
            Text(
                f"{written} is an IPv6 address, and iptables-manager makes rules for IPv4 only",
                zh=f"{written} 是 IPv6 地址，而 iptables-manager 只支持 IPv4",
            ),
        )
    if address.is_loopback or address.is_unspecified or address.is_multicast or address.is_link_local:
        return _wrong_address(
            written,
            Text(f"no other host can reach {written}", zh=f"其他主机无法访问 {written}"),
        )
    if address == ipaddress.IPv4Address("255.255.255.255") or address.is_reserved:
        return _wrong_address(written, Text(f"{written} is reserved", zh=f"{written} 是保留地址"))
    if addresses.has(str(address)):
        return passed(
            Text(
                f"Edges will dial {written}, which is an address of this host.",
                zh=f"边缘节点将连接 {written}，它是本机地址。",
            ),
            subject="--advertise-address",
        )
    return warned(
        Text(
            f"{written} is not an address of this host: fine behind NAT or a load balancer that sends 10000, 10002 and "
            "10004 here, and wrong otherwise.",
            zh=f"{written} 不是本机地址：若经 NAT 或负载均衡将 10000、10002、10004 转发到本机则可用，否则有误。",
        ),
        expected=Text("an address that leads to this host", zh="能到达本机的地址"),
        actual=", ".join(sorted(addresses.ipv4 - {"127.0.0.1"})) or Text("no address", zh="没有地址"),
        hint=Text(
            "See from an edge host that these ports lead here, or name an address of this host.",
            zh="请在边缘主机上确认这些端口能到达本机，或改用本机地址。",
        ),
        subject="--advertise-address",
        commands=("ip -br -4 addr", f"nc -vz {written} 10000   # on an edge host, once all is installed"),
        breaks=(),
    )


def _wrong_address(written: str, why: Text) -> Finding:
    return failed(
        Text(
            f"Edges cannot be told to dial {written or 'nothing'}: {why.en}.",
            zh=f"不能让边缘连接 {written or '空地址'}：{why.zh}。",
        ),
        expected=Text("an IPv4 address that edges can reach", zh="边缘节点可访问的 IPv4 地址"),
        actual=written,
        hint=Text("Name it with --advertise-address.", zh="请用 --advertise-address 指定。"),
        subject="--advertise-address",
        commands=("ip -br -4 addr",),
    )


def _name(request: CloudRequest, k3s: K3sHere) -> Finding:
    name = request.node_name
    known = str((k3s.settings or {}).get("node-name", ""))
    if not is_node_name(name):
        return failed(
            Text(
                f"{name!r} cannot be the name of a node: Kubernetes takes lower-case letters, digits, - and . only.",
                zh=f"{name!r} 不能作为节点名：Kubernetes 只接受小写字母、数字、- 和 .。",
            ),
            expected=Text("a DNS name in lower case (RFC 1123)", zh="小写 DNS 名称（RFC 1123）"),
            actual=name,
            hint=Text("Give the node a name with --node-name.", zh="请用 --node-name 指定节点名。"),
            subject="--node-name",
        )
    if known and known != name and k3s.begun and request.node_named:
        return failed(
            Text(
                f"This K3s was installed as node {known}; under the name {name} it would join its own cluster a second time.",
                zh=f"本机 K3s 已以节点名 {known} 安装；改名为 {name} 会使其再次加入自己的集群。",
            ),
            expected=Text(f"--node-name {known}, or none", zh=f"--node-name {known}，或不指定"),
            actual=name,
            hint=Text("Leave --node-name out.", zh="请去掉 --node-name。"),
            subject="--node-name",
        )
    return passed(
        Text(f"The node is called {known or name}.", zh=f"节点名为 {known or name}。"), subject="--node-name"
    )


# ------------------------------------------------------------------------------------------ the bundle


@check(
    code="KE952",
    slug="cloud-install-bundle",
    title=Text("The offline bundle is enough for the cloud side", zh="离线包足以安装云端"),
    side=Side.CLOUD,
    occasions=_INSTALL,
    references=("kubeprepare.md §1.2", "requirements.md R091-R097"),
    deadline=600.0,
)
def install_bundle(
    verified: VerifiedBundle, usable: CloudBundle, kubernetes: KubernetesHere
) -> Iterator[Finding]:
    """Every checksum, every image and program that this host lacks, for this machine, before anything is changed."""
    place = verified.bundle.place
    if not usable.architecture:
        yield failed(
            Text(
                "This host is neither amd64 nor arm64, and KubeEdge is released for these only.",
                zh="本机既非 amd64 也非 arm64，而 KubeEdge 只发布这两种架构。",
            ),
            expected=Text("x86_64 or aarch64", zh="x86_64 或 aarch64"),
            actual=Text("another machine", zh="另一台机器"),
            hint=Text("Install on another host.", zh="请在其他主机上安装。"),
            subject=place,
            commands=("uname -m",),
        )
        return
    if verified.bundle.packed:
        yield _packed(place)
        return
    judgement = judge(
        verified.bundle, sides=("cloud",), architecture=usable.architecture, versions=usable.versions
    )
    lacking = [one for one in judgement.shortcomings if one.fatal and not _has_already(one, kubernetes)]
    for one in lacking:
        yield _lacks(place, one)
    if not lacking:
        yield passed(
            Text(
                f"{place} holds what KubeEdge {usable.versions.release} needs on a cloud host ({usable.architecture}; "
                f"{verified.bundle.compared} checksums compared).",
                zh=f"{place} 包含云端安装 KubeEdge {usable.versions.release} 所需内容（{usable.architecture}；"
                f"已比对 {verified.bundle.compared} 个校验和）。",
            ),
            subject=place,
        )


def _has_already(one: Shortcoming, kubernetes: KubernetesHere) -> bool:
    """Whether an existing Kubernetes makes up for it: its own program and the images of its own add-ons."""
    if kubernetes.distribution is Distribution.NONE:
        return False
    return one.about == "k3s" or "/rancher/" in one.about


def _packed(place: str) -> Finding:
    return failed(
        Text(
            f"{place} is an archive; an install takes programs and images out of a directory.",
            zh=f"{place} 是归档文件；安装需要使用解压后的目录。",
        ),
        expected=Text("a directory", zh="目录"),
        actual=Text("an archive", zh="归档文件"),
        hint=Text("Unpack it and name the directory.", zh="请解压并指定目录。"),
        subject=place,
        commands=(f"mkdir -p /srv/kedoctor-bundle && tar -xf {place} -C /srv/kedoctor-bundle",),
    )


def _lacks(place: str, one: Shortcoming) -> Finding:
    return failed(
        Text(f"The offline bundle is not enough: {one.text.en}.", zh=f"离线包不完整：{one.text.zh}。"),
        expected=Text("everything that the cloud side needs", zh="云端所需的全部内容"),
        actual=one.about,
        hint=Text(
            "Make or copy the bundle again, and verify it before it is carried to the site.",
            zh="请重新制作或复制离线包，并在带到现场前校验。",
        ),
        subject=one.about,
        commands=(f"kedoctor bundle verify {place}",),
    )
