"""KubeEdge on the cloud host: its images in the store of the runtime, keadm, and the release that ``keadm init`` makes.

Steps of an install (kubeprepare.md §1.3). A release that is here already is kept; what ``keadm init`` says when it
fails ends the install, and a release that it left half made is told apart from one that is complete.
"""

from __future__ import annotations

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
    unknown,
)
from kedoctor.checks.facts.cloud.cloud_host import CloudProcesses
from kedoctor.checks.facts.cloud.cloudcore import CloudcoreDocument, CloudcoreWorkload
from kedoctor.checks.facts.cluster.secrets import KubeedgeSecrets
from kedoctor.checks.facts.cluster.tunnel_port import RecordState, TunnelPortRecord
from kedoctor.checks.install.cloud.facts_helm_release import KeadmRelease, ReleaseState
from kedoctor.checks.install.cloud.facts_installed import KubernetesHere, StoredHere
from kedoctor.checks.install.cloud.facts_request import CloudBundle
from kedoctor.checks.install.facts_keadm import KeadmHere
from kedoctor.checks.install.steps import program_in_place
from kedoctor.checks.parsers.kubernetes.pod_health import is_ready, trouble

__all__ = ["cloud_images", "cloudcore_release", "keadm_program", "lacking_images"]

_INSTALL = (RunMode.INSTALL,)
_RELEASE = "release/kubeedge/cloudcore"


# ---------------------------------------------------------------------------------------------- images


def lacking_images(bundle: CloudBundle, stored: StoredHere, kubernetes: KubernetesHere) -> tuple[str, ...]:
    """What of the bundle is not in the store; the add-ons of K3s are no matter of another Kubernetes."""
    return tuple(
        name
        for name in bundle.images
        if not stored.has(name) and not (kubernetes.is_foreign and "/rancher/" in name)
    )


@check(
    code="KE960",
    slug="cloud-images",
    title=Text("The images are in the store that the runtime reads", zh="镜像已在运行时使用的镜像库中"),
    side=Side.CLOUD,
    occasions=_INSTALL,
    remedy=Text("Import them from the offline bundle.", zh="从离线包导入。"),
    risk=Risk.SAFE,
    references=("facts.md §8.5", "facts.md §9 (12)", "kubeprepare.md §0.3 (8)", "kubeprepare.md B29"),
)
def cloud_images(
    bundle: CloudBundle, stored: StoredHere | Unavailable, kubernetes: KubernetesHere
) -> Finding:
    """Each image of the bundle under its own name; what docker holds beside containerd does not count."""
    if isinstance(stored, Unavailable):
        return unknown(
            Text(
                f"The images of this host's runtime were not listed: {stored}.",
                zh=f"未能列出本机运行时的镜像：{stored.in_chinese}。",
            ),
            commands=("sudo k3s ctr -n k8s.io images ls -q",),
        )
    lacking = lacking_images(bundle, stored, kubernetes)
    if not lacking:
        return passed(
            Text(
                f"All images of the bundle are in the store of {stored.runtime}.",
                zh=f"离线包中的镜像均在 {stored.runtime} 的镜像库中。",
            )
        )
    names = ", ".join(lacking)
    return failed(
        Text(
            f"{len(lacking)} images are not in the store of {stored.runtime}, and there is no registry to pull them from.",
            zh=f"{stored.runtime} 的镜像库中缺少 {len(lacking)} 个镜像，且没有可拉取的仓库。",
        ),
        expected=Text("every image of the cloud side", zh="云端的全部镜像"),
        actual=names,
        hint=Text("Import them from the offline bundle.", zh="请从离线包导入。"),
        subject="images",
        evidence=(Evidence(f"images of {stored.runtime}", f"lacking: {names}"),),
        commands=("sudo k3s ctr -n k8s.io images import <bundle>/images/<archive>.tar",),
    )


# ------------------------------------------------------------------------------------------ the program


@check(
    code="KE980",
    slug="keadm-program",
    title=Text("The program keadm is in place", zh="keadm 程序已就位"),
    side=Side.CLOUD,
    occasions=_INSTALL,
    remedy=Text("Copy keadm out of the offline bundle.", zh="从离线包复制 keadm。"),
    risk=Risk.SAFE,
    references=("facts.md §6.1", "kubeprepare.md §1.3"),
)
def keadm_program(keadm: KeadmHere, bundle: CloudBundle) -> Finding:
    """It can be run and is of the release that the bundle is of: keadm brings the chart of its own version."""
    return program_in_place(keadm.program, "keadm", "keadm", bundle.versions.release)


# ------------------------------------------------------------------------------------------ the release


@check(
    code="KE981",
    slug="cloudcore-release",
    title=Text("cloudcore is installed and has begun its work", zh="cloudcore 已安装并开始工作"),
    side=Side.CLOUD,
    occasions=_INSTALL,
    remedy=Text("Install it with keadm init.", zh="用 keadm init 安装。"),
    risk=Risk.SAFE,
    references=(
        "facts.md §1.3",
        "facts.md §3.3",
        "facts.md §6.1",
        "kubeprepare.md B20",
        "kubeprepare.md B28",
    ),
)
def cloudcore_release(
    release: KeadmRelease,
    workload: CloudcoreWorkload,
    document: CloudcoreDocument | Unavailable,
    *,
    secrets: KubeedgeSecrets | Unavailable,
    record: TunnelPortRecord | Unavailable,
    processes: CloudProcesses,
) -> Iterator[Finding]:
    """Its objects are there, its pod is ready, and it has made its CA, its token and its record of tunnel ports."""
    installed = workload.deployment is not None and isinstance(document, CloudcoreDocument)
    if not installed:
        yield _not_installed(release, processes)
        return
    late = list(_not_begun(workload, secrets, record))
    if late:
        told = Text("; ".join(one.en for one in late), zh="；".join(one.zh for one in late))
        yield failed(
            Text(
                f"cloudcore is installed and not at work yet: {told.en}.",
                zh=f"cloudcore 已安装但尚未工作：{told.zh}。",
            ),
            expected=Text(
                "a ready pod, Secret tokensecret, ConfigMap tunnelport",
                zh="就绪的 Pod、Secret tokensecret、ConfigMap tunnelport",
            ),
            actual=told,
            hint=Text("Its events and its log say what it waits for.", zh="其事件和日志会说明原因。"),
            subject="deployment/kubeedge/cloudcore",
            commands=(
                "kubectl -n kubeedge get pods -o wide",
                "kubectl -n kubeedge logs deployment/cloudcore --tail=50",
            ),
        )
        return
    yield passed(
        Text(
            f"cloudcore is installed ({release.told.en}) and at work.",
            zh=f"cloudcore 已安装（{release.told.zh}）并在工作。",
        ),
        subject=_RELEASE,
    )


def _not_installed(release: KeadmRelease, processes: CloudProcesses) -> Finding:
    running = processes.cloudcore
    if running is not None:
        return failed(
            Text(
                f"A cloudcore runs on this host (pid {running.pid}) that the cluster knows nothing of: keadm refuses beside it.",
                zh=f"本机运行着集群之外的 cloudcore（pid {running.pid}）：keadm 会因此拒绝安装。",
            ),
            expected=Text("cloudcore as a Deployment", zh="以 Deployment 运行的 cloudcore"),
            actual=f"pid {running.pid}",
            hint=Text("Stop it, or keep it and do not install.", zh="请停止它，或保留它而不安装。"),
            subject="process/cloudcore",
            commands=(f"ps -fp {running.pid}",),
        )
    half = release.state is not ReleaseState.ABSENT
    return failed(
        Text(
            f"A release of cloudcore is on record as {release.status}, but its objects are not there."
            if half
            else "cloudcore is not installed.",
            zh=f"cloudcore 的 release 状态为 {release.status}，但其对象不存在。"
            if half
            else "尚未安装 cloudcore。",
        ),
        expected=Text("the objects of the chart cloudcore", zh="chart cloudcore 的对象"),
        actual=release.status or Text("no release", zh="没有 release"),
        hint=Text("Install it with keadm init.", zh="请用 keadm init 安装。"),
        subject=_RELEASE,
        commands=("kubectl -n kubeedge get secrets -l owner=helm,name=cloudcore --show-labels",),
    )


def _not_begun(
    workload: CloudcoreWorkload,
    secrets: KubeedgeSecrets | Unavailable,
    record: TunnelPortRecord | Unavailable,
) -> Iterator[Text]:
    if not any(map(is_ready, workload.pods)):
        reason = next(
            (str(found) for pod in workload.pods if (found := trouble(pod))), "no pod of it is ready"
        )
        yield Text(reason, zh=reason)
    if isinstance(secrets, Unavailable) or isinstance(secrets.token, Unavailable):
        yield Text("it has made no join token", zh="尚未生成加入令牌")
    if isinstance(record, Unavailable) or record.state is not RecordState.READ or not record.ports:
        yield Text("it has not written its record of tunnel ports", zh="尚未写入隧道端口记录")
