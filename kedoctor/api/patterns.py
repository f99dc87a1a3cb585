"""Regular expressions for plugins; ``re`` itself is imported nowhere else, so that every pattern can be measured."""

from __future__ import annotations

from kedoctor.patterns import (
    ASCII,
    DOTALL,
    IGNORECASE,
    MULTILINE,
    VERBOSE,
    Match,
    Pattern,
    bounded,
    compiled,
    error,
    escape,
)

__all__ = [
    "ASCII",
    "DOTALL",
    "IGNORECASE",
    "MULTILINE",
    "VERBOSE",
    "Match",
    "Pattern",
    "bounded",
    "compiled",
    "error",
    "escape",
]
