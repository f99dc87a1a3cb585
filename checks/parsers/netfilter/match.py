"""Whether a rule matches a new TCP connection: yes, no, or cannot be told from the text alone."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum

from kedoctor.checks.parsers.netfilter.ipsets import IpSets
from kedoctor.checks.parsers.netfilter.ruleset import (
    Option,
    Rule,
    Target,
    ipv4,
    ipv4_network,
    port_range,
)


class Answer(Enum):
    """Does it match? ``MAYBE`` is an answer too: sets, marks, probabilities, owners, unknown modules."""

    NO = 0
    MAYBE = 1
    YES = 2

    def inverted(self) -> "Answer":
        """The answer of the same condition behind ``!``."""
        return Answer(2 - self.value)


@dataclass(frozen=True, slots=True)
class Packet:
    """The first packet (SYN) of a new IPv4 TCP connection, as far as it is known.

    None means unknown. An interface "" means that there is none at this point: a packet made on this host
    has no input interface. ``local_addresses`` are all IPv4 addresses of this host, ``sets`` what its rules look into.

    Raises:
        ValueError: the destination is not an IPv4 address; iptables has no say about IPv6.
    """

    destination: str
    port: int
    source: str | None = None
    source_port: int | None = None
    in_interface: str | None = None
    out_interface: str | None = None
    local_addresses: frozenset[str] | None = None
    sets: IpSets | None = None

    def __post_init__(self) -> None:
        if ipv4(self.destination) is None:
            raise ValueError(f"not an IPv4 address: {self.destination!r}")

    def at_hook(self, hook: str) -> "Packet":
        """The packet with the interfaces that cannot exist at this hook set to "" (none)."""
        if hook in {"OUTPUT", "POSTROUTING"}:
            return replace(self, in_interface="")
        if hook in {"PREROUTING", "INPUT"}:
            return replace(self, out_interface="")
        return self


def rule_answer(rule: Rule, packet: Packet) -> tuple[Answer, tuple[Option, ...]]:
    """Whether all conditions of the rule hold, and for MAYBE the conditions that cannot be decided."""
    doubtful = []
    for option in rule.matches:
        answer = option_answer(option, packet)
        if answer is Answer.NO:
            return Answer.NO, ()
        if answer is Answer.MAYBE:
            doubtful.append(option)
    return (Answer.MAYBE, tuple(doubtful)) if doubtful else (Answer.YES, ())


def option_answer(option: Option, packet: Packet) -> Answer:
    """Whether one condition holds, ``!`` included."""
    if not option.name:
        return Answer.YES if option.module in _NEUTRAL_MODULES else Answer.MAYBE
    decide = _DECIDERS.get((option.module, option.name))
    if decide is None:
        return Answer.MAYBE
    answer = decide(option.values, packet)
    return answer.inverted() if option.negated else answer


def is_untracked(target: Target) -> bool:
    """Whether this target takes the connection out of connection tracking, and so out of NAT."""
    return target.name == "NOTRACK" or (target.name == "CT" and target.values("--notrack") is not None)


def _known(condition: bool) -> Answer:
    return Answer.YES if condition else Answer.NO


def _in_network(values: tuple[str, ...], address: str | None) -> Answer:
    network = ipv4_network(values[0]) if len(values) == 1 else None
    number = ipv4(address) if address is not None else None
    if network is None or (number is None and network[1]):
        return Answer.MAYBE
    return _known((number or 0) & network[1] == network[0] & network[1])


def _in_addresses(values: tuple[str, ...], address: str | None) -> Answer:
    first, _, last = values[0].partition("-") if len(values) == 1 else ("", "", "")
    low, high = ipv4(first), ipv4(last or first)
    number = ipv4(address) if address is not None else None
    if low is None or high is None or number is None:
        return Answer.MAYBE
    return _known(low <= number <= high)


def _in_ports(values: tuple[str, ...], *ports: int | None) -> Answer:
    """Whether any of the ports lies in any of the ranges ``1,2:5``."""
    spans = [port_range(part, ":") for part in values[0].split(",")] if len(values) == 1 else [None]
    answers = [_in_span(span, port) for span in spans for port in ports]
    return max(answers, key=lambda answer: answer.value)


def _in_span(span: tuple[int, int] | None, port: int | None) -> Answer:
    if span is None:
        return Answer.MAYBE
    if port is None:
        return Answer.YES if span == (0, 65535) else Answer.MAYBE
    return _known(span[0] <= port <= span[1])


def _protocol(values: tuple[str, ...], _packet: Packet) -> Answer:
    name = values[0].lower() if len(values) == 1 else ""
    if not name:
        return Answer.MAYBE
    return _known(name in {"tcp", "all", "6", "0"})


def _interface(values: tuple[str, ...], interface: str | None) -> Answer:
    pattern = values[0] if len(values) == 1 else ""
    if pattern == "+":
        return Answer.YES
    if interface is None or not pattern:
        return Answer.MAYBE
    if pattern.endswith("+"):
        return _known(bool(interface) and interface.startswith(pattern[:-1]))
    return _known(interface == pattern)


def _tcp_flags(values: tuple[str, ...], _packet: Packet) -> Answer:
    if len(values) != 2:
        return Answer.MAYBE
    mask, wanted = (set(value.split(",")) - {"NONE"} for value in values)
    return _known(({"SYN"} if mask & {"SYN", "ALL"} else set()) == wanted)


def _connection_state(values: tuple[str, ...], _packet: Packet) -> Answer:
    states = set(values[0].split(",")) if len(values) == 1 else set()
    if "NEW" in states:
        return Answer.YES
    # DNAT and SNAT are virtual states that a new connection has or has not, by what happened before.
    return Answer.MAYBE if not states or states & {"DNAT", "SNAT"} else Answer.NO


def _address_type(values: tuple[str, ...], address: str | None, local: frozenset[str] | None) -> Answer:
    types = values[0].split(",") if len(values) == 1 else [""]
    answers = [_one_address_type(name, address, local) for name in types]
    return max(answers, key=lambda answer: answer.value)


def _in_set(values: tuple[str, ...], packet: Packet) -> Answer:
    """Whether the connection is in the named set; not known where its contents were not read."""
    if len(values) != 2 or packet.sets is None or values[0] not in packet.sets.items:
        return Answer.MAYBE
    found = packet.sets.items[values[0]].holds(tuple(values[1].split(",")), packet.destination, packet.port)
    return Answer.MAYBE if found is None else _known(found)


def _one_address_type(name: str, address: str | None, local: frozenset[str] | None) -> Answer:
    number = ipv4(address) if address is not None else None
    if number is None:
        return Answer.MAYBE
    loopback, multicast = number >> 24 == 127, number >> 28 == 0xE
    if name == "LOCAL":
        if loopback or multicast or local is not None:
            return _known(loopback or (local is not None and address in local))
        return Answer.MAYBE
    if name == "MULTICAST":
        return _known(multicast)
    # Everything else depends on the routing table (broadcast, blackhole, ...).
    return Answer.NO if loopback or multicast else Answer.MAYBE


_NEUTRAL_MODULES = frozenset(
    {"tcp", "multiport", "comment", "addrtype", "conntrack", "state", "iprange", "mark"}
)
"""Modules that say nothing without an option of their own."""

_Decider = Callable[[tuple[str, ...], Packet], Answer]

_TCP: dict[str, _Decider] = {
    "--dport": lambda values, packet: _in_ports(values, packet.port),
    "--sport": lambda values, packet: _in_ports(values, packet.source_port),
    "--tcp-flags": _tcp_flags,
    "--syn": lambda values, _: _known(not values),
}

_DECIDERS: dict[tuple[str, str], _Decider] = {
    ("", "-p"): _protocol,
    ("", "-s"): lambda values, packet: _in_network(values, packet.source),
    ("", "-d"): lambda values, packet: _in_network(values, packet.destination),
    ("", "-i"): lambda values, packet: _interface(values, packet.in_interface),
    ("", "-o"): lambda values, packet: _interface(values, packet.out_interface),
    ("", "-f"): lambda _values, _packet: Answer.NO,
    ("comment", "--comment"): lambda _values, _packet: Answer.YES,
    ("multiport", "--dports"): lambda values, packet: _in_ports(values, packet.port),
    ("multiport", "--sports"): lambda values, packet: _in_ports(values, packet.source_port),
    ("multiport", "--ports"): lambda values, packet: _in_ports(values, packet.port, packet.source_port),
    ("iprange", "--src-range"): lambda values, packet: _in_addresses(values, packet.source),
    ("iprange", "--dst-range"): lambda values, packet: _in_addresses(values, packet.destination),
    ("conntrack", "--ctstate"): _connection_state,
    ("set", "--match-set"): _in_set,
    ("state", "--state"): _connection_state,
    ("addrtype", "--src-type"): lambda values, packet: _address_type(
        values, packet.source, packet.local_addresses
    ),
    ("addrtype", "--dst-type"): lambda values, packet: _address_type(
        values, packet.destination, packet.local_addresses
    ),
}
_DECIDERS |= {(module, name): decide for module in ("", "tcp") for name, decide in _TCP.items()}
