"""A host on which a nested cluster runs: its processes have a network of their own and are nobody's on this host."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
from netns import NetworkNamespace, missing

_MISSING = missing("unshare", "nsenter", "ip")
pytestmark = [pytest.mark.lab, pytest.mark.skipif(_MISSING is not None, reason=_MISSING or "")]

NAMED = """
import ctypes, sys, time
ctypes.CDLL(None).prctl(15, sys.argv[1].encode())
print("ready")
time.sleep(120)
"""
# The interpreter may lie where others cannot go: everything is imported before the change of user.
SEEN = """
import kedoctor.observe.live.source, os, sys
from kedoctor.model.observations.processes import ListProcesses
from kedoctor.observe.live.source import LiveSource
os.setgroups([]); os.setgid(int(sys.argv[1])); os.setuid(int(sys.argv[1]))
names = {one.name for one in LiveSource().observe(ListProcesses()).items}
print(sorted(names & {"kube-apiserver", "kedoctor-beside"}))
"""


@pytest.fixture(scope="module")
def nested() -> Iterator[NetworkNamespace]:
    """A kube-apiserver in a network of its own, as in a node of kind, and a process of the host beside it."""
    with NetworkNamespace() as namespace:
        namespace.start_python(NAMED, "kube-apiserver")
        beside = subprocess.Popen(
            [sys.executable, "-c", NAMED, "kedoctor-beside"], stdout=subprocess.PIPE, text=True
        )
        try:
            assert beside.stdout is not None
            assert beside.stdout.readline() == "ready\n"
            yield namespace
        finally:
            beside.kill()
            beside.communicate()


@pytest.mark.usefixtures("nested")
@pytest.mark.parametrize("user", [0, 65534], ids=["root", "another user"])
def test_what_has_another_network_is_left_out_whoever_looks(user: int) -> None:
    said = subprocess.run(
        [sys.executable, "-c", SEEN, str(user)], capture_output=True, text=True, check=False, timeout=60
    )
    assert said.stdout == "['kedoctor-beside']\n", said.stderr


def test_within_that_network_it_is_seen(nested: NetworkNamespace) -> None:
    said = nested.run([sys.executable, "-c", SEEN, "0"], timeout=60)
    assert said.stdout == "['kube-apiserver']\n"
