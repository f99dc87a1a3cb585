"""Sets of addresses and ports that rules look into (``-m set``), as ``ipset save`` prints them.

kube-proxy in IPVS mode asks such sets for every connection, in front of iptables-manager's rule (facts.md §12.5).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["IpSet", "IpSets", "parse_sets"]

_READABLE = frozenset({"hash:ip,port", "hash:ip", "bitmap:port", "hash:ip,port,ip"})


@dataclass(frozen=True, slots=True)
class IpSet:
    """One set: its type and its entries as printed, without their options."""

    kind: str
    entries: frozenset[str] = frozenset()

    def holds(self, directions: tuple[str, ...], destination: str, port: int) -> bool | None:
        """Whether a new TCP connection to ``destination:port`` is in it; ``None`` where that cannot be told from this."""
        if not self.entries:
            return False
        if self.kind == "hash:ip,port" and directions == ("dst", "dst"):
            return bool(self.entries & {f"{destination},tcp:{port}", f"{destination},{port}"})
        if self.kind == "hash:ip" and directions == ("dst",):
            return destination in self.entries
        if self.kind == "bitmap:port" and directions == ("dst",):
            return str(port) in self.entries
        if self.kind == "hash:ip,port,ip" and directions[:2] == ("dst", "dst"):
            known = any(one.startswith(f"{destination},tcp:{port},") for one in self.entries)
            return None if known else False
        return None


@dataclass(frozen=True, slots=True)
class IpSets:
    """All sets by name."""

    items: Mapping[str, IpSet] = field(default_factory=dict)


def parse_sets(text: str) -> IpSets:
    """The sets of ``ipset save``; one of a type that is not known here can decide nothing."""
    kinds: dict[str, str] = {}
    entries: dict[str, set[str]] = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 3 and words[0] == "create":
            kinds[words[1]] = words[2]
        elif len(words) >= 3 and words[0] == "add":
            # "nomatch" turns an entry round, a range stands for many: such a set is left undecided.
            odd = "nomatch" in words[3:] or "-" in words[2] or "/" in words[2]
            entries.setdefault(words[1], set()).add("?" if odd else words[2])
    return IpSets(
        {
            name: IpSet(
                kind if kind in _READABLE and "?" not in entries.get(name, ()) else "",
                frozenset(entries.get(name, ())),
            )
            for name, kind in kinds.items()
        }
    )
