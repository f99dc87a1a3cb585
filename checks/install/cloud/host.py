"""The host on which the cloud side is installed: who looks, its routes, its clock, its Kubernetes, its ports.

Preflight of an install, as in install_cloud_preflight: nothing is ever done about these.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from kedoctor.api import (
    Evidence,
    Finding,
    RunMode,
    Side,
    Text,
    Unavailable,
    check,
    failed,
    passed,
    patterns,
    unknown,
)
from kedoctor.checks.facts.cloud.cloud_host import CloudProcesses, CloudSockets
from kedoctor.checks.install.cloud.facts_installed import Distribution, KubernetesHere
from kedoctor.checks.install.cloud.facts_request import CloudBundle, HostFitness

__all__ = ["install_host", "install_ports"]

_BEGINNING = datetime(2025, 10, 1, tzinfo=UTC)
"""A clock before this is wrong: KubeEdge v1.22 was not there yet."""

_INSTALL = (RunMode.INSTALL,)


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
            actual=Text("no systemd", zh="没有 systemd"),
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
            actual=Text("none", zh="无"),
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
    found = patterns.compiled(r"\d{4}-\d\d-\d\d").match(text)
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
    return passed(_kept(kubernetes), subject="Kubernetes")


def _kept(kubernetes: KubernetesHere) -> Text:
    how = kubernetes.shown_by
    if kubernetes.distribution is Distribution.K3S:
        return Text(
            f"K3s is here ({how}); it stays, and only its settings are put right.",
            zh=f"已有 K3s（{how}）；将保留，只修正其设置。",
        )
    if kubernetes.is_foreign:
        return Text(
            f"A Kubernetes is here ({how}); it is left as it is.",
            zh=f"已有 Kubernetes（{how}）；将保持不变。",
        )
    return Text("There is no Kubernetes yet: K3s is installed.", zh="尚无 Kubernetes：将安装 K3s。")


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
                f"No unexpected process listens on {', '.join(map(str, sorted(_PORTS)))}.",
                zh=f"{'、'.join(map(str, sorted(_PORTS)))} 端口没有被他人占用。",
            )
        )
