"""Logs: of a unit, and of a container as the API server stores them."""

from __future__ import annotations

from kedoctor.model.observations.request import Answer, Request

__all__ = ["LogText", "ReadJournal", "ReadPodLog"]


class ReadJournal(Request, frozen=True):
    """Asks for the last ``lines`` lines of a unit's journal as :class:`LogText` (short-iso-precise)."""

    unit: str
    lines: int = 2000


class ReadPodLog(Request, frozen=True):
    """Asks for the last ``lines`` log lines of a container as :class:`LogText`."""

    namespace: str
    pod: str
    container: str = ""
    lines: int = 500
    previous: bool = False


class LogText(Answer, frozen=True):
    """Log lines, oldest first; ``truncated`` when older ones were left out."""

    text: str
    truncated: bool = False
