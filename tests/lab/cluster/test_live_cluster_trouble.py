"""The live cluster in trouble: answers that break off, servers that are down, certificates and credentials."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from apiserver import ApiServer
from cluster_site import NODES, Connect, connector, nodes, server_side, site, why_not
from raw_server import RawServer, answer

from kedoctor.model.observations.apiserver import GetPath, ListObjects, ReviewAccess
from kedoctor.model.observations.logs import ReadPodLog
from kedoctor.model.observations.request import Reason
from kedoctor.observe.live.cluster import LiveCluster, Patience

trustme = pytest.importorskip("trustme", reason="trustme makes the certificates")
pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def authority() -> Any:
    return trustme.CA()


@pytest.fixture(scope="module")
def tls(authority: Any) -> ssl.SSLContext:
    return server_side(authority.issue_cert("127.0.0.1"))


@pytest.fixture
def api(tls: ssl.SSLContext) -> Iterator[ApiServer]:
    yield from site(tls, nodes=3)


@pytest.fixture
def to(authority: Any, tmp_path: Path) -> Connect:
    return connector(authority, tmp_path)


class TestTrouble:
    def test_a_body_that_breaks_off(self, api: ApiServer, to: Connect) -> None:
        api.faults.add("/nodes", truncate=5000)
        answered = why_not(to(api.url))
        assert answered.reason is Reason.UNREACHABLE
        assert "in the middle of the answer" in answered.detail

    def test_a_body_shorter_than_it_says(self, tls: ssl.SSLContext, to: Connect) -> None:
        with RawServer(lambda _: [answer(b'{"items": []}', length=99), b""], tls) as server:
            assert why_not(to(server.url)).reason is Reason.UNREACHABLE

    def test_a_page_that_is_too_large_is_not_read_to_its_end(self, tls: ssl.SSLContext, to: Connect) -> None:
        def script(asked: str) -> Iterator[bytes]:
            yield b"HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n" if "nodes" in asked else answer(b"")
            while "nodes" in asked:
                yield b" " * (1 << 20)

        with RawServer(script, tls) as server:
            assert why_not(to(server.url, patience=Patience())).reason is Reason.TOO_LARGE

    def test_gzip_that_is_none(self, tls: ssl.SSLContext, to: Connect) -> None:
        with RawServer(lambda _: [answer(b"plain", "Content-Encoding: gzip")], tls) as server:
            assert why_not(to(server.url)).reason is Reason.INVALID

    def test_bytes_that_trickle_do_not_outlive_the_deadline(self, tls: ssl.SSLContext, to: Connect) -> None:
        def script(asked: str) -> Iterator[bytes]:
            if "nodes" not in asked:
                yield answer(b"")
                return
            yield b"HTTP/1.1 200 OK\r\nX-Slow: "
            for _ in range(100):
                time.sleep(0.1)
                yield b"y"

        with RawServer(script, tls) as server:
            started = time.monotonic()
            assert why_not(to(server.url)).reason is Reason.TIMEOUT
            assert time.monotonic() - started < 2

    def test_a_kept_connection_that_was_closed_meanwhile(self, tls: ssl.SSLContext, to: Connect) -> None:
        with RawServer(lambda _: [answer(b'{"items": []}'), b""], tls) as server:
            cluster = to(server.url)
            assert nodes(cluster) == nodes(cluster) == ()
            assert server.connections == 3

    def test_what_speaks_no_http(self, tls: ssl.SSLContext, to: Connect) -> None:
        with RawServer(lambda _: [b"SSH-2.0-OpenSSH_9.2\r\n", b""], tls) as server:
            assert why_not(to(server.url)).reason is Reason.INVALID

    def test_a_server_that_closes_without_a_word(self, tls: ssl.SSLContext, to: Connect) -> None:
        with RawServer(lambda _: [b""], tls) as server:
            answered = why_not(to(server.url))
        assert answered.reason is Reason.UNREACHABLE
        assert "closed before there was an answer" in answered.detail


class TestDown:
    """A server that does not answer is asked once."""

    REQUESTS = (
        NODES,
        ListObjects("Pod"),
        GetPath("/version", timeout=1.0),
        ReadPodLog("a", "b"),
        ReviewAccess("list", "nodes"),
    )

    def all_at_once(self, cluster: LiveCluster) -> tuple[set[Reason], float]:
        started = time.monotonic()
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda request: why_not(cluster, request), self.REQUESTS * 4))
        return {answered.reason for answered in answers}, time.monotonic() - started

    def test_refused(self, to: Connect) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        reasons, took = self.all_at_once(to(f"https://127.0.0.1:{port}"))
        assert reasons == {Reason.REFUSED}
        assert took < 1

    def test_no_answer_to_the_connection(self, to: Connect) -> None:
        with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
            full = [socket.socket() for _ in range(3)]
            for filler in full:
                filler.setblocking(False)
                filler.connect_ex(listener.getsockname())
            reasons, took = self.all_at_once(
                to(f"https://127.0.0.1:{listener.getsockname()[1]}", patience=Patience())
            )
            for filler in full:
                filler.close()
        assert reasons == {Reason.TIMEOUT}
        assert 2.9 < took < 8

    def test_accepts_and_says_nothing(self, api: ApiServer, to: Connect) -> None:
        api.faults.hang_connections = True
        reasons, took = self.all_at_once(to(api.url))
        assert reasons == {Reason.TIMEOUT}
        assert took < 3

    def test_does_tls_and_says_nothing(self, tls: ssl.SSLContext, to: Connect) -> None:
        with RawServer(lambda _: None, tls) as server:
            reasons, took = self.all_at_once(to(server.url))
            assert (reasons, server.asked) == ({Reason.TIMEOUT}, ["GET /version"])
        assert took < 3

    def test_a_name_that_is_none(self, to: Connect) -> None:
        reasons, took = self.all_at_once(to("https://no-such-host.invalid:6443", patience=Patience()))
        assert reasons == {Reason.UNREACHABLE}
        assert took < 8

    def test_goes_silent_in_the_middle(self, tls: ssl.SSLContext, to: Connect) -> None:
        silent = threading.Event()
        with RawServer(lambda _: None if silent.is_set() else [answer(b'{"items": []}')], tls) as server:
            cluster = to(server.url)
            assert nodes(cluster) == ()
            silent.set()
            reasons, took = self.all_at_once(cluster)
        assert reasons == {Reason.TIMEOUT}
        assert took < 6

    def test_one_attempt_serves_everybody(self, tls: ssl.SSLContext, to: Connect) -> None:
        with RawServer(lambda _: [answer(b'{"items": []}')], tls) as server:
            cluster = to(server.url)
            with ThreadPoolExecutor(8) as pool:
                assert set(pool.map(lambda _: nodes(cluster), range(16))) == {()}
            assert server.asked.count("GET /version") == 1
