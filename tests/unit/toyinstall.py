"""An install of nothing real below a directory; as a script it is killed at every place it reaches, and goes on."""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toysite import text

from kedoctor.api import (
    Finding,
    Host,
    Parameter,
    PlaceFile,
    Plan,
    Procedure,
    Risk,
    RunMode,
    RunProgram,
    Secret,
    Setting,
    Side,
    Text,
    Verdict,
    WriteFile,
    check,
    fact,
    failed,
    hookimpl,
    passed,
    remedy,
    require,
    unknown,
)
from kedoctor.base import failpoints
from kedoctor.changes.actor import Actors
from kedoctor.changes.actors.files import FileActor
from kedoctor.changes.actors.installers import ProgramActor
from kedoctor.changes.actors.programs_in_place import PlaceActor
from kedoctor.changes.executor import Prepared
from kedoctor.changes.journal import Journal
from kedoctor.changes.signals import deferred
from kedoctor.install.runner import Install
from kedoctor.install.steps import Foreseen, InstallStep
from kedoctor.judge.fact_evaluation import HostView, SiteView
from kedoctor.model.actions.action import Action
from kedoctor.model.plans import MergedPlan
from kedoctor.observe.live.source import LiveSource
from kedoctor.observe.memo import MemoSource
from kedoctor.plugins import Plugins
from kedoctor.run.site import SiteSession

TOKEN = "top-secret-token"
PROGRAM = b"""#!/bin/sh
# Takes its time until the secret is where it waits for it, and says it aloud.
echo hello > "$1/registered"
for i in 1 2 3 4 5 6 7 8 9; do test -s "$1/lent" && break; sleep 0.02; done
cat "$1/lent"; echo "variable $TOY_TOKEN"
test "$(cat "$1/lent")" = "top-secret-token" && cp "$1/lent" "$1/joined"
"""


@dataclass(frozen=True, slots=True)
class Place:
    home: str
    there: frozenset[str]
    token: Setting


@fact
def place(host: Host) -> Place:
    home = require(host.setting("home")).value
    entries = require(host.find(f"{home}/*")).entries
    return Place(
        home, frozenset(one.path.rpartition("/")[2] for one in entries), require(host.setting("token"))
    )


def step(code: str, name: str) -> Any:
    """A check that a file is there."""

    def judge(where: Place) -> Finding:
        if "broken" in where.there and name == "last":
            return failed(text("Broken."), expected=text("x"), actual="y", hint=text("Look."))
        if name in where.there and (name != "joined" or "after" in where.there):
            return passed(text("There."))
        return failed(text(f"No {name}."), expected=text(name), actual="absent", hint=text("Make it."))

    judge.__name__ = judge.__qualname__ = f"check_{name}"
    judge.__annotations__ = {"where": Place, "return": Finding}
    title, only = text(f"{name} is there"), (RunMode.INSTALL,)
    return check(code=code, slug=f"has-{name}", title=title, side=Side.EDGE, occasions=only)(judge)


@check(code="TOY900", slug="may", title=text("It may be done"), side=Side.EDGE, occasions=(RunMode.INSTALL,))
def may(where: Place) -> Finding:
    if "dark" in where.there:
        return unknown(text("It is dark."))
    if "forbidden" in where.there:
        return failed(text("No."), expected=text("yes"), actual="no", hint=text("Ask."))
    return passed(text("Yes."))


FIRST, SECOND, THIRD, LAST = (
    step("TOY901", "first"),
    step("TOY902", "tool"),
    step("TOY903", "joined"),
    step("TOY904", "last"),
)


def plan(verdict: Verdict, *actions: Action) -> Plan:
    return Plan(
        code=verdict.code,
        subject=verdict.subject,
        title=text(f"do {verdict.code}"),
        prediction=text("nothing"),
        risk=Risk.SAFE,
        actions=actions,
        settle=0.05,
    )


@remedy("TOY901")
def make_first(verdict: Verdict, where: Place) -> Plan:
    return plan(verdict, WriteFile(f"{where.home}/first", b"1"))


@remedy("TOY902")
def make_tool(verdict: Verdict, where: Place) -> Plan:
    digest = hashlib.sha256(PROGRAM).hexdigest()
    return plan(verdict, PlaceFile(f"{where.home}/tool", f"{where.home}/bundle/tool", digest))


@remedy("TOY903")
def make_joined(verdict: Verdict, where: Place) -> Plan:
    home = where.home
    if "joined" in where.there:
        return plan(verdict, WriteFile(f"{home}/after", b"a"))
    lent = Secret("token", path=f"{home}/lent", once=f"{home}/registered")
    return plan(
        verdict,
        RunProgram(
            f"{home}/tool",
            (home,),
            leaves=(f"{home}/registered", f"{home}/joined"),
            by_hand=Text("run the tool backwards", zh="反向运行该工具"),
            seconds=20,
            secrets=(lent, Secret("token", variable="TOY_TOKEN")),
        ),
        WriteFile(f"{home}/after", b"a"),
    )


@remedy("TOY904")
def make_last(verdict: Verdict, where: Place) -> Plan:
    return plan(verdict, WriteFile(f"{where.home}/last", b"2"))


PROCEDURE = Procedure(
    name="toy",
    title=text("Installs a toy."),
    side=Side.EDGE,
    parameters=(Parameter(setting="home", option="--home", help=text("Where."), required=True),),
    preflight=("TOY900",),
    steps=("TOY901", "TOY902", "TOY903", "TOY904"),
)


class Toys:
    @hookimpl
    def kedoctor_facts(self) -> list[Any]:
        return [place]

    @hookimpl
    def kedoctor_checks(self) -> list[Any]:
        return [may, FIRST, SECOND, THIRD, LAST]

    @hookimpl
    def kedoctor_remedies(self) -> list[Any]:
        return [make_first, make_tool, make_joined, make_last]

    @hookimpl
    def kedoctor_procedures(self) -> list[Procedure]:
        return [PROCEDURE]


class Watcher:
    """Notes what it is shown, and consents."""

    def __init__(self, *, consents: bool = True) -> None:
        self.answer, self.lines, self.told, self.said = consents, list[str](), list[str](), list[str]()
        self.previewed: Sequence[Foreseen] = ()
        self.shown = list[str]()

    def starts(self, step: InstallStep) -> None: ...

    def ends(self, step: InstallStep, outcome: Text) -> None:
        assert outcome.zh
        self.lines.append(f"[{step.number}/{step.total}] {step.node.check.code} {outcome.en}")

    def foretells(self, previewed: Sequence[Foreseen]) -> None:
        self.previewed = previewed

    def show(self, plan: MergedPlan, prepared: Prepared) -> None:
        self.shown.append(plan.plans[0].code)

    def consents(self) -> bool:
        return self.answer

    def tell(self, action: Action) -> None:
        self.told.append(action.target)

    def say(self, sentence: Text) -> None:
        assert sentence.zh
        self.said.append(sentence.en)

    def wait(self, codes: Sequence[str], seconds_left: float) -> None: ...


def settings(home: Path) -> dict[str, Setting]:
    return {"home": Setting(str(home)), "token": Setting(TOKEN, secret=True)}


def hands(given: Mapping[str, Setting]) -> Actors:
    return Actors({WriteFile: FileActor(), PlaceFile: PlaceActor(), RunProgram: ProgramActor(given)})


def prepare_home(home: Path) -> Path:
    (home / "bundle").mkdir(parents=True)
    (home / "bundle/tool").write_bytes(PROGRAM)
    return home


def install(home: Path, watcher: Watcher | None = None, **more: Any) -> Install:
    plugins, given = Plugins(), settings(home)
    plugins.register("toys", Toys())
    assert not plugins.registry.refusals, plugins.registry.refusals

    def look() -> SiteSession:
        memo = MemoSource(LiveSource(settings=given))
        return SiteSession(SiteView((HostView("here", frozenset({Side.EDGE}), memo),), memo), {"here": memo})

    return Install(
        plugins=plugins,
        procedure=PROCEDURE,
        look=look,
        journal=Journal(home / "journal"),
        actors=hands(given),
        witness=watcher or Watcher(),
        command="toy",
        poll=0.01,
        **more,
    )


def run(home: Path, watcher: Watcher | None = None, **more: Any) -> Any:
    with deferred() as stop:
        return install(home, watcher, **more).go(stop)


def state(home: Path) -> dict[str, bytes]:
    """Every file below, but the journal."""
    return {
        str(path.relative_to(home)): path.read_bytes()
        for path in sorted(home.rglob("*"))
        if path.is_file() and "journal" not in path.parts
    }


def _forked(home: Path, failpoint: int) -> int:
    """The exit code of a child that installs (``-9``: it was killed at its failpoint)."""
    pid = os.fork()
    if pid == 0:
        failpoints._reached = 0
        if failpoint:
            os.environ["KEDOCTOR_FAILPOINT"] = str(failpoint)
        watcher = Watcher()
        result = run(home, watcher)
        os._exit(int(result.code) if result.changes or not failpoint else 0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def main() -> int:
    """Kills an install at each place in turn; prints how many places there were."""
    wanted = state(done(Path(tempfile.mkdtemp())))
    for number in range(1, 500):
        with tempfile.TemporaryDirectory() as scratch:
            home = prepare_home(Path(scratch) / "home")
            ended = _forked(home, number)
            assert ended in (0, -9), (number, ended)
            if ended == 0:
                sys.stdout.write(str(number - 1))
                return 0
            assert _forked(home, 0) == 0, number
            assert state(home) == wanted, (number, state(home))
            before = sorted(path.name for path in (home / "journal").iterdir())
            assert not [name for name in before if name.endswith((".open", ".attention"))], (number, before)
            assert _forked(home, 0) == 0, number
            assert sorted(path.name for path in (home / "journal").iterdir()) == before, number
    return 1


def done(home: Path) -> Path:
    assert run(prepare_home(home / "home")).complete
    return home / "home"


if __name__ == "__main__":
    sys.exit(main())
