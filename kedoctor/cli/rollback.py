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
from kedoctor.cli import options, telling
from kedoctor.cli.fix import journal_directory
from kedoctor.cli.prompts import TerminalPrompter, described
from kedoctor.model.actions.action import Action, Restart
from kedoctor.observe.live.host import read_identity
from kedoctor.plugins import load_plugins

__all__ = ["command"]

_WOULD = Text("would roll back: {what}", zh="将回滚：{what}")
_BACK = Text("{id} was rolled back.", zh="{id} 已回滚。")
_NOTHING = Text("kedoctor has changed nothing on this host.", zh="kedoctor 从未在本机做过任何更改。")
_ONE_ACTION = Text("1 action", zh="1 项操作")
_ACTIONS = Text("{n} actions", zh="{n} 项操作")
_PHASES = {
    phase: Text(f"{phase.value:9}", zh=zh)
    for phase, zh in (
        (Phase.NEW, "未开始"),
        (Phase.OPEN, "未完成"),
        (Phase.DONE, "已完成"),
        (Phase.UNDONE, "已回滚"),
        (Phase.ATTENTION, "需处理"),
    )
}
_CAN_GO_BACK = (Phase.DONE, Phase.OPEN, Phase.ATTENTION)


@click.command()
@click.argument("wanted", metavar="[ID]", required=False)
@click.option("--list", "list_them", is_flag=True, help="List what kedoctor changed on this host.")
@click.option("--dry-run", is_flag=True, help="Show what would be rolled back, and change nothing.")
@click.option("--yes", is_flag=True, help="Accepted for scripts: rollback never asks.")
@click.option("--kubeconfig", default="", metavar="FILE", help="Kubeconfig to use, as for kedoctor run.")
@click.option("--context", default="", help="Context in the kubeconfig.")
@click.option("--root", default="/", hidden=True)
@options.language_option
def command(
    *,
    wanted: str | None,
    list_them: bool,
    dry_run: bool,
    yes: bool,
    kubeconfig: str,
    context: str,
    root: str,
    lang: str | None,
) -> int:
    """Roll back a repair: the latest one, or the one with that ID; all changes of one ``run --fix`` together.

    Everything is undone in reverse order. What somebody changed after the repair is not touched: the command then ends
    with exit code 4 and names the copy from before the repair. What an installer did only that installer can undo; the
    command says how, and rolls back what came after it.
    """
    del yes
    plugins = load_plugins()
    journal = journal_directory(plugins)
    if list_them:
        broken = journal.broken()
        _list(journal.entries(), options.language(lang), unreadable=bool(broken))
        for problem in broken:
            telling.say(str(problem), err=True)
        return ExitCode.UNDETERMINED if broken else ExitCode.OK
    if not wanted:
        journal.must_be_readable()
    entry = _entry(journal, wanted) if wanted else _latest(journal.entries())
    if entry.phase not in _CAN_GO_BACK:
        raise UsageError(f"{entry.id} was already rolled back")
    words = options.language(lang)
    together = _together(entry, journal.entries())
    if dry_run:
        for action in (action for one in together for action in _backwards(one)):
            telling.say(_WOULD.in_language(words).format(what=described(action, words)))
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
            telling.say(_BACK.in_language(words).format(id=one.id))
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
            f"{entry.id} was not rolled back: {program.name} ({later.id}) ran after it and depends on it",
            hint=program.undone_by.en,
        )


def _backwards(entry: JournalEntry) -> list[Action]:
    return [
        action
        for action in reversed(entry.manifest.actions)
        if not isinstance(action, Restart) or action.backward
    ]


def _entry(journal: Journal, wanted: str) -> JournalEntry:
    """The change of that ID; one that is there and cannot be read is a failure of its own."""
    if not journal.holds(wanted):
        journal.must_be_readable()  # what is damaged may be what was asked for
        raise UsageError(f"no change with ID {wanted!r}", hint="kedoctor rollback --list shows the IDs")
    return journal.entry(wanted)


def _latest(entries: list[JournalEntry]) -> JournalEntry:
    candidates = [entry for entry in entries if entry.phase in _CAN_GO_BACK]
    if not candidates:
        raise UsageError("nothing to roll back on this host")
    # One that could not be rolled back as a whole does not keep the older ones from it.
    found = next((one for one in reversed(candidates) if one.phase is not Phase.ATTENTION), candidates[-1])
    newest = entries[-1]
    at_once = newest.phase is Phase.UNDONE and not newest.taken_back_by_hand
    if at_once and newest.manifest.run not in ("", found.manifest.run):
        # Who types this wants the latest repair back, and not one of last week.
        raise UsageError(
            f"the latest repair ({newest.id}) did not help and was rolled back at once; nothing of it is left",
            hint=f"to roll back the one before it: kedoctor rollback {found.id}",
        )
    return found


def _list(entries: list[JournalEntry], language: str, *, unreadable: bool) -> None:
    if not entries and not unreadable:
        telling.say(_NOTHING.in_language(language))
    for entry in reversed(entries):
        codes = " ".join(entry.manifest.codes)
        number = len(entry.manifest.actions)
        told = (_ONE_ACTION if number == 1 else _ACTIONS).in_language(language).format(n=number)
        telling.say(f"{entry.id}  {_PHASES[entry.phase].in_language(language)}  {plain(codes)}  ({told})")
