"""Showing a page in the browser of this host, where there is one. The only module that starts one."""

from __future__ import annotations

import os
import webbrowser
from pathlib import Path

from kedoctor.base.text import Text
from kedoctor.cli import telling

__all__ = ["open_page"]

_NO_BROWSER = Text(
    "No browser can be opened here ({why}). The report is in {path}",
    zh="此处无法打开浏览器（{why}）。报告位于 {path}",
)
_NO_DISPLAY = Text("there is no display", zh="没有显示环境")
_NONE_STARTED = Text("none could be started", zh="没有可启动的浏览器")
_OPENED = Text("Opened {path}", zh="已打开 {path}")
_PLACES = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER", "WSL_DISTRO_NAME")
"""Where none of these is set there is at most a browser for the terminal, which would take it over."""


def open_page(path: Path, language: str) -> bool:
    """Opens the file in a browser; where that cannot be, a sentence on standard error says why and where the file is."""
    why = _NO_DISPLAY
    if any(os.environ.get(name) for name in _PLACES):
        try:
            if webbrowser.open(path.absolute().as_uri()):
                telling.say(_OPENED.in_language(language).format(path=path), err=True)
                return True
        except (webbrowser.Error, OSError):
            pass
        why = _NONE_STARTED
    said = _NO_BROWSER.in_language(language)
    telling.say(said.format(why=why.in_language(language), path=path), err=True)
    return False
