"""The shape of one iptables view: tables, chains, rules and where a mapping rule leads.

Made by :func:`kedoctor.checks.parsers.netfilter.parse.parse_save`, read by everything that judges netfilter.
Nothing here looks at a packet; that is :mod:`kedoctor.checks.parsers.netfilter.match`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import Literal

from kedoctor.api import patterns

Backend = Literal["nft", "legacy"]
"""Which of the two kernel interfaces a view was read from."""

# Nothing longer than nine digits is a port or an octet, and int() refuses absurd lengths.
_NUMBER = patterns.compiled(r"[0-9]{1,9}")
_DESTINATION = patterns.compiled(
    r"(?P<addresses>[0-9.]*(?:-[0-9.]+)?)(?::(?P<ports>[0-9]+(?:-[0-9]+)?)(?:/[0-9]+)?)?"
)


@lru_cache(maxsize=4096)
def ipv4(text: str) -> int | None:
    """The 32-bit number of a dotted IPv4 address, or None when the text is not one."""
    parts = text.split(".")
    if len(parts) != 4:
        return None
    number = 0
    for part in parts:
        octet = small_number(part)
        if octet is None or octet > 255:
            return None
        number = number << 8 | octet
    return number


@lru_cache(maxsize=4096)
def ipv4_network(text: str) -> tuple[int, int] | None:
    """Address and mask of ``10.0.0.0/8``, ``10.0.0.1`` or ``10.0.0.0/255.0.255.0``, or None."""
    head, slash, tail = text.partition("/")
    address = ipv4(head)
    if address is None:
        return None
    if not slash:
        return address, 0xFFFFFFFF
    length = small_number(tail)
    if length is not None and length <= 32:
        return address, 0xFFFFFFFF << (32 - length) & 0xFFFFFFFF
    mask = ipv4(tail)
    return None if mask is None else (address, mask)


def small_number(text: str) -> int | None:
    """The number written by at most nine ASCII digits, or None."""
    return int(text) if _NUMBER.fullmatch(text) else None


def port_range(text: str, separator: str) -> tuple[int, int] | None:
    """First and last port of ``10351`` or ``10350:10355`` (``separator`` ":" or "-"), or None.

    An open end, as in ``1024:``, reaches to the end of all ports.
    """
    head, found, tail = text.partition(separator)
    if not head and not tail:
        return None
    if not found:
        tail = head
    first, last = small_number(head or "0"), small_number(tail or "65535")
    if first is None or last is None or last > 65535:
        return None
    return first, last


@dataclass(frozen=True, slots=True)
class Option:
    """One condition or target argument of a rule, as printed.

    ``module`` is "" for what iptables has built in (``-p -s -d -i -o -f``). ``-m NAME`` without an option
    of its own is an option with an empty ``name``: a module can match by being there at all.
    """

    module: str
    name: str
    values: tuple[str, ...] = ()
    negated: bool = False

    def __str__(self) -> str:
        """The option the way iptables-save prints it."""
        module = f"-m {self.module} " if self.module else ""
        flag = "! " if self.negated else ""
        return f"{module}{flag}{' '.join((self.name, *self.values))}".strip()


@dataclass(frozen=True, slots=True)
class Destination:
    """Where DNAT, REDIRECT or NETMAP leads, as far as the rule fixes it.

    ``address`` None: the packet keeps its address (``--to-destination :10003``, facts.md §3.4) or, for
    REDIRECT, gets one of this host. ``port`` None: the port is kept. A ``last_...`` value marks a range
    out of which the kernel chooses.
    """

    text: str
    address: str | None = None
    last_address: str | None = None
    port: int | None = None
    last_port: int | None = None

    @property
    def is_range(self) -> bool:
        """Whether the kernel is free to choose between several addresses or ports."""
        return self.last_address is not None or self.last_port is not None


@dataclass(frozen=True, slots=True)
class Target:
    """What a rule does: ``name`` is an extension (DNAT, RETURN, ...) or a chain of the same table."""

    name: str
    goto: bool = False
    options: tuple[Option, ...] = ()

    def values(self, *names: str) -> tuple[str, ...] | None:
        """The values of the first target option with one of these names, or None."""
        return next((option.values for option in self.options if option.name in names), None)

    @property
    def destination(self) -> Destination | None:
        """Where a DNAT, REDIRECT or NETMAP target leads; None for other targets and for unread forms."""
        if self.name == "DNAT":
            return _dnat_destination(self.values("--to-destination", "--to"))
        if self.name == "REDIRECT":
            return _redirect_destination(self.values("--to-ports", "--to-port"))
        if self.name == "NETMAP":
            return _netmap_destination(self.values("--to"))
        return None


def _dnat_destination(values: tuple[str, ...] | None) -> Destination | None:
    if not values or len(values) != 1:
        return None
    found = _DESTINATION.fullmatch(values[0])
    if found is None or not values[0]:
        return None
    first, _, last = found["addresses"].partition("-")
    if any(part and ipv4(part) is None for part in (first, last)):
        return None
    ports = found["ports"]
    span = port_range(ports, "-") if ports else None
    if ports and span is None:
        return None
    port, last_port = span or (None, None)
    return Destination(
        text=values[0],
        address=first or None,
        last_address=last if last and last != first else None,
        port=port,
        last_port=last_port if last_port != port else None,
    )


def _redirect_destination(values: tuple[str, ...] | None) -> Destination | None:
    if values is None:
        return Destination(text="")
    span = port_range(values[0], "-") if len(values) == 1 else None
    if span is None:
        return None
    return Destination(text=values[0], port=span[0], last_port=span[1] if span[1] != span[0] else None)


def _netmap_destination(values: tuple[str, ...] | None) -> Destination | None:
    # The address depends on the packet, so only a single-host map can be named here.
    network = ipv4_network(values[0]) if values and len(values) == 1 else None
    if not values or network is None or network[1] != 0xFFFFFFFF:
        return None
    return Destination(text=values[0], address=values[0].partition("/")[0])


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. ``iptables -t TABLE -D CHAIN *arguments`` removes exactly this one's like."""

    chain: str
    position: int
    """Counted from 1, as in ``iptables -D CHAIN NUMBER``."""
    text: str
    """The line as printed, from ``-A`` on."""
    arguments: tuple[str, ...]
    """Everything after ``-A CHAIN``, unquoted, in order."""
    matches: tuple[Option, ...]
    target: Target | None
    packets: int | None = None
    octets: int | None = None

    @property
    def comment(self) -> str | None:
        """The text of ``-m comment``, or None."""
        for option in self.matches:
            if option.module == "comment" and option.name == "--comment":
                return option.values[0] if option.values else ""
        return None


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain. ``policy`` is None for a user's chain; ``packets`` count what met the policy."""

    name: str
    policy: str | None
    rules: tuple[Rule, ...] = ()
    packets: int | None = None
    octets: int | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """One table with its chains in the printed order."""

    name: str
    chains: Mapping[str, Chain] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Ruleset:
    """Everything one backend showed.

    ``unreadable`` names tables that are in the kernel but not, or not wholly, in the text: the nft tools
    print a remark instead of rules they cannot express. No conclusion about such a table is certain.
    ``notes`` are the remarks themselves and other warnings.
    """

    backend: Backend
    tables: Mapping[str, Table] = field(default_factory=lambda: MappingProxyType({}))
    notes: tuple[str, ...] = ()
    unreadable: frozenset[str] = frozenset()

    def chain(self, table: str, chain: str) -> Chain | None:
        """That chain, or None when the table or the chain does not exist in this view."""
        found = self.tables.get(table)
        return None if found is None else found.chains.get(chain)
