"""edged's own server: the cloud always asks ``http://127.0.0.1:10350``, without authentication (facts.md §3.5, §3.6)."""

from __future__ import annotations

from kedoctor.api import (
    Evidence,
    Finding,
    Reason,
    Risk,
    Side,
    Socket,
    Text,
    Unavailable,
    check,
    failed,
    passed,
    warned,
)
from kedoctor.checks.data_path import ALL_STREAMS
from kedoctor.checks.facts.edge.edgecore import EdgecoreConfig, EdgeName
from kedoctor.checks.facts.edge.sockets_and_probes import EDGED_PORT, EdgedHealth, EdgeSockets
from kedoctor.checks.parsers.host_port import is_loopback, is_unspecified

__all__ = ["edged_address", "edged_listener"]

_KUBELET = "modules.edged.tailoredKubeletConfig"
_LOOPBACK = "127.0.0.1"
_RESTORE = Text(
    "Set tailoredKubeletConfig.address to 127.0.0.1 and readOnlyPort to 10350, then restart edgecore.",
    zh="将 tailoredKubeletConfig.address 设为 127.0.0.1、readOnlyPort 设为 10350，并重启 edgecore。",
)


@check(
    code="KE205",
    slug="edged-address",
    title=Text("edged serves 127.0.0.1:10350 and nobody else", zh="edged 只在 127.0.0.1:10350 提供服务"),
    side=Side.EDGE,
    breaks=ALL_STREAMS,
    hop="edged",
    builds_on=("KE201",),
    remedy=_RESTORE,
    risk=Risk.RESTARTS_EDGECORE,
    references=("facts.md §3.5", "facts.md §3.6", "facts.md §10 (21, 22)"),
)
def edged_address(config: EdgecoreConfig) -> Finding:
    """``address`` and ``readOnlyPort``: where the cloud asks, and not open to the network."""
    node = config.node_name
    address, port = config.text(f"{_KUBELET}.address"), config.number(f"{_KUBELET}.readOnlyPort")
    everywhere = is_unspecified(address)
    if port == EDGED_PORT and is_loopback(address) and not everywhere:
        return passed(
            Text(
                f"edged of {node} is set to {address}:{port}.",
                zh=f"{node} 的 edged 配置为 {address}:{port}。",
            ),
            subject=node,
            node=node,
        )
    return failed(
        _told(node, address, port, everywhere=everywhere),
        expected=Text(
            f"address: {_LOOPBACK}, readOnlyPort: {EDGED_PORT}",
            zh=f"address: {_LOOPBACK}，readOnlyPort: {EDGED_PORT}",
        ),
        actual=f"address: {address}, readOnlyPort: {port}",
        hint=_RESTORE,
        subject=node,
        node=node,
        evidence=tuple(
            Evidence(
                config.path, f"{key}: {config.value(f'{_KUBELET}.{key}')}", config.line(f"{_KUBELET}.{key}")
            )
            for key in ("address", "readOnlyPort")
        ),
        commands=(
            f"sudo vi {config.path}   # {_KUBELET}: address {_LOOPBACK}, readOnlyPort {EDGED_PORT}",
            "sudo systemctl restart edgecore",
            f"sudo ss -tlnp | grep {EDGED_PORT}",
        ),
        breaks=() if everywhere and port == EDGED_PORT else None,
    )


def _told(node: str, address: str, port: int, *, everywhere: bool) -> Text:
    """What a wrong address or port of edged means."""
    if port == 0:
        return Text(
            f"edged of {node} serves nothing (readOnlyPort 0), so every request through the tunnel fails.",
            zh=f"{node} 的 edged 不提供服务（readOnlyPort 为 0），隧道中的所有请求都会失败。",
        )
    if port != EDGED_PORT:
        return Text(
            f"edged of {node} is set to port {port}, but the cloud always asks for {EDGED_PORT}: logs and exec hang.",
            zh=f"{node} 的 edged 配置为端口 {port}，而云端固定访问 {EDGED_PORT}：logs、exec 会挂起。",
        )
    if everywhere:
        return Text(
            f"edged of {node} listens on every address ({address}:{port}): anybody who reaches it can run commands in its pods without a password. Logs go on working.",
            zh=f"{node} 的 edged 监听所有地址（{address}:{port}）：任何能访问它的人都可无认证地在其 Pod 中执行命令。logs 仍可用。",
        )
    return Text(
        f"edged of {node} listens on {address} only, but the cloud asks for {_LOOPBACK}: logs and exec hang, and {address} is open to the network.",
        zh=f"{node} 的 edged 只监听 {address}，而云端访问 {_LOOPBACK}：logs、exec 会挂起，且 {address} 暴露在网络上。",
    )


@check(
    code="KE502",
    slug="edged-listener",
    title=Text("edged answers on 127.0.0.1:10350", zh="edged 在 127.0.0.1:10350 应答"),
    side=Side.EDGE,
    breaks=ALL_STREAMS,
    hop="edged",
    explained_by=(
        "KE201",
        "KE204",
        "KE205",
        "KE213",
        "KE401",
        "KE409",
        "KE504",
        "KE701",
        "KE705",
        "KE706",
        "KE713",
    ),
    remedy=Text(
        "Free the port if something else holds it, then restart edgecore.",
        zh="若端口被占用先释放，然后重启 edgecore。",
    ),
    risk=Risk.RESTARTS_EDGECORE,
    references=("facts.md §3.5", "facts.md §3.6", "facts.md §9 (5)", "facts.md §10 (25)"),
)
def edged_listener(sockets: EdgeSockets, health: EdgedHealth, name: EdgeName) -> Finding:
    """Whether edgecore listens where the cloud asks and ``/healthz`` says ok; 10250 is not used on an edge."""
    listening = [
        socket
        for socket in sockets.listening(EDGED_PORT)
        if is_unspecified(socket.local_address) or is_loopback(socket.local_address)
    ]
    strange = [socket for socket in listening if not sockets.may_be_edgecore(socket) and socket.process]
    if strange:
        return _taken(strange[0], name.name)
    if not listening:
        return _silent(sockets, name.name)
    evidence = Evidence(
        "ss -tlnp", f"LISTEN {listening[0].local_address}:{EDGED_PORT} {listening[0].process}".strip()
    )
    return _health(health, evidence, name.name)


def _taken(socket: Socket, node: str) -> Finding:
    owner = f"{socket.process} (pid {socket.pid})"
    return failed(
        Text(
            f"Port {EDGED_PORT} of {node} is held by {owner}, so edged cannot listen and edgecore exits.",
            zh=f"{node} 的端口 {EDGED_PORT} 被 {owner} 占用，edged 无法监听，edgecore 会退出。",
        ),
        expected=Text(
            f"edgecore listens on {_LOOPBACK}:{EDGED_PORT}", zh=f"edgecore 监听 {_LOOPBACK}:{EDGED_PORT}"
        ),
        actual=Text(
            f"{owner} listens on {socket.local_address}:{EDGED_PORT}",
            zh=f"{owner} 监听 {socket.local_address}:{EDGED_PORT}",
        ),
        hint=Text("Stop that program or move it to another port.", zh="停止该程序或更换其端口。"),
        subject=node,
        node=node,
        evidence=(Evidence("ss -tlnp", f"LISTEN {socket.local_address}:{EDGED_PORT} {owner}"),),
        commands=(
            f"sudo ss -tlnp 'sport = :{EDGED_PORT}'",
            f"sudo systemctl status {socket.pid}",
            "sudo systemctl restart edgecore",
        ),
    )


def _silent(sockets: EdgeSockets, node: str) -> Finding:
    elsewhere = [f"{socket.local_address}:{EDGED_PORT}" for socket in sockets.listening(EDGED_PORT)]
    actual = (
        Text(f"listens on {', '.join(elsewhere)} only", zh=f"只监听 {'、'.join(elsewhere)}")
        if elsewhere
        else Text(f"nothing listens on {EDGED_PORT}", zh=f"没有进程监听 {EDGED_PORT}")
    )
    return failed(
        Text(
            f"Nothing on {node} answers at {_LOOPBACK}:{EDGED_PORT}, where the cloud asks for logs, exec and metrics.",
            zh=f"{node} 的 {_LOOPBACK}:{EDGED_PORT} 无人监听，而云端正是在此请求日志、exec 和指标。",
        ),
        expected=Text(
            f"edgecore listens on {_LOOPBACK}:{EDGED_PORT}", zh=f"edgecore 监听 {_LOOPBACK}:{EDGED_PORT}"
        ),
        actual=actual,
        hint=Text(
            "See whether edgecore runs, and what it said last.", zh="查看 edgecore 是否运行及其最后的日志。"
        ),
        subject=node,
        node=node,
        evidence=(Evidence("ss -tlnp", actual.en),),
        commands=(
            "systemctl status edgecore --no-pager",
            "sudo journalctl -u edgecore -n 50 --no-pager",
            "sudo systemctl restart edgecore",
        ),
    )


_NOT_ASKED = frozenset({Reason.NOT_RECORDED, Reason.NOT_ALLOWED, Reason.WITHHELD, Reason.NOT_CONFIGURED})


def _health(health: EdgedHealth, evidence: Evidence, node: str) -> Finding:
    answer = health.answer
    url = f"http://{_LOOPBACK}:{EDGED_PORT}/healthz"
    if isinstance(answer, Unavailable) and answer.reason in _NOT_ASKED:
        return passed(
            Text(
                f"edgecore of {node} listens on port {EDGED_PORT}; its health was not asked.",
                zh=f"{node} 的 edgecore 监听端口 {EDGED_PORT}；未查询其健康状态。",
            ),
            subject=node,
            node=node,
            evidence=(evidence,),
        )
    if isinstance(answer, Unavailable):
        said = str(answer)
    elif answer.status == 200 and answer.body.strip() == b"ok":
        return passed(
            Text(f"edged of {node} answers at {url}.", zh=f"{node} 的 edged 在 {url} 正常应答。"),
            subject=node,
            node=node,
            evidence=(evidence, Evidence(f"curl {url}", "ok")),
        )
    else:
        said = f"HTTP {answer.status} {answer.body[:120].decode(errors='replace')}"
    hangs = isinstance(answer, Unavailable)
    tell = failed if hangs else warned
    return tell(
        Text(
            f"edged of {node} listens on port {EDGED_PORT} but is not well: {url}: {said}.",
            zh=f"{node} 的 edged 监听端口 {EDGED_PORT}，但状态异常：{url}：{said}。",
        ),
        expected=Text("HTTP 200 ok", zh="HTTP 200 ok"),
        actual=said,
        hint=Text("Look at edgecore's log, then restart it.", zh="查看 edgecore 日志，然后重启。"),
        subject=node,
        node=node,
        evidence=(evidence, Evidence(f"curl {url}", said)),
        commands=(f"curl -s --max-time 5 {url}", "sudo journalctl -u edgecore -n 50 --no-pager"),
        breaks=None if hangs else (),
    )
