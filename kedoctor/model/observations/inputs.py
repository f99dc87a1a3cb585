"""What an install is given: settings and an offline bundle."""

from __future__ import annotations

from kedoctor.base.records import Record
from kedoctor.model.observations.request import Request

__all__ = ["ReadOfflineBundle", "ReadSetting", "Setting"]


class ReadSetting(Request, frozen=True):
    """Asks for the :class:`Setting` of that name: what the command line says about this host, not the host itself.

    ``Unavailable(not-given)`` when it says nothing. Settings are never recorded.
    """

    name: str


class Setting(Record, frozen=True):
    """What a person gave for one parameter of an install; the value of a ``secret`` one is shown nowhere."""

    value: str
    secret: bool = False

    def __repr__(self) -> str:
        return f"Setting({'…' if self.secret else self.value!r})"


class ReadOfflineBundle(Request, frozen=True):
    """Asks for the :class:`OfflineBundle` in a directory or tar; with ``sums`` every byte of it is read.

    ``Unavailable(absent)`` when nothing is there, ``invalid`` when it is not an offline bundle or cannot be read to its end.
    """

    path: str
    sums: bool = True
    timeout: float = 300.0
