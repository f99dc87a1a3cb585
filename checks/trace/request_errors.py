"""What the end of a request through the API server points at: its error text, its emptiness, its silence.

This is all that can be known from where only the API is seen, so what is said here is inferred, never proved. Texts
are read as ``kedoctor explain`` reads them; what has no text is told by facts.md §3.8.
"""

from __future__ import annotations

from kedoctor.api import Reason, StepResult, Text, Unavailable, detail_text, patterns
from kedoctor.checks.explain import explain
from kedoctor.checks.trace.step_results import broken, not_known

__all__ = ["cut_off", "dead_session", "from_text", "hung", "no_session", "unavailable"]

_STATUS = patterns.compiled(r"(?<!\s)\s*+\(?HTTP (\d{3})\)?$")


def from_text(text: str, what: Text) -> StepResult:
    """An error of the API server or of the edge: what its words point at."""
    answer = explain([text])
    cause = next(iter(answer.causes), None)
    if cause is None:
        return broken(
            Text(f"{what.en} ended with an error: {text}.", zh=f"{what.zh}以错误结束：{text}。"),
            inferred=True,
        )
    return broken(
        Text(
            f"{what.en} ended with: {text} ({answer.meaning.removesuffix('.')}).",
            zh=f"{what.zh}的结果：{text}（{answer.zh.meaning.removesuffix('。')}）。",
        ),
        hop=cause.hop,
        code=cause.code,
        inferred=True,
    )


def no_session(what: Text) -> StepResult:
    """HTTP 500 without a word."""
    return broken(
        Text(
            f"{what.en} ended with HTTP 500 and no text: cloudcore is reached and has no session of this edge.",
            zh=f"{what.zh}返回没有内容的 HTTP 500：已到达 cloudcore，但没有该边缘节点的会话。",
        ),
        hop="session",
        code="KE508",
        inferred=True,
    )


def dead_session(what: Text) -> StepResult:
    """Success without content."""
    return broken(
        Text(
            f"{what.en} ended with success and an empty body: the session of this edge in cloudcore is dead, its tunnel is gone.",
            zh=f"{what.zh}返回成功但内容为空：该边缘节点在 cloudcore 中的会话已失效，隧道已断开。",
        ),
        hop="session",
        code="KE508",
        inferred=True,
    )


def cut_off(what: Text) -> StepResult:
    """A stream that was opened and ended without a word (``unexpected EOF`` of kubectl)."""
    return broken(
        Text(
            f"{what.en} broke off without a word, as it does when the session of this edge in cloudcore is dead.",
            zh=f"{what.zh} 无任何内容即中断，该边缘节点在 cloudcore 中的会话失效时即如此。",
        ),
        hop="session",
        code="KE508",
        inferred=True,
    )


def hung(what: Text, seconds: float) -> StepResult:
    """No answer within the deadline."""
    return broken(
        Text(
            f"{what.en} got no answer within {seconds:g} s: the tunnel is half open, edged does not listen on 127.0.0.1:10350, or "
            "packets on the way to the edge's port vanish.",
            zh=f"{what.zh}在 {seconds:g} 秒内没有应答：隧道半开、edged 未监听 127.0.0.1:10350，或发往边缘端口的报文丢失。",
        ),
        hop="tunnel",
        code="KE508",
        inferred=True,
    )


def unavailable(missing: Unavailable, what: Text, seconds: float) -> StepResult:
    """An answer of the API server that is none: an error of the edge's side, or one of its own."""
    if missing.reason is Reason.TIMEOUT:
        return hung(what, seconds)
    if missing.reason is Reason.FORBIDDEN:
        return not_known(
            Text(
                f"{what.en} is not allowed to this user: {missing.detail} (KE921).",
                zh=f"当前用户无权执行{what.zh}：{detail_text(missing.detail).zh}（KE921）。",
            ),
            code="KE921",
        )
    if missing.reason is not Reason.SERVER_ERROR:
        return not_known(
            Text(
                f"{what.en} was not made: {missing}.",
                zh=f"未能执行：{what.zh}（{missing.in_chinese}）。",
            )
        )
    said = _STATUS.sub("", missing.detail)
    if not said:
        return no_session(what) if "500" in missing.detail else from_text(missing.detail, what)
    return from_text(said, what)
