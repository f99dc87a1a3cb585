"""``kedoctor baseline``."""

from __future__ import annotations

import getpass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from kedoctor.base.errors import UsageError
from kedoctor.cli import options, telling
from kedoctor.cli.report import chosen
from kedoctor.model.report import Report
from kedoctor.plugins import load_plugins
from kedoctor.report.baseline import accepting, written

__all__ = ["command"]

DAYS = 90


@click.command()
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Write to this new file [default: standard output].",
)
@click.option("--reason", metavar="TEXT", help="Why they are accepted [default: the run that found them].")
@click.option("--owner", metavar="WHO", help="Who is responsible [default: this user].")
@click.option("--until", metavar="DATE", help="The last day, as 2027-01-31 [default: in 90 days].")
@click.option("--run", "run_id", metavar="ID", help="An earlier run (kedoctor history).")
@options.language_option
@options.site_options
def command(
    *,
    output: Path | None,
    reason: str | None,
    owner: str | None,
    until: str | None,
    run_id: str | None,
    lang: str | None,
    **where: Any,
) -> int:
    """Write a baseline that accepts the present findings: kedoctor run --baseline FILE does not count them.

    Uses the latest run, an earlier one or evidence, or checks now if there is no run. Follow-on findings are not
    written: they are accepted with their cause. Give each entry its own reason, owner and end date in the file.
    """
    last = _day(until)
    if output is not None and output.is_file():
        raise UsageError(f"{output} exists, and the reasons in it would be lost", hint="name another file")
    plugins = load_plugins()
    report = chosen(plugins, run_id, options.language(lang), where)
    entries = accepting(report, reason=reason or _found(report), owner=owner or _user(), until=last)
    told = f"Accepted findings, from the kedoctor run {report.run.id}; read by kedoctor run --baseline."
    options.emit(written(entries, told=told), output)
    if output is not None:
        things = "1 finding is" if len(entries) == 1 else f"{len(entries)} findings are"
        telling.say(f"{output}: {things} accepted until {last}.", err=True)
    return 0


def _day(text: str | None) -> date:
    today = datetime.now(UTC).date()
    if text is None:
        return today + timedelta(days=DAYS)
    try:
        last = date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{text!r} is not a date", hint="write it as 2027-01-31") from None
    if last < today:
        raise UsageError(f"{last} is in the past; nothing would be accepted")
    return last


def _found(report: Report) -> str:
    return f"found on {report.run.started:%Y-%m-%d} by run {report.run.id}; say here why it is accepted"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as containers have
        return "unknown"
