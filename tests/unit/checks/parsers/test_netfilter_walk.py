from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from netfilter_samples import (
    BACKENDS,
    EDGE,
    LEGACY_EMPTY,
    TO_CLOUD,
    UNCHANGED,
    dnat,
    nat,
    only_rule,
    recorded,
)

from kedoctor.checks.parsers.netfilter import (
    Answer,
    DoubtKind,
    Outcome,
    OutcomeKind,
    Packet,
    Ruleset,
    RulesetError,
    dnat_rules,
    duplicates,
    effective,
    parse_save,
    walk,
)
from kedoctor.checks.parsers.netfilter.match import option_answer
from kedoctor.checks.parsers.netfilter.ruleset import Option

WORDS = st.sampled_from(
    ["-p", "tcp", "!", "-s", "10.0.0.0/8", "-d", "-m", "comment", "--comment", '"a b"', '"', "\\", "--dport",
     "1:2", "multiport", "--dports", "1,2:3", "-j", "-g", "DNAT", "--to-destination", ":1", "C-A", "C-B",
     "RETURN", "ACCEPT", "DROP", "set", "--match-set", "x", "statistic", "OUTPUT", "²", "REDIRECT", "FOO"]
)  # fmt: skip
CHAINS = st.sampled_from(["OUTPUT", "C-A", "C-B"])
TARGETS = st.sampled_from(
    ["-j C-A", "-j C-B", "-g C-A", "-g C-B", "-j RETURN", "-j ACCEPT", "-j FOO", "-j LOG", "",
     "-j DNAT --to-destination 10.0.0.1:1", "-j DNAT --to-destination 10.0.0.2", "-j DROP"]
)  # fmt: skip
MATCHES = st.sampled_from(
    ["", "-p tcp", "-p udp", "-m set --match-set x dst", "! -p tcp", "-m mark --mark 0x1"]
)
RULES = st.lists(st.tuples(CHAINS, MATCHES, TARGETS), max_size=14)


class TestNothingElseIsRaised:
    @given(st.text())
    def test_arbitrary_text(self, text: str) -> None:
        for backend in BACKENDS:
            with suppress(RulesetError):
                parse_save(text, backend)

    @given(st.lists(st.sampled_from(["*nat", ":OUTPUT ACCEPT [0:0]", ":A - [0:0]", "COMMIT", "#", "-A A", '"'])
                    | st.lists(WORDS).map(lambda words: "-A OUTPUT " + " ".join(words)) | st.text()))  # fmt: skip
    def test_nearly_right_text(self, lines: list[str]) -> None:
        try:
            view = parse_save("\n".join(lines), "nft")
        except RulesetError:
            return
        effective(view, LEGACY_EMPTY, EDGE)
        dnat_rules(view)

    @settings(max_examples=300)
    @given(RULES)
    def test_every_walk_ends_and_doubts_go_with_uncertainty(self, rules: list[tuple[str, str, str]]) -> None:
        head = "*nat\n:OUTPUT ACCEPT [0:0]\n:C-A - [0:0]\n:C-B - [0:0]\n"
        view = parse_save(
            head + "".join(f"-A {chain} {match} {target}\n" for chain, match, target in rules) + "COMMIT",
            "nft",
        )
        path = walk(view, "OUTPUT", EDGE)
        assert path.possible
        assert path.certain == (not path.doubts)
        assert path.certain == (path.outcome.kind is not OutcomeKind.UNDECIDED)
        assert duplicates(dnat_rules(view)) is not None

    @settings(max_examples=300)
    @given(RULES)
    def test_a_certain_walk_holds_whatever_the_doubtful_conditions_are(
        self, rules: list[tuple[str, str, str]]
    ) -> None:
        doubtful = ("-m set", "-m mark")

        def view(*, hold: bool) -> Ruleset:
            certain = [
                (chain, "" if match.startswith(doubtful) else match, target)
                for chain, match, target in rules
                if hold or not match.startswith(doubtful)
            ]
            head = "*nat\n:OUTPUT ACCEPT [0:0]\n:C-A - [0:0]\n:C-B - [0:0]\n"
            body = "".join(f"-A {chain} {match} {target}\n" for chain, match, target in certain)
            return parse_save(head + body + "COMMIT", "nft")

        head = "*nat\n:OUTPUT ACCEPT [0:0]\n:C-A - [0:0]\n:C-B - [0:0]\n"
        body = "".join(f"-A {chain} {match} {target}\n" for chain, match, target in rules)
        path = walk(parse_save(head + body + "COMMIT", "nft"), "OUTPUT", EDGE)
        for hold in (True, False):
            resolved = walk(view(hold=hold), "OUTPUT", EDGE)
            if path.certain:
                assert resolved.outcome == path.outcome
            elif resolved.certain:
                assert resolved.outcome in path.outcomes


ANSWERS = [
    ("-p tcp", Answer.YES),
    ("-p 6", Answer.YES),
    ("-p udp", Answer.NO),
    ("! -p udp", Answer.YES),
    ("-d 10.99.0.0/24", Answer.YES),
    ("-d 10.99.0.2/32", Answer.YES),
    ("! -d 10.99.0.2/32", Answer.NO),
    ("-d 10.0.0.2/255.0.0.255", Answer.YES),
    ("-d 2001:db8::/64", Answer.MAYBE),
    ("-s 10.99.0.1/32", Answer.YES),
    ("! -s 127.0.0.0/8", Answer.YES),
    ("-o eth0", Answer.MAYBE),
    ("-o +", Answer.YES),
    ("-i docker0", Answer.NO),
    ("! -i docker0", Answer.YES),
    ("-i docker+", Answer.NO),
    ("-f", Answer.NO),
    ("! -f", Answer.YES),
    ("-p tcp -m tcp --dport 10351", Answer.YES),
    ("-p tcp -m tcp --dport 10350", Answer.NO),
    ("-p tcp -m tcp --dport 10000:11000", Answer.YES),
    ("-p tcp -m tcp ! --dport 10351", Answer.NO),
    ("-p tcp -m tcp --sport 1024:65535", Answer.MAYBE),
    ("-p tcp -m tcp --sport 0:65535", Answer.YES),
    ("-p tcp -m tcp --dport", Answer.MAYBE),
    ("-p tcp -m multiport --dports 22,10350:10355", Answer.YES),
    ("-p tcp -m multiport --dports 22,10350", Answer.NO),
    ("-p tcp -m multiport --ports 22", Answer.MAYBE),
    ("-p tcp -m multiport --ports 10351", Answer.YES),
    ("-p tcp -m multiport ! --dports 22", Answer.YES),
    ("-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN", Answer.YES),
    ("-p tcp -m tcp --tcp-flags ALL NONE", Answer.NO),
    ("-p tcp -m tcp --tcp-flags SYN,ACK SYN,ACK", Answer.NO),
    ("-m comment --comment anything", Answer.YES),
    ("-m conntrack --ctstate NEW", Answer.YES),
    ("-m conntrack --ctstate RELATED,ESTABLISHED", Answer.NO),
    ("-m conntrack ! --ctstate RELATED,ESTABLISHED", Answer.YES),
    ("-m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT", Answer.MAYBE),
    ("-m state --state NEW,ESTABLISHED", Answer.YES),
    ("-m addrtype --dst-type LOCAL", Answer.NO),
    ("-m addrtype ! --dst-type LOCAL", Answer.YES),
    ("-m addrtype --src-type LOCAL", Answer.YES),
    ("-m addrtype --dst-type UNICAST", Answer.MAYBE),
    ("-m addrtype --dst-type MULTICAST", Answer.NO),
    ("-m iprange --dst-range 10.99.0.1-10.99.0.9", Answer.YES),
    ("-m iprange ! --src-range 10.99.0.1-10.99.0.9", Answer.NO),
    ("-m mark --mark 0x4000/0x4000", Answer.MAYBE),
    ("-m statistic --mode random --probability 0.5", Answer.MAYBE),
    ("-m set --match-set edges dst", Answer.MAYBE),
    ("-m owner --uid-owner 0", Answer.MAYBE),
    ("-m socket", Answer.MAYBE),
    ("-m limit --limit 1/sec", Answer.MAYBE),
    ("-m mystery ! --what ever", Answer.MAYBE),
    ("[unsupported revision]", Answer.MAYBE),
    # One condition that surely fails settles it, whatever the others are.
    ("-p tcp -m set --match-set edges dst -m tcp --dport 1", Answer.NO),
]


class TestMatches:
    @pytest.mark.parametrize(("conditions", "expected"), ANSWERS)
    def test_conditions(self, conditions: str, expected: Answer) -> None:
        packet = Packet(
            "10.99.0.2", 10351, source="10.99.0.1", local_addresses=frozenset({"10.99.0.1"})
        ).at_hook("OUTPUT")
        answers = [option_answer(option, packet) for option in only_rule(f"{conditions} -j ACCEPT").matches]
        assert min(answers, key=lambda answer: answer.value) is expected

    @pytest.mark.parametrize(
        ("address", "expected"),
        [("127.0.0.1", Answer.YES), ("10.99.0.2", Answer.MAYBE), ("224.0.0.1", Answer.NO)],
    )
    def test_local_without_knowing_the_addresses(self, address: str, expected: Answer) -> None:
        assert option_answer(Option("addrtype", "--dst-type", ("LOCAL",)), Packet(address, 1)) is expected

    def test_unknown_source(self) -> None:
        assert option_answer(Option("", "-s", ("10.0.0.0/8",)), EDGE) is Answer.MAYBE
        assert option_answer(Option("", "-s", ("0.0.0.0/0",)), EDGE) is Answer.YES

    @pytest.mark.parametrize("address", ["2001:db8::1", "", "edge1", "10.0.0", "10.0.0.²"])
    def test_a_packet_has_an_ipv4_address(self, address: str) -> None:
        with pytest.raises(ValueError, match="not an IPv4 address"):
            Packet(address, 10351)


class TestWalk:
    def test_jump_return_goto(self) -> None:
        view = nat(
            "OUTPUT -j C-A",
            f"OUTPUT {TO_CLOUD}",
            "C-A -p tcp -g C-B",
            "C-A -j ACCEPT",
            "C-B -p udp -j ACCEPT",
            "C-B -j RETURN",
            "C-B -j ACCEPT",
        )
        path = walk(view, "OUTPUT", EDGE)
        assert path.outcome == dnat("10.99.0.1", 10003)
        assert [(step.rule.chain, step.rule.position, step.depth) for step in path.steps] == [
            ("OUTPUT", 1, 0),
            ("C-A", 1, 1),
            ("C-B", 2, 2),
            ("OUTPUT", 2, 0),
        ]
        assert path.rule is not None
        assert path.rule.position == 2

    def test_no_table_and_no_chain_change_nothing(self) -> None:
        assert walk(LEGACY_EMPTY, "OUTPUT", EDGE).outcome == UNCHANGED
        assert walk(nat("OUTPUT -j ACCEPT"), "PREROUTING", EDGE).outcome == UNCHANGED

    def test_policy(self) -> None:
        view = parse_save("*raw\n:OUTPUT DROP [0:0]\nCOMMIT", "nft")
        assert walk(view, "OUTPUT", EDGE, table="raw").outcome.kind is OutcomeKind.DROPPED

    def test_redirect(self) -> None:
        view = nat(
            "OUTPUT -p tcp -j REDIRECT --to-ports 10004", "PREROUTING -p tcp -j REDIRECT --to-ports 10004"
        )
        assert walk(view, "OUTPUT", EDGE).outcome == Outcome(OutcomeKind.REDIRECT, "127.0.0.1", 10004)
        assert walk(view, "PREROUTING", EDGE).outcome == Outcome(OutcomeKind.REDIRECT, None, 10004)

    def test_an_empty_address_leads_to_the_edge_itself(self) -> None:
        view = nat("OUTPUT -p tcp -j DNAT --to-destination :10003")
        assert walk(view, "OUTPUT", EDGE).outcome == dnat("10.99.0.2", 10003)

    def test_a_doubtful_rule_in_front_is_named(self) -> None:
        view = nat("OUTPUT -m set --match-set edges dst -j RETURN", f"OUTPUT {TO_CLOUD}")
        path = walk(view, "OUTPUT", EDGE)
        assert not path.certain
        assert path.outcomes == (dnat("10.99.0.1", 10003), UNCHANGED)
        (doubt,) = path.doubts
        assert (doubt.kind, doubt.detail) == (DoubtKind.MATCH, "-m set --match-set edges dst")
        assert doubt.rule is not None
        assert doubt.rule.position == 1
        assert [step.sure for step in path.steps] == [False, False]

    def test_a_doubtful_jump_that_decides_nothing_costs_nothing(self) -> None:
        """kube-proxy ends its chain with such a jump, as the recorded healthy cluster shows."""
        nft, legacy = recorded("healthy")
        path = walk(nft, "OUTPUT", EDGE)
        assert path.certain
        assert Answer.MAYBE in {step.answer for step in path.steps}
        assert effective(nft, legacy, EDGE).outcome == dnat("10.99.0.1", 10003)

    def test_both_branches_of_a_doubt_with_the_same_end_are_certain(self) -> None:
        view = nat(f"OUTPUT -m set --match-set edges dst {TO_CLOUD}", f"OUTPUT {TO_CLOUD}")
        path = walk(view, "OUTPUT", EDGE)
        assert path.certain
        assert not path.doubts

    def test_ranges_and_unknown_targets_are_not_certain(self) -> None:
        ranged = walk(nat("OUTPUT -p tcp -j DNAT --to-destination 10.0.0.1-10.0.0.9:1"), "OUTPUT", EDGE)
        assert [doubt.kind for doubt in ranged.doubts] == [DoubtKind.CHOICE]
        assert ranged.outcomes == (Outcome(OutcomeKind.DNAT, None, 1),)
        unknown = walk(nat("OUTPUT -j FANCY --x", f"OUTPUT {TO_CLOUD}"), "OUTPUT", EDGE)
        assert [doubt.kind for doubt in unknown.doubts] == [DoubtKind.TARGET]
        assert dnat("10.99.0.1", 10003) in unknown.outcomes

    def test_chains_in_a_circle(self) -> None:
        path = walk(nat("OUTPUT -j C-A", "C-A -j C-B", "C-B -j C-A"), "OUTPUT", EDGE)
        assert not path.certain
        assert DoubtKind.LOOP in {doubt.kind for doubt in path.doubts}

    def test_very_deep_chains(self) -> None:
        rules = [f"C-{at} -j C-{at + 1}" for at in range(2000)]
        path = walk(nat("OUTPUT -j C-0", *rules), "OUTPUT", EDGE)
        assert [doubt.kind for doubt in path.doubts] == [DoubtKind.LOOP]

    def test_chains_that_fan_out_are_read_once(self) -> None:
        rules = [f"C-{at} {match} -j C-{at + 1}" for at in range(40) for match in ("", "-m mark --mark 0x1")]
        path = walk(nat("OUTPUT -j C-0", *rules), "OUTPUT", EDGE)
        assert path.certain
        assert len(path.steps) == 81
