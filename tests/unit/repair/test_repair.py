"""A round of repairs: what is planned, what becomes of it, and when the same is not tried again."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from toysite import FakeSource, Motd, friendly, motd, one_edge, text

from kedoctor.api import Finding, NoPlan, Side, check, hookimpl, remedy, warned
from kedoctor.base.records import replace
from kedoctor.base.text import Text
from kedoctor.changes.actor import Actors
from kedoctor.changes.actors.files import FileActor
from kedoctor.changes.actors.temporary_files import TemporaryFiles
from kedoctor.changes.executor import Prepared
from kedoctor.changes.journal import Journal, JournalManifest, Phase
from kedoctor.cli.prompts import TerminalPrompter
from kedoctor.model.actions.action import Action
from kedoctor.model.actions.files import EditYaml, RemoveFile, WriteFile
from kedoctor.model.actions.units import TemporaryFile
from kedoctor.model.actions.yaml_changes import YamlChange
from kedoctor.model.actors import RefusedError, State
from kedoctor.model.declarations import RedactionRule, Risk
from kedoctor.model.findings import Certainty, Status
from kedoctor.model.observations.files import File, FileMetadata, ReadFile
from kedoctor.model.plans import MergedPlan, Plan
from kedoctor.model.report import Cause, Fix, Report, Translation, Verdict
from kedoctor.plugins import Plugins
from kedoctor.repair.cooldown import too_soon
from kedoctor.repair.repair import Repair, consider
from kedoctor.repair.verification import recheck
from kedoctor.run.diagnose import RunRequest, diagnose_site
from kedoctor.run.site import SiteSession

NOW = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)


@check(code="TOY102", slug="motd-short", title=text("The greeting is short"), side=Side.EDGE)
def short(greeting: Motd) -> Finding:
    return warned(text("It is long."), expected=text("short"), actual=greeting.words, hint=text("Cut it."))


@remedy("TOY101")
def say_hello(verdict: Verdict, greeting: Motd) -> Plan | NoPlan:
    if "never" in greeting.words:
        return NoPlan(Text("it shall be rude", zh="就是这样"))
    return plan(verdict.code, verdict.subject)


@remedy("TOY102")
def cut(verdict: Verdict) -> Plan:
    return plan(verdict.code, verdict.subject, WriteFile("/etc/cut", b""))


class Toys:
    """A plugin with facts, checks and remedies."""

    @hookimpl
    def kedoctor_facts(self) -> list[Any]:
        return [motd]

    @hookimpl
    def kedoctor_checks(self) -> list[Any]:
        return [friendly, short]

    @hookimpl
    def kedoctor_remedies(self) -> list[Any]:
        return [say_hello, cut]


def plan(code: str, subject: str = "edge1", *actions: Action, settle: float = 0.0) -> Plan:
    return Plan(
        code=code,
        subject=subject,
        title=text(code),
        prediction=text("nothing"),
        risk=Risk.SAFE,
        actions=actions or (WriteFile("/etc/motd", b"hello"),),
        settle=settle,
    )


def considered(words: str, **more: Any) -> tuple[list[str], list[str]]:
    """The codes that are planned for, and those that are left."""
    plugins = Plugins()
    plugins.register("toys", Toys())
    metadata = FileMetadata("/etc/motd", "file", 0o644, 0, 0, 1, NOW)
    source = FakeSource({ReadFile("/etc/motd"): File(metadata, words.encode())})
    site = SiteSession(one_edge(source), {})
    found = consider(
        plugins, site, diagnose_site(plugins, site, RunRequest()), **{"allowed": Risk.SAFE, **more}
    )
    return [one.code for one in found.plans], [f"{one.code} {why.en}" for one, why in found.left]


def test_causes_are_planned_for_first_then_advice_that_has_a_remedy() -> None:
    assert considered("go away") == (["TOY101", "TOY102"], [])
    assert considered("hello") == (["TOY102"], [])
    assert considered("never") == (["TOY102"], ["TOY101 it shall be rude"])


def manifest(minutes_ago: float, *pairs: tuple[str, str]) -> JournalManifest:
    codes, subjects = tuple(code for code, _ in pairs), tuple(subject for _, subject in pairs)
    return JournalManifest(
        id="x",
        started=datetime.now(UTC) - timedelta(minutes=minutes_ago),
        command="",
        codes=codes,
        subjects=subjects,
        actions=(),
        previewed=(),
        before=(),
        diffs=(),
    )


def test_what_was_repaired_twice_just_before_is_held_back() -> None:
    mine = ("TOY101", "edge1")
    twice = [manifest(9, mine), manifest(1, ("TOY1", "edge1"), mine)]
    codes, left = considered("go away", history=twice)
    assert codes == ["TOY102"]
    assert "2 times in the last 10 minutes" in left[0]
    assert "--again" in left[0]
    assert considered("go away", history=twice[:1])[0] == ["TOY101", "TOY102"]
    now = datetime.now(UTC)
    assert too_soon([manifest(11, mine), manifest(1, mine)], *mine, now) is None
    assert too_soon([manifest(1, ("TOY101", "edge2"))] * 3, *mine, now) is None
    assert too_soon([manifest(-5, mine)] * 3, *mine, now) is None  # the clock was set back since


# ------------------------------------------------------------------------------------------- recheck


def verdict(code: str, status: Status = Status.FAIL, node: str = "edge1", **more: Any) -> Verdict:
    values: dict[str, Any] = {
        "code": code, "slug": code.lower(), "title": code, "status": status, "subject": node, "node": node,
        "host": "", "side": "edge", "hop": "one", "capabilities": ("logs",), "certainty": Certainty.PROVED,
        "summary": code, "fix": Fix(available=False), "zh": Translation(),
    }  # fmt: skip
    return Verdict(**{**values, **more})


def report(*verdicts: Verdict, causes: Sequence[str] = ()) -> Report:
    plugins = Plugins()
    empty = diagnose_site(plugins, SiteSession(one_edge(), {}), RunRequest())
    found = tuple(
        Cause(
            code=code, slug="", status=Status.FAIL, title="", summary="", subjects=(), nodes=(), count=1,
            capabilities=(), hop="", certainty=Certainty.PROVED, remedy="", commands=(), consequences=(),
            zh=Translation(),
        )
        for code in causes
    )  # fmt: skip
    return replace(empty, verdicts=verdicts, causes=found)


def test_what_was_to_be_repaired_must_be_right_and_judged() -> None:
    before, mine = report(verdict("A")), [plan("A")]
    assert recheck(mine, before, report(verdict("A", Status.PASS))).good
    for status in (Status.FAIL, Status.WARN, Status.UNKNOWN, Status.CRASHED):
        assert recheck(mine, before, report(verdict("A", status))).wrong == {"A"}
    vanished = report(verdict("A", Status.UNKNOWN, subject="the host"))
    assert recheck(mine, before, vanished).wrong == {"A"}


def test_what_worked_before_must_work_after() -> None:
    before = report(verdict("A"), verdict("B", Status.PASS), verdict("B", Status.PASS, "edge2"))
    broken = recheck([plan("A")], before, report(verdict("A", Status.PASS), verdict("B")))
    assert (broken.worse, broken.good) == ({"B"}, False)
    elsewhere = recheck([plan("A")], before, report(verdict("A", Status.PASS), verdict("B", node="edge2")))
    assert elsewhere.good


def test_consequences_are_awaited_but_another_cause_may_keep_them() -> None:
    sign, deeper = verdict("S", explained_by=("A",)), verdict("T", explained_by=("A", "S"))
    shared = verdict("U", explained_by=("A", "Z"))
    before = report(verdict("A"), verdict("Z"), sign, deeper, shared, causes=["A", "Z"])
    after = report(verdict("A", Status.PASS), verdict("Z"), sign, deeper, shared)
    found = recheck([plan("A")], before, after)
    assert (found.behind, found.good, found.settled) == ({"S", "T"}, True, False)


def test_what_is_not_known_now_is_waited_for_while_it_moves() -> None:
    before = report(verdict("A"), verdict("P", Status.PASS), verdict("Q", Status.BLOCKED))
    after = report(verdict("A", Status.PASS), verdict("P", Status.UNKNOWN), verdict("Q", Status.UNKNOWN))
    found = recheck([plan("A")], before, after)
    assert {code for code, _ in found.unsure} == {"P", "Q"}
    assert found.settled


# ---------------------------------------------------------------------------------------- one round


class Person:
    """A desk that notes everything."""

    def __init__(self, *, agrees: bool = True) -> None:
        self.agrees, self.notes = agrees, list[str]()

    def show(self, plan: MergedPlan, prepared: Prepared) -> None:
        self.notes.append(f"show {[one.code for one in plan.plans]}")

    def refuse(self, code: str, subject: str, reason: Text) -> None:
        self.notes.append(f"refuse {code} {subject}: {reason.en}")

    def agree(self, plan: MergedPlan) -> bool:
        return self.agrees

    def tell(self, action: Action) -> None:
        self.notes.append(action.target)

    def say(self, sentence: Text) -> None:
        assert sentence.zh
        self.notes.append(sentence.en)

    def wait(self, codes: Sequence[str], seconds_left: float) -> None:
        self.notes.append(f"wait {codes}")


def repair(tmp_path: Path, *looks: Report, **more: Any) -> tuple[Repair, Person]:
    (tmp_path / "etc").mkdir(exist_ok=True)
    (tmp_path / "etc/motd").write_bytes(b"rude")
    files, desk, rest = more.pop("actor", FileActor)(str(tmp_path)), more.pop("desk", Person()), list(looks)
    actors = Actors(dict.fromkeys((WriteFile, EditYaml, RemoveFile), files))
    look = lambda: rest.pop(0) if len(rest) > 1 else rest[0]  # noqa: E731
    return Repair(Journal(tmp_path / "journal"), actors, desk, look, "test", poll=0.01, **more), desk


BEFORE = report(verdict("A"), verdict("B", Status.PASS))
RIGHT = report(verdict("A", Status.PASS), verdict("B", Status.PASS))


def test_a_repair_after_which_the_check_passes_stays(tmp_path: Path) -> None:
    round_, desk = repair(tmp_path, BEFORE, RIGHT)
    attempt = round_.go([plan("A", settle=5)], BEFORE)
    assert (tmp_path / "etc/motd").read_bytes() == b"hello"
    (entry,) = round_.journal.entries()
    assert (entry.phase, entry.manifest.subjects) == (Phase.DONE, ("edge1",))
    assert [(one.journal_id, one.result) for one in attempt.changes] == [(entry.id, "fixed")]
    assert "wait ['A']" in desk.notes
    assert desk.notes[-1].startswith("A edge1: repaired.")


def test_a_plan_that_stands_alone_waits_for_the_others(tmp_path: Path) -> None:
    keep = replace(plan("B", "edge1", WriteFile("/etc/kept", b"x")), alone=True)
    round_, _ = repair(tmp_path, BEFORE, RIGHT)
    first = round_.go([keep, plan("A", settle=5)], BEFORE)
    assert [one.code for one in first.attended] == ["A"]
    assert not (tmp_path / "etc/kept").exists()
    second = round_.go([keep], BEFORE)
    assert [one.code for one in second.attended] == ["B"]
    assert (tmp_path / "etc/kept").exists()


@pytest.mark.parametrize(
    ("after", "said"),
    [
        (BEFORE, "A still fails after it. A"),
        (report(verdict("A", Status.PASS), verdict("B")), "B worked before it. B"),
    ],
)
def test_a_repair_that_does_not_help_or_breaks_something_is_taken_back(
    tmp_path: Path, after: Report, said: str
) -> None:
    round_, desk = repair(tmp_path, after)
    attempt = round_.go([plan("A", settle=0.03)], BEFORE)
    assert (tmp_path / "etc/motd").read_bytes() == b"rude"
    assert [one.result for one in attempt.changes] == ["taken back"]
    assert attempt.failed
    assert any(said in note for note in desk.notes)
    assert round_.journal.entries()[0].phase is Phase.UNDONE


class Away(FileActor):
    """Refuses to undo as often as it is told to, as an API server does that restarts."""

    refusals = 0

    def undo(self, action: Action, before: State, after: State) -> None:
        if self.refusals:
            self.refusals -= 1
            raise RefusedError("connection refused")
        super().undo(action, before, after)


class AwayAtTheSecond(Away):
    """... and to carry out the second action of a plan."""

    def do(self, action: Action, before: State) -> State:
        if action.target == "file:/etc/two":
            raise RefusedError("no route to host")
        return super().do(action, before)


def away(kind: type[Away], refusals: int) -> Callable[[str], Away]:
    def made(root: str) -> Away:
        actor = kind(root)
        actor.refusals = refusals
        return actor

    return made


@pytest.mark.parametrize(
    ("kind", "more", "result"),
    [(Away, (), "taken back"), (AwayAtTheSecond, (WriteFile("/etc/two", b""),), "refused")],
)
def test_what_is_in_the_way_for_a_while_is_waited_for(
    tmp_path: Path, kind: type[Away], more: tuple[Action, ...], result: str
) -> None:
    round_, desk = repair(tmp_path, BEFORE, actor=away(kind, 2), waits=(0.01, 0.01))
    attempt = round_.go([plan("A", "edge1", WriteFile("/etc/motd", b"hello"), *more)], BEFORE)
    assert (tmp_path / "etc/motd").read_bytes() == b"rude"
    assert ([one.result for one in attempt.changes], attempt.failed) == ([result], True)
    assert any("could not be rolled back yet: connection refused" in note for note in desk.notes)
    assert round_.journal.entries()[0].phase is Phase.UNDONE


@pytest.mark.parametrize(("kind", "more"), [(Away, ()), (AwayAtTheSecond, (WriteFile("/etc/two", b""),))])
def test_what_stays_in_the_way_is_said_and_stands_among_the_changes(
    tmp_path: Path, kind: type[Away], more: tuple[Action, ...]
) -> None:
    round_, desk = repair(tmp_path, BEFORE, actor=away(kind, 9), waits=(0.01,))
    attempt = round_.go([plan("A", "edge1", WriteFile("/etc/motd", b"hello"), *more)], BEFORE)
    (entry,) = round_.journal.entries()
    assert entry.phase is Phase.ATTENTION
    assert [(one.journal_id, one.result) for one in attempt.changes] == [(entry.id, "left")]
    assert attempt.failed
    assert desk.notes[-1].startswith("A edge1: not repaired, and NOT rolled back whole: connection refused")
    assert f"kedoctor rollback {entry.id}" in desk.notes[-1]


def test_nothing_is_touched_in_a_dry_run_or_when_the_answer_is_no(tmp_path: Path) -> None:
    dry, _ = repair(tmp_path, RIGHT, dry_run=True)
    attempt = dry.go([plan("A")], BEFORE)
    assert [(one.journal_id, one.result) for one in attempt.changes] == [("", "planned")]
    assert attempt.changes[0].diffs[0].splitlines()[-2:] == ["-rude", "+hello"]
    no, _ = repair(tmp_path, RIGHT, desk=Person(agrees=False))
    assert no.go([plan("A")], BEFORE).declined
    assert (tmp_path / "etc/motd").read_bytes() == b"rude"
    assert dry.journal.entries() == []


def test_a_plan_that_cannot_be_carried_out_does_not_hold_up_the_others(tmp_path: Path) -> None:
    round_, desk = repair(tmp_path, report(verdict("A", Status.PASS), verdict("C", Status.PASS)))
    impossible = plan("C", "edge1", EditYaml("/etc/motd", (YamlChange("set", "a.b", 1),)))
    attempt = round_.go([impossible, plan("A")], BEFORE)
    assert [one.code for one in attempt.changes] == ["A"]
    assert attempt.failed
    assert desk.notes[0].startswith("refuse C edge1: the document cannot be edited")


def test_plans_that_disagree_are_carried_out_one_after_the_other(tmp_path: Path) -> None:
    round_, desk = repair(tmp_path, RIGHT)
    other = plan("C", "edge1", WriteFile("/etc/motd", b"goodbye"))
    attempt = round_.go([plan("A"), other], BEFORE)
    assert [one.code for one in attempt.attended] == ["A"]
    assert desk.notes[0] == "show ['A']"


# ------------------------------------------------------------------------------------------- secrets


def test_diffs_show_no_secrets_but_that_one_changed(tmp_path: Path) -> None:
    secret, fresh = "a" * 64 + ".eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjE3OTU0OTAwMDR9.c2ln", "hunter2hunter2"
    (tmp_path / "app.yaml").write_text(f"hub:\n  token: {secret}\n  joinword: {fresh}\nplain: 1\n")
    rules = [RedactionRule("host:/app.yaml", ("hub.joinword",))]
    hand = FileActor(str(tmp_path), rules)
    changes = (
        YamlChange("set", "hub.token", ""),
        YamlChange("set", "hub.joinword", "another1"),
        YamlChange("set", "plain", 2),
    )
    action = EditYaml("/app.yaml", changes)
    diff = hand.preview(action, hand.look(action)).diff
    assert "+plain: 2" in diff
    assert sum(line.startswith("-") for line in diff.splitlines()) == 4
    assert not any(word in diff for word in (secret[70:], fresh, "another1"))


def test_nobody_listening_does_not_disturb_a_change() -> None:
    class Closed(io.TextIOBase):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    desk = TerminalPrompter("en", yes=True)
    with redirect_stderr(Closed()):
        desk.tell(RemoveFile("/etc/gone"))
        desk.say(text("done"))
        desk.refuse("A", "edge1", text("no"))


def test_a_lent_file_is_there_only_while_it_is_needed(tmp_path: Path) -> None:
    loan, place = TemporaryFile("/token", b"one-time", "/certificate"), tmp_path / "token"
    lender = TemporaryFiles(str(tmp_path))
    with lender.lent(loan):
        assert (place.read_bytes(), place.stat().st_mode & 0o777) == (b"one-time", 0o600)
        assert not lender.served(loan)
        (tmp_path / "certificate").touch()
        assert lender.served(loan)
    assert not place.exists()
    place.write_bytes(b"one-")  # a killed process had come so far
    lender.take_away(loan)
    assert not place.exists()
    place.write_bytes(b"somebody else's")
    with pytest.raises(RefusedError), lender.lent(loan):
        pass
    lender.take_away(loan)
    assert place.read_bytes() == b"somebody else's"
