"""What a shell is offered behind ``kedoctor`` and TAB."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from report_samples import many_edges

from kedoctor.base.text import language_of
from kedoctor.cli import command as group
from kedoctor.completion.answer import answered, for_kubectl
from kedoctor.completion.offers import FILES, offers
from kedoctor.model.report_document import write_report
from kedoctor.plugins import load_plugins

ROOT = Path(__file__).parents[3]


def _words(*typed: str) -> list[str]:
    return [one.word for one in offers(typed)]


def _commands(
    of: click.Command, context: click.Context, *path: str
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield path, of
    if isinstance(of, click.Group):
        for name in of.list_commands(context):
            one = of.get_command(context, name)
            assert one is not None
            yield from _commands(one, click.Context(one, parent=context, info_name=name), *path, name)


def test_the_index_is_up_to_date() -> None:
    make = ROOT / "docs" / "man" / "make.py"
    told = subprocess.run([sys.executable, make, "--print-index"], capture_output=True, text=True, check=True)
    written = (ROOT / "kedoctor" / "completion" / "index.json").read_text(encoding="utf-8")
    assert told.stdout == written, "run: python docs/man/make.py"


def test_every_command_and_every_option_is_offered() -> None:
    for path, command in _commands(group, click.Context(group, info_name="kedoctor")):
        options = [one for one in command.params if isinstance(one, click.Option) and not one.hidden]
        assert {name for one in options for name in one.opts} <= set(_words(*path, "-")), path
        if isinstance(command, click.Group):
            assert set(command.list_commands(click.Context(command))) <= set(_words(*path, ""))


@pytest.mark.parametrize("typed", [("run", "--only"), ("run", "--skip"), ("explain",), ("list",)])
def test_every_code_with_its_title(typed: tuple[str, ...]) -> None:
    checks = load_plugins(directory=Path("/nonexistent")).registry.checks
    found = {one.word: one.meaning for one in offers([*typed, "KE"])}
    assert set(checks) <= set(found)
    assert all(found.values())
    assert set(_words(*typed, "KE20")) == {code for code in found if code.startswith("KE20")}


def test_codes_of_plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "pages" / "en" / "ACME01.md"
    page.parent.mkdir(parents=True)
    page.write_text("# ACME01 The clock is right\n")
    monkeypatch.setenv("KEDOCTOR_PLUGINS", str(tmp_path))
    assert answered("fish", ["explain", "AC"]) == "ACME01\tThe clock is right\n"


def test_symptoms_formats_and_choices() -> None:
    plugins = load_plugins(directory=Path("/nonexistent"))
    assert set(_words("run", "--symptom", "")) == set(plugins.symptoms())
    assert set(_words("run", "--format", "")) == set(plugins.formats())
    assert _words("run", "--format=js") == ["--format=json"]
    assert _words("run", "--format", "=", "js") == ["--format=json"], "as bash parts it"
    assert _words("list", "--format", "") == ["text", "json"]
    assert _words("trace", "") == sorted(plugins.traces())
    assert _words("completion", "") == ["bash", "zsh", "fish"]
    assert _words("bundle", "make", "--") != []


def test_runs_repairs_and_nodes_of_the_last_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEDOCTOR_STATE_DIR", str(tmp_path))
    assert _words("report", "--run", "") == []
    (tmp_path / "runs").mkdir()
    (tmp_path / "journal" / "20261130T100000Z-0ld1.done").mkdir(parents=True)
    (tmp_path / "runs" / "20261123T031953Z-beef.json").write_bytes(b"not read")
    (tmp_path / "runs" / "20261124T031953Z-cafe.json").write_bytes(write_report(many_edges(20)))
    assert _words("report", "--run", "") == ["20261124T031953Z-cafe", "20261123T031953Z-beef"]
    assert _words("diff", "l") == ["latest"]
    assert len(_words("diff", "latest", "")) == 4
    assert _words("rollback", "2") == ["20261130T100000Z-0ld1"]
    edges = [row.edge for row in many_edges(20).matrix]
    assert _words("run", "--node", "") == edges
    assert _words("trace", "logs", edges[3]) == [edges[3]]
    (tmp_path / "runs" / "20261124T041953Z-0001.json").write_bytes(write_report(many_edges(1200)))
    assert sorted(_words("run", "--node", "")) == sorted(row.edge for row in many_edges(1200).matrix)
    (tmp_path / "runs" / "20261125T031953Z-0000.json").write_bytes(b"{]")
    assert _words("run", "--node", "") == [], "a report that cannot be read is no reason to complain"


def test_files_are_left_to_the_shell() -> None:
    assert _words("run", "--baseline", "") == [FILES]
    assert answered("bash", ["run", "--evidence", "x"]) == ":files\n"
    assert for_kubectl(["run", "--evidence", ""]) == ":0\n"


def test_nothing_is_offered_where_nothing_is_known() -> None:
    assert _words("run", "--timeout", "") == []
    assert _words("no-such-command", "x") == []
    assert _words() == _words("")


def test_the_answer_to_kubectl_is_that_of_cobra() -> None:
    lines = for_kubectl(["ru"]).splitlines()
    assert lines == ["run\tDiagnose the site.", ":4"]


def test_a_shell_is_answered_without_click_or_a_command(tmp_path: Path) -> None:
    # What is imported decides how long TAB takes; this host's clock decides nothing.
    program = (
        "import sys, os, json\nsys.argv = ['kedoctor', 'run', '--only', 'KE2']\n"
        "import kedoctor.completion.answer as a\nend = os._exit\n"
        "os._exit = lambda code: (sys.stderr.write(json.dumps([*sys.modules])), sys.stderr.flush(), end(code))\n"
        "import kedoctor.__main__\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "KEDOCTOR_COMPLETE": "bash"},
    )
    assert "KE202" in told.stdout.split()
    loaded = set(json.loads(told.stderr))
    assert not loaded & {
        "click",
        "msgspec",
        "pluggy",
        "rich",
        "kedoctor.plugins",
        "kedoctor.cli",
        "kedoctor.checks",
    }
    assert language_of({}) == "en"
