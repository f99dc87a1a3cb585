"""The API server as a thing to start and stop."""

from __future__ import annotations

import base64
import contextlib
import json
import socket
import socketserver
import ssl
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from kedoctor.base.atomic_files import replace_file

from .dispatch import Api, RuleSource
from .edge import Edge
from .faults import Faults
from .handler import Handler
from .rbac import ObjectRules, Rule, everyone
from .request import User
from .resources import METRICS, Resources
from .store import Object, Store

VERSION = "v1.31.14"


@dataclass(slots=True)
class Seen:
    """One request as it came; ``user`` and the ``code`` of the answer (0: none) are there before the answer is sent."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    user: str = ""
    code: int = 0


class ApiServer(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """A Kubernetes API server in threads, on a free port of 127.0.0.1 unless told otherwise; a context manager.

    Args:
        objects: what is in the cluster at the start, single objects and lists, as ``kubectl get -o json`` prints them.
        tls: the server's context; ``None`` for plain HTTP.
        tokens: bearer tokens and whose they are.
        rbac: gives the rules of a user; by default the role and binding objects of the store are read.
        load_yaml: reads the bodies of server-side applies; by default they must be JSON.
        serves: resource tables served besides the built-in ones, in the form of ``resources.METRICS``.
        version: what ``/version`` says.
        listen: the address and port; 0 for a free one.

    ``store`` holds the objects, ``edge`` what nodes and containers answer, ``faults`` takes orders for trouble,
    ``requests`` records what came, ``crashes`` what went wrong within the server itself. ``date_offset`` (seconds)
    puts the server's clock off in ``Date``.
    """

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self,
        objects: Iterable[Object] = (),
        *,
        tls: ssl.SSLContext | None,
        tokens: dict[str, User],
        rbac: RuleSource | None = None,
        load_yaml: Callable[[bytes], Any] = json.loads,
        serves: Sequence[str] = (METRICS,),
        version: str = VERSION,
        listen: tuple[str, int] = ("127.0.0.1", 0),
    ) -> None:
        super().__init__(listen, Handler)
        self.tls = tls
        self.stopping = threading.Event()
        self.store = Store(Resources(*serves))
        self.store.load(objects)
        self.edge = Edge(self.store, self.stopping)
        self.faults = Faults()
        self.requests: deque[Seen] = deque(maxlen=10_000)
        self.crashes: list[str] = []
        self.date_offset = 0.0
        given = rbac or ObjectRules(self.store)
        self.api = Api(self.store, self.edge, tokens, lambda user: _rules(given, user), version)
        self.api.writer.load_yaml = load_yaml
        self.api.address = "{}:{}".format(*self.server_address[:2])
        self._sockets: set[socket.socket] = set()
        self._workers: list[threading.Thread] = []

    @property
    def port(self) -> int:
        """The TCP port it listens on."""
        return int(self.server_address[1])

    @property
    def url(self) -> str:
        """Its address as a kubeconfig holds it."""
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def start(self) -> Self:
        """Listen until :meth:`stop`."""
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Close every connection and wait for the threads."""
        self.stopping.set()
        self.shutdown()
        self._thread.join()
        for connection in list(self._sockets):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._workers:
            thread.join(5)
        self.server_close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection in a thread that :meth:`stop` can find again."""
        thread = threading.Thread(
            target=self.process_request_thread, args=(request, client_address), daemon=True
        )
        self._workers = [other for other in self._workers if other.is_alive()] + [thread]
        thread.start()

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Do the TLS handshake in the connection's own thread, so that a slow client holds up nobody."""
        self._sockets.add(request)
        try:
            if self.faults.hang_connections:
                self.stopping.wait()
            elif self.tls is None:
                Handler(request, client_address, self)
            else:
                self._over_tls(self.tls, request, client_address)
        finally:
            self._sockets.discard(request)

    def _over_tls(self, tls: ssl.SSLContext, request: socket.socket, client_address: Any) -> None:
        request.settimeout(10)
        try:
            wrapped = tls.wrap_socket(request, server_side=True)
        except (OSError, ssl.SSLError):
            return  # a client that does not trust us, or speaks no TLS: its own affair
        wrapped.settimeout(None)
        # wrap_socket has taken the descriptor over; stop() must reach the connection that is in use.
        self._sockets.discard(request)
        self._sockets.add(wrapped)
        try:
            Handler(wrapped, client_address, self)
        finally:
            self._sockets.discard(wrapped)
            with contextlib.suppress(OSError):
                wrapped.close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that broke off is the client's affair; anything else is ours."""
        del request, client_address
        if not isinstance(sys.exc_info()[1], OSError):
            self.crashes.append(traceback.format_exc())

    def kubeconfig(
        self,
        path: Path,
        ca_pem: bytes,
        token: str = "",
        *,
        namespace: str = "default",
        certificate: tuple[bytes, bytes] | None = None,
    ) -> Path:
        """Write a kubeconfig for this server; ``certificate`` is a client's certificate and key, both PEM."""
        user = {"token": token} if token else {}
        if certificate:
            user["client-certificate-data"] = _base64(certificate[0])
            user["client-key-data"] = _base64(certificate[1])
        cluster = {"server": self.url} | ({"certificate-authority-data": _base64(ca_pem)} if self.tls else {})
        context = {"cluster": "lab", "user": "lab", "namespace": namespace}
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "lab",
            "clusters": [{"name": "lab", "cluster": cluster}],
            "contexts": [{"name": "lab", "context": context}],
            "users": [{"name": "lab", "user": user}],
        }
        # JSON is YAML.
        replace_file(path, json.dumps(document, indent=2).encode() + b"\n", alone=False, sync=False)
        return path


def _rules(given: RuleSource, user: User) -> Iterable[Rule]:
    yield from everyone(user)
    yield from given(user)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
