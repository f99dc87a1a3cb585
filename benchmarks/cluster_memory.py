"""How much memory listing many edge nodes takes: peak RSS of a process that lists 5,000 against one that lists 50.

Run as ``python benchmarks/cluster_memory.py [REPEATS]``. A server of synthetic edge nodes (each of the size of a real
one, tests/lab/apiserver) runs in a process of its own, and every measurement is a fresh child process. The limit is
30 MB between the two; the exit code is 1 when it is passed.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
SIZES = (50, 5000)
LIMIT_MB = 30.0

SERVER = """
import json, sys
from apiserver import ADMIN, ApiServer, add_edge_nodes
with ApiServer(tls=None, tokens={"token": ADMIN}) as server:
    add_edge_nodes(server.store, int(sys.argv[1]))
    print(server.url, flush=True)
    sys.stdin.read()
"""

CLIENT = """
import json, resource, sys, time
from kedoctor.checks.parsers.kubernetes import Node
from kedoctor.observe.live.cluster import LiveCluster
from kedoctor.model.ports import Cluster
started = time.perf_counter()
nodes = Cluster(LiveCluster(sys.argv[1])).list(Node)
took = time.perf_counter() - started
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"nodes": len(nodes), "peak_mb": peak, "seconds": took}))
"""


def kubeconfig(directory: Path, url: str) -> Path:
    entries = {
        "current-context": "b",
        "clusters": [{"name": "b", "cluster": {"server": url}}],
        "contexts": [{"name": "b", "context": {"cluster": "b", "user": "b"}}],
        "users": [{"name": "b", "user": {"token": "token"}}],
    }
    path = directory / "kubeconfig"
    path.write_text(json.dumps(entries), encoding="utf-8")
    return path


def measure(count: int, repeats: int) -> list[dict[str, float]]:
    """One result per repeat, each from a process of its own."""
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(count)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=HERE.parent / "tests" / "lab",
    )
    assert server.stdin is not None
    assert server.stdout is not None
    try:
        with tempfile.TemporaryDirectory() as directory:
            path = kubeconfig(Path(directory), server.stdout.readline().strip())
            command = [sys.executable, "-c", CLIENT, str(path)]
            runs = [
                subprocess.run(command, capture_output=True, text=True, check=True) for _ in range(repeats)
            ]
    finally:
        server.stdin.close()
        server.wait(10)
        server.stdout.close()
    results: list[dict[str, float]] = [json.loads(run.stdout) for run in runs]
    assert all(result["nodes"] == count for result in results)
    return results


def main() -> int:
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    peaks = {}
    for count in SIZES:
        results = measure(count, repeats)
        peaks[count] = [result["peak_mb"] for result in results]
        seconds = statistics.median(result["seconds"] for result in results)
        low, high = min(peaks[count]), max(peaks[count])
        median = statistics.median(peaks[count])
        print(
            f"{count:>6} nodes: peak RSS {median:6.1f} MB (median of {repeats}, {low:.1f} to {high:.1f}), {seconds:.2f} s"
        )
    small, large = (statistics.median(peaks[count]) for count in SIZES)
    worst = max(peaks[SIZES[1]]) - min(peaks[SIZES[0]])
    per_node = (large - small) * 1024 / (SIZES[1] - SIZES[0])
    print(
        f"ratio {large / small:.2f}, difference {large - small:.1f} MB (worst pair {worst:.1f} MB), {per_node:.1f} KB per node"
    )
    print(f"limit {LIMIT_MB:.0f} MB: {'kept' if worst <= LIMIT_MB else 'PASSED'}")
    return 0 if worst <= LIMIT_MB else 1


if __name__ == "__main__":
    sys.exit(main())
