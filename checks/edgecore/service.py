"""Does edgecore run, does it stay, and does it do anything (facts.md §4.3, §10 (56))."""

from __future__ import annotations

from datetime import datetime, timedelta

from kedoctor.api import (
    Evidence,
    Finding,
    Risk,
    Side,
    Text,
    Unavailable,
    Unit,
    check,
    failed,
    passed,
    unknown,
    warned,
)
from kedoctor.checks.causality import EDGECORE_ENDS
from kedoctor.checks.data_path import ALL_STREAMS
from kedoctor.checks.facts.edge.clock import HostTime
from kedoctor.checks.facts.edge.edgecore import EdgecoreUnit, EdgeName
from kedoctor.checks.facts.edge.edgecore_log import EdgecoreLog, quoted
from kedoctor.checks.facts.edge.sockets_and_probes import EDGED_PORT, EdgeSockets
from kedoctor.checks.parsers.durations import span
from kedoctor.checks.parsers.logs.edgecore_exit_reasons import ExitMeaning
from kedoctor.checks.parsers.logs.klog import LogLine

__all__ = ["edgecore_running"]

_YOUNG = timedelta(seconds=60)
_LOOPS = 3
_START = Text(
    "Read the last lines it wrote, remove the cause, then start it.",
    zh="先看它最后的日志并排除原因，再启动。",
)
_COMMANDS = (
    "systemctl status edgecore --no-pager",
    "sudo journalctl -u edgecore -n 50 --no-pager",
    "sudo systemctl enable --now edgecore",
)


@check(
    code="KE701",
    slug="edgecore-running",
    title=Text("edgecore runs and keeps running", zh="edgecore 正在稳定运行"),
    side=Side.EDGE,
    breaks=(*ALL_STREAMS, "ready"),
    hop="edgecore",
    explained_by=tuple(code for code in EDGECORE_ENDS if code != "KE701"),
    remedy=_START,
    risk=Risk.RESTARTS_EDGECORE,
    references=("facts.md §2.1", "facts.md §4.3", "facts.md §10 (25, 43, 56)", "testbed.md cases j, k, l1"),
)
def edgecore_running(
    unit: EdgecoreUnit,
    name: EdgeName,
    log: EdgecoreLog | Unavailable,
    sockets: EdgeSockets | Unavailable,
    time: HostTime | Unavailable,
) -> Finding:
    """The unit, its restarts and the process; a process that holds no socket at all is not counted as running."""
    known = unit.unit
    if isinstance(known, Unavailable) or known.load_state == "not-found":
        return _without_unit(unit, name.name)
    now = None if isinstance(time, Unavailable) else time.now
    if known.active_state != "active" or unit.runs is False:
        return _down(known, log, name.name, process_gone=known.active_state == "active")
    age = now - unit.started if now is not None and unit.started is not None else None
    if now is not None and age is not None and age < _YOUNG and _loops(known, log, now):
        return _looping(known, age, log, name.name)
    if age is not None and age > _YOUNG and _idle(sockets):
        return _zombie(log, name.name)
    if known.unit_file_state == "disabled":
        return _disabled(name.name)
    since = "" if unit.started is None else f" since {unit.started:%Y-%m-%d %H:%M:%S} UTC"
    return passed(
        Text(
            f"edgecore of {name.name} runs{since}, {known.restarts} restarts by systemd.",
            zh=f"{name.name} 的 edgecore 正在运行{since and f'（自 {unit.started:%Y-%m-%d %H:%M:%S} UTC）'}，systemd 重启 {known.restarts} 次。",
        ),
        subject=name.name,
        node=name.name,
        evidence=(Evidence("systemctl show edgecore", _state(known)),),
    )


def _loops(unit: Unit, log: EdgecoreLog | Unavailable, now: datetime) -> bool:
    """Whether systemd restarts it over and over: by its count, unless the log shows that lives between were long."""
    if unit.restarts < _LOOPS:
        return False
    return isinstance(log, Unavailable) or not log.before or log.keeps_dying(now)


def _state(unit: Unit) -> str:
    return f"{unit.active_state} ({unit.sub_state}), result {unit.result or '-'}, NRestarts {unit.restarts}, {unit.unit_file_state or '-'}"


def _without_unit(unit: EdgecoreUnit, node: str) -> Finding:
    if unit.runs is None:
        why = [one for one in (unit.unit, unit.table) if isinstance(one, Unavailable)]
        en, zh = "; ".join(map(str, why)), "；".join(one.in_chinese for one in why)
        return unknown(
            Text(
                f"Whether edgecore of {node} runs is unknown: {en}.",
                zh=f"无法判断 {node} 的 edgecore 是否运行：{zh}。",
            ),
            subject=node,
            node=node,
        )
    if unit.runs is False:
        return failed(
            Text(
                f"edgecore of {node} does not run, and no unit would start it.",
                zh=f"{node} 的 edgecore 未运行，也没有可启动它的 systemd 单元。",
            ),
            expected=Text("edgecore.service active", zh="edgecore.service 处于 active"),
            actual=Text("no process, no unit", zh="没有进程，也没有 systemd 单元"),
            hint=Text("Join the edge with keadm.", zh="用 keadm 加入边缘节点。"),
            subject=node,
            node=node,
            commands=("systemctl status edgecore --no-pager", "keadm join --help"),
        )
    if isinstance(unit.unit, Unavailable):
        return passed(
            Text(
                f"An edgecore process of {node} runs; systemd was not asked.",
                zh=f"{node} 的 edgecore 进程正在运行；未能查询 systemd。",
            ),
            subject=node,
            node=node,
        )
    return warned(
        Text(
            f"edgecore of {node} runs without a systemd unit: it does not come back after a crash or a reboot.",
            zh=f"{node} 的 edgecore 不受 systemd 管理：崩溃或重启后不会恢复。",
        ),
        expected=Text("edgecore.service enabled and active", zh="edgecore.service 已启用并处于 active"),
        actual=Text("a process, no unit", zh="有进程，但没有 systemd 单元"),
        hint=Text("Install the unit that keadm writes.", zh="安装 keadm 写入的 systemd 单元。"),
        subject=node,
        node=node,
        commands=("systemctl cat edgecore",),
        breaks=(),
    )


def _last_words(log: EdgecoreLog | Unavailable) -> tuple[LogLine | None, ExitMeaning | None]:
    return (None, None) if isinstance(log, Unavailable) else log.last_words()


def _evidence(unit: Unit, last: LogLine | None) -> tuple[Evidence, ...]:
    found = [Evidence("systemctl show edgecore", _state(unit))]
    if last is not None:
        found.append(Evidence("journalctl -u edgecore", quoted(last)))
    return tuple(found)


def _because(last: LogLine | None, meaning: ExitMeaning | None) -> Text:
    if meaning is not None:
        code = f" ({meaning.code})" if meaning.code else ""
        return Text(
            f" The last log line means: {meaning.text.en}{code}.",
            zh=f"最后的日志含义：{meaning.text.zh}{code}。",
        )
    if last is not None:
        words = (last.message or last.raw)[:200]
        return Text(f" Last log line: “{words}”.", zh=f"最后的日志：“{words}”。")
    return Text("", zh="")


def _down(unit: Unit, log: EdgecoreLog | Unavailable, node: str, *, process_gone: bool) -> Finding:
    crashed = unit.active_state in ("activating", "failed") or process_gone
    last, meaning = _last_words(log) if crashed else (None, None)
    because = _because(last, meaning)
    if unit.active_state == "activating":
        en = f"edgecore of {node} ends right after each start and systemd restarts it over and over."
        zh = f"{node} 的 edgecore 每次启动后立即退出，systemd 反复重启它。"
    elif unit.active_state == "failed":
        en, zh = (
            f"edgecore of {node} has failed and is not restarted.",
            f"{node} 的 edgecore 已失败且不再重启。",
        )
    elif process_gone:
        en, zh = (
            f"systemd says that edgecore of {node} is active, but there is no such process.",
            f"systemd 显示 {node} 的 edgecore 为 active，但没有该进程。",
        )
    else:
        en, zh = (
            f"edgecore of {node} is stopped ({unit.active_state}).",
            f"{node} 的 edgecore 已停止（{unit.active_state}）。",
        )
    return failed(
        Text(f"{en}{because.en}", zh=f"{zh}{because.zh}"),
        expected=Text("active (running)", zh="active (running)"),
        actual=_state(unit),
        hint=_START,
        subject=node,
        node=node,
        evidence=_evidence(unit, last),
        commands=_COMMANDS,
        root=not crashed,  # somebody stopped it
    )


def _looping(unit: Unit, age: timedelta, log: EdgecoreLog | Unavailable, node: str) -> Finding:
    last, meaning = _last_words(log)
    because = _because(last, meaning)
    return failed(
        Text(
            f"edgecore of {node} has run for {span(age).en} only and was restarted {unit.restarts} times: it keeps crashing.{because.en}",
            zh=f"{node} 的 edgecore 仅运行了 {span(age).zh}，已被重启 {unit.restarts} 次：反复崩溃。{because.zh}",
        ),
        expected=Text("active (running) for longer than a minute", zh="active (running) 超过一分钟"),
        actual=_state(unit),
        hint=_START,
        subject=node,
        node=node,
        evidence=_evidence(unit, last),
        commands=_COMMANDS,
    )


def _idle(sockets: EdgeSockets | Unavailable) -> bool:
    """Whether edgecore neither serves nor dials anything, as when one module has cancelled all others."""
    if isinstance(sockets, Unavailable) or not sockets.sockets.owners_complete:
        return False
    own = [socket for socket in sockets.sockets.items if socket.process == "edgecore"]
    serves = any(s.state == "LISTEN" for s in own)  # edged may have been moved (KE205)
    dials = any(
        s.state in ("ESTABLISHED", "SYN_SENT") and not s.remote_address.startswith("127.") for s in own
    )
    return not serves and not dials


def _zombie(log: EdgecoreLog | Unavailable, node: str) -> Finding:
    bind = None if isinstance(log, Unavailable) else log.newest("bind: address already in use")
    why_en = (
        " Another program holds the port of its metaServer, and that cancels every module." if bind else ""
    )
    why_zh = "其 metaServer 的端口被其他程序占用，导致所有模块被取消。" if bind else ""
    return failed(
        Text(
            f"edgecore of {node} is active but does nothing: it neither listens on {EDGED_PORT} nor dials the cloud.{why_en}",
            zh=f"{node} 的 edgecore 处于 active 但没有工作：既不监听 {EDGED_PORT} 也不连接云端。{why_zh}",
        ),
        expected=Text(
            "a listener on 127.0.0.1:10350 and connections to the cloud",
            zh="监听 127.0.0.1:10350 并与云端保持连接",
        ),
        actual=Text("active (running), no sockets", zh="运行中（active），但没有套接字"),
        hint=Text("Free the port named in its log, then restart it.", zh="释放日志中提到的端口，然后重启。"),
        subject=node,
        node=node,
        evidence=(
            Evidence("ss -tnpa", "no listener and no connection of edgecore"),
            *((Evidence("journalctl -u edgecore", quoted(bind)),) if bind else ()),
        ),
        commands=(
            "sudo ss -tnpa | grep edgecore",
            "sudo ss -tlnp 'sport = :10550'",
            "sudo systemctl restart edgecore",
        ),
    )


def _disabled(node: str) -> Finding:
    return warned(
        Text(
            f"edgecore of {node} runs, but its unit is disabled: it does not come back after a reboot.",
            zh=f"{node} 的 edgecore 正在运行，但单元未设为开机启动：重启主机后不会恢复。",
        ),
        expected=Text("enabled", zh="enabled"),
        actual=Text("disabled", zh="已禁用（disabled）"),
        hint=Text("Enable it.", zh="设为开机启动。"),
        subject=node,
        node=node,
        evidence=(Evidence("systemctl is-enabled edgecore", "disabled"),),
        commands=("sudo systemctl enable edgecore",),
        breaks=(),
    )
