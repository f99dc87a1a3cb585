"""A person's sentence: what does not work, and what happened before. Both lead to the checks that decide.

The words and what they lead to are in ``sentences.yaml``; this module only reads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from kedoctor.api import Text, decode_yaml, patterns
from kedoctor.checks.explain.cross_line import Hint

__all__ = ["Words", "leads", "words"]

_PAIR, _ALONE = 60.0, 34.0  # a symptom with its circumstance says more than the symptom alone
_BESIDE = 40.0  # where the text itself names a cause, a circumstance only adds to it
_LONGEST = 4000  # a person's sentence is short


@dataclass(frozen=True)
class Words:
    """The table: patterns of symptoms and circumstances, their names, and the codes of each pair.

    ``leads`` maps a symptom to circumstances and codes; the circumstance ``alone`` is the symptom by itself.
    """

    symptoms: Mapping[str, patterns.Pattern[str]]
    circumstances: Mapping[str, patterns.Pattern[str]]
    names: Mapping[str, Text]
    leads: Mapping[str, Mapping[str, tuple[str, ...]]]


def leads(text: str, *, named: bool) -> list[Hint]:
    """The hints of a sentence: for each symptom that it names, with each circumstance that is known to matter.

    Args:
        text: what a person wrote.
        named: whether the sentence itself names a cause; then a symptom alone adds nothing.
    """
    table, text = words(), text[:_LONGEST]
    found: list[Hint] = []
    seen = [name for name, pattern in table.circumstances.items() if pattern.search(text)]
    for symptom, pattern in table.symptoms.items():
        if not pattern.search(text):
            continue
        known = table.leads[symptom]
        pairs = [name for name in seen if name in known]
        weight = _BESIDE if named else _PAIR
        found += [Hint(known[name], weight, _said(table, symptom, name)) for name in pairs]
        if not pairs and not named:
            found.append(Hint(known["alone"], _ALONE, table.names[symptom]))
    return found


def _said(table: Words, symptom: str, circumstance: str) -> Text:
    what, when = table.names[symptom], table.names[circumstance]
    return Text(f"{what.en}, {when.en}", zh=f"{what.zh}，{when.zh}")


@cache
def words() -> Words:
    """The table, read once."""
    data = decode_yaml((resources.files("kedoctor.checks.explain") / "sentences.yaml").read_bytes())
    both: dict[str, Any] = {**data["symptoms"], **data["circumstances"]}
    return Words(
        _compiled(data["symptoms"]),
        _compiled(data["circumstances"]),
        {name: Text(one["en"], zh=one["zh"]) for name, one in both.items()},
        {
            symptom: {name: tuple(codes.split()) for name, codes in rows.items()}
            for symptom, rows in data["leads"].items()
        },
    )


def _compiled(rows: Mapping[str, Mapping[str, str]]) -> dict[str, patterns.Pattern[str]]:
    return {
        name: patterns.compiled(row["words"], patterns.IGNORECASE | patterns.ASCII)
        for name, row in rows.items()
    }
