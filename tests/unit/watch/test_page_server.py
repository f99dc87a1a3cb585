"""The small server: read-only, under its own names only, bounded, and never held up by a slow client."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http import HTTPStatus

import pytest

from kedoctor.watch.server import CONNECTIONS, Page, PageServer, is_loopback


@contextmanager
def _served(host: str = "127.0.0.1", deadline: float = 10.0, **more: frozenset[str]) -> Iterator[PageServer]:
    pages = {
        "/metrics": lambda: Page(b"up 1\n"),
        "/healthz": lambda: Page(b"no\n", status=HTTPStatus.SERVICE_UNAVAILABLE),
        "/": lambda: Page(b"<p>", "text/html", refresh=30),
    }
    server = PageServer(host, 0, pages, deadline=deadline, **more)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def _ask(
    server: PageServer, path: str = "/metrics", method: str = "GET", host: str = "", to: str = "127.0.0.1"
) -> tuple[int, bytes, http.client.HTTPMessage]:
    connection = http.client.HTTPConnection(to, server.port, timeout=20)
    connection.request(method, path, headers={"Host": host or f"127.0.0.1:{server.port}"})
    with closing(connection), connection.getresponse() as answer:
        return answer.status, answer.read(), answer.msg


def test_pages_their_status_and_their_headers() -> None:
    with _served() as server:
        status, body, headers = _ask(server, "/metrics?x=1")
        assert (status, body) == (200, b"up 1\n")
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"
        assert headers["Server"] == "kedoctor"
        assert _ask(server, "/healthz")[0] == 503
        assert _ask(server, "/")[2]["Refresh"] == "30"
        assert _ask(server, "/../etc/passwd")[0] == 404
        assert _ask(server, "http://127.0.0.1/metrics")[0] == 404


def test_only_get_and_head() -> None:
    with _served() as server:
        status, body, headers = _ask(server, method="HEAD")
        assert (status, body, headers["Content-Length"]) == (200, b"", "5")
        for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT"):
            status, _, headers = _ask(server, method=method)
            assert (status, headers["Allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:9788", "127.0.0.1", "[::1]:80", "127.9.9.9:1", "LocalHost"]
)
def test_names_of_loopback(host: str) -> None:
    with _served() as server:
        assert _ask(server, host=host)[0] == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:9788",
        "127.0.0.1.evil.example",
        "localhost.evil",
        "10.0.0.1",
        "[fe80::1]",
        "@",
        "::",
    ],
)
def test_other_names_are_refused(host: str) -> None:
    with _served(names=frozenset({"edge1"})) as server:
        assert _ask(server, host=host)[0] == 421
        assert _ask(server, host="edge1:1")[0] == 200


def test_a_request_without_a_name_is_refused() -> None:
    with _served() as server, socket.create_connection(("127.0.0.1", server.port), timeout=20) as client:
        client.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        assert client.makefile("rb").readline().split()[1] == b"421"


def test_beyond_loopback_addresses_are_own_names_and_others_are_not() -> None:
    with _served("0.0.0.0", names=frozenset({"edge1"})) as server:
        assert _ask(server, host="10.0.0.7:9788")[0] == 200
        assert _ask(server, host="evil.example")[0] == 421


def test_ipv6() -> None:
    with _served("::1") as server:
        assert _ask(server, host="[::1]:9788", to="::1")[0] == 200


def test_a_client_that_sends_nothing_or_a_byte_now_and_then_is_cut() -> None:
    with (
        _served(deadline=0.3) as server,
        socket.create_connection(("127.0.0.1", server.port), timeout=20) as silent,
        socket.create_connection(("127.0.0.1", server.port), timeout=20) as slow,
    ):
        slow.sendall(b"GET /metrics HTTP/1.1\r\nHost: ")
        assert silent.recv(100) == b""
        assert slow.recv(100) == b""


def test_more_connections_than_a_handful_are_closed_and_the_others_are_answered() -> None:
    with _served() as server:
        clients = [
            socket.create_connection(("127.0.0.1", server.port), timeout=20) for _ in range(CONNECTIONS + 5)
        ]
        assert [one.recv(1) for one in clients[CONNECTIONS:]] == [b""] * 5
        clients[0].sendall(b"GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n")
        assert clients[0].recv(15).startswith(b"HTTP/1.0 200")
        for one in clients:
            one.close()


@pytest.mark.parametrize("head", [b"x" * 70_000, b"X-A: " + b"y" * 20_000, b"X-B: 1\r\n" * 200])
def test_a_head_without_end_is_refused(head: bytes) -> None:
    with _served() as server, socket.create_connection(("127.0.0.1", server.port), timeout=20) as client:
        client.sendall(b"GET /metrics HTTP/1.1\r\n" + head + b"\r\n\r\n")
        answer = b""
        try:
            while piece := client.recv(4096):
                answer += piece
        except ConnectionResetError:
            return
        assert b" 200 " not in answer.partition(b"\r\n")[0] + b" "


def test_no_bytes_and_bad_bytes_do_no_harm() -> None:
    with _served() as server:
        for request in (
            b"",
            b"\x00\xff\r\n\r\n",
            b"GET\r\n\r\n",
            b"GET /metrics HTTP/9.9\r\n\r\n",
            b"GET  /\r\n",
        ):
            with socket.create_connection(("127.0.0.1", server.port), timeout=20) as client:
                client.sendall(request)
                client.shutdown(socket.SHUT_WR)
                while client.recv(4096):
                    pass
        assert _ask(server)[0] == 200


def test_stopping_ends_connections() -> None:
    with _served() as server:
        client = socket.create_connection(("127.0.0.1", server.port), timeout=20)
        client.sendall(b"GET ")
        assert _ask(server)[0] == 200  # the server has taken the first one by then
    with client:
        assert client.recv(1) == b""
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", server.port), timeout=20)


def test_what_is_loopback() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "::1", "localhost", "127.8.8.8")))
    assert not any(map(is_loopback, ("0.0.0.0", "10.0.0.1", "edge1", "::", "")))
