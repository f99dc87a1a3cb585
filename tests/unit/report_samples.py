"""Report documents for tests of report formats: every status, names that attack, many edges, nothing at all."""

from __future__ import annotations

from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any

from kedoctor.api import Certainty, Evidence, Presentation, Status, replace
from kedoctor.model.report import (
    Acceptance,
    Capability,
    Cause,
    Cell,
    Fix,
    Hint,
    HopTitle,
    HostSeen,
    Report,
    Run,
    SafeReport,
    Site,
    Tool,
    Translation,
    Verdict,
)
from kedoctor.plugins import load_plugins
from kedoctor.redaction.documents import DocumentRedactor
from kedoctor.run.diagnose import RunRequest, diagnose_site
from kedoctor.run.site import bundled_site

NASTY = (
    '</script><script>alert(1)</script> | `x` *b* [a](http://evil) @admin #12 "q" \\ & {0} $x$\x00\x07\nnext'
)
FIXTURES = Path(__file__).parents[1] / "fixtures"


@cache
def recorded(case: str) -> Report:
    """What a recorded site comes to."""
    site = bundled_site(sorted((FIXTURES / case).glob("*.tgz")))
    return diagnose_site(
        load_plugins(directory=Path("/nonexistent")), site, RunRequest(command="kedoctor run")
    )


def verdict(status: Status, code: str = "TOY101", **fields: Any) -> Verdict:
    """A verdict of a check that breaks logs."""
    usual: dict[str, Any] = {
        "code": code,
        "slug": "toy",
        "title": "Toys are tidy",
        "status": status,
        "subject": "edge1",
        "node": "edge1",
        "host": "edge1",
        "side": "edge",
        "hop": "two",
        "capabilities": ("logs",),
        "certainty": Certainty.PROVED,
        "summary": f"It is {status.value}.",
        "expected": "tidy",
        "actual": "untidy",
        "evidence": (Evidence("/etc/toys.yaml", "tidy: false", 7), Evidence("systemctl show toys")),
        "hint": Hint("Tidy up.", ("tidy --all",)),
        "fix": Fix(available=False, remedy="Tidy up now and then."),
        "took_ms": 1234,
        "zh": Translation(
            title="玩具整齐",
            summary=f"状态为 {status.value}。",
            expected="整齐",
            hint="请整理。",
            remedy="经常整理。",
        ),
    }
    return Verdict(**(usual | fields))


def cause_of(found: Verdict, **fields: Any) -> Cause:
    """A verdict as a root cause."""
    usual: dict[str, Any] = {
        "code": found.code,
        "slug": found.slug,
        "status": found.status,
        "title": found.title,
        "summary": found.summary,
        "subjects": (found.subject,),
        "nodes": (found.node,),
        "count": 1,
        "capabilities": found.capabilities,
        "hop": found.hop,
        "certainty": found.certainty,
        "remedy": found.fix.remedy,
        "commands": found.hint.commands,
        "consequences": (),
        "zh": found.zh,
    }
    return Cause(**(usual | fields))


def accepted(**fields: Any) -> Verdict:
    """A failure that a baseline accepts."""
    why = Acceptance(status=Status.FAIL, reason="moves in May", owner="Ann", until=date(2027, 1, 31), entry=0)
    return verdict(Status.ACCEPTED, accepted=why, **fields)


def report(*verdicts: Verdict, **fields: Any) -> Report:
    """A document of these verdicts; failures are causes."""
    run = Run(
        id="20261123T031953Z-beef",
        started=datetime(2026, 11, 23, 3, 19, 53, 120000, tzinfo=UTC),
        duration_ms=2500,
        command="kedoctor run",
        exit_code=1,
        complete=True,
    )
    usual: dict[str, Any] = {
        "schema_version": "1.0",
        "tool": Tool("kedoctor", "0.1.0"),
        "run": run,
        "site": Site(
            sides=("edge",),
            hosts=(HostSeen("edge1", ("edge",)),),
            component_versions={"Toys": ("v1",)},
        ),
        "hops": (HopTitle("two", "the second hop", "第二环节"),),
        "causes": tuple(cause_of(one) for one in verdicts if one.status is Status.FAIL),
        "matrix": (
            Cell("edge1", (Capability("logs", "broken", "two", "TOY101"), Capability("top", "works"))),
        ),
        "verdicts": verdicts,
    }
    changed = {name: fields.pop(name) for name in list(fields) if hasattr(run, name)}
    return Report(**(usual | {"run": replace(run, **changed)} | fields))


def every_status(**fields: Any) -> Report:
    """One verdict of each status, each by its own check."""
    return report(
        *(verdict(status, f"TOY{101 + place}") for place, status in enumerate(Status)),
        **fields,
    )


def hostile() -> Report:
    """Everything that a site can name is an attack on the reader."""
    bad = verdict(
        Status.FAIL,
        subject=NASTY,
        node=NASTY,
        host=NASTY,
        summary=NASTY,
        expected=NASTY,
        actual=NASTY,
        evidence=(Evidence("/etc/" + NASTY, NASTY + "\n```\n# out\n", 0), Evidence("/etc/x", "```", -3)),
        hint=Hint(NASTY, (NASTY,)),
        zh=Translation(title=NASTY, summary=NASTY, expected=NASTY, hint=NASTY, remedy=NASTY),
    )
    row = Cell(NASTY, (Capability("logs", "broken", "two", NASTY), Capability("top", "unknown")))
    site = Site(
        sides=("edge",),
        hosts=(HostSeen(NASTY, ("edge",)),),
        cluster_version=NASTY,
        component_versions={NASTY: (NASTY,)},
    )
    return report(
        bad,
        replace(bad, status=Status.UNKNOWN),
        replace(bad, status=Status.WARN, hop=""),
        matrix=(row,),
        site=site,
        command=NASTY,
    )


def many_edges(number: int = 200) -> Report:
    """So many edges, every third broken, its verdicts folded."""
    names = tuple(f"edge{place:04}" for place in range(number))
    broken = names[::3]
    states = {name: "broken" if name in broken else "clear" for name in names}
    rows = tuple(
        Cell(
            name,
            (
                Capability(
                    "logs", state, "two" if state == "broken" else "", "TOY101" if state == "broken" else ""
                ),
                Capability("top", "works"),
            ),
        )
        for name, state in states.items()
    )
    found = verdict(
        Status.FAIL, node="", nodes=broken, subject=f"edge0000 and {len(broken) - 1} more", host=""
    )
    causes = (cause_of(found, nodes=broken, subjects=broken, count=len(broken)),)
    return report(found, matrix=rows, causes=causes)


def safe(made: Report) -> SafeReport:
    """The document once it has passed the redactor, as everything that is kept or shown."""
    return DocumentRedactor().report(made)


ENGLISH, CHINESE = Presentation(), Presentation(language="zh")
EVERYTHING = Presentation(verbose=True)
