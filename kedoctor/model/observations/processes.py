"""Processes of a host."""

from __future__ import annotations

from datetime import datetime

from kedoctor.base.records import Record
from kedoctor.model.observations.request import Answer, Request

__all__ = ["ListProcesses", "Process", "Processes"]


class ListProcesses(Request, frozen=True):
    """Asks for :class:`Processes`."""


class Process(Record, frozen=True):
    """One process; ``started`` is aware UTC, ``rss`` in bytes, both ``None`` where not to be had."""

    pid: int
    ppid: int
    name: str
    argv: tuple[str, ...]
    uid: int | None = None
    started: datetime | None = None
    rss: int | None = None


class Processes(Answer, frozen=True):
    """The processes that share the host's network; those of pods and of machines within it are not among them."""

    items: tuple[Process, ...]
