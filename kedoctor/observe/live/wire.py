"""Connections and TLS peers as this machine sees them, each looked at within one deadline."""

from __future__ import annotations

import errno
import socket
import ssl
import time
from ipaddress import ip_address

from kedoctor import patterns
from kedoctor.model.observations.request import Reason, Unavailable
from kedoctor.model.observations.wire import Connection, OpenTcp, OpenTls, TlsPeer
from kedoctor.observe.live.deadline import dial
from kedoctor.observe.live.files import refusal
from kedoctor.observe.live.tls_stream import TlsStream

__all__ = ["connect", "open_tcp", "open_tls", "shake_hands", "turned_away", "unreached"]

_NO_ROUTE = {
    errno.EHOSTUNREACH,
    errno.ENETUNREACH,
    errno.ENETDOWN,
    errno.EHOSTDOWN,
    errno.EADDRNOTAVAIL,
    errno.EAFNOSUPPORT,
}
_ALERT = patterns.compiled(r"(?:SSLV3|TLSV1|TLSV13)_(?:ALERT_)?(.+)")
_NO_CERTIFICATE = {"handshake failure", "bad certificate", "no certificate", "certificate unknown"}
_SHORTEST_LOOK = 0.25  # seconds


def open_tcp(request: OpenTcp) -> Connection | Unavailable:
    """Connects and closes."""
    started = time.monotonic()
    connection = connect(request.host, request.port, request.timeout)
    if isinstance(connection, Unavailable):
        return connection
    with connection:
        address = str(connection.getpeername()[0])
    return Connection(address, time.monotonic() - started)


def connect(host: str, port: int, timeout: float) -> socket.socket | Unavailable:
    """A TCP connection to the first address of ``host`` that takes it, within ``timeout`` seconds in all."""
    what = f"connection to {host}:{port}"
    if not host or not 0 < port < 1 << 16:
        return Unavailable(Reason.INVALID, what, "that is not an address with a port from 1 to 65535")
    try:
        return dial(host.strip("[]"), port, timeout)
    except OSError as error:
        return unreached(error, what, timeout)


def unreached(error: OSError, what: str, timeout: float) -> Unavailable:
    """What kept a connection from being made or used, in words."""
    if isinstance(error, ssl.SSLEOFError):
        return Unavailable(Reason.UNREACHABLE, what, "the server closed the TLS connection")
    if isinstance(error, ssl.SSLError):  # its errno is none of the operating system's
        return turned_away(_alert(error) or error.reason or str(error), what)
    if isinstance(error, socket.gaierror):
        return Unavailable(Reason.UNREACHABLE, what, f"the name cannot be resolved: {error.strerror}")
    if isinstance(error, ConnectionRefusedError):
        return Unavailable(
            Reason.REFUSED, what, "connection refused: nothing listens there, or a firewall rejects it"
        )
    if isinstance(error, TimeoutError):
        return Unavailable(Reason.TIMEOUT, what, f"no answer within {timeout:g} s")
    if isinstance(error, ConnectionError):
        return Unavailable(Reason.UNREACHABLE, what, "the other side reset the connection")
    if error.errno in _NO_ROUTE:
        return Unavailable(Reason.UNREACHABLE, what, f"no route: {error.strerror}")
    return refusal(error, what)


def turned_away(alert: str, what: str) -> Unavailable:
    """The server ended the TLS connection by an alert."""
    return Unavailable(Reason.ERROR, what, f"the server ended the TLS connection: {alert}")


def open_tls(request: OpenTls) -> TlsPeer | Unavailable:
    """Shakes hands without showing a certificate and tells what the server showed and how it took that.

    In TLS 1.3 the handshake is over for us before the server has judged us, so its verdict is waited for: a quarter
    of a second, or four times as long as the handshake took. A TLS 1.2 server that asked for a certificate and then
    failed the handshake has the alert ``certificate required`` here, whatever it called that.
    """
    deadline = time.monotonic() + request.timeout
    what = f"TLS with {request.host}:{request.port}"
    connection = connect(request.host, request.port, request.timeout)
    if isinstance(connection, Unavailable):
        return connection
    started = time.monotonic()
    stream = shake_hands(connection, request.server_name or request.host, deadline, what)
    if not isinstance(stream, TlsStream):
        return stream
    alert = ""
    if stream.version() == "TLSv1.3":
        now = time.monotonic()
        stream.settimeout(min(max(_SHORTEST_LOOK, 4 * (now - started)), deadline - now))
        alert = _verdict(stream)
    peer = TlsPeer(stream.certificates(), stream.version(), alert)
    stream.close()
    return peer


def shake_hands(
    connection: socket.socket, name: str, deadline: float, what: str
) -> TlsStream | TlsPeer | Unavailable:
    """TLS on a fresh connection; a :class:`TlsPeer` when the server ended the handshake by an alert.

    The connection is closed unless a stream comes back.
    """
    timeout = deadline - time.monotonic()
    try:
        stream = TlsStream(connection, _server_name(name))
    except ValueError as error:
        connection.close()
        return Unavailable(Reason.INVALID, what, f"{name} is not a server name: {error}")
    stream.settimeout(timeout)
    try:
        stream.handshake()
    except OSError as error:
        answer = _handshake_failure(error, stream, what, timeout)
        stream.close()
        return answer
    return stream


def _server_name(name: str) -> str | None:
    """The name to send along (SNI); addresses are not sent."""
    name = name.strip("[]").partition("%")[0].rstrip(".")
    try:
        ip_address(name)
    except ValueError:
        return name or None
    return None


def _handshake_failure(error: OSError, stream: TlsStream, what: str, timeout: float) -> TlsPeer | Unavailable:
    said = stream.first_bytes
    if isinstance(error, TimeoutError):
        late = f"it took the connection and then said nothing within {timeout:.1f} s"
        if said:
            late = f"it did not finish the TLS handshake within {timeout:.1f} s"
        return Unavailable(Reason.TIMEOUT, what, late)
    if said.startswith(b"HTTP/") or said[:9].lower().startswith((b"<!doctype", b"<html")):
        return Unavailable(Reason.INVALID, what, "the server speaks plain HTTP, not TLS")
    if said and said[0] not in {0x15, 0x16}:
        shown = said[:24].decode("ascii", errors="backslashreplace").split("\n")[0].strip()
        return Unavailable(Reason.INVALID, what, f"the server does not speak TLS; it said {shown!r}")
    if not isinstance(error, ssl.SSLError):
        return unreached(error, what, timeout)
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return Unavailable(
            Reason.UNREACHABLE, what, "the server closed the connection during the TLS handshake"
        )
    alert = _alert(error)
    if not alert:
        reason = (error.reason or str(error)).replace("_", " ").lower()
        return Unavailable(Reason.INVALID, what, f"the server's side of the TLS handshake is wrong: {reason}")
    if alert in _NO_CERTIFICATE and stream.asked_for_certificate():
        alert = "certificate required"
    return TlsPeer(stream.certificates(), stream.version(), alert)


def _verdict(stream: TlsStream) -> str:
    """The alert by which the server ends a handshake that was already over for us, or nothing."""
    try:
        stream.recv_into(bytearray(1))
    except ssl.SSLError as error:
        return _alert(error)
    except OSError:
        return ""
    return ""


def _alert(error: ssl.SSLError) -> str:
    """``TLSV13_ALERT_CERTIFICATE_REQUIRED`` as ``certificate required``; empty if the error is our own."""
    found = _ALERT.fullmatch(error.reason or "")
    return found[1].replace("_", " ").lower() if found else ""
