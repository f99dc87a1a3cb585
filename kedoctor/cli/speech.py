"""The language of the command line: what ``--help`` and usage errors say, in English or in Chinese.

Help texts stand beside their options in English; :mod:`kedoctor.cli.chinese` has the Chinese of each. The language is
that of ``--lang`` wherever it stands, else that of the locale.
"""

from __future__ import annotations

import inspect
import os
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import click

from kedoctor import patterns
from kedoctor.base.text import LANGUAGES, language_of

__all__ = ["SpeakingContext", "language_here", "listen", "message", "speaking", "spoken", "usage_error"]

_HEADINGS = {"Options": "选项", "Commands": "命令"}
_EXTRA = patterns.compiled(r"(?<!\s)\s*+\[(?:default: (?P<default>[^\]]{0,400})|(?P<required>required))\]\Z")
_PIECE = patterns.compiled(r"[!-~]+|\s+|.")
_STATE: dict[str, str] = {}


def listen(arguments: Sequence[str]) -> None:
    """Takes the language from a command line: ``--lang zh`` before or behind the command."""
    _STATE.clear()
    before_end = arguments[: arguments.index("--")] if "--" in arguments else arguments
    for place, one in enumerate(before_end):
        name, _, value = one.partition("=")
        if name == "--lang":
            value = value or next(iter(before_end[place + 1 : place + 2]), "")
            if value in LANGUAGES:
                _STATE["language"] = value


def spoken() -> str:
    """The language that the command line names; empty if it names none."""
    return _STATE.get("language", "")


def language_here() -> str:
    """The language of help texts and errors."""
    return spoken() or language_of(os.environ)


def message(text: str) -> str:
    """An error or hint in the language of this command line."""
    if language_here() != "zh":
        return text
    from kedoctor.cli.chinese import error  # noqa: PLC0415  only where Chinese is spoken

    return error(text)


# -------------------------------------------------------------------------------------------------- help


class _Chinese(click.HelpFormatter):
    """Help in Chinese: every text by its English one, wrapped by the columns it takes."""

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        del prefix
        super().write_usage(prog, args, "用法：")

    def write_heading(self, heading: str) -> None:
        self.write(f"{' ' * self.current_indent}{_HEADINGS.get(heading, heading)}：\n")

    def write_text(self, text: str) -> None:
        from kedoctor.cli.chinese import help_text  # noqa: PLC0415  as above

        for number, paragraph in enumerate(help_text(inspect.cleandoc(text)).split("\n\n")):
            if number:
                self.write("\n")
            for line in _folded(" ".join(paragraph.split()), self.width - self.current_indent):
                self.write(f"{' ' * self.current_indent}{line}\n")

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        del col_spacing
        table = list(rows)
        width = min(col_max, max((_columns(first) for first, _ in table), default=0)) + 2
        for first, second in table:
            lines = list(_folded(_translated(second), self.width - self.current_indent - width))
            begins = " " * self.current_indent
            if _columns(first) > width - 2:
                self.write(f"{begins}{first}\n")
            else:
                self.write(f"{begins}{first}{' ' * (width - _columns(first))}{next(iter(lines), '')}\n")
                lines = lines[1:]
            for line in lines:
                self.write(f"{begins}{' ' * width}{line}\n")


def _translated(text: str) -> str:
    """The help of one option; what click adds to it is put behind."""
    from kedoctor.cli.chinese import help_text  # noqa: PLC0415  as above

    added = []
    whole = " ".join(text.split())
    while (found := _EXTRA.search(whole)) and help_text(whole) == whole:
        added.append("必需" if found["required"] else f"默认：{found['default']}")
        whole = whole[: found.start()]
    return help_text(whole) + "".join(f"［{one}］" for one in reversed(added))


def _columns(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(one) in "WF" else 1 for one in text)


def _folded(text: str, width: int) -> Iterator[str]:
    """Lines of at most so many columns; words of Latin letters stay whole."""
    line = ""
    for piece in _PIECE.findall(text):
        if line and _columns(line + piece) > max(width, 20) and piece not in "，。；：、）":
            yield line.rstrip()
            line = ""
        line += piece if line else piece.lstrip()
    if line.strip():
        yield line.rstrip()


class SpeakingContext(click.Context):
    """A context whose help is in the language of the command line."""

    def make_formatter(self) -> click.HelpFormatter:
        """The formatter of that language."""
        if language_here() != "zh":
            return super().make_formatter()
        return _Chinese(width=self.terminal_width, max_width=self.max_content_width)


def speaking(command: click.Command) -> click.Command:
    """The command, and those below it, with help in both languages."""
    command.context_class = SpeakingContext
    if isinstance(command, click.Group):
        for one in command.commands.values():
            speaking(one)
    return command


# ------------------------------------------------------------------------------------------------ errors


def usage_error(error: click.ClickException) -> Iterator[str]:
    """The lines that a wrong command line is answered with."""
    zh = language_here() == "zh"
    context = getattr(error, "ctx", None)
    if context is not None:
        usage = context.command.collect_usage_pieces(context)
        yield f"{'用法：' if zh else 'Usage: '}{context.command_path} {' '.join(usage)}"
        help_line = f"{context.command_path} {context.help_option_names[-1]}"
        yield f"查看帮助：{help_line}" if zh else f"Help: {help_line}"
        yield ""
    yield f"{'错误：' if zh else 'Error: '}{message(_sentence(error))}"


def _sentence(error: click.ClickException) -> str:
    param: Any = getattr(error, "param", None)
    if isinstance(error, click.MissingParameter) and param is not None:
        kind = "argument" if isinstance(param, click.Argument) else "option"
        name = param.opts[0] if kind == "option" else ""
        return f"Missing {kind}: {f'{name} {param.metavar or param.name}'.strip()}"
    return error.format_message()
