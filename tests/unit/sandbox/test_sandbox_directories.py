"""What a killed demo left is removed by the next one; what lives, or is somebody else's, stays."""

from __future__ import annotations

import os
import signal
import tempfile
from pathlib import Path

import pytest

from kedoctor.sandbox.directories import make_sandbox_directory, sweep


def test_only_what_a_killed_one_left_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    living, lock = make_sandbox_directory()
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        made, _ = make_sandbox_directory()
        (made / "file").write_bytes(b"left")
        os.write(writer, os.fsencode(made))
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)
    left = Path(os.fsdecode(os.read(reader, 4096)))
    theirs = tmp_path / "kedoctor-demo-theirs"
    theirs.mkdir(mode=0o755)
    victim = tmp_path / "victim"
    victim.mkdir(mode=0o700)
    (tmp_path / "kedoctor-demo-link").symlink_to(victim)
    assert left.exists()
    sweep()
    assert not left.exists()
    assert living.exists()
    assert theirs.exists()
    assert victim.exists()
    for descriptor in (reader, writer, lock):
        os.close(descriptor)
