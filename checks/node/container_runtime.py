"""The container runtime under edgecore: does its CRI answer, has it a network and the sandbox image (facts.md §5.5, §10)."""

from __future__ import annotations

from kedoctor.api import (
    Evidence,
    Finding,
    Reason,
    Risk,
    Side,
    Text,
    ToolOutput,
    Unavailable,
    check,
    failed,
    passed,
    patterns,
    unknown,
    warned,
)
from kedoctor.checks.data_path import ALL_STREAMS
from kedoctor.checks.facts.cluster.nodes import EdgeNodes
from kedoctor.checks.facts.edge.container_runtime import (
    CniNetwork,
    CniSetup,
    ContainerdSettings,
    CriSocket,
    MemoryCgroup,
    SandboxImages,
)
from kedoctor.checks.facts.edge.edgecore import EdgecoreConfig, EdgecoreUnit, EdgeName
from kedoctor.checks.facts.edge.edgecore_log import EdgecoreLog, quoted

__all__ = ["cni", "memory_cgroup", "runtime_cri", "sandbox_image", "two_default_routes"]

# What crictl says for other reasons (no permission, an older CRI than the runtime's) proves nothing about edgecore.
_NO_CRI = patterns.compiled(
    r"connection refused|no such file or directory|unknown service runtime\.v1\.RuntimeService"
)
_REFUSED = "validate CRI v1 runtime API"
_RESTART = "sudo systemctl restart containerd && sudo systemctl restart edgecore"
_DEFAULT_SANDBOX = "pause"


@check(
    code="KE706",
    slug="runtime-cri",
    title=Text("The container runtime answers edgecore", zh="容器运行时可应答 edgecore"),
    side=Side.EDGE,
    breaks=(*ALL_STREAMS, "ready"),
    hop="runtime",
    builds_on=("KE201",),
    remedy=Text(
        "Switch the CRI plugin on, start the runtime, then edgecore.",
        zh="启用 CRI 插件，先启动运行时，再启动 edgecore。",
    ),
    risk=Risk.RESTARTS_EDGECORE,
    references=("facts.md §2.2", "facts.md §5.5", "facts.md §10 (45)"),
)
def runtime_cri(
    config: EdgecoreConfig,
    socket: CriSocket,
    settings: ContainerdSettings | Unavailable,
    log: EdgecoreLog | Unavailable,
) -> Finding:
    """The socket of ``containerRuntimeEndpoint``, the disabled plugins, and what crictl or edgecore got from it."""
    node, metadata = config.node_name, socket.metadata
    if isinstance(metadata, Unavailable) and metadata.reason is Reason.ABSENT:
        told = Text(f"there is no socket {socket.path}", zh=f"套接字 {socket.path} 不存在")
        return _dead(node, socket, told, f"{socket.path}: no such file")
    if isinstance(settings, ContainerdSettings) and settings.cri_disabled:
        told = Text(f"the CRI plugin is disabled in {settings.path}", zh=f"{settings.path} 中禁用了 CRI 插件")
        return _dead(node, socket, told, "disabled_plugins names cri")
    if isinstance(socket.version, ToolOutput):
        if not socket.version.exit_code:
            return _answers(node, socket, "crictl version")
        said = socket.version.stderr.strip() or socket.version.stdout.strip()
        if _NO_CRI.search(said):
            told = Text(f"it does not answer {socket.path}", zh=f"{socket.path} 无应答")
            return _dead(node, socket, told, said.splitlines()[-1][:200])
    ended = None if isinstance(log, Unavailable) else log.ended_with()
    refused = None if isinstance(log, Unavailable) else log.newest(_REFUSED)
    if refused is not None and ended is not None:
        told = Text("edgecore got no CRI from it and ended", zh="edgecore 无法使用其 CRI 而退出")
        return _dead(node, socket, told, quoted(refused))
    if isinstance(metadata, Unavailable):
        return unknown(
            Text(
                f"Whether the container runtime of {node} answers is unknown: {metadata}.",
                zh=f"无法得知 {node} 的容器运行时是否应答：{metadata.in_chinese}。",
            ),
            subject=node,
            node=node,
            commands=("sudo crictl version",),
        )
    return _answers(node, socket, "its socket is there and edgecore does not complain")


def _answers(node: str, socket: CriSocket, how: str) -> Finding:
    return passed(
        Text(
            f"The container runtime of {node} is at {socket.endpoint}.",
            zh=f"{node} 的容器运行时位于 {socket.endpoint}。",
        ),
        subject=node,
        node=node,
        evidence=(Evidence(socket.endpoint, how),),
    )


def _dead(node: str, socket: CriSocket, why: Text, actual: str) -> Finding:
    return failed(
        Text(
            f"The container runtime of {node} cannot be used by edgecore: {why.en}.",
            zh=f"edgecore 无法使用 {node} 的容器运行时：{why.zh}。",
        ),
        expected=Text(f"a CRI at {socket.endpoint}", zh=f"{socket.endpoint} 提供 CRI"),
        actual=actual,
        hint=Text("Start the runtime, with its CRI plugin on.", zh="启动运行时并启用其 CRI 插件。"),
        subject=node,
        node=node,
        evidence=(Evidence(socket.endpoint, actual),),
        commands=(
            "systemctl status containerd --no-pager",
            "sudo grep -n disabled_plugins /etc/containerd/config.toml   # it must not name cri",
            _RESTART,
            "sudo crictl version",
        ),
    )


@check(
    code="KE707",
    slug="cni",
    title=Text("The runtime has a CNI network", zh="运行时已配置 CNI 网络"),
    side=Side.EDGE,
    breaks=("ready",),
    hop="runtime",
    builds_on=("KE201",),
    explained_by=("KE706",),
    remedy=Text("Install the CNI plugins and a network configuration.", zh="安装 CNI 插件和网络配置。"),
    risk=Risk.RESTARTS_EDGECORE,
    references=("facts.md §5.5", "facts.md §10 (45)", "kubeprepare.md §3.3"),
)
def cni(
    config: EdgecoreConfig,
    setup: CniSetup,
    edges: EdgeNodes | Unavailable,
    runtime: ContainerdSettings | Unavailable,
) -> Finding:
    """A readable configuration in the runtime's CNI directory, and a program for every plugin it names."""
    node = config.node_name
    usable = [one for one in setup.networks if not one.error]
    twice = bool(usable) and usable[0].two_default_routes
    if usable and not setup.missing and not twice:
        network = usable[0]
        return passed(
            Text(
                f"The runtime of {node} has the network {network.path} ({', '.join(network.plugins)}).",
                zh=f"{node} 的运行时使用网络配置 {network.path}（{'、'.join(network.plugins)}）。",
            ),
            subject=node,
            node=node,
        )
    broken = next((one for one in setup.networks if one.error), None)
    if setup.missing:
        bins = ", ".join(setup.bins)
        told = Text(
            f"the plugins {', '.join(setup.missing)} of {setup.networks[0].path} are not in {bins}",
            zh=f"{bins} 中缺少 {setup.networks[0].path} 所用的插件 {'、'.join(setup.missing)}",
        )
    elif twice:
        told = two_default_routes(usable[0])
    elif broken is not None:
        told = Text(
            f"{broken.path} cannot be read ({broken.error})", zh=f"{broken.path} 无法读取（{broken.error}）"
        )
    else:
        told = Text(
            f"{setup.directory} holds no network configuration", zh=f"{setup.directory} 中没有网络配置"
        )
    known = None if isinstance(edges, Unavailable) else edges.named(node)
    works = (known is not None and known.is_ready) or isinstance(runtime, Unavailable)
    return _no_network(node, setup, told, works=works)


def two_default_routes(network: CniNetwork) -> Text:
    """What is wrong with a network that has ``two_default_routes``, as a clause."""
    return Text(
        f"{network.path} gives pods the default route twice, by isDefaultGateway and by ipam.routes "
        "(`failed to add route … file exists`)",
        zh=f"{network.path} 通过 isDefaultGateway 和 ipam.routes 两次添加默认路由（`failed to add route … file exists`）",
    )


def _no_network(node: str, setup: CniSetup, why: Text, *, works: bool) -> Finding:
    tell = warned if works else failed
    follows = (
        Text("pods that do not use the host's network will not start", zh="不使用主机网络的 Pod 无法启动")
        if works
        else Text(
            "the runtime reports its network as not ready, and so is the Node",
            zh="运行时网络未就绪，节点因此 NotReady",
        )
    )
    return tell(
        Text(
            f"The runtime of {node} has no usable CNI network: {why.en}; {follows.en}.",
            zh=f"{node} 的运行时没有可用的 CNI 网络：{why.zh}；{follows.zh}。",
        ),
        expected=Text(
            f"a network in {setup.directory} and its plugins", zh=f"{setup.directory} 中有网络配置及其插件"
        ),
        actual=why,
        hint=Text(
            "Put the CNI plugins of your offline bundle into /opt/cni/bin and a bridge network into /etc/cni/net.d.",
            zh="将离线包中的 CNI 插件放入 /opt/cni/bin，并在 /etc/cni/net.d 中放置网桥网络配置。",
        ),
        subject=node,
        node=node,
        evidence=(Evidence(setup.directory, why.en),),
        commands=(f"ls -l {setup.directory} {setup.bins[0]}", _RESTART),
        breaks=() if works else None,
        hop="" if works else None,
    )


@check(
    code="KE708",
    slug="sandbox-image",
    title=Text("The runtime has its sandbox image", zh="运行时已有沙箱镜像"),
    side=Side.EDGE,
    hop="runtime",
    builds_on=("KE201",),
    explained_by=("KE706",),
    remedy=Text(
        "Import that image into containerd's namespace k8s.io.",
        zh="将该镜像导入 containerd 的 k8s.io 命名空间。",
    ),
    risk=Risk.SAFE,
    references=("facts.md §2.2", "facts.md §10 (46)"),
)
def sandbox_image(
    config: EdgecoreConfig,
    settings: ContainerdSettings,
    images: SandboxImages,
    log: EdgecoreLog | Unavailable,
) -> Finding:
    """Every pod begins with this image; where there is no registry it has to be there already."""
    node, wanted = config.node_name, settings.sandbox_image
    if images.sandbox_runs:
        return passed(
            Text(
                f"Pod sandboxes run on {node}, so their image is there.",
                zh=f"{node} 上已有 Pod 沙箱在运行，其镜像存在。",
            ),
            subject=node,
            node=node,
        )
    if isinstance(images.names, Unavailable):
        return unknown(
            Text(
                f"The images of {node} were not listed: {images.names}.",
                zh=f"未能列出 {node} 的镜像：{images.names.in_chinese}。",
            ),
            subject=node,
            node=node,
            commands=("sudo ctr -n k8s.io images ls -q | grep pause",),
        )
    held = [one for one in images.names if (one == wanted if wanted else f"/{_DEFAULT_SANDBOX}:" in one)]
    if held:
        return passed(
            Text(f"The sandbox image {held[0]} is on {node}.", zh=f"{node} 上已有沙箱镜像 {held[0]}。"),
            subject=node,
            node=node,
        )
    asked = None if isinstance(log, Unavailable) else log.newest("failed to get sandbox image")
    return _no_sandbox(
        node,
        wanted or "of containerd's default (a pause image)",
        settings,
        "" if asked is None else quoted(asked),
    )


def _no_sandbox(node: str, wanted: str, settings: ContainerdSettings, line: str) -> Finding:
    evidence = (
        Evidence("ctr -n k8s.io images ls -q", f"no {wanted}"),
        *((Evidence("journalctl -u edgecore", line),) if line else ()),
    )
    return warned(
        Text(
            f"The sandbox image {wanted} is not on {node}: without a registry no pod can start there.",
            zh=f"{node} 上没有沙箱镜像 {wanted}：没有镜像仓库时任何 Pod 都无法启动。",
        ),
        expected=Text(
            f"{wanted} in containerd's namespace k8s.io", zh=f"containerd 的 k8s.io 命名空间中有 {wanted}"
        ),
        actual=line or Text("not there", zh="不存在"),
        hint=Text(
            "Import it from the offline bundle; `docker load` does not reach containerd.",
            zh="从离线包导入；`docker load` 不会进入 containerd。",
        ),
        subject=node,
        node=node,
        evidence=evidence,
        commands=(
            f"sudo grep -n sandbox {settings.path}",
            "sudo ctr -n k8s.io images import <pause archive>.tar",
        ),
        breaks=(),
        hop=None if line else "",
    )


@check(
    code="KE709",
    slug="memory-cgroup",
    title=Text("The kernel counts memory by cgroup", zh="内核启用了内存 cgroup"),
    side=Side.EDGE,
    breaks=("top",),
    hop="runtime",
    remedy=Text(
        "Add cgroup_enable=memory cgroup_memory=1 to the kernel's command line and reboot.",
        zh="在内核命令行中加入 cgroup_enable=memory cgroup_memory=1 并重启主机。",
    ),
    references=("facts.md §8.4", "facts.md §10 (48)"),
)
def memory_cgroup(cgroup: MemoryCgroup, name: EdgeName, unit: EdgecoreUnit) -> Finding:
    """Off on some boards by default: containers then have no memory figure, and metrics-server drops the node."""
    node = name.name
    if cgroup.on:
        return passed(
            Text(f"The kernel of {node} counts memory by cgroup.", zh=f"{node} 的内核已启用内存 cgroup。"),
            subject=node,
            node=node,
        )
    beside = " edgecore runs all the same." if unit.runs else ""
    return failed(
        Text(
            f"The memory cgroup of {node} is off: metrics have no memory, kubectl top shows <unknown>.{beside}",
            zh=f"{node} 未启用内存 cgroup：指标缺少内存，kubectl top 显示 <unknown>。",
        ),
        expected=Text("memory enabled", zh="启用 memory"),
        actual=cgroup.line,
        hint=Text(
            "On a Raspberry Pi: append the two words to the one line of /boot/firmware/cmdline.txt, then reboot.",
            zh="树莓派：在 /boot/firmware/cmdline.txt 的唯一一行末尾追加这两个参数，然后重启。",
        ),
        subject=node,
        node=node,
        evidence=(Evidence(cgroup.source, cgroup.line),),
        commands=(
            "cat /proc/cmdline; grep memory /proc/cgroups",
            "sudo sed -i 's/$/ cgroup_enable=memory cgroup_memory=1/' /boot/firmware/cmdline.txt",
            "sudo reboot",
        ),
    )
