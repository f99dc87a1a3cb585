"""Plugins that exit, hang, fork, print or give nonsense: each is one refusal, and the run goes on."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from hostile import bounded

from kedoctor import plugins as loading
from kedoctor.base.foreign_code import quiet_stdout
from kedoctor.judge import plugin_answers
from kedoctor.plugins import load_plugins

HEAD = "from kedoctor.api import hookimpl\n"
IMPORTS = {
    "exits": "import sys\nsys.exit(0)\n",
    "raises SystemExit with a text": "raise SystemExit('bye')\n",
    "interrupts": "raise KeyboardInterrupt\n",
    "own BaseException": "class Mine(BaseException):\n    pass\nraise Mine('x')\n",
    "error without a text": "class Mine(Exception):\n    def __str__(self): raise ValueError\nraise Mine\n",
    "endless": "while True:\n    pass\n",
    "endless sleep": "import time\ntime.sleep(1e6)\n",
    "forks": "import os\nif os.fork() == 0:\n    raise ValueError\nraise ValueError\n",
    "recursive": "def f(): f()\nf()\n",
}
HOOKS = {
    "raises": "raise OSError('x')",
    "exits": "raise SystemExit(0)",
    "interrupts": "raise KeyboardInterrupt",
    "number": "return 7",
    "text": "return 'text'",
    "list of numbers": "return [1, 2]",
    "endless": "while True: pass",
    "endless list": "return iter(int, 1)",
    "generator that raises": "yield from (1 / 0 for _ in [1])",
}
KINDS = (
    "paths",
    "symptoms",
    "sides",
    "evidence",
    "reports",
    "traces",
    "demos",
    "procedures",
    "standins",
    "gate",
    "page",
)


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "IMPORT_SECONDS", 1.0)
    monkeypatch.setattr(plugin_answers, "HOOK_SECONDS", 1.0)


def _drop_in(directory: Path, text: str) -> Path:
    directory.mkdir(mode=0o755, exist_ok=True)
    (directory / "bad.py").write_text(text, encoding="utf-8")
    return directory


def _reasons(directory: Path) -> int:
    plugins = load_plugins(directory=directory)
    refused = {refusal.plugin for refusal in plugins.registry.refusals}
    assert any("bad.py" in one for one in refused), plugins.registry.refusals
    assert len(plugins.registry.checks) > 40
    return 0


@pytest.mark.parametrize("name", list(IMPORTS))
def test_an_import_that_misbehaves_is_one_refusal(name: str, tmp_path: Path) -> None:
    directory = _drop_in(tmp_path / "plugins", IMPORTS[name])
    ended = bounded(lambda: _reasons(directory))
    assert ended.code == 0, ended.err


@pytest.mark.parametrize("name", list(HOOKS))
def test_a_hook_that_misbehaves_is_left_out(name: str, tmp_path: Path) -> None:
    body = textwrap.indent(HOOKS[name], "    ")
    arguments = {"page": "code, language", "sides": "host"}
    hooks = "".join(
        f"@hookimpl\ndef kedoctor_{kind}({arguments.get(kind, '')}):\n{body}\n"
        for kind in KINDS
        if name != "endless" or kind == "paths"
    )
    if name == "endless list":
        hooks = f"@hookimpl\ndef kedoctor_reports():\n{body}\n"
    directory = _drop_in(tmp_path / "plugins", HEAD + hooks)

    def work() -> int:
        plugins = load_plugins(directory=directory)
        assert plugins.paths()
        assert "json" in plugins.formats()
        plugins.symptoms(), plugins.evidence(), plugins.traces(), plugins.demos(), plugins.procedures()
        plugins.standins(), plugins.gate(), plugins.page("KE101", "en")
        return 0

    ended = bounded(work)
    assert ended.code == 0, ended.err


@pytest.mark.parametrize(
    "printed",
    ["print('garbage')", "import os\nos.write(1, b'garbage')", "import sys\nsys.stdout.write('garbage')"],
)
def test_what_a_plugin_prints_does_not_get_into_a_document(printed: str, tmp_path: Path) -> None:
    directory = _drop_in(tmp_path / "plugins", printed)

    def work() -> int:
        load_plugins(directory=directory)
        sys.stdout.write("{}")
        return 0

    ended = bounded(work)
    assert (ended.out, "garbage" in ended.err) == ("{}", True)


def test_standard_output_comes_back_and_may_be_closed() -> None:
    script = (
        "import os, sys\nfrom kedoctor.base.foreign_code import quiet_stdout\n"
        "with quiet_stdout():\n    print('aside')\n    with quiet_stdout():\n        os.write(1, b'aside')\n"
        "sys.stdout.write('shown') if sys.stdout else None\n"
    )
    for closing in ("", ">&-"):
        done = subprocess.run(
            ["sh", "-c", f'"{sys.executable}" -c "$0" {closing}', script],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0 or closing, done.stderr
        assert "aside" not in done.stdout
    with quiet_stdout():
        pass


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give directories to somebody else")
def test_a_directory_above_that_others_can_change_counts_too(tmp_path: Path) -> None:
    above = tmp_path / "etc"
    above.mkdir()
    directory = _drop_in(above / "plugins", "raise SystemExit\n")
    above.chmod(0o777)
    (refusal,) = load_plugins(directory=directory).registry.refusals
    assert "can be written by others" in refusal.reason
    above.chmod(0o755)
    os.chown(above, 12345, 12345)
    (refusal,) = load_plugins(directory=directory).registry.refusals
    assert "not owned by root" in refusal.reason
