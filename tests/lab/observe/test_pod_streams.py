"""Logs, exec and attach over real HTTPS and WebSocket: what the path to a container answers, and how it ends."""

from __future__ import annotations

import signal
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from apiserver import ApiServer, State, Unreachable
from cluster_site import WEAK_TOKEN, Connect, connector, server_side, site
from raw_server import RawServer, answer

from kedoctor.model.observations.containers import AttachToPod, ExecInPod, FollowPodLog, StreamedAnswer
from kedoctor.model.observations.request import Reason, Unavailable
from kedoctor.observe.live.session_socket import SessionSocket

trustme = pytest.importorskip("trustme", reason="trustme makes the certificates")
pytestmark = pytest.mark.lab

LOG = FollowPodLog("default", "web", lines=2, timeout=3.0)
ECHO = ExecInPod("default", "web", ("echo", "nonce-1"), timeout=3.0)
ATTACH = AttachToPod("default", "web", until="nonce-2", timeout=3.0)
NODE = "edge-00001"
SWITCHING = "101 Switching Protocols"


@pytest.fixture(scope="module")
def authority() -> Any:
    return trustme.CA()


@pytest.fixture(scope="module")
def tls(authority: Any) -> ssl.SSLContext:
    return server_side(authority.issue_cert("127.0.0.1"))


@pytest.fixture
def api(tls: ssl.SSLContext) -> Iterator[ApiServer]:
    yield from site(tls)


@pytest.fixture
def to(authority: Any, tmp_path: Path) -> Connect:
    return connector(authority, tmp_path)


def wait_until(happens: Callable[[], bool], seconds: float = 15.0) -> None:
    ends = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < ends
        time.sleep(0.02)


def seen(cluster: Any, request: Any) -> StreamedAnswer:
    found = cluster.observe(request)
    assert isinstance(found, StreamedAnswer), found
    return found


def node_of(api: ApiServer) -> str:
    return str(
        next(
            pod["spec"]["nodeName"]
            for pod in api.store.objects("", "pods")
            if pod["metadata"]["name"] == "web"
        )
    )


class TestWorks:
    def test_a_log_is_its_last_lines_without_stamps(self, api: ApiServer, to: Connect) -> None:
        for number in range(4):
            api.edge.say("default", "web", "web", f"line {number}")
        found = seen(to(api.url), LOG)
        assert (found.status, found.out, found.complete) == (200, b"line 2\nline 3\n", True)

    def test_exec_gives_output_and_exit_code(self, api: ApiServer, to: Connect) -> None:
        cluster = to(api.url)
        found = seen(cluster, ECHO)
        assert (found.status, found.out, found.exit_code, found.complete) == (101, b"nonce-1\n", 0, True)
        failed = seen(cluster, ExecInPod("default", "web", ("sh", "-c", "exit 7"), timeout=3.0))
        assert failed.exit_code == 7
        assert "exit code 7" in failed.reason
        absent = seen(cluster, ExecInPod("default", "web", ("nosuch",), timeout=3.0))
        assert absent.exit_code is None
        assert "executable file not found" in absent.reason

    def test_attach_ends_with_what_it_waits_for(self, api: ApiServer, to: Connect) -> None:
        def speak() -> None:
            for number in range(20):
                time.sleep(0.05)
                api.edge.say("default", "web", "web", f"nonce-{number}")

        speaker = threading.Thread(target=speak)
        speaker.start()
        found = seen(to(api.url), ATTACH)
        speaker.join()
        assert b"nonce-2\n" in found.out
        assert (found.status, found.complete, found.reason) == (101, True, "")


class TestBroken:
    """What each broken path answers, as the recordings of a dead session and of no session have it."""

    def test_a_dead_session(self, api: ApiServer, to: Connect) -> None:
        api.edge.states[node_of(api)] = State.DEAD
        cluster = to(api.url)
        log = seen(cluster, LOG)
        assert (log.status, log.out, log.complete) == (200, b"", True)
        assert "unexpected EOF" in seen(cluster, ECHO).reason

    def test_no_session(self, api: ApiServer, to: Connect) -> None:
        api.edge.states[node_of(api)] = State.NO_SESSION
        cluster = to(api.url)
        assert seen(cluster, LOG).status == 500
        found = seen(cluster, ECHO)
        assert (found.exit_code, found.reason) == (None, "unknown error")

    def test_an_edge_nobody_reaches(self, api: ApiServer, to: Connect) -> None:
        text = "dial tcp {address}: connect: connection refused"
        api.edge.states[node_of(api)] = Unreachable(text)
        cluster = to(api.url)
        log = seen(cluster, LOG)
        assert log.status == 500
        assert "connection refused" in log.reason
        assert "connection refused" in seen(cluster, ATTACH).reason

    def test_a_path_that_says_nothing_ends_at_the_deadline(self, api: ApiServer, to: Connect) -> None:
        api.edge.states[node_of(api)] = State.HANG
        cluster = to(api.url)
        found = seen(cluster, ExecInPod("default", "web", ("echo",), timeout=1.0))
        assert (found.status, found.reason, found.complete) == (101, "deadline", False)
        silent = cluster.observe(FollowPodLog("default", "web", timeout=1.0))
        assert isinstance(silent, Unavailable)
        assert silent.reason is Reason.TIMEOUT

    def test_a_log_that_stops_in_the_middle(self, tls: ssl.SSLContext, to: Connect) -> None:
        begun = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhalf \r\n"
        asked = FollowPodLog("default", "web", timeout=1.5)
        for ending, reason in (((), "deadline"), ((b"",), "unexpected end")):
            pieces = (begun, *ending)
            with RawServer(
                lambda path, sent=pieces: [answer(b"{}")] if "/version" in path else sent, tls
            ) as server:
                found = seen(to(server.url), asked)
            assert (found.out, found.complete, found.reason) == (b"half ", False, reason)


class TestRefused:
    def test_what_is_not_there_and_what_is_forbidden(self, api: ApiServer, to: Connect) -> None:
        cluster = to(api.url)
        gone = seen(cluster, ExecInPod("default", "gone", ("echo",), timeout=3.0))
        assert gone.status == 404
        assert 'pods "gone" not found' in gone.reason
        weak = to(api.url, token=WEAK_TOKEN)
        assert seen(weak, ECHO).status == 403
        assert seen(weak, LOG).status == 403

    def test_credentials_that_are_not_accepted(self, api: ApiServer, to: Connect) -> None:
        found = to(api.url, token="nobody").observe(ECHO)
        assert isinstance(found, Unavailable)
        assert found.reason is Reason.UNAUTHORIZED
        assert "nobody" not in found.detail

    def test_a_flood_is_cut(self, api: ApiServer, to: Connect) -> None:
        api.edge.say("default", "web", "web", "start")
        stop = threading.Event()

        def flood() -> None:
            while not stop.wait(0.001):
                api.edge.say("default", "web", "web", "x" * 5000)

        speaker = threading.Thread(target=flood)
        speaker.start()
        try:
            found = seen(to(api.url), AttachToPod("default", "web", until="never", timeout=5.0, limit=20_000))
        finally:
            stop.set()
            speaker.join()
        assert len(found.out) == 20_000

    def test_what_is_no_websocket(self, tls: ssl.SSLContext, to: Connect) -> None:
        with RawServer(lambda _: [answer(b"{}"), b""], tls) as server:
            found = seen(to(server.url), ECHO)
        assert found.status == 200
        assert found.exit_code is None


CLIENT = """
import sys, threading, time
from kedoctor.observe.live.cluster import LiveCluster
from kedoctor.model.observations.containers import AttachToPod
cluster, wait = LiveCluster(sys.argv[1]), AttachToPod("default", "web", until="never", timeout=30.0)
if sys.argv[2] == "thread":
    threading.Thread(target=cluster.observe, args=(wait,), daemon=True).start()
    sys.stdin.readline()
    sys.exit("the program ends")
cluster.observe(wait)
"""


class TestANodeThatPanicsWhenASessionIsCutOff:
    """The edge behind this server ends whenever a client leaves a session without a close frame."""

    def test_no_ending_of_ours_does_that(self, api: ApiServer, to: Connect) -> None:
        def talk() -> None:
            while not ended.wait(0.05):
                api.edge.say("default", "web", "web", "nonce-2")

        ended = threading.Event()
        talker = threading.Thread(target=talk)
        talker.start()
        cluster = to(api.url)
        assert seen(cluster, ATTACH).complete  # heard what was wanted
        assert not seen(
            cluster, AttachToPod("default", "web", until="never", timeout=0.5)
        ).complete  # no time left
        assert seen(
            cluster, AttachToPod("default", "web", until="never", limit=50, timeout=3.0)
        ).out  # enough came
        assert seen(cluster, ECHO).exit_code == 0  # the other side ends first
        ended.set()
        talker.join()
        api.edge.states[NODE] = State.HANG
        assert not seen(cluster, ECHO).complete
        assert api.edge.panics == {}

    @pytest.mark.parametrize("how", ["main", "thread"])
    def test_nor_does_the_end_of_the_process(
        self, api: ApiServer, to: Connect, tmp_path: Path, how: str
    ) -> None:
        """Ctrl-C during a session, and a program that ends while a thread that nobody waits for listens."""
        to(api.url)
        config = tmp_path / "kubeconfig"
        client = subprocess.Popen(
            [sys.executable, "-c", CLIENT, str(config), how], stdin=subprocess.PIPE, stderr=subprocess.PIPE
        )
        wait_until(lambda: api.edge.sessions > 0)
        if how == "main":
            client.send_signal(signal.SIGINT)
        else:
            assert client.stdin is not None
            client.stdin.write(b"\n")
            client.stdin.flush()
        _, err = client.communicate(timeout=20)
        assert (b"KeyboardInterrupt" if how == "main" else b"the program ends") in err
        wait_until(lambda: api.edge.sessions == 0)
        assert api.edge.panics == {}

    def test_the_node_does_panic(self, api: ApiServer, to: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
        """So the tests above say something."""
        monkeypatch.setattr(SessionSocket, "leave", lambda *_: None)
        api.edge.restart = 0.2
        assert seen(to(api.url), ECHO).out
        wait_until(lambda: api.edge.panics == {NODE: 1})
