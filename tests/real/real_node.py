"""A node of a real cluster: containerd, runc and the kubelet on a host of its own, with pods in a bridge network."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import real_parts
from lab_host import Host, until
from real_control_plane import CLOUD, Cluster

__all__ = ["BUSYBOX", "METRICS_SERVER", "SHELL", "give_image", "image", "join", "obstacle"]

BUSYBOX = "docker.io/library/busybox:1.36"
PAUSE = "registry.k8s.io/pause:3.10"
METRICS_SERVER = "docker.io/rancher/mirrored-metrics-server:v0.8.0"
_CNI = Path("/usr/lib/cni")
_SHELL = (
    "sh",
    "echo",
    "sleep",
    "cat",
    "ls",
    "tail",
    "true",
    "false",
    "date",
    "seq",
    "head",
    "env",
    "grep",
    "hostname",
)
SHELL = {f"bin/{name}": "busybox" for name in _SHELL}
_CONTAINERD = """
version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
disabled_plugins = ["io.containerd.internal.v1.opt", "io.containerd.internal.v1.tracing"]
[grpc]
address = "/run/containerd/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{pause}"
restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{bin}"
conf_dir = "{conf}"
"""


def obstacle() -> str:
    """Why there can be no node here; empty if there can."""
    lacking = [tool for tool in ("containerd", "runc", "ctr", "busybox") if shutil.which(tool) is None]
    found = shutil.which("busybox")
    if found and subprocess.run(["ldd", found], capture_output=True, check=False).returncode == 0:
        lacking.append("busybox-static")
    if not _CNI.is_dir():
        lacking.append("containernetworking-plugins")
    return f"needs {', '.join(lacking)}" if lacking else ""


def join(cluster: Cluster, node: str, number: int) -> None:
    """Makes the host of that name a node with the address 10.99.0.(number + 1) and the pod network 10.244.number.0/24.

    Number 0 is the cloud host itself.
    """
    host = cluster.nodes[node]
    if number:
        _cable(cluster, host, number)
    conf = host.home / "cni"
    conf.mkdir()
    (conf / "10-lab.conflist").write_text(json.dumps(_network(number)), encoding="utf-8")
    config = host.home / "containerd.toml"
    config.write_text(_CONTAINERD.format(pause=PAUSE, bin=_CNI, conf=conf), encoding="utf-8")
    host.daemon("containerd", "containerd", "--config", config)
    until(lambda: host.run("ctr", "version", check=False).returncode == 0, 30, cluster.told)
    busybox = Path(shutil.which("busybox") or "/bin/busybox")
    give_image(host, PAUSE, {"bin/busybox": busybox}, ["/bin/busybox", "tail", "-f", "/dev/null"])
    give_image(host, BUSYBOX, {"bin/busybox": busybox}, [], SHELL)
    _start_kubelet(cluster, host, f"10.99.0.{number + 1}")


def _cable(cluster: Cluster, host: Host, number: int) -> None:
    cloud, wire = cluster.cloud, f"to-{host.name}"
    cloud.cable(wire, host, "eth0")
    cloud.run("ip", "link", "set", wire, "master", "br0", "up")
    host.run("ip", "address", "add", f"10.99.0.{number + 1}/24", "dev", "eth0")
    host.run("ip", "link", "set", "eth0", "up")
    host.run("ip", "route", "add", "default", "via", CLOUD)
    cloud.run("ip", "route", "add", f"10.244.{number}.0/24", "via", f"10.99.0.{number + 1}")
    cloud.run("sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")


def _network(number: int) -> dict[str, Any]:
    pods = [[{"subnet": f"10.244.{number}.0/24"}]]
    ipam = {"type": "host-local", "ranges": pods, "routes": [{"dst": "0.0.0.0/0"}]}
    bridge = {"type": "bridge", "bridge": "cni0", "isGateway": True, "ipam": ipam}
    return {"cniVersion": "1.0.0", "name": "lab", "plugins": [bridge]}


def _start_kubelet(cluster: Cluster, host: Host, address: str) -> None:
    papers = cluster.papers
    user = papers.kubeconfig(f"kubelet-{host.name}", f"system:node:{host.name}", "system:nodes")
    papers.serve(f"kubelet-serving-{host.name}", host.name, address)
    made = _make_cgroup(host)
    config = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(papers.path("ca.crt"))},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(papers.path(f"kubelet-serving-{host.name}.crt")),
        "tlsPrivateKeyFile": str(papers.path(f"kubelet-serving-{host.name}.key")),
        "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{made}",
        "failCgroupV1": False,
        "failSwapOn": False,
        "resolvConf": "",
        "clusterDNS": ["10.96.0.10"],
        "registerNode": True,
        # An edge's requests go to the port that cloudcore chose; here the kubelet listens there itself.
        "port": 10250 if host is cluster.cloud else 10351,
        "nodeStatusUpdateFrequency": "4s",
        "nodeStatusReportFrequency": "20s",
        "syncFrequency": "5s",
        # The disk is that of the machine that runs the tests, however full it is.
        "evictionHard": {"memory.available": "1Mi"},
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
    }
    place = host.home / "kubelet.json"
    place.write_text(json.dumps(config), encoding="utf-8")
    host.daemon(
        "kubelet",
        real_parts.binary("kubelet" if host is cluster.cloud else real_parts.EDGE_KUBELET),
        f"--config={place}",
        f"--kubeconfig={user}",
        f"--hostname-override={host.name}",
        f"--node-ip={address}",
        "--root-dir=/var/lib/kubelet",
        "--v=2",
    )


def _make_cgroup(host: Host) -> str:
    """The control group below which the pods of this host live, in every hierarchy."""
    for top in Path("/sys/fs/cgroup").iterdir():
        if (top / "cgroup.procs").exists():
            (top / host.cgroup).mkdir(exist_ok=True)
    if (unified := Path("/sys/fs/cgroup")) and (unified / "cgroup.procs").exists():
        (unified / host.cgroup).mkdir(exist_ok=True)
    cpuset = Path("/sys/fs/cgroup/cpuset")
    for name in ("cpuset.cpus", "cpuset.mems"):
        # In the first version of control groups an empty set lets no process in.
        if (cpuset / name).exists():
            (cpuset / host.cgroup / name).write_text((cpuset / name).read_text())
    return host.cgroup


# ------------------------------------------------------------------------------------------------ images


def give_image(
    host: Host, name: str, files: dict[str, Path], command: list[str], links: dict[str, str] | None = None
) -> None:
    """Puts an image of these files into the runtime of a host."""
    archive = host.home / f"image-{hashlib.sha256(name.encode()).hexdigest()[:8]}.tar"
    archive.write_bytes(image(name, files, command, links or {}))
    host.run("ctr", "--namespace", "k8s.io", "images", "import", archive)
    archive.unlink()


def image(name: str, files: dict[str, Path], command: list[str], links: dict[str, str]) -> bytes:
    """An image of one layer as ``docker save`` writes it."""
    layer = _tar({path: file.read_bytes() for path, file in files.items()}, links)
    config = json.dumps(
        {
            "architecture": os.uname().machine.replace("x86_64", "amd64").replace("aarch64", "arm64"),
            "os": "linux",
            "config": {"Entrypoint": command, "Cmd": [] if command else ["/bin/sh"], "Env": ["PATH=/bin"]},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
        }
    ).encode()
    known = f"{hashlib.sha256(config).hexdigest()}.json"
    manifest = json.dumps([{"Config": known, "RepoTags": [name], "Layers": ["layer.tar"]}]).encode()
    return _tar({known: config, "layer.tar": layer, "manifest.json": manifest}, {})


def _tar(files: dict[str, bytes], links: dict[str, str]) -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as archive:
        for folder in sorted({path.rpartition("/")[0] for path in files} - {""} | {"tmp"}):
            member = tarfile.TarInfo(folder)
            member.type, member.mode = tarfile.DIRTYPE, 0o1777 if folder == "tmp" else 0o755
            archive.addfile(member)
        for path, data in files.items():
            member = tarfile.TarInfo(path)
            member.size, member.mode = len(data), 0o755
            archive.addfile(member, io.BytesIO(data))
        for path, target in links.items():
            member = tarfile.TarInfo(path)
            member.type, member.linkname = tarfile.SYMTYPE, target
            archive.addfile(member)
    return written.getvalue()
