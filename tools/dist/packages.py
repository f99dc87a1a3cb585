"""deb and rpm of the directory, made by nfpm, which needs neither Debian's nor Red Hat's tools."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from settings import Architecture, epoch

__all__ = ["FORMATS", "made"]

FORMATS = ("deb", "rpm")
_HOME = "/usr/lib/kedoctor"
_LIBC = {"deb": "libc6 (>= {glibc})", "rpm": "glibc >= {glibc}"}


def made(tree: Path, target: Path, kind: str, architecture: Architecture, *, version: str, glibc: str) -> Path:
    """The package file."""
    settings: dict[str, Any] = {
        "name": "kedoctor",
        "arch": architecture.go,
        "platform": "linux",
        "version": version,
        "release": "1",
        "section": "admin",
        "priority": "optional",
        "maintainer": "The kedoctor developers <kedoctor@example.invalid>",
        "description": "Diagnosis and repair of the kubectl logs / exec / attach / top path of KubeEdge sites",
        "license": "Apache-2.0",
        "depends": [_LIBC[kind].format(glibc=glibc)],
        "rpm": {"compression": "gzip:6", "buildhost": "localhost"},
        "deb": {"compression": "gzip"},
        "contents": [*_contents(tree)],
    }
    config = target.with_suffix(".json")
    config.write_text(json.dumps(settings), encoding="utf-8")
    nfpm = Path(sys.executable).with_name("nfpm")
    try:
        subprocess.run(
            [nfpm, "package", "--config", config, "--packager", kind, "--target", target],
            check=True,
            stdout=subprocess.DEVNULL,
            env={**os.environ, "SOURCE_DATE_EPOCH": str(epoch())},
        )
    finally:
        config.unlink()
    return target


def _contents(tree: Path) -> list[dict[str, Any]]:
    """Each file by itself, so that owner, mode and time do not depend on the machine that builds."""
    found: list[dict[str, Any]] = []
    for path in sorted(tree.rglob("*")):
        name = path.relative_to(tree).as_posix()
        if path.is_dir() and not path.is_symlink():
            continue
        info = {"owner": "root", "group": "root"}
        if path.is_symlink():
            found.append({"src": os.readlink(path), "dst": _place(name), "type": "symlink"})
        else:
            mode = 0o755 if os.access(path, os.X_OK) else 0o644
            found.append({"src": str(path), "dst": _place(name), "file_info": {**info, "mode": mode}})
    for program in sorted((tree / "bin").iterdir()):
        found.append({"src": f"../lib/kedoctor/bin/{program.name}", "dst": f"/usr/bin/{program.name}", "type": "symlink"})
    return found


def _place(name: str) -> str:
    """Where a file of the directory lies once installed."""
    if name.startswith("share/systemd/"):
        return f"/usr/lib/systemd/system/{name.removeprefix('share/systemd/')}"
    return f"/usr/{name}" if name.startswith("share/") else f"{_HOME}/{name}"
