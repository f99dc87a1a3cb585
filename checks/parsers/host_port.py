"""Addresses as configuration files write them: ``host:port``, ``[::1]:10004``, ``https://10.0.0.1:10002``."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from kedoctor.api import Record

__all__ = ["HostPort", "is_ip", "is_loopback", "is_unspecified", "parse_host_port", "same_host"]


class HostPort(Record, frozen=True):
    """A host (name or IP, without brackets) and a port; ``port`` is 0 where none is written."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}" if self.port else host


def parse_host_port(text: object, default_port: int = 0) -> HostPort | None:
    """The address that ``text`` names, with or without a scheme; ``None`` if it names none."""
    if not isinstance(text, str) or not text.strip():
        return None
    written = text.strip()
    try:
        parts = urlsplit(written if "://" in written else f"//{written}")
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return None
    if port is None and written.endswith(":"):
        return None
    return HostPort(host, port if port is not None else default_port)


def is_ip(host: str) -> bool:
    """Whether ``host`` is an IP address rather than a name."""
    return _ip(host) is not None


def is_loopback(host: str) -> bool:
    """Whether dialling ``host`` ends on the dialling machine itself (``0.0.0.0`` and an empty host do, too)."""
    if host.lower().rstrip(".") in ("localhost", ""):
        return True
    address = _ip(host)
    return address is not None and (address.is_loopback or address.is_unspecified)


def is_unspecified(host: str) -> bool:
    """Whether listening on ``host`` means listening on every address."""
    address = _ip(host)
    return host == "" or (address is not None and address.is_unspecified)


def same_host(one: str, other: str) -> bool:
    """Whether two written hosts are the same; IPs are compared as addresses, names without case."""
    first, second = _ip(one), _ip(other)
    if first is not None or second is not None:
        return first == second
    return one.lower().rstrip(".") == other.lower().rstrip(".")


def _ip(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped or address
