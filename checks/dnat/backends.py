"""In which backend a diversion belongs, and where a given rule stands with regard to that.

Iptables-manager's chain TUNNEL-PORT shows which backend the manager writes; the chart's default is legacy whatever
the host uses, so that on a healthy Debian 12 the rule is in legacy while ``iptables`` shows nft (testbed.md ports).
Where no manager ever wrote, the backend of the command ``iptables`` is the only one in which anybody would look.
"""

from __future__ import annotations

from enum import Enum

from kedoctor.checks.facts.cloud.nat import NatRules
from kedoctor.checks.parsers.netfilter import Backend, DnatRule

__all__ = ["Standing", "home_of", "standing_of"]


class Standing(Enum):
    """Where a rule stands."""

    AT_HOME = "in a chain of a program, or in the backend that the manager writes"
    BESIDE = "not in the manager's backend, but where this host's iptables shows it"
    OUT_OF_SIGHT = "in a backend in which neither the manager writes nor this host's iptables looks"


def home_of(rules: NatRules) -> tuple[Backend, ...]:
    """The backends in which a diversion is at home: the manager's, else that of ``iptables``; empty if unknown."""
    if rules.manager_backends:
        return rules.manager_backends
    return (rules.host_backend,) if rules.host_backend is not None else ()


def standing_of(rule: DnatRule, rules: NatRules) -> Standing:
    """Where a rule stands; one of a program is always at home, and so is any rule if no home is known."""
    home = home_of(rules)
    if not rule.hand_made or not home or rule.backend in home:
        return Standing.AT_HOME
    if rules.host_backend in (None, rule.backend):
        return Standing.BESIDE
    return Standing.OUT_OF_SIGHT
