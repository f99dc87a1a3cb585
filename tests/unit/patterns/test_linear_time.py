"""No pattern of the product can be made to hang: what it costs grows with the length of the text and no faster."""

from __future__ import annotations

import ast
import pickle
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from growth import Growth, growth
from inventory import EVERYWHERE, ROOT, modules

_PARTS = 8
_TRIES = 4


LIST = """
import pickle, sys
sys.path[:0] = sys.argv[1:]
from inventory import all_patterns
sys.stdout.buffer.write(pickle.dumps(sorted(all_patterns().items(), key=lambda pair: str(pair[0].pattern))))
"""


@cache
def _all() -> list[tuple[re.Pattern[Any], frozenset[str]]]:
    """From a process of their own: what other tests have compiled in this one would be measured too."""
    listed = subprocess.run(
        [sys.executable, "-c", LIST, str(Path(__file__).parent), str(ROOT)], capture_output=True, check=True
    )
    found: list[tuple[re.Pattern[Any], frozenset[str]]] = pickle.loads(listed.stdout)
    return found


def _measured_anew(pattern: re.Pattern[Any], methods: frozenset[str]) -> Iterator[Growth]:
    return (growth(pattern, methods) for _ in range(_TRIES))


@pytest.mark.timeout(900)
@pytest.mark.parametrize("part", range(_PARTS))
def test_every_pattern_takes_linear_time(part: int) -> None:
    faults = []
    for pattern, methods in _all()[part::_PARTS]:
        # Other work on the machine can make one measurement look worse than linear, and never four of them.
        found = next((one for one in _measured_anew(pattern, methods) if one.linear), None)
        if found is None:
            found = growth(pattern, methods)
            text = [piece[:60] for piece in found.text]
            faults.append(f"n^{found.exponent:.2f}: {str(pattern.pattern)[:200]!r} on {text!r}")
    assert not faults, "\n".join(faults)


def test_all_patterns_are_among_them() -> None:
    assert len(_all()) > 600


@pytest.mark.parametrize(
    "text", [r"(?:a|b|ab)*c", r"x.*y", r"(?:a+)+\Z", r"\s*x", r"(?:[-_.]?(?:s|data|\d+))*\Z", r"a.*b.*c"]
)
def test_a_pattern_that_is_not_linear_is_found(text: str) -> None:
    assert not growth(re.compile(text), EVERYWHERE).linear


@pytest.mark.parametrize("text", [r"a[bc]{0,20}d", r"\A.*x", r"(?<!\s)\s*+x", r"[^\n]*\n|[^\n]+"])
def test_a_pattern_that_is_linear_is_let_pass(text: str) -> None:
    assert growth(re.compile(text), frozenset({"finditer"})).linear


def test_only_one_module_imports_re() -> None:
    importing = [
        str(path.relative_to(ROOT))
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if (
            isinstance(node, ast.Import)
            and any(name.name in ("re", "regex", "sre_compile") for name in node.names)
        )
        or (isinstance(node, ast.ImportFrom) and node.module in ("re", "regex"))
    ]
    assert set(importing) == {"kedoctor/patterns.py"}
