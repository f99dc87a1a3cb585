"""Writes ``docs/catalogue.md``, the catalogue of checks, from the registry.

``python docs/catalogue.py`` writes it; tests/unit/test_requirements.py fails when it is not up to date.
"""

from __future__ import annotations

import sys
from pathlib import Path

from kedoctor.plugins import load_plugins

__all__ = ["page"]

PAGE = Path(__file__).with_name("catalogue.md")

SECTIONS = {
    "KE1": "Cloud: cloudcore",
    "KE2": "Edge: edgecore.yaml",
    "KE3": "Diversion: kubelet port and DNAT",
    "KE4": "Certificates, tokens, clocks",
    "KE5": "Listeners, links, tunnel",
    "KE6": "metrics-server and the metrics API",
    "KE7": "Node and runtime",
    "KE8": "Distribution and versions",
    "KE9": "End to end, resources, security, installation, upgrade",
}


def rows() -> dict[str, str]:
    """By code its row."""
    found = {}
    for code, node in load_plugins(directory=Path("/nonexistent")).registry.checks.items():
        check = node.check
        risk = check.risk.value if check.risk else "tells"
        breaks = ", ".join(check.breaks) or "–"
        remedy = check.remedy.en if check.remedy else "–"
        found[code] = _row(code, check.slug, check.side.value, check.title.en, breaks, risk, remedy)
    return dict(sorted(found.items()))


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def page() -> str:
    """The document."""
    lines = [
        "# The catalogue of checks",
        "",
        "Written by `python docs/catalogue.py` from what the checks declare. *Side*: where a check looks (`site`: through the API).",
        "*Breaks*: the capabilities that fail with it. *Risk*: what its repair disturbs; `tells` where kedoctor only says what to do.",
        "`kedoctor explain CODE` has a page on each.",
    ]
    every = rows()
    for prefix, title in SECTIONS.items():
        lines += [
            "",
            f"## {title}",
            "",
            "| code | name | side | in order | breaks | risk | remedy |",
            "|---|---|---|---|---|---|---|",
            *(row for code, row in every.items() if code.startswith(prefix)),
        ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Writes the document."""
    PAGE.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"{PAGE}\n")


if __name__ == "__main__":
    main()
