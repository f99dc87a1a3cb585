"""How long reading a large journal takes, and how much memory: a gigabyte of one unit against a unit with two lines.

Run as root as ``python benchmarks/journal_gigabyte.py [MEGABYTES] [REPEATS]``. A machine with a systemd and a journal of its own
is booted (tests/lab/systemd_machine.py), one unit floods its journal until that is as large as asked for, and kedoctor,
in that machine, reads the last 2,000 lines of both units, in a fresh process each time. The limits are 10 MB of memory
between the two and ten times the time of the small one, or two seconds; the exit code is 1 when one is passed.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "lab"))

from systemd_machine import Machine, boot

LIMIT_MB, LIMIT_RATIO, ENOUGH_SECONDS = 10.0, 10.0, 2.0
LINE = "E1123 05:13:03.679313      57 edgestream.go:147] dial wss://10.99.0.1:10004/v1/kubeedge/connect error number %.0f"

JOURNALD = "[Journal]\nStorage=persistent\nSystemMaxUse=6G\nRateLimitBurst=0\nSyncIntervalSec=1s\n"
UNIT = """
[Service]
Type=oneshot
TimeoutStartSec=infinity
ExecStart=/bin/sh -c '{script}'
"""

READ = """
import json, resource, sys, time
from kedoctor.model.observations.logs import ReadJournal
from kedoctor.observe.live.source import LiveSource
source = LiveSource()
started = time.perf_counter()
answer = source.observe(ReadJournal(sys.argv[1]))
took = time.perf_counter() - started
lines = answer.text.splitlines()
print(json.dumps({
    "seconds": took,
    "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    "journalctl_mb": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024,
    "lines": len(lines),
}))
"""


def flood(machine: Machine, megabytes: int) -> int:
    """Fills the journal of ``flood.service``; how many lines that took."""
    machine.write("/etc/systemd/journald.conf.d/large.conf", JOURNALD)
    machine.shell("mkdir -p /var/log/journal; systemctl restart systemd-journald; journalctl --flush")
    machine.unit("small.service", UNIT.format(script="echo one line"))
    machine.shell("systemctl start small")
    lines, step = 0, 100_000
    while _size(machine) < megabytes:
        script = f'seq -f "{LINE}" {lines + 1} {lines + step}'.replace("%", "%%")
        machine.unit("flood.service", UNIT.format(script=script))
        lines += step
        waiting = f"until journalctl -u flood -n 9 | grep -q 'number {lines}$'; do sleep 0.2; done"
        machine.shell(f"systemctl start flood; {waiting}", timeout=900)
    return lines


def _size(machine: Machine) -> float:
    return float(machine.shell("du -sm /var/log/journal | cut -f1"))


def measure(machine: Machine, unit: str, repeats: int) -> dict[str, float]:
    """The medians of ``repeats`` readings, after one that warms the caches."""
    found = [json.loads(machine.python(READ, unit, timeout=120)) for _ in range(repeats + 1)][1:]
    return {
        name: statistics.median(one[name] for one in found)
        for name in ("seconds", "peak_mb", "journalctl_mb", "lines")
    }


def main() -> int:
    """Prints the table."""
    megabytes = int(sys.argv[1]) if len(sys.argv) > 1 else 1024
    repeats = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    with boot() as machine:
        started = time.monotonic()
        lines = flood(machine, megabytes)
        print(
            f"{lines:,} lines, {_size(machine):.0f} MB of journal, written in {time.monotonic() - started:.0f} s"
        )
        small, large = (measure(machine, f"{name}.service", repeats) for name in ("small", "flood"))
    print(f"{'unit':12}{'lines':>8}{'seconds':>10}{'MB':>8}{'journalctl MB':>15}")
    for name, row in (("two lines", small), ("the flood", large)):
        print(
            f"{name:12}{row['lines']:8.0f}{row['seconds']:10.3f}{row['peak_mb']:8.1f}{row['journalctl_mb']:15.1f}"
        )
    ratio, more = large["seconds"] / small["seconds"], large["peak_mb"] - small["peak_mb"]
    print(f"time x {ratio:.1f}, memory + {more:.1f} MB (median of {repeats})")
    slow = ratio > LIMIT_RATIO and large["seconds"] > ENOUGH_SECONDS
    return int(slow or more > LIMIT_MB)


if __name__ == "__main__":
    sys.exit(main())
