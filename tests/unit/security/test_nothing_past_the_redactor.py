"""No raw text gets past the redactor: what keeps or shows asks for a type that only the redactor makes."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import get_args, get_type_hints

import msgspec
import pytest
from canaries_everywhere import filled, texts_in
from report_samples import every_status, report, safe, verdict
from secret_forms import forms

import kedoctor
from kedoctor.base.records import RecordError, decode, encode, replace
from kedoctor.cli import options, telling
from kedoctor.model.findings import Status
from kedoctor.model.report import Report, SafeReport
from kedoctor.model.report_format import Presentation
from kedoctor.plugins import Plugins
from kedoctor.redaction.documents import DocumentRedactor
from kedoctor.report import run_store

SOURCE = Path(kedoctor.__file__).parent
CANARY = "password: QzCanaryCanary7"


def _calls(folder: Path) -> Iterator[tuple[str, str]]:
    """The names of all functions that are called, with the file that calls them."""
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                yield ast.unparse(node.func), path.relative_to(SOURCE).as_posix()


def test_only_the_redactor_says_that_something_is_safe() -> None:
    makers = {"sealed", "SafeReport", "Redacted"}
    found = {
        (name, path)
        for name, path in _calls(SOURCE)
        if name.rpartition(".")[2] in makers
        and not path.startswith("redaction/")
        and path != "model/report.py"
    }
    assert found == set()
    casts = [path for path in SOURCE.rglob("*.py") if 'cast("SafeReport' in path.read_text()]
    assert casts == []


def test_only_one_module_of_the_command_line_prints() -> None:
    printing = {"click.echo", "click.secho", "print", "sys.stdout.write", "sys.stderr.write"}
    found = {path for name, path in _calls(SOURCE / "cli") if name in printing}
    assert found == {"cli/telling.py"}
    assert not [path for name, path in _calls(SOURCE) if name in printing and path == "__main__.py"]


def test_nobody_else_can_make_a_safe_report() -> None:
    made = safe(every_status())
    with pytest.raises(TypeError, match="only the redactor"):
        SafeReport(**{name: getattr(made, name) for name in made.__struct_fields__})
    with pytest.raises(RecordError):
        decode(encode(made), SafeReport)
    with pytest.raises(TypeError, match="only the redactor"):
        msgspec.structs.replace(made, verdicts=())
    assert type(replace(made, verdicts=())) is Report


def test_what_has_not_passed_is_neither_kept_nor_shown() -> None:
    raw = replace(safe(every_status()), verdicts=(verdict(Status.FAIL, summary=CANARY),))
    with pytest.raises(TypeError, match="is not kept"):
        run_store.save(raw)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="is not shown"):
        options.render(Plugins(), raw, "json", Presentation())  # type: ignore[arg-type]


def test_every_text_that_a_report_can_hold_passes() -> None:
    """By its types, so that a field that comes later is among them."""
    whole = filled(Report, CANARY)
    assert isinstance(whole, Report)
    before = list(texts_in(whole))
    assert sum(CANARY in one for one in before) > 80
    after = safe(whole)
    assert [one for one in texts_in(after) if "QzCanary" in one] == []
    assert len(list(texts_in(after))) == len(before)


def test_what_cannot_be_redacted_is_withheld(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(text: str, marks: object) -> str:
        raise RecursionError(text)

    monkeypatch.setattr("kedoctor.redaction.documents.redact_text", broken)
    for form in forms():
        assert form.leaked(DocumentRedactor().text(form.text)) == ""
    kept = encode(DocumentRedactor().report(report(verdict(Status.FAIL, summary=CANARY))))
    assert b"QzCanary" not in kept
    assert b"withheld" in kept


def test_what_the_command_line_says_is_redacted(capsys: pytest.CaptureFixture[str]) -> None:
    telling.say(CANARY)
    telling.say(CANARY, err=True, fg="red")
    telling.document([{CANARY: [CANARY, (CANARY,)]}])
    assert "QzCanary" not in "".join(capsys.readouterr())


def test_types_are_what_the_sources_promise() -> None:
    assert get_type_hints(run_store.save)["report"] is SafeReport
    assert get_type_hints(options.render)["report"] is SafeReport
    assert get_type_hints(options.deliver)["report"] is SafeReport
    assert get_type_hints(run_store.load)["return"] is SafeReport
    assert SafeReport in get_args(get_type_hints(run_store.latest)["return"])
    assert get_type_hints(DocumentRedactor.report)["return"] is SafeReport
