"""KE932: the images that a host needs are in the store its runtime reads (requirements.md R058, R078; facts.md §9 (12)).

``docker load`` fills docker's store and ``ctr images import`` without ``-n k8s.io`` the namespace ``default``: in both cases
the image is on the host and no pod finds it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kedoctor.api import (
    Evidence,
    Finding,
    HostContext,
    Risk,
    Side,
    Text,
    Unavailable,
    check,
    failed,
    passed,
    skipped,
    unknown,
    warned,
)
from kedoctor.checks.facts.edge.container_runtime import SandboxImages
from kedoctor.checks.facts.edge.edgecore import EdgecoreConfig
from kedoctor.checks.facts.edge.image_store import ImageStore, WaitingImages
from kedoctor.checks.offline.facts_bundle import BundleHere
from kedoctor.checks.offline.judge import likely_release

__all__ = ["images_present"]

_IMPORT = {
    "k3s": "sudo k3s ctr images import {archive}",
    "containerd": "sudo ctr -n k8s.io images import {archive}",
    "docker": "sudo docker load -i {archive}",
}
_OWN = ("kubeedge/", "kube-system/")
"""Namespaces whose pods are the site's own; what others deploy may wait for an image without harm to the path."""


@dataclass(frozen=True, slots=True)
class _Need:
    """An image, why the host needs it, and whether something of the site fails without it now."""

    reference: str
    why: Text
    now: bool


@check(
    code="KE932",
    slug="images-present",
    title=Text(
        "The images a host needs are in the store its runtime reads", zh="主机所需镜像已在其运行时的镜像库中"
    ),
    side=Side.HOST,
    breaks=("install",),
    remedy=Text(
        "Import them from the offline bundle with the runtime's own client.",
        zh="用运行时自己的客户端从离线包导入。",
    ),
    risk=Risk.SAFE,
    references=("facts.md §9 (12)", "facts.md §10 (46)", "kubeprepare.md §3.5"),
)
def images_present(
    vantage: HostContext,
    store: ImageStore | Unavailable,
    pods: WaitingImages | Unavailable,
    *,
    bundle: BundleHere | Unavailable,
    config: EdgecoreConfig | Unavailable,
    sandboxes: SandboxImages | Unavailable,
) -> Iterator[Finding]:
    """What pods of the node wait for, and what the offline bundle's version set names for a host that is yet to join."""
    here = None if isinstance(bundle, Unavailable) else bundle
    known = isinstance(pods, WaitingImages) and pods.pods > 0
    joined = known or not isinstance(config, Unavailable)
    runs = not isinstance(sandboxes, Unavailable) and sandboxes.sandbox_runs
    needs = [*_of_pods(pods), *_of_bundle(here, joined=joined, sandbox_runs=runs)]
    node = "" if isinstance(config, Unavailable) else config.node_name
    if not needs:
        yield _nobody_waits(pods) if isinstance(pods, WaitingImages) and known else _not_known(vantage.name)
    elif isinstance(store, Unavailable):
        yield _not_listed(vantage.name, store)
    else:
        lacking = {one.reference: one for one in reversed(needs) if not store.holds(one.reference)}
        yield from (_lacking(vantage.name, store, one, here, node=node) for one in lacking.values())
        if not lacking:
            yield _all_there(vantage.name, store)


def _of_pods(pods: WaitingImages | Unavailable) -> Iterator[_Need]:
    if not isinstance(pods, WaitingImages):
        return
    for image, pod in pods.waiting.items():
        why = Text(f"pod {pod} waits for it", zh=f"Pod {pod} 正在等待它")
        yield _Need(image, why, now=pod.startswith(_OWN))


def _of_bundle(here: BundleHere | None, *, joined: bool, sandbox_runs: bool) -> Iterator[_Need]:
    """What a host is installed with. One that has joined already does without what only joining needs."""
    if here is None or not here.named:
        return
    for image in likely_release(here.bundle).images:
        if not (image.mandatory and set(image.sides) & set(here.sides)):
            continue
        if (joined and image.role == "installation-package") or (sandbox_runs and image.role == "pause"):
            continue
        yield _Need(image.reference, image.why, now=not joined)


def _nobody_waits(pods: WaitingImages) -> Finding:
    return passed(
        Text(
            f"None of the {pods.pods} pods of {pods.node} waits for an image.",
            zh=f"{pods.node} 的 {pods.pods} 个 Pod 均未在等待镜像。",
        ),
        subject=pods.node,
    )


def _not_known(name: str) -> Finding:
    return skipped(
        Text(
            f"Nothing tells which images {name} needs; name its offline bundle with --offline-bundle DIR.",
            zh=f"无法得知 {name} 需要哪些镜像；请用 --offline-bundle DIR 指定离线包。",
        ),
        subject=name,
    )


def _all_there(name: str, store: ImageStore) -> Finding:
    return passed(
        Text(
            f"Every image that {name} is known to need is in the store of its runtime ({store.runtime}).",
            zh=f"{name} 已知所需的镜像均在其运行时（{store.runtime}）的镜像库中。",
        ),
        subject=name,
        evidence=(Evidence(store.listed_by, f"{len(store.names)} images"),),
    )


def _not_listed(name: str, why: Unavailable) -> Finding:
    return unknown(
        Text(
            f"The images of {name} were not listed: {why}.",
            zh=f"未能列出 {name} 的镜像：{why.in_chinese}。",
        ),
        subject=name,
        commands=("sudo ctr -n k8s.io images ls -q", "sudo k3s ctr images ls -q   # on a K3s host"),
    )


def _lacking(name: str, store: ImageStore, need: _Need, bundle: BundleHere | None, *, node: str) -> Finding:
    held = bundle.bundle.archive_of(need.reference, bundle.architecture) if bundle is not None else None
    archive = bundle.bundle.path(held) if bundle is not None and held is not None else "<archive>.tar"
    stray = store.stray(need.reference)
    beside = (
        Text(
            f"; it is in {stray[0]}, which the runtime does not read",
            zh=f"；它在{stray[0]}中，运行时不会读取",
        )
        if stray
        else Text("", zh="")
    )
    tell = failed if need.now else warned
    return tell(
        Text(
            f"The image {need.reference} is not in the store that the runtime of {name} ({store.runtime}) reads{beside.en}: "
            f"{need.why.en}.",
            zh=f"{name} 的运行时（{store.runtime}）镜像库中没有 {need.reference}{beside.zh}：{need.why.zh}。",
        ),
        expected=Text(
            f"{need.reference} in the list of {store.listed_by}",
            zh=f"{store.listed_by} 中有 {need.reference}",
        ),
        actual=Text(f"only in {', '.join(stray)}", zh=f"只在 {'、'.join(stray)} 中")
        if stray
        else Text("not on this host", zh="不在本机上"),
        hint=Text(
            "Import it with the runtime's own client; docker load, and ctr without -n k8s.io, put it where no pod looks.",
            zh="用运行时自己的客户端导入；docker load 或不带 -n k8s.io 的 ctr 会放到 Pod 不使用的地方。",
        ),
        subject=need.reference,
        node=node,
        evidence=(
            Evidence(store.listed_by, f"no {need.reference}"),
            *(Evidence(one, need.reference) for one in stray),
        ),
        commands=(_IMPORT[store.runtime].format(archive=archive),),
        breaks=None if need.now else (),
    )
