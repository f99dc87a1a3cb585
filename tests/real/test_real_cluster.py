"""A cluster of real parts comes up, works, and leaves the machine as it was."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import real_cluster
import real_parts
from host_unchanged import host_unchanged
from lab_host import until
from real_control_plane import Cluster

pytestmark = real_cluster.marks(real_cluster.obstacle(), seconds=400)

HERE = Path(__file__).parent
POD = {
    "metadata": {"name": "web"},
    "spec": {
        "nodeName": "edge1",
        "containers": [
            {
                "name": "main",
                "image": "busybox:1.36",
                "imagePullPolicy": "Never",
                "command": ["sleep", "1000"],
            }
        ],
    },
}
# Starts a cluster, says so, and waits to be killed.
KILLED = """
import sys, time
from pathlib import Path
sys.path[:0] = [sys.argv[1]]
import real_cluster
with real_cluster.cluster(Path(sys.argv[2]), nodes=("edge1",)):
    print("up", flush=True)
    time.sleep(300)
"""


def processes() -> set[str]:
    """The processes of parts that this test started, by their command lines."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue  # it has just ended
            if f"kedoctor-lab-{os.getpid()}-" in words or str(real_parts.CACHE) in words:
                found.add(f"{entry.name} {words[:60]}")
    return found


def mine(home: Path) -> set[str]:
    """What of a cluster with this home is still there: control groups, mounts and processes."""
    groups = {
        str(path) for path in Path("/sys/fs/cgroup").glob("*/kedoctor-lab-*") if str(os.getpid()) in path.name
    }
    mounts = {line for line in Path("/proc/self/mountinfo").read_text().splitlines() if str(home) in line}
    return groups | mounts | {one for one in processes() if str(home) in one}


def run_a_pod(cluster: Cluster) -> None:
    cluster.eventually(
        lambda: cluster.ask("GET", "/api/v1/namespaces/default/serviceaccounts/default").status == 200
    )
    cluster.create("/api/v1/namespaces/default/pods", POD)
    path = "/api/v1/namespaces/default/pods/web"
    cluster.eventually(lambda: cluster.get(path)["status"]["phase"] == "Running", 60)
    assert cluster.kubectl("exec", "web", "--", "echo", "hello").stdout == "hello\n"


def test_it_comes_up_works_and_leaves_nothing(tmp_path: Path) -> None:
    with host_unchanged():
        started = time.monotonic()
        with real_cluster.cluster(tmp_path) as cluster:
            seconds = time.monotonic() - started
            assert cluster.get("/version")["gitVersion"] == "v1.34.2"
            nodes = {one["metadata"]["name"] for one in cluster.get("/api/v1/nodes")["items"]}
            assert nodes == {"edge1", "edge2"}
            run_a_pod(cluster)
    assert seconds < 120
    until(lambda: not mine(tmp_path), 10, lambda: str(mine(tmp_path)))


def test_a_run_that_is_killed_leaves_nothing_either(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", KILLED, str(HERE), str(tmp_path)]
    child = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "up\n"
    groups = Path("/sys/fs/cgroup")
    assert list(groups.glob(f"*/kedoctor-lab-{child.pid}-*"))
    child.send_signal(signal.SIGKILL)
    child.wait(10)
    child.stdout.close()
    until(lambda: not list(groups.glob(f"*/kedoctor-lab-{child.pid}-*")), 30)
    mounts = Path("/proc/self/mountinfo").read_text()
    assert str(tmp_path) not in mounts
