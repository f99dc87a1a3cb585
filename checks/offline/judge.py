"""Whether an offline bundle is enough to install a side of a site from: pure, from what was read of it (requirements.md X16, R033, R097).

Not to be confused with bundles of evidence. ``judge`` is what ``kedoctor bundle verify``, KE931 and the preflight of an
install share, so that all of them say the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from kedoctor.api import (
    BundledFile,
    BundledKind,
    Judgement,
    NeededImage,
    NeededProgram,
    OfflineBundle,
    OfflineProblem,
    OfflineProblemKind,
    Shortcoming,
    Text,
    VersionSet,
    canonical,
)
from kedoctor.checks.facts.cluster.images import is_named_after
from kedoctor.checks.parsers.release_contents import (
    ARCHITECTURES,
    SIDES,
    newest,
    version_set,
)

__all__ = ["judge", "likely_architecture", "likely_release", "likely_sides"]

_ONLY_WARNINGS = (OfflineProblemKind.COMPRESSED, OfflineProblemKind.UNNAMED)
_RELEASED_TOGETHER = ("docker.io/kubeedge/cloudcore", "docker.io/kubeedge/installation-package")
_MARKS = {
    "cloud": (("k3s", "cloudcore"), "docker.io/kubeedge/cloudcore"),
    "edge": (("edgecore", "containerd", "runc"), "docker.io/kubeedge/installation-package"),
}


def judge(
    bundle: OfflineBundle,
    *,
    sides: tuple[str, ...] = (),
    architecture: str = "",
    versions: VersionSet | None = None,
) -> Judgement:
    """Compares an offline bundle with the version set of its release.

    What is not said (side, architecture, release) is taken from the bundle itself.
    """
    sides = sides or likely_sides(bundle)
    architecture = architecture or likely_architecture(bundle)
    versions = versions or likely_release(bundle)
    found = [
        *(_of_problem(one) for one in bundle.problems),
        *_missing_images(bundle, versions, sides, architecture),
        *_missing_programs(bundle, versions, sides, architecture),
    ]
    ordered = sorted(found, key=lambda one: not one.fatal)
    return Judgement(bundle, versions, sides, architecture, tuple(ordered))


def likely_sides(bundle: OfflineBundle) -> tuple[str, ...]:
    """The sides it is for, told by programs and images that only one of them has; both if nothing tells."""
    held = {_repository(image.reference) for _, image in bundle.images()}
    found = [
        side
        for side, (programs, image) in _MARKS.items()
        if image in held or any(bundle.binaries(name) for name in programs)
    ]
    return tuple(found) or SIDES


def likely_architecture(bundle: OfflineBundle) -> str:
    """The machine it is for: what ``meta/version.txt`` says, else what its name says, else most of its content."""
    stated = bundle.stated.get("arch", "")
    if stated in ARCHITECTURES:
        return stated
    name = bundle.place.rpartition("/")[2]
    named = [one for one in ARCHITECTURES if one in name]
    if len(named) == 1:
        return named[0]
    counted = Counter(
        [one.architecture for one in bundle.of_kind(BundledKind.BINARY, BundledKind.CNI_PLUGIN)]
        + [image.architecture for _, image in bundle.images()]
    )
    return max(ARCHITECTURES, key=lambda one: counted[one])


def likely_release(bundle: OfflineBundle) -> VersionSet:
    """The set of the KubeEdge release it holds: what it states, else the tag of its images, else the newest known."""
    tags = [
        image.reference.rpartition(":")[2]
        for _, image in bundle.images()
        if _repository(image.reference) in _RELEASED_TOGETHER
    ]
    for release in (bundle.stated.get("kubeedge_version", ""), *tags):
        found = version_set(release)
        if found is not None:
            return found
    return newest()


# ------------------------------------------------------------------------------------------------- inside


def _of_problem(problem: OfflineProblem) -> Shortcoming:
    return Shortcoming(problem.path, problem.text, fatal=problem.kind not in _ONLY_WARNINGS)


def _missing_images(
    bundle: OfflineBundle, versions: VersionSet, sides: tuple[str, ...], architecture: str
) -> Iterator[Shortcoming]:
    for needed in versions.images:
        if not set(needed.sides) & set(sides):
            continue
        archive = bundle.archive_of(needed.reference, architecture)
        if archive is None:
            yield Shortcoming(needed.reference, _why_missing(bundle, needed, architecture), needed.mandatory)
        elif archive.compressed and needed.mandatory:
            told = Text(
                f"the image {needed.reference} is only there compressed, and not every version of ctr reads that: "
                f"gunzip {archive.path}",
                zh=f"镜像 {needed.reference} 只有压缩归档，部分版本的 ctr 无法读取：请执行 gunzip {archive.path}",
            )
            yield Shortcoming(needed.reference, told, fatal=True)


def _why_missing(bundle: OfflineBundle, needed: NeededImage, architecture: str) -> Text:
    """One clause: what was found instead, and what the image is for."""
    missing = Text(f"the image {needed.reference} is missing", zh=f"缺少镜像 {needed.reference}")
    instead = _instead(bundle, needed, architecture)
    if instead is None:
        return Text(f"{missing.en}: {needed.why.en}", zh=f"{missing.zh}：{needed.why.zh}")
    return Text(
        f"{missing.en}: {instead.en}; {needed.why.en}", zh=f"{missing.zh}：{instead.zh}；{needed.why.zh}"
    )


def _instead(bundle: OfflineBundle, needed: NeededImage, architecture: str) -> Text | None:
    for archive, image in bundle.images():
        if image.reference == needed.reference:
            of = image.architecture or "an unknown machine"
            return Text(
                f"{archive.path} holds it for {of}, not for {architecture}",
                zh=f"{archive.path} 中的是 {image.architecture or '未知架构'} 版本，而非 {architecture}",
            )
    for archive in bundle.of_kind(BundledKind.IMAGES):
        if not is_named_after(archive.path, needed.reference):
            continue
        if archive.images:
            held = ", ".join(sorted({image.reference for image in archive.images}))
            return Text(
                f"{archive.path} is named after it but holds {held}",
                zh=f"{archive.path} 以它命名，但其中是 {held}",
            )
        return Text(f"{archive.path} cannot be used", zh=f"{archive.path} 不可用")
    others = {
        image.reference
        for _, image in bundle.images()
        if _repository(image.reference) == _repository(needed.reference)
    }
    if others:
        there = ", ".join(sorted(others))
        return Text(f"there is {there} instead", zh=f"其中只有 {there}")
    return None


def _missing_programs(
    bundle: OfflineBundle, versions: VersionSet, sides: tuple[str, ...], architecture: str
) -> Iterator[Shortcoming]:
    for needed in versions.programs:
        if not set(needed.sides) & set(sides):
            continue
        found = _program(bundle, needed, architecture)
        if found is None:
            if _told_already(bundle, needed):
                continue
            yield Shortcoming(needed.name, _no_program(bundle, needed, architecture), needed.mandatory)
        elif found.version and found.version.removeprefix("v") != needed.version.removeprefix("v"):
            told = Text(
                f"{found.path} is {found.version}; {needed.version} belongs to KubeEdge {versions.release}",
                zh=f"{found.path} 的版本是 {found.version}；与 KubeEdge {versions.release} 配套的是 {needed.version}",
            )
            yield Shortcoming(needed.name, told, fatal=False)


def _program(bundle: OfflineBundle, needed: NeededProgram, architecture: str) -> BundledFile | None:
    if not needed.plugin:
        return bundle.binary(needed.name, architecture)
    return next((one for one in bundle.cni_plugins(architecture) if one.name == needed.name), None)


def _told_already(bundle: OfflineBundle, needed: NeededProgram) -> bool:
    """Whether a problem says that the program is there twice."""
    paths = {one.path for one in bundle.binaries(needed.name)}
    return any(one.kind is OfflineProblemKind.AMBIGUOUS and one.path in paths for one in bundle.problems)


def _no_program(bundle: OfflineBundle, needed: NeededProgram, architecture: str) -> Text:
    kind = Text("CNI plugin", zh="CNI 插件") if needed.plugin else Text("program", zh="程序")
    alike = [one for one in bundle.files if one.name == needed.name]
    if alike and alike[0].architecture:
        told = Text(
            f"{alike[0].path} is for {alike[0].architecture}, not for {architecture}",
            zh=f"{alike[0].path} 适用于 {alike[0].architecture}，而非 {architecture}",
        )
    elif alike:
        told = Text(f"{alike[0].path} is not a program for Linux", zh=f"{alike[0].path} 不是 Linux 程序")
    else:
        return Text(
            f"the {kind.en} {needed.name} ({needed.version}) is missing: {needed.why.en}",
            zh=f"缺少{kind.zh} {needed.name}（{needed.version}）：{needed.why.zh}",
        )
    return Text(
        f"the {kind.en} {needed.name} is missing: {told.en}; {needed.why.en}",
        zh=f"缺少{kind.zh} {needed.name}：{told.zh}；{needed.why.zh}",
    )


def _repository(reference: str) -> str:
    full = canonical(reference)
    return full.partition("@")[0] if "@" in full else full.rpartition(":")[0]
