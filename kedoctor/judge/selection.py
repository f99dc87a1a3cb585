"""Which checks a run is about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kedoctor.base.errors import UsageError
from kedoctor.base.suggestions import did_you_mean
from kedoctor.judge.registry import RegisteredCheck, Registry
from kedoctor.model.declarations import Check, RunMode, Side, Symptom

__all__ = ["Selection"]


@dataclass(frozen=True, slots=True)
class Selection:
    """What to look at: ``only`` and ``symptoms`` narrow each other (empty: all), ``skip`` takes out.

    ``only`` and ``skip`` are codes or slugs; a code ending in ``xx`` names its hundred. Several symptoms are asked
    about together. Of the checks that are not named one by one only those of the ``occasion`` are meant.
    """

    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    symptoms: tuple[str, ...] = ()
    sides: frozenset[Side] = frozenset(Side)
    occasion: RunMode = RunMode.RUN

    def checks(self, registry: Registry, symptoms: Mapping[str, Symptom]) -> list[RegisteredCheck]:
        """The selected checks, by code; ``symptoms`` are the known ones.

        Raises:
            UsageError: a name matches no check or symptom, or nothing is left.
        """
        usual = {code for code, node in registry.checks.items() if self.occasion in node.check.occasions}
        only = _codes(registry, self.only, usual) if self.only else usual
        asked = self._behind_symptoms(registry, symptoms) if self.symptoms else only
        chosen = (only & asked) - _codes(registry, self.skip, set(registry.checks))
        if not chosen and (self.only or self.symptoms):
            raise UsageError(
                "these options leave no check to run", hint="--only and --symptom narrow each other"
            )
        return [
            registry.checks[code] for code in sorted(chosen) if registry.checks[code].check.side in self.sides
        ]

    def asked(self, symptoms: Mapping[str, Symptom]) -> list[Symptom]:
        """The symptoms that are asked about.

        Raises:
            UsageError: a name is not a symptom.
        """
        return _named(self.symptoms, symptoms)

    def _behind_symptoms(self, registry: Registry, symptoms: Mapping[str, Symptom]) -> set[str]:
        checks = {code: node.check for code, node in registry.checks.items()}
        begun = {
            code
            for symptom in self.asked(symptoms)
            for code, check in checks.items()
            if code in symptom.codes or _part_of(symptom, check)
        }
        return _with_what_is_behind(begun, checks)


def _part_of(symptom: Symptom, check: Check) -> bool:
    here = not symptom.hops or check.hop in symptom.hops
    return here and not set(symptom.capabilities).isdisjoint(check.breaks)


def _named(names: Iterable[str], symptoms: Mapping[str, Symptom]) -> list[Symptom]:
    found = []
    for name in names:
        if name.lower() not in symptoms:
            raise UsageError(
                f"there is no symptom {name!r}{did_you_mean(name, symptoms)}",
                hint=f"the symptoms are: {', '.join(symptoms)}",
            )
        found.append(symptoms[name.lower()])
    return found


def _with_what_is_behind(codes: Iterable[str], checks: Mapping[str, Check]) -> set[str]:
    """The codes, and those of all checks they build on or that can explain them: without these no cause has a name."""
    found: set[str] = set()
    waiting = list(codes)
    while waiting:
        code = waiting.pop()
        if code in checks and code not in found:
            found.add(code)
            waiting += [*checks[code].builds_on, *checks[code].explained_by]
    return found


def _codes(registry: Registry, names: Iterable[str], usual: set[str]) -> set[str]:
    found: set[str] = set()
    for name in names:
        wanted = name.upper()
        if wanted.endswith("XX"):
            matching = {code for code in usual if code.startswith(wanted[:-2]) and len(code) == len(wanted)}
        else:
            checks = registry.checks.items()
            matching = {code for code, node in checks if wanted == code or name.lower() == node.check.slug}
        if not matching:
            raise UsageError(
                f"there is no check {name!r}{did_you_mean(name, _names(registry))}",
                hint="kedoctor list shows every code and name",
            )
        found |= matching
    return found


def _names(registry: Registry) -> list[str]:
    return [*registry.checks, *(node.check.slug for node in registry.checks.values())]
