"""What every read has in common: a question, who answers it, and why an answer may be missing."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Protocol

from kedoctor.base.records import Record
from kedoctor.base.text import Text
from kedoctor.model.details import detail_text, noun_text

__all__ = ["REASONS", "Answer", "Reason", "Request", "Source", "Unavailable"]


class Reason(StrEnum):
    """Why an observation could not be made."""

    ABSENT = "absent"  # it does not exist (file, unit, object, API group)
    PERMISSION = "permission"  # the operating system refuses this user
    UNAUTHORIZED = "unauthorized"  # 401: the API does not accept these credentials
    FORBIDDEN = "forbidden"  # 403: the API knows the user and refuses
    NOT_CONFIGURED = "not-configured"  # no kubeconfig, so there is nothing to ask
    NOT_GIVEN = "not-given"  # a setting that nobody named on the command line
    TIMEOUT = "timeout"  # no answer within the deadline
    REFUSED = "refused"  # connection refused
    UNREACHABLE = "unreachable"  # no route, name not found, connection reset
    UNTRUSTED = "untrusted"  # TLS: the API server's certificate is not accepted
    THROTTLED = "throttled"  # 429 for longer than we wait
    GONE = "gone"  # 410: the list expired and did so again
    SERVER_ERROR = "server-error"  # 5xx
    TOOL_MISSING = "tool-missing"  # the program is not installed
    TOOL_FAILED = "tool-failed"  # the program ran and refused
    ABANDONED = "abandoned"  # a child in uninterruptible sleep was left behind
    TOO_LARGE = "too-large"
    INVALID = "invalid"  # it is there and cannot be understood
    WITHHELD = "withheld"  # it was read, and could not be redacted safely
    NOT_RECORDED = "not-recorded"  # the evidence does not contain it
    NOT_ALLOWED = "not-allowed"  # not on the list of what may be collected
    ERROR = "error"  # anything else, described in detail


REASONS = {
    Reason.ABSENT: Text("it does not exist", zh="不存在"),
    Reason.PERMISSION: Text("permission denied", zh="权限不足"),
    Reason.UNAUTHORIZED: Text(
        "the API server does not accept these credentials", zh="API 服务器不接受此凭据"
    ),
    Reason.FORBIDDEN: Text(
        "the API server does not allow this user to read it", zh="API 服务器不允许该用户读取"
    ),
    Reason.NOT_CONFIGURED: Text("no kubeconfig was found", zh="未找到 kubeconfig"),
    Reason.NOT_GIVEN: Text("the option is missing", zh="缺少该选项"),
    Reason.TIMEOUT: Text("no answer in time", zh="等待应答超时"),
    Reason.REFUSED: Text("connection refused", zh="连接被拒绝"),
    Reason.UNREACHABLE: Text("it cannot be reached", zh="无法到达"),
    Reason.UNTRUSTED: Text("the server's certificate is not trusted", zh="服务器证书不受信任"),
    Reason.THROTTLED: Text("the API server asked to slow down for too long", zh="API 服务器持续限流"),
    Reason.GONE: Text("the list expired while it was read", zh="读取过程中列表已过期"),
    Reason.SERVER_ERROR: Text("the server reported an internal error", zh="服务器内部错误"),
    Reason.TOOL_MISSING: Text("the program is not installed here", zh="本机未安装该程序"),
    Reason.TOOL_FAILED: Text("the program failed", zh="程序执行失败"),
    Reason.ABANDONED: Text(
        "the program hangs in the kernel and was left behind", zh="程序卡在内核中，已放弃等待"
    ),
    Reason.TOO_LARGE: Text("it is too large", zh="内容过大"),
    Reason.INVALID: Text("it cannot be understood", zh="内容无法解析"),
    Reason.WITHHELD: Text("it was withheld because it could not be redacted", zh="无法安全脱敏，未写入"),
    Reason.NOT_RECORDED: Text("the evidence does not contain it", zh="证据包中没有记录"),
    Reason.NOT_ALLOWED: Text("it is not on the list of what may be collected", zh="不在允许采集的列表中"),
    Reason.ERROR: Text("it could not be read", zh="无法读取"),
}
"""A reason as the end of a sentence."""


class Unavailable(Record, frozen=True):
    """An observation or fact that could not be had: ``what`` was asked for and why not, in words."""

    reason: Reason
    what: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.what}: {self.detail or self.reason.value}"

    @property
    def in_chinese(self) -> str:
        """The same in Chinese: what was asked for, and why not; words of others stay as they are."""
        why = detail_text(self.detail).zh if self.detail else REASONS[self.reason].zh
        return f"{noun_text(self.what).zh}：{why}"


class Request(Record, frozen=True, tag_field="ask", tag=True):
    """A question to the world; equal questions are asked once per run."""


class Answer(Record, frozen=True):
    """What a request is answered with, live or from evidence; evidence knows it by the name of its class."""


class Source(Protocol):
    """Answers requests, live or from a bundle; safe to call from several threads."""

    def observe(self, request: Request) -> Any:
        """The answer that belongs to ``request`` (see its docstring), or :class:`Unavailable`."""
