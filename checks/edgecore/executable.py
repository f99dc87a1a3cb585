"""Can this host run the program edgecore at all: what systemd says of it, and what its file is (facts.md §11.1)."""

from __future__ import annotations

from kedoctor.api import (
    Evidence,
    FileMetadata,
    Finding,
    Reason,
    Side,
    Text,
    Unavailable,
    check,
    failed,
    passed,
    skipped,
    unknown,
)
from kedoctor.checks.data_path import ALL_STREAMS
from kedoctor.checks.facts.edge.edgecore import EdgecoreUnit, EdgeName
from kedoctor.checks.facts.edge.edgecore_log import EdgecoreLog, quoted
from kedoctor.checks.facts.edge.program import EdgecoreProgram
from kedoctor.checks.parsers.logs.edgecore_exit_reasons import NotStarted, not_started
from kedoctor.checks.parsers.logs.klog import LogLine

__all__ = ["edgecore_executable"]

_EXEC = 203  # systemd.exec(5): the program could not be executed
_ANEW = Text(
    "Put edgecore of your KubeEdge version and of this processor there, complete and executable.",
    zh="放入与 KubeEdge 版本和本机处理器一致、完整且可执行的 edgecore。",
)


@check(
    code="KE715",
    slug="edgecore-executable",
    title=Text("This host can run the program edgecore", zh="主机可以运行 edgecore 程序"),
    side=Side.EDGE,
    breaks=(*ALL_STREAMS, "ready"),
    hop="edgecore",
    remedy=_ANEW,
    references=("facts.md §11.1",),
)
def edgecore_executable(
    unit: EdgecoreUnit,
    name: EdgeName,
    program: EdgecoreProgram,
    log: EdgecoreLog | Unavailable,
) -> Finding:
    """A process that runs proves it; otherwise systemd's own words and the head of the file decide."""
    node = name.name
    if not unit.known:
        return skipped(
            Text(f"There is no edgecore on {node}.", zh=f"{node} 上没有 edgecore。"), subject=node, node=node
        )
    if unit.runs:
        return passed(
            Text(f"{program.path} runs on {node}.", zh=f"{program.path} 正在 {node} 上运行。"),
            subject=node,
            node=node,
        )
    line, words = _said(log)
    why = _of_file(program) or (None if words is None else words.text)
    if why is None and _not_executed(unit):
        why = Text("systemd could not execute it (status 203/EXEC)", zh="systemd 无法执行它（状态 203/EXEC）")
    if why is not None:
        return _cannot(node, unit, program, why, line)
    if isinstance(program.metadata, Unavailable) and program.metadata.reason is not Reason.ABSENT:
        return unknown(
            Text(
                f"Whether {node} could run {program.path} is unknown: {program.metadata}.",
                zh=f"无法得知 {node} 能否运行 {program.path}：{program.metadata.in_chinese}。",
            ),
            subject=node,
            node=node,
            commands=(f"{program.path} --version",),
        )
    return passed(
        Text(
            f"{program.path} of {node} is a program for {program.machine or 'this machine'}.",
            zh=f"{node} 的 {program.path} 是适用于 {program.machine or '本机'} 的程序。",
        ),
        subject=node,
        node=node,
    )


def _said(log: EdgecoreLog | Unavailable) -> tuple[LogLine | None, NotStarted | None]:
    """The newest line that says why the program could not be run, unless edgecore spoke after it."""
    line = None if isinstance(log, Unavailable) else log.not_started()
    found = None if line is None else not_started(line.raw)
    return (None, None) if found is None or found.only_limit else (line, found)


def _not_executed(unit: EdgecoreUnit) -> bool:
    known = unit.unit
    return not isinstance(known, Unavailable) and known.result == "exit-code" and known.exit_status == _EXEC


def _of_file(program: EdgecoreProgram) -> Text | None:
    """What is wrong with the file itself."""
    if isinstance(program.metadata, Unavailable):
        if program.metadata.reason is Reason.ABSENT:
            return Text("there is no such file", zh="该文件不存在")
        return None
    if program.other_machine:
        return Text(
            f"it was built for {program.machine}, and this machine is {program.kernel}",
            zh=f"它是为 {program.machine} 构建的，而本机是 {program.kernel}",
        )
    if program.missing_bytes:
        return Text(
            f"the file is not complete: {program.missing_bytes} bytes are missing at its end",
            zh=f"文件不完整：末尾至少缺少 {program.missing_bytes} 字节",
        )
    if program.not_executable:
        return Text("nobody may execute it", zh="没有执行权限")
    if program.no_program and not program.head.startswith(b"#!"):
        return Text("the file is no program", zh="该文件不是程序")
    return None


def _cannot(
    node: str, unit: EdgecoreUnit, program: EdgecoreProgram, why: Text, line: LogLine | None
) -> Finding:
    evidence = [Evidence(program.path, _seen(program))]
    if line is not None:
        evidence.insert(0, Evidence("journalctl -u edgecore", quoted(line)))
    if not isinstance(unit.unit, Unavailable) and unit.unit.exit_status is not None:
        state = f"result {unit.unit.result}, status {unit.unit.exit_status}"
        evidence.append(Evidence("systemctl show edgecore", state))
    enforced = bool(program.selinux) and _denied(line, program)
    return failed(
        Text(
            f"{node} cannot run {program.path}: {why.en}.", zh=f"{node} 无法运行 {program.path}：{why.zh}。"
        ),
        expected=Text(
            f"a program for {program.kernel or 'this machine'} that may be executed",
            zh=f"适用于 {program.kernel or '本机'} 且可执行的程序",
        ),
        actual=quoted(line) if line is not None else why.en,
        hint=_SELINUX if enforced else _ANEW,
        subject=node,
        node=node,
        evidence=tuple(evidence),
        commands=_commands(program, enforced=enforced),
        root=True,
    )


_SELINUX = Text(
    "SELinux enforces here and the file has its execute bits: give it the label of a program.",
    zh="本机启用了 SELinux 且该文件有执行权限：请恢复其程序标签。",
)


def _denied(line: LogLine | None, program: EdgecoreProgram) -> bool:
    """Whether a file that has its execute bits was refused."""
    return line is not None and "ermission denied" in line.raw and not program.not_executable


def _seen(program: EdgecoreProgram) -> str:
    if not isinstance(program.metadata, FileMetadata):
        return str(program.metadata)
    kind = f"ELF for {program.machine}" if program.machine else "no ELF program"
    kind = kind if program.head else program.metadata.kind
    return f"{kind}, {program.metadata.size} bytes, mode {program.metadata.mode:04o}, this machine {program.kernel or '-'}"


def _commands(program: EdgecoreProgram, *, enforced: bool) -> tuple[str, ...]:
    labels = (f"ls -Z {program.path}", f"sudo restorecon -v {program.path}") if enforced else ()
    return (
        "sudo journalctl -u edgecore -n 20 --no-pager",
        f"uname -m; file {program.path}; {program.path} --version",
        *labels,
        "sudo systemctl reset-failed edgecore && sudo systemctl restart edgecore",
    )
