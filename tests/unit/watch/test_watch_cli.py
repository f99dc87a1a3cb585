"""``kedoctor watch`` and ``kedoctor serve`` as a person or systemd starts them: what is printed, served, and how they end."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from commandline import kedoctor
from prometheus_client.parser import text_string_to_metric_families

from kedoctor.model.findings import Status
from kedoctor.watch.child import NoReportError, look

RECORDINGS = Path(__file__).parents[3] / "checks/sandbox/recordings"
EVIDENCE = [
    word
    for host in ("cloud", "edge1")
    for word in ("--evidence", str(RECORDINGS / f"demo-edgestream-off-{host}.tgz"))
]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def _get(port: int, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    with closing(connection):
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


@contextmanager
def _started(*words: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    child = subprocess.Popen(
        [sys.executable, "-m", "kedoctor", *words, "--lang", "en"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    try:
        yield child
    finally:
        if child.poll() is None:
            child.kill()
        child.communicate()


def _runs_of(parent: int) -> list[str]:
    """The kedoctor processes that this one started."""
    told = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
            if int(fields[1]) == parent and fields[0] != "Z":
                told.append((path.parent / "cmdline").read_bytes().decode())
        except OSError:
            continue
    return told


def _until(child: subprocess.Popen[str], text: str) -> list[str]:
    """The lines that it prints up to the one with that text."""
    lines: list[str] = []
    assert child.stdout is not None
    for line in child.stdout:
        lines.append(line)
        if text in line:
            return lines
    raise AssertionError(lines)


def test_the_metrics_of_a_watched_site_and_the_end_by_systemd(tmp_path: Path) -> None:
    port, state, file = _free_port(), tmp_path / "none", tmp_path / "kedoctor.prom"
    words = ["--interval", "1h", "--listen", f"127.0.0.1:{port}", "--textfile", str(file)]
    with _started("watch", *EVIDENCE, *words, KEDOCTOR_STATE_DIR=str(state)) as child:
        lines = _until(child, "printing what changes")
        assert "broken   KE202 edge1: " in lines[0]
        assert "(breaks logs, exec, attach, top; step: tunnel from the edge, 10004)" in lines[0]
        status, text = _get(port, "/metrics")
        samples = [one for family in text_string_to_metric_families(text) for one in family.samples]
        assert status == 200
        assert any(
            one.name == "kedoctor_hop_state"
            and one.labels == {"edge": "edge1", "hop": "tunnel", "state": "broken"}
            for one in samples
        )
        assert {one.name for one in samples} >= {"kedoctor_watch_runs_total", "kedoctor_expires_in_seconds"}
        assert _get(port, "/healthz")[0] == 200
        assert "kedoctor_watch_running 0" in file.read_text()
        assert file.stat().st_mode & 0o777 == 0o644, "node_exporter is another user"
        child.send_signal(signal.SIGTERM)
        assert child.wait(60) == -signal.SIGTERM, "systemd sees that its own signal ended it"
        assert child.stderr is not None
        assert child.stderr.read() == ""
    assert not state.exists(), "a watch fills no history"


def test_ctrl_c_ends_it_at_once_also_while_a_run_is_under_way(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import sys, time\nif 'run' in sys.argv: print('hangs', file=sys.stderr); time.sleep(600)\n"
    )
    command = [sys.executable, "-m", "kedoctor", "watch", *EVIDENCE, "--lang", "en"]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    ) as child:
        # Before it is replaced by the run, the new process still looks like the one that made it.
        while not any("--no-history" in one for one in _runs_of(child.pid)):
            assert child.poll() is None
        child.send_signal(signal.SIGINT)
        _, told = child.communicate(timeout=60)
    assert child.returncode == 130
    assert told.split() == ["Interrupted."]
    assert not any(str(tmp_path) in one for one in _runs_of(os.getpid()))


def test_a_run_that_hangs_is_ended_and_one_that_breaks_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NoReportError, match="exit code 64: Error: No such option"):
        look(["--no-such-option"], seconds=60)
    (tmp_path / "sitecustomize.py").write_text("import time\ntime.sleep(600)\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(NoReportError, match="did not end within") as late:
        look(EVIDENCE, seconds=0.2)
    assert late.value.late
    assert _runs_of(os.getpid()) == []


def test_the_pages_of_a_run_come_through_memory() -> None:
    seen = look(EVIDENCE, seconds=90, formats=("html", "prometheus"))
    assert any(one.code == "KE202" and one.status is Status.FAIL for one in seen.report.verdicts)
    assert seen.pages["html"].lstrip().lower().startswith(b"<!doctype html>")
    assert seen.pages["prometheus"].startswith(b"# HELP kedoctor_info")


def test_serve_shows_the_latest_run_that_is_kept(tmp_path: Path) -> None:
    state = str(tmp_path / "state")
    with _started("serve", "--port", "0", KEDOCTOR_STATE_DIR=state) as child:
        assert child.stderr is not None
        port = int(child.stderr.readline().partition("http://127.0.0.1:")[2].partition("/")[0])
        assert "No run is kept yet" in _get(port, "/")[1]
        assert kedoctor("run", *EVIDENCE, "--only", "KE202", KEDOCTOR_STATE_DIR=state).returncode == 1
        status, page = _get(port, "/")
        assert status == 200
        assert "KE202" in page
        child.send_signal(signal.SIGINT)
        assert child.wait(60) == 130


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["watch", "--interval", "1s"], "1s is too short an interval"),
        (["watch", "--interval", "often"], "'often' is not a valid duration"),
        (["watch", "--listen", "9788"], "'9788' is not an address to listen on"),
        (["watch", "--listen", "127.0.0.1:99999"], "is not an address to listen on"),
        (["watch", "--listen", "192.0.2.1:9788"], "cannot listen on 192.0.2.1:9788"),
        (["serve", "--port", "70000"], "Invalid value for '--port'"),
    ],
)
def test_usage(words: list[str], said: str) -> None:
    answer = kedoctor(*words)
    assert (answer.returncode, said in answer.stderr) == (64, True), answer.stderr
