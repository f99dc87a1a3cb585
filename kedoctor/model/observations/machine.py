"""The machine itself: what it has, which one it is, and its clock."""

from __future__ import annotations

from datetime import datetime

from kedoctor.model.observations.request import Answer, Request

__all__ = ["Identity", "Now", "ReadClock", "ReadIdentity", "ReadResources", "Resources"]


class ReadResources(Request, frozen=True):
    """Asks for :class:`Resources`, the disk being the one that holds ``path``."""

    path: str = "/"


class Resources(Answer, frozen=True):
    """What the machine has; memory and disk in bytes."""

    cpus: int
    memory_total: int
    memory_available: int
    disk_total: int
    disk_available: int


class ReadIdentity(Request, frozen=True):
    """Asks for :class:`Identity`."""


class Identity(Answer, frozen=True):
    """Which machine this is and as whom we look; ``machine`` as ``uname -m`` gives it."""

    hostname: str
    machine: str
    kernel: str
    boot_id: str
    uid: int
    booted: datetime | None = None


class ReadClock(Request, frozen=True):
    """Asks for :class:`Now`."""


class Now(Answer, frozen=True):
    """The host's own idea of the time, aware UTC; it may be wrong."""

    time: datetime
