"""Views and packets that the netfilter tests share."""

from pathlib import Path

from kedoctor.checks.parsers.netfilter import Backend, Outcome, OutcomeKind, Packet, Ruleset, parse_save
from kedoctor.checks.parsers.netfilter.ruleset import Rule

RECORDED = Path(__file__).parents[1] / "fixtures" / "netfilter"
BACKENDS: tuple[Backend, ...] = ("nft", "legacy")
EDGE = Packet("10.99.0.2", 10351)
NFT_EMPTY, LEGACY_EMPTY = parse_save("", "nft"), parse_save("", "legacy")


def recorded(case: str) -> tuple[Ruleset, Ruleset]:
    nft, legacy = (parse_save((RECORDED / f"{case}-{name}.txt").read_text(), name) for name in BACKENDS)
    return nft, legacy


def nat(*rules: str, backend: Backend = "nft", table: str = "nat") -> Ruleset:
    """A view with these rules of ``-A``; every chain that is named is there."""
    chains = dict.fromkeys(rule.split()[0] for rule in rules)
    chains |= dict.fromkeys(
        word for rule in rules for word in rule.split() if word.isupper() and word.startswith("C-")
    )
    heads = [f":{name} {'-' if name.startswith('C-') else 'ACCEPT'} [0:0]" for name in ["OUTPUT", *chains]]
    body = [*dict.fromkeys(heads), *(f"-A {rule}" for rule in rules)]
    return parse_save("\n".join([f"*{table}", *body, "COMMIT", ""]), backend)


def only_rule(text: str) -> Rule:
    chain = nat(f"OUTPUT {text}").chain("nat", "OUTPUT")
    assert chain is not None
    return chain.rules[0]


def dnat(address: str, port: int) -> Outcome:
    return Outcome(OutcomeKind.DNAT, address, port)


UNCHANGED = Outcome(OutcomeKind.UNCHANGED, "10.99.0.2", 10351)
TO_CLOUD = "-p tcp -m tcp --dport 10351 -j DNAT --to-destination 10.99.0.1:10003"
