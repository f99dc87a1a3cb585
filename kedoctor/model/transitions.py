"""What has just begun and is not over: a start, a restart, a reboot, a repair, a connection that was lost."""

from __future__ import annotations

from datetime import datetime

from kedoctor.base.records import Record
from kedoctor.base.text import Text

__all__ = ["Transition"]


class Transition(Record, frozen=True, kw_only=True):
    """An event after which some checks cannot be believed for a while.

    ``event`` says what has happened (``cloudcore was started 12 s ago``), ``awaited`` what takes its time (``the
    tunnels of the edges``). ``since`` and ``until`` are by the clock that the event was dated with; an event whose time
    is over is none. ``codes`` are the checks whose failure says nothing until then; ``nodes`` are the edges that it
    concerns (none: all of them). What a host tells without naming edges concerns what is judged on that host alone:
    the engine puts its name into ``host``.

    A fact lists transitions only while what has started is alive: a process that has died since is no starting one.
    """

    event: Text
    awaited: Text
    since: datetime
    until: datetime
    codes: tuple[str, ...]
    nodes: tuple[str, ...] = ()
    host: str = ""
