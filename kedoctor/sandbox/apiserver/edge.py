"""What the nodes behind the server answer: container logs, commands, attached output, and the node's own pages.

A node is in one of the states that a KubeEdge data path can be in; the texts are those of the real server.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from kedoctor import patterns

from .store import Object, Store, now

_STAMP = patterns.compiled(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z ")


class State(Enum):
    """How far a request gets."""

    OK = "the whole path works"
    DEAD = "a tunnel existed and is gone: 200 with nothing in it"
    NO_SESSION = "the relay to the node runs and knows no session: 500 with nothing in it"
    HANG = "no answer, ever"


@dataclass(frozen=True, slots=True)
class Unreachable:
    """The server's connection to the node fails with ``text`` (``{address}`` is put in) after some seconds."""

    text: str
    after: float = 0.0


REFUSED = Unreachable("dial tcp {address}: connect: connection refused")
NO_ROUTE = Unreachable("dial tcp {address}: connect: no route to host")
TIMED_OUT = Unreachable("dial tcp {address}: i/o timeout", 30.0)
WRONG_PORT = Unreachable("remote error: tls: unknown certificate authority")


@dataclass(frozen=True, slots=True)
class Command:
    """A command that a client runs in a container."""

    argv: tuple[str, ...]
    stdin: bytes
    container: str
    hostname: str


@dataclass(frozen=True, slots=True)
class Result:
    """What a command did; ``error`` is the runtime's text when it could not be started."""

    stdout: bytes = b""
    stderr: bytes = b""
    code: int = 0
    error: str = ""


def busybox(command: Command) -> Result:
    """The few commands that probes use, as a busybox container answers them."""
    name, *arguments = command.argv
    match name, arguments:
        case "echo", _:
            return Result(" ".join(arguments).encode() + b"\n")
        case "printf", [text]:
            return Result(text.encode())
        case "hostname", []:
            return Result(command.hostname.encode() + b"\n")
        case "cat", []:
            return Result(command.stdin)
        case "true", _:
            return Result()
        case "false", _:
            return Result(code=1)
        case "sh", ["-c", line]:
            return _shell(line, command)
    missing = f'exec: "{name}": executable file not found in $PATH: unknown'
    started = "OCI runtime exec failed: exec failed: unable to start container process"
    return Result(
        error=f'failed to exec in container: failed to start exec "{"e7" * 32}": {started}: {missing}'
    )


def _shell(line: str, command: Command) -> Result:
    ending = patterns.compiled(r"\s*exit\s+(\d+)\s*").fullmatch(line)
    if ending:
        return Result(code=int(ending[1]))
    if patterns.compiled(r"[;&|<>$`]").search(line):
        return Result(stderr=f"sh: cannot run: {line}\n".encode(), code=2)
    result = busybox(Command(tuple(line.split()), command.stdin, command.container, command.hostname))
    if not result.error:
        return result
    return Result(stderr=f"sh: {line.split(maxsplit=1)[0]}: not found\n".encode(), code=127)


@dataclass(slots=True)
class Container:
    """What a container has to say.

    ``log`` lines may begin with their timestamps, which are shown when they are asked for. ``run`` answers commands.
    """

    log: str = ""
    previous: str | None = None
    run: Callable[[Command], Result] = busybox


_STARTED = 1796042910  # each panic gives a later one


@dataclass(slots=True)
class Edge:
    """All nodes and containers behind one server.

    ``states`` per node (default OK), ``containers`` by namespace, pod and container name, ``pages`` by node and path
    (without query), each a content type and a body. ``strict`` says of a Node whether its pages are refused (406) to
    who does not accept plain text, and whether it has no ``healthz`` of its own. ``panics`` counts by node;
    ``sessions`` is how many of exec and attach stand.
    """

    store: Store
    stopping: threading.Event
    states: dict[str, State | Unreachable] = field(default_factory=dict)
    containers: dict[tuple[str, str, str], Container] = field(default_factory=dict)
    pages: dict[tuple[str, str], tuple[str, bytes]] = field(default_factory=dict)
    strict: Callable[[Object], bool] = lambda _: False
    panics: Counter[str] = field(default_factory=Counter)
    restart: float = 1.0
    sessions: int = 0
    _back: dict[str, float] = field(default_factory=dict)

    def state(self, node: str) -> State | Unreachable:
        """The state of a node; one that panicked has no session until it is back."""
        state = self.states.get(node, State.OK)
        return State.DEAD if state is State.OK and time.monotonic() < self._back.get(node, 0.0) else state

    def panic(self, node: str) -> None:
        """What the node's own server does when a session is only cut off: it ends, and is back after ``restart`` s.

        edgecore does so now and then (``send on closed channel``, kubeedge/kubeedge#6488); here it always does.
        """
        self.panics[node] += 1
        self._back[node] = time.monotonic() + self.restart

    def recover(self) -> None:
        """Every node is as it was at the beginning, also one that has panicked and would not be back yet."""
        self.states.clear()
        self._back.clear()

    def container(self, namespace: str, pod: str, name: str) -> Container:
        """A container, made with an empty log when nobody described it."""
        return self.containers.setdefault((namespace, pod, name), Container())

    def say(self, namespace: str, pod: str, name: str, line: str) -> None:
        """Append a line to a container's log; followers see it."""
        self.container(namespace, pod, name).log += line + "\n"

    def address(self, node: str) -> str:
        """``IP:port`` under which the server reaches a node: its InternalIP and kubelet port (10250 when it is 0)."""
        nodes = self.store.resources.find("", "v1", "nodes")
        entry = self.store.get(nodes, "", node) if nodes else None
        status: Object = entry.obj.get("status", {}) if entry else {}
        addresses = {a["type"]: a["address"] for a in status.get("addresses") or ()}
        port = status.get("daemonEndpoints", {}).get("kubeletEndpoint", {}).get("Port") or 10250
        host = addresses.get("InternalIP") or addresses.get("Hostname") or node
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def page(self, node: str, path: str) -> tuple[str, bytes] | None:
        """A page of the node itself; where nobody described one, stats are made up from its pods, and its metrics say its start."""
        found = self.pages.get((node, path))
        if found is None and path == "metrics":
            text = f"process_start_time_seconds {_STARTED + self.panics[node]:.11e}\n"
            return "text/plain; version=0.0.4; charset=utf-8", text.encode()
        if found is None and path == "stats/summary":
            return "text/plain; charset=utf-8", json.dumps(self._summary(node), indent=1).encode() + b"\n"
        return found

    def _summary(self, node: str) -> Object:
        pods = []
        for pod in self.store.objects("", "pods"):
            if pod.get("spec", {}).get("nodeName") == node:
                meta = pod["metadata"]
                reference = {field: meta[field] for field in ("name", "namespace", "uid") if field in meta}
                containers = [
                    {"name": c["name"], **_usage(700_000, 950_272)} for c in pod["spec"]["containers"]
                ]
                pods.append({"podRef": reference, "containers": containers, **_usage(800_000, 1_372_160)})
        return {"node": {"nodeName": node, **_usage(5_600_000, 36_020_224)}, "pods": pods}


def _usage(cpu: int, memory: int) -> dict[str, Any]:
    time = now()
    return {
        "startTime": time,
        "cpu": {"time": time, "usageNanoCores": cpu, "usageCoreNanoSeconds": cpu * 600},
        "memory": {"time": time, "usageBytes": memory, "workingSetBytes": memory, "rssBytes": memory // 2},
    }


@dataclass(frozen=True, slots=True)
class LogQuery:
    """Which part of a log is asked for."""

    tail: int | None = None
    limit: int | None = None
    timestamps: bool = False
    follow: bool = False
    previous: bool = False


def read_log(container: Container, query: LogQuery, stopping: threading.Event) -> Iterator[bytes]:
    """The log in chunks; with ``follow`` it goes on until the server stops or nobody reads any more."""
    text = (container.previous or "") if query.previous else container.log
    lines = text.splitlines(keepends=True)
    if query.tail is not None:
        lines = lines[len(lines) - query.tail :] if query.tail < len(lines) else lines
    data = b"".join(_shown(line, query) for line in lines)
    yield data[: query.limit] if query.limit is not None else data
    seen = len(text)
    while query.follow and not stopping.wait(0.02):
        fresh = container.log[seen:]
        seen += len(fresh)
        yield b"".join(_shown(line, query) for line in fresh.splitlines(keepends=True))


def _shown(line: str, query: LogQuery) -> bytes:
    stamped = _STAMP.match(line)
    if stamped and not query.timestamps:
        line = line[stamped.end() :]
    elif query.timestamps and not stamped:
        line = f"{now()} {line}"
    return line.encode()
