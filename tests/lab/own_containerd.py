"""A containerd of a test's own: its socket, store and state below one directory; the host's is never spoken to."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

__all__ = ["obstacle", "own_containerd"]

CONFIG = """
version = 2
root = "{0}/root"
state = "{0}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt"]
[grpc]
address = "{0}/grpc"
[ttrpc]
address = "{0}/ttrpc"
"""


def obstacle() -> str:
    """Why containerd cannot be started here; empty if it can."""
    if os.geteuid() != 0:
        return "needs root to start containerd"
    missing = [tool for tool in ("containerd", "ctr") if shutil.which(tool) is None]
    return f"needs {', '.join(missing)}" if missing else ""


@contextmanager
def own_containerd(place: Path) -> Iterator[str]:
    """The address of a containerd that holds nothing."""
    (place / "config.toml").write_text(CONFIG.format(place))
    with (place / "log").open("wb") as log:
        daemon = subprocess.Popen(
            ["containerd", "--config", str(place / "config.toml")],
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        ask = ["ctr", "--address", f"{place}/grpc", "--connect-timeout", "1s", "version"]
        deadline = time.monotonic() + 10
        while subprocess.run(ask, capture_output=True, check=False).returncode != 0:
            if daemon.poll() is not None or time.monotonic() > deadline:
                pytest.skip(f"containerd does not start here: {(place / 'log').read_text()[-300:]}")
            time.sleep(0.1)
        yield f"{place}/grpc"
    finally:
        daemon.terminate()
        daemon.wait(10)
