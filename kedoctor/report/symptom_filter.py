"""What of a report belongs to the symptoms it was asked about.

To name a cause, a run looks at more than the symptom itself; what was found there and explains nothing of it is
another matter, and would only distract.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from kedoctor.model.declarations import Check, DataPath, Symptom
from kedoctor.model.report import Verdict

__all__ = ["narrowed", "relevant"]


def narrowed(path: DataPath | None, symptoms: Sequence[Symptom]) -> DataPath | None:
    """The path with the capabilities that were asked about; without symptoms: all of them."""
    if path is None or not symptoms:
        return path
    asked = {name for symptom in symptoms for name in symptom.capabilities}
    kept = {name: hops for name, hops in path.capabilities.items() if name in asked}
    return dataclasses.replace(path, capabilities=kept)


def relevant(
    verdicts: Sequence[Verdict],
    symptoms: Sequence[Symptom],
    path: DataPath | None,
    checks: Mapping[str, Check],
) -> list[Verdict]:
    """The verdicts of a diagnosis that concern a symptom, and those that explain one of these."""
    if not symptoms:
        return list(verdicts)
    places = [(symptom, _hops(symptom, path, checks)) for symptom in symptoms]
    own = [one for one in verdicts if any(_concerns(one, *place) for place in places)]
    behind = {code for one in own for code in one.explained_by}
    kept = {id(one) for one in own}
    return [one for one in verdicts if id(one) in kept or one.code in behind]


def _hops(symptom: Symptom, path: DataPath | None, checks: Mapping[str, Check]) -> frozenset[str]:
    travelled = path.capabilities if path else {}
    hops = symptom.hops or tuple(hop for name in symptom.capabilities for hop in travelled.get(name, ()))
    named = (checks[code].hop for code in symptom.codes if code in checks)
    return frozenset(("", *hops, *named))


def _concerns(verdict: Verdict, symptom: Symptom, hops: frozenset[str]) -> bool:
    if not verdict.capabilities:
        return verdict.hop in hops
    here = not symptom.hops or verdict.hop in symptom.hops
    return here and not set(symptom.capabilities).isdisjoint(verdict.capabilities)
