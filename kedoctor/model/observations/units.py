"""Systemd units of a host."""

from __future__ import annotations

from datetime import datetime

from kedoctor.model.observations.request import Answer, Request

__all__ = ["ReadUnit", "Unit"]


class ReadUnit(Request, frozen=True):
    """Asks for the systemd :class:`Unit` of that full name (``edgecore.service``)."""

    name: str


class Unit(Answer, frozen=True):
    """A systemd unit as ``systemctl show`` gives it; empty strings where systemd says nothing."""

    name: str
    load_state: str  # loaded, not-found, masked …
    active_state: str  # active, activating, failed, inactive …
    sub_state: str
    unit_file_state: str = ""  # enabled, disabled, static …
    restarts: int = 0
    main_pid: int = 0
    started: datetime | None = None
    result: str = ""
    exit_status: int | None = None
    fragment_path: str = ""
    exec_start: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()
    environment_files: tuple[str, ...] = ()
