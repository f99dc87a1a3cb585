"""A cloud host of the lab and its offline bundle, in the layout of the user's own (kubeprepare.md §1.2)."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from image_archives import docker_files, tar
from launcher import launcher
from systemd_machine import Machine, boot

HERE = Path(__file__).resolve().parent
BUNDLE = "/srv/bundle"
ADDRESS = "10.99.0.1"
ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
K3S_IMAGES = (
    "docker.io/rancher/klipper-lb:v0.4.13",
    "docker.io/rancher/mirrored-coredns-coredns:1.13.1",
    "docker.io/rancher/mirrored-metrics-server:v0.8.0",
    "docker.io/rancher/mirrored-pause:3.6",
)
# What is mandatory, and the load balancer: each image costs the stand-in an import at every start.
KUBEEDGE_IMAGES = (
    "docker.io/kubeedge/cloudcore:v1.22.0",
    "docker.io/kubeedge/iptables-manager:v1.22.0",
)
PROGRAM = """#!{python} -P
import runpy, sys
sys.argv[0] = {name!r}
runpy.run_path({script!r}, run_name="__main__")
"""
# What the user's installer and clean-up would do, if anybody ran them: they must never be.
FORBIDDEN = "#!/bin/sh\ntouch /run/user-script-was-run\n"


def archive(reference: str, architecture: str = ARCHITECTURE) -> bytes:
    """An archive of an image as ``docker save`` writes it, for that architecture."""
    files = docker_files([reference], architecture=architecture)
    return tar(files)


def archive_name(reference: str) -> str:
    return reference.replace("/", "-").replace(":", "-") + ".tar"


def put_bundle(machine: Machine, *, images: Sequence[str] = (*K3S_IMAGES, *KUBEEDGE_IMAGES)) -> None:
    """The bundle in the machine, its programs being stand-ins, and the user's scripts beside them."""
    for name, script in (("k3s", "k3s_standin.py"), ("keadm", "keadm_init_standin.py")):
        text = PROGRAM.format(python=sys.executable, name=name, script=str(HERE / script))
        machine.write(f"/opt/lab/{name}", text, mode=0o755)
    machine.write(f"{BUNDLE}/k3s-{ARCHITECTURE}", launcher("/opt/lab/k3s"), mode=0o755)
    for name in ("keadm", "cloudcore", "helm"):
        machine.write(f"{BUNDLE}/{name}", launcher(f"/opt/lab/{name}"), mode=0o755)
    for name in ("install.sh", "cleanup.sh"):
        machine.write(f"{BUNDLE}/{name}", FORBIDDEN, mode=0o755)
    machine.write(f"{BUNDLE}/README.txt", "sudo ./install.sh\n")
    for reference in images:
        machine.write(f"{BUNDLE}/images/{archive_name(reference)}", archive(reference))


@contextmanager
def cloud_host() -> Iterator[Machine]:
    """A booted Debian with a network of its own (10.99.0.1, a default route), containerd's programs, and the bundle."""
    with boot(bind=("/usr/bin/containerd", "/usr/bin/ctr")) as machine:
        machine.shell(
            f"""
            hostname cloud; echo cloud > /etc/hostname; echo '127.0.0.1 localhost cloud' > /etc/hosts
            ip link set lo up
            ip link add eth0 type veth peer name far0; ip link set far0 up; ip addr add {ADDRESS}/24 dev eth0; ip link set eth0 up
            ip route add default via 10.99.0.254
            """
        )
        put_bundle(machine)
        yield machine
