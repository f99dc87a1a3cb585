"""Before the cloud side is installed: what was asked for, the bundle, the host. Nothing is ever done about these.

Every one of them is looked at before anything is changed, so that an install that cannot end well does not begin
(kubeprepare.md §1.3, §5.5).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from kedoctor.api import (
    Evidence,
    Finding,
    Occasion,
    Side,
    Text,
    Unavailable,
    check,
    failed,
    passed,
    unknown,
    warned,
)
from kedoctor.checks.facts.cloud_host import CloudProcesses, CloudSockets, HostAddresses
from kedoctor.checks.facts.cloud_install import (
    CloudBundle,
    CloudRequest,
    Distribution,
    HostFitness,
    K3sHere,
    KubernetesHere,
    VerifiedBundle,
)
from kedoctor.checks.offline_bundle import Shortcoming, judge

__all__ = ["install_bundle", "install_host", "install_ports", "install_request"]

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_BEGINNING = datetime(2025, 10, 1, tzinfo=UTC)
"""A clock before this is wrong: KubeEdge v1.22 was not there yet."""

_INSTALL = (Occasion.INSTALL,)


# ------------------------------------------------------------------------------------------ what was asked


@check(
    code="KE951",
    slug="cloud-install-request",
    title=Text("What was asked for can be installed", zh="安装参数可用"),
    side=Side.CLOUD,
    occasions=_INSTALL,
    references=("kubeprepare.md B40", "facts.md §3.4", "facts.md §9"),
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
            Text(f"{written} is no IP address", zh=f"{written} 不是 IP 地址"),
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
                zh=f"边缘将连接 {written}，它是本机地址。",
            ),
            subject="--advertise-address",
        )
    return warned(
        Text(
            f"{written} is no address of this host: fine behind NAT or a load balancer that sends 10000, 10002 and "
            "10004 here, and wrong otherwise.",
            zh=f"{written} 不是本机地址：若经 NAT 或负载均衡将 10000、10002、10004 转发到本机则可用，否则有误。",
        ),
        expected=Text("an address that leads to this host", zh="能到达本机的地址"),
        actual=", ".join(sorted(addresses.ipv4 - {"127.0.0.1"})) or "no address",
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
        expected=Text("an IPv4 address that edges can reach", zh="边缘可访问的 IPv4 地址"),
        actual=written,
        hint=Text("Name it with --advertise-address.", zh="请用 --advertise-address 指定。"),
        subject="--advertise-address",
        commands=("ip -br -4 addr",),
    )


def _name(request: CloudRequest, k3s: K3sHere) -> Finding:
    name = request.node_name
    known = str((k3s.settings or {}).get("node-name", ""))
    if not _NAME.fullmatch(name) or len(name) > 253:
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
            actual="another machine",
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
                f"{place} holds what KubeEdge {usable.versions.kubeedge} needs on a cloud host ({usable.architecture}; "
                f"{verified.bundle.compared} checksums compared).",
                zh=f"{place} 包含云端安装 KubeEdge {usable.versions.kubeedge} 所需内容（{usable.architecture}；"
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
        actual="an archive",
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


# ------------------------------------------------------------------------------------------ the host


@check(
    code="KE953",
    slug="cloud-install-host",
    title=Text("This host can become the cloud side", zh="本机可以作为云端"),
    side=Side.CLOUD,
    occasions=_INSTALL,
    references=("facts.md §3.3", "facts.md §10 (1)", "kubeprepare.md §1.3", "requirements.md R124"),
)
def install_host(
    fitness: HostFitness,
    kubernetes: KubernetesHere,
    processes: CloudProcesses,
    usable: CloudBundle | Unavailable,
) -> Iterator[Finding]:
    """Who looks, systemd, the default route, the clock, and what Kubernetes is here already."""
    yield _privileges(fitness)
    yield _route(fitness)
    yield _clock(
        fitness, "" if isinstance(usable, Unavailable) else usable.bundle.stated.get("build_date", "")
    )
    yield _kubernetes(kubernetes, processes)


def _privileges(fitness: HostFitness) -> Finding:
    if fitness.uid != 0:
        return failed(
            Text("Only root can install the cloud side.", zh="只有 root 可以安装云端。"),
            expected=Text("root", zh="root"),
            actual=f"uid {fitness.uid}",
            hint=Text("Run it with sudo.", zh="请使用 sudo 运行。"),
            subject="user",
        )
    if not fitness.systemd:
        return failed(
            Text(
                "systemd does not run on this host, and K3s needs it here.",
                zh="本机未运行 systemd，而 K3s 需要它。",
            ),
            expected=Text("systemd as process 1", zh="systemd 为 1 号进程"),
            actual="no systemd",
            hint=Text("Install on a host with systemd.", zh="请在有 systemd 的主机上安装。"),
            subject="systemd",
            commands=("ps -p 1 -o comm=",),
        )
    return passed(Text("root looks, and systemd runs.", zh="以 root 运行，且 systemd 正常。"), subject="user")


def _route(fitness: HostFitness) -> Finding:
    if not fitness.default_address:
        return failed(
            Text(
                "This host has no IPv4 default route: K3s finds no address for its node, and cloudcore would write an empty "
                "address into its record of tunnel ports.",
                zh="本机没有 IPv4 默认路由：K3s 无法确定节点地址，cloudcore 会在隧道端口记录中写入空地址。",
            ),
            expected=Text("a default route (it need not lead anywhere)", zh="一条默认路由（无需真正可达）"),
            actual="none",
            hint=Text(
                "Add one, and make it stay in the network configuration of this host.",
                zh="请添加默认路由，并写入本机的网络配置。",
            ),
            subject="default route",
            evidence=(Evidence("ip route", "no default"),),
            commands=("ip -br -4 addr", "sudo ip route add default dev <interface>"),
        )
    return passed(
        Text(
            f"The default route leaves by {fitness.default_interface} ({fitness.default_address}).",
            zh=f"默认路由经 {fitness.default_interface}（{fitness.default_address}）。",
        ),
        subject="default route",
    )


def _clock(fitness: HostFitness, built: str) -> Finding:
    earliest = max(_BEGINNING, _day(built) or _BEGINNING)
    if fitness.now < earliest - timedelta(days=1):
        return failed(
            Text(
                f"The clock of this host says {fitness.now:%Y-%m-%d %H:%M} UTC, which is before what is to be installed was "
                f"made ({earliest:%Y-%m-%d}): its certificates would be of the past.",
                zh=f"本机时钟为 {fitness.now:%Y-%m-%d %H:%M} UTC，早于待安装内容的制作时间（{earliest:%Y-%m-%d}）："
                "签发的证书日期将是错误的。",
            ),
            expected=Text(f"a time after {earliest:%Y-%m-%d}", zh=f"晚于 {earliest:%Y-%m-%d} 的时间"),
            actual=f"{fitness.now:%Y-%m-%dT%H:%M:%SZ}",
            hint=Text("Set the clock first.", zh="请先校准时钟。"),
            subject="clock",
            commands=("date -u", "sudo date -u -s 'YYYY-MM-DD HH:MM:SS'; sudo hwclock --systohc"),
        )
    return passed(
        Text(
            f"The clock says {fitness.now:%Y-%m-%d %H:%M} UTC.",
            zh=f"时钟为 {fitness.now:%Y-%m-%d %H:%M} UTC。",
        ),
        subject="clock",
    )


def _day(text: str) -> datetime | None:
    """The day in ``build_date``, whatever else is in it."""
    found = re.match(r"\d{4}-\d\d-\d\d", text)
    try:
        return datetime.fromisoformat(f"{found[0]}T00:00:00+00:00") if found else None
    except ValueError:
        return None


def _kubernetes(kubernetes: KubernetesHere, processes: CloudProcesses) -> Finding:
    if kubernetes.distribution is Distribution.MEMBER:
        return failed(
            Text(
                f"This host is a node of a cluster whose servers are elsewhere ({kubernetes.shown_by}).",
                zh=f"本机是其他集群的节点，控制面不在本机（{kubernetes.shown_by}）。",
            ),
            expected=Text("no Kubernetes, or its server", zh="没有 Kubernetes，或为其控制面主机"),
            actual=kubernetes.shown_by,
            hint=Text(
                "Install on the server of that cluster, or take this host out of it.",
                zh="请在该集群的控制面主机上安装，或先将本机移出集群。",
            ),
            subject="Kubernetes",
        )
    if processes.cloudcore is not None and kubernetes.distribution is Distribution.NONE:
        return failed(
            Text(
                f"A cloudcore runs here as a program of its own (pid {processes.cloudcore.pid}): keadm refuses beside it.",
                zh=f"本机已有独立运行的 cloudcore（pid {processes.cloudcore.pid}）：keadm 会因此拒绝安装。",
            ),
            expected=Text("no cloudcore outside of Kubernetes", zh="没有集群之外的 cloudcore"),
            actual=f"pid {processes.cloudcore.pid}",
            hint=Text("Keep it and do not install, or stop it first.", zh="请保留它而不安装，或先停止它。"),
            subject="Kubernetes",
            commands=(f"ps -fp {processes.cloudcore.pid}",),
        )
    return passed(_KEPT[kubernetes.distribution](kubernetes.shown_by), subject="Kubernetes")


_KEPT = {
    Distribution.NONE: lambda _: Text(
        "There is no Kubernetes yet: K3s is installed.", zh="尚无 Kubernetes：将安装 K3s。"
    ),
    Distribution.K3S: lambda how: Text(
        f"K3s is here ({how}); it stays, and only its settings are put right.",
        zh=f"已有 K3s（{how}）；将保留，只修正其设置。",
    ),
    Distribution.OTHER: lambda how: Text(
        f"A Kubernetes is here ({how}); it is left as it is.", zh=f"已有 Kubernetes（{how}）；将保持不变。"
    ),
}


# ------------------------------------------------------------------------------------------ ports

_PORTS = {
    6443: "kube-apiserver",
    10000: "cloudcore",
    10002: "cloudcore",
    10003: "cloudcore",
    10004: "cloudcore",
    9091: "cloudcore",
    10250: "kubelet",
}
"""Who needs which port; 9091 on loopback ends cloudcore at start when it is taken (facts.md §1.2)."""

_OWNERS = {
    "kube-apiserver": ("k3s-server", "k3s", "kube-apiserver"),
    "cloudcore": ("cloudcore",),
    "kubelet": ("k3s-server", "k3s", "kubelet"),
}


@check(
    code="KE954",
    slug="cloud-install-ports",
    title=Text("The ports of the cloud side are free, or its own", zh="云端端口空闲或已由其自身使用"),
    side=Side.CLOUD,
    occasions=_INSTALL,
    references=("facts.md §3.5", "facts.md §10 (36, 37)", "kubeprepare.md §1.7", "kubeprepare.md B44"),
)
def install_ports(sockets: CloudSockets) -> Iterator[Finding]:
    """6443, 10250, 10000, 10002, 10003, 10004 and 9091: nobody has them, or those they are meant for."""
    taken = [
        (port, owner, one)
        for port, owner in _PORTS.items()
        for one in sockets.listening(port)
        if one.process not in _OWNERS[owner]
    ]
    for port, owner, one in taken:
        who = f"{one.process} (pid {one.pid})" if one.process else "a process that is not visible"
        if not one.process:
            yield unknown(
                Text(
                    f"Something listens on {port}, which {owner} needs, but its owner is not visible to this user.",
                    zh=f"端口 {port}（{owner} 需要）已有监听，但当前用户看不到其所有者。",
                ),
                subject=f"port {port}",
                hint=Text("Run kedoctor as root.", zh="请以 root 运行 kedoctor。"),
                commands=(f"sudo ss -tlnp 'sport = :{port}'",),
            )
            continue
        yield failed(
            Text(
                f"{who} listens on {port}, which {owner} needs.",
                zh=f"{who} 占用了 {owner} 所需的端口 {port}。",
            ),
            expected=Text(f"{port} free, or held by {owner}", zh=f"端口 {port} 空闲或由 {owner} 使用"),
            actual=f"{one.local_address or '*'}:{port} {who}",
            hint=Text(
                f"Stop {one.process}, or give it another port.", zh=f"请停止 {one.process} 或更换其端口。"
            ),
            subject=f"port {port}",
            evidence=(Evidence("ss -tlnp", f"{one.local_address or '*'}:{port} {who}"),),
            commands=(f"sudo ss -tlnp 'sport = :{port}'",),
        )
    if not taken:
        yield passed(
            Text(
                f"Nobody else listens on {', '.join(map(str, sorted(_PORTS)))}.",
                zh=f"{'、'.join(map(str, sorted(_PORTS)))} 端口没有被他人占用。",
            )
        )
