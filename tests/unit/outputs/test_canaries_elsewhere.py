"""No secret of the corpus comes out of what is no report: plans, journals, evidence, backups, traces, explanations, errors."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from canaries import benign_lost, leaks, texts
from report_samples import report, safe, verdict
from secret_forms import BENIGN, forms
from toysite import FakeSource, one_edge

from kedoctor.__main__ import _run
from kedoctor.api import fact
from kedoctor.base.records import encode_pretty
from kedoctor.base.text import Text
from kedoctor.changes.actor import Actors
from kedoctor.changes.actors.files import FileActor
from kedoctor.changes.journal import Journal, JournalManifest
from kedoctor.cli import telling
from kedoctor.cli.gate_progress import GateDesk
from kedoctor.cli.progress_line import WaitingLine
from kedoctor.cli.prompts import TerminalPrompter
from kedoctor.cli.trace import _end, _Printer
from kedoctor.evidence.bundle import EvidenceWriter
from kedoctor.judge.registry import Registry
from kedoctor.model.actions.files import RemoveFile, WriteFile
from kedoctor.model.actors import State
from kedoctor.model.declarations import Risk
from kedoctor.model.findings import Status
from kedoctor.model.observations.apiserver import ApiAnswer, GetPath
from kedoctor.model.observations.files import File, FileMetadata, ReadFile
from kedoctor.model.observations.logs import LogText, ReadPodLog
from kedoctor.model.observations.request import Reason, Request, Unavailable
from kedoctor.model.observations.tools import RunTool, ToolOutput
from kedoctor.model.plans import Plan
from kedoctor.model.settings import SettingsDocument
from kedoctor.model.traces import StepResult, StepState, Trace, TraceTarget, step
from kedoctor.observe.memo import Observation
from kedoctor.plugins import load_plugins
from kedoctor.redaction.documents import DocumentRedactor
from kedoctor.repair.repair import Repair
from kedoctor.report import run_store
from kedoctor.snapshot.backup import without_secrets, write_backup
from kedoctor.snapshot.protection import protected
from kedoctor.trace.runner import run_trace

NOW = datetime(2026, 11, 23, 3, tzinfo=UTC)
STEP = 7  # 212 forms are no multiple of it, so that each form is among every seventh text in several contexts
EVERYTHING = (*texts(), *BENIGN)
SOME = (*texts()[::3], *BENIGN)
"""Each form in a third of the contexts, for what takes long."""


def _told(capture: pytest.CaptureFixture[str]) -> str:
    return "".join(capture.readouterr())


# ------------------------------------------------------------------------------------------ repairs


def _plan(number: int, root: Path) -> Plan:
    """Files that hold the corpus are emptied, and its texts are in every word of the plan."""
    said = SOME[number::8]
    content = "".join(f"{one}\n--\n" for one in said).encode()
    (root / f"etc/app-{number}.conf").write_bytes(content)
    told = "\n--\n".join(said[:40])
    words = Text(told, zh=told)
    return Plan(
        code=f"TOY{number}",
        subject=said[-1],
        title=words,
        prediction=words,
        risk=Risk.SAFE,
        actions=(WriteFile(f"/etc/app-{number}.conf", b""), WriteFile(f"/etc/new-{number}.conf", content)),
    )


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_plan_of_a_repair_shows_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], language: str
) -> None:
    (tmp_path / "etc").mkdir()
    before = report(*(verdict(Status.FAIL, f"TOY{number}", subject=one) for number, one in enumerate("ab")))
    desk = TerminalPrompter(language, yes=False)
    actors = Actors({WriteFile: FileActor(str(tmp_path))})
    repair = Repair(Journal(tmp_path / "journal"), actors, desk, lambda: before, "test", dry_run=True)
    attempt = repair.go([_plan(number, tmp_path) for number in range(8)], before)
    assert len(attempt.changes) == 8
    for one in texts()[::STEP]:
        desk.refuse("TOY1", one, Text(one, zh=one))
        desk.say(Text(one, zh=one))
        desk.tell(RemoveFile(f"/etc/app {one}"))
    shown = _told(capsys)
    assert "app-7.conf" in shown
    assert leaks(shown) == {}
    assert not benign_lost(shown)
    # What a repair did gets into the report.
    document = DocumentRedactor().with_changes(safe(before), attempt.changes)
    assert leaks(encode_pretty(document)) == {}


def test_the_journal_tells_none(capsys: pytest.CaptureFixture[str]) -> None:
    journal = Journal(run_store.directory() / "journal")
    state = State(target="x", exists=False, fingerprint="")
    for number, text in enumerate([*texts()[:: STEP * STEP], "; ".join(BENIGN)]):
        journal.begin(
            JournalManifest(
                id=f"20261123T030000Z-{number:04x}",
                started=NOW,
                command=text,
                codes=(text,),
                actions=(RemoveFile(f"/etc/app {text}"),),
                previewed=("",),
                before=(state,),
                diffs=("",),
                subjects=(text,),
            )
        )
    for language in ("en", "zh"):
        assert _run(["rollback", "--list", "--lang", language]) == 0
    entries = journal.entries()
    assert len(entries) > 50
    for entry in entries:
        assert _run(["rollback", entry.id, "--dry-run"]) in (0, 64)
    for one in texts()[:: STEP * STEP]:
        _run(["rollback", "--dry-run", "--", one])
    assert _run(["history"]) == 0
    shown = _told(capsys)
    assert leaks(shown) == {}
    assert not benign_lost(shown)


# ------------------------------------------------------------------------------------------ evidence


def _metadata(path: str) -> FileMetadata:
    return FileMetadata(path, "file", 0o600, 0, 0, 9, NOW)


OBSERVED: tuple[Callable[[str], tuple[Request, Any]], ...] = (
    lambda text: (ReadFile("/etc/app.conf"), File(_metadata("/etc/app.conf"), text.encode())),
    lambda text: (ReadFile("/etc/app.yaml"), File(_metadata("/etc/app.yaml"), text.encode())),
    lambda text: (RunTool("crictl", ("ps",)), ToolOutput(("/bin/crictl", "ps"), 0, text, "")),
    lambda text: (RunTool("crictl", ("ps",)), ToolOutput(("/bin/sh", "-c", text), 1, "", text)),
    lambda text: (GetPath("/x"), ApiAnswer(200, json.dumps({"message": text, text: "x"}).encode(), NOW)),
    lambda text: (GetPath(text), Unavailable(Reason.SERVER_ERROR, text, text)),
    lambda text: (ReadPodLog("default", text), LogText(text)),
)


def test_evidence_holds_none(tmp_path: Path) -> None:
    rules = [rule for one in load_plugins().evidence() for rule in one.redactions]
    writer = EvidenceWriter(tmp_path / "evidence.tgz", rules)
    for number, text in enumerate(EVERYTHING):
        kinds = OBSERVED if text in BENIGN else [OBSERVED[number % len(OBSERVED)]]
        for kind in kinds:
            request, answer = kind(text)
            writer.add(Observation(request, answer, NOW, 1))
    manifest = writer.finish(host="edge1")
    whole = gzip.decompress((tmp_path / "evidence.tgz").read_bytes())
    with tarfile.open(fileobj=io.BytesIO(whole)) as archive:
        members = [archive.extractfile(one) for one in archive.getmembers()]
        pages = b"\n".join(one.read() for one in members if one is not None)
    assert leaks(whole + pages) == {}
    assert not benign_lost(pages)
    assert manifest.withheld < len(EVERYTHING) / 100


# ------------------------------------------------------------------------------------------ settings


def _documents(said: Sequence[str], other: str = "") -> dict[str, SettingsDocument]:
    values = {f"section.value{number}": json.dumps(other + one) for number, one in enumerate(said)}
    values |= {f"{other}{one}": "true" for one in said[::STEP]}
    text = "".join(f"value{number}: {json.dumps(one)}\n" for number, one in enumerate(said))
    return {"app.yaml": SettingsDocument("app.yaml", "app.yaml", "host:/etc/app.yaml", text, values)}


def test_backups_and_differences_show_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rules = [rule for one in load_plugins().evidence() for rule in one.redactions]
    pages = []
    for name, other in (("first", ""), ("second", "x ")):
        found = _documents(SOME, other)
        texts_of, withheld = without_secrets(found, rules)
        assert not withheld
        values = protected(found, rules, run_store.directory())
        write_backup(tmp_path / name, texts_of, values, now=NOW, host="edge1")
        pages += [path.read_bytes() for path in (tmp_path / name).iterdir()]
    kept = b"\n".join(pages)
    assert leaks(kept) == {}
    assert not benign_lost(kept)
    for options in ([], ["--format", "json"], ["--lang", "zh"]):
        assert _run(["diff", str(tmp_path / "first"), str(tmp_path / "second"), *options]) == 2
        shown = _told(capsys)
        assert leaks(shown) == {}
        if "json" in options:
            assert not benign_lost(shown)


def test_differences_of_what_was_kept_in_clear_show_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Kedoctor 0.1.0 wrote reports and backups that hold secrets; somebody may compare them now."""
    said = texts()[::3]
    for name, other in (("first", ""), ("second", "x ")):
        (document,) = _documents(said, other).values()
        write_backup(
            tmp_path / name, [(document, document.text)], {"app.yaml": document.values}, now=NOW, host="edge1"
        )
        status = Status.FAIL if other else Status.PASS
        found = report(*(verdict(status, f"TOY{n}", summary=one, subject=one) for n, one in enumerate(said)))
        (tmp_path / f"{name}.json").write_bytes(encode_pretty(found))
    for pair in (("first", "second"), ("first.json", "second.json")):
        for options in ([], ["--format", "json"]):
            _run(["diff", *(str(tmp_path / one) for one in pair), *options])
            shown = _told(capsys)
            assert len(shown) > 10_000
            assert leaks(shown) == {}, (pair, options)


# ------------------------------------------------------------------------------------------ traces


@dataclass(frozen=True)
class Subject:
    label: str = BENIGN[0]
    node: str = texts()[3]
    here: bool = False
    refusal: Text | None = None


@fact
def subject() -> Subject:
    return Subject()


def _step(number: int, text: str) -> Callable[..., StepResult]:
    @step(name=f"step{number}", title=Text("a step", zh="环节"), hop="two")
    def judge() -> StepResult:
        state = (StepState.BROKEN, StepState.UNKNOWN, StepState.OK, StepState.NOT_SEEN)[number % 4]
        told = Text(text, zh=text)
        return StepResult(state=state, seen=told, commands=(text,), where=told)

    return judge


def test_a_trace_shows_none(capsys: pytest.CaptureFixture[str]) -> None:
    registry = Registry().extended([subject])
    steps = [_step(number, one) for number, one in enumerate(EVERYTHING)]
    trace = Trace(name="logs", title=Text("logs", zh="logs"), subject=Subject, steps=steps)
    target = TraceTarget("logs", texts()[1], patience=1)
    for language in ("en", "zh"):
        found = run_trace(
            registry,
            one_edge(FakeSource(), texts()[2]),
            trace,
            target,
            hops={},
            observer=_Printer(language, quiet=False),
        )
        for line in _end(found, language):
            telling.say(line)
        assert leaks(encode_pretty(found)) == {}
        shown = _told(capsys)
        assert leaks(shown) == {}
        assert not benign_lost(shown)


# ------------------------------------------------------------------------------------------ explanations


def test_explanations_show_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "edgecore.log"
    prefix = "E1123 03:14:00.000000 1 hub.go:115] dial tcp 10.99.0.1:10004: connect: connection refused: "
    log.write_text("".join(f"{prefix}{one}\n" for one in EVERYTHING))
    for options in ([], ["--format", "json"], ["--lang", "zh"]):
        _run(["explain", "-f", str(log), *options])
    for number, form in enumerate(forms()):
        lead = prefix if number % 2 else ""
        _run(["explain", *(["--format", "json"] if number % 3 else []), "--", f"{lead}{form.text}"])
    shown = _told(capsys)
    assert len(shown) > 10_000
    assert leaks(shown) == {}


# ------------------------------------------------------------------------------------------ errors, progress


def test_errors_show_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    commands: tuple[Callable[[str], list[str]], ...] = (
        lambda text: [text],
        lambda text: ["version", text],
        lambda text: [f"--x {text}"],
        lambda text: ["new-check", text, "x"],
        lambda text: ["new-check", "ACME01", text],
        lambda text: ["schema", "--lang", text],
        lambda text: ["explain", "-f", f"/nonexistent {text}"],
        lambda text: ["--lang", "zh", "version", text],
        lambda text: ["run", "--timeout", text],
        lambda text: ["baseline", "--until", text],
    )
    codes = set()
    for number, text in enumerate(texts()[::3]):
        if not text.startswith("-"):
            codes.add(_run(commands[number % len(commands)](text)))
    shown = _told(capsys)
    assert codes <= {64, 74, 78}
    assert len(shown) > 30_000
    assert leaks(shown) == {}


def test_files_that_are_not_understood_are_quoted_without_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, text in enumerate(texts()[:: STEP * 8]):
        path = tmp_path / f"{number}.yaml"
        for content in (
            f"accepted:\n- {json.dumps(text)}: x\n",
            f"{json.dumps(text)}: {json.dumps(text)}\n",
            text,
        ):
            path.write_text(content)
            assert _run(["run", "--baseline", str(path), "--timeout", "1s"]) == 78
    shown = _told(capsys)
    assert leaks(shown) == {}


def test_what_is_waited_for_shows_none(capsys: pytest.CaptureFixture[str]) -> None:
    desk = GateDesk("en", WaitingLine("en", terminal=False))
    for text in texts():
        desk.say(Text(text, zh=text))
    for text in texts()[::STEP]:
        desk.doing(Text(text, zh=text))
        desk.waits((text,), 9)
    shown = _told(capsys)
    assert len(shown) > 100_000
    assert leaks(shown) == {}
