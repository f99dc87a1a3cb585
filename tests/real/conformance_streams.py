"""The streams of an API server that end at a node: logs, exec and attach over WebSocket, the node's own pages."""

from __future__ import annotations

import base64
import json
import os
import struct
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Self
from urllib.parse import quote

from conformance import ADMIN, WEAK, Api, Ns, behaviour, said

STDOUT, STATUS = 1, 3
V5, V4 = "v5.channel.k8s.io", "v4.channel.k8s.io"
NODE = "edge1"
# Writes two lines, waits for a file, then writes a line each half second.
SCRIPT = "echo one; echo two; while :; do [ -e /tmp/more ] && echo tick; sleep 0.5; done"


class Channels:
    """A bare WebSocket client; leaving its context hangs up."""

    def __init__(self, api: Api, path: str, *, protocols: str = V5, token: str = ADMIN) -> None:
        self._closed = False
        self._socket = api.open()
        self._reader = self._socket.makefile("rb")
        lines = [
            f"GET {path} HTTP/1.1",
            "Host: lab",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Protocol: {protocols}",
            f"Authorization: Bearer {token}",
        ]
        self._socket.sendall("\r\n".join([*lines, "", ""]).encode())
        self.status = int(self._reader.readline().split()[1])
        self.headers: dict[str, str] = {}
        while line := self._reader.readline().decode().strip():
            name, _, value = line.partition(": ")
            self.headers[name.lower()] = value
        self.body = b""
        if self.status != 101:
            self.body = self._reader.read(int(self.headers.get("content-length", "0")))

    def frame(self) -> tuple[int, bytes]:
        """The next frame: opcode and payload."""
        first, size = self._reader.read(2)
        if size == 126:
            (size,) = struct.unpack(">H", self._reader.read(2))
        return first & 0x0F, self._reader.read(size)

    def send(self, payload: bytes, opcode: int = 2) -> None:
        """One masked frame."""
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
        self._socket.sendall(bytes([0x80 | opcode, 0x80 | len(payload)]) + mask + masked)

    def goodbye(self, payload: bytes = struct.pack(">H", 1000)) -> None:
        """Closes as a client should, once."""
        if self.status == 101 and not self._closed:
            self._closed = True
            self.send(payload, opcode=8)

    def all(self) -> str:
        """Everything until the server closes, by channel."""
        found: dict[int, bytes] = {}
        while True:
            opcode, payload = self.frame()
            if opcode == 8:
                self.goodbye(payload)
                code = struct.unpack(">H", payload[:2])[0]
                channels = {
                    key: value.decode(errors="replace") for key, value in sorted(found.items()) if value
                }
                return f"{channels} closed {code}"
            if opcode in (1, 2):
                found[payload[0]] = found.get(payload[0], b"") + payload[1:]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self.goodbye()
        self._reader.close()
        self._socket.close()


def speaking(ns: Ns) -> str:
    """The path of a pod that runs and has written two lines."""
    ns.api.ready_for_pods(ns.name)
    main = {
        "name": "main",
        "image": "busybox:1.36",
        "command": ["sh", "-c", SCRIPT],
        "imagePullPolicy": "Never",
    }
    body = {
        "metadata": {"name": "web"},
        "spec": {"nodeName": NODE, "containers": [main], "terminationGracePeriodSeconds": 0},
    }
    made = ns.ask("POST", ns.path("pods"), body)
    assert made.status == 201, made.body
    path = ns.path("pods", name="web")
    ns.api.run_pod(ns.name, "web", ["one", "two"])
    assert ns.eventually(lambda: ns.get(path).json["status"].get("phase") == "Running", 60), ns.get(path).body
    assert ns.eventually(lambda: b"two" in ns.get(f"{path}/log").body)
    return path


def ran(ns: Ns, path: str, *command: str, more: str = "", **how: Any) -> str:
    query = "&".join(f"command={quote(word)}" for word in command)
    with Channels(ns.api, f"{path}/exec?{query}&stdout=1&stderr=1{more}", **how) as channels:
        if channels.status != 101:
            return f"{channels.status} {json.loads(channels.body).get('message')}"
        return channels.all()


@behaviour("streams", "logs: all, the last, a part, with times", streams=True)
def logs(ns: Ns) -> Iterator[str]:
    path = f"{speaking(ns)}/log"
    for query in (
        "",
        "?tailLines=1",
        "?tailLines=0",
        "?limitBytes=5",
        "?container=main",
        "?timestamps=true&tailLines=1",
    ):
        answer = ns.get(path + query)
        yield f"{query} {answer.status} {answer.header('Content-Type')} {answer.body.decode()!r}"
    for query in ("?container=none", "?previous=true", "?tailLines=-1", "?tailLines=x"):
        yield f"{query} {said(ns.get(path + query))}"
    yield said(ns.get(path, token=WEAK))


@behaviour("streams", "a container that does not start, and a pod without a node", streams=True)
def logs_not_started(ns: Ns) -> Iterator[str]:
    ns.api.ready_for_pods(ns.name)
    main = {"name": "main", "image": "not-there:1", "imagePullPolicy": "Never"}
    pending = {"metadata": {"name": "waits"}, "spec": {"nodeSelector": {"no": "where"}, "containers": [main]}}
    ns.ask("POST", ns.path("pods"), pending)
    answer = ns.get(ns.path("pods", name="waits") + "/log")
    yield f"{answer.status} {answer.body!r}"
    yield said(ns.get(ns.path("pods", name="waits") + "/exec?command=x&stdout=1"))


@behaviour("streams", "exec: output, exit code, input, a program that is not there", streams=True)
def execute(ns: Ns) -> Iterator[str]:
    path = speaking(ns)
    yield ran(ns, path, "echo", "hello")
    yield ran(ns, path, "sh", "-c", "exit 7")
    yield ran(ns, path, "true")
    text = ran(ns, path, "nosuch")
    yield f"{'executable file not found in $PATH' in text}, InternalError: {'InternalError' in text}"
    with Channels(ns.api, f"{path}/exec?command=cat&stdin=1&stdout=1") as channels:
        channels.send(b"\x00typed")
        channels.send(b"\xff\x00")
        yield channels.all()


@behaviour("streams", "exec: what is agreed on, and what is refused", streams=True)
def execute_refused(ns: Ns) -> Iterator[str]:
    path = speaking(ns)
    for protocols in (f"{V5}, {V4}", V4, "nonsense"):
        with Channels(ns.api, f"{path}/exec?command=true&stdout=1", protocols=protocols) as channels:
            chosen = channels.headers.get("sec-websocket-protocol")
            yield f"{protocols}: {channels.status} {chosen} {channels.body!r}"
    for query in ("command=true", "stdout=1", "command=true&stdout=1&container=none"):
        with Channels(ns.api, f"{path}/exec?{query}") as channels:
            yield f"{query}: {channels.status} {channels.all() if channels.status == 101 else channels.body.decode()}"
    yield said(ns.get(f"{path}/exec?command=true&stdout=1"))
    yield ran(ns, path, "true", token=WEAK)


@behaviour("streams", "attach: only what is written from then on", streams=True)
def attach(ns: Ns) -> Iterator[str]:
    path = speaking(ns)
    with Channels(ns.api, f"{path}/attach?stdout=1") as channels:
        assert channels.frame() == (2, b"\x01"), (
            "first an empty message, which says that the connection stands"
        )
        ns.api.say_more(ns.name, "web", "tick")
        text = b""
        while b"tick" not in text:
            opcode, payload = channels.frame()
            assert (opcode, payload[:1]) == (2, b"\x01"), (opcode, payload)
            text += payload[1:]
        yield f"{channels.status} {channels.headers.get('sec-websocket-protocol')} one: {b'one' in text}"


@behaviour("streams", "pages of a node through the API server", streams=True)
def node_pages(ns: Ns) -> Iterator[str]:
    for path in (
        f"{NODE}/proxy/stats/summary",
        f"{NODE}/proxy/healthz",
        f"{NODE}/proxy/nothing",
        "none/proxy/healthz",
    ):
        answer = ns.get(f"/api/v1/nodes/{path}")
        text = answer.body.decode()
        shown = sorted(json.loads(text)) if text.startswith("{") and answer.status == 200 else said(answer)
        yield f"{path}: {answer.status} {answer.header('Content-Type')} {shown}"
