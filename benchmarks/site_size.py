"""What a whole run costs on a large site: `kedoctor run` against 50 and against 5,000 synthetic edge nodes.

``python benchmarks/site_size.py [REPEATS]`` prints medians of wall time, CPU time and peak memory of fresh processes, the
ratios, and the difference in memory (the design allows 30 MB).
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from cluster_memory import SERVER, kubeconfig

HERE = Path(__file__).resolve().parent
SIZES = (50, 5000)


def measure(count: int, repeats: int) -> tuple[float, float, float]:
    """Median wall seconds, CPU seconds and peak MB of a run against ``count`` edges."""
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
            runs = [once(path, directory) for _ in range(repeats)]
    finally:
        server.stdin.close()
        server.wait(10)
        server.stdout.close()
    wall, cpu, memory = (statistics.median(column) for column in zip(*runs, strict=True))
    return wall, cpu, memory


def once(path: Path, state: str) -> tuple[float, float, float]:
    """One run: wall seconds, CPU seconds, peak MB."""
    argv = [sys.executable, "-m", "kedoctor", "run", "--kubeconfig", str(path)]
    started = time.monotonic()
    child = subprocess.Popen(
        argv,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "KEDOCTOR_STATE_DIR": state},
    )
    _, _, usage = os.wait4(child.pid, 0)
    child.returncode = 0
    return time.monotonic() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main() -> None:
    """Prints the table."""
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    results = {count: measure(count, repeats) for count in SIZES}
    print(f"{'edges':>8}{'wall s':>10}{'cpu s':>10}{'MB':>8}")
    for count, (wall, cpu, memory) in results.items():
        print(f"{count:8}{wall:10.2f}{cpu:10.2f}{memory:8.1f}")
    small, large = results[SIZES[0]], results[SIZES[1]]
    print(
        f"ratios: wall {large[0] / small[0]:.1f}, cpu {large[1] / small[1]:.1f}, memory {large[2] / small[2]:.2f}"
    )
    print(f"memory difference: {large[2] - small[2]:.1f} MB")


if __name__ == "__main__":
    main()
