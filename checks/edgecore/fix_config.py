"""KE201: an edgecore.yaml that edgecore cannot start from is put right where that is unambiguous, or restored."""

from __future__ import annotations

from collections.abc import Iterator

from kedoctor.api import (
    EditYaml,
    File,
    NoPlan,
    Plan,
    Reason,
    Text,
    Unavailable,
    Verdict,
    WriteFile,
    YamlChange,
    remedy,
)
from kedoctor.checks.facts.edge.edgecore import EdgecoreConfig, EdgecoreFile, EdgeName
from kedoctor.checks.facts.edge.repair import EdgecoreCopies, EdgecoreCopy
from kedoctor.checks.parsers.config.schema import EDGECORE, Violation
from kedoctor.checks.plans.edgecore import changed, edgecore_plan, no_plan

__all__ = ["edgecore_config"]

_WORDS = {"true": True, "false": False}


@remedy("KE201")
def edgecore_config(
    verdict: Verdict,
    file: EdgecoreFile,
    config: EdgecoreConfig | Unavailable,
    copies: EdgecoreCopies,
    name: EdgeName,
) -> Plan | NoPlan:
    """Empty sections are removed and quoted numbers unquoted; anything else comes from a good copy beside the file."""
    if isinstance(config, EdgecoreConfig):
        changes = tuple(_corrections(config))
        if changes:
            return _corrected(verdict, config, changes)
    if isinstance(file.file, Unavailable) and file.file.reason is not Reason.ABSENT:
        return no_plan(f"the file was not read: {file.file}", f"未能读取 {file.path}：{file.file.in_chinese}")
    good = _copy_of_this_node(file, copies, name)
    return _by_hand(file) if good is None else _restored(verdict, file, good)


def _corrections(config: EdgecoreConfig) -> Iterator[YamlChange]:
    """The changes that make the file right; nothing if they would not."""
    fatal = [deviation for deviation in config.violations if deviation.fatal]
    changes = [change for deviation in fatal if (change := _correction(config, deviation)) is not None]
    tree = changed(config.document.data, changes) if fatal and len(changes) == len(fatal) else None
    if tree is None or any(left.fatal for left in EDGECORE.inspect(tree)):
        return
    if EDGECORE.effective(tree, "modules.edgeHub.websocket.server"):
        yield from changes


def _correction(config: EdgecoreConfig, deviation: Violation) -> YamlChange | None:
    if any(not isinstance(part, str) or "." in part for part in deviation.path):
        return None
    if deviation.kind == "null-section":
        return YamlChange("remove", deviation.path_text)
    written = config.document.value(deviation.path_text)
    if deviation.kind == "wrong-type" and isinstance(written, str):
        word = written.strip()
        if word in _WORDS:
            return YamlChange("set", deviation.path_text, _WORDS[word])
        if word.isascii() and word.isdigit():
            return YamlChange("set", deviation.path_text, int(word))
    return None


def _corrected(verdict: Verdict, config: EdgecoreConfig, changes: tuple[YamlChange, ...]) -> Plan:
    keys = ", ".join(change.path for change in changes)
    return edgecore_plan(
        verdict,
        Text(f"correct {keys} in {config.path}", zh=f"修正 {config.path} 中的 {keys}"),
        Text(
            "Empty sections go, so that edgecore uses its defaults for them; quoted numbers and switches lose their quotes.",
            zh="删除空段，使 edgecore 使用其默认值；带引号的数字和开关去掉引号。",
        ),
        EditYaml(config.path, changes),
    )


def _copy_of_this_node(file: EdgecoreFile, copies: EdgecoreCopies, name: EdgeName) -> EdgecoreCopy | None:
    told = isinstance(file.file, File) and "hostnameOverride" in file.file.text()
    fitting = (
        one
        for one in copies.items
        if not told or one.config.text("modules.edged.hostnameOverride") == name.name
    )
    return next(fitting, None)


def _restored(verdict: Verdict, file: EdgecoreFile, good: EdgecoreCopy) -> Plan:
    absent = isinstance(file.file, Unavailable)
    day = f"{good.file.metadata.modified:%Y-%m-%d %H:%M} UTC"
    return edgecore_plan(
        verdict,
        Text(f"restore {file.path} from {good.path}", zh=f"从 {good.path} 恢复 {file.path}"),
        Text(
            f"The copy is of {day}; what was changed since is lost from the file but kept in the journal.",
            zh=f"该副本的时间为 {day}；此后的修改将不在文件中，但保留在日志记录里。",
        ),
        WriteFile(file.path, good.file.data, good.file.metadata.mode if absent else None),
    )


def _by_hand(file: EdgecoreFile) -> NoPlan:
    absent = isinstance(file.file, Unavailable)
    first_en = f"write {file.path} anew" if absent else f"correct the named line with `sudo vi {file.path}`"
    first_zh = f"重新写出 {file.path}" if absent else f"用 `sudo vi {file.path}` 修正所指出的行"
    return no_plan(
        f"no usable copy of this node lies beside it ({file.path}.*); {first_en}, or let `keadm reset edge` and `keadm join` make a new one, then run `kedoctor run --fix` again",
        f"其旁没有该节点可用的副本（{file.path}.*）；请{first_zh}，或用 `keadm reset edge` 和 `keadm join` 重新生成，然后再次运行 `kedoctor run --fix`",
    )
