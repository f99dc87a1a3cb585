"""The netfilter rules of one host as both iptables backends show them, and which backend is whose.

Reading must change nothing. A legacy table comes into being when ``iptables-legacy -t nat`` merely lists it, and
from then on the kernel asks a second rule set; so ``iptables-legacy-save`` is run without ``-t`` and only where the
kernel already lists legacy tables in ``/proc/net/ip_tables_names``. The nft tools would load nf_tables into a kernel
that has it as a module and never needed it; where that can be told, they are not run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from kedoctor.api import (
    File,
    Host,
    Identity,
    LogText,
    Reason,
    Record,
    RecordError,
    ToolOutput,
    Unavailable,
    decode,
    fact,
    patterns,
)
from kedoctor.checks.parsers.netfilter import (
    Backend,
    DnatRule,
    EffectivePath,
    Packet,
    Path,
    Ruleset,
    RulesetError,
    TerminalVerdict,
    dnat_rules,
    effective,
    parse_save,
    walk,
)
from kedoctor.checks.parsers.netfilter.ipsets import IpSets, parse_sets
from kedoctor.checks.parsers.netfilter.ruleset import Chain

__all__ = ["BACKENDS", "NatRules", "nat_rules"]

BACKENDS: tuple[Backend, Backend] = ("nft", "legacy")

_NAMES = "/proc/net/ip_tables_names"
_LEGACY_TABLES = ("raw", "mangle", "nat")
_MANAGER_CHAIN = "TUNNEL-PORT"
_PROXY_CHAIN = "KUBE-SERVICES"
_MAPS = patterns.compiled(r"\b(dnat|redirect)\b")
# kube-proxy's own table maps Service addresses and node ports only, never a kubelet port.
_HARMLESS_TABLES = frozenset({"kube-proxy"})


@dataclass(frozen=True, slots=True)
class NatRules:
    """Both views, each of which may be unavailable, and how they were read.

    ``host_backend`` is the backend of the command ``iptables`` on this host (``None``: there is none, or it does
    not say). ``dnat`` are all mapping rules of both views that a connection can reach. ``unseen`` names, by hook,
    NAT chains of native nft tables that map something and that neither view shows. ``sets`` is what rules with ``-m set``
    look into; ``None`` where no rule does, or where that could not be read.
    """

    nft: Ruleset | Unavailable
    legacy: Ruleset | Unavailable
    sources: Mapping[Backend, str] = field(default_factory=dict)
    host_backend: Backend | None = None
    unseen: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    dnat: tuple[DnatRule, ...] = ()
    sets: IpSets | None = None

    def view(self, backend: Backend) -> Ruleset | None:
        """The rules of one backend; ``None`` when they could not be read."""
        found = self.nft if backend == "nft" else self.legacy
        return None if isinstance(found, Unavailable) else found

    @property
    def unreadable(self) -> tuple[Unavailable, ...]:
        """Why a view is missing."""
        return tuple(view for view in (self.nft, self.legacy) if isinstance(view, Unavailable))

    @property
    def manager_backends(self) -> tuple[Backend, ...]:
        """Where iptables-manager keeps its chain TUNNEL-PORT, filled or not (facts.md §3.4)."""
        return self._with_chain(_MANAGER_CHAIN)

    @property
    def proxy_backends(self) -> tuple[Backend, ...]:
        """Where kube-proxy keeps its rules."""
        return self._with_chain(_PROXY_CHAIN)

    def _with_chain(self, chain: str) -> tuple[Backend, ...]:
        views = ((backend, self.view(backend)) for backend in BACKENDS)
        return tuple(
            backend for backend, view in views if view is not None and view.chain("nat", chain) is not None
        )

    def effective(self, packet: Packet, hook: str = "OUTPUT") -> EffectivePath:
        """Where both backends together send a new connection."""
        asked = replace(packet, sets=self.sets)
        return effective(
            self.view("nft"), self.view("legacy"), asked, hook=hook, unseen=self.unseen.get(hook, ())
        )

    def mapping(self, ending: TerminalVerdict) -> DnatRule | None:
        """The mapping rule behind an ending, with its owner; ``None`` when no such rule brings it about."""
        return next(
            (one for one in self.dnat if one.rule == ending.rule and one.backend == ending.backend), None
        )

    def filtered(self, packet: Packet) -> tuple[Path, ...]:
        """The ways through the filter table of each backend that was read, on the way out of this host."""
        views = (self.view(backend) for backend in BACKENDS)
        return tuple(walk(view, "OUTPUT", packet, table="filter") for view in views if view is not None)


@fact
def nat_rules(host: Host) -> NatRules | Unavailable:
    """The rules of both backends; unavailable as a whole when neither could be read."""
    host_backend = _host_backend(host)
    legacy, legacy_source = _legacy(host, host_backend)
    nft, nft_source = _nft(host, host_backend)
    if isinstance(nft, Unavailable) and isinstance(legacy, Unavailable):
        return Unavailable(legacy.reason, "the netfilter rules", f"{nft}; {legacy}")
    views = [view for view in (nft, legacy) if not isinstance(view, Unavailable)]
    return NatRules(
        nft=nft,
        legacy=legacy,
        sources={"nft": nft_source, "legacy": legacy_source},
        host_backend=host_backend,
        unseen=_unseen(host) if nft_source != _NO_NFT else {},
        dnat=tuple(rule for view in views for rule in dnat_rules(view)),
        sets=_sets(host) if any(map(_asks_sets, views)) else None,
    )


def _asks_sets(view: Ruleset) -> bool:
    """Whether a NAT rule looks into a set, as kube-proxy's do in IPVS mode."""
    return any(
        option.module == "set"
        for chain in _nat_chains(view)
        for rule in chain.rules
        for option in rule.matches
    )


def _nat_chains(view: Ruleset) -> Iterable[Chain]:
    table = view.tables.get("nat")
    return () if table is None else table.chains.values()


def _sets(host: Host) -> IpSets | None:
    answer = host.run("ipset", "save")
    return (
        parse_sets(answer.stdout)
        if isinstance(answer, ToolOutput) and not answer.exit_code and not answer.truncated
        else None
    )


def _host_backend(host: Host) -> Backend | None:
    answer = host.run("iptables", "--version")
    if not isinstance(answer, ToolOutput) or answer.exit_code:
        return None
    if "nf_tables" in answer.stdout:
        return "nft"
    # Before 1.8 there was only one iptables, and it did not say which it was.
    return "legacy" if answer.stdout.startswith("iptables v1.") else None


_Read = tuple[Ruleset | Unavailable, str]

# ------------------------------------------------------------------------------------------------ legacy


def _legacy(host: Host, host_backend: Backend | None) -> _Read:
    listed = host.read(_NAMES)
    if isinstance(listed, File):
        names = listed.text().split()
        return (
            _legacy_view(host, names, host_backend) if names else _parsed("", "legacy", f"{_NAMES} is empty")
        )
    if listed.reason is Reason.NOT_RECORDED:
        return _legacy_view(host, (), host_backend)  # a bundle: what it holds was read safely
    if listed.reason is not Reason.ABSENT:
        return listed, _NAMES
    found = host.legacy_table("nat")  # asks the kernel once more, and opens nothing that is not there
    if isinstance(found, LogText):
        return _parsed(found.text, "legacy", "the legacy table nat, read through libiptc")
    return _parsed("", "legacy", "the kernel has no legacy tables")


def _legacy_view(host: Host, names: tuple[str, ...] | list[str], host_backend: Backend | None) -> _Read:
    answer = host.run("iptables-legacy-save")
    if _is_missing(answer) and host_backend == "legacy":
        answer = host.run("iptables-save")
    if not _is_missing(answer):
        return _saved(answer, "legacy")
    texts = []
    for name in _LEGACY_TABLES:
        table = host.legacy_table(name) if name in names else None
        if isinstance(table, Unavailable):
            return table, "libiptc"
        texts.append(table.text if table is not None else "")
    return _parsed("".join(texts), "legacy", "the legacy tables, read through libiptc")


# --------------------------------------------------------------------------------------------------- nft

_NO_NFT = "the kernel has no nf_tables"


def _nft(host: Host, host_backend: Backend | None) -> _Read:
    if _lacks_nf_tables(host):
        return _parsed("", "nft", _NO_NFT)
    answer = host.run("iptables-nft-save")
    if _is_missing(answer) and host_backend == "nft":
        answer = host.run("iptables-save")
    if _is_missing(answer) and not _has_iptables_tables(host):
        return _parsed("", "nft", "nft lists no table of iptables")
    return _saved(answer, "nft")


def _lacks_nf_tables(host: Host) -> bool:
    """Whether the kernel certainly has no nf_tables now: neither loaded nor built in."""
    loaded = host.read("/proc/modules")
    identity = host.identity()
    if not isinstance(loaded, File) or not isinstance(identity, Identity):
        return False
    if patterns.compiled(r"^nf_tables ", patterns.MULTILINE).search(loaded.text()) or loaded.truncated:
        return False
    built_in = host.read(f"/lib/modules/{identity.kernel}/modules.builtin")
    return isinstance(built_in, File) and "/nf_tables.ko" not in built_in.text()


def _has_iptables_tables(host: Host) -> bool:
    answer = host.run("nft", "list", "tables")
    if not isinstance(answer, ToolOutput) or answer.exit_code:
        return True
    return any(f"table ip {name}" in answer.stdout.splitlines() for name in (*_LEGACY_TABLES, "filter"))


# ------------------------------------------------------------------------------------ native nft chains


class _Chain(Record, frozen=True):
    family: str = ""
    table: str = ""
    name: str = ""
    type: str = ""
    hook: str = ""


class _Item(Record, frozen=True):
    chain: _Chain | None = None


class _Listing(Record, frozen=True):
    nftables: tuple[_Item, ...] = ()


def _unseen(host: Host) -> dict[str, tuple[str, ...]]:
    """NAT chains that iptables does not print, by hook, of tables in which something is mapped at all."""
    answer = host.run("nft", "-j", "list", "chains")
    if not isinstance(answer, ToolOutput) or answer.exit_code:
        return {}
    try:
        listing = decode(answer.stdout, _Listing)
    except RecordError:
        return {}
    found: dict[str, tuple[str, ...]] = {}
    for item in listing.nftables:
        chain = item.chain
        if chain is not None and _is_foreign(chain) and _maps(host, chain):
            hook = chain.hook.upper()
            found[hook] = (*found.get(hook, ()), f"{chain.family} {chain.table} {chain.name}")
    return found


def _is_foreign(chain: _Chain) -> bool:
    ours = chain.family == "ip" and chain.table == "nat"
    hooked = chain.type == "nat" and chain.hook in {"output", "prerouting"} and chain.family in {"ip", "inet"}
    return hooked and not ours and chain.table not in _HARMLESS_TABLES


def _maps(host: Host, chain: _Chain) -> bool:
    answer = host.run("nft", "list", "table", chain.family, chain.table)
    if not isinstance(answer, ToolOutput) or answer.exit_code:
        return True
    # Names of hooks and priorities ("priority dstnat") are no statements.
    return bool(_MAPS.search(answer.stdout))


# ---------------------------------------------------------------------------------------------- reading


def _is_missing(answer: ToolOutput | Unavailable) -> bool:
    return isinstance(answer, Unavailable) and answer.reason is Reason.TOOL_MISSING


def _saved(answer: ToolOutput | Unavailable, backend: Backend) -> _Read:
    if isinstance(answer, Unavailable):
        return answer, backend
    source = answer.argv[0].rpartition("/")[2]
    what = f"the {backend} rules ({source})"
    if answer.exit_code:
        refused = patterns.compiled(
            r"permission denied|must be root|not permitted", patterns.IGNORECASE
        ).search(answer.stderr)
        said = (answer.stderr.strip().splitlines() or [f"exit code {answer.exit_code}"])[-1]
        return Unavailable(Reason.PERMISSION if refused else Reason.TOOL_FAILED, what, said), source
    if answer.truncated:
        return Unavailable(Reason.TOO_LARGE, what, "its output is larger than what is kept"), source
    return _parsed(answer.stdout, backend, source)


def _parsed(text: str, backend: Backend, source: str) -> _Read:
    try:
        return parse_save(text, backend), source
    except RulesetError as error:
        return Unavailable(Reason.INVALID, f"the {backend} rules ({source})", str(error)), source
