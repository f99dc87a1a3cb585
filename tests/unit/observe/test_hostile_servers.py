"""API servers that want to hang kedoctor or to eat its memory: every list ends in bounds, with a reason."""

from __future__ import annotations

import gzip
import itertools
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest
from hostile import Ended, bounded

from kedoctor.checks.parsers.kubernetes.node import Node
from kedoctor.model.observations.apiserver import ListObjects
from kedoctor.observe.live.api_errors import ApiFailure
from kedoctor.observe.live.apiserver import ApiServer, Patience
from kedoctor.observe.live.cluster import LiveCluster
from kedoctor.observe.live.kubeconfig import Found
from kedoctor.observe.live.paging import list_objects

PATIENCE = Patience(connect=1, first_answer=3, page=6, whole_list=12, log=3, review=3, plugin=3)
Pieces = Iterator[bytes]
Serve = Callable[[str], Pieces]
VERSION = b'{"major":"1","minor":"34","gitVersion":"v1.34.2"}'


def _answer(body: bytes, *headers: str, status: str = "200 OK", length: bool = True) -> bytes:
    lines = [f"HTTP/1.1 {status}", "Content-Type: application/json", *headers]
    if length:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def _once(body: bytes, *headers: str, status: str = "200 OK") -> Serve:
    return lambda _: iter([_answer(body, *headers, status=status)])


def _fresh_tokens(items: bytes, status: str = "200 OK") -> Serve:
    numbers = itertools.count()
    return lambda _: iter(
        [_answer(b'{"metadata":{"continue":"%d"},"items":[%s]}' % (next(numbers), items), status=status)]
    )


def _chunked(chunks: Callable[[], Pieces]) -> Serve:
    def serve(_: str) -> Pieces:
        yield _answer(b"", "Transfer-Encoding: chunked", length=False)
        yield from chunks()

    return serve


def _for_ever(piece: bytes) -> Callable[[], Pieces]:
    return lambda: itertools.repeat(piece)


def _after(head: bytes, piece: bytes) -> Serve:
    return lambda _: itertools.chain([head], itertools.repeat(piece))


NODE = b'{"metadata":{"name":"n%d","labels":{"a":"b"}}}'
NODES = b",".join(NODE % number for number in range(500))
PAGE = b'{"items":[%s]}'
BOMB = gzip.compress(b'{"items":[' + b" " * (128 << 20) + b"]}", 1)

SERVERS: dict[str, Serve] = {
    "fresh tokens with nodes": _fresh_tokens(NODES),
    "fresh tokens without nodes": _fresh_tokens(b""),
    "fresh tokens that have expired": _fresh_tokens(b"", "410 Gone"),
    "always expired": _once(b'{"kind":"Status"}', status="410 Gone"),
    "the same token": _once(b'{"metadata":{"continue":"x"},"items":[]}'),
    "endless body": _after(_answer(b"", length=False), b" " * 65536),
    "endless body with a length": _after(
        _answer(b"", "Content-Length: 99999999999999", length=False), b" " * 65536
    ),
    "endless header": _after(b"HTTP/1.1 200 OK\r\nX: ", b"x" * 65536),
    "endless headers": _after(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 1000),
    "endless continue answers": _after(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
    "endless chunks": _chunked(_for_ever(b"1000\r\n" + b" " * 4096 + b"\r\n")),
    "endless chunk extension": _chunked(lambda: itertools.chain([b"1;"], itertools.repeat(b"x" * 65536))),
    "endless trailers": _chunked(lambda: itertools.chain([b"0\r\n"], itertools.repeat(b"X: y\r\n" * 1000))),
    "endless chunk number": _chunked(_for_ever(b"0" * 65536)),
    "negative chunk": _chunked(lambda: iter([b"-5\r\nabc\r\n"])),
    "chunk that is no number": _chunked(lambda: iter([b"zz\r\nabc\r\n"])),
    "gzip bomb": _once(BOMB, "Content-Encoding: gzip"),
    "gzip that is none": _once(b"nothing packed", "Content-Encoding: gzip"),
    "gzip cut": _once(BOMB[:1000], "Content-Encoding: gzip"),
    "negative length": _once(b"{}", "Content-Length: -1"),
    "length that is no number": _once(b"{}", "Content-Length: many"),
    "shorter than said": lambda _: iter([_answer(b"", "Content-Length: 100", length=False) + b"{"]),
    "nested json": _once(b'{"items":' + b"[" * 1_000_000),
    "huge numbers": _once(PAGE % (b'{"metadata":{"generation":' + b"9" * 100_000 + b"}}")),
    "twenty million objects": _once(PAGE % (b"{}," * 10_000_000 + b"{}")),
    "a million labels": _once(
        PAGE % (b'{"metadata":{"labels":{' + b",".join([b'"a":""'] * 4_000_000) + b"}}}")
    ),
    "no json": _once(b"<html>"),
    "json of something else": _once(b'"items"'),
    "items that are none": _once(b'{"items":{"a":1}}'),
    "bytes that are no text": _once(PAGE % b'{"metadata":{"name":"\xff\xfe"}}'),
    "status that is no number": lambda _: iter([b"HTTP/1.1 abc OK\r\n\r\n"]),
    "status of seven digits": lambda _: iter([b"HTTP/1.1 2000000 OK\r\n\r\n"]),
    "another protocol": lambda _: iter([b"SSH-2.0-OpenSSH_9.6\r\n"]),
    "nothing": lambda _: iter([]),
    "throttled for years": _once(b"{}", "Retry-After: 99999999999999999999", status="429 Too Many Requests"),
    "throttled all the time": _once(b"{}", "Retry-After: 0", status="429 Too Many Requests"),
    "date beyond the calendar": _once(PAGE % b"", "Date: Fri, 31 Dec 9999 23:59:59 -2300"),
    "date that is none": _once(PAGE % b"", "Date: " + "9" * 5000),
    "redirect to itself": _once(b"", "Location: /", status="302 Found"),
    "error of a megabyte": _once(b'{"message":"' + b"\x1b[2J" * 250_000 + b'"}', status="500 Oh"),
}


@contextmanager
def _serving(serve: Serve) -> Iterator[int]:
    """A server on loopback that answers /version as any, and everything else as it likes."""
    listening = socket.create_server(("127.0.0.1", 0))

    def work(connection: socket.socket) -> None:
        with suppress(OSError), connection:
            while True:
                request = b""
                while b"\r\n\r\n" not in request:
                    piece = connection.recv(65536)
                    if not piece:
                        return
                    request += piece
                path = request.split(b" ")[1].decode()
                for one in iter([_answer(VERSION)]) if path.startswith("/version") else serve(path):
                    connection.sendall(one)

    def accept() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=work, args=(listening.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listening.getsockname()[1]
    finally:
        listening.close()


def _listed(port: int) -> Ended:
    def work() -> int:
        url = f"http://127.0.0.1:{port}"
        server = ApiServer(Found("test", (), "", url, "", {"server": url}, {}), PATIENCE)
        try:
            found = list_objects(server, Node, ListObjects("Node"))
        except ApiFailure as failure:
            print(f"unavailable: {failure.reason.value}: {failure.detail[:300]}")  # noqa: T201
            return 3
        print(f"{len(found)} objects")  # noqa: T201
        return 0

    return bounded(work)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", list(SERVERS))
def test_a_hostile_server_is_told_in_bounds(name: str) -> None:
    with _serving(SERVERS[name]) as port:
        ended = _listed(port)
    ended.must_be_civil(0, 3)


@pytest.mark.parametrize(
    "cluster",
    [
        {"proxy-url": "http://u:canary@[bad:1"},
        {"proxy-url": "http://u:canary@host:99999999"},
        {"proxy-url": "http://u:canary@host:port"},
        {"proxy-url": "socks5://u:canary@host:1"},
        {"tls-server-name": ".leading"},
        {"tls-server-name": "a\0b"},
        {"tls-server-name": "x" * 300},
    ],
)
def test_a_proxy_or_a_name_that_is_none_is_told_without_its_password(cluster: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"https://127.0.0.1:{listening.getsockname()[1]}"
        server = ApiServer(
            Found("test", (), "", url, "", {"server": url, **cluster}, {}), PATIENCE.within(0.5)
        )
        with pytest.raises(ApiFailure) as caught:
            list_objects(server, Node, ListObjects("Node"))
    assert "canary" not in caught.value.detail


@pytest.mark.parametrize("value", ["'false'", "'true'", "0", "[]", "yes please"])
def test_verification_is_switched_off_by_the_boolean_only(value: str, tmp_path: object) -> None:
    from pathlib import Path  # noqa: PLC0415

    from kedoctor.base.errors import KubeconfigError  # noqa: PLC0415

    config = Path(str(tmp_path)) / "config"
    config.write_text(
        "{current-context: a, contexts: [{name: a, context: {cluster: a, user: a}}], users: [{name: a, user: {}}],"
        f" clusters: [{{name: a, cluster: {{server: 'https://127.0.0.1:1', insecure-skip-tls-verify: {value}}}}}]}}",
        encoding="utf-8",
    )
    with pytest.raises(KubeconfigError, match="neither true nor false"):
        LiveCluster(str(config)).server()
