"""An image of the directory in the layout of the Open Container Initiative, made without a container engine.

It holds the directory, glibc and nothing else: no shell, no package manager. glibc is this machine's, so the image is for
this machine's architecture.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import subprocess
import tarfile
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from archives import gzipped, tar_of
from settings import Architecture, epoch

__all__ = ["made"]

_LIBRARIES = ("libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "librt.so.1", "libutil.so.1", "libresolv.so.2", "libnss_dns.so.2", "libnss_files.so.2", "libgcc_s.so.1")  # fmt: skip
_PASSWD = "root:x:0:0:root:/:/sbin/nologin\nkedoctor:x:65532:65532:kedoctor:/tmp:/sbin/nologin\n"
_HOME = "usr/lib/kedoctor"


def made(tree: Path, target: Path, architecture: Architecture, version: str) -> Path:
    """The archive (``skopeo copy oci-archive:FILE ...``, ``ctr image import FILE``, ``docker load`` of new versions)."""
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        shutil.copytree(tree, root / _HOME, symlinks=True)
        _bring_glibc(root)
        (root / "etc").mkdir()
        (root / "etc/passwd").write_text(_PASSWD, encoding="utf-8")
        (root / "etc/nsswitch.conf").write_text("hosts: files dns\n", encoding="utf-8")
        (root / "tmp").mkdir()
        layer = tar_of(root, "", epoch())
    when = datetime.fromtimestamp(epoch(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    squeezed = gzipped(layer)
    config = _json(
        {
            "created": when,
            "architecture": architecture.go,
            "os": "linux",
            "config": {
                "User": "65532:65532",
                "Entrypoint": [f"/{_HOME}/python/bin/python3", "-I", "-m", "kedoctor"],
                "Cmd": ["run"],
                "Env": ["LC_ALL=C.UTF-8", "HOME=/tmp", "KEDOCTOR_STATE_DIR=/tmp/kedoctor"],
                "Labels": {"org.opencontainers.image.version": version, "org.opencontainers.image.licenses": "Apache-2.0"},
            },
            "rootfs": {"type": "layers", "diff_ids": [_digest(layer)]},
            "history": [{"created": when, "created_by": "tools/dist/oci.py"}],
        }
    )
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": _descriptor("application/vnd.oci.image.config.v1+json", config),
            "layers": [_descriptor("application/vnd.oci.image.layer.v1.tar+gzip", squeezed)],
        }
    )
    named = {
        "org.opencontainers.image.ref.name": version,
        "io.containerd.image.name": f"docker.io/library/kedoctor:{version}",
    }
    listed = _descriptor("application/vnd.oci.image.manifest.v1+json", manifest) | {
        "platform": {"architecture": architecture.go, "os": "linux"},
        "annotations": named,
    }
    index = _json({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [listed]})
    blobs = {f"blobs/sha256/{_digest(one).removeprefix('sha256:')}": one for one in (config, manifest, squeezed)}
    _write(target, {"oci-layout": _json({"imageLayoutVersion": "1.0.0"}), "index.json": index, **blobs})
    return target


def _bring_glibc(root: Path) -> None:
    """The loader under the name that programs ask for, and glibc's libraries where it looks for them."""
    program = root / _HOME / "python/bin/python3"
    told = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    loader = next(Path(word) for line in told.splitlines() for word in line.split() if "/ld-linux" in word)
    copy = root / str(loader).lstrip("/")
    copy.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(loader.resolve(), copy)
    copy.chmod(0o755)
    libraries = next(Path(line.split()[2]).parent for line in told.splitlines() if line.strip().startswith("libc.so.6"))
    folder = root / str(libraries).lstrip("/")
    folder.mkdir(parents=True, exist_ok=True)
    for name in _LIBRARIES:
        if (libraries / name).exists():
            shutil.copy2((libraries / name).resolve(), folder / name)


def _write(target: Path, files: dict[str, bytes]) -> None:
    with tarfile.open(target, "w", format=tarfile.GNU_FORMAT) as tar:
        for name, data in sorted(files.items()):
            info = tarfile.TarInfo(name)
            info.size, info.mtime, info.mode = len(data), epoch(), 0o644
            tar.addfile(info, io.BytesIO(data))


def _descriptor(kind: str, data: bytes) -> dict[str, Any]:
    return {"mediaType": kind, "digest": _digest(data), "size": len(data)}


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


