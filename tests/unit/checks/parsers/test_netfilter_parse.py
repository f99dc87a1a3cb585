import pytest
from netfilter_samples import LEGACY_EMPTY, RECORDED, only_rule, recorded

from kedoctor.checks.parsers.netfilter import (
    RulesetError,
    parse_save,
)
from kedoctor.checks.parsers.netfilter.ruleset import Destination, Option


class TestParse:
    def test_recorded_view_of_kube_proxy(self) -> None:
        nft, _ = recorded("healthy")
        assert list(nft.tables) == ["mangle", "filter", "nat"]
        services = nft.chain("nat", "KUBE-SERVICES")
        assert services is not None
        assert services.policy is None
        assert len(services.rules) == 8
        assert services.rules[2].text == (
            '-A KUBE-SERVICES -d 10.96.129.161/32 -p tcp -m comment --comment "kubeedge/cloudcore:cloudstream'
            ' cluster IP" -m tcp --dport 10003 -j KUBE-SVC-NMBHH7FDRY265O55'
        )
        assert services.rules[2].comment == "kubeedge/cloudcore:cloudstream cluster IP"
        assert services.rules[2].position == 3
        assert nft.notes == (
            "# Warning: iptables-legacy tables present, use iptables-legacy-save to see them",
        )

    def test_recorded_counters(self) -> None:
        _, legacy = recorded("healthy")
        output = legacy.chain("nat", "OUTPUT")
        assert output is not None
        assert (output.policy, output.packets, output.octets) == ("ACCEPT", 270, 16200)

    def test_empty_text_is_an_empty_ruleset(self) -> None:
        assert parse_save("", "legacy") == parse_save("\n \r\n", "legacy")
        assert not LEGACY_EMPTY.tables

    def test_counters_of_rules(self) -> None:
        text = "*nat\n:OUTPUT ACCEPT [1:60]\n[7:420] -A OUTPUT -p tcp -j ACCEPT\nCOMMIT\n"
        chain = parse_save(text, "nft").chain("nat", "OUTPUT")
        assert chain is not None
        assert (chain.rules[0].packets, chain.rules[0].octets) == (7, 420)
        assert chain.rules[0].text == "-A OUTPUT -p tcp -j ACCEPT"

    @pytest.mark.parametrize(
        ("printed", "comment"),
        [
            (r'"it\'s \"a\" \\ b"', r"""it's "a" \ b"""),
            ('""', ""),
            ("-j", "-j"),  # iptables prints a harmless-looking word without quotes
            ('"-j ACCEPT ! -p udp"', "-j ACCEPT ! -p udp"),
            ('"\u2028 \u00e9"', "\u2028 \u00e9"),
        ],
    )
    def test_comments(self, printed: str, comment: str) -> None:
        rule = only_rule(f"-p tcp -m comment --comment {printed} -m tcp --dport 1 -j REDIRECT --to-ports 5")
        assert rule.comment == comment
        assert rule.arguments[4:6] == ("--comment", comment)
        assert rule.target is not None
        assert rule.target.name == "REDIRECT"
        assert Option("tcp", "--dport", ("1",)) in rule.matches

    def test_negation_belongs_to_the_next_option(self) -> None:
        rule = only_rule("! -s 10.244.0.0/16 -d 10.0.0.1/32 ! -o lo -m mark ! --mark 0x1/0xff -g C-X")
        assert [(option.name, option.negated) for option in rule.matches if option.name] == [
            ("-s", True),
            ("-d", False),
            ("-o", True),
            ("--mark", True),
        ]
        assert rule.target is not None
        assert (rule.target.name, rule.target.goto) == ("C-X", True)
        assert str(rule.matches[-1]) == "-m mark ! --mark 0x1/0xff"

    @pytest.mark.parametrize(
        ("target", "expected"),
        [
            ("DNAT --to-destination 10.99.0.1:10003", Destination("10.99.0.1:10003", "10.99.0.1", None, 10003)),
            ("DNAT --to-destination 10.99.0.1", Destination("10.99.0.1", "10.99.0.1")),
            ("DNAT --to-destination :10003", Destination(":10003", None, None, 10003)),
            ("DNAT --to-destination 10.0.0.1-10.0.0.9:10-20 --random --persistent",
             Destination("10.0.0.1-10.0.0.9:10-20", "10.0.0.1", "10.0.0.9", 10, 20)),
            ("DNAT --to-destination 10.0.0.1-10.0.0.1:7-7", Destination("10.0.0.1-10.0.0.1:7-7", "10.0.0.1", None, 7)),
            ("DNAT --to-destination [2001:db8::1]:10003", None),
            ("DNAT --to-destination 10.0.0.300:1", None),
            ("DNAT --to-destination 10.0.0.1:99999", None),
            ("DNAT", None),
            ("REDIRECT --to-ports 10004", Destination("10004", None, None, 10004)),
            ("REDIRECT --to-ports 5-9", Destination("5-9", None, None, 5, 9)),
            ("REDIRECT", Destination("")),
            ("NETMAP --to 10.0.0.0/24", None),
            ("NETMAP --to 10.0.0.1/32", Destination("10.0.0.1/32", "10.0.0.1")),
            ("ACCEPT", None),
        ],
    )  # fmt: skip
    def test_destinations(self, target: str, expected: Destination | None) -> None:
        rule = only_rule(f"-p tcp -j {target}")
        assert rule.target is not None
        assert rule.target.destination == expected

    @pytest.mark.parametrize(
        "remark",
        [
            "# Table `nat' is incompatible, use 'nft' tool.",
            "# Table `nat' contains incompatible base-chains, use 'nft' tool to list them.",
        ],
    )
    def test_tables_that_nft_save_cannot_print(self, remark: str) -> None:
        view = parse_save(remark + "\n", "nft")
        assert view.unreadable == {"nat"}
        assert view.notes == (remark,)

    @pytest.mark.parametrize(
        ("text", "line", "reason"),
        [
            ("iptables-save v1.8.9 (legacy): Cannot initialize: Permission denied", 1, "not the output"),
            ("*nat\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -j ACC", 3, "cut off"),
            ("*nat\n*filter\nCOMMIT", 2, "has no COMMIT"),
            ("*nat\nCOMMIT\n*nat\nCOMMIT", 3, "appears twice"),
            ("*\nCOMMIT", 1, "without a name"),
            ("*nat\n:OUTPUT\nCOMMIT", 2, "not a chain"),
            ("*nat\n:A - [0:0]\n:A - [0:0]\nCOMMIT", 3, "appears twice"),
            ("*nat\n-A OUTPUT -j ACCEPT\nCOMMIT", 2, "lacks"),
            ("*nat\n:OUTPUT ACCEPT [0:0]\n-P OUTPUT DROP\nCOMMIT", 3, "neither a rule"),
            ('*nat\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -m comment --comment "x\nCOMMIT', 3, "quotation mark"),
            ('*nat\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -m comment --comment "\\"x\nCOMMIT', 3, "quotation mark"),
            ("COMMIT", 1, "not the output"),
        ],
    )
    def test_other_text_is_refused(self, text: str, line: int, reason: str) -> None:
        with pytest.raises(RulesetError, match=reason) as caught:
            parse_save(text, "nft")
        assert caught.value.line == line
        assert str(caught.value).startswith(f"line {line}: ")

    def test_the_nft_view_is_not_taken_for_the_legacy_one(self) -> None:
        text = (RECORDED / "healthy-nft.txt").read_text()
        with pytest.raises(RulesetError, match="nft backend"):
            parse_save(text, "legacy")
