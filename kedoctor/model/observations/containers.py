"""The path to a container: what logs, exec and attach bring back."""

from __future__ import annotations

from kedoctor.model.observations.request import Answer, Request

__all__ = ["AttachToPod", "ExecInPod", "FollowPodLog", "StreamedAnswer"]


class FollowPodLog(Request, frozen=True):
    """Asks for a container's log exactly as ``kubectl logs`` does, as :class:`StreamedAnswer`.

    Unlike :class:`ReadPodLog` it wants to know what the path to the container answers, not what the log says.
    """

    namespace: str
    pod: str
    container: str = ""
    lines: int = 20
    timeout: float = 10.0


class ExecInPod(Request, frozen=True):
    """Asks what one command in a container writes and returns, as :class:`StreamedAnswer`; no input, no terminal."""

    namespace: str
    pod: str
    command: tuple[str, ...]
    container: str = ""
    timeout: float = 10.0


class AttachToPod(Request, frozen=True):
    """Asks what a container writes from now on, as :class:`StreamedAnswer`.

    It ends when ``until`` was seen (empty: with the first output), at the deadline or after ``limit`` bytes.
    """

    namespace: str
    pod: str
    container: str = ""
    until: str = ""
    timeout: float = 10.0
    limit: int = 1 << 16


class StreamedAnswer(Answer, frozen=True):
    """What came back over the path to a container, whatever it was; a status of 200 or 101 proves nothing.

    ``status`` is HTTP's (101: the stream was opened). ``exit_code`` is a command's, ``None`` where none came.
    ``reason`` is the message of the API server's Status or of the stream's end; without ``complete`` it is
    ``deadline`` or ``unexpected end``: what came before is in ``out`` (and ``err``). ``took`` is in seconds.
    """

    status: int
    out: bytes
    err: bytes = b""
    exit_code: int | None = None
    reason: str = ""
    complete: bool = True
    took: float = 0.0
