"""A stand-in for cloudcore as edges see it: 10000 and 10004 want a KubeEdge certificate, 10002 issues them.

Run inside a lab machine with a directory that holds ``ca.crt``, ``ca.key``, ``server.crt``, ``server.key`` and
``token`` (the join token it accepts); it listens on one address (facts.md §3.5, §4.1). As a pod (``hub`` or ``stream``
behind the directory) it is called cloudcore, has its metrics on 9091, and with ``stream`` its stream servers.
"""

from __future__ import annotations

import ctypes
import http.server
import json
import queue
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization


class Issuer(http.server.BaseHTTPRequestHandler):
    """Port 10002: ``/ca.crt`` and ``/node/NAME`` for everybody, ``/edge.crt`` for a token."""

    home: Path

    def do_GET(self) -> None:
        if self.path == "/ca.crt":
            self._answer(200, ssl.PEM_cert_to_DER_cert((self.home / "ca.crt").read_text()))
        elif self.path.startswith("/node/"):
            known = (self.home / "edges/10000" / self.path.removeprefix("/node/")).is_dir()
            self._answer(200 if known else 404, b"")
        elif self.path != "/edge.crt":
            self._answer(404, b"404 page not found")
        elif self.headers.get("Authorization") != f"Bearer {self._jwt()}":
            self._answer(
                401, b"token validation failure, err: token signature is invalid: signature is invalid"
            )
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            self._answer(200, self._issued(x509.load_der_x509_csr(body)))

    def _jwt(self) -> str:
        return (self.home / "token").read_text().partition(".")[2]

    def _issued(self, request: x509.CertificateSigningRequest) -> bytes:
        authority = x509.load_pem_x509_certificate((self.home / "ca.crt").read_bytes())
        key: Any = serialization.load_pem_private_key((self.home / "ca.key").read_bytes(), None)
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(request.subject)
            .issuer_name(authority.subject)
            .public_key(request.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now)
            .not_valid_after(now + timedelta(days=365))
            .add_extension(x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        )
        return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def websocket_port(address: str, port: int, context: ssl.SSLContext, home: Path) -> None:
    """Answers every upgrade of a client with a certificate, and holds the connection.

    While it is held a file ``edges/PORT/NODE/…`` says so, with what the edge has told; the node is that of the certificate.
    """
    listener = socket.create_server((address, port))

    def one(plain: socket.socket) -> None:
        with suppress(OSError), plain, context.wrap_socket(plain, server_side=True) as connection:
            if b"Upgrade: websocket" in connection.recv(4096):
                connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n")
                with session(home / f"edges/{port}", connection) as note:
                    while data := connection.recv(65536):
                        note(data)

    while True:
        plain, _ = listener.accept()
        threading.Thread(target=one, args=(plain,), daemon=True).start()


@contextmanager
def session(place: Path, connection: ssl.SSLSocket) -> Iterator[Callable[[bytes], None]]:
    """Notes a session while it lasts; gives what takes what the edge says in it.

    An edge says its status on 10000, and on 10004 the answer to each request, one a line.
    """
    subject = {key: value for part in (connection.getpeercert() or {})["subject"] for key, value in part}
    address, peer = connection.getpeername()[:2]
    node = subject["commonName"].rpartition(":")[2]
    file = place / node / str(peer)
    file.parent.mkdir(parents=True, exist_ok=True)
    said = b""
    tunnel = Tunnel(connection)

    def note(data: bytes) -> None:
        nonlocal said
        *lines, said = (said + data).split(b"\n")
        for line in lines:
            if place.name == "10004":
                tunnel.answers.put(json.loads(line))
            else:
                file.write_text(json.dumps({"address": address, **json.loads(line)}))

    try:
        if place.name == "10004":
            file.write_text("{}")
            TUNNELS.update({node: tunnel, address: tunnel})
        yield note
    finally:
        file.unlink(missing_ok=True)
        for key in (node, address):
            if TUNNELS.get(key) is tunnel:
                del TUNNELS[key]


class Tunnel:
    """A session on 10004: requests go through it to the edge, one after the other."""

    def __init__(self, connection: ssl.SSLSocket) -> None:
        self.answers: queue.Queue[dict[str, Any]] = queue.Queue()
        self._connection = connection
        self._lock = threading.Lock()

    def ask(self, path: str) -> dict[str, Any]:
        """Status and body of the edge's own answer."""
        with self._lock:
            self._connection.sendall(f"{path}\n".encode())
            return self.answers.get(timeout=10)


TUNNELS: dict[str, Tunnel] = {}  # by the node's name and by its address


class Streams(http.server.BaseHTTPRequestHandler):
    """Port 10003: statistics come from the edge that the Host header names; the rest gets go-restful's 404 (facts.md §3.7)."""

    def do_GET(self) -> None:
        status, body = 404, "404: Page Not Found"
        if self.path.startswith("/stats/summary"):
            tunnel = TUNNELS.get(self.headers.get("Host", "").partition(":")[0])
            answer = tunnel.ask(self.path) if tunnel else {"status": 500, "body": ""}  # facts.md §3.5
            status, body = answer["status"], answer["body"]
        self.send_response(status)
        self.send_header("Content-Length", str(len(body.encode())))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        pass


def as_pod(address: str, home: Path, *, stream: bool) -> None:
    """What cloudcore has besides: its name, its metrics, its stream server."""
    ctypes.CDLL(None).prctl(15, b"cloudcore", 0, 0, 0)
    monitor = http.server.ThreadingHTTPServer(("127.0.0.1", 9091), Streams)
    threading.Thread(target=monitor.serve_forever, daemon=True).start()
    if stream:
        server = http.server.ThreadingHTTPServer((address, 10003), Streams)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(home / "stream.crt", home / "stream.key")
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=server.serve_forever, daemon=True).start()


def main(address: str, home: Path, kind: str = "") -> None:
    if kind:
        as_pod(address, home, stream=kind == "stream")
    for old in home.glob("edges/*/*/*"):
        old.unlink()  # sessions of an earlier process
    for port in (10000, 10004) if kind != "hub" else (10000,):
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=home / "ca.crt")
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(home / "server.crt", home / "server.key")
        threading.Thread(target=websocket_port, args=(address, port, context, home), daemon=True).start()
    Issuer.home = home
    server = http.server.ThreadingHTTPServer((address, 10002), Issuer)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(home / "server.crt", home / "server.key")
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:])
