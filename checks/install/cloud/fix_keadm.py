"""Images into the store, keadm beside it, and ``keadm init`` (KE960, KE980, KE981)."""

from __future__ import annotations

from kedoctor.api import (
    DeleteObject,
    ImportImage,
    NoPlan,
    Plan,
    RunProgram,
    Text,
    Verdict,
    remedy,
)
from kedoctor.checks.install.cloud.facts_helm_release import KeadmRelease
from kedoctor.checks.install.cloud.facts_installed import (
    K3S_KUBECONFIG,
    KubernetesHere,
    StoredHere,
)
from kedoctor.checks.install.cloud.facts_request import CloudBundle, CloudRequest, VerifiedBundle
from kedoctor.checks.install.cloud.fix_k3s import bundled_program
from kedoctor.checks.install.cloud.keadm import lacking_images
from kedoctor.checks.install.facts_keadm import KEADM
from kedoctor.checks.install.steps import step_plan
from kedoctor.checks.plans.cloudcore import NOTHING_NOTICED
from kedoctor.checks.plans.touches import RELEASE

__all__ = ["keadm_init"]

_KUBEADM = "/etc/kubernetes/admin.conf"
_SECRETS = "/api/v1/namespaces/kubeedge/secrets"
_BEGINS = 180.0
"""Seconds until cloudcore is at work: its pod starts, it sleeps up to 9 s, and makes its CA and its token."""

_LEFT = "/var/lib/kubeedge"
"""What cloudcore's pod makes on its host, and `keadm reset cloud` takes away (facts.md §1.3)."""

_BY_HAND = Text(
    f"take the release away with `sudo keadm reset cloud --kube-config={K3S_KUBECONFIG}`",
    zh=f"执行 `sudo keadm reset cloud --kube-config={K3S_KUBECONFIG}` 删除该 release",
)


@remedy("KE960")
def cloud_images(
    verdict: Verdict, bundle: CloudBundle, stored: StoredHere, kubernetes: KubernetesHere
) -> Plan:
    """Each image that is lacking, from its archive in the bundle."""
    lacking = lacking_images(bundle, stored, kubernetes)
    imports = tuple(ImportImage(bundle.source(bundle.images[name]), name, stored.runtime) for name in lacking)
    title = Text(
        f"import {len(imports)} images into the store of {stored.runtime}",
        zh=f"将 {len(imports)} 个镜像导入 {stored.runtime} 的镜像库",
    )
    return step_plan(verdict, title, *imports, prediction=NOTHING_NOTICED, settle=10.0)


@remedy("KE980")
def keadm_program(verdict: Verdict, bundle: CloudBundle, verified: VerifiedBundle) -> Plan | NoPlan:
    """The keadm of the bundle."""
    program = bundled_program("keadm", KEADM, bundle, verified)
    if isinstance(program, NoPlan):
        return program
    title = Text(f"copy keadm of the bundle to {KEADM}", zh=f"将离线包中的 keadm 复制到 {KEADM}")
    return step_plan(verdict, title, program)


@remedy("KE981", touches=RELEASE)
def cloudcore_release(
    verdict: Verdict,
    request: CloudRequest,
    bundle: CloudBundle,
    kubernetes: KubernetesHere,
    *,
    release: KeadmRelease,
) -> Plan | NoPlan:
    """``keadm init``, without the record of a release that was never finished; a cloudcore that starts is waited for."""
    if verdict.subject.startswith("process/"):
        return NoPlan(
            Text(
                "what runs outside of the cluster is not touched; stop it, or keep it and do not install",
                zh="不处理集群之外的程序；请停止它，或保留它而不安装",
            )
        )
    forget = tuple(DeleteObject(f"{_SECRETS}/{name}", remade=True) for name in release.secrets)
    init = keadm_init(request, bundle, kubernetes)
    waits = verdict.subject.startswith("deployment/")
    title = Text(
        f"install cloudcore {bundle.versions.release} with keadm init, and wait until it is at work",
        zh=f"用 keadm init 安装 cloudcore {bundle.versions.release}，并等待其开始工作",
    )
    if waits:
        title = Text("wait until cloudcore is at work", zh="等待 cloudcore 开始工作")
    prediction = Text(
        "keadm takes over here: what it makes in the namespace kubeedge only keadm or kubectl take away again.",
        zh="此步由 keadm 执行：它在命名空间 kubeedge 中创建的内容只能由 keadm 或 kubectl 删除。",
    )
    actions = () if waits else (*forget, init)
    return step_plan(verdict, title, *actions, prediction=prediction, settle=_BEGINS)


def keadm_init(request: CloudRequest, bundle: CloudBundle, kubernetes: KubernetesHere) -> RunProgram:
    """The command; with the version given keadm looks nothing up in the Internet (facts.md §6.1).

    The dynamic controller serves what EdgeMesh and the metaServer of edges read; the chart leaves it off. It is set here,
    because afterwards only a change of the document and a restart of cloudcore would (kubeprepare.md B16).
    """
    kubeconfig = request.kubeconfig or (_KUBEADM if kubernetes.is_foreign else K3S_KUBECONFIG)
    return RunProgram(
        program=KEADM,
        arguments=(
            "init",
            f"--advertise-address={request.advertise_address}",
            f"--kubeedge-version={bundle.versions.release}",
            f"--kube-config={kubeconfig}",
            "--set=cloudCore.modules.dynamicController.enable=true",
        ),
        leaves=(_LEFT,),
        by_hand=_BY_HAND,
        seconds=300.0,
        environment=(("HOME", "/root"), ("KUBECONFIG", kubeconfig)),
    )
