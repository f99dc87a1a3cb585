"""TLS spoken by hand over a connected socket, so that every byte and every wait is in our hands.

Nothing is verified: this is for looking at what a server shows, and for reading answers that hold no secrets.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from typing import Any

__all__ = ["TlsStream", "context"]

_PIECE = 1 << 14
_FIRST_BYTES = 1 << 16  # enough for a server's half of a TLS 1.2 handshake
_HANDSHAKE_RECORD = 22
_CERTIFICATE_REQUEST = 13
_DER = 2  # _ssl.ENCODING_DER


def context() -> ssl.SSLContext:
    """A client that accepts any certificate, any key length and any version that OpenSSL still speaks."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    made.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    made.set_ciphers("DEFAULT:@SECLEVEL=0")
    return made


class TlsStream:
    """A TLS client on a connected socket; the part of a socket's methods that ``http.client`` needs.

    Its methods raise :class:`TimeoutError` at the deadline, :class:`ssl.SSLError` and other :class:`OSError`.
    """

    def __init__(self, connection: socket.socket, server_name: str | None) -> None:
        self._connection = connection
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context().wrap_bio(self._incoming, self._outgoing, server_hostname=server_name)
        self._deadline = 0.0
        self.first_bytes = b""

    def settimeout(self, seconds: float) -> None:
        """Every wait from now on ends in ``seconds``."""
        self._deadline = time.monotonic() + seconds

    def handshake(self) -> None:
        """Shakes hands."""
        self._step(self._tls.do_handshake)

    def recv_into(self, buffer: Any) -> int:
        """Reads what is there, at least a byte; 0 at the end."""
        try:
            return int(self._step(self._tls.read, len(buffer), buffer))
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return 0

    def sendall(self, data: Any) -> None:
        """Sends it all."""
        left = memoryview(data)
        try:
            while left:
                left = left[self._step(self._tls.write, left) :]
            self._flush()
        except ConnectionError:
            # A server that hangs up on us may have said why just before.
            self._step(self._tls.read, 1)
            raise

    def close(self) -> None:
        """Says goodbye if that needs no waiting, and closes the connection."""
        with contextlib.suppress(OSError, ValueError):
            self._tls.unwrap()  # it wants to hear the other's goodbye, and we do not wait for that
        with contextlib.suppress(OSError):
            self._connection.setblocking(False)
            self._connection.send(self._outgoing.read())
        self._connection.close()

    def version(self) -> str:
        """The version that was agreed on, e.g. ``TLSv1.3``."""
        return self._tls.version() or ""

    def certificates(self) -> tuple[bytes, ...]:
        """What the server showed so far, DER, leaf first; also while the handshake is not over."""
        # Public from Python 3.13 on, and then already DER.
        public = getattr(self._tls, "get_unverified_chain", None)
        inner: Any = getattr(self._tls, "_sslobj", None)
        chain: list[Any] = list((public or inner.get_unverified_chain)() or ())
        return tuple(each if isinstance(each, bytes) else bytes(each.public_bytes(_DER)) for each in chain)

    def asked_for_certificate(self) -> bool:
        """Whether the server asked for a client certificate; only TLS 1.2 and older say so in the open."""
        return _CERTIFICATE_REQUEST in _handshake_types(self.first_bytes)

    def _step(self, action: Any, *arguments: Any) -> Any:
        """Does something, moving bytes for it until it is done."""
        while True:
            try:
                done = action(*arguments)
            except ssl.SSLWantReadError:
                self._flush()
                self._fill()
            except ssl.SSLError:
                self._flush_quietly()
                raise
            else:
                self._flush()
                return done

    def _flush(self) -> None:
        while data := self._outgoing.read():
            self._connection.settimeout(self._remaining())
            self._connection.sendall(data)

    def _flush_quietly(self) -> None:
        """Sends our alert, so that the server's log says what we thought; nobody waits for it."""
        with contextlib.suppress(OSError):
            self._flush()

    def _fill(self) -> None:
        self._connection.settimeout(self._remaining())
        data = self._connection.recv(_PIECE)
        if len(self.first_bytes) < _FIRST_BYTES:
            self.first_bytes += data
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    def _remaining(self) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


def _handshake_types(data: bytes) -> list[int]:
    """The types of the handshake messages at the start of ``data``, as long as they are not encrypted."""
    messages = b""
    while len(data) >= 5 and data[0] == _HANDSHAKE_RECORD:
        end = 5 + int.from_bytes(data[3:5])
        messages += data[5:end]
        data = data[end:]
    types = []
    while len(messages) >= 4:
        types.append(messages[0])
        messages = messages[4 + int.from_bytes(messages[1:4]) :]
    return types
