"""How ``kedoctor explain`` answers reports from the field: a table at the end of ``docs/corpus.md``.

``python benchmarks/field_table.py`` explains the texts of ``tests/fixtures/field-cases.json`` (texts of public reports,
of operating systems and of programs, collected by others than the authors of the table of texts) and of
``more-reports.json`` (a held-out set: what was missed of it before the table was changed is recorded below) and prints
what was missed. An answer is right if one of the accepted codes is first or second; BENIGN accepts noise, NONE that no
cause is named. An answer is harmful if it calls a real cause noise.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kedoctor.model.explanations import Explanation
from kedoctor.plugins import Plugins, load_plugins

ROOT = Path(__file__).parents[1]
FIXTURES = ROOT / "tests" / "fixtures"
SETS = {
    "field-cases": ("half of the field's reports and texts", "63 of 99, 3 harmful"),
    "more-reports": ("reports held out until the table was judged once", "33 of 43, 1 harmful"),
}


@dataclass(frozen=True)
class Row:
    """One text with the answers that are right, and what explain said."""

    case: dict[str, Any]
    answer: Explanation

    @property
    def named(self) -> list[str]:
        """The codes, likeliest first."""
        return [cause.code for cause in self.answer.causes]

    @property
    def hit(self) -> bool:
        """Whether the answer is right."""
        accepted = set(self.case["accept"])
        if self.named:
            return bool(set(self.named[:2]) & accepted)
        return "NONE" in accepted or ("BENIGN" in accepted and self.answer.benign)

    @property
    def harmful(self) -> bool:
        """Whether a real cause was called noise."""
        return self.answer.benign and not {"BENIGN", "NONE"} & set(self.case["accept"])


def rows(name: str, plugins: Plugins | None = None) -> Iterator[Row]:
    """Every text of a set, explained."""
    plugins = plugins or load_plugins(directory=Path("/nonexistent"))
    for case in json.loads((FIXTURES / f"{name}.json").read_text(encoding="utf-8")):
        answer = plugins.explain(case["text"].split("\n"))
        assert answer is not None
        yield Row(case, answer)


def table(name: str, found: Sequence[Row]) -> list[str]:
    """The lines of the document about one set."""
    what, before = SETS[name]
    hits = sum(row.hit for row in found)
    first = sum(row.hit and (not row.named or row.named[0] in row.case["accept"]) for row in found)
    harmful = sum(row.harmful for row in found)
    lines = [
        f"## {name}: {what}",
        "",
        f"{hits} of {len(found)} right first or second ({first} first), {harmful} harmful. When first judged: {before}.",
        "",
        "| text | kind | accepted | explain says | |",
        "|---|---|---|---|---|",
    ]
    for row in sorted(found, key=lambda row: (row.hit, row.case["id"])):
        said = " ".join(row.named[:4]) or ("noise or works" if row.answer.benign else "no cause")
        mark = "" if row.hit else "missed"
        kind = row.case.get("kind", row.case.get("note", ""))[:60]
        lines.append(f"| {row.case['id']} | {kind} | {' '.join(row.case['accept'])} | {said} | {mark} |")
    return [*lines, ""]


def document() -> str:
    """The part of docs/corpus.md about the field."""
    plugins = load_plugins(directory=Path("/nonexistent"))
    parts = [line for name in SETS for line in table(name, list(rows(name, plugins)))]
    return "\n".join(["# Texts from the field", "", *parts]).rstrip() + "\n"


def main() -> None:
    """Prints what was missed."""
    for name in SETS:
        found = list(rows(name))
        for row in found:
            if not row.hit or row.harmful:
                print(
                    "HARM" if row.harmful else "MISS", row.case["id"], row.case["accept"], "->", row.named[:4]
                )
        print(name, sum(row.hit for row in found), "of", len(found))


if __name__ == "__main__":
    main()
