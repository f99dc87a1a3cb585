"""Which checks a run is about."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kedoctor.declarations import Side
from kedoctor.errors import UsageError
from kedoctor.registry import RegisteredCheck, Registry

__all__ = ["Selection"]


@dataclass(frozen=True, slots=True)
class Selection:
    """Codes or slugs to run (``only``, empty: all) and to leave out; a code ending in ``xx`` names its hundred."""

    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    sides: frozenset[Side] = frozenset(Side)

    def checks(self, registry: Registry) -> list[RegisteredCheck]:
        """The selected checks, by code.

        Raises:
            UsageError: a name matches no check.
        """
        only = _codes(registry, self.only) if self.only else set(registry.checks)
        chosen = only - _codes(registry, self.skip)
        return [
            registry.checks[code] for code in sorted(chosen) if registry.checks[code].check.side in self.sides
        ]


def _codes(registry: Registry, names: Iterable[str]) -> set[str]:
    found: set[str] = set()
    for name in names:
        matching = {code for code, node in registry.checks.items() if _matches(name, code, node.check.slug)}
        if not matching:
            raise UsageError(f"there is no check {name!r}", hint="kedoctor list shows every code and name")
        found |= matching
    return found


def _matches(name: str, code: str, slug: str) -> bool:
    wanted = name.upper()
    if wanted.endswith("XX"):
        return code.startswith(wanted[:-2]) and len(code) == len(wanted)
    return wanted == code or name.lower() == slug
