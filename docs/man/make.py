"""Writes ``docs/man/kedoctor.1`` and ``kedoctor/completion/index.json`` from the command line itself, so that they cannot say anything else.

``python docs/man/make.py`` writes the page, with ``--print`` to standard output; tests/unit/docs fails when it is not
up to date.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from kedoctor import __version__
from kedoctor.cli import command as group
from kedoctor.plugins import load_plugins

__all__ = ["index", "page"]

PAGE = Path(__file__).with_name("kedoctor.1")
INDEX = Path(__file__).parents[2] / "kedoctor" / "completion" / "index.json"


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


_LOOKED_UP = {
    "only": "codes",
    "skip": "codes",
    "nodes": "nodes",
    "run_id": "runs",
    "explain text": "codes",
    "list codes": "codes",
    "diff before": "sides",
    "diff after": "sides",
    "rollback wanted": "repairs",
    "trace target": "nodes",
}
"""What shells look up for an option or an argument; one of a single command is named behind it."""


def index() -> str:
    """Commands, options and what they take, for shells (:mod:`kedoctor.completion.offers`)."""
    plugins = load_plugins(directory=Path("/nonexistent"))
    listed = {
        "symptoms": [*plugins.symptoms()],
        "format_name": sorted(plugins.formats()),
        "demo name": [*plugins.demos()],
        "trace what": sorted(plugins.traces()),
    }
    root = _completed(group, click.Context(group, info_name="kedoctor", **group.context_settings), "", listed)
    return json.dumps(root, indent=1, ensure_ascii=False) + "\n"


def _completed(
    found: click.Command, context: click.Context, name: str, listed: dict[str, list[str]]
) -> dict[str, Any]:
    members = {}
    if isinstance(found, click.Group):
        for below in found.list_commands(context):
            member = found.get_command(context, below)
            if member is not None:
                inner = click.Context(member, info_name=below, parent=context)
                text = member.get_short_help_str(200)
                members[below] = {"help": text, **_completed(member, inner, below, listed)}
    options, arguments = [], []
    for one in found.get_params(context):
        taken = _taken(one, name, listed)
        if isinstance(one, click.Argument):
            arguments.append(taken)
        elif isinstance(one, click.Option) and not one.hidden:
            flag = one.is_flag or one.count
            names = [*one.opts, *one.secondary_opts]
            options.append(
                {"names": names, "help": one.help or "", "takes": not flag, **({} if flag else taken)}
            )
    return {"options": options, "arguments": arguments, "commands": members}


def _taken(one: click.Parameter, command: str, listed: dict[str, list[str]]) -> dict[str, Any]:
    key = f"{command} {one.name}"
    if isinstance(one.type, click.Choice):
        return {"values": [str(choice) for choice in one.type.choices]}
    for place in (key, one.name or ""):
        if place in listed:
            return {"values": listed[place]}
        if place in _LOOKED_UP:
            return {"source": _LOOKED_UP[place]}
    files = isinstance(one.type, click.Path | click.File) or one.metavar in ("FILE", "DIR")
    return {"source": "files"} if files else {}


if __name__ == "__main__":
    if sys.argv[1:] == ["--print"]:
        sys.stdout.write(page())
    elif sys.argv[1:] == ["--print-index"]:
        sys.stdout.write(index())
    else:
        INDEX.write_text(index(), encoding="utf-8")
        PAGE.write_text(page(), encoding="utf-8")
        sys.stdout.write(f"{PAGE}\n")
