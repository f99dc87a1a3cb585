"""``kedoctor serve``."""

from __future__ import annotations

import signal
import threading
from html import escape
from typing import Any

import click

from kedoctor.base.text import Text
from kedoctor.cli import options, telling
from kedoctor.cli.durations import duration
from kedoctor.cli.watch import every, listening, run_words, until_ended
from kedoctor.cli.watch_lines import Lines
from kedoctor.plugins import load_plugins
from kedoctor.report import run_store
from kedoctor.watch.board import Board
from kedoctor.watch.child import look
from kedoctor.watch.loop import Rounds
from kedoctor.watch.server import Page

__all__ = ["command"]

_HTML = "text/html; charset=utf-8"
_REFRESH = 30
_SOON = 3
_TIMEOUT = "10m"
_GRACE = 30.0

_AT = Text(
    "The report is at http://127.0.0.1:{port}/ (Ctrl-C ends).",
    zh="报告地址：http://127.0.0.1:{port}/（按 Ctrl-C 结束）。",
)
_NONE = Text("No run is kept yet: kedoctor run makes one.", zh="尚未保存任何运行记录：请执行 kedoctor run。")
_FIRST = Text("The first check is under way.", zh="正在进行首次检查。")


@click.command()
@click.option(
    "--port", type=click.IntRange(0, 65535), default=9789, show_default=True, help="Port on 127.0.0.1."
)
@click.option(
    "--interval",
    metavar="TIME",
    help="Check again at this interval; without it, show the latest kept run.",
)
@options.language_option
@options.site_options
def command(*, port: int, interval: str | None, lang: str | None, **where: Any) -> int:
    """Show the latest report as a page on http://127.0.0.1, to be opened in a browser of this host.

    Without --interval the page is that of the latest run that is kept (kedoctor history); with it, kedoctor checks again
    each time. It only shows: nothing can be changed through it. From another computer, open a tunnel:
    ssh -L 9789:127.0.0.1:9789 HOST.
    """
    language = options.language(lang)
    seconds = every(interval) if interval else 0.0
    longest = duration(_TIMEOUT) + _GRACE
    board = Board(seconds, longest)
    made = (lambda: _watched(board, language)) if seconds else _Kept(language).page
    server = listening(f"127.0.0.1:{port}", {"/": made}, language)
    telling.say(_AT.in_language(language).format(port=server.port), err=True)
    if not seconds:
        return until_ended(_wait, server)
    words = [*run_words(timeout=_TIMEOUT, **where), "--lang", language]
    rounds = Rounds(
        lambda: look(words, seconds=longest, formats=("html",)), Lines(language), board, interval=seconds
    )
    return until_ended(rounds.go_on, server)


def _wait() -> None:
    while True:
        signal.pause()


def _watched(board: Board, language: str) -> Page:
    page = board.page("html")
    return Page(page, _HTML, refresh=_REFRESH) if page is not None else _note(_FIRST, language)


class _Kept:
    """The page of the latest run that is kept, made anew when there is a newer one."""

    def __init__(self, language: str) -> None:
        self._language = language
        self._lock = threading.Lock()
        self._mark = ""
        self._page: bytes | None = None

    def page(self) -> Page:
        """The page; a note where no run is kept that can be read."""
        with self._lock:
            mark = run_store.latest_mark()
            if mark != self._mark:
                self._page, self._mark = self._made(), mark
        return Page(self._page, _HTML, refresh=_REFRESH) if self._page else _note(_NONE, self._language)

    def _made(self) -> bytes | None:
        report = run_store.latest()
        if report is None:
            return None
        presentation = options.present(self._language, to_file=True, verbose=False)
        return options.render(load_plugins(), report, "html", presentation)


def _note(text: Text, language: str) -> Page:
    words = escape(text.in_language(language))
    body = (
        f'<!doctype html><html lang="{language}"><meta charset="utf-8"><title>kedoctor</title><p>{words}</p>'
    )
    return Page(body.encode(), _HTML, refresh=_SOON)
