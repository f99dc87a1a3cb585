"""What a firewall of a cloud host does with connections to cloudcore's ports: iptables, native nft, firewalld."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from kedoctor.api import Host, Record, RecordError, ToolOutput, Unavailable, Unit, decode, fact, patterns
from kedoctor.checks.facts.cloud.cloud_host import HostAddresses
from kedoctor.checks.facts.cloud.cloudcore import CloudcoreConfig
from kedoctor.checks.facts.cloud.nat import BACKENDS, NatRules
from kedoctor.checks.parsers.host_port import is_loopback
from kedoctor.checks.parsers.netfilter import OutcomeKind, Packet, walk

__all__ = ["CloudFirewall", "FilterVerdict", "FirewalldZone", "cloud_firewall", "parse_zone"]

_PORTS = {
    "modules.cloudHub.websocket.port": 10000,
    "modules.cloudHub.https.port": 10002,
    "modules.cloudStream.tunnelPort": 10004,
}
_MOST_TABLES = 10
_STOPS = patterns.compiled(r"\b(drop|reject)\b")
_KNOWN_TABLES = frozenset({"filter", "nat", "mangle", "raw", "security", "firewalld", "kube-proxy"})


@dataclass(frozen=True, slots=True)
class FilterVerdict:
    """What the iptables rules do with a new connection to one port: ``closed``, ``open`` or ``depends``; and the rule."""

    port: int
    kind: str
    backend: str = ""
    rule: str = ""


@dataclass(frozen=True, slots=True)
class FirewalldZone:
    """One active zone of firewalld; ``ports`` are (first, last) of TCP."""

    name: str
    target: str
    interfaces: tuple[str, ...]
    ports: tuple[tuple[int, int], ...]
    rich: bool

    def admits(self, port: int) -> bool | None:
        """Whether it lets everybody reach a port; ``None`` where rich rules or services may."""
        if self.target == "ACCEPT" or any(first <= port <= last for first, last in self.ports):
            return True
        return None if self.rich else False


@dataclass(frozen=True, slots=True)
class CloudFirewall:
    """Per port what iptables does, the zone of firewalld that the default route's interface is in, and foreign tables.

    ``native`` are tables of native nft that drop something and were not followed.
    """

    verdicts: tuple[FilterVerdict, ...]
    zone: FirewalldZone | None = None
    native: tuple[str, ...] = ()


@fact
def cloud_firewall(
    host: Host, rules: NatRules, addresses: HostAddresses, config: CloudcoreConfig | Unavailable
) -> CloudFirewall | Unavailable:
    """Follows filter INPUT of both backends for the three ports that edges dial, from an address not known."""
    ports = _ports(config)
    destination = _own_address(addresses)
    verdicts = tuple(
        _walked(
            rules,
            Packet(
                destination,
                port,
                in_interface=addresses.addresses.default_interface or None,
                local_addresses=addresses.ipv4,
            ),
            port,
        )
        for port in ports
    )
    return CloudFirewall(verdicts, _firewalld(host, addresses), tuple(_native(host)))


def _ports(config: CloudcoreConfig | Unavailable) -> tuple[int, ...]:
    if isinstance(config, Unavailable):
        return tuple(_PORTS.values())
    return tuple(config.port(key) or default for key, default in _PORTS.items())


def _own_address(addresses: HostAddresses) -> str:
    own = [
        one for one in addresses.addresses.items if ":" not in one.address and not is_loopback(one.address)
    ]
    first = [one for one in own if one.interface == addresses.addresses.default_interface]
    return next((one.address for one in (*first, *own)), "127.0.0.1")


def _walked(rules: NatRules, packet: Packet, port: int) -> FilterVerdict:
    """The strictest of both backends: a connection has to pass both."""
    found = []
    for backend in BACKENDS:
        view = rules.view(backend)
        if view is None:
            continue
        path = walk(view, "INPUT", packet, table="filter")
        kinds = {outcome.kind for outcome, _ in path.possible}
        if kinds == {OutcomeKind.DROPPED}:
            rule = path.possible[0][1]
            return FilterVerdict(
                port, "closed", backend, rule.text if rule is not None else "the policy of INPUT"
            )
        if OutcomeKind.DROPPED in kinds or OutcomeKind.UNDECIDED in kinds:
            stops = next(
                (rule for outcome, rule in path.possible if outcome.kind is OutcomeKind.DROPPED and rule),
                None,
            )
            found.append(
                FilterVerdict(
                    port, "depends", backend, stops.text if stops is not None else "the policy of INPUT"
                )
            )
    return found[0] if found else FilterVerdict(port, "open")


# ------------------------------------------------------------------------------------------------- firewalld


def _firewalld(host: Host, addresses: HostAddresses) -> FirewalldZone | None:
    unit = host.unit("firewalld.service")
    if not isinstance(unit, Unit) or unit.active_state != "active":
        return None
    interface = addresses.addresses.default_interface
    for arguments in (("--get-zone-of-interface", interface) if interface else (), ("--get-default-zone",)):
        said = host.run("firewall-cmd", "=".join(arguments), timeout=5.0) if arguments else None
        if isinstance(said, ToolOutput) and not said.exit_code and said.stdout.strip():
            listed = host.run("firewall-cmd", f"--zone={said.stdout.strip()}", "--list-all", timeout=5.0)
            return (
                parse_zone(listed.stdout) if isinstance(listed, ToolOutput) and not listed.exit_code else None
            )
    return None


def parse_zone(text: str) -> FirewalldZone | None:
    """A zone as ``firewall-cmd --list-all`` prints it."""
    lines = text.splitlines()
    if not lines:
        return None
    fields: Mapping[str, str] = {
        name.strip(): value.strip()
        for name, colon, value in (line.partition(":") for line in lines[1:])
        if colon
    }
    rich = any(line.strip().startswith("rule ") for line in lines) or bool(fields.get("forward-ports"))
    # A service may stand for any port; only ssh and DHCP are sure not to.
    services = set(fields.get("services", "").split()) - {
        "ssh",
        "dhcpv6-client",
        "cockpit",
        "mdns",
        "samba-client",
    }
    return FirewalldZone(
        lines[0].split()[0],
        fields.get("target", "default"),
        tuple(fields.get("interfaces", "").split()),
        tuple(_ranges(fields.get("ports", ""))),
        rich or bool(services),
    )


def _ranges(text: str) -> Iterator[tuple[int, int]]:
    for word in text.split():
        ports, _, protocol = word.partition("/")
        first, _, last = ports.partition("-")
        if protocol == "tcp" and first.isdigit():
            yield int(first), int(last) if last.isdigit() else int(first)


# ----------------------------------------------------------------------------------------------- native nft


class _Chain(Record, frozen=True):
    family: str = ""
    table: str = ""
    type: str = ""
    hook: str = ""
    policy: str = ""


class _Item(Record, frozen=True):
    chain: _Chain | None = None


class _Listing(Record, frozen=True):
    nftables: tuple[_Item, ...] = ()


def _native(host: Host) -> Iterator[str]:
    """Tables of native nft with a filter at INPUT that drops something."""
    answer = host.run("nft", "-j", "list", "chains")
    if not isinstance(answer, ToolOutput) or answer.exit_code:
        return
    try:
        listing = decode(answer.stdout, _Listing)
    except RecordError:
        return
    chains = [one.chain for one in listing.nftables if one.chain is not None and one.chain.hook == "input"]
    foreign = [one for one in chains if one.type == "filter" and one.table not in _KNOWN_TABLES]
    for family, table in dict.fromkeys((one.family, one.table) for one in foreign[:_MOST_TABLES]):
        listed = host.run("nft", "list", "table", family, table)
        if not isinstance(listed, ToolOutput) or listed.exit_code or _STOPS.search(listed.stdout):
            yield f"{family} {table}"
