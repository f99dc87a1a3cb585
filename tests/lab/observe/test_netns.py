"""The lab's own tools: a namespace that goes away, and a watch over the host that sees what changed."""

import os
import socket
import threading
from pathlib import Path

import pytest
from host_unchanged import ASPECTS, differences, host_unchanged
from netns import NetworkNamespace, missing

_MISSING = missing()
pytestmark = [pytest.mark.lab, pytest.mark.skipif(_MISSING is not None, reason=_MISSING or "")]

ONLY_SOCKETS = frozenset(ASPECTS) - {"listening sockets"}


def test_programs_run_inside_and_end_with_the_namespace() -> None:
    where = "import os, sys; print(os.readlink('/proc/self/ns/net'), *sys.argv[1:])"
    with NetworkNamespace() as namespace:
        inside, argument = namespace.exec_python(where, 7).split()
        waiting = namespace.start_python("import time; print('ready'); time.sleep(60)")
        holder = namespace.pid
        assert waiting.poll() is None
    assert argument == "7"
    assert inside != os.readlink("/proc/self/ns/net")  # noqa: PTH115 - the text is what is compared
    assert waiting.poll() is not None
    assert not Path(f"/proc/{holder}").exists()


def test_a_failing_command_says_what_it_printed() -> None:
    with NetworkNamespace() as namespace, pytest.raises(AssertionError, match="No chain/target/match"):
        namespace.iptables("legacy", "-t", "nat", "-S", "NOWHERE")


def test_rules_of_a_namespace_are_not_the_host_s() -> None:
    with host_unchanged(), NetworkNamespace() as namespace:
        namespace.iptables("legacy", "-t", "nat", "-A", "OUTPUT", "-j", "ACCEPT")
        namespace.iptables("nft", "-t", "nat", "-A", "OUTPUT", "-j", "ACCEPT")
        assert "-A OUTPUT -j ACCEPT" in namespace.save("legacy")


def listen_while_watched(server: socket.socket) -> None:
    with host_unchanged(without=ONLY_SOCKETS, settle=0):
        server.bind(("127.0.0.1", 0))
        server.listen()


def test_a_new_listener_is_seen() -> None:
    with socket.socket() as server, pytest.raises(AssertionError, match="listening sockets: new"):
        listen_while_watched(server)


def test_what_settles_in_time_is_forgiven() -> None:
    with socket.socket() as server, host_unchanged(without=ONLY_SOCKETS, settle=10):
        server.bind(("127.0.0.1", 0))
        server.listen()
        threading.Timer(0.3, server.close).start()


def test_differences_are_named() -> None:
    before = {"mounts": ["a", "b"], "files": ["x"], "rules": ["1", "2"]}
    after = {"mounts": ["a", "c"], "files": ["x"], "rules": ["2", "1"]}
    assert differences(before, after) == [
        "mounts: gone: b",
        "mounts: new: c",
        "rules: the same lines in another order or number",
    ]
