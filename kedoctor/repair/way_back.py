"""Taking a repair back where something is in the way for a while: an API server that restarts, a store that is away."""

from __future__ import annotations

import time
from collections.abc import Sequence

from kedoctor.base.errors import ChangeError
from kedoctor.base.text import Text
from kedoctor.changes.actor import Actors
from kedoctor.changes.executor import IrreversibleError, roll_back
from kedoctor.changes.journal import JournalEntry
from kedoctor.changes.signals import Deferred
from kedoctor.model.actors import ConflictError
from kedoctor.repair.prompter import Prompter

__all__ = ["WAITS", "take_back"]

WAITS = (2.0, 5.0, 10.0, 20.0)
"""Seconds between the tries: kube-apiserver is back within half a minute after its start."""

_LAST = 30.0
_POLL = 0.1


def take_back(
    entry: JournalEntry,
    actors: Actors,
    *,
    desk: Prompter,
    stop: Deferred,
    waits: Sequence[float] = WAITS,
) -> None:
    """Rolls back, and where that is refused tries again after each of ``waits`` (seconds), or until a signal comes.

    No try begins later than 30 s after the first: each may take long where a server does not answer.

    Raises:
        ChangeError: as :func:`~kedoctor.changes.executor.roll_back`; that somebody else changed a target, and that a
            foreign program has done its work, does not change by waiting and is raised at once.
    """
    ends = time.monotonic() + _LAST
    for wait in (*waits, None):
        try:
            roll_back(entry, actors, tell=desk.tell)
        except (ConflictError, IrreversibleError):
            raise
        except ChangeError as error:
            if wait is None or time.monotonic() >= ends:
                raise
            desk.say(_again(error, wait))
            if not _waited(wait, stop):
                raise
        else:
            return


def _waited(seconds: float, stop: Deferred) -> bool:
    """False as soon as another signal comes: a person does not want to wait."""
    before, ends = stop.count, time.monotonic() + seconds
    while (left := ends - time.monotonic()) > 0:
        if stop.count != before:
            return False
        time.sleep(min(_POLL, left))
    return True


def _again(error: ChangeError, wait: float) -> Text:
    return Text(
        f"The repair could not be rolled back yet: {error}. Trying again in {wait:.0f} s.",
        zh=f"暂时无法撤销修复：{error}。{wait:.0f} 秒后重试。",
    )
