"""Sockets and addresses of a host."""

from __future__ import annotations

from kedoctor.base.records import Record
from kedoctor.model.observations.request import Answer, Request

__all__ = ["Addresses", "InterfaceAddress", "ListAddresses", "ListSockets", "Socket", "Sockets"]


class ListSockets(Request, frozen=True):
    """Asks for :class:`Sockets`."""


class Socket(Record, frozen=True):
    """One TCP socket; ``state`` as the kernel names it (``LISTEN``, ``ESTABLISHED``, ``SYN_SENT`` …).

    Addresses are without brackets, IPv4-mapped ones as IPv4. ``process`` is empty when the owner is not visible.
    """

    local_address: str
    local_port: int
    remote_address: str
    remote_port: int
    state: str
    pid: int | None = None
    process: str = ""


class Sockets(Answer, frozen=True):
    """All TCP sockets of the host; ``owners_complete`` is false when some owners were not visible."""

    items: tuple[Socket, ...]
    owners_complete: bool = True


class ListAddresses(Request, frozen=True):
    """Asks for :class:`Addresses`."""


class InterfaceAddress(Record, frozen=True):
    """An address of an interface, with its prefix length."""

    interface: str
    address: str
    prefix: int


class Addresses(Answer, frozen=True):
    """All addresses of all interfaces, and the interface and gateway of the IPv4 default route (or empty)."""

    items: tuple[InterfaceAddress, ...]
    default_interface: str = ""
    default_gateway: str = ""
