"""axe-core (MPL-2.0), the tester for accessibility: fetched by npm once, pinned by its hash, kept beside other lab parts."""

from __future__ import annotations

import base64
import hashlib
import os
import pwd
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

__all__ = ["axe_source"]

_VERSION = "4.10.3"
_SHA512 = "Xm7bpRXnDSX2YE2YFfBk2FnF0ep6tmG7xPh8iHee8MIcrgq762Nkce856dYtJYLkuIoYZvGfTs/PbZhideTcEg=="
_ARCHIVE = f"axe-core-{_VERSION}.tgz"


def axe_source(folder: Path) -> str:
    """The script; the test is skipped where neither the cache nor npm has it. ``folder`` is a place for the download."""
    cache = Path(os.environ.get("KEDOCTOR_LAB_CACHE", "/var/cache/kedoctor-lab"))
    for archive in (cache / _ARCHIVE, folder / _ARCHIVE):
        if _is_right(archive):
            return _script(archive)
    if shutil.which("npm") is None:
        pytest.skip("optional: axe-core needs npm")
    # npm's settings (a mirror, a proxy) are those of the person, not of the test.
    environment = {**os.environ, "HOME": pwd.getpwuid(os.getuid()).pw_dir}
    done = subprocess.run(
        ["npm", "pack", "--silent", f"axe-core@{_VERSION}"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if not _is_right(folder / _ARCHIVE):
        pytest.skip(f"optional: axe-core {_VERSION} could not be fetched: {done.stderr.strip()[-200:]}")
    try:
        cache.mkdir(parents=True, exist_ok=True)
        shutil.copy(folder / _ARCHIVE, cache / f".{_ARCHIVE}.{os.getpid()}")
        (cache / f".{_ARCHIVE}.{os.getpid()}").replace(cache / _ARCHIVE)
    except OSError:  # not root: it is fetched again next time
        pass
    return _script(folder / _ARCHIVE)


def _is_right(archive: Path) -> bool:
    if not archive.is_file():
        return False
    return base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode() == _SHA512


def _script(archive: Path) -> str:
    with tarfile.open(archive) as packed:
        member = packed.extractfile("package/axe.min.js")
        assert member is not None
        return member.read().decode()
