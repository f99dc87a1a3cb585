"""Carrying a plan out and taking it back, with the journal one step ahead."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from kedoctor.base.atomic_files import replace_file
from kedoctor.base.errors import ChangeError
from kedoctor.changes.actor import Actors
from kedoctor.changes.journal import (
    Event,
    Journal,
    JournalEntry,
    JournalManifest,
    Phase,
    Progress,
    new_id,
)
from kedoctor.changes.signals import Deferred, InterruptedChangeError
from kedoctor.model.actions.action import Action, OneWay, Restart
from kedoctor.model.actors import ConflictError, Preview, ReservingActor, State

__all__ = [
    "IrreversibleError",
    "Prepared",
    "RollbackError",
    "blocking_step",
    "execute",
    "prepare",
    "recover",
    "roll_back",
]

Tell = Callable[[Action], None]
"""Gets each action that is about to be done or undone, as far as it does anything in that direction."""


class RollbackError(ChangeError):
    """A repair failed and could not be rolled back whole; its journal entry waits for a person.

    ``refusal`` says why the repair failed (empty: a signal came), ``entry`` is what is left to be rolled back.
    """

    def __init__(self, message: str, hint: str, *, refusal: str, entry: JournalEntry) -> None:
        super().__init__(message, hint=hint)
        self.refusal = refusal
        self.entry = entry


class IrreversibleError(ChangeError):
    """A foreign program has done its work, so what is older than that was not rolled back; the sentences say how to.

    ``program`` is its action. What came after it was rolled back; the entry is kept as done.
    """

    def __init__(self, program: OneWay, journal_id: str) -> None:
        super().__init__(
            f"{program.name} has taken over, and kedoctor cannot take back what another program has done ({journal_id})",
            hint=program.undone_by.en,
        )
        self.program = program
        self.journal_id = journal_id


@dataclass(frozen=True, slots=True)
class Prepared:
    """Actions that would change something, what is there now, and what they will make of it."""

    actions: tuple[Action, ...]
    before: tuple[State, ...]
    foresight: tuple[Preview, ...]


def prepare(actors: Actors, actions: Sequence[Action]) -> Prepared:
    """Looks at every target and foresees every change; what is so already is left out. Touches nothing.

    Raises:
        RefusedError: a target cannot be looked at or changed.
    """
    kept: list[tuple[Action, State, Preview]] = []
    for action in actions:
        actor = actors.of(action)
        state = actor.look(action)
        foresight = actor.preview(action, state)
        if foresight.changes:
            kept.append((action, state, foresight))
    return Prepared(*(tuple(column) for column in zip(*kept, strict=True))) if kept else Prepared((), (), ())


def execute(
    journal: Journal,
    actors: Actors,
    prepared: Prepared,
    *,
    codes: Sequence[str],
    command: str,
    stop: Deferred,
    tell: Tell,
    subjects: Sequence[str] = (),
    run: str = "",
) -> JournalEntry:
    """Does it all, journalled; the entry stays open for the checks to decide.

    ``codes`` and ``subjects``, side by side, say which verdicts it is for; entries of one ``run`` belong together.

    Raises:
        ChangeError: something refused; what had been done was rolled back.
        RollbackError: as above, but something could not be rolled back.
        InterruptedChangeError: a signal came; what had been done was rolled back.
    """
    manifest = JournalManifest(
        id=new_id(),
        started=datetime.now(UTC),
        command=command,
        codes=tuple(codes),
        actions=prepared.actions,
        previewed=tuple(one.fingerprint for one in prepared.foresight),
        before=prepared.before,
        diffs=tuple(one.diff for one in prepared.foresight),
        subjects=tuple(subjects),
        run=run,
    )
    entry = _begun(journal, actors, manifest)
    try:
        for index, action in enumerate(prepared.actions):
            stop.check()
            if not (isinstance(action, Restart) and action.backward):
                tell(action)
            _act(entry, actors, index, action)
        stop.check()
    except (ChangeError, OSError, InterruptedChangeError) as error:
        try:
            roll_back(entry, actors, tell=tell)
        except ChangeError as left:
            first = f"{error}; then " if str(error) else ""
            raise RollbackError(f"{first}{left}", left.hint, refusal=str(error), entry=entry) from left
        if isinstance(error, OSError):
            raise ChangeError(f"{error.strerror}; everything was rolled back") from error
        raise
    return entry


def _begun(journal: Journal, actors: Actors, manifest: JournalManifest) -> JournalEntry:
    """The entry, with the space that taking everything back needs kept wherever it is needed."""
    kept: list[Callable[[], None]] = []
    try:
        for action, before in zip(manifest.actions, manifest.before, strict=True):
            actor = actors.of(action)
            if isinstance(actor, ReservingActor):
                kept.append(actor.reserve(action, before))
        entry = journal.begin(manifest)
    except BaseException:
        for release in kept:
            release()
        raise
    for release in kept:
        entry.reserve(release)
    return entry


def _act(entry: JournalEntry, actors: Actors, index: int, action: Action) -> None:
    actor = actors.of(action)
    now = actor.look(action)
    if now.fingerprint != entry.manifest.before[index].fingerprint:
        raise ConflictError(
            f"{action.target} was changed by somebody else while the repair was being prepared"
        )
    entry.note(Event.START, index, now)
    try:
        after = actor.do(action, now)
    except ConflictError:
        entry.note(Event.UNDONE, index)  # somebody else was first: what is there is theirs, and stays
        raise
    entry.note(Event.DONE, index, after)


def roll_back(entry: JournalEntry, actors: Actors, *, tell: Tell) -> None:
    """Undoes everything in strict reverse order.

    Raises:
        ConflictError: a target is no longer what kedoctor left; nothing more was touched, both versions are kept.
        IrreversibleError: a foreign program has done its work; only what came after it was rolled back.
        ChangeError: an undo was refused. In the first and the last case the entry is kept and marked for attention.
    """
    entry.progress()  # a log that cannot be relied on ends it here, with the entry as it is
    entry.release()
    try:
        for action in entry.manifest.actions:
            actors.of(action).tidy(action)
        steps, standing = _after_programs(entry, _to_undo(entry, actors))
        _refuse_conflicts(entry, actors, steps)
        for index, progress in reversed(steps):
            action = entry.manifest.actions[index]
            if progress.started is None or progress.finished is None:
                continue
            if not isinstance(action, Restart) or action.backward:
                tell(action)
            entry.note(Event.UNDO, index)
            actors.of(action).undo(action, progress.started, progress.finished)
            entry.note(Event.UNDONE, index)
    except (ChangeError, OSError) as error:
        if entry.phase is not Phase.ATTENTION:
            entry.become(Phase.ATTENTION)
        go_on = f"some of the repair is still in place; when nothing is in the way any more: kedoctor rollback {entry.id}"
        if isinstance(error, ChangeError):
            if not isinstance(error, ConflictError):
                error.hint = error.hint or go_on
            raise
        why = error.strerror or str(error)
        raise ChangeError(f"taking back {entry.id} failed: {why}; its journal is kept", hint=go_on) from error
    if standing is not None:
        if entry.phase is not Phase.DONE:
            entry.become(Phase.DONE)
        raise IrreversibleError(standing, entry.id)
    entry.become(Phase.UNDONE)


def blocking_step(
    entry: JournalEntry, entries: Sequence[JournalEntry], actors: Actors
) -> tuple[JournalEntry, OneWay] | None:
    """A later entry whose foreign program has left something that may rest on what ``entry`` did; the latest one."""
    names = [one.id for one in entries]
    after = entries[names.index(entry.id) + 1 :]
    later = [one for one in after if one.phase in (Phase.DONE, Phase.ATTENTION)]
    for one in reversed(later):
        for action, progress in zip(one.manifest.actions, one.progress(), strict=True):
            if not isinstance(action, OneWay) or progress.started is None or not action.shows:
                continue
            if actors.of(action).look(action).fingerprint != progress.started.fingerprint:
                return one, action
    return None


def _after_programs(
    entry: JournalEntry, steps: list[tuple[int, Progress]]
) -> tuple[list[tuple[int, Progress]], OneWay | None]:
    """What can be rolled back: everything, or what came after the last foreign program that has left something."""
    for place in range(len(steps) - 1, -1, -1):
        action = entry.manifest.actions[steps[place][0]]
        if isinstance(action, OneWay):
            return steps[place + 1 :], action
    return steps, None


def _to_undo(entry: JournalEntry, actors: Actors) -> list[tuple[int, Progress]]:
    """The actions that left something, with the state each left (found out by looking where the log ends early)."""
    steps = []
    for index, progress in enumerate(entry.progress()):
        if progress.started is None or progress.undone:
            continue
        if progress.finished is None:
            # The log ends here: whether the action came to pass has to be found out by looking.
            ended = _unfinished(entry, actors, index, progress.started)
            steps.extend([(index, ended)] if ended else [])
        elif not _is_before(entry, actors, index, progress):
            steps.append((index, progress))
    return steps if _puts_back(entry, steps) else []


def _puts_back(entry: JournalEntry, steps: Sequence[tuple[int, Progress]]) -> bool:
    """Whether anything but restarts is undone, or a restart on the way back was begun.

    Where neither is so, what runs needs no restart: everything it rests on is as it was.
    """
    actions = entry.manifest.actions
    begun = {index for index, progress in enumerate(entry.progress()) if progress.undoing}
    return any(
        not isinstance(actions[index], Restart) for index in {index for index, _ in steps} | begun
    ) or any(
        isinstance(action, Restart) and action.backward and index in begun
        for index, action in enumerate(actions)
    )


def _unfinished(entry: JournalEntry, actors: Actors, index: int, started: State) -> Progress | None:
    action = entry.manifest.actions[index]
    now = actors.of(action).look(action)
    previewed = entry.manifest.previewed[index]
    blind = isinstance(action, OneWay) and not action.shows
    if now.fingerprint == started.fingerprint != previewed and not blind:
        return None
    if previewed and now.fingerprint != previewed:
        raise ConflictError(f"{action.target} is neither what it was nor what kedoctor was making of it")
    return Progress(started, now)


def _is_before(entry: JournalEntry, actors: Actors, index: int, progress: Progress) -> bool:
    """Whether it was rolled back already: by an undo whose end was not noted, by somebody, or by a reboot.

    Where an action leaves the fingerprint it found (a restart), looking tells nothing, and it is undone again.
    """
    if progress.started is None or progress.finished is None:
        return False
    if progress.started.fingerprint == progress.finished.fingerprint:
        return False
    action = entry.manifest.actions[index]
    return actors.of(action).look(action).fingerprint == progress.started.fingerprint


def _refuse_conflicts(entry: JournalEntry, actors: Actors, steps: Sequence[tuple[int, Progress]]) -> None:
    conflicts = []
    for index, progress in steps:
        action = entry.manifest.actions[index]
        now = actors.of(action).look(action)
        if progress.finished is not None and now.fingerprint != progress.finished.fingerprint:
            conflicts.append((index, progress))
    if not conflicts:
        return
    names = ", ".join(entry.manifest.actions[index].target for index, _ in conflicts)
    places = ", ".join(str(_keep(entry, index, progress)) for index, progress in conflicts)
    raise ConflictError(
        f"{names} was changed after kedoctor had repaired it; it is left as it is and nothing was rolled back",
        hint=f"the version from before the repair is kept in {places}",
    )


def _keep(entry: JournalEntry, index: int, progress: Progress) -> Path:
    kept = entry.directory.with_suffix(f".{Phase.ATTENTION.value}") / f"before-{index}"
    if progress.started is not None:
        replace_file(entry.directory / f"before-{index}", progress.started.data)
    return kept


def recover(journal: Journal, actors: Actors, *, tell: Tell) -> list[JournalEntry]:
    """Takes back what an interrupted kedoctor left open. Doing it twice changes nothing more.

    Where a foreign program was begun, what it has done stays, and the entry counts as done: what it set going may
    show only later, so whether it has taken over is looked at when somebody wants to go back.

    Raises:
        ChangeError: something could not be rolled back; its entry is kept and marked for attention.
    """
    journal.clear_new()
    left = [entry for entry in journal.entries() if entry.phase is Phase.OPEN]
    for entry in reversed(left):
        with suppress(IrreversibleError):
            roll_back(entry, actors, tell=tell)
            # What a foreign program set going may show only later: whether it stands is looked at when it matters.
            if _program_begun(entry):
                entry.become(Phase.DONE)
    return left


def _program_begun(entry: JournalEntry) -> bool:
    return any(
        isinstance(action, OneWay) and progress.started is not None
        for action, progress in zip(entry.manifest.actions, entry.progress(), strict=True)
    )
