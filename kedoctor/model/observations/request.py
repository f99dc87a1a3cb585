"""What every read has in common: a question, who answers it, and why an answer may be missing."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Protocol

from kedoctor.base.records import Record

__all__ = ["Answer", "Reason", "Request", "Source", "Unavailable"]


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


class Unavailable(Record, frozen=True):
    """An observation or fact that could not be had: ``what`` was asked for and why not, in words."""

    reason: Reason
    what: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.what}: {self.detail or self.reason.value}"


class Request(Record, frozen=True, tag_field="ask", tag=True):
    """A question to the world; equal questions are asked once per run."""


class Answer(Record, frozen=True):
    """What a request is answered with, live or from evidence; evidence knows it by the name of its class."""


class Source(Protocol):
    """Answers requests, live or from a bundle; safe to call from several threads."""

    def observe(self, request: Request) -> Any:
        """The answer that belongs to ``request`` (see its docstring), or :class:`Unavailable`."""
