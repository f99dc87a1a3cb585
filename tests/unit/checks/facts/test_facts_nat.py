"""How the rules of a host are read: which tool is run for which backend, and what must never be run."""

from __future__ import annotations

from typing import Any

import pytest
from cloud_samples import Answers, file, manager, nat, printed, rule, saved

from kedoctor.api import Host, Identity, LogText, Reason, Unavailable
from kedoctor.checks.facts.cloud.nat import NatRules, nat_rules
from kedoctor.checks.parsers.netfilter import Packet

NAMES = "/proc/net/ip_tables_names"
NFT = printed("iptables-nft-save", saved(rule(10350)))
LEGACY = printed("iptables-legacy-save", saved(*manager(10351)))
VERSION = printed("iptables", "iptables v1.8.9 (nf_tables)\n")
HEALTHY: dict[Any, Any] = {
    NAMES: file(NAMES, "nat\n"),
    "iptables-nft-save": NFT,
    "iptables-legacy-save": LEGACY,
    "iptables --version": VERSION,
}


def read(answers: dict[Any, Any]) -> tuple[NatRules | Unavailable, list[str]]:
    source = Answers(answers)
    rules = nat_rules(Host(source))
    return rules, [getattr(request, "tool", "") or getattr(request, "table", "") for request in source.asked]


def rules_of(answers: dict[Any, Any]) -> NatRules:
    rules, _ = read(answers)
    assert isinstance(rules, NatRules)
    return rules


def test_both_views() -> None:
    rules = rules_of(HEALTHY)
    assert (rules.manager_backends, rules.proxy_backends, rules.host_backend) == (("legacy",), (), "nft")
    assert [(one.backend, one.ports) for one in rules.dnat] == [
        ("nft", ((10350, 10350),)),
        ("legacy", ((10351, 10351),)),
    ]
    assert not rules.unreadable


@pytest.mark.parametrize("names", [file(NAMES, ""), None])
def test_a_legacy_table_that_is_not_there_is_never_asked_for(names: Any) -> None:
    answers = {key: value for key, value in HEALTHY.items() if key != NAMES}
    rules, ran = read(answers | ({NAMES: names} if names else {}))
    assert isinstance(rules, NatRules)
    legacy = rules.view("legacy")
    assert legacy is not None
    assert not legacy.tables
    assert "iptables-legacy-save" not in ran
    assert "iptables-save" not in ran


def test_a_table_that_only_libiptc_finds() -> None:
    # The file may be asked for below another root, the kernel never is.
    answers = {key: value for key, value in HEALTHY.items() if key != NAMES}
    rules = rules_of(answers | {"table nat": LogText(saved(*manager(10351)))})
    assert rules.manager_backends == ("legacy",)


def test_without_the_legacy_tool_the_table_is_read_through_libiptc() -> None:
    answers = {key: value for key, value in HEALTHY.items() if key != "iptables-legacy-save"}
    rules = rules_of(answers | {"table nat": LogText(saved(*manager(10351)))})
    assert rules.manager_backends == ("legacy",)
    assert "libiptc" in rules.sources["legacy"]


def test_without_any_tool_for_legacy_that_view_is_missing() -> None:
    answers = {key: value for key, value in HEALTHY.items() if key != "iptables-legacy-save"}
    rules = rules_of(answers)
    assert isinstance(rules.legacy, Unavailable)
    assert not rules.effective(Packet("10.99.0.2", 10351)).certain


def test_an_old_host_has_one_iptables_and_it_is_legacy() -> None:
    answers = {
        NAMES: file(NAMES, "nat\nfilter\n"),
        "iptables --version": printed("iptables", "iptables v1.4.21\n"),
        "iptables-save": printed("iptables-save", saved(*manager(10351))),
        "/proc/modules": file("/proc/modules", "ip_tables 27126 3 - Live 0x0\n"),
        "ReadIdentity": Identity("cloud", "x86_64", "3.10.0", "", 0),
        "/lib/modules/3.10.0/modules.builtin": file("builtin", "kernel/fs/ext4/ext4.ko\n"),
    }
    rules, ran = read(answers)
    assert isinstance(rules, NatRules)
    assert (rules.manager_backends, rules.host_backend) == (("legacy",), "legacy")
    assert rules.effective(Packet("10.99.0.2", 10351)).certain
    assert "nft" not in ran
    assert "iptables-nft-save" not in ran  # it would load nf_tables


def test_only_the_plain_tool_of_an_nft_host() -> None:
    rules = rules_of(
        {"iptables --version": VERSION, "iptables-save": printed("iptables-save", saved(rule()))}
    )
    assert [one.backend for one in rules.dnat] == ["nft"]


def test_no_iptables_at_all_but_nft_that_lists_no_table_of_it() -> None:
    rules = rules_of({"nft list tables": printed("nft", "table inet filter\n")})
    assert rules.effective(Packet("10.99.0.2", 10351)).certain


def test_not_root() -> None:
    answers = {
        NAMES: Unavailable(Reason.PERMISSION, NAMES, "permission denied to uid 1000"),
        "iptables-nft-save": printed(
            "iptables-nft-save", exit_code=4, stderr="Permission denied (you must be root)\n"
        ),
    }
    rules, _ = read(answers)
    assert isinstance(rules, Unavailable)
    assert rules.reason is Reason.PERMISSION


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (printed("iptables-nft-save", "*nat\n:OUTPUT ACCEPT [0:0]\n"), Reason.INVALID),
        (printed("iptables-nft-save", exit_code=1, stderr="oops"), Reason.TOOL_FAILED),
        (Unavailable(Reason.TIMEOUT, "iptables-nft-save", "it did not end within 10 s"), Reason.TIMEOUT),
    ],
)
def test_a_view_that_cannot_be_understood(answer: Any, reason: Reason) -> None:
    rules = rules_of(HEALTHY | {"iptables-nft-save": answer})
    assert isinstance(rules.nft, Unavailable)
    assert rules.nft.reason is reason
    assert rules.manager_backends == ("legacy",)


CHAINS = (
    '{"nftables": [{"metainfo": {"version": "1.0.6"}},'
    '{"chain": {"family": "ip", "table": "nat", "name": "OUTPUT", "type": "nat", "hook": "output", "prio": -100}},'
    '{"chain": {"family": "inet", "table": "mine", "name": "out", "type": "nat", "hook": "output", "prio": -100}},'
    '{"chain": {"family": "ip", "table": "kube-proxy", "name": "nat-output", "type": "nat", "hook": "output"}},'
    '{"chain": {"family": "inet", "table": "mine", "name": "helper"}}]}'
)


@pytest.mark.parametrize(
    ("body", "unseen"),
    [
        ("tcp dport 10351 dnat ip to 10.0.0.9:1", {"OUTPUT": ("inet mine out",)}),
        ("type nat hook output priority dstnat; masquerade", {}),
    ],
)
def test_native_nft_chains_count_when_they_map_something(body: str, unseen: dict[str, Any]) -> None:
    answers = HEALTHY | {
        "nft -j list chains": printed("nft", CHAINS),
        "nft list table inet mine": printed("nft", body),
    }
    rules = rules_of(answers)
    assert rules.unseen == unseen
    assert rules.effective(Packet("10.99.0.2", 10351)).certain is not bool(unseen)


def test_the_rule_behind_an_ending_is_found_with_its_owner() -> None:
    rules = nat(legacy=manager(10351))
    ending = rules.effective(Packet("10.99.0.2", 10351)).decided_by
    assert ending is not None
    found = rules.mapping(ending)
    assert found is not None
    assert found.owner == "iptables-manager"
