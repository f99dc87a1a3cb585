"""How the time of every pattern grows with the text: writes the table of ``docs/security.md``.

``python benchmarks/pattern_growth.py`` measures as tests/unit/patterns does: texts made from the parts of each pattern,
the worst of them at 10 kB and 100 kB, CPU seconds.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "security.md"
BEGIN, END = "<!-- pattern table -->\n", "<!-- end of the pattern table -->\n"
SHOWN = 5

sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "unit" / "patterns")]


def main() -> int:
    """Measures all patterns; exit code 1 if one grows too fast."""
    from growth import MOST, Growth, growth  # noqa: PLC0415  beside the tests
    from inventory import all_patterns  # noqa: PLC0415

    found: list[tuple[Growth, str]] = [
        (growth(pattern, methods), str(pattern.pattern)) for pattern, methods in all_patterns().items()
    ]
    too_fast = [row for row in found if not row[0].linear]
    slowest = sorted(found, key=lambda row: -row[0].seconds)[:SHOWN]
    steepest = max(one.exponent for one, _ in found)
    quick = sum(one.seconds < 0.01 for one, _ in found)
    told = f"{len(found)} patterns, each on the worst text that was made for it: greatest growth n^{steepest:.2f} (allowed: n^{MOST})"
    lines = [
        f"{told}; {quick} take less than 10 ms for 100 kB.\n\n",
        "| slowest patterns | 100 kB | growth |\n|---|---|---|\n",
        *(f"| {_shown(text)} | {one.seconds:.2f} s | n^{one.exponent:.2f} |\n" for one, text in slowest),
    ]
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(before + BEGIN + "".join(lines) + END + after, encoding="utf-8")
    for one, text in too_fast:
        print(f"n^{one.exponent:.2f}: {text[:200]!r} on {one.text!r}")
    return 1 if too_fast else 0


def _shown(text: str) -> str:
    short = text if len(text) <= 70 else f"{text[:70]}…"
    return "`` " + short.replace("|", "\\|").replace("\n", "\\n") + " ``"


if __name__ == "__main__":
    sys.exit(main())
