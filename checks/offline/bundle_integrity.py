"""KE931: the offline bundle of a host is whole and has everything its side needs (requirements.md X16, R033, R054, R091-R097)."""

from __future__ import annotations

from kedoctor.api import (
    Evidence,
    Finding,
    HostContext,
    Judgement,
    Reason,
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
from kedoctor.checks.offline.facts_bundle import BundleHere, BundleRead
from kedoctor.checks.offline.judge import judge

__all__ = ["bundle_integrity"]

_MOST_TOLD = 3


@check(
    code="KE931",
    slug="bundle-integrity",
    title=Text("The offline bundle is whole and complete", zh="离线包完整且内容齐全"),
    side=Side.HOST,
    breaks=("install",),
    remedy=Text(
        "Put in what is missing; copy anew what is damaged.", zh="补齐缺失内容，重新复制损坏的文件。"
    ),
    references=("facts.md §9 (34)", "kubeprepare.md §1.2", "kubeprepare.md §3.5"),
    deadline=170.0,
)
def bundle_integrity(
    vantage: HostContext, here: BundleHere | Unavailable, read: BundleRead | Unavailable
) -> Finding:
    """Checksums, every image of the version set, and the machine that programs and images are for."""
    if isinstance(here, Unavailable):
        return _not_seen(vantage.name, here)
    if isinstance(read, Unavailable):
        return _not_seen(vantage.name, read)
    judgement = judge(read.bundle, sides=here.sides, architecture=here.architecture)
    tell = _whole if judgement.complete else _short
    return tell(vantage.name, here, judgement)


def _not_seen(name: str, why: Unavailable) -> Finding:
    if why.reason in (Reason.NOT_GIVEN, Reason.NOT_RECORDED):
        return skipped(
            Text(
                f"No offline bundle of {name} is known; name one with --offline-bundle DIR.",
                zh=f"未发现 {name} 的离线包；请用 --offline-bundle DIR 指定。",
            ),
            subject=name,
        )
    if why.reason is Reason.INVALID:
        return failed(
            Text(
                f"The offline bundle of {name} cannot be used: {why}.",
                zh=f"{name} 的离线包不可用：{why.in_chinese}。",
            ),
            expected=Text("a directory or tar that can be read to its end", zh="可完整读取的目录或 tar"),
            actual=str(why),
            hint=Text("Copy it anew and compare its sha256.", zh="重新复制并核对 sha256。"),
            subject=name,
            commands=("kedoctor bundle verify DIR",),
        )
    return unknown(
        Text(
            f"The offline bundle of {name} was not read: {why}.",
            zh=f"未能读取 {name} 的离线包：{why.in_chinese}。",
        ),
        subject=name,
        commands=("kedoctor bundle verify DIR",),
    )


def _whole(name: str, here: BundleHere, judgement: Judgement) -> Finding:
    bundle = judgement.bundle
    sides = " + ".join(judgement.sides)
    how = (
        Text(f"{bundle.compared} checksums agree", zh=f"已核对 {bundle.compared} 个校验和")
        if here.named
        else Text(
            "looked at by names and manifests; kedoctor bundle verify reads every byte",
            zh="仅查看了名称和清单；kedoctor bundle verify 会读取全部内容",
        )
    )
    return passed(
        Text(
            f"{bundle.place} on {name} has what {sides} needs for KubeEdge {judgement.versions.release} ({how.en}).",
            zh=f"{name} 的 {bundle.place} 具备 {sides} 安装 KubeEdge {judgement.versions.release} 所需内容（{how.zh}）。",
        ),
        subject=name,
    )


def _short(name: str, here: BundleHere, judgement: Judgement) -> Finding:
    """One finding for the bundle; what is fatal is told first, and the command lists all of it.

    One that nobody named may be left over from long ago: that it is incomplete breaks nothing.
    """
    bundle, short = judgement.bundle, judgement.shortcomings
    tell = failed if here.named else warned
    counted = [one for one in short if one.fatal]
    first = [one.text for one in counted[:_MOST_TOLD]]
    more = len(counted) - len(first)
    told = Text(
        "; ".join(one.en for one in first) + (f"; and {more} more" if more else ""),
        zh="；".join(one.zh for one in first) + (f"；另有 {more} 处" if more else ""),
    )
    return tell(
        Text(
            f"The offline bundle {bundle.place} on {name} is incomplete: {told.en}.",
            zh=f"{name} 的离线包 {bundle.place} 不完整：{told.zh}。",
        ),
        expected=Text(
            f"everything that {' + '.join(judgement.sides)} needs of KubeEdge {judgement.versions.release}, "
            f"for {judgement.architecture}, undamaged",
            zh=f"KubeEdge {judgement.versions.release} 的 {' + '.join(judgement.sides)} 所需的全部内容"
            f"（{judgement.architecture}），且未损坏",
        ),
        actual=Text(
            f"{len(counted)} missing or damaged; {len(bundle.files)} files were looked at",
            zh=f"{len(counted)} 个缺失或损坏；共检查 {len(bundle.files)} 个文件",
        ),
        hint=Text(
            "Put in what is missing (kedoctor bundle images prints the list), copy anew what is damaged, then verify again.",
            zh="补齐缺失内容（kedoctor bundle images 可列出清单），重新复制损坏的文件，然后再次校验。",
        ),
        subject=name,
        evidence=tuple(Evidence(one.about, one.text.en) for one in short if one.text not in first),
        commands=(f"kedoctor bundle verify {bundle.place}",),
        breaks=None if here.named else (),
    )
