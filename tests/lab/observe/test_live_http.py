"""Single GETs against real servers on loopback: any answer is an answer, and all of them come in time."""

from __future__ import annotations

import datetime as dt
import socket
import ssl
import time

import pytest
import trustme
from listeners import (
    Handler,
    Plain,
    in_time,
    listening,
    plain_server,
    say,
    server_context,
    silent,
    tls_server,
    x509_der,
)

from kedoctor.model.observations.request import Reason, Unavailable
from kedoctor.model.observations.wire import GetHttp, HttpAnswer
from kedoctor.model.ports import Wire
from kedoctor.observe.live.source import LiveSource

pytestmark = pytest.mark.lab

WIRE = Wire(LiveSource())


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def test_a_get() -> None:
    with plain_server() as port, in_time(2):
        answer = WIRE.get(f"http://127.0.0.1:{port}/stats/summary?only=cpu#there", accept="application/json")
    assert isinstance(answer, HttpAnswer)
    assert (answer.status, answer.body, answer.complete) == (
        200,
        f"hello from 127.0.0.1:{port}".encode(),
        True,
    )
    assert answer.date is not None
    assert abs((answer.date - dt.datetime.now(dt.UTC)).total_seconds()) < 60
    ((path, headers),) = Plain.seen
    assert path == "/stats/summary?only=cpu"
    assert headers["Accept"] == "application/json"
    assert headers["Connection"] == "close"
    assert "Upgrade" not in headers


def test_the_host_header_can_be_another() -> None:
    with plain_server() as port:
        answer = WIRE.get(f"http://127.0.0.1:{port}/", host_header="192.168.1.20:10350")
    assert isinstance(answer, HttpAnswer)
    assert answer.body == b"hello from 192.168.1.20:10350"


@pytest.mark.parametrize("header", ["a\r\nUpgrade: websocket", "a\nb"])
def test_no_header_can_be_smuggled_in(header: str) -> None:
    with plain_server() as port:
        answer = WIRE.get(f"http://127.0.0.1:{port}/", host_header=header)
        assert Plain.seen == []
    assert isinstance(answer, Unavailable)
    assert answer.reason is Reason.INVALID


@pytest.mark.parametrize(
    "url",
    [
        "ftp://127.0.0.1/",
        "127.0.0.1:80",
        "http:///x",
        "http://u:p@127.0.0.1/",
        "http://[::1/",
        "http://h:99999/",
        "http://127.0.0.1:1/a b",
        "http://127.0.0.1:0/",
    ],
)
def test_what_is_no_url(url: str) -> None:
    answer = WIRE.get(url)
    assert isinstance(answer, Unavailable)
    assert answer.reason in {Reason.INVALID, Reason.REFUSED}


def get_raw(data: bytes, *, limit: int = 1 << 18, timeout: float = 3.0) -> HttpAnswer | Unavailable:
    with listening(say(data)) as port, in_time(timeout + 0.5):
        answer = WIRE.source.observe(GetHttp(f"http://127.0.0.1:{port}/", timeout=timeout, limit=limit))
    assert isinstance(answer, HttpAnswer | Unavailable)
    return answer


def test_a_chunked_body() -> None:
    answer = get_raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
    assert isinstance(answer, HttpAnswer)
    assert (answer.body, answer.complete) == (b"abcde", True)


def test_a_body_that_ends_with_the_connection() -> None:
    answer = get_raw(b"HTTP/1.0 403 Forbidden\r\nDate: Sat, 22 Nov 2025 05:00:00 GMT\r\n\r\nnot you")
    assert isinstance(answer, HttpAnswer)
    assert (answer.status, answer.body, answer.complete) == (403, b"not you", True)
    assert answer.date == dt.datetime(2025, 11, 22, 5, tzinfo=dt.UTC)


@pytest.mark.parametrize("head", [b"Content-Length: 10\r\n", b"Transfer-Encoding: chunked\r\n"])
def test_a_body_that_is_cut_off_is_not_complete(head: bytes) -> None:
    body = b"abc" if b"Length" in head else b"5\r\nabc"
    answer = get_raw(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n" + body)
    assert isinstance(answer, HttpAnswer)
    assert (answer.body, answer.complete) == (b"abc", False)


def test_a_body_is_limited() -> None:
    full = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100_000
    cut, whole = get_raw(full, limit=1000), get_raw(full, limit=100_000)
    assert isinstance(cut, HttpAnswer)
    assert isinstance(whole, HttpAnswer)
    assert (len(cut.body), cut.complete) == (1000, False)
    assert (len(whole.body), whole.complete) == (100_000, True)


def test_a_strange_date_is_no_date() -> None:
    answer = get_raw(b"HTTP/1.1 204 No Content\r\nDate: yesterday\r\n\r\n")
    assert isinstance(answer, HttpAnswer)
    assert (answer.status, answer.date, answer.complete) == (204, None, True)


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 soon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200,
        b"HTTP/1.1 200 " + b"x" * 70_000,
    ],
)
def test_bad_http(data: bytes) -> None:
    answer = get_raw(data)
    assert isinstance(answer, Unavailable)
    assert answer.reason is Reason.INVALID


def test_a_server_that_hangs_up_without_an_answer() -> None:
    answer = get_raw(b"")
    assert isinstance(answer, Unavailable)
    assert answer.reason is Reason.UNREACHABLE


def test_https(authority: trustme.CA) -> None:
    leaf = authority.issue_cert("a.example")

    def reply(tls: socket.socket) -> None:
        tls.recv(1 << 14)
        tls.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    with listening(tls_server(server_context(leaf), reply)) as port, in_time(3):
        answer = WIRE.get(f"https://127.0.0.1:{port}/healthz")
    assert isinstance(answer, HttpAnswer)
    assert (answer.body, answer.certificate) == (b"ok", x509_der(leaf))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_https_with_a_server_that_wants_a_client_certificate(
    authority: trustme.CA, version: ssl.TLSVersion
) -> None:
    context = server_context(authority.issue_cert("a.example"), version=version, clients=authority)
    with listening(tls_server(context)) as port, in_time(3):
        answer = WIRE.get(f"https://127.0.0.1:{port}/")
    assert isinstance(answer, Unavailable)
    assert answer.reason is Reason.ERROR
    assert "certificate required" in answer.detail


def test_https_to_a_plain_server_and_http_to_a_tls_server(authority: trustme.CA) -> None:
    with plain_server() as port:
        answer = WIRE.get(f"https://127.0.0.1:{port}/")
    assert isinstance(answer, Unavailable)
    assert "plain HTTP" in answer.detail
    with listening(tls_server(server_context(authority.issue_cert("a.example")))) as port:
        answer = WIRE.get(f"http://127.0.0.1:{port}/")
    assert isinstance(answer, Unavailable)
    assert answer.reason in {Reason.INVALID, Reason.UNREACHABLE}


def drip(start: bytes) -> Handler:
    def handler(connection: socket.socket) -> None:
        connection.recv(1 << 14)
        connection.sendall(start)
        for _ in range(50):
            time.sleep(0.1)
            connection.sendall(b"x")

    return handler


def test_a_head_that_drips_ends_at_the_deadline() -> None:
    with listening(drip(b"HTTP/1.1 200 OK\r\nA: ")) as port, in_time(1.4):
        answer = WIRE.get(f"http://127.0.0.1:{port}/", timeout=1.0)
    assert isinstance(answer, Unavailable)
    assert answer.reason is Reason.TIMEOUT


@pytest.mark.parametrize("tls", [False, True])
def test_a_body_that_drips_ends_at_the_deadline(authority: trustme.CA, *, tls: bool) -> None:
    handler = drip(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    if tls:
        handler = tls_server(server_context(authority.issue_cert("a.example")), handler)
    with listening(handler) as port, in_time(1.4):
        answer = WIRE.get(f"{'https' if tls else 'http'}://127.0.0.1:{port}/", timeout=1.0)
    assert isinstance(answer, HttpAnswer)
    assert not answer.complete
    assert answer.body.strip(b"x") == b""


def test_a_silent_server_ends_at_the_deadline() -> None:
    with listening(silent) as port, in_time(0.9):
        answer = WIRE.get(f"http://127.0.0.1:{port}/", timeout=0.5)
    assert isinstance(answer, Unavailable)
    assert answer.reason is Reason.TIMEOUT
