"""Error texts of edged that arrive as if they were a container's log (facts.md §3.8).

The edge relays the body of edged's answer without its status, so ``kubectl logs`` prints it and exits with 0. Such a
body is one line and nothing else; a log that merely contains such a line is a log.
"""

from __future__ import annotations

from dataclasses import dataclass

from kedoctor.api import Text, patterns

__all__ = ["Posing", "posing"]


@dataclass(frozen=True, slots=True)
class Posing:
    """What an error text that poses as a log means, on which hop it arose and which check decides (may be empty)."""

    hop: str
    code: str
    meaning: Text


_DISABLED = Posing(
    "edged",
    "KE206",
    Text("edged's debugging handlers are switched off", zh="edged 的调试接口已被关闭"),
)
_UNKNOWN = Posing(
    "edged",
    "",
    Text(
        "edged on that edge does not know this pod or container", zh="该边缘节点的 edged 不认识此 Pod 或容器"
    ),
)
_NOT_RUNNING = Posing(
    "runtime",
    "",
    Text("the container does not run there, so it has no log", zh="该容器在边缘节点上没有运行，因此没有日志"),
)
_NO_FILE = Posing(
    "runtime",
    "KE706",
    Text("the container runtime could not give edged the log", zh="容器运行时无法向 edged 提供日志"),
)
_NO_ROUTE = Posing(
    "stream",
    "KE102",
    Text("something answered that does not serve logs", zh="应答者不提供日志服务"),
)
_TEXTS = (
    (r"Debug endpoints are disabled\.?", _DISABLED),
    (r'pod "?[^" ]*"? ?does not exist', _UNKNOWN),
    (r'pods? "[^"]+" not found.*', _UNKNOWN),
    (r'container "?[^" ]+"? (not found|is not valid) (in|for) pod.*', _UNKNOWN),
    (r'container "[^"]+" in pod "[^"]+" is (not available|waiting to start|terminated).*', _NOT_RUNNING),
    (r'previous terminated container "[^"]+" in pod "[^"]+" not found', _NOT_RUNNING),
    (r"unable to retrieve container logs for \S+", _NO_FILE),
    (r'failed to (try resolving symlinks in path|get container status|open log file) "?.*', _NO_FILE),
    (r"404:? [Pp]age [Nn]ot [Ff]ound", _NO_ROUTE),
)
_KNOWN = tuple((patterns.compiled(pattern), meaning) for pattern, meaning in _TEXTS)


def posing(out: bytes) -> Posing | None:
    """What a log that consists of one error text of edged means; ``None`` where it is a log."""
    lines = out.decode(errors="replace").strip().splitlines()
    if len(lines) != 1:
        return None
    return next((meaning for pattern, meaning in _KNOWN if pattern.fullmatch(lines[0].strip())), None)
