"""This machine, seen through LiveSource: processes, sockets, addresses, tools and legacy tables."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from netns import NetworkNamespace, missing

from kedoctor.model.observations.apiserver import ApiAnswer
from kedoctor.model.observations.machine import Identity, Now, Resources
from kedoctor.model.observations.network import Addresses, InterfaceAddress, Sockets
from kedoctor.model.observations.processes import Processes
from kedoctor.model.observations.request import Reason, Request, Unavailable
from kedoctor.model.observations.tools import ToolOutput
from kedoctor.model.ports import Clock, Cluster, Host
from kedoctor.observe.live.host import _default_route
from kedoctor.observe.live.source import LiveSource

pytestmark = pytest.mark.lab

HOST = Host(LiveSource())
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def test_this_process_is_listed() -> None:
    answer = HOST.processes()
    assert isinstance(answer, Processes)
    (me,) = [process for process in answer.items if process.pid == os.getpid()]
    assert me.ppid == os.getppid()
    assert me.uid == os.geteuid()
    assert me.argv[0]
    assert me.rss is not None
    assert 1 << 20 < me.rss < 1 << 33
    assert me.started is not None
    assert me.started < datetime.now(UTC)
    assert [process.pid for process in answer.items] == sorted(process.pid for process in answer.items)


def test_a_zombie_is_listed_and_a_name_that_is_not_utf8_is_shown() -> None:
    with subprocess.Popen(["sleep", "30"], executable=b"/bin/sleep") as sleeper:
        dead = subprocess.Popen(["true"])
        named = subprocess.Popen([b"na\xffme", b"30"], executable=b"/bin/sleep")
        os.waitid(os.P_PID, dead.pid, os.WEXITED | os.WNOWAIT)
        answer = HOST.processes()
        for child in (sleeper, named):
            child.kill()
        dead.wait()
        named.wait()
    assert isinstance(answer, Processes)
    seen = {process.pid: process for process in answer.items}
    assert seen[dead.pid].argv == ()
    assert seen[sleeper.pid].argv == ("sleep", "30")
    assert seen[named.pid].argv == (r"na\xffme", "30")


def test_processes_that_vanish_while_we_look() -> None:
    over = threading.Event()

    def churn() -> None:
        while not over.is_set():
            subprocess.run(["true"], check=True)

    churner = threading.Thread(target=churn)
    churner.start()
    answers = [HOST.processes() for _ in range(5)]
    over.set()
    churner.join()
    assert all(isinstance(answer, Processes) for answer in answers)


def test_sockets_and_their_owner() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)),
        socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as dual,
        socket.create_connection(("127.0.0.1", dual.getsockname()[1])),
        dual.accept()[0],
    ):
        answer = HOST.sockets()
    assert isinstance(answer, Sockets)
    mine = [item for item in answer.items if item.pid == os.getpid()]
    assert ("127.0.0.1", "LISTEN") in {(item.local_address, item.state) for item in mine}
    assert ("::", "LISTEN") in {(item.local_address, item.state) for item in mine}
    established = [item for item in mine if item.state == "ESTABLISHED"]
    assert {(item.local_address, item.remote_address) for item in established} >= {("127.0.0.1", "127.0.0.1")}
    assert not [item for item in mine if item.local_address.startswith("::ffff")]
    assert all(item.process for item in mine)


@root_only
def test_other_users_do_not_see_all_owners() -> None:
    script = (
        "import os; os.setuid(65534)\n"
        "from kedoctor.observe.live.source import LiveSource; from kedoctor.model.observations.network import ListSockets\n"
        "answer = LiveSource().observe(ListSockets()); print(answer.owners_complete, len(answer.items) > 0)"
    )
    with socket.create_server(("127.0.0.1", 0)):
        # The interpreter may lie where others cannot go: everything is imported before the change of user.
        said = subprocess.run(
            [sys.executable, "-c", "import kedoctor.observe.live.source\n" + script],
            capture_output=True,
            text=True,
            check=False,
        )
    assert said.stdout == "False True\n", said.stderr


def test_addresses() -> None:
    answer = HOST.addresses()
    assert isinstance(answer, Addresses)
    assert InterfaceAddress("lo", "127.0.0.1", 8) in answer.items
    assert not [item for item in answer.items if "%" in item.address]


namespaces = pytest.mark.skipif(
    missing("unshare", "nsenter", "ip") is not None, reason=str(missing("unshare", "nsenter", "ip"))
)

ASK_ADDRESSES = """
from kedoctor.observe.live.source import LiveSource; from kedoctor.model.observations.network import ListAddresses; from kedoctor.base.records import encode
print(encode(LiveSource().observe(ListAddresses())).decode())
"""


@namespaces
def test_the_default_route_is_the_one_that_counts() -> None:
    with NetworkNamespace() as here, NetworkNamespace() as there:
        here.join(there, "10.7.0.1/24", "10.7.0.2/24")
        here.run(["ip", "link", "add", "ppp7", "type", "veth", "peer", "name", "ppp8"])
        here.run(["ip", "link", "set", "ppp7", "up"])
        before = here.exec_python(ASK_ADDRESSES)
        here.run(["ip", "route", "add", "default", "dev", "ppp7", "metric", "500"])
        through_ppp = here.exec_python(ASK_ADDRESSES)
        here.run(["ip", "route", "add", "default", "via", "10.7.0.2", "metric", "100"])
        through_eth = here.exec_python(ASK_ADDRESSES)
    assert '"default_interface":""' in before
    assert '{"interface":"eth0","address":"10.7.0.1","prefix":24}' in before
    assert '"default_interface":"ppp7","default_gateway":""' in through_ppp
    assert '"default_interface":"eth0","default_gateway":"10.7.0.2"' in through_eth


def test_an_unreachable_default_route_is_none() -> None:
    line = "*\t00000000\t00000000\t0201\t0\t0\t100\t00000000\t0\t0\t0"
    assert _default_route([line, "eth0 short"]) == ("", "")


def test_resources(tmp_path: Path) -> None:
    answer = HOST.resources(str(tmp_path / "not" / "there"))
    assert isinstance(answer, Resources)
    disk = os.statvfs(tmp_path)
    assert answer.cpus == os.cpu_count()
    assert answer.disk_total == disk.f_blocks * disk.f_frsize
    assert 0 < answer.memory_available <= answer.memory_total


def test_identity_and_clock() -> None:
    answer = HOST.identity()
    assert isinstance(answer, Identity)
    assert (answer.hostname, answer.machine) == (os.uname().nodename, os.uname().machine)
    assert answer.boot_id == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert answer.uid == os.geteuid()
    now = Clock(LiveSource()).now()
    assert isinstance(now, Now)
    assert abs((now.time - datetime.now(UTC)).total_seconds()) < 5
    assert answer.booted is not None
    assert answer.booted < now.time


def test_tools_are_asked_for_by_name() -> None:
    answer = HOST.run("uname", "-m")
    assert isinstance(answer, ToolOutput)
    assert answer.stdout.strip() == os.uname().machine
    by_path = HOST.run("/bin/uname", "-m")
    assert isinstance(by_path, Unavailable)
    assert by_path.reason is Reason.INVALID


def test_the_cluster_is_somebody_elses() -> None:
    answer = Cluster(LiveSource()).get("/version")
    assert isinstance(answer, Unavailable)
    assert answer.reason is Reason.NOT_CONFIGURED

    class Fake:
        def observe(self, request: Request) -> object:
            return ApiAnswer(200, b"{}")

    assert Cluster(LiveSource(cluster=Fake())).get("/version") == ApiAnswer(200, b"{}")


def test_a_question_that_nobody_knows() -> None:
    class Odd(Request, frozen=True):
        pass

    with pytest.raises(TypeError, match="Odd"):
        LiveSource().observe(Odd())


@pytest.mark.skipif(Path("/run/systemd/system").exists(), reason="optional: this machine runs systemd")
def test_a_machine_without_systemd_says_so() -> None:
    unit, journal = HOST.unit("edgecore.service"), HOST.journal("edgecore.service")
    assert isinstance(unit, Unavailable)
    assert unit.reason in {Reason.ERROR, Reason.TOOL_MISSING}
    assert "systemd" in unit.detail or "systemctl" in unit.detail
    assert isinstance(journal, Unavailable)
    assert journal.reason in {Reason.ABSENT, Reason.TOOL_MISSING}


# ------------------------------------------------------------------------------------------- legacy tables

legacy = pytest.mark.skipif(
    missing("unshare", "nsenter", "iptables-legacy-restore", "iptables-legacy-save") is not None,
    reason=str(missing("unshare", "nsenter", "iptables-legacy-restore", "iptables-legacy-save")),
)

RULES = r"""*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:KUBE-MARK-MASQ - [0:0]
:KUBE-SEP - [0:0]
:TUNNEL-PORT - [0:0]
-A PREROUTING -m comment --comment "kube\'s \"portals\" here" -j TUNNEL-PORT
-A PREROUTING ! -s 10.0.0.0/8 -i eth+ -p tcp -m tcp --dport 10350:10360 -j DNAT --to-destination 10.99.0.1:10003
-A PREROUTING -m addrtype --dst-type LOCAL -g KUBE-SEP
-A OUTPUT -p tcp -m multiport --dports 10350,10351 -j TUNNEL-PORT
-A OUTPUT ! -d 127.0.0.0/8 ! -o lo -p udp -m udp ! --sport 53 -m state --state NEW -j REDIRECT --to-ports 53
-A POSTROUTING -s 10.0.0.0/8 ! -d 10.0.0.0/8 -j MASQUERADE --random-fully
-A POSTROUTING -s 10.0.0.1/32 -m comment --comment "no target at all"
-A POSTROUTING -p tcp -j SNAT --to-source 1.2.3.4-1.2.3.9:100-200
-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000
-A KUBE-SEP -m statistic --mode random --probability 0.50000000000 -j KUBE-MARK-MASQ
-A KUBE-SEP -m mark ! --mark 0x4000/0x4000 -j RETURN
-A KUBE-SEP -p icmp -f -j ACCEPT
-A KUBE-SEP -p icmp ! -f -j ACCEPT
-A TUNNEL-PORT -p tcp -m tcp --dport 10351 -j DNAT --to-destination 10.99.0.77:10003
-A TUNNEL-PORT -p tcp -m conntrack --ctstate NEW,ESTABLISHED -m tcp --dport 1 -j RETURN
COMMIT
"""

ASK_TABLE = """
import sys
from kedoctor.observe.live.source import LiveSource; from kedoctor.model.observations.logs import LogText; from kedoctor.model.observations.tools import ReadLegacyTable
answer = LiveSource().observe(ReadLegacyTable(sys.argv[1]))
print(answer.text if isinstance(answer, LogText) else f"{answer.reason.value}: {answer.detail}", end="")
"""


def listed(place: NetworkNamespace) -> list[str]:
    return place.run(["cat", "/proc/net/ip_tables_names"]).stdout.split()


@legacy
def test_a_legacy_table_is_never_created() -> None:
    with NetworkNamespace() as place:
        said = place.exec_python(ASK_TABLE, "nat")
        assert said == "absent: the kernel does not list it in /proc/net/ip_tables_names"
        assert listed(place) == []


@legacy
def test_a_legacy_table_reads_as_iptables_save_prints_it() -> None:
    pytest.importorskip("iptc", reason="needs python-iptables")
    with NetworkNamespace() as place:
        place.run(["iptables-legacy-restore"], stdin=RULES)
        printed = place.run(["iptables-legacy-save", "-t", "nat"]).stdout
        started = time.monotonic()
        said = place.exec_python(ASK_TABLE, "nat")
        assert time.monotonic() - started < 10
        assert listed(place) == ["nat"]
        assert place.exec_python(ASK_TABLE, "filter").startswith("absent")
        assert (
            place.run(["iptables-legacy-save", "-t", "nat"]).stdout.splitlines()[1:-1]
            == printed.splitlines()[1:-1]
        )
    assert said.splitlines() == [line for line in printed.splitlines() if not line.startswith("#")]
