"""kedoctor as a person starts it: another process, of which the exit code and both outputs are seen."""

from __future__ import annotations

import os
import subprocess
import sys

__all__ = ["kedoctor"]


def kedoctor(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs it without a terminal and with nothing to read."""
    return subprocess.run(
        [sys.executable, "-m", "kedoctor", *arguments],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **environment},
    )
