"""The pages of all checks on a terminal: nothing of their markup, no line but a command wider than the terminal."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

from kedoctor.api import Presentation
from kedoctor.base.markdown import blocks
from kedoctor.base.screen import columns
from kedoctor.cli.check_pages import explanation
from kedoctor.cli.page_text import painted_page
from kedoctor.plugins import Plugins, load_plugins


@cache
def _plugins() -> Plugins:
    return load_plugins(directory=Path("/nonexistent"))


def _page(code: str, presentation: Presentation) -> str:
    page = blocks(explanation(_plugins(), code, presentation.language))
    return painted_page(page, code, _plugins().registry, {"tunnel": "the tunnel"}, presentation).decode()


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("width", [40, 80, 200])
def test_every_page_is_readable_at_every_width(language: str, width: int) -> None:
    for code in _plugins().registry.checks:
        text = _page(code, Presentation(language, width=width))
        assert text.startswith(code)
        assert not re.search(r"^#+ |\| ?-{3}", text, re.MULTILINE), code
        prose = [line for line in text.splitlines() if not line.startswith("    ")]
        assert max(map(columns, prose)) <= min(width, 100), code


def test_a_page_says_what_the_check_breaks_and_what_fix_does() -> None:
    text = _page("KE202", Presentation())
    for words in (
        "breaks  logs, exec, attach, top",
        "judged  on the edge host",
        "hop     the tunnel",
        "--fix   repairs it; restarts edgecore",
    ):
        assert words in text
    assert "--fix   does nothing: a person has to decide" in _page("KE507", Presentation())
    assert "--fix     可自动修复；重启 edgecore" in _page("KE202", Presentation("zh"))


def test_colour_takes_the_place_of_signs() -> None:
    assert "`kubectl logs`" in _page("KE202", Presentation())
    coloured = _page("KE202", Presentation(colour=True))
    assert "`" not in coloured
    assert "\x1b[36mkubectl logs\x1b[0m" in coloured
