"""Does the offline bundle hold what this very edge needs (requirements.md X16, R033, R054, R097; kubeprepare.md §3.5)."""

from __future__ import annotations

from collections.abc import Iterator

from kedoctor.api import (
    Evidence,
    Finding,
    Judgement,
    RunMode,
    Shortcoming,
    Side,
    Text,
    Unavailable,
    check,
    failed,
    passed,
    warned,
)
from kedoctor.checks.install.edge.facts_request import SIDE, InstallBundle
from kedoctor.checks.install.edge.facts_runtime import (
    PROGRAMS,
    HostPrograms,
    PodNetworks,
    RuntimeFile,
    RuntimeStore,
)
from kedoctor.checks.offline.judge import judge

__all__ = ["install_bundle"]

_BY_HAND = ("kedoctor bundle verify {place}",)
_LATER = ("mosquitto", "test")
"""Roles of images that no join needs: without them something later is missing, and the report says so."""


@check(
    code="KE962",
    slug="install-edge-bundle",
    title=Text("The offline bundle holds what this edge needs", zh="离线包含有本边缘节点所需的内容"),
    side=Side.EDGE,
    occasions=(RunMode.INSTALL,),
    deadline=300.0,
    references=("requirements.md X16", "requirements.md R033", "kubeprepare.md §1.2", "kubeprepare.md §3.5"),
)
def install_bundle(
    found: InstallBundle,
    programs: HostPrograms,
    networks: PodNetworks | Unavailable,
    runtime: RuntimeFile,
    store: RuntimeStore | Unavailable,
) -> Iterator[Finding]:
    """Whole files, the right machine, every image of the release; what this host has already need not be in it."""
    judged = judge(found.bundle, sides=SIDE, architecture=found.architecture, versions=found.versions)
    stored = frozenset() if isinstance(store, Unavailable) else store.names
    here = _here(programs, networks) | stored
    fatal = [one for one in judged.shortcomings if one.fatal and one.about not in here]
    later = {one.reference for one in found.versions.images if one.role in _LATER}
    wrong = [one for one in fatal if one.about not in later]
    if found.bundle.packed:
        yield _packed(found)
    if wrong:
        yield _lacks(found, wrong)
    sandbox = _sandbox_missing(found, runtime, stored)
    if sandbox is not None and not wrong:
        yield sandbox
    told = [] if wrong else fatal
    if told:
        yield _short(found, told)
    if not (wrong or told or sandbox or found.bundle.packed):
        yield passed(_enough(judged, found), subject=found.bundle.place)


def _here(programs: HostPrograms, networks: PodNetworks | Unavailable) -> frozenset[str]:
    """The programs that this host has of its own; a runtime that lacks one of its parts is completed."""
    plugins = frozenset[str]() if isinstance(networks, Unavailable) else networks.installed
    return frozenset(programs.paths) & frozenset(PROGRAMS) | plugins


def _packed(found: InstallBundle) -> Finding:
    place = found.bundle.place
    return failed(
        Text(f"{place} is packed; nothing can be installed out of it.", zh=f"{place} 未解包，无法直接安装。"),
        expected=Text("a directory", zh="一个目录"),
        actual=Text("an archive", zh="归档文件"),
        hint=Text("Unpack it and name the directory.", zh="请先解包，再指定解包后的目录。"),
        subject=place,
        commands=(f"mkdir bundle && tar -xf {place} -C bundle",),
    )


def _lacks(found: InstallBundle, wrong: list[Shortcoming]) -> Finding:
    place = found.bundle.place
    en, zh = "; ".join(one.text.en for one in wrong), "；".join(one.text.zh for one in wrong)
    return failed(
        Text(
            f"No edge can be installed from {place}: {en}.",
            zh=f"无法用 {place} 安装边缘节点：{zh}。",
        ),
        expected=Text(
            f"the programs and images of KubeEdge {found.versions.release} for {found.architecture}",
            zh=f"KubeEdge {found.versions.release} 的 {found.architecture} 程序和镜像",
        ),
        actual=", ".join(one.about for one in wrong)[:300],
        hint=Text(
            "Copy the bundle again and compare its checksum, or complete it.",
            zh="请重新复制离线包并核对校验和，或补全缺少的内容。",
        ),
        subject=place,
        evidence=tuple(Evidence(place, one.text.en) for one in wrong[:5]),
        commands=(_BY_HAND[0].format(place=place),),
    )


def _sandbox_missing(found: InstallBundle, runtime: RuntimeFile, stored: frozenset[str]) -> Finding | None:
    """The runtime's own sandbox image, where its configuration stays as it is."""
    wanted = runtime.sandbox
    held = {name for name, _ in found.held()} | {image.reference for _, image in found.bundle.images()}
    if not wanted or wanted in stored or wanted in held or found.pause in held:
        return None  # of the bundle's own pause image the configuration is told
    return failed(
        Text(
            f"The sandbox image {wanted} of {runtime.path} is neither in containerd nor in the bundle.",
            zh=f"{runtime.path} 中的沙箱镜像 {wanted} 既不在 containerd 中，也不在离线包中。",
        ),
        expected=Text(f"{wanted} or {found.pause}", zh=f"{wanted} 或 {found.pause}"),
        actual=Text("neither", zh="两者都没有"),
        hint=Text("Put one of them into the bundle.", zh="请将其中之一放入离线包。"),
        subject=found.bundle.place,
    )


def _short(found: InstallBundle, told: list[Shortcoming]) -> Finding:
    place = found.bundle.place
    en, zh = "; ".join(one.text.en for one in told), "；".join(one.text.zh for one in told)
    return warned(
        Text(
            f"An edge can be installed from {place}, but later something is missing: {en}.",
            zh=f"可以用 {place} 安装边缘节点，但之后会缺少：{zh}。",
        ),
        expected=Text("a complete bundle", zh="完整的离线包"),
        actual=", ".join(one.about for one in told)[:300],
        hint=Text("Bring it along when it is needed.", zh="需要时请补充。"),
        subject=place,
        commands=(_BY_HAND[0].format(place=place),),
    )


def _enough(judged: Judgement, found: InstallBundle) -> Text:
    count, compared = len(found.bundle.files), found.bundle.compared
    return Text(
        f"{found.bundle.place} holds KubeEdge {judged.versions.release} for {judged.architecture}: {count} files, {compared} of them compared with checksums.",
        zh=f"{found.bundle.place} 含有 {judged.architecture} 的 KubeEdge {judged.versions.release}：共 {count} 个文件，其中 {compared} 个已核对校验和。",
    )
