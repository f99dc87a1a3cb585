"""Plain functions for tests that need the server: a certificate, a running server, raw requests, the recordings."""

from __future__ import annotations

import base64
import contextlib
import functools
import http.client
import json
import os
import socket
import ssl
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import trustme
from ruamel.yaml import YAML

from . import ADMIN, ApiServer, Object, User

CMS = "/api/v1/namespaces/default/configmaps"
MERGE = "application/merge-patch+json"
TOKEN = "the-administrator"  # a token of a server that lives for one test
RECORDINGS = Path(__file__).parent / "recordings"


@functools.cache
def certificates() -> tuple[ssl.SSLContext, bytes]:
    """A server context for 127.0.0.1 and the CA that signed it, PEM."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    return context, authority.cert_pem.bytes()


def load_yaml(text: bytes) -> Any:
    """One YAML document."""
    return YAML(typ="safe", pure=True).load(text)


@contextlib.contextmanager
def running(
    objects: Iterable[Object] = (), *, tokens: dict[str, User] | None = None, **options: Any
) -> Iterator[ApiServer]:
    """A server over TLS that knows :data:`TOKEN` as an administrator's; fails the test if the server itself crashed."""
    users = {TOKEN: ADMIN} | (tokens or {})
    with ApiServer(objects, tls=certificates()[0], tokens=users, load_yaml=load_yaml, **options) as server:
        yield server
    assert not server.crashes, "\n".join(server.crashes)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as it came: headers in order, repeated ones too."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    def header(self, name: str) -> str | None:
        """The first value of a header."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


def client_context() -> ssl.SSLContext:
    """A client's context that trusts :func:`certificates`."""
    return ssl.create_default_context(cadata=certificates()[1].decode())


def ask(
    server: ApiServer,
    method: str,
    path: str,
    body: bytes | str | Object | None = None,
    *,
    token: str | None = TOKEN,
    content_type: str = "application/json",
    **headers: str,
) -> Answer:
    """One request over a connection of its own. Header names are given with underscores."""
    connection = http.client.HTTPSConnection("127.0.0.1", server.port, context=client_context(), timeout=20)
    sent = {"Accept": "application/json"} | {name.replace("_", "-"): value for name, value in headers.items()}
    if token is not None:
        sent["Authorization"] = f"Bearer {token}"
    if body is not None:
        sent["Content-Type"] = content_type
    data = json.dumps(body) if isinstance(body, dict) else body
    try:
        connection.request(method, path, data, sent)
        answer = connection.getresponse()
        return Answer(answer.status, tuple(answer.getheaders()), answer.read())
    finally:
        connection.close()


def patch(server: ApiServer, path: str, body: Any, form: str = MERGE, **headers: str) -> Answer:
    """One patch, a merge patch unless said otherwise."""
    return ask(server, "PATCH", path, json.dumps(body), content_type=form, **headers)


def names(answer: Answer) -> list[str]:
    """The names in a list."""
    return [item["metadata"]["name"] for item in answer.json["items"]]


def config_map(name: str, **data: str) -> Object:
    """A ConfigMap of the default namespace."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "default"},
        "data": data,
    }


def pod(name: str, node: str = "edge1") -> Object:
    """A running Pod of the default namespace with one container ``main``."""
    containers = [{"name": "main", "image": "busybox:1.36"}]
    meta = {"name": name, "namespace": "default", "labels": {"app": name}}
    spec = {"nodeName": node, "containers": containers}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec, "status": {"phase": "Running"}}


def node(name: str = "edge1") -> Object:
    """An edge node at 10.99.0.2, port 10351."""
    status = {
        "addresses": [{"type": "InternalIP", "address": "10.99.0.2"}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": 10351}},
        "nodeInfo": {"kubeletVersion": "v1.31.12-kubeedge-v1.22.0"},
    }
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "status": status}


@dataclass(frozen=True, slots=True)
class Recording:
    """One exchange with a real kube-apiserver."""

    name: str
    method: str
    path: str
    request_headers: dict[str, str]
    request_body: str
    status: int
    headers: tuple[tuple[str, str], ...]
    body: str

    @property
    def json(self) -> Any:
        """The recorded body as JSON."""
        return json.loads(self.body)


@functools.cache
def recording(number: int) -> Recording:
    """The recording with a number."""
    (path,) = RECORDINGS.glob(f"{number:02}-*.http")
    asked, _, answered = path.read_text(encoding="utf-8").partition("---- response")
    head, _, request_body = asked.partition("\n\n")
    first, *lines = head.splitlines()
    method, target, _ = first.split()
    status_line, _, rest = answered.partition("\n")[2].partition("\n")
    response_head, _, body = rest.partition("\n\n")
    headers = tuple(_pair(line) for line in response_head.splitlines() if ": " in line)
    status = int(status_line.split()[1])
    return Recording(
        path.stem, method, target, dict(map(_pair, lines)), request_body.strip(), status, headers, body
    )


def _pair(line: str) -> tuple[str, str]:
    name, _, value = line.partition(": ")
    return name, value


class Channels:
    """A bare WebSocket client for exec and attach; leaving its context hangs up."""

    def __init__(
        self, server: ApiServer, path: str, *, protocols: str, key: str = "", token: str = TOKEN
    ) -> None:
        raw = socket.create_connection(("127.0.0.1", server.port), timeout=10)
        self._socket = client_context().wrap_socket(raw, server_hostname="127.0.0.1")
        self._reader = self._socket.makefile("rb")
        lines = [
            f"GET {path} HTTP/1.1",
            "Host: lab",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {key or base64.b64encode(os.urandom(16)).decode()}",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Protocol: {protocols}",
            f"Authorization: Bearer {token}",
        ]
        self._socket.sendall("\r\n".join([*lines, "", ""]).encode())
        self.status = int(self._reader.readline().split()[1])
        self.headers: dict[str, str] = {}
        while line := self._reader.readline().decode().strip():
            name, value = _pair(line)
            self.headers[name] = value

    def frame(self) -> tuple[int, bytes]:
        """The next frame: opcode and payload."""
        first, second = self._reader.read(2)
        size = second
        if second == 126:
            (size,) = struct.unpack(">H", self._reader.read(2))
        return first & 0x0F, self._reader.read(size)

    def send(self, payload: bytes, opcode: int = 2) -> None:
        """One masked frame."""
        mask = os.urandom(4)
        data = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
        self._socket.sendall(bytes([0x80 | opcode, 0x80 | len(payload)]) + mask + data)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._reader.close()
        self._socket.close()
