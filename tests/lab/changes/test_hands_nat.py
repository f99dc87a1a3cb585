"""NAT hands against real kernels' tables of both backends: done, undone, killed, refused, and after a reboot."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nathands
import pytest
from host_unchanged import host_unchanged
from nathands import PLAIN, STALE, Inside, chain, fix, silent
from netns import BACKENDS, Backend, NetworkNamespace, missing

from kedoctor.changes.executor import prepare, roll_back
from kedoctor.changes.journal import Journal, JournalEntry, Phase
from kedoctor.model.actions.files import WriteFile
from kedoctor.model.actions.nat import RemoveRule
from kedoctor.model.actors import ConflictError, RefusedError
from kedoctor.model.nat_persistence import UNIT, persistence

_MISSING = missing() or missing("nft", "iptables-nft-restore", "iptables-legacy-restore", "mount")
pytestmark = [pytest.mark.lab, pytest.mark.skipif(_MISSING is not None, reason=_MISSING or "")]

CLOUD, EDGE, PORT = "10.99.0.1", "10.99.0.2", 10351
KINDS = (("nft", False), ("legacy", True), ("legacy", False))
IDS = ("nft", "legacy-library", "legacy-command")
# Where it makes no difference who writes, the slower of the two ways is spared.
each_backend = pytest.mark.parametrize("cloud", KINDS[::2], ids=IDS[::2], indirect=True)

LISTEN = """
import selectors, socket, sys
ready = selectors.DefaultSelector()
for port in map(int, sys.argv[1:]):
    ready.register(socket.create_server(("0.0.0.0", port)), selectors.EVENT_READ, port)
print("ready")
while True:
    for key, _ in ready.select():
        connection, _ = key.fileobj.accept()
        connection.sendall(str(key.data).encode())
        connection.close()
"""
CONNECT = """
import socket, sys
try:
    with socket.create_connection((sys.argv[1], int(sys.argv[2])), 1) as connection:
        print(connection.recv(99).decode())
except OSError as error:
    print(type(error).__name__)
"""
# As a proxy and a hand-made script leave it: rules of others around those that are repaired.
AROUND = f"""*nat
:PREROUTING ACCEPT
:INPUT ACCEPT
:OUTPUT ACCEPT
:POSTROUTING ACCEPT
:KUBE-SERVICES -
:TUNNEL-PORT -
-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
{PLAIN}
{STALE}
-A OUTPUT -m comment --comment "kubeedge tunnel port" -j TUNNEL-PORT
{PLAIN}
-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j RETURN
-A KUBE-SERVICES -d 10.96.0.50/32 -p tcp -m comment --comment "kubeedge/cloudcore:10003" -m tcp --dport 10003 -j DNAT --to-destination {CLOUD}:10003
-A TUNNEL-PORT -p tcp -m tcp --dport 10352 -j DNAT --to-destination {CLOUD}:10003
COMMIT
"""


def inside(host: NetworkNamespace, **options: Any) -> Inside:
    return Inside(host.pid, host.env["XTABLES_LOCKFILE"], **options)


class Cloud:
    """A cloud host with rules of one backend, and hands inside it."""

    def __init__(self, host: NetworkNamespace, backend: Backend, journal: Path, *, library: bool) -> None:
        self.host, self.backend = host, backend
        self.inside = inside(host, library=library)
        self.hands = self.inside.actors()
        self.journal = Journal(journal)
        self.inside.printed(f"iptables-{backend}-restore", stdin=AROUND)
        self.before = self.save()

    def save(self) -> str:
        return self.inside.save(self.backend)

    def nat(self, *arguments: str) -> None:
        self.inside.printed(f"iptables-{self.backend}", "-t", "nat", *arguments)

    def fix(self, *actions: object) -> JournalEntry:
        entry = fix(self.hands, self.journal, actions)  # type: ignore[arg-type]
        entry.become(Phase.DONE)
        return entry

    def back(self, entry: JournalEntry) -> None:
        roll_back(entry, self.hands, tell=silent)

    def met(self) -> str:
        """The port of the listener that a connection to the edge's kubelet port meets."""
        return self.host.exec_python(CONNECT, EDGE, PORT).strip()


@pytest.fixture(scope="module", autouse=True)
def unchanged() -> Iterator[None]:
    # Nothing here listens on the host itself; what others open and close there meanwhile is theirs.
    with host_unchanged(without=frozenset({"listening sockets"})):
        yield


@pytest.fixture(params=KINDS, ids=IDS)
def cloud(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Cloud]:
    backend, library = request.param
    if library:
        pytest.importorskip("iptc", reason="needs python-iptables")
    with NetworkNamespace() as host:
        yield Cloud(host, backend, tmp_path / "journal", library=library)


def without(text: str, *words: str) -> str:
    return "\n".join(line for line in text.split("\n") if not any(word in line for word in words))


def test_connections_go_through_our_chain_and_no_other_rule_changes(cloud: Cloud) -> None:
    with NetworkNamespace() as edge:
        cloud.host.join(edge, f"{CLOUD}/24", f"{EDGE}/24")
        cloud.host.start_python(LISTEN, 10003, 10004)
        assert cloud.met() == "10004"
        entry = cloud.fix(chain(cloud.backend))
        assert cloud.met() == "10003"
        assert without(cloud.save(), "KEDOCTOR") == cloud.before
        first = next(line for line in cloud.save().split("\n") if line.startswith("-A OUTPUT"))
        assert first == '-A OUTPUT -m comment --comment "kedoctor: tunnel port" -j KEDOCTOR'
        assert prepare(cloud.hands, [chain(cloud.backend)]).actions == ()
        cloud.back(entry)
        assert cloud.met() == "10004"
    assert cloud.save() == cloud.before


def test_the_way_it_is_written(cloud: Cloud, request: pytest.FixtureRequest) -> None:
    cloud.fix(chain(cloud.backend), RemoveRule(cloud.backend, STALE))
    ran = {argv[0] for argv in cloud.inside.ran if "save" not in argv[0]}
    own = {
        "nft": {"iptables-nft-restore"},
        "legacy-library": {"iptables-legacy-restore", sys.executable},
        "legacy-command": {"iptables-legacy-restore"},
    }[request.node.callspec.id]
    assert ran == own
    restored = [argv for argv in cloud.inside.ran if argv[0].endswith("-restore")][1:]
    assert all(argv[1:4] == ("--noflush", "-w", "5") for argv in restored)
    assert bool(restored) == (sys.executable not in ran)


def test_an_older_chain_of_ours_is_replaced_and_comes_back(cloud: Cloud) -> None:
    old = chain(cloud.backend, rules=("-p tcp -m tcp --dport 10350 -j RETURN",), hooks=("OUTPUT",))
    cloud.fix(old)
    cloud.nat("-I", "OUTPUT", "-j", "RETURN")  # somebody's rule wins before ours
    before = cloud.save()
    entry = cloud.fix(chain(cloud.backend))
    lines = cloud.save().split("\n")
    assert [line for line in lines if line.startswith("-A KEDOCTOR")] == [f"-A KEDOCTOR {nathands.RULES[0]}"]
    assert sum("-j KEDOCTOR" in line for line in lines) == 2
    assert next(line for line in lines if line.startswith("-A OUTPUT")).endswith("-j KEDOCTOR")
    cloud.back(entry)
    assert cloud.save() == before


def test_a_jump_that_only_moved_goes_back_to_its_place(cloud: Cloud) -> None:
    cloud.fix(chain(cloud.backend))
    cloud.nat("-I", "OUTPUT", "-j", "RETURN")
    before = cloud.save()
    entry = cloud.fix(chain(cloud.backend))
    assert cloud.save() != before
    cloud.back(entry)
    assert cloud.save() == before


def test_a_rule_goes_and_comes_back_to_its_place(cloud: Cloud) -> None:
    entry = cloud.fix(RemoveRule(cloud.backend, STALE))
    assert cloud.save() == cloud.before.replace(f"{STALE}\n", "")
    cloud.back(entry)
    assert cloud.save() == cloud.before


def test_of_equal_rules_the_later_one_goes(cloud: Cloud) -> None:
    entry = cloud.fix(RemoveRule(cloud.backend, PLAIN, 2))
    head, _, tail = cloud.before.rpartition(f"{PLAIN}\n")
    assert cloud.save() == head + tail
    cloud.back(entry)
    assert cloud.save() == cloud.before


def test_all_of_equal_rules_go_the_last_one_first(cloud: Cloud) -> None:
    entry = cloud.fix(RemoveRule(cloud.backend, PLAIN, 2), RemoveRule(cloud.backend, PLAIN))
    assert cloud.save() == cloud.before.replace(f"{PLAIN}\n", "")
    cloud.back(entry)
    assert cloud.save() == cloud.before
    with pytest.raises(RefusedError, match="the last of them goes first"):
        cloud.fix(RemoveRule(cloud.backend, PLAIN))
    assert cloud.save() == cloud.before


@each_backend
def test_a_rule_comes_back_beside_its_old_neighbours(cloud: Cloud) -> None:
    entry = cloud.fix(RemoveRule(cloud.backend, STALE))
    cloud.nat("-I", "OUTPUT", "-p", "udp", "-j", "RETURN")
    cloud.nat("-D", "OUTPUT", *shlex.split(PLAIN)[2:])
    cloud.nat("-A", "OUTPUT", "-p", "udp", "-j", "RETURN")
    cloud.back(entry)
    output = [line for line in cloud.save().split("\n") if line.startswith("-A OUTPUT")]
    assert output.index(STALE) == 2
    assert output[3].endswith("-j TUNNEL-PORT")


@each_backend
def test_what_is_so_already_is_no_change(cloud: Cloud) -> None:
    absent = STALE.replace("10004", "10009")
    assert (
        prepare(cloud.hands, [RemoveRule(cloud.backend, absent), RemoveRule(cloud.backend, STALE, 2)]).actions
        == ()
    )


@each_backend
def test_somebody_elses_change_is_a_conflict(cloud: Cloud) -> None:
    entry = cloud.fix(chain(cloud.backend), RemoveRule(cloud.backend, STALE))
    cloud.nat("-A", "KEDOCTOR", "-j", "RETURN")
    left = cloud.save()
    with pytest.raises(ConflictError, match="nothing was rolled back"):
        cloud.back(entry)
    assert cloud.save() == left
    assert entry.phase is Phase.ATTENTION


@each_backend
def test_what_somebody_put_back_already_is_left(cloud: Cloud) -> None:
    entry = cloud.fix(chain(cloud.backend), RemoveRule(cloud.backend, STALE))
    cloud.nat("-A", "OUTPUT", *shlex.split(STALE)[2:])
    cloud.back(entry)
    assert cloud.save().count(STALE) == 1
    assert "KEDOCTOR" not in cloud.save()


@each_backend
@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"chain": "TUNNEL-PORT"}, "is not kedoctor's"),
        ({"chain": "OUTPUT"}, "cannot be a chain of our own"),
        ({"hooks": ("KUBE-SERVICES",)}, "cannot be a chain of our own"),
        ({"rules": ("-j ACCEPT\n-F OUTPUT",)}, "not as iptables-save prints"),
        ({"rules": ("-p tcp -j NOWHERE",)}, "nat"),
        ({"rules": ("-p tcp --dport 1 -j REDIRECT",)}, "made other rules"),
    ],
)
def test_what_cannot_be_done_is_refused_and_nothing_changes(
    cloud: Cloud, other: dict[str, object], said: str
) -> None:
    with pytest.raises(RefusedError, match=said):
        cloud.fix(chain(cloud.backend, **other))
    assert cloud.save() == cloud.before


@each_backend
def test_a_rule_that_could_not_be_put_back_is_not_removed(cloud: Cloud) -> None:
    with pytest.raises(RefusedError, match="not a rule as iptables-save prints it"):
        cloud.fix(RemoveRule(cloud.backend, "-D OUTPUT 1"))
    assert cloud.save() == cloud.before


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", ["nft", "legacy", "library"])
def test_a_kill_or_a_full_disk_at_every_step_leaves_before(kind: str, tmp_path: Path) -> None:
    if kind == "library":
        pytest.importorskip("iptc", reason="needs python-iptables")
    with NetworkNamespace() as host:
        Cloud(host, "nft" if kind == "nft" else "legacy", tmp_path / "none", library=False)
        argv = [sys.executable, nathands.__file__, str(host.pid), kind, str(tmp_path)]
        ran = subprocess.run(argv, capture_output=True, text=True, timeout=290, check=False, env=host.env)
    assert ran.returncode == 0, ran.stderr
    repair, rollback, refused = map(int, ran.stdout.split())
    assert repair >= (12 if kind == "library" else 20)
    assert rollback >= (7 if kind == "library" else 15)
    assert refused == repair


@pytest.mark.parametrize("backend", BACKENDS)
def test_after_a_reboot_the_unit_brings_our_chain_back(backend: Backend, tmp_path: Path) -> None:
    with NetworkNamespace() as host:
        made = Cloud(host, backend, tmp_path / "journal", library=False)
        made.fix(chain(backend))
        ours = [line for line in made.save().split("\n") if "KEDOCTOR" in line]
    rules, unit, *_ = persistence(chain(backend))
    assert isinstance(rules, WriteFile)
    assert isinstance(unit, WriteFile)
    assert unit.path.endswith(UNIT)
    here = tmp_path / "nat.rules"
    here.write_bytes(rules.content)
    text = unit.content.decode().replace(rules.path, str(here))
    starts = [line.partition("=")[2] for line in text.splitlines() if line.startswith("ExecStart")]
    with NetworkNamespace() as host, NetworkNamespace() as edge:
        host.join(edge, f"{CLOUD}/24", f"{EDGE}/24")
        host.start_python(LISTEN, 10003)
        for _ in range(2):  # as systemctl restart does
            for start in starts:
                host.run(shlex.split(start.lstrip("-")), check=not start.startswith("-"))
        back = inside(host)
        assert [line for line in back.save(backend).split("\n") if "KEDOCTOR" in line] == ours
        assert host.exec_python(CONNECT, EDGE, PORT).strip() == "10003"
        assert prepare(back.actors(), [chain(backend)]).actions == ()


class TestTools:
    """Which programs there are, and which tables."""

    def test_a_legacy_table_that_is_not_there_is_not_made(self, tmp_path: Path) -> None:
        with NetworkNamespace() as host:
            hands = inside(host).actors()
            assert prepare(hands, [RemoveRule("legacy", STALE)]).actions == ()
            with pytest.raises(RefusedError, match="holds no legacy table nat"):
                prepare(hands, [chain("legacy")])
            assert host.run(["cat", "/proc/net/ip_tables_names"]).stdout == ""

    def test_without_a_restore_program_python_iptables_does_it_alone(self, tmp_path: Path) -> None:
        pytest.importorskip("iptc", reason="needs python-iptables")
        with NetworkNamespace() as host:
            cloud = Cloud(host, "legacy", tmp_path / "journal", library=True)
            cloud.hands = inside(host, missing=["iptables-legacy-restore", "iptables-restore"]).actors()
            cloud.back(cloud.fix(*nathands.actions("legacy")))
            assert cloud.save() == cloud.before
            bare = inside(host, missing=[sys.executable, "iptables-legacy-restore", "iptables-restore"])
            with pytest.raises(RefusedError, match="iptables-legacy-restore is not installed"):
                prepare(bare.actors(), [chain("legacy")])

    def test_what_python_iptables_cannot_write_the_command_writes(self, tmp_path: Path) -> None:
        pytest.importorskip("iptc", reason="needs python-iptables")
        odd = "-A OUTPUT -p tcp -m tcp --dport 1 -m comment --comment -j -j REDIRECT --to-ports 5-9"
        with NetworkNamespace() as host:
            cloud = Cloud(host, "legacy", tmp_path / "journal", library=True)
            cloud.inside.printed("iptables-legacy-restore", "--noflush", stdin=f"*nat\n{odd}\nCOMMIT\n")
            before = cloud.save()
            entry = cloud.fix(RemoveRule("legacy", odd))
            assert cloud.save() == cloud.before
            cloud.back(entry)
            assert cloud.save() == before

    @pytest.mark.parametrize("backend", BACKENDS)
    def test_plain_iptables_counts_if_it_says_that_it_is_that_backend(
        self, backend: Backend, tmp_path: Path
    ) -> None:
        with NetworkNamespace() as host:
            Cloud(host, backend, tmp_path / "journal", library=False)
            named = [f"iptables-{backend}-{verb}" for verb in ("save", "restore")]
            plain = inside(host, library=False, missing=named)
            is_it = ("nf_tables" in plain.printed("iptables", "--version")) == (backend == "nft")
            if is_it:
                assert len(prepare(plain.actors(), [chain(backend)]).actions) == 1
            else:
                with pytest.raises(RefusedError, match="not"):
                    prepare(plain.actors(), [chain(backend)])

    def test_a_table_that_iptables_cannot_show_is_left_alone(self) -> None:
        with NetworkNamespace() as host:
            host.run(
                [
                    "nft",
                    "table ip nat { chain OUTPUT { type nat hook output priority 0 ; tcp dport { 1, 2 } accept ; } ; }",
                ]
            )
            with pytest.raises(RefusedError, match="cannot show"):
                prepare(inside(host).actors(), [chain("nft")])
