"""A disk that is full in the middle of a repair: the space that undoing needs was reserved before."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import full_disk
import pytest

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="needs root and unshare"),
]


def test_a_disk_that_fills_up_in_mid_repair_leaves_everything_as_it_was(tmp_path: Path) -> None:
    argv = [
        "unshare",
        "--mount",
        "--propagation",
        "private",
        sys.executable,
        full_disk.__file__,
        str(tmp_path),
    ]
    ran = subprocess.run(argv, capture_output=True, text=True, timeout=100, check=False)
    assert ran.returncode == 0, ran.stderr
    assert "the disk is full by now" in ran.stdout
    assert list(tmp_path.iterdir()) == []
