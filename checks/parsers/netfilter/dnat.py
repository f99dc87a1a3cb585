"""Which DNAT and REDIRECT rules a view holds, whose they are, and which of them repeat each other."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from kedoctor.api import patterns
from kedoctor.checks.parsers.netfilter.ruleset import Backend, Destination, Option, Rule, Ruleset, port_range

HOOKS = ("OUTPUT", "PREROUTING")
"""The nat chains a connection to an edge node can start in: from this host, from a pod or another host."""

OWNERS: tuple[tuple[str, str], ...] = (
    (r"TUNNEL-PORT", "iptables-manager"),  # facts.md §3.4
    (r"KEDOCTOR(-.*)?", "kedoctor"),
    (r"(EDGEMESH|EDGE-MESH)(-.*)?", "edgemesh"),
    # Userspace kube-proxy and EdgeMesh, which is a fork of it, share these two names.
    (r"KUBE-(PORTALS|NODEPORT)-(HOST|CONTAINER)", "kube-proxy or edgemesh"),
    (r"KUBE-(ROUTER|NWPLCY|POD-FW)(-.*)?", "kube-router"),
    (r"KUBE-.*", "kube-proxy"),
    (r"CNI-.*", "cni"),
    (r"FLANNEL-.*", "flannel"),
    (r"cali-.*|CALI-.*", "calico"),
    (r"(OLD_)?CILIUM_.*", "cilium"),
    (r"ANTREA-.*", "antrea"),
    (r"WEAVE(-.*)?", "weave"),
    (r"DOCKER(-.*)?|DOCKER_.*", "docker"),
    (r"NETAVARK(-|_).*|PODMAN.*", "podman"),
    (r"ISTIO_.*|KUMA_.*|PROXY_INIT_.*", "service mesh"),
    (r"LIBVIRT_.*", "libvirt"),
    (r"ufw6?-.*", "ufw"),
    (
        r"(nat_)?(PRE|POST|IN|FWDI|FWDO|FWD)_.*|(OUTPUT|PREROUTING|POSTROUTING)_(direct|ZONES.*|POLICIES.*)",
        "firewalld",
    ),
)
"""Chain names and who writes them. Rules in other chains, and in the hooks' own, were made by hand."""

_OWNERS = tuple((patterns.compiled(pattern), owner) for pattern, owner in OWNERS)


def owner_of(chain: str) -> str | None:
    """Who writes this chain, or None when nobody is known to."""
    return next((owner for pattern, owner in _OWNERS if pattern.fullmatch(chain)), None)


@dataclass(frozen=True, slots=True)
class DnatRule:
    """A DNAT or REDIRECT rule that a connection can reach from nat OUTPUT or PREROUTING.

    ``hooks`` says from which. ``ports`` are the destination ports it asks for as (first, last), empty for
    any port. ``destination`` is None when the target's form is unknown. ``conditions`` are its own and
    those of the jumps that lead to it, comments left out. ``owner`` is None for a hand-made rule.
    """

    backend: Backend
    rule: Rule
    hooks: tuple[str, ...]
    ports: tuple[tuple[int, int], ...]
    destination: Destination | None
    conditions: frozenset[Option]
    owner: str | None

    @property
    def hand_made(self) -> bool:
        """Whether no known program writes the chain it stands in."""
        return self.owner is None

    @property
    def redirect(self) -> bool:
        """Whether it leads to this host itself (REDIRECT)."""
        return self.rule.target is not None and self.rule.target.name == "REDIRECT"

    def asks_for(self, port: int) -> bool:
        """Whether it names this destination port; False for a rule that takes every port."""
        return any(first <= port <= last for first, last in self.ports)


@dataclass(frozen=True, slots=True)
class Repetition:
    """Rules that catch the same connections. The first acts, the others never do.

    Across the two backends the first of the tuple is only the first listed; which one acts there is the
    kernel's matter (see :mod:`kedoctor.checks.parsers.netfilter`). ``conflicting``: they lead to different places.
    """

    rules: tuple[DnatRule, ...]
    conflicting: bool


def dnat_rules(ruleset: Ruleset) -> tuple[DnatRule, ...]:
    """All DNAT, REDIRECT and NETMAP rules reachable from nat OUTPUT, then those only from PREROUTING.

    In the order in which a connection meets them; conditions of jumps are collected, not judged.
    """
    found: dict[tuple[str, int], tuple[Rule, frozenset[Option]]] = {}
    hooks: dict[tuple[str, int], list[str]] = {}
    for hook in HOOKS:
        for rule, conditions in _mapping_rules(ruleset, hook):
            key = rule.chain, rule.position
            found.setdefault(key, (rule, conditions))
            hooks.setdefault(key, []).append(hook)
    return tuple(
        DnatRule(
            backend=ruleset.backend,
            rule=rule,
            hooks=tuple(hooks[key]),
            ports=_ports(rule.matches) or _ports(sorted(conditions, key=str)),
            destination=rule.target.destination if rule.target is not None else None,
            conditions=conditions,
            owner=owner_of(rule.chain),
        )
        for key, (rule, conditions) in found.items()
    )


def duplicates(*views: Iterable[DnatRule]) -> tuple[Repetition, ...]:
    """The groups of rules that catch the same connections from the same hook, one group per catch.

    Give the rules of both backends to find a rule that stands in both.
    """
    groups: dict[tuple[str, frozenset[Option]], list[DnatRule]] = {}
    for view in views:
        for rule in view:
            for hook in rule.hooks:
                groups.setdefault((hook, rule.conditions), []).append(rule)
    unique = dict.fromkeys(tuple(rules) for rules in groups.values() if len(rules) > 1)
    return tuple(Repetition(rules, len({_leads_to(rule) for rule in rules}) > 1) for rules in unique)


def _leads_to(rule: DnatRule) -> tuple[object, ...]:
    target = rule.rule.target
    return (rule.redirect, rule.destination, None if rule.destination or target is None else target.options)


def _mapping_rules(ruleset: Ruleset, hook: str) -> Iterator[tuple[Rule, frozenset[Option]]]:
    """Mapping rules in the order in which a connection meets them; each chain is entered once."""
    pending: list[tuple[Iterator[Rule], frozenset[Option]]] = []
    entered: set[str] = set()

    def enter(chain: str, conditions: frozenset[Option]) -> None:
        found = ruleset.chain("nat", chain)
        if found is not None and chain not in entered:
            entered.add(chain)
            pending.append((iter(found.rules), conditions))

    enter(hook, frozenset())
    while pending:
        rules, outer = pending[-1]
        rule = next(rules, None)
        if rule is None:
            pending.pop()
        elif rule.target is not None:
            conditions = outer | _conditions(rule)
            if ruleset.chain("nat", rule.target.name) is not None:
                enter(rule.target.name, conditions)
            elif rule.target.name in {"DNAT", "REDIRECT", "NETMAP"}:
                yield rule, conditions


def _conditions(rule: Rule) -> frozenset[Option]:
    """The conditions in one spelling: no comments, no bare ``-m``, single ports of multiport as --dport."""
    kept = (option for option in rule.matches if option.name and option.module != "comment")
    return frozenset(_one_spelling(option) for option in kept)


def _one_spelling(option: Option) -> Option:
    if (option.module, option.name) == ("multiport", "--dports") and "," not in "".join(option.values):
        return Option("tcp", "--dport", option.values, option.negated)
    if option.module == "" and option.name == "--dport":
        return Option("tcp", "--dport", option.values, option.negated)
    return option


def _ports(conditions: Iterable[Option]) -> tuple[tuple[int, int], ...]:
    for option in conditions:
        if option.name in {"--dport", "--dports"} and not option.negated and option.values:
            spans = (port_range(part, ":") for part in option.values[0].split(","))
            return tuple(span for span in spans if span is not None)
    return ()
