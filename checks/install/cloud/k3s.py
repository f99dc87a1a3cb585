"""K3s on the cloud host: its program, the images it starts with, its unit, its settings, and that it runs.

Each is a step of an install (kubeprepare.md §1.3). A K3s that is here already keeps its program, its unit and its
name; only what keeps kube-apiserver from edges is put right. Another Kubernetes is left as it is.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from kedoctor.api import (
    Evidence,
    Finding,
    Risk,
    RunMode,
    Side,
    Text,
    Unavailable,
    check,
    failed,
    passed,
    skipped,
    unknown,
)
from kedoctor.checks.facts.cloud.apiserver_flags import ApiserverArguments
from kedoctor.checks.facts.cloud.cloud_host import HostAddresses
from kedoctor.checks.facts.cluster.nodes import SiteNodes
from kedoctor.checks.install.cloud.facts_installed import (
    K3S_FRAGMENT,
    K3S_IMAGES,
    K3S_KUBECONFIG,
    K3S_PROGRAM,
    ApiReadiness,
    Distribution,
    K3sArchives,
    K3sHere,
    KubernetesHere,
)
from kedoctor.checks.install.cloud.facts_request import CloudBundle, CloudRequest
from kedoctor.checks.parsers.kubernetes import Node
from kedoctor.checks.parsers.kubernetes.pod_health import condition

__all__ = [
    "UNIT_PATH",
    "UNIT_TEXT",
    "k3s_archives",
    "k3s_program",
    "k3s_ready",
    "k3s_settings",
    "k3s_unit",
    "wanted_fragment",
]

_INSTALL = (RunMode.INSTALL,)
UNIT_PATH = "/etc/systemd/system/k3s.service"


def left_alone(kubernetes: KubernetesHere) -> Finding | None:
    """The skip of every K3s step beside another Kubernetes."""
    if not kubernetes.is_foreign:
        return None
    return skipped(
        Text(
            f"Another Kubernetes is here ({kubernetes.shown_by}) and is left as it is.",
            zh=f"本机已有其他 Kubernetes（{kubernetes.shown_by}），保持不变。",
        )
    )


# ------------------------------------------------------------------------------------------ the program


@check(
    code="KE955",
    slug="k3s-program",
    title=Text("The program k3s is in place", zh="k3s 程序已就位"),
    side=Side.CLOUD,
    occasions=_INSTALL,
    remedy=Text("Copy k3s out of the offline bundle.", zh="从离线包复制 k3s。"),
    risk=Risk.SAFE,
    references=("kubeprepare.md §1.3", "kubeprepare.md B38"),
)
def k3s_program(k3s: K3sHere, kubernetes: KubernetesHere) -> Finding:
    """It is there and can be run; one that is there already is kept, whatever its version."""
    skip = left_alone(kubernetes)
    if skip is not None:
        return skip
    program = k3s.program
    if program.present and not program.trouble:
        return passed(
            Text(f"{program.path} is {program.version}.", zh=f"{program.path} 的版本为 {program.version}。"),
            evidence=(Evidence(f"{program.path} --version", program.version),),
        )
    why = Text(f"it does not run ({program.trouble})", zh=f"无法运行（{program.trouble}）")
    if not program.present:
        why = Text("it is not there", zh="不存在")
    return failed(
        Text(f"{program.path}: {why.en}.", zh=f"{program.path}：{why.zh}。"),
        expected=Text("k3s of the offline bundle", zh="离线包中的 k3s"),
        actual=program.trouble or Text("absent", zh="不存在"),
        hint=Text("Copy it out of the offline bundle.", zh="请从离线包复制。"),
        subject=program.path,
        commands=(f"sudo install -m 755 <bundle>/k3s-<arch> {K3S_PROGRAM}",),
    )


# ------------------------------------------------------------------------------------------ the archives


@check(
    code="KE956",
    slug="k3s-archives",
    title=Text("K3s finds the images where it imports them from", zh="镜像归档已放入 K3s 的导入目录"),
    side=Side.CLOUD,
    occasions=_INSTALL,
    remedy=Text(f"Copy the archives into {K3S_IMAGES}.", zh=f"将归档复制到 {K3S_IMAGES}。"),
    risk=Risk.SAFE,
    references=("facts.md §8.5", "kubeprepare.md §1.3", "kubeprepare.md B29"),
)
def k3s_archives(
    bundle: CloudBundle, archives: K3sArchives, k3s: K3sHere, kubernetes: KubernetesHere
) -> Finding:
    """Every archive of the bundle, whole: K3s imports them at each start, so an image that was cleaned up comes back."""
    skip = left_alone(kubernetes)
    if skip is not None:
        return skip
    if kubernetes.distribution is Distribution.K3S and not k3s.ours:
        return skipped(
            Text(
                "This K3s was not installed by kedoctor; its images are imported while it runs (KE960).",
                zh="该 K3s 并非由 kedoctor 安装；镜像将在其运行时导入（KE960）。",
            )
        )
    lacking = archives.lacking(bundle)
    if not lacking:
        return passed(
            Text(
                f"{len(bundle.archives)} archives lie in {K3S_IMAGES}.",
                zh=f"{K3S_IMAGES} 中有 {len(bundle.archives)} 个归档。",
            )
        )
    names = ", ".join(posixpath.basename(one.path) for one in lacking)
    return failed(
        Text(
            f"{len(lacking)} of {len(bundle.archives)} archives are not in {K3S_IMAGES}, so K3s starts without their images.",
            zh=f"{len(bundle.archives)} 个归档中有 {len(lacking)} 个不在 {K3S_IMAGES}，K3s 启动后将缺少这些镜像。",
        ),
        expected=Text("every archive of the cloud side, whole", zh="云端的全部归档，且完整"),
        actual=names,
        hint=Text("Copy them out of the offline bundle.", zh="请从离线包复制。"),
        subject=K3S_IMAGES,
        commands=(f"sudo mkdir -p {K3S_IMAGES}", f"sudo cp <bundle>/images/*.tar {K3S_IMAGES}/"),
    )


# ------------------------------------------------------------------------------------------ the unit

UNIT_TEXT = f"""# Written by kedoctor install cloud.
[Unit]
Description=K3s (Kubernetes of the cloud side)
Documentation=https://k3s.io
Wants=network-online.target
After=network-online.target

[Service]
Type=notify
EnvironmentFile=-/etc/default/%N
ExecStart={K3S_PROGRAM} server
KillMode=process
Delegate=yes
LimitNOFILE=1048576
LimitNPROC=infinity
LimitCORE=infinity
TasksMax=infinity
TimeoutStartSec=600
Restart=always
RestartSec=5s

[Install]
WantedBy=multi-user.target
"""
"""Without arguments: all settings are in config.yaml.d, where they can be corrected one by one."""


@check(
    code="KE957",
    slug="k3s-unit",
    title=Text("systemd knows K3s", zh="systemd 中有 K3s 单元"),
    side=Side.CLOUD,
    occasions=_INSTALL,
    remedy=Text(f"Write {UNIT_PATH}.", zh=f"写入 {UNIT_PATH}。"),
    risk=Risk.SAFE,
    references=("kubeprepare.md §1.3", "kubeprepare.md B43"),
)
def k3s_unit(k3s: K3sHere, kubernetes: KubernetesHere) -> Finding:
    """A unit k3s.service that systemd has loaded, whoever wrote it."""
    skip = left_alone(kubernetes)
    if skip is not None:
        return skip
    if k3s.unit is not None:
        where = k3s.unit.fragment_path or "k3s.service"
        return passed(Text(f"k3s.service is {where}.", zh=f"k3s.service 为 {where}。"))
    return failed(
        Text("systemd knows no k3s.service.", zh="systemd 中没有 k3s.service。"),
        expected=Text(UNIT_PATH, zh=UNIT_PATH),
        actual=Text("not found", zh="未找到"),
        hint=Text("Write the unit and let systemd read it.", zh="请写入该单元并让 systemd 重新加载。"),
        subject="k3s.service",
        commands=("sudo systemctl daemon-reload", "systemctl cat k3s"),
    )


# ------------------------------------------------------------------------------------------ the settings


def wanted_fragment(request: CloudRequest, addresses: HostAddresses, k3s: K3sHere) -> dict[str, object]:
    """What our fragment of K3s' configuration has to say.

    The API server advertises the address only where it is this host's own: behind NAT nobody in the cluster could
    reach it, while its certificate has to name it for everybody outside (kubeprepare.md §3.4).
    """
    known = (k3s.settings or {}).get("node-name")
    fragment: dict[str, object] = {
        "node-name": str(known) if known and k3s.begun else request.node_name,
        "tls-san+": [request.advertise_address],
        "write-kubeconfig-mode": "0600",
    }
    if addresses.has(request.advertise_address):
        fragment["advertise-address"] = request.advertise_address
    return fragment


@check(
    code="KE958",
    slug="k3s-settings",
    title=Text("K3s is set up for edges", zh="K3s 的设置适用于边缘节点"),
    side=Side.CLOUD,
    occasions=_INSTALL,
    remedy=Text(
        "Write them into fragments of K3s' configuration, and restart K3s if it runs.",
        zh="写入 K3s 配置片段；若 K3s 在运行则重启。",
    ),
    risk=Risk.RESTARTS_APISERVER,
    references=("facts.md §8.5", "kubeprepare.md §0.2", "kubeprepare.md §1.3", "kubeprepare.md B43"),
)
def k3s_settings(
    arguments: ApiserverArguments | Unavailable,
    request: CloudRequest,
    addresses: HostAddresses,
    k3s: K3sHere,
    *,
    kubernetes: KubernetesHere,
) -> Iterator[Finding]:
    """The egress selector, the verification of kubelets, and for a K3s of ours its name and addresses."""
    skip = left_alone(kubernetes)
    if skip is not None:
        yield skip
        return
    if isinstance(arguments, Unavailable):
        yield unknown(
            Text(f"K3s' settings were not read: {arguments}.", zh=f"未能读取 K3s 的设置：{arguments}。")
        )
        return
    wrong = list(_wrong(arguments, request, addresses, k3s))
    for name, actual, why in wrong:
        yield _setting(name, actual, why)
    if not wrong and arguments.edited_after_start:
        yield _setting("restart", "written after K3s started", _NOT_IN_FORCE)
    elif not wrong:
        yield passed(
            Text(
                "K3s connects to edges itself and does not verify what answers for them; its names and addresses are set.",
                zh="K3s 直接连接边缘节点且不校验其证书；名称与地址均已设置。",
            )
        )


_NOT_IN_FORCE = Text(
    "a file of its configuration was written after it started, so they may not be in force",
    zh="其配置文件在启动之后被修改，设置可能尚未生效",
)


def _wrong(
    arguments: ApiserverArguments, request: CloudRequest, addresses: HostAddresses, k3s: K3sHere
) -> Iterator[tuple[str, str, Text]]:
    """What is not as it should be: its name, its value now, and why it matters as a clause."""
    if arguments.egress_selector_mode != "disabled":
        yield (
            "egress-selector-mode",
            arguments.egress_selector_mode,
            Text(
                "kube-apiserver asks K3s' own tunnel for edges and gets 502",
                zh="kube-apiserver 会经 K3s 自己的隧道访问边缘节点并得到 502",
            ),
        )
    if arguments.kubelet_certificate_authority is not None:
        yield (
            "kubelet-certificate-authority",
            arguments.kubelet_certificate_authority,
            Text(
                "kube-apiserver refuses the chart's stream certificate, which names no edge",
                zh="kube-apiserver 会拒绝 chart 的流证书，因为其中没有任何边缘节点的地址",
            ),
        )
    if k3s.kubeconfig_mode & 0o077 and "write-kubeconfig-mode" not in arguments.server:
        yield (
            K3S_KUBECONFIG,
            f"mode {k3s.kubeconfig_mode:04o}",
            Text("anyone who can read it controls the cluster", zh="能读取它的用户即可控制集群"),
        )
    if k3s.unit is not None and not k3s.ours:
        return
    wanted = wanted_fragment(request, addresses, k3s)
    settings = k3s.settings or {}
    if k3s.broken or any(settings.get(key) != value for key, value in wanted.items()):
        yield (
            K3S_FRAGMENT,
            k3s.broken or ("absent" if k3s.settings is None else str(k3s.settings)),
            Text(
                "the name of its node and the addresses in its certificate come from there",
                zh="节点名和证书中的地址由此而来",
            ),
        )


def _setting(name: str, actual: str, why: Text) -> Finding:
    return failed(
        Text(f"K3s' setting {name} is not right: {why.en}.", zh=f"K3s 的设置 {name} 不正确：{why.zh}。"),
        expected=Text("as kedoctor explain KE958 lists it", zh="见 kedoctor explain KE958"),
        actual=actual,
        hint=Text("Write it into a fragment beside K3s' configuration.", zh="请写入 K3s 配置旁的片段文件。"),
        subject=name,
        commands=("sudo grep -r . /etc/rancher/k3s/", "systemctl cat k3s"),
    )


# ------------------------------------------------------------------------------------------ that it runs


@check(
    code="KE959",
    slug="kubernetes-ready",
    title=Text("The API server answers, and this host is a Ready node", zh="API 服务器可用且本机节点就绪"),
    side=Side.CLOUD,
    occasions=_INSTALL,
    remedy=Text("Enable and start K3s.", zh="启用并启动 K3s。"),
    risk=Risk.SAFE,
    references=("kubeprepare.md §1.3", "kubeprepare.md B33", "kubeprepare.md B7"),
)
def k3s_ready(
    ready: ApiReadiness | Unavailable,
    nodes: SiteNodes | Unavailable,
    k3s: K3sHere,
    *,
    kubernetes: KubernetesHere,
) -> Finding:
    """``/readyz`` says ok and a node that is not an edge is Ready; for K3s, its unit is enabled and runs, too."""
    who = "K3s" if not kubernetes.is_foreign else "this Kubernetes"
    if not kubernetes.is_foreign and not (k3s.active and k3s.enabled):
        state = (
            "there is no unit" if k3s.unit is None else f"{k3s.unit.active_state}, {k3s.unit.unit_file_state}"
        )
        return _not_ready(Text("K3s does not run", zh="K3s 未运行"), state)
    if isinstance(ready, Unavailable) or not ready.ok:
        said = str(ready) if isinstance(ready, Unavailable) else ready.said
        return _not_ready(
            Text(f"the API server of {who} does not answer as ready", zh=f"{who} 的 API 服务器尚未就绪"), said
        )
    if isinstance(nodes, Unavailable):
        return _not_ready(Text("its nodes cannot be listed", zh="无法列出节点"), str(nodes))
    own = [node for node in nodes.items if node.metadata.labels.edge is None]
    if not any(map(_is_ready, own)):
        told = ", ".join(f"{node.metadata.name}: {_why(node)}" for node in own) or "there is no node"
        return _not_ready(Text("no node of the cloud side is Ready", zh="云端没有就绪的节点"), told)
    names = ", ".join(node.metadata.name for node in own if _is_ready(node))
    return passed(
        Text(f"The API server is ready, and so is {names}.", zh=f"API 服务器就绪，节点 {names} 就绪。"),
        evidence=(Evidence("/readyz", "ok"),),
    )


def _is_ready(node: Node) -> bool:
    found = condition(node.status.conditions, "Ready")
    return found is not None and found.status == "True"


def _why(node: Node) -> str:
    found = condition(node.status.conditions, "Ready")
    return "it never reported" if found is None else f"{found.reason} {found.message}".strip()


def _not_ready(why: Text, actual: str) -> Finding:
    return failed(
        Text(
            f"Kubernetes is not ready: {why.en} ({actual}).", zh=f"Kubernetes 未就绪：{why.zh}（{actual}）。"
        ),
        expected=Text("/readyz ok, and a Ready node", zh="/readyz 返回 ok，且有就绪节点"),
        actual=actual,
        hint=Text("Its journal says what it waits for.", zh="其日志会说明在等待什么。"),
        subject="kubernetes",
        commands=(
            "sudo journalctl -u k3s -n 50",
            f"sudo k3s kubectl --kubeconfig {K3S_KUBECONFIG} get --raw /readyz?verbose",
        ),
    )
