import pytest
from netfilter_samples import EDGE, LEGACY_EMPTY, NFT_EMPTY, TO_CLOUD, UNCHANGED, dnat, nat, recorded

from kedoctor.checks.parsers.netfilter import (
    Backend,
    DnatRule,
    DoubtKind,
    Outcome,
    OutcomeKind,
    Packet,
    TerminalVerdict,
    combine,
    dnat_rules,
    duplicates,
    effective,
    owner_of,
    parse_save,
)
from kedoctor.checks.parsers.netfilter.ruleset import Destination


class TestRecordings:
    @pytest.mark.parametrize(
        ("case", "port", "outcome"),
        [
            ("healthy", 10351, dnat("10.99.0.1", 10003)),
            ("healthy-two-edges", 10357, dnat("10.99.0.1", 10003)),
            ("healthy-manual-dnat-rule", 10355, dnat("10.99.0.1", 10003)),
            ("d3-dnat-rule-for-10350-only", 10355, Outcome(OutcomeKind.UNCHANGED, "10.99.0.2", 10355)),
            ("e-wrong-dnat-target-10.99.0.1_10004", 10355, dnat("10.99.0.1", 10004)),
            ("i1-dnat-to-clusterip-real-kube-proxy", 10355, dnat("10.96.129.161", 10003)),
            ("i3-dnat-to-clusterip-handmade", 10355, dnat("10.96.0.50", 10003)),
        ],
    )
    def test_where_the_connection_went(self, case: str, port: int, outcome: Outcome) -> None:
        path = effective(*recorded(case), Packet("10.99.0.2", port))
        assert path.outcome == outcome
        assert path.certain
        assert not path.doubts

    def test_the_manager_s_rule_is_not_hand_made(self) -> None:
        nft, legacy = recorded("healthy")
        (rule,) = dnat_rules(legacy)
        assert (rule.owner, rule.hand_made, rule.hooks) == (
            "iptables-manager",
            False,
            ("OUTPUT", "PREROUTING"),
        )
        assert rule.asks_for(10351)
        assert not rule.asks_for(10350)
        assert {rule.owner for rule in dnat_rules(nft)} == {"kube-proxy"}

    def test_hand_made_rules_beside_kube_proxy(self) -> None:
        nft, _ = recorded("i3-dnat-to-clusterip-handmade")
        made = [rule for rule in dnat_rules(nft) if rule.hand_made]
        assert [(rule.rule.chain, rule.rule.position, rule.ports) for rule in made] == [
            ("OUTPUT", 2, ((10355, 10355),)),
            ("KS-TEST", 1, ((10003, 10003),)),
        ]
        assert made[0].destination == Destination("10.96.0.50:10003", "10.96.0.50", None, 10003)
        assert not duplicates(dnat_rules(nft))

    def test_kube_proxy_s_endpoints_are_not_duplicates_of_each_other(self) -> None:
        assert not duplicates(*(dnat_rules(view) for view in recorded("healthy")))


@pytest.mark.parametrize(
    ("chain", "owner"),
    [
        ("TUNNEL-PORT", "iptables-manager"),
        ("KUBE-SEP-5IQAEH3A2OZOEQGH", "kube-proxy"),
        ("KUBE-PORTALS-HOST", "kube-proxy or edgemesh"),
        ("EDGEMESH-PORTALS-HOST", "edgemesh"),
        ("EDGE-MESH", "edgemesh"),
        ("CNI-HOSTPORT-DNAT", "cni"),
        ("DOCKER", "docker"),
        ("KEDOCTOR", "kedoctor"),
        ("PRE_public_allow", "firewalld"),
        ("OUTPUT", None),
        ("PREROUTING", None),
        ("KS-TEST", None),
        ("TUNNEL-PORTS", None),
    ],
)
def test_owners(chain: str, owner: str | None) -> None:
    assert owner_of(chain) == owner


class TestDuplicates:
    def rules(self, *rules: str, backend: Backend = "nft") -> tuple[DnatRule, ...]:
        return dnat_rules(nat(*rules, backend=backend))

    def test_the_same_rule_appended_twice(self) -> None:
        (found,) = duplicates(self.rules(f"OUTPUT {TO_CLOUD}", f"OUTPUT {TO_CLOUD}"))
        assert [rule.rule.position for rule in found.rules] == [1, 2]
        assert not found.conflicting

    def test_another_spelling_and_another_comment_catch_the_same(self) -> None:
        (found,) = duplicates(
            self.rules(
                f'OUTPUT -m comment --comment "old one" {TO_CLOUD}',
                "OUTPUT -p tcp -m multiport --dports 10351 -j DNAT --to-destination 10.96.0.50:10003",
            )
        )
        assert found.conflicting

    def test_hand_made_in_front_of_the_manager_s(self) -> None:
        (found,) = duplicates(self.rules(f"OUTPUT {TO_CLOUD}", "OUTPUT -j C-T", f"C-T {TO_CLOUD}"))
        assert [rule.rule.chain for rule in found.rules] == ["OUTPUT", "C-T"]

    def test_a_jump_s_conditions_count(self) -> None:
        rules = self.rules("OUTPUT -d 10.0.0.1/32 -j C-T", f"C-T {TO_CLOUD}", f"OUTPUT {TO_CLOUD}")
        assert len(rules) == 2
        assert not duplicates(rules)

    def test_across_backends(self) -> None:
        (found,) = duplicates(
            self.rules(f"OUTPUT {TO_CLOUD}"), self.rules(f"OUTPUT {TO_CLOUD}", backend="legacy")
        )
        assert [rule.backend for rule in found.rules] == ["nft", "legacy"]

    def test_rules_out_of_reach_are_not_listed(self) -> None:
        assert not self.rules(f"C-LOST {TO_CLOUD}")


TO_OTHER = "-p tcp -m tcp --dport 10351 -j DNAT --to-destination 10.99.0.1:10004"


class TestEffective:
    def test_one_backend_maps(self) -> None:
        legacy = nat(f"OUTPUT {TO_CLOUD}", backend="legacy")
        path = effective(nat("OUTPUT -p tcp -j ACCEPT"), legacy, EDGE)
        assert path.outcome == dnat("10.99.0.1", 10003)
        rule = legacy.tables["nat"].chains["OUTPUT"].rules[0]
        assert path.decided_by == TerminalVerdict(path.outcome, "legacy", rule)

    def test_no_backend_maps(self) -> None:
        path = effective(NFT_EMPTY, LEGACY_EMPTY, EDGE)
        assert path.decided_by == TerminalVerdict(UNCHANGED)

    def test_both_map_differently(self) -> None:
        views = nat(f"OUTPUT {TO_CLOUD}"), nat(f"OUTPUT {TO_OTHER}", backend="legacy")
        path = effective(*views, EDGE)
        assert path.possible == (dnat("10.99.0.1", 10003), dnat("10.99.0.1", 10004))
        assert [doubt.kind for doubt in path.doubts] == [DoubtKind.ORDER]
        assert effective(*views, EDGE, first="legacy").outcome == dnat("10.99.0.1", 10004)
        assert effective(*views, EDGE, first="nft").outcome == dnat("10.99.0.1", 10003)

    @pytest.mark.parametrize("missing", ["nft", "legacy"])
    def test_a_view_that_could_not_be_read(self, missing: str) -> None:
        view = nat(f"OUTPUT {TO_CLOUD}")
        nft, legacy = (None, view) if missing == "nft" else (view, None)
        path = effective(nft, legacy, EDGE, first="legacy" if missing == "nft" else "nft")
        assert not path.certain
        assert path.outcome.kind is OutcomeKind.UNDECIDED
        assert [(doubt.kind, doubt.detail) for doubt in path.doubts] == [(DoubtKind.VIEW, missing)]
        assert dnat("10.99.0.1", 10003) in path.possible

    def test_nothing_could_be_read(self) -> None:
        path = combine(None, None, EDGE)
        assert not path.certain
        assert [doubt.detail for doubt in path.doubts if doubt.kind is DoubtKind.VIEW] == ["nft", "legacy"]

    def test_a_table_that_could_not_be_printed(self) -> None:
        nft = parse_save("# Table `nat' is incompatible, use 'nft' tool.\n", "nft")
        path = effective(nft, nat(f"OUTPUT {TO_CLOUD}", backend="legacy"), EDGE)
        assert not path.certain
        assert [doubt.kind for doubt in path.doubts] == [DoubtKind.TABLE]

    def test_hooks_of_native_nft_tables(self) -> None:
        path = effective(NFT_EMPTY, LEGACY_EMPTY, EDGE, unseen=["ip kube-proxy nat-output"])
        assert not path.certain
        assert [(doubt.kind, doubt.detail) for doubt in path.doubts] == [
            (DoubtKind.UNSEEN, "ip kube-proxy nat-output")
        ]

    @pytest.mark.parametrize("target", ["NOTRACK", "CT --notrack"])
    def test_notrack(self, target: str) -> None:
        mapping = nat(f"OUTPUT {TO_CLOUD}", backend="legacy")
        sure = effective(nat(f"OUTPUT -p tcp -j {target}", table="raw"), mapping, EDGE)
        assert sure.outcome == UNCHANGED
        maybe = effective(nat(f"OUTPUT -o lxc+ -j {target}", table="raw"), mapping, EDGE)
        assert maybe.possible == (dnat("10.99.0.1", 10003), UNCHANGED)
        assert not maybe.certain
        inside = nat("OUTPUT -m mark --mark 0x1 -j C-A", f"C-A -p tcp -j {target}", table="raw")
        assert not effective(inside, mapping, EDGE).certain

    @pytest.mark.parametrize("table", ["raw", "mangle"])
    def test_dropped_before_nat(self, table: str) -> None:
        mapping = nat(f"OUTPUT {TO_CLOUD}", backend="legacy")
        path = effective(nat("OUTPUT -d 10.99.0.2/32 -j DROP", table=table), mapping, EDGE)
        assert path.outcome.kind is OutcomeKind.DROPPED
        assert path.certain
        maybe = effective(nat("OUTPUT -m limit --limit 1/sec -j DROP", table=table), mapping, EDGE)
        assert {outcome.kind for outcome in maybe.possible} == {OutcomeKind.DNAT, OutcomeKind.DROPPED}
        assert [doubt.kind for doubt in maybe.doubts] == [DoubtKind.MATCH]

    def test_prerouting(self) -> None:
        view = nat(f"PREROUTING {TO_CLOUD}")
        assert effective(view, LEGACY_EMPTY, EDGE, hook="PREROUTING").outcome == dnat("10.99.0.1", 10003)
        assert effective(view, LEGACY_EMPTY, EDGE).outcome == UNCHANGED
