"""A toy site: facts and checks about nothing real, and a source that answers from a dictionary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kedoctor.api import (
    DataPath,
    File,
    Finding,
    Host,
    Reason,
    Side,
    Text,
    Unavailable,
    check,
    fact,
    failed,
    passed,
    require,
)
from kedoctor.judge.fact_evaluation import HostView, SiteView
from kedoctor.model.findings import Status
from kedoctor.model.observations.request import Request


class FakeSource:
    """Answers from a dictionary; what is not in it does not exist."""

    def __init__(self, answers: dict[Request, Any] | None = None) -> None:
        self.answers = answers or {}
        self.asked: list[Request] = []

    def observe(self, request: Request) -> Any:
        self.asked.append(request)
        return self.answers.get(request, Unavailable(Reason.ABSENT, str(request)))


def text(sentence: str) -> Text:
    return Text(sentence, zh=f"中{sentence}")


@dataclass(frozen=True, slots=True)
class Motd:
    words: str


@fact
def motd(host: Host) -> Motd:
    file: File = require(host.read("/etc/motd"))
    return Motd(file.text())


@check(
    code="TOY101",
    slug="motd-friendly",
    title=text("The greeting is friendly"),
    side=Side.EDGE,
    breaks=("logs",),
    hop="two",
)
def friendly(greeting: Motd) -> Finding:
    if "hello" in greeting.words:
        return passed(text("It is friendly."))
    return failed(text("It is rude."), expected=text("hello"), actual=greeting.words, hint=text("Be kind."))


def one_edge(source: FakeSource | None = None, name: str = "edge1") -> SiteView:
    own = source or FakeSource()
    return SiteView((HostView(name, frozenset({Side.EDGE}), own),), own)


@dataclass(frozen=True, slots=True)
class Edges:
    names: tuple[str, ...] = ("edge1", "edge2")


@dataclass(frozen=True, slots=True)
class About:
    cluster_version: str = ""
    component_versions: tuple[()] = ()
    distribution: str = ""


PATH = DataPath(
    hops={"one": text("first"), "two": text("second"), "three": text("third")},
    capabilities={"logs": ("one", "two", "three"), "top": ("one", "three")},
    members=Edges,
    about=About,
)

__all__ = ["PATH", "About", "Edges", "FakeSource", "Motd", "Status", "friendly", "motd", "one_edge", "text"]
