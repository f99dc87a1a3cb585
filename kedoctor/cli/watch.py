"""``kedoctor watch``."""

from __future__ import annotations

import select
import sys
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

import click

from kedoctor.base.errors import UsageError
from kedoctor.base.report_files import report_draft
from kedoctor.base.text import Text
from kedoctor.cli import options, telling
from kedoctor.cli.configuration import used
from kedoctor.cli.durations import duration
from kedoctor.cli.watch_lines import Lines
from kedoctor.watch.board import Board
from kedoctor.watch.child import look
from kedoctor.watch.loop import Rounds
from kedoctor.watch.server import Page, PageServer, is_loopback
from kedoctor.watch.signals import Terminated, die_of, ended_by_signals

__all__ = ["SHORTEST", "command", "every", "listening", "run_words"]

SHORTEST = 10.0
_GRACE = 30.0  # seconds that a run may take beyond its own deadline before it is ended
_PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"
_OPEN = Text(
    "Everybody who reaches {address} can read which edges there are and what is wrong with them.",
    zh="任何能访问 {address} 的人都可以读到有哪些边缘节点及其问题。",
)


@click.command()
@options.selection_options
@options.counting_options
@click.option(
    "--interval",
    default="1m",
    show_default=True,
    metavar="TIME",
    help="Time from one check to the next (30s, 1m, 1h).",
)
@click.option(
    "--timeout", default="10m", show_default=True, metavar="TIME", help="Stop the run after this time."
)
@click.option(
    "--listen",
    metavar="ADDRESS:PORT",
    help="Serve /metrics and /healthz at this address (127.0.0.1:9788).",
)
@click.option(
    "--textfile",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the metrics to this file after each check, for node_exporter.",
)
@options.language_option
@options.site_options
def command(
    *,
    interval: str,
    listen: str | None,
    textfile: Path | None,
    lang: str | None,
    **question: Any,
) -> int:
    """Check again and again, and print only what changes: what broke, works again, or settles.

    Each check is a run of its own process, so memory stays as it is; a run that fails or hangs is reported and the next
    one comes. Nothing is written on this host unless --textfile names a file. Ends on Ctrl-C (exit code 130) or SIGTERM.
    """
    language, seconds = options.language(lang), every(interval)
    longest = duration(question["timeout"]) + _GRACE
    board, words = Board(seconds, longest), run_words(**question)
    server = listening(listen, metrics_pages(board), language) if listen else None
    rounds = Rounds(
        lambda: look(words, seconds=longest, formats=("prometheus",)),
        Lines(language),
        board,
        interval=seconds,
        publish=lambda pages: write_textfile(textfile, board, pages) if textfile else None,
        sleep=time.sleep if listen or textfile else rest_while_read,
    )
    return until_ended(rounds.go_on, server)


def every(interval: str) -> float:
    """The seconds between two checks.

    Raises:
        UsageError: it is no length of time, or too short.
    """
    seconds = duration(interval)
    if seconds < SHORTEST:
        raise UsageError(
            f"{interval} is too short an interval",
            hint="take 10s or more: a check of a large site takes that long",
        )
    return seconds


def run_words(
    *,
    only: tuple[str, ...] = (),
    skip: tuple[str, ...] = (),
    symptoms: tuple[str, ...] = (),
    nodes: tuple[str, ...] = (),
    bundles: tuple[Path, ...] = (),
    baseline: Path | None = None,
    offline_bundle: Path | None = None,
    **single: str,
) -> list[str]:
    """What ``kedoctor run`` is asked with, of the same options. They are said in full, so that the run means the same."""
    many: dict[str, tuple[Any, ...]] = {
        "only": only,
        "skip": skip,
        "symptom": symptoms,
        "node": nodes,
        "evidence": tuple(path.absolute() for path in bundles),
    }
    words = [word for name, values in many.items() for one in values for word in (f"--{name}", str(one))]
    for name, path in (("baseline", baseline), ("offline-bundle", offline_bundle)):
        words += [f"--{name}", str(path.absolute())] if path else []
    for name, value in single.items():
        words += [f"--{name.replace('_', '-')}", value] if value else []
    configuration = used()
    if configuration is not None:
        words += ["--config", str(configuration.path.absolute())]
    return words


def metrics_pages(board: Board) -> dict[str, Callable[[], Page]]:
    """``/metrics`` and ``/healthz``."""

    def metrics() -> Page:
        return Page((board.page("prometheus") or b"") + board.metrics(), _PROMETHEUS)

    def healthz() -> Page:
        well, why = board.health()
        status = HTTPStatus.OK if well else HTTPStatus.SERVICE_UNAVAILABLE
        return Page(f"{'ok' if well else 'not ok'}: {why}\n".encode(), status=status)

    return {"/metrics": metrics, "/healthz": healthz}


def listening(address: str, pages: Mapping[str, Callable[[], Page]], language: str) -> PageServer:
    """A server at that address, not started yet.

    Raises:
        UsageError: that is no address, or it cannot be listened on.
    """
    host, colon, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not (colon and host and port.isascii() and port.isdigit() and int(port) < 1 << 16):
        raise UsageError(
            f"{address!r} is not an address to listen on",
            hint="write it as ADDRESS:PORT, such as 127.0.0.1:9788",
        )
    names = frozenset[str]()
    if not is_loopback(host):
        import socket  # noqa: PLC0415  only here

        names = frozenset({socket.gethostname().lower(), host.lower()})
        telling.say(_OPEN.in_language(language).format(address=address), err=True)
    try:
        return PageServer(host, int(port), pages, names=names)
    except OSError as error:
        raise UsageError(f"cannot listen on {address}: {error.strerror or error}") from None


def write_textfile(path: Path, board: Board, pages: Mapping[str, bytes]) -> None:
    """The metrics as a whole file that node_exporter, another user, can read.

    Raises:
        OSError: it cannot be written.
    """
    with report_draft(path) as new:
        new.file.write(pages.get("prometheus", b"") + board.metrics())
        new.commit(mode=0o644, sync=False)


def rest_while_read(seconds: float) -> None:
    """Sleeps; ends the command where what it prints is read by nobody any more, for it does nothing else."""
    poll = select.poll()
    poll.register(sys.stdout.fileno(), select.POLLERR)
    if poll.poll(seconds * 1000):
        raise click.exceptions.Exit(0)


def until_ended(go_on: Callable[[], None], server: PageServer | None) -> int:
    """Goes on until a signal comes; nothing is left then."""
    try:
        with ended_by_signals():
            if server:
                server.start()
            try:
                go_on()
            finally:
                if server:
                    server.stop()
    except Terminated as end:
        sys.stdout.flush()
        return die_of(end.number)
    return 0
