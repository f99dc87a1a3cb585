"""Writes ``docs/man/kedoctor.1`` from the command line itself, so that the manual page cannot say anything else.

``python docs/man/make.py`` writes the page, with ``--print`` to standard output; tests/unit/docs fails when it is not
up to date.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from kedoctor import __version__
from kedoctor.cli import command as group

__all__ = ["page"]

PAGE = Path(__file__).with_name("kedoctor.1")


def page() -> str:
    """The manual page in man(7) macros."""
    context = click.Context(group, info_name="kedoctor", **group.context_settings)
    lines = [
        f'.TH KEDOCTOR 1 "" "kedoctor {__version__}" "User Commands"',
        ".SH NAME",
        r"kedoctor \- diagnosis and repair of the kubectl logs / exec / attach / top path of KubeEdge sites",
        ".SH SYNOPSIS",
        r".B kedoctor",
        r".I COMMAND",
        r"[\fIOPTIONS\fR]",
        ".SH DESCRIPTION",
        *_prose(group.help or ""),
        ".SH COMMANDS",
    ]
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        if found is not None:
            lines += _command(name, found, context)
    lines += [".SH FILES", *_files(), ".SH ENVIRONMENT", *_environment()]
    return "\n".join(lines) + "\n"


def _command(name: str, found: click.Command, parent: click.Context) -> list[str]:
    context = click.Context(found, info_name=name, parent=parent)
    usage = " ".join(found.collect_usage_pieces(context))
    lines = [f".SS kedoctor {name} {_plain(usage)}", *_prose(found.help or "")]
    if isinstance(found, click.Group):
        for below in found.list_commands(context):
            member = found.get_command(context, below)
            lines += _command(f"{name} {below}", member, context) if member is not None else []
        return lines
    for parameter in found.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None:
            flags, text = record
            lines += [".TP", rf"\fB{_plain(flags)}\fR", _plain(text)]
    return lines


def _prose(text: str) -> list[str]:
    paragraphs = [" ".join(part.split()) for part in text.replace("\b", "").split("\n\n")]
    return [line for part in paragraphs if part for line in (".PP", _plain(part))]


def _plain(text: str) -> str:
    escaped = text.replace("\\", r"\e").replace("-", r"\-")
    return rf"\&{escaped}" if escaped.startswith((".", "'")) else escaped


def _files() -> list[str]:
    return [
        ".TP",
        r"\fI/var/lib/kedoctor\fR (root), \fI~/.local/state/kedoctor\fR",
        "Earlier runs and the journal of repairs; only their owner can read them.",
        ".TP",
        r"\fI/etc/kedoctor/config.yaml\fR, \fI~/.config/kedoctor/config.yaml\fR",
        "Defaults for options, with their long names as keys; the second comes first, and only one is read.",
        ".TP",
        r"\fI/etc/kedoctor/plugins/*.py\fR",
        "Checks of your own; the directory and the files must belong to root and be writable by nobody else.",
    ]


def _environment() -> list[str]:
    return [
        ".TP",
        r"\fBKUBECONFIG\fR",
        "As for kubectl.",
        ".TP",
        r"\fBKEDOCTOR_CONFIG\fR",
        "Another configuration file; empty: none.",
        ".TP",
        r"\fBKEDOCTOR_STATE_DIR\fR",
        "Another place for earlier runs and the journal.",
        ".TP",
        r"\fBKEDOCTOR_PATIENCE\fR",
        "Stretches (3) or shortens (0.5) the time that a repaired part has to settle before it is judged.",
        ".TP",
        r"\fBNO_COLOR\fR, \fBTERM\fR, \fBLC_ALL\fR, \fBLC_MESSAGES\fR, \fBLANG\fR",
        "No colour; plain text on dumb terminals; the language of texts (en, zh).",
        ".TP",
        r"\fBKEDOCTOR_DEBUG\fR",
        "Shows where an internal error happened.",
    ]


if __name__ == "__main__":
    if sys.argv[1:] == ["--print"]:
        sys.stdout.write(page())
    else:
        PAGE.write_text(page(), encoding="utf-8")
        sys.stdout.write(f"{PAGE}\n")
