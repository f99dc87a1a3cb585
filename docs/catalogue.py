"""Writes ``docs/catalogue.md``, the catalogue of checks, from the registry.

``python docs/catalogue.py`` writes it; tests/unit/test_requirements.py fails when it is not up to date.
"""

from __future__ import annotations

import sys
from pathlib import Path

from kedoctor.plugins import load_plugins

__all__ = ["page"]

PAGE = Path(__file__).with_name("catalogue.md")

# Checks of install and gate that come with their commands: slug, side, title.
LANDING = {
    "KE901": ("logs-roundtrip", "site", "Logs of a pod on each edge come back"),
    "KE902": ("exec-roundtrip", "site", "A command runs in a pod on each edge"),
    "KE903": ("attach-roundtrip", "site", "Attaching to a pod on each edge shows what it writes"),
    "KE904": ("top-roundtrip", "site", "There are figures of a pod on each edge"),
    "KE931": ("bundle-integrity", "site", "The offline bundle is whole"),
    "KE932": ("images-present", "site", "The images that a host needs are in its runtime's store"),
    "KE941": ("config-backup", "site", "There is a backup of the configuration"),
    "KE942": ("rolling-upgrade", "site", "An upgraded edge is back before the next one"),
}
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
    """By code its row: of the registry, else of what is landing."""
    found = {
        code: _row(code, slug, side, title, "–", "tells", "of the commands gate, install, bundle and backup")
        for code, (slug, side, title) in LANDING.items()
    }
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
