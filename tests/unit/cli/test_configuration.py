"""The configuration file: which one is read, what it gives defaults for, and how it is refused."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from commandline import kedoctor

from kedoctor.cli.configuration import KEYS

ROOT = Path(__file__).parents[3]
DEMO = sorted((ROOT / "checks" / "sandbox" / "recordings").glob("demo-edgestream-off-*.tgz"))
BUNDLES = [word for path in DEMO for word in ("--evidence", str(path))]


def _write(path: Path, text: str | bytes, mode: int = 0o600) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    path.chmod(mode)
    return str(path)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """Where the user's file is looked for."""
    return tmp_path / ".config" / "kedoctor" / "config.yaml"


def _codes(done: subprocess.CompletedProcess[str]) -> set[str]:
    return {one["code"] for one in json.loads(done.stdout)["verdicts"]}


def test_the_file_gives_defaults_and_the_command_line_wins(own: Path) -> None:
    _write(own, "lang: zh\nformat: json\nonly: KE202\n")
    done = kedoctor("run", *BUNDLES)
    assert (done.returncode, _codes(done)) == (1, {"KE202"})
    done = kedoctor("run", *BUNDLES, "--only", "KE201", "--format", "terminal", "--lang", "en")
    assert done.returncode == 0
    assert "The 1 check that ran passed." in done.stdout


def test_a_default_reaches_every_command_that_has_the_option(own: Path) -> None:
    _write(own, "lang: zh\nformat: html\nskip: [KE9xx]\nkubeconfig: nowhere\nwait: 1m\n")
    assert "已启用" in kedoctor("list").stdout or "edgestream" in kedoctor("list").stdout
    assert "绑定" in kedoctor("rbac", "--only", "KE202").stdout  # rbac has no html: format is run's alone
    done = kedoctor("run", *BUNDLES)  # what only makes sense for a live site does not disturb a bundle
    assert done.returncode == 1
    assert done.stdout.startswith("<!doctype html>")
    assert "KE921" not in done.stdout
    assert kedoctor("report", "--json").returncode == 0


def test_paths_are_relative_to_the_file(tmp_path: Path, own: Path) -> None:
    _write(own, "baseline: accepted.yaml\n")
    entry = "{code: KE202, subject: '*', reason: r, owner: o, until: 2999-01-01}"
    _write(own.parent / "accepted.yaml", f"accepted:\n  - {entry}\n")
    done = kedoctor("run", *BUNDLES, "--only", "KE202")
    assert done.returncode == 0
    assert "= KE202" in done.stdout


def test_which_file_was_used_is_said(tmp_path: Path, own: Path) -> None:
    _write(own, "fail-on: warn\n")
    done = kedoctor("run", *BUNDLES, "-v", "--format", "json")
    assert done.stderr == f"configuration: {own} (fail-on)\n"
    json.loads(done.stdout)
    assert f"configuration: {own}" in kedoctor("list").stderr
    assert kedoctor("run", *BUNDLES).stderr == ""


def test_one_file_is_read_the_nearest_one(tmp_path: Path, own: Path) -> None:
    _write(own, "only: KE201\n")
    other = _write(tmp_path / "other.yaml", "only: KE203\n")
    third = _write(tmp_path / "third.yaml", "only: KE204\n")
    words = ("run", *BUNDLES, "--format", "json")
    assert _codes(kedoctor(*words)) == {"KE201"}
    assert _codes(kedoctor(*words, KEDOCTOR_CONFIG=other)) == {"KE203"}
    assert _codes(kedoctor(*words, "--config", third, KEDOCTOR_CONFIG=other)) == {"KE204"}
    assert len(_codes(kedoctor(*words, KEDOCTOR_CONFIG=""))) > 50
    xdg = _write(tmp_path / "xdg" / "kedoctor" / "config.yaml", "only: KE205\n")
    assert _codes(kedoctor(*words, XDG_CONFIG_HOME=str(Path(xdg).parents[1]))) == {"KE205"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("fail_on: warn\n", ":1: there is no key 'fail_on'; did you mean 'fail-on'?"),
        ("lang: en\nskipp: KE101\n", ":2: there is no key 'skipp'; did you mean 'skip'?"),
        ("fail-on: never\n", ":1: fail-on is one of warn, fail, unknown, not 'never'"),
        ("allow: everything\n", ":1: allow is one of safe, restarts-edgecore"),
        ("timeout: soon\n", ":1: timeout: 'soon' is not a valid duration"),
        ("verbose: 'yes'\n", ":1: verbose is true or false, not 'yes'"),
        ("only: [KE202, 3]\n", ":1: 1 must be a text, not 3"),
        ("skip: {a: b}\n", ":1: skip must be a text"),
        ("skip:\n", "skip is empty"),
        ("only: KE2O2\n", "config.yaml: there is no check 'KE2O2'"),
        ("symptom: lgos\n", "config.yaml: there is no symptom 'lgos'; did you mean 'logs'?"),
        ("lang: en\nlang: zh\n", ":2: lang is written twice"),
        ("- lang\n", "the top level is not a mapping"),
        (b"\x00\x01\x7fELF", "cannot be read"),
        ("lang: [", "cannot be read"),
        ("baseline: ~nobody-at-all/x\n", ":1: baseline: nobody has the home directory of"),
    ],
)
def test_what_is_not_understood_ends_the_command(own: Path, text: str | bytes, words: str) -> None:
    _write(own, text)
    done = kedoctor("run", *BUNDLES)
    assert done.returncode == 78, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_named_file_must_be_there(tmp_path: Path) -> None:
    for done in (kedoctor("list", "--config", "/no/such"), kedoctor("list", KEDOCTOR_CONFIG="/no/such")):
        assert done.returncode == 78
        assert "/no/such cannot be read: No such file" in done.stderr
    assert kedoctor("list", "--config", str(tmp_path)).returncode == 78


def test_a_file_that_others_can_write_is_not_used(own: Path) -> None:
    _write(own, "allow: restarts-apiserver\n", mode=0o666)
    done = kedoctor("list")
    assert done.returncode == 78
    assert "others than its owner can write it" in done.stderr
    assert kedoctor("list", "--config", str(own)).returncode == 0  # whoever names it has looked at it


def test_help_and_version_need_no_file(own: Path) -> None:
    _write(own, "nonsense: 1\n")
    assert kedoctor("--version").returncode == 0
    assert kedoctor("run", "--help").returncode == 0


def test_an_empty_file_changes_nothing(own: Path) -> None:
    _write(own, "")
    assert kedoctor("run", *BUNDLES, "--only", "KE202").returncode == 1


def test_every_key_is_an_option_of_run() -> None:
    from kedoctor.cli.run import command  # noqa: PLC0415  loads the knowledge

    names = {one.name: one.opts for one in command.params}
    for key, (parameter, _) in KEYS.items():
        assert f"--{key}" in names[parameter], key
