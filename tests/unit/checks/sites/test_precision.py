"""docs/precision.md is what the script makes of today's checks, and it has no cause that is wrong or missing."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

ROOT = Path(__file__).parents[4]


def test_the_table_is_in_step_and_nothing_is_named_wrongly() -> None:
    spec = importlib.util.spec_from_file_location(
        "precision_recall", ROOT / "benchmarks" / "precision_recall.py"
    )
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    sys.modules["precision_recall"] = script  # where dataclasses look it up
    spec.loader.exec_module(script)
    recordings, faults = list(script.recorded()), list(script.injected())
    assert [row.name for row in (*recordings, *faults) if row.wrong or row.missed] == []
    text = (ROOT / "docs" / "precision.md").read_text(encoding="utf-8")
    assert text == script.document(recordings, faults), "run: python benchmarks/precision_recall.py"
