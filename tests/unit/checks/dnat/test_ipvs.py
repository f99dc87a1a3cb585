"""kube-proxy in IPVS mode: its rules ask sets for every connection, in front of iptables-manager's (facts.md §12.5)."""

from __future__ import annotations

import pytest
from cloud_samples import CLUSTER_IP, manager, record, saved

from kedoctor.api import Host, Reason, ToolOutput, Unavailable
from kedoctor.checks.facts.cloud.nat import NatRules, nat_rules
from kedoctor.checks.parsers.netfilter import OutcomeKind, Packet
from kedoctor.checks.parsers.netfilter.ipsets import IpSet, parse_sets
from kedoctor.model.observations.request import Request
from kedoctor.model.observations.tools import RunTool

EDGE = "10.99.0.2"
IPVS = (
    "OUTPUT -j KUBE-SERVICES",
    "PREROUTING -j KUBE-SERVICES",
    "KUBE-SERVICES -s 127.0.0.0/8 -j RETURN",
    "KUBE-SERVICES -m addrtype --dst-type LOCAL -j KUBE-NODE-PORT",
    "KUBE-SERVICES -m set --match-set KUBE-CLUSTER-IP dst,dst -j ACCEPT",
    "KUBE-NODE-PORT -p tcp -m set --match-set KUBE-NODE-PORT-TCP dst -j RETURN",
)
SETS = f"""create KUBE-CLUSTER-IP hash:ip,port family inet hashsize 1024 maxelem 65536 bucketsize 12 initval 0x1
add KUBE-CLUSTER-IP 10.96.0.1,tcp:443
add KUBE-CLUSTER-IP {CLUSTER_IP},tcp:10003
create KUBE-NODE-PORT-TCP bitmap:port range 0-65535
create ODD list:set size 8
add ODD KUBE-CLUSTER-IP
"""
NAT = saved(*IPVS, *manager(10351)).replace(":RETURN - [0:0]\n", "").replace(":ACCEPT - [0:0]\n", "")


class Answers:
    """A host with kube-proxy in IPVS mode, whose sets can be read or not."""

    def __init__(self, sets: str | None) -> None:
        self.sets, self.asked = sets, list[str]()

    def observe(self, request: Request) -> object:
        if isinstance(request, RunTool):
            self.asked.append(request.tool)
            said = {"iptables-nft-save": NAT, "ipset": self.sets}.get(request.tool)
            if said is not None:
                return ToolOutput((request.tool, *request.arguments), 0, said, "")
        missing = Reason.TOOL_MISSING if isinstance(request, RunTool) else Reason.ABSENT
        return Unavailable(missing, "it", "not there")


def rules(sets: str | None) -> NatRules:
    found = nat_rules(Host(Answers(sets)))
    assert isinstance(found, NatRules)
    return found


def packet(to: str = EDGE, port: int = 10351) -> Packet:
    return Packet(to, port, local_addresses=frozenset({"10.99.0.1"}))


def test_the_rule_behind_the_sets_of_kube_proxy_is_followed() -> None:
    path = rules(SETS).effective(packet())
    assert path.certain
    assert (path.outcome.kind, path.outcome.address, path.outcome.port) == (
        OutcomeKind.DNAT,
        "10.99.0.1",
        10003,
    )


def test_a_service_address_is_in_its_set() -> None:
    path = rules(SETS).effective(packet(CLUSTER_IP, 10003))
    assert path.certain
    assert path.outcome.kind is OutcomeKind.UNCHANGED


def test_sets_that_were_not_read_leave_it_open() -> None:
    path = rules(None).effective(packet())
    assert not path.certain
    assert {one.kind for one in path.possible} == {OutcomeKind.DNAT, OutcomeKind.UNCHANGED}


def test_no_set_is_asked_for_where_no_rule_looks_into_one() -> None:
    class Plain(Answers):
        def observe(self, request: Request) -> object:
            if isinstance(request, RunTool) and request.tool == "iptables-nft-save":
                return ToolOutput((request.tool,), 0, saved(*manager(10351)), "")
            return super().observe(request)

    host = Plain(SETS)
    assert isinstance(nat_rules(Host(host)), NatRules)
    assert "ipset" not in host.asked
    assert record().current == {10351}


@pytest.mark.parametrize(
    ("one", "directions", "expected"),
    [
        (IpSet("hash:ip,port", frozenset({"10.0.0.1,tcp:80"})), ("dst", "dst"), True),
        (IpSet("hash:ip,port", frozenset({"10.0.0.1,udp:80"})), ("dst", "dst"), False),
        (IpSet("hash:ip,port", frozenset({"10.0.0.1,tcp:80"})), ("src", "dst"), None),
        (IpSet("hash:ip", frozenset({"10.0.0.1"})), ("dst",), True),
        (IpSet("bitmap:port", frozenset({"80"})), ("dst",), True),
        (IpSet("hash:ip,port,ip", frozenset({"10.0.0.9,tcp:80,10.0.0.9"})), ("dst", "dst", "src"), False),
        (IpSet("", frozenset({"10.0.0.0/8"})), ("dst",), None),
        (IpSet(""), ("dst",), False),
    ],
)
def test_what_a_set_holds(one: IpSet, directions: tuple[str, ...], expected: bool | None) -> None:
    assert one.holds(directions, "10.0.0.1", 80) is expected


def test_ranges_and_exceptions_are_left_open() -> None:
    sets = parse_sets(
        "create A hash:net family inet\nadd A 10.0.0.0/8\ncreate B hash:ip\nadd B 10.0.0.1 nomatch\n"
    )
    assert [one.kind for one in sets.items.values()] == ["", ""]
