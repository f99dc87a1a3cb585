"""The command line from outside: exit codes, streams, bad input."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from commandline import kedoctor

ROOT = Path(__file__).parents[3]
DEMO = sorted((ROOT / "checks" / "sandbox" / "recordings").glob("demo-edgestream-off-*.tgz"))


def _bundles() -> list[str]:
    return [word for path in DEMO for word in ("--evidence", str(path))]


def test_a_bundle_is_diagnosed_and_the_exit_code_says_so() -> None:
    done = kedoctor("run", *_bundles())
    assert done.returncode == 1
    assert re.search(r"^✗ KE202 ", done.stdout, re.MULTILINE)
    assert done.stdout.index("KE202") < done.stdout.index("KE503")
    assert done.stderr == ""


def test_json_is_one_document_that_fits_the_published_schema() -> None:
    schema = json.loads(kedoctor("schema").stdout)
    document = json.loads(kedoctor("run", *_bundles(), "--format", "json").stdout)
    jsonschema.Draft202012Validator(schema).validate(document)
    assert document["schema_version"].startswith("1.")
    assert [cause["code"] for cause in document["causes"]] == ["KE202"]
    assert document["run"]["exit_code"] == 1
    assert {row["edge"] for row in document["matrix"]} == {"edge1"}
    assert all(verdict["zh"]["summary"] for verdict in document["verdicts"])


def test_html_is_one_page_without_anything_from_elsewhere(tmp_path: Path) -> None:
    page = tmp_path / "site.html"
    assert kedoctor("run", *_bundles(), "--format", "html", "-o", str(page)).returncode == 1
    text = page.read_text()
    assert text.count("<script") == 1  # its own, named by its hash in the policy
    assert not re.search(r"""(?:src|href)\s*=\s*["'](?!#)""", text)
    assert not re.search(r"url\(", text)
    assert "KE202" in text


def test_the_last_run_is_kept_and_shown_again_in_chinese() -> None:
    kedoctor("run", *_bundles())
    shown = kedoctor("report", "--lang", "zh")
    assert shown.returncode == 0
    assert "KE202" in shown.stdout
    assert "发现 1 个故障原因" in shown.stdout
    assert "KE202" in kedoctor("history").stdout
    assert "发现" in kedoctor("report", LANG="zh_CN.UTF-8").stdout


def test_colour_only_for_a_terminal() -> None:
    assert "\x1b[" not in kedoctor("run", *_bundles(), FORCE_COLOR="1").stdout


def test_no_kubeconfig_and_no_side_is_undetermined_without_a_traceback() -> None:
    done = kedoctor("run")
    assert done.returncode == 3
    assert "no kubeconfig was found" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["rn"], 64, "Did you mean 'run'"),
        (["run", "--nonsense"], 64, "No such option"),
        (["run", "--only", "KE2022"], 64, "there is no check 'KE2022'; did you mean 'KE202'?"),
        (["run", "--symptom", "atach"], 64, "there is no symptom 'atach'; did you mean 'attach'?"),
        (["run", "--timeout", "soon"], 64, "is not a valid duration"),
        (["run", "--format", "pdf", "--evidence", "DEMO"], 64, "there is no format 'pdf'"),
        (["run", "--wait", "1m", "--evidence", "DEMO"], 64, "evidence never changes"),
        (["run", "--wait", "soon"], 64, "is not a valid duration"),
        (["run", "--yes"], 64, "need --fix"),
        (["run", "--fix", "--evidence", "DEMO"], 64, "evidence describes another host"),
        (["run", "--evidence", "DEMO", "--kubeconfig", "x"], 64, "exclude each other"),
        (["explain", "KE999"], 64, "there is no check"),
        (["demo", "nosuch"], 64, "there is no recorded site"),
        (["run", "--kubeconfig", "/no/such/file"], 78, "does not exist"),
        (["run", "--evidence", "GARBAGE"], 78, "is not evidence"),
        (["run", "--evidence", "CUT"], 78, "is truncated"),
        (["rollback"], 64, "nothing to roll back"),
        (["report", "--json", "--evidence", "DEMO", "-o", "/no/such/dir/x"], 74, "could not be written"),
        (["report", "--json", "--evidence", "DEMO", "-o", "/dev/full"], 74, "No space left"),
    ],
)
def test_bad_input_is_one_clear_sentence(tmp_path: Path, arguments: list[str], code: int, words: str) -> None:
    garbage, cut = tmp_path / "garbage.tgz", tmp_path / "cut.tgz"
    garbage.write_bytes(os.urandom(4000))
    cut.write_bytes(DEMO[0].read_bytes()[:5000])
    replaced = {"DEMO": str(DEMO[0]), "GARBAGE": str(garbage), "CUT": str(cut)}
    done = kedoctor(*[replaced.get(word, word) for word in arguments])
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_an_output_that_is_a_device_stays_one() -> None:
    kedoctor("report", "--json", "--evidence", str(DEMO[0]), "-o", "/dev/null")
    assert Path("/dev/null").is_char_device()
    assert kedoctor("collect", "-o", "/dev/null").returncode == 74
    assert Path("/dev/null").is_char_device()


@pytest.mark.parametrize(
    "arguments", [["list"], ["schema"], ["report", "--json", "--evidence", str(DEMO[0])]]
)
def test_a_full_disk_behind_the_output_is_told(arguments: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "kedoctor", *arguments],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 74
    assert "could not be written" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_reader_that_goes_away_is_no_error() -> None:
    script = f"{sys.executable} -m kedoctor schema | head -1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("words", "code"),
    [("list", 0), (f"run {' '.join(_bundles())}", 1), ("trace logs edge1 --kubeconfig X", 3)],
)
def test_the_exit_code_is_the_same_when_the_reader_goes_away(words: str, code: int, tmp_path: Path) -> None:
    config = "apiVersion: v1\nkind: Config\nclusters: [{name: a, cluster: {server: 'https://127.0.0.1:1'}}]\n"
    config += "contexts: [{name: a, context: {cluster: a, user: ''}}]\ncurrent-context: a\n"
    (tmp_path / "X").write_text(config)
    script = f"{sys.executable} -m kedoctor {words} | head -c 1 >/dev/null; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (code, "")


def test_ctrl_c_ends_with_130_and_what_is_known_by_then(tmp_path: Path) -> None:
    plugin = tmp_path / "plugins"
    plugin.mkdir(mode=0o755)
    child = subprocess.Popen(
        [sys.executable, "-c", SLOW],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert child.stderr is not None
    assert child.stderr.readline() == "looking\n"
    os.killpg(child.pid, signal.SIGINT)
    out, err = child.communicate(timeout=30)
    assert child.returncode == 130, err
    assert "The run ended early" in out
    assert "Traceback" not in err


SLOW = """
import sys, time
from kedoctor.observe.live.source import LiveSource
look = LiveSource.observe
def slow(self, request):
    if type(request).__name__ == "ListProcesses":
        print("looking", file=sys.stderr, flush=True)
        time.sleep(60)
    return look(self, request)
LiveSource.observe = slow
sys.argv = ["kedoctor", "run", "--side", "edge"]
from kedoctor.__main__ import main
main()
"""


def test_every_command_has_help() -> None:
    commands = kedoctor("--help").stdout.partition("Commands:")[2]
    listed = re.findall(r"^  ([a-z]+) ", commands, re.MULTILINE)
    assert {"run", "report", "explain", "list", "collect", "demo", "rollback"} <= set(listed)
    for name in listed:
        done = kedoctor(name, "--help")
        assert done.returncode == 0, name
        assert "Usage: kedoctor" in done.stdout
