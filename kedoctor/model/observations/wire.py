"""The network as a host sees it: connections, TLS peers, single GETs."""

from __future__ import annotations

from datetime import datetime

from kedoctor.model.observations.request import Answer, Request

__all__ = ["Connection", "GetHttp", "HttpAnswer", "OpenTcp", "OpenTls", "TlsPeer"]


class OpenTcp(Request, frozen=True):
    """Asks for a :class:`Connection` to ``host:port``, closed at once."""

    host: str
    port: int
    timeout: float = 5.0


class Connection(Answer, frozen=True):
    """A TCP connection that was made: the address reached and the seconds it took."""

    address: str
    took: float


class OpenTls(Request, frozen=True):
    """Asks for the :class:`TlsPeer` behind ``host:port``; its certificate is looked at, not verified."""

    host: str
    port: int
    server_name: str = ""
    timeout: float = 5.0


class TlsPeer(Answer, frozen=True):
    """A TLS server: its certificates (DER, leaf first) and, if it ended the handshake, its alert in words.

    ``alert`` is e.g. ``certificate required`` when the server wants a client certificate.
    """

    certificates: tuple[bytes, ...]
    version: str = ""
    alert: str = ""


class GetHttp(Request, frozen=True):
    """Asks for the :class:`HttpAnswer` to one GET. TLS is not verified; upgrades are never requested.

    ``host_header`` replaces the Host header (empty: as in the URL).
    """

    url: str
    host_header: str = ""
    accept: str = "*/*"
    timeout: float = 10.0
    limit: int = 1 << 18


class HttpAnswer(Answer, frozen=True):
    """An HTTP answer: status, ``Date``, body (at most ``limit`` bytes), and the TLS leaf (DER) if any."""

    status: int
    body: bytes
    date: datetime | None = None
    certificate: bytes = b""
    complete: bool = True
