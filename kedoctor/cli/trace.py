"""``kedoctor trace``."""

from __future__ import annotations

import shutil
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any

import click

from kedoctor.base.errors import UsageError
from kedoctor.base.screen import Styled, paint
from kedoctor.base.text import Text
from kedoctor.cli import options, telling
from kedoctor.cli.durations import duration
from kedoctor.model.traces import HopSeen, StepState, TraceReport, TraceTarget
from kedoctor.plugins import load_plugins
from kedoctor.run.site import LiveOptions, live_site
from kedoctor.trace.runner import run_trace

__all__ = ["command"]

_TITLE_WIDTH = 34
_INDENT = " " * 4
_BESIDE = 4 + _TITLE_WIDTH + 2 + 8 + 2 + 7 + 2
"""Columns before the sentence about a hop."""
_ROOM = 40
"""Columns that such a sentence needs, or it stands on lines of its own."""

_STATES = {
    StepState.OK: Text("ok", zh="正常"),
    StepState.BROKEN: Text("BROKEN", zh="中断"),
    StepState.UNKNOWN: Text("unknown", zh="无法判断"),
    StepState.NOT_SEEN: Text("not seen", zh="不可见"),
}
_COLOURS = {
    StepState.OK: "green",
    StepState.BROKEN: "red",
    StepState.UNKNOWN: "yellow",
    StepState.NOT_SEEN: "bright_black",
}
_FROM = Text("{what}, run on {host} ({sides})", zh="{what}，在 {host}（{sides}）上运行")
_LAPTOP = Text("neither cloud nor edge", zh="既非云端也非边缘节点")
_NOT_SEEN = Text("{noun} {hops}: run {where}.", zh="第 {hops} 环节：请{where}运行。")
_NEXT = Text("next:", zh="下一步：")


@click.command()
@click.argument("what", metavar="logs|exec|attach|top")
@click.argument("target", metavar="TARGET")
@click.option(
    "-n", "--namespace", default="", metavar="NAME", help="Namespace of the pod, if TARGET has none."
)
@click.option(
    "--timeout",
    default="10s",
    show_default=True,
    metavar="TIME",
    help="How long one probe or request may take.",
)
@click.option(
    "--format",
    "format_name",
    type=click.Choice(["terminal", "json"]),
    default="terminal",
    show_default=True,
    help="How to print it.",
)
@options.language_option
@options.live_options
def command(
    *, what: str, target: str, namespace: str, timeout: str, format_name: str, lang: str | None, **where: Any
) -> int:
    """Test the path of kubectl logs, exec, attach or top to an edge, hop by hop, and name the broken one.

    TARGET is a pod (NAMESPACE/POD, or POD with -n) or an edge node. Each hop is printed as soon as it is tested, with the
    time it took: the address and port that kube-apiserver dials, who answers there, the NAT rule, the session in cloudcore,
    the API server's own request, edged and its runtime, and the real request, whose content is checked.

    Run it on the API server's host to see most, on the edge for the far end; on any other host it names the hops
    that it cannot see. It changes nothing. Exit codes: 0 it works, 1 a hop is broken, 3 inconclusive, 64 usage, 130
    interrupted.
    """
    plugins = load_plugins()
    traces = plugins.traces()
    if what not in traces:
        raise UsageError(
            f"{what!r} cannot be traced", hint=f"what can be traced: {', '.join(sorted(traces))}"
        )
    if namespace and "/" in target:
        raise UsageError(
            "TARGET has a namespace already", hint="give NAMESPACE/POD, or POD with -n NAMESPACE"
        )
    patience = duration(timeout)
    if not patience:
        raise UsageError("--timeout must be longer than nothing")
    language = options.language(lang)
    site = live_site(
        plugins,
        LiveOptions(where["kubeconfig"], where["context"], where["root"], where["side"], patience=patience),
    )
    report = run_trace(
        plugins.registry,
        site.view,
        traces[what],
        TraceTarget(what, target, namespace, patience),
        hops={name: title for path in plugins.paths() for name, title in path.hops.items()},
        observer=_Printer(language, quiet=format_name == "json", width=_terminal_width()),
    )
    if format_name == "json":
        telling.document(report)
    else:
        for line in _end(report, language):
            telling.say(_folded(line, _terminal_width()))
    return report.exit_code


class _Printer:
    """Prints a hop in two halves: what is tested, and, as soon as it is known, what was found."""

    def __init__(self, language: str, *, quiet: bool, width: int = 0) -> None:
        self._language = language
        self._quiet = quiet
        self._width = width

    def begins(self, label: Text, host: str, sides: Sequence[str]) -> None:
        """The headline."""
        told = ", ".join(sides) or _LAPTOP.in_language(self._language)
        words = {"what": label.in_language(self._language), "host": host, "sides": told}
        self._print(_folded(_FROM.in_language(self._language).format(**words), self._width) + "\n")

    def starts(self, number: int, title: Text) -> None:
        """Number and title; a hop that hangs is seen to hang."""
        words = title.in_language(self._language)
        self._print(f"{number:2}  {words if self._is_narrow else _padded(words, _TITLE_WIDTH)}  ")

    def ends(self, hop: HopSeen) -> None:
        """What was found, and how long it took."""
        state = _padded(_STATES[hop.state].in_language(self._language), 8)
        seen = hop.zh.seen if self._language == "zh" else hop.seen
        code = f"  [{hop.code}]" if hop.code else ""
        told = f"{click.style(state, fg=_COLOURS[hop.state])}  {_time(hop.took_ms):>7}"
        sentence = f"{_one_line(seen)}{code}"
        if self._width >= _BESIDE + _ROOM:
            self._print(f"{told}  {_folded(sentence, self._width, _BESIDE).lstrip()}\n")
        elif self._width:
            begins = f"\n{_INDENT}" if self._is_narrow else ""
            self._print(f"{begins}{told}\n{_folded(sentence, self._width, len(_INDENT))}\n")
        else:
            self._print(f"{told}  {sentence}\n")

    @property
    def _is_narrow(self) -> bool:
        return 0 < self._width < _BESIDE

    def _print(self, text: str) -> None:
        if not self._quiet:
            telling.say(text, nl=False)
            sys.stdout.flush()


def _end(report: TraceReport, language: str) -> Iterator[str]:
    yield ""
    for places, where in _unseen(report.hops, language):
        yield _NOT_SEEN.in_language(language).format(
            noun="Hop" if len(places) == 1 else "Hops", hops=", ".join(map(str, places)), where=where
        )
    yield _one_line(report.zh.summary if language == "zh" else report.summary)
    if report.next:
        yield f"{_NEXT.in_language(language)} {report.next[0]}"
        yield from (f"{' ' * (_width(_NEXT.in_language(language)) + 1)}{line}" for line in report.next[1:])


def _unseen(hops: Sequence[HopSeen], language: str) -> Iterator[tuple[list[int], str]]:
    """The numbers of the hops that are not seen, by where they would be."""
    found: dict[str, list[int]] = {}
    for hop in hops:
        if hop.state is StepState.NOT_SEEN:
            found.setdefault(hop.zh.where if language == "zh" else hop.where, []).append(hop.number)
    yield from ((places, where) for where, places in found.items())


def _terminal_width() -> int:
    """How wide the terminal is; 0 for a pipe, whose lines are not broken."""
    return shutil.get_terminal_size((100, 40)).columns if sys.stdout.isatty() else 0


def _folded(text: str, width: int, indent: int = 0) -> str:
    """The text in lines that fit, each indented; commands stay whole, for the terminal folds them itself."""
    if not width or not text.strip() or text.startswith("  "):
        return text
    lines = paint(Styled(text), width=max(20, width - indent), colour=False).decode().splitlines()
    return "\n".join(f"{' ' * indent}{line}" for line in lines)


def _time(milliseconds: int) -> str:
    return f"{milliseconds} ms" if milliseconds < 1000 else f"{milliseconds / 1000:.1f} s"


def _one_line(text: str) -> str:
    """Quoted answers may hold anything; what would move the cursor of a terminal is shown as a mark."""
    return "".join(one if one.isprintable() else " " for one in text)


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(one) in "WF" else 1 for one in text)


def _padded(text: str, width: int) -> str:
    return text + " " * max(0, width - _width(text))
