"""What the answers through the API server mean: the node proxy, and the real requests judged by their content."""

from __future__ import annotations

from typing import Any

import pytest
from cloud_samples import edge
from test_trace_steps import BROKEN, LOGS, OK, REFUSED, STATS, TIMEOUT, TRACED, UNKNOWN, said

from kedoctor.api import ApiAnswer, Reason, StepResult, StepState, StreamedAnswer, Unavailable
from kedoctor.checks.facts.cluster.nodes import EdgeNodes
from kedoctor.checks.trace.log_content import posing
from kedoctor.checks.trace.node_proxy import relayed
from kedoctor.checks.trace.probes import RelayedAnswer
from kedoctor.checks.trace.requests import (
    NONCE,
    RequestAnswer,
    attach_request,
    exec_request,
    log_request,
)
from kedoctor.checks.trace.target import TracedPod

POD = TracedPod("default", "web", "main")
ALIVE = RelayedAnswer(ApiAnswer(200, STATS))
DEAD = RelayedAnswer(ApiAnswer(200, b""))
FORBIDDEN = Unavailable(Reason.FORBIDDEN, "get", "nodes/proxy is forbidden")


def server_error(text: str) -> Unavailable:
    return Unavailable(Reason.SERVER_ERROR, "get", text)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (ApiAnswer(200, STATS), (OK, "", "")),
        (ApiAnswer(200, b""), (BROKEN, "session", "KE508")),
        (ApiAnswer(200, b'{"node": {"nodeName": "edge2"}}'), (BROKEN, "session", "KE509")),
        (ApiAnswer(403, b'{"message": "nodes/proxy is forbidden"}'), (UNKNOWN, "", "KE921")),
        (server_error("HTTP 500"), (BROKEN, "session", "KE508")),
        (
            server_error(
                "error trying to reach service: dial tcp 10.99.0.2:10351: connect: connection refused (HTTP 503)"
            ),
            (BROKEN, "diversion", "KE303"),
        ),
        (TIMEOUT, (BROKEN, "tunnel", "KE508")),
        (FORBIDDEN, (UNKNOWN, "", "KE921")),
        (REFUSED, (UNKNOWN, "", "")),
    ],
)
def test_the_node_proxy(answer: Any, expected: tuple[StepState, str, str]) -> None:
    found = relayed(RelayedAnswer(answer), EdgeNodes((edge(),)), LOGS)
    assert found.state is expected[0], found.seen.en
    assert (found.hop, found.code) == expected[1:]
    assert found.inferred is (found.state is BROKEN and found.code != "KE509")


def streamed(status: int, out: bytes = b"", **more: Any) -> StreamedAnswer:
    return StreamedAnswer(status, out, **more)


LATE = {"reason": "deadline", "complete": False}


def logs(answer: Any, relayed_: RelayedAnswer = ALIVE) -> StepResult:
    return log_request(RequestAnswer(answer), POD, relayed_, TRACED, LOGS)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (streamed(200, b"hello\nworld\n"), (OK, "", "")),
        (streamed(200, b"hello\n", **LATE), (OK, "", "")),
        (streamed(200), (UNKNOWN, "", "")),
        (streamed(200, **LATE), (BROKEN, "tunnel", "KE508")),
        (streamed(200, b"Debug endpoints are disabled.\n"), (BROKEN, "edged", "KE206")),
        (streamed(500, reason="Internal error occurred:"), (BROKEN, "session", "KE508")),
        (streamed(500), (BROKEN, "session", "KE508")),
        (
            streamed(
                500,
                reason='Get "https://10.99.0.2:10351/containerLogs/a/b/c": dial tcp 10.99.0.2:10351: i/o timeout',
            ),
            (BROKEN, "diversion", "KE303"),
        ),
        (streamed(403, reason="pods/log is forbidden"), (UNKNOWN, "", "KE921")),
        (streamed(400, reason='container "main" in pod "web" is waiting to start'), (UNKNOWN, "", "")),
        (streamed(404, reason='pods "web" not found'), (UNKNOWN, "", "")),
        (TIMEOUT, (BROKEN, "tunnel", "KE508")),
        (REFUSED, (UNKNOWN, "", "")),
    ],
)
def test_logs_are_judged_by_their_content(answer: Any, expected: tuple[StepState, str, str]) -> None:
    assert said(logs(answer)) == expected


def test_an_empty_log_is_a_dead_session_unless_stats_come_through_the_same_one() -> None:
    assert said(logs(streamed(200), DEAD)) == (BROKEN, "session", "KE508")
    assert said(logs(streamed(200), RelayedAnswer(TIMEOUT))) == (BROKEN, "session", "KE508")


def test_the_log_itself_is_never_printed() -> None:
    assert "password" not in logs(streamed(200, b"password=hunter2\n")).seen.en


@pytest.mark.parametrize(
    ("line", "hop", "code"),
    [
        ("Debug endpoints are disabled.", "edged", "KE206"),
        ('pod "web" does not exist', "edged", ""),
        ("pod does not exist", "edged", ""),
        ('container "main" not found in pod "web"', "edged", ""),
        ('container "main" in pod "web" is not available', "runtime", ""),
        ("unable to retrieve container logs for containerd://5f", "runtime", "KE706"),
        (
            'failed to try resolving symlinks in path "/var/log/pods/a": lstat /var/log/pods/a: no such file or directory',
            "runtime",
            "KE706",
        ),
        ("404: Page Not Found", "stream", "KE102"),
    ],
)
def test_error_texts_that_pose_as_logs(line: str, hop: str, code: str) -> None:
    found = posing(f"{line}\n".encode())
    assert found is not None
    assert (found.hop, found.code) == (hop, code)
    assert posing(f"started\n{line}\n".encode()) is None
    assert posing(f"E1123 kubelet.go:1] {line}\n".encode()) is None


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (streamed(101, f"{NONCE}\n".encode(), exit_code=0), (OK, "", "")),
        (streamed(101, exit_code=127, reason="command terminated with exit code 127"), (OK, "", "")),
        (
            streamed(101, reason='OCI runtime exec failed: exec: "echo": executable file not found'),
            (OK, "", ""),
        ),
        (streamed(101, exit_code=0), (BROKEN, "session", "KE508")),
        (streamed(101, reason="unknown error"), (BROKEN, "session", "KE508")),
        (streamed(101, reason="unexpected end", complete=False), (BROKEN, "session", "KE508")),
        (
            streamed(
                101, reason='error sending request: Post "https://10.99.0.2:10351/exec/a/b/c": unexpected EOF'
            ),
            (BROKEN, "session", "KE508"),
        ),
        (
            streamed(
                101, reason="error sending request: dial tcp 10.99.0.2:10351: connect: connection refused"
            ),
            (BROKEN, "diversion", "KE303"),
        ),
        (streamed(101, **LATE), (BROKEN, "tunnel", "KE508")),
        (
            streamed(101, reason='unable to upgrade connection: container not found ("main")'),
            (UNKNOWN, "", ""),
        ),
        (streamed(403, reason="pods/exec is forbidden"), (UNKNOWN, "", "KE921")),
        (TIMEOUT, (BROKEN, "tunnel", "KE508")),
    ],
)
def test_exec_is_judged_by_what_comes_back(answer: Any, expected: tuple[StepState, str, str]) -> None:
    assert said(exec_request(RequestAnswer(answer), POD, TRACED, LOGS)) == expected


@pytest.mark.parametrize(
    ("answer", "through", "expected"),
    [
        (streamed(101, b"tick\n"), ALIVE, (OK, "", "")),
        (streamed(101, **LATE), ALIVE, (UNKNOWN, "", "")),
        (streamed(101, **LATE), DEAD, (BROKEN, "tunnel", "KE508")),
        (streamed(101, reason="unexpected end", complete=False), ALIVE, (BROKEN, "session", "KE508")),
    ],
)
def test_attach_is_judged_by_what_is_written(
    answer: Any, through: RelayedAnswer, expected: tuple[StepState, str, str]
) -> None:
    assert said(attach_request(RequestAnswer(answer), POD, through, TRACED, LOGS)) == expected


def test_a_node_without_a_pod_to_ask() -> None:
    nobody = Unavailable(Reason.ABSENT, "a pod", "none is ready")
    for result in (
        log_request(nobody, nobody, ALIVE, TRACED, LOGS),
        exec_request(nobody, nobody, TRACED, LOGS),
        attach_request(nobody, nobody, ALIVE, TRACED, LOGS),
    ):
        assert said(result) == (UNKNOWN, "", "")
        assert "name one: kedoctor trace logs NAMESPACE/POD" in result.seen.en
