"""Asking several things at once, where each answer may take seconds: a few daemon threads and no more."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

__all__ = ["ask_all", "spread"]

Item = TypeVar("Item")
Answer = TypeVar("Answer")


def ask_all(ask: Callable[[Item], Answer], items: Sequence[Item], *, workers: int = 16) -> list[Answer]:
    """``ask`` of every item, in the order of the items; at most ``workers`` at a time.

    The threads are daemons: a run that is given up does not wait for them. ``ask`` must not raise; what it raises
    all the same is raised here.
    """
    waiting: queue.SimpleQueue[tuple[int, Item]] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[int, Answer | BaseException]] = queue.SimpleQueue()
    for place, item in enumerate(items):
        waiting.put((place, item))

    def work() -> None:
        while True:
            try:
                place, item = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                done.put((place, ask(item)))
            except BaseException as error:  # noqa: BLE001  it is raised again by the thread that waits
                done.put((place, error))

    for _ in range(min(workers, len(items))):
        threading.Thread(target=work, name="kedoctor-ask", daemon=True).start()
    answers: dict[int, Answer] = {}
    for _ in items:
        place, answer = done.get()
        if isinstance(answer, BaseException):
            raise answer
        answers[place] = answer
    return [answers[place] for place in range(len(items))]


def spread(items: Sequence[Item], count: int) -> tuple[Item, ...]:
    """At most ``count`` of the items, evenly spread over all of them, in their order."""
    if len(items) <= count:
        return tuple(items)
    return tuple(items[place * len(items) // count] for place in range(count))
