"""K3s' settings for edges: the egress selector, the verification of kubelets, its name and addresses (KE958)."""

from __future__ import annotations

from collections.abc import Iterator

from kedoctor.api import (
    Finding,
    Risk,
    RunMode,
    Side,
    Text,
    Unavailable,
    check,
    failed,
    passed,
    unknown,
)
from kedoctor.checks.facts.cloud.apiserver_flags import ApiserverArguments
from kedoctor.checks.facts.cloud.cloud_host import HostAddresses
from kedoctor.checks.install.cloud.facts_installed import (
    K3S_FRAGMENT,
    K3S_KUBECONFIG,
    K3sHere,
    KubernetesHere,
)
from kedoctor.checks.install.cloud.facts_request import CloudRequest
from kedoctor.checks.install.cloud.k3s import left_alone

__all__ = ["k3s_settings", "wanted_fragment"]

_INSTALL = (RunMode.INSTALL,)


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
            Text(
                f"K3s' settings were not read: {arguments}.",
                zh=f"未能读取 K3s 的设置：{arguments.in_chinese}。",
            )
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
