"""Archives of container images, small and made up, in the layouts that docker and ctr write."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from typing import Any

NAMES = ["docker.io/kubeedge/test:v1", "docker.io/library/other:v2"]


def tar(files: dict[str, bytes]) -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return written.getvalue()


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


LAYER = tar({"hello": b"hello" * 200})
CONFIGURATION = json.dumps(
    {
        "architecture": "amd64",
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest(LAYER)}"]},
    }
).encode()


def docker_files(names: list[str] | None = None, architecture: str = "amd64") -> dict[str, bytes]:
    """As ``docker save`` of before version 25 writes it, the manifest last."""
    configuration = CONFIGURATION.replace(b'"amd64"', json.dumps(architecture).encode())
    config = f"{digest(configuration)}.json"
    image = {
        "Config": config,
        "RepoTags": ["kubeedge/test:v1", "other:v2"] if names is None else names,
        "Layers": ["l/layer.tar"],
    }
    return {config: configuration, "l/layer.tar": LAYER, "manifest.json": json.dumps([image]).encode()}


def docker_archive() -> bytes:
    return tar(docker_files())


def _described(data: bytes, **more: Any) -> dict[str, Any]:
    return {"digest": f"sha256:{digest(data)}", "size": len(data), **more}


def oci_files(*, nested: bool = False, other_machine: bool = False) -> dict[str, bytes]:
    """As ``ctr images export`` writes it; ``nested``: an index for several machines, of which one is left out."""
    manifest = json.dumps(
        {"schemaVersion": 2, "config": _described(CONFIGURATION), "layers": [_described(LAYER)]}
    ).encode()
    blobs = [CONFIGURATION, LAYER, manifest]
    top = manifest
    if nested:
        machines = [_described(b"not in the archive")] if other_machine else []
        top = json.dumps({"schemaVersion": 2, "manifests": [*machines, _described(manifest)]}).encode()
        blobs.append(top)
    name = {
        "io.containerd.image.name": "docker.io/kubeedge/test:v1",
        "org.opencontainers.image.ref.name": "v1",
    }
    index = {"schemaVersion": 2, "manifests": [_described(top, annotations=name)]}
    files = {f"blobs/sha256/{digest(blob)}": blob for blob in blobs}
    return {
        "oci-layout": b'{"imageLayoutVersion":"1.0.0"}',
        **files,
        "index.json": json.dumps(index).encode(),
    }
