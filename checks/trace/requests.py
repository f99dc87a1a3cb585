"""The real requests of ``kubectl logs``, ``exec`` and ``attach``: made once, and judged by their content (facts.md §3.8)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kedoctor.api import (
    Cluster,
    StepResult,
    StreamedAnswer,
    Text,
    TraceTarget,
    Unavailable,
    fact,
    patterns,
    step,
)
from kedoctor.checks.trace.edgecore_start import EdgecoreBefore
from kedoctor.checks.trace.log_content import posing
from kedoctor.checks.trace.probes import RelayedAnswer
from kedoctor.checks.trace.request_errors import (
    cut_off,
    dead_session,
    from_text,
    hung,
    no_session,
    unavailable,
)
from kedoctor.checks.trace.step_results import broken, not_known, off_api, ok
from kedoctor.checks.trace.target import Traced, TracedPod

__all__ = [
    "FACTS",
    "RequestAnswer",
    "attach_request",
    "exec_request",
    "log_request",
]

NONCE = "kedoctor-trace"
"""What is echoed in the container."""

_LINES = 20
_LATE = "deadline"
_NO_WORDS = patterns.compiled(
    r"(Internal error occurred|unknown|unknown error|error stream protocol error: unknown error)?:?\s*"
)
_RUNTIME = patterns.compiled(
    r"executable file not found|no such file or directory|OCI runtime exec failed|failed to exec in container"
)
_NO_CONTAINER = patterns.compiled(
    r"container not found|is not valid for pod|is waiting to start|completed pod|does not have a host assigned"
)


@dataclass(frozen=True, slots=True)
class RequestAnswer:
    """What came back for the request that is traced."""

    answer: StreamedAnswer | Unavailable


@fact
def log_answer(
    cluster: Cluster, pod: TracedPod, target: TraceTarget, *, before: EdgecoreBefore | Unavailable
) -> RequestAnswer:
    """A few lines are asked for, as ``kubectl logs --tail`` does."""
    del before  # it has to be asked first
    return RequestAnswer(
        cluster.answer_log(pod.namespace, pod.name, pod.container, lines=_LINES, timeout=target.patience)
    )


@fact
def exec_answer(
    cluster: Cluster, pod: TracedPod, target: TraceTarget, *, before: EdgecoreBefore | Unavailable
) -> RequestAnswer:
    """One command that changes nothing."""
    del before
    return RequestAnswer(
        cluster.exec(pod.namespace, pod.name, "echo", NONCE, container=pod.container, timeout=target.patience)
    )


@fact
def attach_answer(
    cluster: Cluster, pod: TracedPod, target: TraceTarget, *, before: EdgecoreBefore | Unavailable
) -> RequestAnswer:
    """Listens until something is written; nothing is sent to the container."""
    del before
    return RequestAnswer(cluster.attach(pod.namespace, pod.name, pod.container, timeout=target.patience))


FACTS: dict[str, Callable[..., object]] = {
    "logs": log_answer,
    "exec": exec_answer,
    "attach": attach_answer,
}
"""The fact behind each request: only the one that is traced is made."""


def _command(words: str) -> Text:
    return Text(words, zh=words)


# ------------------------------------------------------------------------------------------------- logs


@step(
    name="logs",
    title=Text("the real request: kubectl logs", zh="真实请求：kubectl logs"),
    hop="session",
    unless=off_api,
    proof=True,
)
def log_request(
    request: RequestAnswer | Unavailable,
    pod: TracedPod | Unavailable,
    relayed: RelayedAnswer | Unavailable,
    traced: Traced,
    target: TraceTarget,
) -> StepResult:
    """Lines of the container are right; nothing, or an error text of edged in their place, is not."""
    if isinstance(pod, Unavailable) or isinstance(request, Unavailable):
        return _nobody(traced, target)
    what, answer = _command(f"kubectl logs {pod.label}"), request.answer
    if isinstance(answer, Unavailable):
        return unavailable(answer, what, target.patience)
    if answer.status != 200:
        return _refused(answer, what, target)
    if not answer.out.strip():
        return _empty_log(answer, what, relayed, traced, target)
    pose = posing(answer.out)
    if pose is not None:
        said = answer.out.decode(errors="replace").strip()
        return broken(
            Text(
                f"{what.en} exits with 0, but what it prints is not a log: {said} ({pose.meaning.en}).",
                zh=f"{what.zh} 返回 0，但输出并不是日志：{said}（{pose.meaning.zh}）。",
            ),
            hop=pose.hop,
            code=pose.code,
        )
    lines = len(answer.out.splitlines())
    return ok(
        Text(
            f"{lines} log line(s) of {pod.label}, container {pod.container}, came back.",
            zh=f"取回了 {pod.label} 容器 {pod.container} 的 {lines} 行日志。",
        )
    )


def _empty_log(
    answer: StreamedAnswer,
    what: Text,
    relayed: RelayedAnswer | Unavailable,
    traced: Traced,
    target: TraceTarget,
) -> StepResult:
    if not answer.complete:
        return hung(what, target.patience) if answer.reason == _LATE else dead_session(what)
    if not _alive(relayed, traced):
        return dead_session(what)
    return not_known(
        Text(
            f"{what.en} came back empty while stats of {traced.node} come through the same session: the container wrote nothing, "
            "so trace another pod, or exec.",
            zh=f"{what.zh} 返回为空，而 {traced.node} 的统计数据可经同一会话取得：该容器没有输出日志，请改为跟踪其他 Pod 或 exec。",
        )
    )


def _alive(relayed: RelayedAnswer | Unavailable, traced: Traced) -> bool:
    return not isinstance(relayed, Unavailable) and relayed.node_name == traced.node


# ------------------------------------------------------------------------------------------ exec, attach


@step(
    name="exec",
    title=Text("the real request: kubectl exec", zh="真实请求：kubectl exec"),
    hop="session",
    unless=off_api,
    proof=True,
)
def exec_request(
    request: RequestAnswer | Unavailable, pod: TracedPod | Unavailable, traced: Traced, target: TraceTarget
) -> StepResult:
    """What is echoed must come back; an error of the container runtime of the edge came the whole way, too."""
    if isinstance(pod, Unavailable) or isinstance(request, Unavailable):
        return _nobody(traced, target)
    what, answer = _command(f"kubectl exec {pod.label} -- echo"), request.answer
    if isinstance(answer, Unavailable):
        return unavailable(answer, what, target.patience)
    if NONCE.encode() in answer.out:
        return ok(
            Text(
                f"echo ran in {pod.label}, container {pod.container}, and its output came back.",
                zh=f"echo 已在 {pod.label} 的容器 {pod.container} 中执行，输出已返回。",
            )
        )
    if answer.exit_code or _RUNTIME.search(answer.reason):
        said = answer.reason or f"exit code {answer.exit_code}"
        return ok(
            Text(
                f"The container runtime of {traced.node} answered, so the way is open; this image has no echo ({said[-120:]}).",
                zh=f"{traced.node} 的容器运行时已应答，路径畅通；该镜像中没有 echo（{said[-120:]}）。",
            )
        )
    return _no_stream(answer, what, target)


@step(
    name="attach",
    title=Text("the real request: kubectl attach", zh="真实请求：kubectl attach"),
    hop="session",
    unless=off_api,
    proof=True,
)
def attach_request(
    request: RequestAnswer | Unavailable,
    pod: TracedPod | Unavailable,
    relayed: RelayedAnswer | Unavailable,
    traced: Traced,
    target: TraceTarget,
) -> StepResult:
    """Something that the container writes must come back; a container that is silent proves nothing."""
    if isinstance(pod, Unavailable) or isinstance(request, Unavailable):
        return _nobody(traced, target)
    what, answer = _command(f"kubectl attach {pod.label}"), request.answer
    if isinstance(answer, Unavailable):
        return unavailable(answer, what, target.patience)
    if answer.out or answer.err:
        return ok(
            Text(
                f"Output of {pod.label}, container {pod.container}, came back while it was listened to.",
                zh=f"监听期间收到了 {pod.label} 容器 {pod.container} 的输出。",
            )
        )
    if answer.reason == _LATE and _alive(relayed, traced):
        return not_known(
            Text(
                f"{what.en} stays open, and the container wrote nothing within {target.patience:g} s: it proves nothing; trace exec, "
                "or a pod that writes.",
                zh=f"{what.zh} 保持连接，但容器在 {target.patience:g} 秒内没有输出，无法证明；请跟踪 exec 或有输出的 Pod。",
            )
        )
    return _no_stream(answer, what, target)


def _no_stream(answer: StreamedAnswer, what: Text, target: TraceTarget) -> StepResult:
    """A session that gave nothing: by how it ended."""
    if answer.status != 101:
        return _refused(answer, what, target)
    if answer.reason == _LATE:
        return hung(what, target.patience)
    if not answer.complete:
        return cut_off(what)
    if not answer.reason:
        return dead_session(what)
    if _NO_WORDS.fullmatch(answer.reason):
        return no_session(what)
    return _told(answer.reason, what)


def _refused(answer: StreamedAnswer, what: Text, target: TraceTarget) -> StepResult:
    """An HTTP status that is none of success."""
    said = answer.reason or f"HTTP {answer.status}"
    if answer.status == 403:
        return not_known(
            Text(
                f"{what.en} is not allowed to this user: {said} (KE921).",
                zh=f"当前用户无权执行 {what.zh}：{said}（KE921）。",
            ),
            code="KE921",
        )
    if answer.status >= 500:
        if answer.reason == _LATE:
            return hung(what, target.patience)
        return no_session(what) if _NO_WORDS.fullmatch(answer.reason) else _told(answer.reason, what)
    return not_known(
        Text(
            f"The API server does not make the request of {what.en}: {said} (HTTP {answer.status}).",
            zh=f"API 服务器没有执行 {what.zh} 的请求：{said}（HTTP {answer.status}）。",
        )
    )


def _told(said: str, what: Text) -> StepResult:
    if _NO_CONTAINER.search(said):
        return not_known(
            Text(f"{what.en} says nothing of the way: {said}.", zh=f"{what.zh} 无法说明路径状态：{said}。")
        )
    return from_text(said, what)


def _nobody(traced: Traced, target: TraceTarget) -> StepResult:
    return not_known(
        Text(
            f"No pod on {traced.node} is ready to be asked; name one: kedoctor trace {target.trace} NAMESPACE/POD.",
            zh=f"{traced.node} 上没有就绪的 Pod 可供请求；请指定：kedoctor trace {target.trace} NAMESPACE/POD。",
        )
    )
