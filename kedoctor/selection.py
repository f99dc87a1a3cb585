"""Which checks a run is about."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kedoctor.declarations import Occasion, Side
from kedoctor.errors import UsageError
from kedoctor.registry import RegisteredCheck, Registry

__all__ = ["Selection"]


@dataclass(frozen=True, slots=True)
class Selection:
    """Codes or slugs to run (``only``, empty: all) and to leave out; a code ending in ``xx`` names its hundred.

    Of the checks that are not named one by one only those of the ``occasion`` are meant.
    """

    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    sides: frozenset[Side] = frozenset(Side)
    occasion: Occasion = Occasion.RUN

    def checks(self, registry: Registry) -> list[RegisteredCheck]:
        """The selected checks, by code.

        Raises:
            UsageError: a name matches no check.
        """
        usual = {code for code, node in registry.checks.items() if self.occasion in node.check.occasions}
        only = _codes(registry, self.only, usual) if self.only else usual
        chosen = only - _codes(registry, self.skip, set(registry.checks))
        return [
            registry.checks[code] for code in sorted(chosen) if registry.checks[code].check.side in self.sides
        ]


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
            raise UsageError(f"there is no check {name!r}", hint="kedoctor list shows every code and name")
        found |= matching
    return found
