"""The settings of ``k3s server`` that keep kube-apiserver from edges (KE801, KE802).

They go into fragments of their own beside K3s' configuration, so that neither the installer's unit nor a file of the
operator's is touched, and taking them back is removing a file. Both need a restart of K3s and with it of the API.
"""

from __future__ import annotations

from pathlib import PurePosixPath

from kedoctor.api import (
    EditYaml,
    NoPlan,
    Plan,
    RestartUnit,
    Risk,
    Text,
    Verdict,
    WriteFile,
    YamlChange,
    patterns,
    remedy,
)
from kedoctor.checks.facts.cloud.apiserver_flags import K3S_UNIT, ApiserverArguments

__all__ = ["k3s_egress", "kubelet_ca"]

_EGRESS = "egress-selector-mode"
_AUTHORITY = "kubelet-certificate-authority"
_EGRESS_FILE = "90-kedoctor-egress.yaml"
_AUTHORITY_FILE = "90-kedoctor-kubelet-ca.yaml"
_SETTLE = 180.0
"""K3s starts its datastore, the API server and all controllers one after the other."""

_PREDICTED = Text(
    "kubectl and every controller lose the API for about a minute; edges and all containers keep running, and what "
    "kubelets and edges have to report waits.",
    zh="kubectl 和所有控制器会有约一分钟无法访问 API；边缘节点和所有容器继续运行，节点上报会延后。",
)


@remedy("KE801")
def k3s_egress(verdict: Verdict, arguments: ApiserverArguments) -> Plan | NoPlan:
    """``egress-selector-mode: disabled`` where it is written wrongly, else in a fragment of our own."""
    if not arguments.is_k3s:
        return NoPlan(_RKE2)
    source = arguments.source(_EGRESS)
    path = source.partition(", line ")[0]
    if source != "default" and not path.startswith("/"):
        return NoPlan(_on_the_command_line(source))
    if source == "default":
        action: WriteFile | EditYaml = WriteFile(
            f"{arguments.config}.d/{_EGRESS_FILE}", f"{_EGRESS}: disabled\n".encode()
        )
    else:
        action = EditYaml(path, (YamlChange("set", _EGRESS, "disabled"),))
    return _plan(
        verdict,
        Text(
            f"write {_EGRESS}: disabled into {action.path} and restart K3s, so that kube-apiserver connects to edges itself",
            zh=f"在 {action.path} 中写入 {_EGRESS}: disabled 并重启 K3s，使 kube-apiserver 直接连接边缘节点",
        ),
        _PREDICTED,
        action,
    )


@remedy("KE802")
def kubelet_ca(verdict: Verdict, arguments: ApiserverArguments) -> Plan | NoPlan:
    """The verification of kubelets ended, in a fragment of our own.

    The other way, a certificate signed by K3s' CA, has to be made again for every edge that joins (kubeprepare.md
    §0.2); a repair that breaks with the next edge is none. What it costs is said in the prediction.
    """
    if not arguments.is_k3s:
        return NoPlan(_elsewhere(arguments))
    source = arguments.source(_AUTHORITY)
    if "command line" in source or "ExecStart" in source:
        return NoPlan(_on_the_command_line(source))
    name = PurePosixPath(source.partition(" in ")[2].partition(", line ")[0]).name
    if name > _AUTHORITY_FILE:
        return NoPlan(_later(source))
    path = f"{arguments.config}.d/{_AUTHORITY_FILE}"
    return _plan(
        verdict,
        Text(
            f"let kube-apiserver not verify what answers for kubelets: write kube-apiserver-arg {_AUTHORITY}= into {path} "
            "and restart K3s",
            zh=f"使 kube-apiserver 不校验 kubelet 一侧的证书：在 {path} 中写入 kube-apiserver-arg {_AUTHORITY}= 并重启 K3s",
        ),
        Text(
            f"{_PREDICTED.en} From then on kube-apiserver trusts whatever answers at a node's address, cloud nodes "
            "included; sign stream.crt with K3s' CA for every edge instead if that is not acceptable.",
            zh=f"{_PREDICTED.zh}此后 kube-apiserver 会信任节点地址上的任何应答者（含云端节点）；若不可接受，"
            "请改为用 K3s 的 CA 为所有边缘节点签发 stream.crt。",
        ),
        # With "+" the list is added to what other files say; a later equal flag of kube-apiserver wins.
        WriteFile(path, f'kube-apiserver-arg+:\n  - "{_AUTHORITY}="\n'.encode()),
    )


def _plan(verdict: Verdict, title: Text, prediction: Text, action: WriteFile | EditYaml) -> Plan:
    return Plan(
        code=verdict.code,
        subject=verdict.subject,
        title=title,
        prediction=prediction,
        risk=Risk.RESTARTS_APISERVER,
        actions=(action,),
        restarts=(RestartUnit(K3S_UNIT),),
        settle=_SETTLE,
    )


_COMMAND_LINE = patterns.compiled(r"(?:(\S+) in )?command line of (\S+) \(pid (\d+)\)")


def _on_the_command_line(source: str) -> Text:
    found = _COMMAND_LINE.fullmatch(source)
    place = source
    if found is not None:
        place = f"{found[2]}（pid {found[3]}）的命令行" + (f"中的 {found[1]}" if found[1] else "")
    return Text(
        f"it is set in the {source}, which wins over every file; change it there: sudo systemctl edit --full k3s, then "
        "sudo systemctl restart k3s",
        zh=f"该设置来自 {place}，优先于所有文件；请在那里修改：sudo systemctl edit --full k3s，然后 sudo systemctl restart k3s",
    )


def _later(source: str) -> Text:
    return Text(
        f"{source} is read after a fragment of kedoctor's and would win; take the flag out there and restart K3s: "
        "sudo systemctl restart k3s",
        zh=f"{source} 在 kedoctor 的片段之后读取并会覆盖它；请在那里删除该参数并重启 K3s：sudo systemctl restart k3s",
    )


def _elsewhere(arguments: ApiserverArguments) -> Text:
    """Where the flag is taken out by hand."""
    if arguments.is_microk8s:
        return Text(
            f"kube-apiserver is MicroK8s' here: take --{_AUTHORITY} out of {arguments.config}, then sudo snap restart "
            "microk8s.daemon-kubelite; or sign stream.crt with that CA for the InternalIP of every edge",
            zh=f"此处 kube-apiserver 属于 MicroK8s：请从 {arguments.config} 删除 --{_AUTHORITY}，然后 sudo snap restart "
            "microk8s.daemon-kubelite；或用该 CA 为所有边缘节点的 InternalIP 签发 stream.crt",
        )
    if arguments.is_rke2:
        return Text(
            f"kube-apiserver is RKE2's here: write kube-apiserver-arg {_AUTHORITY}= into a file in "
            "/etc/rancher/rke2/config.yaml.d, then sudo systemctl restart rke2-server; or sign stream.crt with that CA for "
            "the InternalIP of every edge",
            zh=f"此处 kube-apiserver 属于 RKE2：请在 /etc/rancher/rke2/config.yaml.d 的文件中写入 kube-apiserver-arg {_AUTHORITY}=，"
            "然后 sudo systemctl restart rke2-server；或用该 CA 为所有边缘节点的 InternalIP 签发 stream.crt",
        )
    return _STATIC_POD


_RKE2 = Text(
    "kube-apiserver is not K3s' here: write egress-selector-mode: disabled into a file in /etc/rancher/rke2/config.yaml.d, "
    "then sudo systemctl restart rke2-server",
    zh="此处 kube-apiserver 不属于 K3s：请在 /etc/rancher/rke2/config.yaml.d 的文件中写入 egress-selector-mode: disabled，"
    "然后 sudo systemctl restart rke2-server",
)
_STATIC_POD = Text(
    f"kube-apiserver is a static pod here and was given --{_AUTHORITY} by hand; take that line out of "
    "/etc/kubernetes/manifests/kube-apiserver.yaml (kubelet then restarts it), or sign stream.crt with that CA for the "
    "InternalIP of every edge",
    zh=f"此处 kube-apiserver 是静态 Pod，--{_AUTHORITY} 是手工加入的；请从 /etc/kubernetes/manifests/kube-apiserver.yaml "
    "删除该行（kubelet 会重启它），或用该 CA 为所有边缘节点的 InternalIP 签发 stream.crt",
)
