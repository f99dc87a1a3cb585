"""Offline bundles, small and made up, in the layout of the user's own and in kedoctor's."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from image_archives import LAYER, digest, tar

MACHINES = {"amd64": 62, "arm64": 183}


def elf(architecture: str = "amd64", *, content: bytes = b"") -> bytes:
    """The header of a 64-bit program for a machine, and something behind it."""
    return (
        b"\x7fELF\x02\x01\x01"
        + bytes(9)
        + b"\x02\x00"
        + bytes([MACHINES[architecture], 0])
        + bytes(44)
        + content
    )


def image(reference: str, architecture: str = "amd64") -> bytes:
    """An archive as ``docker save`` writes it."""
    config = json.dumps(
        {
            "architecture": architecture,
            "os": "linux",
            "config": {"Labels": {"name": reference}},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest(LAYER)}"]},
        }
    ).encode()
    name = f"{digest(config)}.json"
    manifest = [{"Config": name, "RepoTags": [reference], "Layers": ["l/layer.tar"]}]
    return tar({name: config, "l/layer.tar": LAYER, "manifest.json": json.dumps(manifest).encode()})


def images(*references: str, architecture: str = "amd64") -> dict[str, bytes]:
    """Archives in ``images/``, named as the user's build names them."""
    return {
        f"images/{reference.replace('/', '-').replace(':', '-')}.tar": image(
            reference.removeprefix("docker.io/"), architecture
        )
        for reference in references
    }


EDGE_IMAGES = (
    "kubeedge/installation-package:v1.22.0",
    "kubeedge/pause:3.6",
    "docker.io/kubeedge/edgemesh-agent:v1.17.0",
    "eclipse-mosquitto:1.6.15",
)


def edge_files(architecture: str = "amd64") -> dict[str, bytes]:
    """The edge archive of the user's build (kubeprepare.md §1.2)."""
    programs = ("edgecore", "keadm", "runc", "bin/containerd", "bin/containerd-shim-runc-v2", "bin/ctr")
    plugins = ("bridge", "host-local", "loopback", "portmap")
    return {
        **{name: elf(architecture, content=name.encode()) for name in programs},
        **{f"cni-bin/{name}": elf(architecture, content=name.encode()) for name in plugins},
        **images(*EDGE_IMAGES, architecture=architecture),
        "install.sh": b"#!/bin/bash\n",
        "meta/version.txt": f"kubeedge_version=1.22.0\narch={architecture}\n".encode(),
    }


def write(root: Path, files: dict[str, bytes]) -> Path:
    """The files below ``root``."""
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return root


def sums(files: dict[str, bytes]) -> bytes:
    """What ``sha256sum`` prints of them."""
    return "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in files.items()).encode()
