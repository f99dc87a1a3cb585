"""edgecore.yaml as a file: is it there, can edgecore read it, and is everything in it read at all."""

from __future__ import annotations

from kedoctor.api import (
    Evidence,
    File,
    Finding,
    Reason,
    Risk,
    Side,
    Text,
    Unavailable,
    check,
    failed,
    passed,
    patterns,
    unknown,
    warned,
)
from kedoctor.checks.data_path import ALL_STREAMS
from kedoctor.checks.edgecore.unread_keys import UnreadKeys, unread_keys
from kedoctor.checks.facts.edge.edgecore import EdgecoreConfig, EdgecoreFile, EdgecoreUnit, EdgeName
from kedoctor.checks.facts.edge.version import EdgecoreRelease
from kedoctor.checks.parsers.config.schema import Violation

__all__ = ["edgecore_config", "misplaced_keys"]

_SECRET = patterns.compiled(r"token|password|secret|eyJ", patterns.IGNORECASE)

_RESTORE = Text(
    "Put a good copy back, or correct the named line, then restart edgecore. `keadm join` writes a complete new file.",
    zh="恢复一份完好的副本，或修正所指出的行，然后重启 edgecore。`keadm join` 会写出完整的新文件。",
)


@check(
    code="KE201",
    slug="edgecore-config",
    title=Text("edgecore.yaml can be read by edgecore", zh="edgecore.yaml 可被 edgecore 读取"),
    side=Side.EDGE,
    breaks=(*ALL_STREAMS, "ready"),
    hop="edgecore",
    remedy=_RESTORE,
    risk=Risk.RESTARTS_EDGECORE,
    references=("facts.md §2.1", "facts.md §10 (43)", "testbed.md case l1"),
)
def edgecore_config(
    file: EdgecoreFile, config: EdgecoreConfig | Unavailable, unit: EdgecoreUnit, name: EdgeName
) -> Finding:
    """Whether edgecore can start from its file: there, YAML, the right types, no empty section, a cloud address."""
    if isinstance(file.file, Unavailable):
        return _absent(file, unit, name) if file.file.reason is Reason.ABSENT else _unread(file.file, name)
    if file.file.truncated:
        return _unread(Unavailable(Reason.TOO_LARGE, file.path, "it is larger than 1 MiB"), name)
    if file.error is not None:
        return _broken(file, unit, name, _syntax(file))
    if isinstance(config, Unavailable):
        return _unread(config, name)
    if not config.document.data:
        return _broken(file, unit, name, _empty(file))
    fatal = [deviation for deviation in config.violations if deviation.fatal]
    if fatal:
        return _broken(file, unit, name, _fatal(file, fatal))
    if not _names_a_cloud(config):
        return _broken(file, unit, name, _no_cloud(file))
    return passed(
        Text(
            f"{file.path} is valid YAML and fits what edgecore v1alpha2 reads.",
            zh=f"{file.path} 是有效的 YAML，且符合 edgecore v1alpha2 的格式。",
        ),
        subject=name.name,
        node=name.name,
    )


Problem = tuple[Text, str, Evidence]


def _unread(why: Unavailable, name: EdgeName) -> Finding:
    return unknown(
        Text(f"edgecore.yaml was not read: {why}.", zh=f"未能读取 edgecore.yaml：{why.in_chinese}。"),
        subject=name.name,
        node=name.name,
        hint=Text("Run kedoctor as root on the edge host.", zh="请在边缘主机上以 root 运行 kedoctor。"),
        commands=("sudo kedoctor run --side edge",),
    )


def _absent(file: EdgecoreFile, unit: EdgecoreUnit, name: EdgeName) -> Finding:
    summary = Text(
        f"{file.path} does not exist; edgecore exits at start with `config file {file.path} not exist`.",
        zh=f"{file.path} 不存在；edgecore 启动时会报 `config file {file.path} not exist` 并退出。",
    )
    return _broken(file, unit, name, (summary, "no such file", Evidence(file.path)))


def _syntax(file: EdgecoreFile) -> Problem:
    error = file.error
    if error is None or isinstance(file.file, Unavailable):  # only for the type checker
        raise TypeError("there is no error to tell")
    where = f"line {error.line}, column {error.column}"
    summary = Text(
        f"{file.path} is not YAML that edgecore can read: {where}: {error.reason}.",
        zh=f"{file.path} 不是 edgecore 能读取的 YAML：第 {error.line} 行第 {error.column} 列：{error.in_chinese}。",
    )
    return summary, f"{where}: {error.reason}", Evidence(file.path, _line(file.file, error.line), error.line)


def _line(file: File, number: int) -> str:
    lines = file.text().splitlines()
    text = lines[number - 1] if 0 < number <= len(lines) else ""
    readable = text.isprintable() or "\t" in text
    return text[:160] if readable and not _SECRET.search(text) else ""


def _empty(file: EdgecoreFile) -> Problem:
    summary = Text(
        f"{file.path} is empty: edgecore would run on code defaults and dial this machine instead of the cloud.",
        zh=f"{file.path} 是空文件：edgecore 会使用代码默认值，去连接本机而不是云端。",
    )
    return summary, "an empty document", Evidence(file.path)


def _fatal(file: EdgecoreFile, violations: list[Violation]) -> Problem:
    first = violations[0]
    told_en = "; ".join(deviation.text.en for deviation in violations)
    told_zh = "；".join(deviation.text.zh for deviation in violations)
    summary = Text(
        f"edgecore cannot start from {file.path}: {told_en}.",
        zh=f"edgecore 无法使用 {file.path} 启动：{told_zh}。",
    )
    return summary, told_en, Evidence(file.path, first.path_text, first.line)


def _names_a_cloud(config: EdgecoreConfig) -> bool:
    hub = "modules.edgeHub"
    return any(config.text(f"{hub}.{kind}.server") for kind in ("websocket", "quic"))


def _no_cloud(file: EdgecoreFile) -> Problem:
    summary = Text(
        f"{file.path} names no cloud: modules.edgeHub.websocket.server is not written, so edgecore dials this machine.",
        zh=f"{file.path} 没有写云端地址：缺少 modules.edgeHub.websocket.server，edgecore 会连接本机。",
    )
    return summary, "modules.edgeHub.websocket.server is not written", Evidence(file.path)


def _broken(file: EdgecoreFile, unit: EdgecoreUnit, name: EdgeName, problem: Problem) -> Finding:
    summary, actual, evidence = problem
    commands = (
        f"sudo cp -p {file.path} {file.path}.broken",
        f"sudo vi {file.path}",
        "sudo systemctl restart edgecore",
        "sudo journalctl -u edgecore -n 20 --no-pager",
    )
    expected = Text(
        "one YAML document with the address of the cloud, every section filled and every value of its type",
        zh="一份 YAML 文档：写有云端地址，各段不为空，各值类型正确",
    )
    if not _outlived(file, unit):
        return failed(
            summary,
            expected=expected,
            actual=actual,
            hint=_RESTORE,
            subject=name.name,
            node=name.name,
            evidence=(evidence,),
            commands=commands,
        )
    later = Text(
        f"{summary.en} edgecore was started before that and still runs; it will not come back after a restart.",
        zh=f"{summary.zh}edgecore 在此之前已启动，仍在运行；重启后将无法恢复。",
    )
    return warned(
        later,
        expected=expected,
        actual=actual,
        hint=_RESTORE,
        subject=name.name,
        node=name.name,
        evidence=(evidence,),
        commands=commands,
        breaks=(),
    )


def _outlived(file: EdgecoreFile, unit: EdgecoreUnit) -> bool:
    """Whether the process runs on an older content of the file."""
    if unit.runs is not True or unit.started is None:
        return False
    return isinstance(file.file, Unavailable) or file.file.metadata.modified > unit.started


@check(
    code="KE207",
    slug="misplaced-keys",
    title=Text("Every key of edgecore.yaml is read", zh="edgecore.yaml 中的每个键都被读取"),
    side=Side.EDGE,
    hop="edgecore",
    builds_on=("KE201",),
    remedy=Text(
        "Move or rename the keys as told; edgecore says nothing about keys that it ignores.",
        zh="按提示移动或改名；edgecore 对被忽略的键不会给出任何提示。",
    ),
    risk=Risk.RESTARTS_EDGECORE,
    references=("facts.md §2.1", "facts.md §9 (15)", "facts.md §10 (44)", "testbed.md case l2"),
)
def misplaced_keys(config: EdgecoreConfig, version: EdgecoreRelease) -> Finding:
    """Keys that edgecore ignores without a word: unknown, misspelt, misplaced, written twice, or never reached."""
    node = config.node_name
    unread = unread_keys(config, version.release)
    found = [(violation.text, violation.line) for violation in unread.certain]
    found += [
        _twice(".".join(map(str, twice.path)), twice.first.line, twice.last.line)
        for twice in config.document.duplicates
    ]
    second = config.document.ignored_from
    if second is not None:
        found.append(_second_document(second.line))
    if not found and unread.undecided:
        return _undecided(config, unread, version)
    if not found:
        return passed(
            Text(f"edgecore reads every key of {config.path}.", zh=f"edgecore 读取 {config.path} 的每个键。"),
            subject=node,
            node=node,
        )
    told_en = "; ".join(text.en for text, _ in found)
    told_zh = "；".join(text.zh for text, _ in found)
    return warned(
        Text(
            f"edgecore silently ignores part of {config.path}: {told_en}.",
            zh=f"edgecore 不提示地忽略了 {config.path} 的部分内容：{told_zh}。",
        ),
        expected=Text(
            "only keys of the v1alpha2 schema, each once and in its place",
            zh="只含 v1alpha2 格式的键，位置正确且不重复",
        ),
        actual=Text(told_en, zh=told_zh),
        hint=Text("Move or rename them, then restart edgecore.", zh="移动或改名后重启 edgecore。"),
        subject=node,
        node=node,
        evidence=tuple(Evidence(config.path, text.en, line) for text, line in found),
        commands=(f"sudo vi {config.path}", "sudo systemctl restart edgecore"),
    )


def _undecided(config: EdgecoreConfig, unread: UnreadKeys, version: EdgecoreRelease) -> Finding:
    told = ", ".join(violation.path_text for violation in unread.undecided)
    seen = version.text or "none"
    return unknown(
        Text(
            f"Whether edgecore reads {told} depends on its release, which is unknown here (version seen: {seen}).",
            zh=f"edgecore 是否读取 {told} 取决于其版本，而此处版本未知（所见：{version.text or '无'}）。",
        ),
        subject=config.node_name,
        node=config.node_name,
    )


def _twice(path: str, first: int, last: int) -> tuple[Text, int | None]:
    text = Text(
        f"{path} is written twice, on line {first} and line {last}; the last one counts",
        zh=f"{path} 写了两次（第 {first} 行和第 {last} 行），以最后一次为准",
    )
    return text, first


def _second_document(line: int) -> tuple[Text, int | None]:
    text = Text(
        f"everything from line {line} on, because a second document begins there",
        zh=f"第 {line} 行起是第二个文档，其后内容全部被忽略",
    )
    return text, line
