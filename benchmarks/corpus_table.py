"""How well ``kedoctor explain`` names the root cause of real reports: writes ``docs/corpus.md``.

``python benchmarks/corpus_table.py`` explains each report of ``tests/fixtures/corpus.json`` from its symptom and its
quoted evidence alone (never from what was inferred, the root cause or the fix), and compares with the check that
decides that root cause (``tests/corpus_codes.json``). A hit is the root cause named first or second.
``--check`` prints the misses and writes nothing.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kedoctor.model.explanations import Explanation
from kedoctor.plugins import Plugins, load_plugins

ROOT = Path(__file__).parents[1]
CORPUS = ROOT / "tests" / "fixtures" / "corpus.json"
CODES = ROOT / "tests" / "corpus_codes.json"
TABLE = ROOT / "docs" / "corpus.md"
WHY = {
    # Why a report is missed, in a sentence a reader can judge.
    "kubeedge-5446": "the refused MQTT connection is called noise, as it is; but the same evidence shows a flannel "
    "pod on the edge, which is named instead (KE710).",
}


@dataclass(frozen=True)
class Row:
    """One report and what explain made of it; ``place`` is where the root cause stands (0: nowhere)."""

    report: dict[str, Any]
    wanted: tuple[str, ...]
    answer: Explanation
    place: int

    @property
    def counted(self) -> bool:
        """Whether the report says enough to decide its root cause."""
        return bool(self.report["decidable_from_report"])

    @property
    def hit(self) -> bool:
        """Named first or second."""
        return self.place in (1, 2)


def rows(plugins: Plugins | None = None) -> Iterator[Row]:
    """Every report, explained."""
    plugins = plugins or load_plugins(directory=Path("/nonexistent"))
    codes = json.loads(CODES.read_text(encoding="utf-8"))
    for report in json.loads(CORPUS.read_text(encoding="utf-8")):
        own = codes["reports"].get(report["id"], {})
        wanted = tuple(own.get("codes") or codes["classes"][report["root_cause_class"]])
        answer = plugins.explain([report["symptom"], *report["evidence"]])
        assert answer is not None
        yield Row(report, wanted, answer, _place(wanted, answer))


def _place(wanted: tuple[str, ...], answer: Explanation) -> int:
    if wanted == ("benign",):
        return int(answer.benign)
    named = [cause.code for cause in answer.causes]
    return min((named.index(code) + 1 for code in wanted if code in named), default=0)


def table(found: list[Row]) -> str:
    """The document."""
    counted = [row for row in found if row.counted]
    hits = [row for row in counted if row.hit]
    first = [row for row in counted if row.place == 1]
    lines = [
        "# What explain makes of real reports",
        "",
        f"{len(found)} reports from the trackers of KubeEdge and KubeSphere (`tests/fixtures/corpus.json`), each explained from its",
        "symptom and its quoted evidence alone. The check that decides each root cause is in `tests/corpus_codes.json`.",
        "",
        f"Of the {len(counted)} reports that say enough to decide their root cause, explain names it first in {len(first)} and first or",
        f"second in {len(hits)}. The table is written by `python benchmarks/corpus_table.py`.",
        "",
        "| report | root cause | check | explain says | place |",
        "|---|---|---|---|---|",
    ]
    lines += [_line(row) for row in sorted(counted, key=lambda row: (row.hit, row.report["id"]))]
    lines += [
        "",
        "Reports that do not say enough (not counted):",
        "",
        "| report | root cause | check | explain says | place |",
        "|---|---|---|---|---|",
    ]
    lines += [_line(row) for row in found if not row.counted]
    misses = [row for row in counted if not row.hit]
    if misses:
        lines += ["", "## Misses", ""]
        lines += [
            f"* {row.report['source']}: {WHY.get(row.report['id'], 'not yet understood')}" for row in misses
        ]
    return "\n".join(lines) + "\n\n" + _field()


def _field() -> str:
    """What field_table.py says of the texts from the field."""
    spec = importlib.util.spec_from_file_location("field_table", Path(__file__).with_name("field_table.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["field_table"] = module  # where dataclasses look it up
    spec.loader.exec_module(module)
    text: str = module.document()
    return text


def _line(row: Row) -> str:
    said = " ".join(cause.code for cause in row.answer.causes[:4]) or (
        "noise" if row.answer.benign else "nothing"
    )
    place = f"{row.place}" if row.place else "–"
    return f"| {row.report['source'].split(' ')[0]} | {row.report['root_cause_class']} | {' or '.join(row.wanted)} | {said} | {place} |"


def main() -> None:
    """Writes the table, or prints the misses."""
    found = list(rows())
    if "--check" in sys.argv:
        for row in found:
            if not row.hit:
                mark = "MISS" if row.counted else "miss"
                print(
                    mark,
                    row.report["id"],
                    row.report["root_cause_class"],
                    row.wanted,
                    "->",
                    [c.code for c in row.answer.causes],
                    "benign" if row.answer.benign else "",
                )
    else:
        TABLE.write_text(table(found), encoding="utf-8")
    counted = [row for row in found if row.counted]
    print(
        f"{sum(row.hit for row in counted)} of {len(counted)} (all: {sum(row.hit for row in found)} of {len(found)})"
    )


if __name__ == "__main__":
    main()
