"""Making every fact for a recording."""

from __future__ import annotations

import signal
import threading
from typing import Any

import pytest
from toysite import FakeSource, motd

from kedoctor.api import hookimpl
from kedoctor.model.observations.files import ReadFile
from kedoctor.model.observations.request import Request
from kedoctor.observe.memo import MemoSource
from kedoctor.plugins import Plugins
from kedoctor.snapshot.collect_settings import make_every_fact


class Toys:
    """A plugin with one fact."""

    @hookimpl
    def kedoctor_facts(self) -> list[Any]:
        return [motd]


def plugins() -> Plugins:
    found = Plugins()
    found.register("toys", Toys())
    return found


class Silent(FakeSource):
    """Does not answer before the test is over; at the first question somebody types Ctrl-C."""

    def __init__(self) -> None:
        super().__init__()
        self.over = threading.Event()

    def observe(self, request: Request) -> Any:
        signal.raise_signal(signal.SIGINT)
        self.over.wait()
        return super().observe(request)


def test_every_fact_is_asked_for() -> None:
    source = FakeSource()
    make_every_fact(plugins(), MemoSource(source), host="edge1")
    assert ReadFile("/etc/motd") in source.asked


@pytest.mark.timeout(60)
def test_ctrl_c_does_not_wait_for_who_does_not_answer() -> None:
    source = Silent()
    try:
        with pytest.raises(KeyboardInterrupt):
            make_every_fact(plugins(), MemoSource(source), host="edge1")
        assert not source.over.is_set()
    finally:
        source.over.set()
