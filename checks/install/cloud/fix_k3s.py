"""K3s out of the offline bundle: program, archives, unit, settings, and its start (KE955-KE959)."""

from __future__ import annotations

import json
import posixpath

from kedoctor.api import (
    Action,
    ChangeMode,
    ControlUnit,
    NoPlan,
    PlaceFile,
    Plan,
    RestartUnit,
    Risk,
    Text,
    Verdict,
    WriteFile,
    remedy,
)
from kedoctor.checks.distribution.fix_k3s import k3s_egress, kubelet_ca
from kedoctor.checks.facts.cloud.apiserver_flags import K3S_UNIT, ApiserverArguments
from kedoctor.checks.facts.cloud.cloud_host import HostAddresses
from kedoctor.checks.install.cloud.facts_installed import (
    K3S_FRAGMENT,
    K3S_IMAGES,
    K3S_KUBECONFIG,
    K3S_MARK,
    K3S_PROGRAM,
    K3sArchives,
    K3sHere,
    KubectlHere,
    KubernetesHere,
)
from kedoctor.checks.install.cloud.facts_request import CloudBundle, CloudRequest, VerifiedBundle
from kedoctor.checks.install.cloud.k3s import UNIT_PATH, UNIT_TEXT
from kedoctor.checks.install.cloud.k3s_settings import wanted_fragment
from kedoctor.checks.install.steps import NOTHING_RUNS, copy_of, not_in_bundle, step_plan

__all__ = ["bundled_program"]

_START = 300.0
"""Seconds until K3s is ready: it imports a gigabyte of images, and then starts everything one after the other."""

_KUBECTL = "/usr/local/bin/kubectl"
_KUBECTL_TEXT = f'#!/bin/sh\n{K3S_MARK}\nexec {K3S_PROGRAM} kubectl "$@"\n'


def bundled_program(
    name: str, path: str, bundle: CloudBundle, verified: VerifiedBundle
) -> PlaceFile | NoPlan:
    """The copy of a program of the bundle, by its checksum."""
    file = verified.bundle.binary(name, bundle.architecture)
    return not_in_bundle(bundle, name) if file is None else copy_of(verified.bundle, file, path)


@remedy("KE955")
def k3s_program(
    verdict: Verdict, bundle: CloudBundle, verified: VerifiedBundle, kubectl: KubectlHere
) -> Plan | NoPlan:
    """The program of the bundle; and a ``kubectl`` that is K3s' own, where there is none."""
    program = bundled_program("k3s", K3S_PROGRAM, bundle, verified)
    if isinstance(program, NoPlan):
        return program
    more = () if kubectl.present else (WriteFile(_KUBECTL, _KUBECTL_TEXT.encode(), 0o755),)
    title = Text(f"copy k3s of the bundle to {K3S_PROGRAM}", zh=f"将离线包中的 k3s 复制到 {K3S_PROGRAM}")
    return step_plan(verdict, title, program, *more)


@remedy("KE956")
def k3s_archives(
    verdict: Verdict, bundle: CloudBundle, verified: VerifiedBundle, archives: K3sArchives
) -> Plan | NoPlan:
    """Each archive that is not there; K3s imports them when it starts."""
    sums = {one.path: one.sha256 for one in verified.bundle.files}
    lacking = archives.lacking(bundle)
    size = sum(one.size for one in lacking) / 1_000_000
    title = Text(
        f"copy {len(lacking)} archives of images ({size:.0f} MB) to {K3S_IMAGES}",
        zh=f"将 {len(lacking)} 个镜像归档（{size:.0f} MB）复制到 {K3S_IMAGES}",
    )
    copies = (
        PlaceFile(f"{K3S_IMAGES}/{posixpath.basename(one.path)}", bundle.source(one), sums[one.path], 0o644)
        for one in lacking
    )
    return step_plan(verdict, title, *copies)


@remedy("KE957")
def k3s_unit(verdict: Verdict) -> Plan:
    """The unit, not started yet: its settings come first."""
    title = Text(f"write {UNIT_PATH}", zh=f"写入 {UNIT_PATH}")
    unit = WriteFile(UNIT_PATH, UNIT_TEXT.encode(), 0o644)
    return step_plan(verdict, title, unit, ControlUnit("", "daemon-reload"))


@remedy("KE958")
def k3s_settings(
    verdict: Verdict,
    arguments: ApiserverArguments,
    request: CloudRequest,
    addresses: HostAddresses,
    *,
    k3s: K3sHere,
) -> Plan | NoPlan:
    """The one setting that the verdict is about, in a fragment of its own; a K3s that runs is restarted once."""
    runs = k3s.active
    restarts = (RestartUnit(K3S_UNIT),) if runs else ()
    if verdict.subject == "egress-selector-mode":
        return _without_restart(verdict, k3s_egress(verdict, arguments), restarts)
    if verdict.subject == "kubelet-certificate-authority":
        return _without_restart(verdict, kubelet_ca(verdict, arguments), restarts)
    title = Text(f"write {verdict.subject}", zh=f"写入 {verdict.subject}")
    actions: tuple[Action, ...] = ()
    if verdict.subject == K3S_KUBECONFIG:
        actions, restarts = (ChangeMode(K3S_KUBECONFIG, 0o600),), ()
        title = Text(f"let only root read {K3S_KUBECONFIG}", zh=f"仅允许 root 读取 {K3S_KUBECONFIG}")
    elif verdict.subject == K3S_FRAGMENT:
        wanted = wanted_fragment(request, addresses, k3s)
        lines = [K3S_MARK, *(f"{key}: {json.dumps(value)}" for key, value in wanted.items())]
        actions = (WriteFile(K3S_FRAGMENT, "\n".join([*lines, ""]).encode(), 0o600),)
    else:
        title = Text("restart K3s, so that its settings are in force", zh="重启 K3s 使设置生效")
    return step_plan(
        verdict,
        title,
        *actions,
        prediction=_AWAY if restarts else NOTHING_RUNS,
        risk=Risk.RESTARTS_APISERVER if restarts else Risk.SAFE,
        restarts=restarts,
        settle=_START if restarts else 5.0,
    )


_AWAY = Text(
    "kubectl and every controller lose the API for about a minute; edges and all containers keep running.",
    zh="kubectl 和所有控制器会有约一分钟无法访问 API；边缘节点和所有容器继续运行。",
)


def _without_restart(
    verdict: Verdict, plan: Plan | NoPlan, restarts: tuple[RestartUnit, ...]
) -> Plan | NoPlan:
    """The same plan for a K3s that does not run: nothing is restarted, and nothing has to settle."""
    if isinstance(plan, NoPlan) or restarts:
        return plan
    title = Text(f"set {plan.subject} for its first start", zh=f"为首次启动设置 {plan.subject}")
    return step_plan(verdict, title, *plan.actions)


@remedy("KE959")
def k3s_ready(verdict: Verdict, k3s: K3sHere, kubernetes: KubernetesHere) -> Plan | NoPlan:
    """Enabled and started; one that has just been started is waited for."""
    if kubernetes.is_foreign:
        return NoPlan(
            Text(
                f"this Kubernetes is none of kedoctor's, and it is not ready: {verdict.actual}",
                zh=f"该 Kubernetes 不由 kedoctor 管理，且尚未就绪：{verdict.actual}",
            )
        )
    actions = () if k3s.active and k3s.enabled else (ControlUnit(K3S_UNIT, "enable-now"),)
    title = Text("enable and start K3s, and wait until it is ready", zh="启用并启动 K3s，等待其就绪")
    prediction = Text(
        "K3s imports the images and starts; what it creates below /var/lib/rancher/k3s stays "
        "after a rollback (K3s is only stopped).",
        zh="K3s 将导入镜像并启动；此后即使撤销该步骤，/var/lib/rancher/k3s 下的内容也会保留（仅停止服务）。",
    )
    return step_plan(verdict, title, *actions, prediction=prediction, settle=_START)
