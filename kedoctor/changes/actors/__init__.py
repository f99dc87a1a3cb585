"""The actors that carry actions out on files, units, rules, objects and images: one module a kind, found by looking."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from kedoctor.model.actors import ActionKind

__all__ = ["built_in"]


@cache
def built_in() -> tuple[ActionKind, ...]:
    """What the modules of this package name in ``KINDS``; imports them all, so ask only where something may change."""
    modules = sorted(pkgutil.iter_modules(__path__), key=lambda found: found.name)
    return tuple(
        kind
        for found in modules
        for kind in getattr(importlib.import_module(f"{__name__}.{found.name}"), "KINDS", ())
    )
