"""Records are decoded by many threads at once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

# Twenty classes that point at each other, new in each round, decoded for the first time by eight threads together.
# With msgspec.json.decode instead of ours this ended in a segmentation fault within a few rounds (msgspec 0.22.0).
FIRST_TIME = """
import sys, threading, types
sys.setswitchinterval(1e-6)
from kedoctor.base.records import decode
lines = ["from __future__ import annotations", "from kedoctor.base.records import Record"]
lines += [
    f"class A{i}(Record, frozen=True):\\n    a: int\\n    b: list[A{max(i - 1, 0)}] | None = None" for i in range(20)
]
for round in range(40):
    module = sys.modules[f"m{round}"] = types.ModuleType(f"m{round}")
    exec("\\n".join(lines), module.__dict__)
    together = threading.Barrier(8)
    def work(wanted=module.A19):
        together.wait()
        decode(b'{"a": 1, "b": [{"a": 2}]}', wanted)
    threads = [threading.Thread(target=work) for _ in range(8)]
    for one in threads: one.start()
    for one in threads: one.join()
"""


def test_a_type_that_many_threads_decode_for_the_first_time() -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    done = subprocess.run(
        [sys.executable, "-c", FIRST_TIME],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stderr[-2000:]
