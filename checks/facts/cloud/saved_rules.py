"""Packet filter rules that come back at boot: saved tables, and the units that load them (facts.md §9 (10))."""

from __future__ import annotations

from dataclasses import dataclass

from kedoctor.api import File, Host, Reason, Unavailable, Unit, fact
from kedoctor.checks.parsers.netfilter import DnatRule, Ruleset, RulesetError, dnat_rules, parse_save

__all__ = ["SAVED_PLACES", "SavedRules", "SavedTable", "saved_rules"]

SAVED_PLACES = {
    "/etc/iptables/rules.v4": "netfilter-persistent.service",
    "/etc/sysconfig/iptables": "iptables.service",
}
"""Files in ``iptables-save`` syntax, and the unit that loads each at boot (Debian, Red Hat)."""


@dataclass(frozen=True, slots=True)
class SavedTable:
    """One saved file; ``loaded`` is whether its unit is enabled (``None``: not known)."""

    path: str
    ruleset: Ruleset
    loaded: bool | None

    @property
    def dnat(self) -> tuple[DnatRule, ...]:
        """Its mapping rules."""
        return dnat_rules(self.ruleset)

    @property
    def holds_kube_proxy(self) -> bool:
        """Whether whole tables were saved, those of kube-proxy among them."""
        return self.ruleset.chain("nat", "KUBE-SERVICES") is not None


@dataclass(frozen=True, slots=True)
class SavedRules:
    """The saved files that are there; ``unread`` are those of which nothing is known."""

    tables: tuple[SavedTable, ...] = ()
    unread: tuple[Unavailable, ...] = ()


@fact
def saved_rules(host: Host) -> SavedRules:
    """Reads the two usual places; a file that is not there is simply not listed."""
    tables: list[SavedTable] = []
    unread: list[Unavailable] = []
    for path, unit in SAVED_PLACES.items():
        file = host.read(path)
        if isinstance(file, Unavailable):
            if file.reason is not Reason.ABSENT:
                unread.append(file)
            continue
        found = _parsed(path, file)
        if isinstance(found, Unavailable):
            unread.append(found)
        else:
            tables.append(SavedTable(path, found, _enabled(host, unit)))
    return SavedRules(tuple(tables), tuple(unread))


def _parsed(path: str, file: File) -> Ruleset | Unavailable:
    if file.truncated:
        return Unavailable(Reason.TOO_LARGE, path, "it is larger than 1 MiB")
    try:
        return parse_save(file.text(), "nft")
    except RulesetError as error:
        return Unavailable(Reason.INVALID, path, str(error))


def _enabled(host: Host, name: str) -> bool | None:
    unit = host.unit(name)
    return unit.unit_file_state.startswith("enabled") if isinstance(unit, Unit) else None
