"""The completion scripts in the shells themselves: bash, zsh, fish, and kubectl's own way of asking a plugin."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.lab

BASH = """
source <(kedoctor completion bash)
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
_kedoctor_complete kedoctor "${COMP_WORDS[COMP_CWORD]}" ""
printf '%s\\n' "${COMPREPLY[@]}"
complete -p kedoctor >/dev/null
"""


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A directory with kedoctor, as an installation leaves it, before the others."""
    for name, module in (("kedoctor", "kedoctor"), ("kubectl_complete-kedoctor", "")):
        call = f"-m {module}" if module else "-c 'from kedoctor.completion.answer import main; main()'"
        (tmp_path / name).write_text(f'#!/bin/sh\nexec {sys.executable} {call} "$@"\n')
        (tmp_path / name).chmod(0o755)
    return f"{tmp_path}:{os.environ['PATH']}"


def _said(*argv: str, path: str) -> list[str]:
    told = subprocess.run(
        argv, capture_output=True, text=True, check=True, timeout=60, env={**os.environ, "PATH": path}
    )
    assert told.stderr == ""
    return told.stdout.splitlines()


def test_bash(path: str) -> None:
    def offered(*words: str) -> list[str]:
        return _said("bash", "--norc", "-c", BASH, "bash", "kedoctor", *words, path=path)

    assert "KE202" in offered("run", "--only", "KE20")
    assert offered("expl") == ["explain"]
    assert offered("run", "--format", "=", "js") == ["json"]
    assert "--listen" in offered("watch", "--l")


def test_fish(path: str) -> None:
    if shutil.which("fish") is None:
        pytest.skip("optional: fish is not installed")
    lines = _said(
        "fish",
        "--no-config",
        "-c",
        "kedoctor completion fish | source; complete -C 'kedoctor run --only KE20'",
        path=path,
    )
    found = dict(line.split("\t", 1) for line in lines)
    assert "edgeStream" in found["KE202"]


def test_zsh(path: str, tmp_path: Path) -> None:
    zsh = shutil.which("zsh")
    if zsh is None:
        pytest.skip("optional: zsh is not installed")
    screen, terminal = pty.openpty()
    settings = {"PATH": path, "HOME": str(tmp_path), "TERM": "dumb", "COLUMNS": "200", "LC_ALL": "C.UTF-8"}
    with subprocess.Popen(
        [zsh, "-f", "-i"],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env=settings,
        start_new_session=True,
    ) as shell:
        os.close(terminal)
        try:
            setup = "PS1='READY> '; autoload -Uz compinit && compinit -u -D; source <(kedoctor completion zsh); echo SOURCED=$?\n"
            os.write(screen, setup.encode())
            assert _until(screen, "SOURCED=0")
            os.write(screen, b"kedoctor explain KE20\t")
            assert _until(screen, "edgeStream is switched on")
        finally:
            shell.kill()
            os.close(screen)


def _until(screen: int, text: str) -> str:
    seen, ends = "", time.monotonic() + 60
    while text not in seen and time.monotonic() < ends:
        if select.select([screen], [], [], 1.0)[0]:
            seen += os.read(screen, 4096).decode(errors="replace")
    assert text in seen, seen
    return seen


def test_kubectl_asks_its_plugin(path: str) -> None:
    # kubectl runs kubectl_complete-NAME with what was typed behind NAME (kubernetes: pkg/cmd/plugin/plugin_completion.go).
    lines = _said("kubectl_complete-kedoctor", "run", "--only", "KE202", path=path)
    assert lines[0].startswith("KE202\t")
    assert lines[-1] == ":4"
