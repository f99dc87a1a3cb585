"""How exactly the diagnosis names what is wrong: writes ``docs/precision.md``.

``python benchmarks/precision_recall.py`` judges every recorded site (``tests/fixtures``, causes in
``tests/unit/checks/sites/test_recorded_sites.py``) and a healthy recorded site with each fault of ``tests/faults.py`` in it, and counts
causes named rightly (TP), named wrongly (FP) and not named (FN). ``--pairs`` judges every two faults of different hops
together as well (some minutes) and prints what of it went wrong; that is not written.
"""

from __future__ import annotations

import csv
import itertools
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
SITES = ROOT / "tests" / "unit" / "checks" / "sites"
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "unit"), str(SITES)]

from fault import Inject  # noqa: E402  of the tests
from faults import FAULTS, hidden, possible  # noqa: E402  of the tests
from faulty_site import FaultySite  # noqa: E402  of the tests
from test_recorded_sites import CAUSES, FIXTURES  # noqa: E402  of the tests

from kedoctor.plugins import load_plugins  # noqa: E402  behind the path
from kedoctor.run.diagnose import RunRequest, diagnose_site  # noqa: E402  behind the path
from kedoctor.run.site import bundled_site  # noqa: E402  behind the path

TABLE = ROOT / "docs" / "precision.md"
SERIES = ROOT / "benchmarks" / "after_events.csv"


@dataclass(frozen=True, slots=True)
class Row:
    """One site: the causes that are right (for each all codes that would name it), and those that were named."""

    name: str
    hop: str
    expected: tuple[tuple[str, ...], ...]
    named: tuple[str, ...]
    allowed: tuple[str, ...] = ()  # right as well, where it can be seen

    @property
    def right(self) -> int:
        """Causes that were named and are right."""
        return sum(bool(set(codes) & set(self.named)) for codes in self.expected)

    @property
    def wrong(self) -> int:
        """Causes that were named and are none."""
        right = {code for codes in self.expected for code in codes} | set(self.allowed)
        return len(set(self.named) - right)

    @property
    def missed(self) -> int:
        """Causes that were not named."""
        return len(self.expected) - self.right


def recorded() -> Iterator[Row]:
    """Every recorded site, all its bundles together."""
    plugins = load_plugins(directory=Path("/nonexistent"))
    for case, codes in CAUSES.items():
        site = bundled_site(sorted((FIXTURES / case).glob("*.tgz")))
        causes = diagnose_site(plugins, site, RunRequest()).causes
        yield Row(case, "", tuple((code,) for code in codes), tuple(cause.code for cause in causes))


def injected() -> Iterator[Row]:
    """The healthy site, then with every fault in it."""
    yield Row("none", "", (), _named(()))
    for one in FAULTS:
        yield Row(one.name, one.hop, (tuple(sorted(one.codes)),), _named((one.inject,)))


def pairs() -> Iterator[Row]:
    """Every two faults of different hops; what one hides of the other is not expected."""
    for first, second in itertools.combinations(FAULTS, 2):
        if first.hop != second.hop and possible((first, second)):
            seen = [one for one, other in ((first, second), (second, first)) if not hidden(one, [other])]
            expected = tuple(tuple(sorted(one.codes)) for one in seen)
            allowed = tuple(first.codes | second.codes)
            named = _named((first.inject, second.inject))
            yield Row(f"{first} + {second}", "", expected, named, allowed)


def _named(injections: Sequence[Inject]) -> tuple[str, ...]:
    site = FaultySite()
    for inject in injections:
        inject(site)
    return tuple(cause.code for cause in site.report().causes)


def document(recordings: list[Row], faults: list[Row]) -> str:
    """The document."""
    lines = [
        "# How exactly causes are named",
        "",
        "Written by `python benchmarks/precision_recall.py`, kept in step by",
        "`tests/unit/checks/sites/test_precision.py`. TP: causes named rightly; FP: named, and none; FN: not named. A cause stands",
        "at its hop; consequences do not count. Two and three faults at once are in `test_combinations.py` beside it, every pair in",
        "`--pairs` of the script.",
        "",
        "## Totals",
        "",
        "| sites | TP | FP | FN | precision | recall |",
        "|---|---|---|---|---|---|",
        _total("recorded", recordings),
        _total("a fault in a recorded healthy site", faults),
        _total("all", [*recordings, *faults]),
        "",
        "## Recorded sites",
        "",
        "| site | right | named | TP | FP | FN |",
        "|---|---|---|---|---|---|",
        *(_line(row) for row in recordings),
        "",
        "## Faults put into a recorded healthy site",
        "",
        "| fault | hop | right | named | TP | FP | FN |",
        "|---|---|---|---|---|---|---|",
        *(_line(row, row.hop or "–") for row in faults),
        "",
        "## After events on a real site",
        "",
        "Tried by hand on KubeEdge v1.22.2 and Kubernetes v1.34.2 with three edges, after what earlier series showed was mended:",
        "`kedoctor run` again and again from each place for a minute and a half, each time between two real `kubectl logs`, `exec`",
        "and `top`. A false failure is exit code 1 where nothing but the event had happened; a false *works* is a cell of a",
        "capability that kubectl had neither before nor after the run. Settling (exit code 3) is neither. This table is",
        "`benchmarks/after_events.csv`.",
        "",
        "| event | place | runs | settling | false failures | false *works* |",
        "|---|---|---|---|---|---|",
        *after_events(),
    ]
    return "\n".join(lines) + "\n"


def after_events() -> Iterator[str]:
    """The rows of what was tried on a real site, and their sum."""
    with SERIES.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    counted = ("runs", "settling", "false_failures", "false_works")
    for row in rows:
        yield f"| {row['event']} | {row['place']} | " + " | ".join(row[name] for name in counted) + " |"
    yield "| all | | " + " | ".join(str(sum(int(row[name]) for row in rows)) for name in counted) + " |"


def _line(row: Row, *more: str) -> str:
    expected = " ".join("/".join(codes) for codes in row.expected) or "–"
    cells = (row.name, *more, expected, " ".join(row.named) or "–", row.right, row.wrong, row.missed)
    return "| " + " | ".join(map(str, cells)) + " |"


def _total(name: str, rows: list[Row]) -> str:
    right, wrong, missed = (sum(getattr(row, one) for row in rows) for one in ("right", "wrong", "missed"))
    precision, recall = right / (right + wrong), right / (right + missed)
    return f"| {name} ({len(rows)}) | {right} | {wrong} | {missed} | {precision:.1%} | {recall:.1%} |"


def main() -> None:
    """Writes the document, or judges the pairs."""
    if "--pairs" in sys.argv:
        rows = list(pairs())
        print("\n".join(_line(row) for row in rows if row.wrong or row.missed))
        print(_total("pairs", rows))
        return
    text = document(list(recorded()), list(injected()))
    TABLE.write_text(text, encoding="utf-8")
    print(text, end="")


if __name__ == "__main__":
    main()
