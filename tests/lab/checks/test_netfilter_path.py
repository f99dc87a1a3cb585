"""The kernel is asked where connections go, and :func:`effective` must have said the same."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from host_unchanged import host_unchanged
from netns import BACKENDS, Backend, NetworkNamespace, missing

from kedoctor.checks.parsers.netfilter import (
    DoubtKind,
    EffectivePath,
    Outcome,
    OutcomeKind,
    Packet,
    Ruleset,
    dnat_rules,
    duplicates,
    effective,
    parse_save,
)

_MISSING = missing() or missing("nft", "iptables-nft-restore", "iptables-legacy-restore")
pytestmark = [pytest.mark.lab, pytest.mark.skipif(_MISSING is not None, reason=_MISSING or "")]

CLOUD, EDGE, CLUSTER_IP = "10.99.0.1", "10.99.0.2", "10.96.0.50"
PORT = 10351
HOLDERS = {CLOUD: "cloud", "127.0.0.1": "cloud", EDGE: "edge"}

LISTEN = """
import selectors, socket, sys
ready = selectors.DefaultSelector()
for port in map(int, sys.argv[2:]):
    server = socket.create_server(("0.0.0.0", port))
    ready.register(server, selectors.EVENT_READ, port)
print("ready")
while True:
    for key, _ in ready.select():
        connection, _ = key.fileobj.accept()
        connection.sendall(f"{sys.argv[1]} {key.data}".encode())
        connection.close()
"""
CONNECT = """
import socket, sys
try:
    with socket.create_connection((sys.argv[1], int(sys.argv[2])), float(sys.argv[3])) as connection:
        print(connection.recv(99).decode() or "closed")
except TimeoutError:
    print("timeout")
except ConnectionRefusedError:
    print("refused")
except OSError as error:
    print(error.strerror)
"""


@dataclass
class Lab:
    """A cloud host and an edge host on one cable."""

    cloud: NetworkNamespace
    edge: NetworkNamespace

    def nat(self, backend: Backend, *arguments: str) -> None:
        self.cloud.iptables(backend, "-t", "nat", *arguments)

    def divert(self, backend: Backend, to: str, *, chain: str = "OUTPUT", port: int = PORT) -> None:
        """Append what iptables-manager and hand-made scripts write."""
        self.nat(
            backend, "-A", chain, "-p", "tcp", "--dport", str(port), "-j", "DNAT", "--to-destination", to
        )

    def view(self, backend: Backend) -> Ruleset:
        return parse_save(self.cloud.save(backend), backend)

    def says(self, port: int = PORT, *, first: Backend | None = None) -> EffectivePath:
        """What kedoctor concludes from the two views."""
        return effective(self.view("nft"), self.view("legacy"), Packet(EDGE, port), first=first)

    def connect(self, port: int = PORT, *, source: NetworkNamespace | None = None, to: str = EDGE) -> str:
        """What a real connection meets: "HOST PORT" of the listener that answered, or how it failed."""
        return (source or self.cloud).exec_python(CONNECT, to, port, 0.4).strip()

    def mapped_to(self, port: int = PORT) -> str | None:
        """Where connection tracking says that the answer must come from."""
        listed = self.cloud.run(["conntrack", "-L", "-p", "tcp", "--orig-port-dst", str(port)], check=False)
        for line in listed.stdout.splitlines():
            words = line.split()
            sources = [word[4:] for word in words if word.startswith("src=")]
            ports = [word[6:] for word in words if word.startswith("sport=")]
            if len(sources) == 2:
                return f"{sources[1]}:{ports[1]}"
        return None


@pytest.fixture(scope="module", autouse=True)
def host() -> Iterator[None]:
    with host_unchanged():
        yield


@pytest.fixture
def lab() -> Iterator[Lab]:
    with NetworkNamespace() as cloud, NetworkNamespace() as edge:
        cloud.join(edge, f"{CLOUD}/24", f"{EDGE}/24")
        # Unroutable destinations leave the host, as they do on a site with a default route.
        cloud.run(["ip", "route", "add", "default", "via", EDGE])
        cloud.start_python(LISTEN, "cloud", 10000, 10003, 10004, PORT)
        edge.start_python(LISTEN, "edge", 10003, 10355)
        yield Lab(cloud, edge)


def answer_at(outcome: Outcome) -> str:
    return f"{HOLDERS[outcome.address or '']} {outcome.port}"


def tunnel_port_chain(lab: Lab, backend: Backend, to: str = f"{CLOUD}:10003") -> None:
    """As iptables-manager makes it, facts.md §3.4."""
    lab.nat(backend, "-N", "TUNNEL-PORT")
    for hook in ("OUTPUT", "PREROUTING"):
        comment = ("-m", "comment", "--comment", "kubeedge tunnel port")
        lab.nat(backend, "-A", hook, *comment, "-j", "TUNNEL-PORT")
    lab.divert(backend, to, chain="TUNNEL-PORT")


def cluster_ip_chains(lab: Lab, backend: Backend) -> None:
    """As kube-proxy makes them for the Service of cloudcore."""
    for chain in ("KUBE-SERVICES", "KUBE-SVC-A", "KUBE-SEP-B", "KUBE-NODEPORTS"):
        lab.nat(backend, "-N", chain)
    lab.nat(
        backend,
        "-A",
        "OUTPUT",
        "-m",
        "comment",
        "--comment",
        "kubernetes service portals",
        "-j",
        "KUBE-SERVICES",
    )
    service = ("-d", f"{CLUSTER_IP}/32", "-p", "tcp", "--dport", "10003")
    lab.nat(backend, "-A", "KUBE-SERVICES", *service, "-j", "KUBE-SVC-A")
    local = ("-m", "addrtype", "--dst-type", "LOCAL")
    lab.nat(backend, "-A", "KUBE-SERVICES", *local, "-j", "KUBE-NODEPORTS")
    lab.nat(backend, "-A", "KUBE-SVC-A", "-j", "KUBE-SEP-B")
    lab.nat(backend, "-A", "KUBE-SEP-B", "-p", "tcp", "-j", "DNAT", "--to-destination", f"{CLOUD}:10003")


@pytest.mark.parametrize("backend", BACKENDS)
class TestOneBackend:
    """The same rules in either backend, the other one without any table."""

    def test_no_rule(self, lab: Lab, backend: Backend) -> None:
        lab.divert(backend, f"{CLOUD}:10003", port=10350)
        path = lab.says()
        assert path.outcome == Outcome(OutcomeKind.UNCHANGED, EDGE, PORT)
        assert lab.connect() == "refused"
        assert lab.connect(10355) == answer_at(lab.says(10355).outcome)

    @pytest.mark.parametrize("other_backend", [False, True], ids=["alone", "beside-kube-proxy"])
    def test_tunnel_port(self, lab: Lab, backend: Backend, other_backend: bool) -> None:
        if other_backend:
            cluster_ip_chains(lab, "legacy" if backend == "nft" else "nft")
        tunnel_port_chain(lab, backend)
        path = lab.says()
        assert path.outcome == Outcome(OutcomeKind.DNAT, CLOUD, 10003)
        assert path.decided_by is not None
        assert path.decided_by.backend == backend
        assert lab.connect() == answer_at(path.outcome) == "cloud 10003"
        assert lab.mapped_to() == f"{CLOUD}:10003"

    @pytest.mark.parametrize(
        ("to", "met"),
        [
            (f"{CLOUD}:10004", "cloud 10004"),
            (f"{CLOUD}:9999", "refused"),
            (":10003", "edge 10003"),  # a record with an empty address, facts.md §3.4
            (CLOUD, f"cloud {PORT}"),
        ],
    )
    def test_wrong_target(self, lab: Lab, backend: Backend, to: str, met: str) -> None:
        lab.divert(backend, to)
        path = lab.says()
        assert path.certain
        assert lab.connect() == met
        assert met in {"refused", answer_at(path.outcome)}
        assert f"{path.outcome.address}:{path.outcome.port}" == (lab.mapped_to() or f"{CLOUD}:9999")

    def test_the_first_of_two_rules_acts(self, lab: Lab, backend: Backend) -> None:
        lab.divert(backend, f"{CLOUD}:10004")
        lab.divert(backend, f"{CLOUD}:10003")
        assert lab.connect() == answer_at(lab.says().outcome) == "cloud 10004"
        (repetition,) = duplicates(dnat_rules(lab.view(backend)))
        assert repetition.conflicting
        assert [rule.rule.position for rule in repetition.rules] == [1, 2]

    def test_cluster_ip_behind_a_diversion_is_a_black_hole(self, lab: Lab, backend: Backend) -> None:
        cluster_ip_chains(lab, backend)
        lab.divert(backend, f"{CLUSTER_IP}:10003")
        path = lab.says()
        assert path.outcome == Outcome(OutcomeKind.DNAT, CLUSTER_IP, 10003)
        assert lab.connect() == "timeout"
        assert lab.mapped_to() == f"{CLUSTER_IP}:10003"
        # ... although the ClusterIP itself works, which is why curl to it proves nothing.
        direct = effective(lab.view("nft"), lab.view("legacy"), Packet(CLUSTER_IP, 10003))
        assert lab.connect(10003, to=CLUSTER_IP) == answer_at(direct.outcome) == "cloud 10003"

    @pytest.mark.parametrize(
        ("rules", "met"),
        [
            ([["-A", "MINE", "-j", "RETURN"]], "cloud 10003"),
            ([["-A", "MINE", "-p", "tcp", "-j", "ACCEPT"]], "refused"),
            ([["-A", "MINE", "-p", "tcp", "--dport", "10350:10355", "-j", "REDIRECT", "--to-ports", "10004"]], "cloud 10004"),
            ([["-A", "MINE", "-p", "tcp", "-m", "multiport", "--dports", "1,10351", "-j", "REDIRECT"]], f"cloud {PORT}"),
            ([["-A", "MINE", "!", "-d", EDGE, "-p", "tcp", "-j", "REDIRECT", "--to-ports", "10004"]], "cloud 10003"),
            ([["-A", "MINE", "-i", "docker0", "-j", "ACCEPT"]], "cloud 10003"),
            ([["-A", "MINE", "-p", "tcp", "--syn", "-m", "conntrack", "--ctstate", "NEW", "-j", "ACCEPT"]], "refused"),
            ([["-A", "MINE", "-m", "addrtype", "--dst-type", "LOCAL", "-j", "RETURN"]], "cloud 10003"),
            ([["-N", "DEEP"], ["-A", "MINE", "-g", "DEEP"], ["-A", "MINE", "-j", "ACCEPT"]], "cloud 10003"),
            ([["-A", "MINE", "-d", "10.99.0.2/255.255.0.255", "-j", "ACCEPT"]], "refused"),
        ],
    )  # fmt: skip
    def test_a_chain_in_front(self, lab: Lab, backend: Backend, rules: list[list[str]], met: str) -> None:
        lab.nat(backend, "-N", "MINE")
        lab.nat(backend, "-A", "OUTPUT", "-j", "MINE")
        tunnel_port_chain(lab, backend)
        for rule in rules:
            lab.nat(backend, *rule)
        outcome = lab.says().outcome
        assert lab.connect() == met
        assert outcome.kind is (OutcomeKind.UNCHANGED if met == "refused" else outcome.kind)
        assert met in {"refused", answer_at(outcome)}

    def test_prerouting_from_another_host(self, lab: Lab, backend: Backend) -> None:
        tunnel_port_chain(lab, backend)
        views = lab.view("nft"), lab.view("legacy")
        path = effective(*views, Packet(CLOUD, PORT, source=EDGE, in_interface="eth0"), hook="PREROUTING")
        assert lab.connect(source=lab.edge, to=CLOUD) == answer_at(path.outcome) == "cloud 10003"

    def test_notrack_keeps_a_connection_from_nat(self, lab: Lab, backend: Backend) -> None:
        tunnel_port_chain(lab, "nft")
        assert lab.connect() == "cloud 10003"
        lab.cloud.iptables(
            backend, "-t", "raw", "-A", "OUTPUT", "-p", "tcp", "--dport", str(PORT), "-j", "CT", "--notrack"
        )
        assert lab.says().outcome == Outcome(OutcomeKind.UNCHANGED, EDGE, PORT)
        assert lab.connect() == "refused"


NFT: Backend = "nft"
LEGACY: Backend = "legacy"
RESTORE = (
    f"*nat\n:OUTPUT ACCEPT\n-A OUTPUT -p tcp --dport {PORT} -j DNAT --to-destination {CLOUD}:10004\nCOMMIT\n"
)


class TestBothBackends:
    """Who acts first, and what is left for the other one."""

    def first_of(self, lab: Lab) -> Backend:
        """The backend that acts first; nft leads to 10004, legacy to 10003."""
        met = lab.connect()
        assert met in {"cloud 10004", "cloud 10003"}
        first = NFT if met == "cloud 10004" else LEGACY
        known = lab.says(first=first)
        assert answer_at(known.outcome) == met
        assert known.decided_by is not None
        assert known.decided_by.backend == first
        unknown = lab.says()
        assert not unknown.certain
        assert unknown.outcome.kind is OutcomeKind.UNDECIDED
        assert {outcome.port for outcome in unknown.possible} == {10003, 10004}
        assert [doubt.kind for doubt in unknown.doubts] == [DoubtKind.ORDER]
        return first

    def divert_both(self, lab: Lab, *order: Backend) -> None:
        for backend in order:
            lab.divert(backend, f"{CLOUD}:{10004 if backend == NFT else 10003}")

    def test_the_hook_registered_last_acts_first(self, lab: Lab) -> None:
        self.divert_both(lab, NFT, LEGACY)
        assert self.first_of(lab) == LEGACY

    def test_and_the_other_way_round(self, lab: Lab) -> None:
        self.divert_both(lab, LEGACY, NFT)
        assert self.first_of(lab) == NFT

    def test_listing_legacy_registers_it(self, lab: Lab) -> None:
        assert lab.cloud.save(LEGACY) == ""
        assert lab.cloud.run(["cat", "/proc/net/ip_tables_names"]).stdout == ""
        lab.nat(LEGACY, "-S")
        assert lab.cloud.run(["cat", "/proc/net/ip_tables_names"]).stdout == "nat\n"
        self.divert_both(lab, NFT, LEGACY)
        assert self.first_of(lab) == NFT

    def test_flushing_and_partial_restores_keep_the_order(self, lab: Lab) -> None:
        self.divert_both(lab, NFT, LEGACY)
        lab.nat(NFT, "-F", "OUTPUT")
        self.divert_both(lab, NFT)
        assert self.first_of(lab) == LEGACY
        lab.cloud.run(["iptables-nft-restore", "--noflush"], stdin=RESTORE)
        assert self.first_of(lab) == LEGACY

    def test_a_full_nft_restore_puts_nft_in_front_and_legacy_does_not_move(self, lab: Lab) -> None:
        self.divert_both(lab, NFT, LEGACY)
        lab.cloud.run(["iptables-nft-restore"], stdin=RESTORE)
        assert self.first_of(lab) == NFT
        lab.cloud.run(["iptables-legacy-restore"], stdin=lab.cloud.save(LEGACY))
        assert self.first_of(lab) == NFT

    def test_making_the_nft_table_anew_puts_nft_in_front(self, lab: Lab) -> None:
        self.divert_both(lab, NFT, LEGACY)
        lab.cloud.run(["nft", "flush", "ruleset"])
        assert lab.connect() == "cloud 10003"
        self.divert_both(lab, NFT)
        assert self.first_of(lab) == NFT

    @pytest.mark.parametrize(("one", "other"), [(NFT, LEGACY), (LEGACY, NFT)])
    @pytest.mark.parametrize("verdict", ["ACCEPT", "RETURN", "policy"])
    def test_the_second_maps_what_the_first_lets_pass(
        self, lab: Lab, one: Backend, other: Backend, verdict: str
    ) -> None:
        lab.divert(other, f"{CLOUD}:10003")
        port = str(PORT if verdict != "policy" else 1)
        lab.nat(one, "-A", "OUTPUT", "-p", "tcp", "--dport", port, "-j", verdict.replace("policy", "ACCEPT"))
        path = lab.says()
        assert path.decided_by is not None
        assert path.decided_by.backend == other
        assert lab.connect() == answer_at(path.outcome) == "cloud 10003"

    @pytest.mark.parametrize(("one", "other"), [(NFT, LEGACY), (LEGACY, NFT)])
    def test_one_mapping_per_connection_across_backends(self, lab: Lab, one: Backend, other: Backend) -> None:
        cluster_ip_chains(lab, other)
        lab.divert(one, f"{CLUSTER_IP}:10003")
        assert lab.says().outcome == Outcome(OutcomeKind.DNAT, CLUSTER_IP, 10003)
        assert lab.connect() == "timeout"
        assert lab.mapped_to() == f"{CLUSTER_IP}:10003"

    def test_equal_rules_in_both_leave_no_doubt(self, lab: Lab) -> None:
        for backend in BACKENDS:
            lab.divert(backend, f"{CLOUD}:10003")
        assert lab.connect() == answer_at(lab.says().outcome) == "cloud 10003"
        (repetition,) = duplicates(dnat_rules(lab.view(NFT)), dnat_rules(lab.view(LEGACY)))
        assert not repetition.conflicting
        assert [rule.backend for rule in repetition.rules] == [NFT, LEGACY]

    def test_the_rule_that_iptables_does_not_show(self, lab: Lab) -> None:
        """As on the healthy recorded cluster: kube-proxy in nft, the working rule in legacy."""
        cluster_ip_chains(lab, NFT)
        tunnel_port_chain(lab, LEGACY)
        assert "TUNNEL-PORT" not in lab.cloud.iptables(NFT, "-t", "nat", "-S")
        assert lab.connect() == answer_at(lab.says().outcome) == "cloud 10003"
        blind = effective(lab.view(NFT), None, Packet(EDGE, PORT))
        assert not blind.certain
        assert DoubtKind.VIEW in {doubt.kind for doubt in blind.doubts}


UNUSUAL = [
    ["OUTPUT", "-p", "tcp", "-m", "comment", "--comment", 'it\'s "a" \\ b', "-j", "ACCEPT"],
    ["OUTPUT", "-p", "tcp", "--dport", "1", "-m", "comment", "--comment", "-j", "-j", "REDIRECT", "--to-ports", "5-9"],
    ["OUTPUT", "!", "-o", "lo", "-m", "comment", "--comment", "", "-m", "statistic", "--mode", "random",
     "--probability", "0.25", "-j", "RETURN"],
    ["OUTPUT", "-p", "tcp", "--syn", "-m", "mark", "!", "--mark", "1/0xff", "-m", "iprange", "!", "--src-range",
     "10.0.0.1-10.0.0.8", "-j", "LOG", "--log-prefix", "x y"],
    ["PREROUTING", "-i", "eth+", "-s", "10.0.0.1/255.0.255.0", "-j", "MARK", "--or-mark", "5"],
    ["OUTPUT", "-m", "addrtype", "--src-type", "LOCAL", "!", "--dst-type", "UNICAST,LOCAL", "-j", "ACCEPT"],
    ["OUTPUT", "-p", "tcp", "-m", "multiport", "--dports", "10350:10355,11000", "-j", "DNAT",
     "--to-destination", "10.0.0.1-10.0.0.9:10-20", "--random", "--persistent"],
]  # fmt: skip


@pytest.mark.parametrize("backend", BACKENDS)
def test_arguments_are_kept_so_that_iptables_knows_the_rule_again(lab: Lab, backend: Backend) -> None:
    for chain, *arguments in UNUSUAL:
        lab.nat(backend, "-A", chain, *arguments)
    chains = lab.view(backend).tables["nat"].chains.values()
    rules = [rule for chain in chains for rule in chain.rules]
    assert len(rules) == len(UNUSUAL)
    for rule in rules:
        lab.nat(backend, "-D", rule.chain, *rule.arguments)
    assert not any(chain.rules for chain in lab.view(backend).tables["nat"].chains.values())


def test_native_nft_rules_in_the_table_of_iptables_are_noticed(lab: Lab) -> None:
    hook = "type nat hook output priority -100 ;"
    rule = f"tcp dport {{ 1, {PORT} }} dnat to {CLOUD}:10004 ;"
    lab.cloud.run(["nft", f"table ip nat {{ chain OUTPUT {{ {hook} {rule} }} ; }}"])
    path = lab.says()
    assert lab.connect() == "cloud 10004"
    assert not path.certain
    assert [doubt.kind for doubt in path.doubts] == [DoubtKind.TABLE]
