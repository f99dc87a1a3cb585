"""A second checkout runs its own checks, with the environment of the first."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_a_second_checkout_runs_its_own_checks(tmp_path: Path) -> None:
    for name in ("kedoctor", "checks", "reports"):
        shutil.copytree(
            ROOT / name, tmp_path / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__")
        )
    changed = tmp_path / "checks/edgecore/edgestream.py"
    text = changed.read_text(encoding="utf-8")
    changed.write_text(text.replace('"edgeStream is switched on"', '"edgeStream of the second checkout"'))
    found = subprocess.run(
        [sys.executable, "-m", "kedoctor", "list", "KE202", "KE203"],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
    )
    assert "edgeStream of the second checkout" in found.stdout
    assert "edgeStream dials the cloud" in found.stdout
