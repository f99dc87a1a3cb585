"""Settings of edged that nobody misses until logs are wanted: the debug handlers and the rotation of container logs."""

from __future__ import annotations

from kedoctor.api import Evidence, Finding, Risk, Side, Text, check, failed, passed, patterns, warned
from kedoctor.checks.facts.edge.edgecore import EdgecoreConfig

__all__ = ["LOG_FILES", "LOG_SIZE", "ignored_rotation", "log_rotation", "stream_handlers"]

_KUBELET = "modules.edged.tailoredKubeletConfig"
_HANDLERS = f"{_KUBELET}.enableDebuggingHandlers"
LOG_SIZE = f"{_KUBELET}.containerLogMaxSize"
LOG_FILES = f"{_KUBELET}.containerLogMaxFiles"

_SUFFIXES = {
    "": 1,
    "k": 10**3,
    "M": 10**6,
    "G": 10**9,
    "T": 10**12,
    "Ki": 1 << 10,
    "Mi": 1 << 20,
    "Gi": 1 << 30,
}
_QUANTITY = patterns.compiled(r"([-+]?\d+(?:\.\d+)?)(Ki|Mi|Gi|[kMGT]?)", patterns.ASCII)
_MOST = 1 << 30
"""What the logs of one container may take before it is worth a word: 1 GiB."""

_ROTATE = Text(
    "Set containerLogMaxSize: 10Mi and containerLogMaxFiles: 5 under tailoredKubeletConfig, then restart edgecore.",
    zh="在 tailoredKubeletConfig 下设置 containerLogMaxSize: 10Mi 和 containerLogMaxFiles: 5，并重启 edgecore。",
)


@check(
    code="KE206",
    slug="edged-debug-handlers",
    title=Text("edged serves logs, exec and attach", zh="edged 提供 logs、exec 和 attach"),
    side=Side.EDGE,
    breaks=("logs", "exec", "attach"),
    hop="edged",
    builds_on=("KE201",),
    remedy=Text(
        "Set tailoredKubeletConfig.enableDebuggingHandlers to true and restart edgecore.",
        zh="将 tailoredKubeletConfig.enableDebuggingHandlers 设为 true，并重启 edgecore。",
    ),
    risk=Risk.RESTARTS_EDGECORE,
    references=("facts.md §2.2", "facts.md §3.8", "facts.md §10 (24)"),
)
def stream_handlers(config: EdgecoreConfig) -> Finding:
    """``enableDebuggingHandlers``: false makes edged answer 405 to logs, exec and attach (facts.md §2.2)."""
    node, value = config.node_name, config.value(_HANDLERS)
    if value is not False:
        return passed(
            Text(
                f"edged of {node} serves logs, exec and attach (enableDebuggingHandlers is on).",
                zh=f"{node} 的 edged 提供 logs、exec 和 attach（enableDebuggingHandlers 已启用）。",
            ),
            subject=node,
            node=node,
        )
    return failed(
        Text(
            f"enableDebuggingHandlers of {node} is false: kubectl logs prints `Debug endpoints are disabled.` as if it were the log, exec and attach fail. kubectl top works.",
            zh=f"{node} 的 enableDebuggingHandlers 为 false：kubectl logs 会把 `Debug endpoints are disabled.` 当作日志打印，exec、attach 失败；kubectl top 正常。",
        ),
        expected=Text("enableDebuggingHandlers: true", zh="enableDebuggingHandlers: true"),
        actual="enableDebuggingHandlers: false",
        hint=Text("Set it to true and restart edgecore.", zh="将其设为 true 并重启 edgecore。"),
        subject=node,
        node=node,
        evidence=(Evidence(config.path, "enableDebuggingHandlers: false", config.line(_HANDLERS)),),
        commands=(f"sudo vi {config.path}   # {_HANDLERS}: true", "sudo systemctl restart edgecore"),
    )


@check(
    code="KE208",
    slug="log-rotation",
    title=Text("Container logs of the edge are rotated", zh="边缘节点的容器日志会轮转"),
    side=Side.EDGE,
    builds_on=("KE201",),
    remedy=_ROTATE,
    risk=Risk.RESTARTS_EDGECORE,
    references=("facts.md §2.2", "facts.md §9 (15)", "requirements.md R141"),
)
def log_rotation(config: EdgecoreConfig) -> Finding:
    """The effective ``containerLogMaxSize`` and ``containerLogMaxFiles``, and keys of these names where nobody reads them."""
    node, size, files = config.node_name, config.text(LOG_SIZE), config.number(LOG_FILES)
    told = f"containerLogMaxSize: {size}, containerLogMaxFiles: {files}"
    fault = _fault(config, _bytes(size), files)
    if fault is None:
        return passed(
            Text(
                f"Each container of {node} keeps at most {files} log files of {size}.",
                zh=f"{node} 的每个容器最多保留 {files} 个 {size} 的日志文件。",
            ),
            subject=node,
            node=node,
        )
    return warned(
        fault,
        expected=Text(
            "containerLogMaxSize: 10Mi, containerLogMaxFiles: 5 under tailoredKubeletConfig",
            zh="tailoredKubeletConfig 下 containerLogMaxSize: 10Mi、containerLogMaxFiles: 5",
        ),
        actual=told,
        hint=_ROTATE,
        subject=node,
        node=node,
        evidence=(Evidence(config.path, told, config.line(LOG_SIZE) or config.line(LOG_FILES)),),
        commands=(
            f"sudo vi {config.path}   # {_KUBELET}: containerLogMaxSize, containerLogMaxFiles",
            "sudo systemctl restart edgecore",
            "sudo du -sh /var/log/pods",
        ),
    )


def ignored_rotation(config: EdgecoreConfig) -> tuple[str, ...]:
    """Where the two keys are written and not read, as dotted paths (KE207 judges that they are)."""
    return tuple(
        one.path_text
        for one in config.violations
        if one.path and str(one.path[-1]).lower() in ("containerlogmaxsize", "containerlogmaxfiles")
    )


def _fault(config: EdgecoreConfig, size: int | None, files: int) -> Text | None:
    node = config.node_name
    ignored = ignored_rotation(config)
    if ignored:
        effective = f"{config.text(LOG_SIZE)} x {files}"
        return Text(
            f"Log rotation of {node} is written where edgecore does not read it ({', '.join(ignored)}); what counts is {effective}.",
            zh=f"{node} 的日志轮转设置写在 edgecore 不读取的位置（{'、'.join(ignored)}）；实际生效的是 {effective}。",
        )
    if size is None:
        return None  # KE201 judges what is not a quantity
    if size < 0:
        return Text(
            f"Container logs of {node} are never rotated (containerLogMaxSize {config.text(LOG_SIZE)}): they can fill the disk.",
            zh=f"{node} 的容器日志从不轮转（containerLogMaxSize {config.text(LOG_SIZE)}）：可能占满磁盘。",
        )
    if files < 2:
        return Text(
            f"containerLogMaxFiles of {node} is {files}; rotation needs at least 2 files, and a kubelet does not take less.",
            zh=f"{node} 的 containerLogMaxFiles 为 {files}；轮转至少需要 2 个文件，kubelet 不接受更小的值。",
        )
    if size * files > _MOST:
        each = size * files // (1 << 20)
        return Text(
            f"Every container of {node} may keep {each} MiB of logs ({files} files of {config.text(LOG_SIZE)}).",
            zh=f"{node} 的每个容器可保留 {each} MiB 日志（{files} 个 {config.text(LOG_SIZE)} 的文件）。",
        )
    return None


def _bytes(quantity: str) -> int | None:
    found = _QUANTITY.fullmatch(quantity.strip())
    return None if found is None else int(float(found[1]) * _SUFFIXES[found[2]])
