"""How facts, checks and data paths are declared.

A fact is a function whose return annotation is the type it provides and whose parameters are the ports and
facts it is made from. A check is a function from facts to findings, with its metadata beside it. The graph is
read off the annotations; see :mod:`kedoctor.judge.registry` for what is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Generic, ParamSpec, TypeVar

from kedoctor.base.records import Record
from kedoctor.base.text import Text
from kedoctor.model.findings import Finding
from kedoctor.model.observations.request import Unavailable

__all__ = [
    "Check",
    "DataPath",
    "EveryHost",
    "EvidenceRules",
    "Fact",
    "FactUnavailableError",
    "HostContext",
    "RedactionRule",
    "Risk",
    "RunMode",
    "Side",
    "Symptom",
    "check",
    "fact",
    "require",
]

T = TypeVar("T")
P = ParamSpec("P")
Made = TypeVar("Made")
Judged = TypeVar("Judged", bound=Finding | Iterable[Finding])


class Side(StrEnum):
    """Where a check looks: through the API only, on a cloud (API-server) host, on an edge host, or on any host."""

    SITE = "site"
    CLOUD = "cloud"
    EDGE = "edge"
    HOST = "host"  # every host in view, also one that is none of these yet


class Risk(StrEnum):
    """What a repair disturbs, least first."""

    SAFE = "safe"
    RESTARTS_EDGECORE = "restarts-edgecore"
    RESTARTS_CLOUDCORE = "restarts-cloudcore"
    RESTARTS_APISERVER = "restarts-apiserver"


ALLOWED = Risk.RESTARTS_EDGECORE
"""The most that a repair may disturb when nobody says otherwise."""


def repair_command(risk: str) -> str:
    """What a person types to let a repair of this risk be made: ``--allow`` where it needs more than usual."""
    ladder = [one.value for one in Risk]
    bold = risk in ladder and ladder.index(risk) > ladder.index(ALLOWED.value)
    return "sudo kedoctor run --fix" + (f" --allow {risk}" if bold else "")


class RunMode(StrEnum):
    """What a check is run for: to see what is wrong, to let a change pass or not, or as a step of an install."""

    RUN = "run"
    GATE = "gate"
    INSTALL = "install"


class HostContext(Record, frozen=True):
    """The host a fact or check is evaluated for: ask for it like a fact to get its name and sides."""

    name: str
    sides: frozenset[str]


class EveryHost(Generic[T]):
    """``EveryHost[X]`` in a signature gives fact ``X`` of every host seen, by host name.

    The values are ``X`` or :class:`Unavailable`; a host on which ``X`` could not be made is still listed.
    """

    def __init__(self, items: Mapping[str, T | Unavailable]) -> None:
        self.items = dict(items)

    def known(self) -> dict[str, T]:
        """Only the hosts on which the fact could be made."""
        return {name: value for name, value in self.items.items() if not isinstance(value, Unavailable)}


class FactUnavailableError(Exception):
    """Raised by :func:`require` inside a fact; the engine turns it into an unavailable fact."""

    def __init__(self, unavailable: Unavailable) -> None:
        super().__init__(str(unavailable))
        self.unavailable = unavailable


def require(answer: T | Unavailable) -> T:
    """The answer itself, or the end of this fact: its reason becomes the fact's own.

    Raises:
        FactUnavailableError: ``answer`` is unavailable.
    """
    if isinstance(answer, Unavailable):
        raise FactUnavailableError(answer)
    return answer


@dataclass(frozen=True, slots=True)
class Fact:
    """A registered fact: the function that makes it."""

    make: Callable[..., Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A check and everything that is known about it without running it.

    ``breaks`` are the capabilities it breaks, ``hop`` where on the data path it sits (empty: beside it).
    ``builds_on`` are codes without whose pass it makes no sense (then: blocked). ``explained_by`` are codes
    which, failing for the same node, make a failure of this one a mere consequence; ``seen_by`` are those among them
    that see the very same fault from an edge, so that it is told once, whatever edges they name. ``proves`` are capabilities
    whose working a pass shows. ``deadline`` is in seconds. ``occasions`` say what it is run for: one that is only a
    step of an install is left out of a plain run unless it is named.
    """

    code: str
    slug: str
    title: Text
    side: Side
    judge: Callable[..., Finding | Iterable[Finding]]
    breaks: tuple[str, ...] = ()
    hop: str = ""
    builds_on: tuple[str, ...] = ()
    explained_by: tuple[str, ...] = ()
    seen_by: tuple[str, ...] = ()
    proves: tuple[str, ...] = ()
    remedy: Text | None = None
    risk: Risk | None = None
    references: tuple[str, ...] = ()
    deadline: float = 20.0
    occasions: tuple[RunMode, ...] = (RunMode.RUN, RunMode.GATE)


def fact(make: Callable[P, Made]) -> Callable[P, Made]:
    """Declares a function as a fact; its return annotation is what it provides."""
    make.__kedoctor_fact__ = Fact(make)  # type: ignore[attr-defined]
    return make


def check(
    *,
    code: str,
    slug: str,
    title: Text,
    side: Side,
    breaks: tuple[str, ...] = (),
    hop: str = "",
    builds_on: tuple[str, ...] = (),
    explained_by: tuple[str, ...] = (),
    seen_by: tuple[str, ...] = (),
    proves: tuple[str, ...] = (),
    remedy: Text | None = None,
    risk: Risk | None = None,
    references: tuple[str, ...] = (),
    deadline: float = 20.0,
    occasions: tuple[RunMode, ...] = (RunMode.RUN, RunMode.GATE),
) -> Callable[[Callable[P, Judged]], Callable[P, Judged]]:
    """Declares a function as a check; the keywords are the fields of :class:`Check`."""

    def declare(judge: Callable[P, Judged]) -> Callable[P, Judged]:
        judge.__kedoctor_check__ = Check(  # type: ignore[attr-defined]
            code=code,
            slug=slug,
            title=title,
            side=side,
            judge=judge,
            breaks=breaks,
            hop=hop,
            builds_on=builds_on,
            explained_by=explained_by,
            seen_by=seen_by,
            proves=proves,
            remedy=remedy,
            risk=risk,
            references=references,
            deadline=deadline,
            occasions=occasions,
        )
        return judge

    return declare


@dataclass(frozen=True, slots=True)
class DataPath:
    """The hops of a site's data path and the capabilities that travel it.

    ``hops`` are in travelling order, with the title a person reads, ``names`` what they are called where there is little
    room (a hop without one: its key); ``capabilities`` name, for each capability,
    the hops it needs. ``members`` is a fact type with an attribute ``names`` (the nodes that are rows of the
    matrix). ``about`` is a fact type with the attributes ``cluster_version`` (str), ``component_versions`` (a
    mapping of a component's name to the versions seen) and ``distribution`` (str). ``own_member`` is a fact type of
    hosts with the attribute ``name``: which member of the matrix an edge host is. ``sides`` say where each hop lies
    (``Side.SITE``: between cloud and edge), for those who draw the path.
    """

    hops: Mapping[str, Text]
    capabilities: Mapping[str, tuple[str, ...]]
    members: type
    about: type
    own_member: type | None = None
    names: Mapping[str, Text] = field(default_factory=dict)
    sides: Mapping[str, Side] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Symptom:
    """What somebody sees and asks about, before any cause is known.

    It is about the checks that break one of ``capabilities`` (with ``hops``: only those on these hops), about those
    named in ``codes``, and about all that can explain either. The matrix shows its capabilities.
    """

    name: str
    title: Text
    capabilities: tuple[str, ...]
    hops: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()


class RedactionRule(Record, frozen=True):
    """Secret values in evidence of a known format.

    ``applies_to`` is a glob over evidence names (``host:/etc/kubeedge/config/edgecore.yaml``,
    ``Secret/kubeedge/*``). ``keys`` are paths of mapping keys (``modules.edgeHub.token``; ``*`` stands for one
    key); without keys the whole item is a secret and only its kind and fingerprint are kept. ``known`` are the paths
    of all keys that the document may have, in lower case: under any other there may be anything, so its value is a
    secret too. ``document`` is the path of the key whose text is that document, where the item is an object.
    """

    applies_to: str
    keys: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    document: str = ""


@dataclass(frozen=True, slots=True)
class EvidenceRules:
    """What may be collected, and what in it is secret.

    ``files`` are absolute globs, ``units`` names of systemd units, ``tools`` names of read-only programs.
    ``programs`` are globs of process names whose arguments are needed; of all others only the name is kept. What
    is not listed by any plugin is never read into a bundle.
    """

    files: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()
    redactions: tuple[RedactionRule, ...] = field(default=())
