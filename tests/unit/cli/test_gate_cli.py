"""``kedoctor gate`` from outside, where there is no cluster: it says why, and makes nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


def gate(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "kedoctor", "gate", *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "KUBECONFIG": "", **environment},
    )


def test_without_a_cluster_it_is_not_green(tmp_path: Path) -> None:
    done = gate("--root", str(tmp_path), HOME=str(tmp_path))
    assert done.returncode == 3
    assert done.stdout == ""
    assert "cannot run the gate: no kubeconfig was found" in done.stderr
    assert "--kubeconfig" in done.stderr


def test_a_kubeconfig_that_is_not_there_is_a_bad_configuration(tmp_path: Path) -> None:
    assert gate("--kubeconfig", str(tmp_path / "none")).returncode == 78


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--wait", "soon"), "'soon' is not a valid duration"),
        (("--only", "KE999"), "KE999"),
        (("--format", "jsonn"), "there is no format 'jsonn'"),
        (("-o", "/nonexistent/report.json"), "there is no directory /nonexistent"),
        (("--pull", "always"), "always"),
        (("--bundle", "x.tgz"), "--bundle"),
    ],
)
def test_nonsense_is_told_before_anything_is_made(words: tuple[str, ...], said: str) -> None:
    done = gate(*words)
    assert done.returncode == 64
    assert said in done.stderr
    assert done.stdout == ""
