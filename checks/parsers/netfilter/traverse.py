"""What one view's chains do to a new TCP connection, with every doubt kept.

A rule that may or may not match splits the walk in two: one where it did, one where it did not. The walk
is certain when all of these end alike, so a doubtful jump into a chain that decides nothing costs nothing.
"""

from dataclasses import dataclass, field
from enum import Enum, StrEnum

from kedoctor.checks.parsers.netfilter.match import Answer, Packet, rule_answer
from kedoctor.checks.parsers.netfilter.ruleset import Backend, Chain, Option, Rule, Ruleset, Target

MAX_DEPTH = 64
"""Jumps inside jumps that are followed (nft allows 16); beyond it the walk says that it cannot tell."""


class OutcomeKind(StrEnum):
    """How a walk can end. ``UNDECIDED``: it depends on what the text does not show."""

    DNAT = "dnat"
    REDIRECT = "redirect"
    UNCHANGED = "unchanged"
    DROPPED = "dropped"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Outcome:
    """Where the connection goes: ``address`` and ``port`` it ends up with.

    None: chosen by the kernel (a range), by the host (REDIRECT in PREROUTING), or not known. For
    ``DROPPED`` and ``UNDECIDED`` both are None.
    """

    kind: OutcomeKind
    address: str | None = None
    port: int | None = None

    @property
    def is_mapping(self) -> bool:
        """Whether a NAT rule took the connection; no later NAT rule of any backend sees it then."""
        return self.kind in {OutcomeKind.DNAT, OutcomeKind.REDIRECT}

    @property
    def is_exact(self) -> bool:
        """Whether this says all there is to say about where the connection goes."""
        if self.kind is OutcomeKind.DROPPED:
            return True
        if self.kind is OutcomeKind.REDIRECT:
            return self.port is not None
        return self.kind is not OutcomeKind.UNDECIDED and None not in (self.address, self.port)


DROPPED = Outcome(OutcomeKind.DROPPED)
UNDECIDED = Outcome(OutcomeKind.UNDECIDED)


def unchanged(packet: Packet) -> Outcome:
    """The connection goes where it was meant to go."""
    return Outcome(OutcomeKind.UNCHANGED, packet.destination, packet.port)


class DoubtKind(Enum):
    """Why a result is not certain."""

    MATCH = "a condition that cannot be decided from the rules"
    TARGET = "a target whose effect is unknown"
    CHOICE = "a target that lets the kernel choose"
    LOOP = "chains that call each other in a circle"
    TABLE = "a table that the tool could not print"
    VIEW = "a backend that could not be read"
    ORDER = "both backends take the connection; the one whose hook was registered last acts first"
    UNSEEN = "a NAT hook that neither iptables view shows"


@dataclass(frozen=True, slots=True)
class Uncertainty:
    """One reason for not being certain, with the rule where there is one.

    ``detail`` is technical: the conditions, the table, the backend or the hook in question.
    """

    kind: DoubtKind
    detail: str
    backend: Backend | None = None
    rule: Rule | None = None


@dataclass(frozen=True, slots=True)
class RuleStep:
    """A rule on the way that matched or may have matched. ``depth`` 0 is the hook's own chain.

    ``sure``: it is certainly reached and certainly matches. ``answer`` is about its own conditions only.
    """

    rule: Rule
    depth: int
    answer: Answer
    sure: bool


@dataclass(frozen=True, slots=True)
class Path:
    """The way through one table of one backend.

    ``possible`` are all ends, each with the rule that ends it (None: the end of the chain, its policy).
    ``steps`` are the rules that matched or may have matched, in order; a chain that is reached twice is
    listed once. ``doubts`` is empty when the path is certain.
    """

    backend: Backend
    table: str
    hook: str
    packet: Packet
    steps: tuple[RuleStep, ...]
    possible: tuple[tuple[Outcome, Rule | None], ...]
    doubts: tuple[Uncertainty, ...]

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """The different ends, in the order in which the walk met them."""
        return tuple(dict.fromkeys(outcome for outcome, _ in self.possible))

    @property
    def certain(self) -> bool:
        """Whether there is one end only, and nothing left open about it."""
        return len(self.outcomes) == 1 and self.outcomes[0].is_exact

    @property
    def outcome(self) -> Outcome:
        """The end, or ``UNDECIDED``."""
        return self.outcomes[0] if self.certain else UNDECIDED

    @property
    def rule(self) -> Rule | None:
        """The rule that decides, when the end is certain; None when it is the chain's policy."""
        return self.possible[0][1] if self.certain else None


_CONTINUES = frozenset(
    [
        "AUDIT",
        "CHECKSUM",
        "CLASSIFY",
        "CONNMARK",
        "CONNSECMARK",
        "CT",
        "DSCP",
        "ECN",
        "HL",
        "HMARK",
        "IDLETIMER",
        "LED",
        "LOG",
        "MARK",
        "NFLOG",
        "NOTRACK",
        "RATEEST",
        "SECMARK",
        "SET",
        "TCPMSS",
        "TCPOPTSTRIP",
        "TEE",
        "TOS",
        "TRACE",
        "TTL",
        "ULOG",
    ]
)
_DROPS = frozenset({"DROP", "REJECT", "TARPIT"})
# Accepted, and the destination stays: SNAT and MASQUERADE change the other end.
_ACCEPTS = frozenset({"ACCEPT", "SNAT", "MASQUERADE"})
_MAPS = frozenset({"DNAT", "REDIRECT", "NETMAP"})


@dataclass(slots=True)
class _Ends:
    """How a chain can end. ``falls``: its end is reached and the caller goes on."""

    possible: dict[tuple[Outcome, Rule | None], None] = field(default_factory=dict)
    falls: bool = False


def walk(ruleset: Ruleset, hook: str, packet: Packet, *, table: str = "nat") -> Path:
    """The way of a new TCP connection through ``hook`` (OUTPUT, PREROUTING) of one table of one backend.

    A table or hook chain that does not exist changes nothing, and that is certain, unless the ruleset says
    that the table could not be printed.
    """
    walker = _Walker(ruleset, table, hook, packet.at_hook(hook))
    chain = ruleset.chain(table, hook)
    ends = walker.chain(chain, 0) if chain is not None else _Ends(falls=True)
    if ends.falls:
        policy = DROPPED if chain is not None and chain.policy == "DROP" else unchanged(packet)
        ends.possible[policy, None] = None
    if table in ruleset.unreadable:
        ends.possible[UNDECIDED, None] = None
        walker.doubts.append(Uncertainty(DoubtKind.TABLE, table, ruleset.backend))
    path = Path(ruleset.backend, table, hook, packet, tuple(walker.steps), tuple(ends.possible), ())
    if path.certain:
        return path
    return Path(
        path.backend, table, hook, packet, path.steps, path.possible, tuple(dict.fromkeys(walker.doubts))
    )


class _Walker:
    """One walk: the steps and doubts so far, and how each chain ends (every chain is read once)."""

    def __init__(self, ruleset: Ruleset, table: str, hook: str, packet: Packet) -> None:
        self._ruleset = ruleset
        self._table = table
        self._hook = hook
        self._packet = packet
        self._known: dict[str, _Ends] = {}
        self._open: set[str] = set()
        self._sure = True
        self.steps: list[RuleStep] = []
        self.doubts: list[Uncertainty] = []

    def chain(self, chain: Chain, depth: int) -> _Ends:
        """All ends of a chain for this packet."""
        known = self._known.get(chain.name)
        if known is not None:
            self._sure = self._sure and not known.possible
            return known
        if chain.name in self._open or depth > MAX_DEPTH:
            # No kernel accepts this, so what the text describes is not what the kernel has.
            self._sure = False
            self.doubts.append(Uncertainty(DoubtKind.LOOP, chain.name, self._ruleset.backend))
            return _Ends({(UNDECIDED, None): None}, falls=True)
        self._open.add(chain.name)
        ends = _Ends()
        if all(self._rule(rule, ends, depth) for rule in chain.rules):
            ends.falls = True
        self._open.discard(chain.name)
        self._known[chain.name] = ends
        return ends

    def _rule(self, rule: Rule, ends: _Ends, depth: int) -> bool:
        """Adds what this rule may do to ``ends``; whether the next rule may be reached."""
        answer, doubtful = rule_answer(rule, self._packet)
        if answer is Answer.NO:
            return True
        sure = self._sure and answer is Answer.YES
        self.steps.append(RuleStep(rule, depth, answer, sure))
        if rule.target is None or rule.target.name in _CONTINUES:
            return True
        if answer is Answer.YES:
            return not self._target(rule, rule.target, ends, depth)
        before = len(ends.possible), ends.falls
        reached, self._sure = self._sure, False
        stops = self._target(rule, rule.target, ends, depth)
        if stops or before != (len(ends.possible), ends.falls):
            self._doubt(DoubtKind.MATCH, rule, doubtful)
        else:
            self._sure = reached
        return True

    def _target(self, rule: Rule, target: Target, ends: _Ends, depth: int) -> bool:
        """Adds the target's ends; whether it surely ends this chain when its rule matches."""
        chain = self._ruleset.chain(self._table, target.name)
        if chain is not None:
            return self._call(target, chain, ends, depth)
        if target.name == "RETURN":
            ends.falls = True
            return True
        if target.name in _DROPS:
            ends.possible[DROPPED, rule] = None
            return True
        if target.name in _ACCEPTS:
            ends.possible[unchanged(self._packet), rule] = None
            return True
        if target.name in _MAPS:
            ends.possible[self._mapping(rule, target), rule] = None
            return True
        ends.possible[UNDECIDED, rule] = None
        self._sure = False
        self._doubt(DoubtKind.TARGET, rule)
        return False

    def _call(self, target: Target, chain: Chain, ends: _Ends, depth: int) -> bool:
        called = self.chain(chain, depth + 1)
        ends.possible.update(called.possible)
        if target.goto:
            ends.falls = ends.falls or called.falls
            return True
        return not called.falls

    def _mapping(self, rule: Rule, target: Target) -> Outcome:
        to = target.destination
        kind = OutcomeKind.REDIRECT if target.name == "REDIRECT" else OutcomeKind.DNAT
        if to is None:
            self._doubt(DoubtKind.TARGET, rule)
            return Outcome(kind)
        if to.is_range:
            self._doubt(DoubtKind.CHOICE, rule)
        address = None if to.last_address else to.address or self._packet.destination
        if kind is OutcomeKind.REDIRECT:
            # Locally made connections are turned to loopback, others to the input interface's address.
            address = "127.0.0.1" if self._hook == "OUTPUT" else None
        port = None if to.last_port is not None else to.port if to.port is not None else self._packet.port
        return Outcome(kind, address, port)

    def _doubt(self, kind: DoubtKind, rule: Rule, doubtful: tuple[Option, ...] = ()) -> None:
        detail = " ".join(str(option) for option in doubtful) or rule.text
        self.doubts.append(Uncertainty(kind, detail, self._ruleset.backend, rule))
