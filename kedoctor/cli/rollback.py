"""``kedoctor rollback``."""

from __future__ import annotations

import click

from kedoctor.base.errors import ChangeError, ExitCode, UsageError
from kedoctor.base.text import Text, plain
from kedoctor.changes.actor import Actors
from kedoctor.changes.actors.registry import live_actors
from kedoctor.changes.executor import blocking_step, roll_back
from kedoctor.changes.journal import Journal, JournalEntry, Phase
from kedoctor.changes.lock import hold
from kedoctor.changes.signals import deferred
from kedoctor.cli import options
from kedoctor.cli.fix import journal_directory
from kedoctor.cli.prompts import TerminalPrompter, described
from kedoctor.model.actions import Action, Restart
from kedoctor.observe.live.host import read_identity
from kedoctor.plugins import load_plugins

__all__ = ["command"]

_WOULD = Text("would take back: {what}", zh="将撤销：{what}")
_BACK = Text("{id} was taken back.", zh="{id} 已撤销。")
_NOTHING = Text("Nothing was ever changed on this host by kedoctor.", zh="kedoctor 从未在本机做过任何更改。")
_ONE_ACTION = Text("one action", zh="1 项操作")
_ACTIONS = Text("{n} actions", zh="{n} 项操作")
_CAN_GO_BACK = (Phase.DONE, Phase.OPEN, Phase.ATTENTION)


@click.command()
@click.argument("wanted", metavar="[ID]", required=False)
@click.option("--list", "list_them", is_flag=True, help="List what was changed on this host.")
@click.option("--dry-run", is_flag=True, help="Show what would be taken back, and touch nothing.")
@click.option("--yes", is_flag=True, help="Accepted as by run --fix; rollback asks nothing.")
@click.option("--kubeconfig", default="", metavar="FILE", help="As for kedoctor run.")
@click.option("--context", default="", help="Context of the kubeconfig.")
@click.option("--root", default="/", hidden=True)
def command(
    *,
    wanted: str | None,
    list_them: bool,
    dry_run: bool,
    yes: bool,
    kubeconfig: str,
    context: str,
    root: str,
) -> int:
    """Take back what a repair changed: the latest one, or the one with that ID; all of one ``run --fix`` together.

    Everything is undone in reverse order. What somebody changed since is left alone: the command then ends with
    exit code 4 and says where the version from before the repair is kept. What a foreign program has done (an
    installer) only that program can undo; the command says how, and takes back what came after it.
    """
    del yes
    plugins = load_plugins()
    journal = journal_directory(plugins)
    if list_them:
        broken = journal.broken()
        _list(journal.entries(), options.language(None), unreadable=bool(broken))
        for problem in broken:
            click.echo(str(problem), err=True)
        return ExitCode.UNDETERMINED if broken else ExitCode.OK
    if not wanted:
        journal.must_be_readable()
    entry = journal.entry(wanted) if wanted else _latest(journal.entries())
    if entry.phase not in _CAN_GO_BACK:
        raise UsageError(f"{entry.id} was taken back already")
    words = options.language(None)
    together = _together(entry, journal.entries())
    if dry_run:
        for action in (action for one in together for action in _backwards(one)):
            click.echo(_WOULD.in_language(words).format(what=described(action, words)))
        return ExitCode.OK
    actors = live_actors(plugins.actions(), root=root, kubeconfig=kubeconfig, context=context)
    holding = hold(journal.directory / "lock", boot_id=read_identity().boot_id, command="kedoctor rollback")
    with holding, deferred():
        journal.must_be_readable()
        for one in together:
            _refuse_what_others_stand_on(one, journal, actors)
        for one in together:
            roll_back(one, actors, tell=TerminalPrompter(words, yes=True).tell)
            one.note_by_hand()
            click.echo(_BACK.in_language(words).format(id=one.id))
    return ExitCode.OK


def _together(entry: JournalEntry, entries: list[JournalEntry]) -> list[JournalEntry]:
    """The entries of the same ``run --fix`` that can go back, the newest first: one repair is one thing to take back."""
    run = entry.manifest.run
    if not run:
        return [entry]
    return [one for one in reversed(entries) if one.manifest.run == run and one.phase in _CAN_GO_BACK]


def _refuse_what_others_stand_on(entry: JournalEntry, journal: Journal, actors: Actors) -> None:
    standing = blocking_step(entry, journal.entries(), actors)
    if standing is not None:
        later, program = standing
        raise ChangeError(
            f"{entry.id} was not taken back, because {program.name} ({later.id}) was run after it and rests on it",
            hint=program.undone_by.en,
        )


def _backwards(entry: JournalEntry) -> list[Action]:
    return [
        action
        for action in reversed(entry.manifest.actions)
        if not isinstance(action, Restart) or action.backward
    ]


def _latest(entries: list[JournalEntry]) -> JournalEntry:
    candidates = [entry for entry in entries if entry.phase in _CAN_GO_BACK]
    if not candidates:
        raise UsageError("there is nothing to take back on this host")
    # One that could not be taken back as a whole does not keep the older ones from it.
    return next((one for one in reversed(candidates) if one.phase is not Phase.ATTENTION), candidates[-1])


def _list(entries: list[JournalEntry], language: str, *, unreadable: bool) -> None:
    if not entries and not unreadable:
        click.echo(_NOTHING.in_language(language))
    for entry in reversed(entries):
        codes = " ".join(entry.manifest.codes)
        number = len(entry.manifest.actions)
        told = (_ONE_ACTION if number == 1 else _ACTIONS).in_language(language).format(n=number)
        click.echo(f"{entry.id}  {entry.phase.value:9}  {plain(codes)}  ({told})")
