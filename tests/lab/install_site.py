"""A bare host that is to become an edge, the cloud it will dial, and an offline bundle laid out as the user's is.

The runtime in the bundle is Debian's real containerd and runc; images are small and made up; keadm and CNI plugins are
little ELF programs, keadm's runs the stand-in.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from edge_site import CLOUD, HERE, EdgeSite
from image_archives import LAYER, digest, tar
from systemd_machine import boot

ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), "")
NEEDS = ("containerd", "ctr", "gcc", "containerd-shim-runc-v2", "runc")
TOKEN_FILE = "/root/edge-token.txt"
IMAGES = {
    "kubeedge-pause-3.6": "kubeedge/pause:3.6",
    "kubeedge-installation-package-v1.22.0": "kubeedge/installation-package:v1.22.0",
    "eclipse-mosquitto-1.6.15": "eclipse-mosquitto:1.6.15",
    "docker.io-kubeedge-edgemesh-agent-v1.17.0": "docker.io/kubeedge/edgemesh-agent:v1.17.0",
    "busybox-1.36": "busybox:1.36",
}
PLUGINS = ("bridge", "host-local", "loopback", "portmap")
PROGRAM = """\
#include <unistd.h>
int main(int count, char **words) {
  char *argv[64] = {PYTHON, "-P", SCRIPT, "/usr/local/bin/keadm"};
  for (int i = 1; i < count && i < 60; i++) argv[i + 3] = words[i];
  return execv(PYTHON, argv);
}
"""
SUDO = '#!/bin/sh\nexec "$@"\n'
BARE = """
systemctl disable --now edgecore containerd docker 2>/dev/null || true
systemctl stop edgecore containerd docker 2>/dev/null || true
systemctl reset-failed 2>/dev/null || true
rm -rf /etc/kubeedge* /etc/containerd /etc/cni /opt/cni /var/lib/kedoctor /var/lib/containerd/* /run/containerd \
  /usr/local/bin/edgecore /usr/local/bin/keadm /usr/local/bin/containerd* /usr/local/bin/ctr /usr/local/bin/runc \
  /usr/local/bin/.*.kedoctor* /etc/systemd/system/edgecore.service /etc/systemd/system/containerd.service \
  /etc/systemd/system/docker.service /usr/bin/docker /usr/bin/containerd* /usr/bin/ctr /usr/sbin/runc \
  /run/edgecore-starts /run/keadm-calls /etc/standin/keadm-slow /etc/standin/cloud/edges
systemctl daemon-reload
"""


def image(name: str, architecture: str = ARCHITECTURE) -> bytes:
    """An archive with one image, as docker save writes it."""
    config = json.dumps(
        {
            "architecture": architecture,
            "os": "linux",
            "author": name,  # so that each image has a digest of its own
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest(LAYER)}"]},
        }
    ).encode()
    manifest = [{"Config": f"{digest(config)}.json", "RepoTags": [name], "Layers": ["l/layer.tar"]}]
    return tar(
        {
            f"{digest(config)}.json": config,
            "l/layer.tar": LAYER,
            "manifest.json": json.dumps(manifest).encode(),
        }
    )


def make_bundle(place: Path) -> Path:
    """The layout of the user's edge archive (kubeprepare.md §1.2), its scripts included, which nobody runs."""
    for name in ("bin", "cni-bin", "images", "meta"):
        (place / name).mkdir(parents=True)
    for name in ("containerd", "containerd-shim-runc-v2", "ctr"):
        shutil.copy(shutil.which(name) or "", place / "bin" / name)
    shutil.copy(shutil.which("runc") or "/usr/sbin/runc", place / "runc")
    source = place.parent / "keadm.c"
    source.write_text(PROGRAM)
    script = "/usr/local/lib/standin/keadm.py"
    defines = [f'-DPYTHON="{sys.executable}"', f'-DSCRIPT="{script}"']
    subprocess.run(["gcc", "-O0", "-o", place / "keadm", *defines, source], check=True)
    for name in PLUGINS:
        shutil.copy(place / "keadm", place / "cni-bin" / name)
    for name, reference in IMAGES.items():
        (place / "images" / f"{name}.tar").write_bytes(image(reference))
    (place / "meta/version.txt").write_text(f"kubeedge_version=v1.22.0\narch={ARCHITECTURE}\n")
    for name in ("install.sh", "cleanup.sh"):
        (place / name).write_text("#!/bin/sh\ntouch /run/bundle-script-was-run\n")
        (place / name).chmod(0o755)
    return place


class BareHost(EdgeSite):
    """A host on which nothing is installed; :meth:`reset` makes it so again."""

    def _install_edge(self) -> None:
        machine = self.machine
        machine.shell("hostname shop-floor-7")  # a host is seldom called what its node will be
        # containerd's snapshots want a file system that is not an overlay itself.
        machine.shell("mkdir -p /var/lib/containerd; mount -t tmpfs tmpfs /var/lib/containerd")
        self.script("/usr/local/lib/standin/edgecore", "edgecore_standin.py")
        machine.write("/usr/local/lib/standin/keadm.py", (HERE / "keadm_join_standin.py").read_text())
        machine.write("/usr/local/bin/sudo", SUDO, mode=0o755)

    def bare(self) -> None:
        self.machine.shell(BARE)
        self.machine.write(TOKEN_FILE, f"{self.token}\n", mode=0o600)

    def arguments(self, bundle: Path, *more: str, cloud: str = CLOUD, node: str = "edge1") -> list[str]:
        return [
            "--bundle",
            str(bundle),
            "--cloud",
            cloud,
            "--token-file",
            TOKEN_FILE,
            "--node-name",
            node,
            *more,
        ]

    def install(
        self, bundle: Path, *more: str, failpoint: int = 0, timeout: float = 120, **named: str
    ) -> subprocess.CompletedProcess[str]:
        """Runs the install inside; killed at the ``failpoint``-th place it reaches, if one is named."""
        words = [
            "env",
            f"KEDOCTOR_FAILPOINT={failpoint or ''}",
            "KEDOCTOR_PATIENCE=0.2",
            sys.executable,
            "-P",
        ]
        words += ["-m", "kedoctor", "install", "edge", *self.arguments(bundle, *more, **named)]
        return self.machine.run(*words, check=False, timeout=timeout)

    def kill_installs(self) -> None:
        """SIGKILL for every kedoctor inside; what it has started goes on."""
        inside = Path(f"/proc/{self.machine.leader}/ns/pid").readlink()
        for place in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                words = (place / "cmdline").read_bytes().split(b"\0")
                if b"kedoctor" in words and (place / "ns/pid").readlink() == inside:
                    os.kill(int(place.name), signal.SIGKILL)

    def everything(self) -> str:
        """What is installed: every file that an install touches, with its content's digest, and the images."""
        return self.machine.shell(
            "find /etc/kubeedge /etc/containerd /etc/cni /opt/cni /usr/local /etc/systemd/system /var/lib/kedoctor/journal"
            " -not -name lock -not -name '*.pyc' -type f -print0 2>/dev/null | sort -z | xargs -0 sha256sum;"
            "test -S /run/containerd/containerd.sock && ctr -n k8s.io images ls -q 2>/dev/null || true; systemctl is-active edgecore containerd || true",
            check=False,
        )


@contextmanager
def bare_host(bundle: Path) -> Iterator[BareHost]:
    with boot(bind=(str(bundle),)) as machine:
        yield BareHost(machine)


def obstacle() -> str:
    missing = [name for name in NEEDS if shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin") is None]
    return f"needs {', '.join(missing)}" if missing else "" if ARCHITECTURE else "needs x86_64 or aarch64"
