"""A drop-in plugin whose checks say the whole corpus, each form in every field of a finding in turn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from canaries import texts
from secret_forms import BENIGN

from kedoctor.api import Evidence, Finding, Side, Status, Text, check, hookimpl, replace

FIELDS = ("summary", "expected", "actual", "excerpt", "source", "hint", "command", "subject", "node")
_OURS = Text("the words of a check", zh="检查的说明")


@check(code="CANA01", slug="canary-site", title=_OURS, side=Side.SITE, breaks=("logs",), hop="tunnel")
def of_the_site() -> Iterator[Finding]:
    """What is judged of the site; forms and fields have no common divisor, so each form comes to several fields."""
    every = texts()
    return (_finding(every[at : at + len(FIELDS)]) for at in range(0, len(every), len(FIELDS)))


@check(code="CANA02", slug="canary-edge", title=_OURS, side=Side.EDGE)
def of_an_edge() -> Iterator[Finding]:
    """What nobody could find out on an edge, and what is only a warning."""
    every = texts()
    for number in range(8):
        status = (Status.UNKNOWN, Status.WARN, Status.PASS, Status.SKIP)[number % 4]
        yield replace(_finding(every[number * 212 : number * 212 + len(FIELDS)]), status=status)


@check(code="CANA03", slug="canary-crash", title=_OURS, side=Side.SITE)
def that_breaks() -> Finding:
    """A check that breaks with what it read."""
    raise ValueError(texts()[0])


@check(code="CANA04", slug="canary-benign", title=_OURS, side=Side.SITE, breaks=("logs",), hop="tunnel")
def that_must_survive() -> Iterator[Finding]:
    """What looks like a secret and is none."""
    return (replace(_finding([text]), subject=text) for text in BENIGN)


def _finding(said: Sequence[str]) -> Finding:
    told = dict(zip(FIELDS, [*said, *["words"] * len(FIELDS)], strict=False))
    return Finding(
        status=Status.FAIL,
        summary=Text(told["summary"], zh=told["summary"]),
        expected=Text(told["expected"], zh=told["expected"]),
        actual=told["actual"],
        evidence=(Evidence(told["source"], told["excerpt"]),),
        hint=Text(told["hint"], zh=told["hint"]),
        commands=(told["command"],),
        subject=told["subject"],
        node=told["node"],
    )


@hookimpl
def kedoctor_checks() -> list[Any]:
    """All of them."""
    return [of_the_site, of_an_edge, that_breaks, that_must_survive]
