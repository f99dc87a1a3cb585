"""What ``kedoctor bundle`` prints of lists and verdicts: lines for people, and the same as plain data for JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from kedoctor.base.records import to_builtins
from kedoctor.model.image_references import archive_name

if TYPE_CHECKING:
    from kedoctor.model.release_contents import Judgement, VersionSet

__all__ = ["image_lines", "listed", "verdict_lines", "verified"]


def listed(versions: VersionSet, side: str | None, machine: str) -> dict[str, Any]:
    """The images and programs of a version set, for JSON."""
    needed, programs = versions.of(side)
    return {
        "kubeedge": versions.release,
        "platform": f"linux/{machine}",
        "versions": dict(versions.versions),
        "images": [
            {
                "image": one.reference,
                "archive": f"images/{archive_name(one.reference)}.tar",
                "sides": one.sides,
                "mandatory": one.mandatory,
                "role": one.role,
                "why": to_builtins(one.why),
            }
            for one in needed
        ],
        "programs": [
            {
                "name": one.name,
                "version": one.version,
                "kind": "cni-plugin" if one.plugin else "program",
                "sides": one.sides,
                "mandatory": one.mandatory,
                "why": to_builtins(one.why),
            }
            for one in programs
        ],
    }


def image_lines(versions: VersionSet, side: str | None, machine: str, language: str) -> Iterator[str]:
    """One line an image, its name first; above them the release and the machine."""
    needed, _ = versions.of(side)
    width = max(len(one.reference) for one in needed)
    yield f"# KubeEdge {versions.release}, linux/{machine}"
    for one in needed:
        words = ("必需", "可选") if language == "zh" else ("mandatory", "optional")
        sides = ",".join(one.sides)
        kind = words[0] if one.mandatory else words[1]
        yield f"{one.reference:{width}}  {sides:10}  {kind:9}  {one.why.in_language(language)}"


def verified(judgement: Judgement, language: str) -> dict[str, Any]:
    """The verdict on an offline bundle with everything that is in it, for JSON."""
    bundle = judgement.bundle
    return {
        "place": bundle.place,
        "packed": bundle.packed,
        "sha256": bundle.sha256,
        "kubeedge": judgement.versions.release,
        "sides": judgement.sides,
        "architecture": judgement.architecture,
        "complete": judgement.complete,
        "checksums_compared": bundle.compared,
        "shortcomings": [
            {"about": one.about, "fatal": one.fatal, "text": one.text.in_language(language)}
            for one in judgement.shortcomings
        ],
        "files": to_builtins(bundle.files),
    }


def verdict_lines(judgement: Judgement, language: str) -> Iterator[str]:
    """What was looked at, each shortcoming in one line, and whether it is enough."""
    bundle, zh = judgement.bundle, language == "zh"
    held = sum(1 for _ in bundle.images())
    programs = sum(1 for one in bundle.files if one.architecture)
    sides = " + ".join(judgement.sides)
    if zh:
        yield (
            f"{bundle.place}：离线包，{sides}，linux/{judgement.architecture}，KubeEdge {judgement.versions.release}；"
            f"{held} 个镜像，{programs} 个程序，已核对 {bundle.compared} 个校验和"
        )
    else:
        yield (
            f"{bundle.place}: offline bundle for {sides}, linux/{judgement.architecture}, "
            f"KubeEdge {judgement.versions.release}; {held} images, {programs} programs, "
            f"{bundle.compared} checksums compared"
        )
    marks = ("错误", "警告") if zh else ("FAIL", "WARN")
    for one in judgement.shortcomings:
        yield f"{marks[0] if one.fatal else marks[1]}  {one.text.in_language(language)}"
    yield _conclusion(judgement, zh=zh)


def _conclusion(judgement: Judgement, *, zh: bool) -> str:
    wrong = sum(1 for one in judgement.shortcomings if one.fatal)
    sides = " + ".join(judgement.sides)
    if judgement.complete:
        return f"可用于离线安装 {sides}。" if zh else f"It is complete: {sides} can be installed from it."
    if zh:
        return f"不完整：共 {wrong} 处错误，补齐后请再次执行 kedoctor bundle verify {judgement.bundle.place}"
    things = "1 thing is" if wrong == 1 else f"{wrong} things are"
    return (
        f"It is incomplete: {things} missing or damaged. Put it right, then: "
        f"kedoctor bundle verify {judgement.bundle.place}"
    )
