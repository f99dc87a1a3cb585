"""How long kedoctor takes to start, and what a run on the demo bundles costs.

``python benchmarks/startup.py [REPEATS]`` prints medians and ratios; nothing here passes or fails. Modules are compiled
beforehand, as pip does it when it installs them, whatever ``PYTHONDONTWRITEBYTECODE`` says here.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time

KEDOCTOR = [sys.executable, "-m", "kedoctor"]


COMPILED = tempfile.TemporaryDirectory(prefix="kedoctor-compiled-")


def _environment() -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**inherited, "PYTHONPYCACHEPREFIX": COMPILED.name}


def once(argv: list[str]) -> tuple[float, float, float]:
    """Wall seconds, CPU seconds and peak memory (MB) of one child."""
    with tempfile.TemporaryDirectory() as state:
        started = time.monotonic()
        child = subprocess.Popen(
            argv,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**_environment(), "KEDOCTOR_STATE_DIR": state},
        )
        _, _, usage = os.wait4(child.pid, 0)
        child.returncode = 0
        return time.monotonic() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def median(argv: list[str], repeats: int) -> tuple[float, float, float]:
    """The medians of ``repeats`` children, after one that warms the caches."""
    once(argv)
    runs = [once(argv) for _ in range(repeats)]
    wall, cpu, memory = (statistics.median(column) for column in zip(*runs, strict=True))
    return wall, cpu, memory


def main() -> None:
    """Prints the table."""
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    click = median([sys.executable, "-c", "import click"], repeats)
    print(f"{'what':34}{'wall ms':>10}{'cpu ms':>10}{'MB':>8}{'x click':>10}")
    for name, argv in (
        ("python -c 'import click'", None),
        ("kedoctor --version", [*KEDOCTOR, "--version"]),
        ("kedoctor --help", [*KEDOCTOR, "--help"]),
        ("kedoctor list", [*KEDOCTOR, "list"]),
        ("kedoctor explain KE202", [*KEDOCTOR, "explain", "KE202"]),
        ("kedoctor demo", [*KEDOCTOR, "demo"]),
        ("kedoctor demo --format html", [*KEDOCTOR, "demo", "--format", "html"]),
    ):
        wall, cpu, memory = click if argv is None else median(argv, repeats)
        print(f"{name:34}{wall * 1000:10.0f}{cpu * 1000:10.0f}{memory:8.0f}{wall / click[0]:10.2f}")


if __name__ == "__main__":
    main()
