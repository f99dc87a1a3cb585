"""``kedoctor explain`` from outside: a text, a file, a pipe; terminal and JSON; exit codes."""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO

import pytest

from kedoctor.api import Explanation, InChinese, Parts, hookimpl
from kedoctor.cli.log_input import MAX_LINE, lines_of
from kedoctor.plugins import Plugins

REFUSED = 'Error from server: Get "https://10.99.0.2:10350/containerLogs/a/b/c": dial tcp 10.99.0.2:10350: connect: connection refused'
PEER = "E1123 03:18:03.529127       1 streamserver.go:120] Failed to get metrics, err: apiconnection Serve x find edge peer done, so stop this connection"


def kedoctor(*arguments: str, feed: bytes | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "kedoctor", "explain", *arguments]
    done = subprocess.run(
        command,
        input=feed,
        stdin=subprocess.DEVNULL if feed is None else None,
        capture_output=True,
        timeout=60,
        check=False,
    )
    return subprocess.CompletedProcess(command, done.returncode, done.stdout.decode(), done.stderr.decode())


def test_a_text_says_what_failed_what_it_can_be_and_what_decides() -> None:
    done = kedoctor(REFUSED)
    assert done.returncode == 0
    assert done.stderr == ""
    for words in (
        "source    kubectl",
        "10.99.0.2:10350",
        "1. KE202 edgestream-enabled",
        "kedoctor run --only KE202",
        "kedoctor explain KE202",
    ):
        assert words in done.stdout, words


def test_json_is_one_object_with_ranked_causes_in_two_languages() -> None:
    done = kedoctor(REFUSED, "--format", "json")
    document = json.loads(done.stdout)
    assert document["benign"] is False
    first = document["causes"][0]
    assert (first["code"], first["hop"], first["certainty"]) == ("KE202", "tunnel", "implied")
    assert first["why"]
    assert first["zh"]["why"]
    assert document["parts"]["port"] == 10350
    assert {note["part"] for note in document["parts"]["notes"]} == {"port", "leg", "error"}


def test_noise_is_called_noise() -> None:
    done = kedoctor("--format", "json", "--", PEER)
    document = json.loads(done.stdout)
    assert (done.returncode, document["benign"], document["causes"]) == (0, True, [])


def test_chinese() -> None:
    done = kedoctor("--lang", "zh", REFUSED)
    assert "可能的原因" in done.stdout
    assert "边缘节点的 edgeStream 未启用" in done.stdout


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_log_comes_from_a_file_or_a_pipe_gzipped_or_not(pack: object, tmp_path: Path) -> None:
    assert callable(pack)
    data = pack((PEER + "\n" + REFUSED + "\n").encode())
    log = tmp_path / "log"
    log.write_bytes(data)
    wanted = kedoctor("-f", str(log), "--format", "json")
    assert json.loads(wanted.stdout)["causes"][0]["code"] == "KE202"
    assert json.loads(wanted.stdout)["lines"] == 2
    assert kedoctor("-f", "-", "--format", "json", feed=data).stdout == wanted.stdout
    assert kedoctor("--format", "json", feed=data).stdout == wanted.stdout


def test_damaged_gzip_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    log = tmp_path / "log.gz"
    log.write_bytes(gzip.compress(((REFUSED + "\n") * 5000).encode())[:-20])
    done = kedoctor("-f", str(log))
    assert done.returncode == 0
    assert "KE202" in done.stdout
    assert "going on with what was read" in done.stderr


def test_a_hole_at_the_beginning_and_a_byte_order_mark_are_nothing_to_see(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("wb") as file:  # what copytruncate leaves of a log whose program does not append
        file.truncate(1 << 30)
        file.seek(0, 2)
        file.write(f"{REFUSED}\n".encode())
    assert [one for one in lines_of(str(log)) if one] == [REFUSED]
    log.write_bytes(f"{REFUSED}\r\n".encode("utf-16"))
    assert [one.rstrip("\r") for one in lines_of(str(log))] == [REFUSED]


@pytest.mark.parametrize("write", [lambda file: file.truncate(1 << 33), lambda file: file.write(bytes(5000))])
def test_zero_bytes_are_no_empty_answer(write: Callable[[IO[bytes]], int], tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("wb") as file:
        write(file)
    done = kedoctor("-f", str(log))
    assert (done.returncode, done.stdout) == (78, "")
    assert "it holds zero bytes and nothing else" in done.stderr
    assert "内容全部为零字节" in kedoctor("-f", str(log), "--lang", "zh").stderr


def test_of_a_long_file_the_newest_lines_are_read_and_it_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kedoctor.cli.log_input.NEWEST", 1 << 20)
    log = tmp_path / "log"
    log.write_text("".join(f"line {number}\n" for number in range(200_000)), encoding="utf-8")
    lines = list(lines_of(str(log)))
    assert lines[-1] == "line 199999"
    assert lines == [f"line {number}" for number in range(200_000 - len(lines), 200_000)]
    assert sum(len(one) + 1 for one in lines) <= 1 << 20
    assert "only the last 1 MiB of 2 MiB are read" in capsys.readouterr().err


def test_a_code_and_a_name_still_show_the_page() -> None:
    page = kedoctor("KE303").stdout
    assert page.startswith("KE303 ")
    assert kedoctor("ke303").stdout == kedoctor("dnat-rule").stdout == page
    document = json.loads(kedoctor("KE303", "--format", "json").stdout)
    assert document["page"].startswith("# KE303 ")
    # What is typed stands there as it was written, and nothing of the markup does.
    commands = [line for line in document["page"].splitlines() if line.startswith("    ")]
    assert commands
    assert set(commands) <= set(page.splitlines())
    assert not re.search(r"^#|\| *---", page, re.MULTILINE)
    assert "breaks  logs, exec, attach, top\n" in page
    assert "judged  on the API server's host\n" in page
    assert "--fix   repairs it; " in page
    assert document["references"][0]["citation"] == "facts.md §3.3"


@pytest.mark.parametrize(
    ("arguments", "exit_code", "words"),
    [
        (["KE999"], 64, "there is no check"),
        ([], 64, "nothing to explain"),
        (["-f", "/nonexistent/log"], 78, "cannot be read"),
        (["-f", "/tmp", "x"], 64, "not both"),
        (["-f", "/tmp"], 78, "cannot be read"),
        (["some words that mean nothing"], 3, ""),
        (["-f", "/dev/null"], 3, ""),
    ],
)
def test_what_cannot_be_explained_says_so(arguments: list[str], exit_code: int, words: str) -> None:
    done = kedoctor(*arguments)
    assert done.returncode == exit_code
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_an_empty_answer_is_a_text_too() -> None:
    assert "KE508" in kedoctor("").stdout


def test_tokens_are_not_repeated() -> None:
    token = "27a37ef16159f7d3be8fae95d588b79b3adaaf92727b72659eb89758c66ffda2.eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJleHAiOjE3MDcyOTU3MDV9.85O5psEa4E45DMAXJYOS4Tg44nNS9QGlsXtgM2q5MZs"
    for format_name in ("terminal", "json"):
        done = kedoctor("--format", format_name, f"token {token} credentials are in the wrong format")
        assert "KE409" in done.stdout
        assert "85O5psEa4E45DMAXJYOS4" not in done.stdout


def test_lines_of_any_length_and_bytes_of_any_kind(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"\xff\xfe one\n" + b"x" * (5 << 20) + b"\nlast")
    first, long, last = lines_of(str(log))
    assert first.endswith("one")
    assert len(long) <= MAX_LINE + (1 << 20)
    assert last == "last"


def test_a_plugin_may_explain_texts_of_its_own() -> None:
    class Acme:
        @hookimpl
        def kedoctor_explain(self, text_lines: list[str]) -> Explanation | None:
            if text_lines != ["E-1701"]:
                return None
            return Explanation(
                benign=True, meaning="A greeting.", hop="", causes=(), parts=Parts(), zh=InChinese()
            )

    plugins = Plugins()
    plugins.register("acme", Acme())
    answer = plugins.explain(["E-1701"])
    assert answer is not None
    assert answer.meaning == "A greeting."
    assert plugins.explain(["something else"]) is None
