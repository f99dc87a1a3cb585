"""Asking about a symptom: enough is looked at to name the cause, and nothing else is told."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from toysite import PATH, text

from kedoctor.base.errors import UsageError
from kedoctor.base.suggestions import did_you_mean
from kedoctor.judge.selection import Selection
from kedoctor.model.declarations import Check, Side, Symptom
from kedoctor.model.findings import Certainty, Status
from kedoctor.model.report import Fix, Report, Translation, Verdict
from kedoctor.plugins import Plugins, load_plugins
from kedoctor.report.symptom_filter import narrowed, relevant
from kedoctor.run.diagnose import RunRequest, diagnose_site
from kedoctor.run.site import bundled_site

FIXTURES = Path(__file__).parents[3] / "fixtures"
SITES = sorted(path.name for path in FIXTURES.iterdir() if any(path.glob("*.tgz")))

# What the user's checklist names for each symptom (sections 7.1 to 7.3 and 13.3), by the check that covers it.
CHECKLIST = {
    "logs": {"KE101", "KE202", "KE301", "KE311", "KE401", "KE503", "KE505", "KE711"},
    "exec": {"KE101", "KE202", "KE301", "KE401", "KE503", "KE505", "KE711"},
    "attach": {"KE101", "KE202", "KE301", "KE401", "KE503", "KE505", "KE711"},
    "top": {"KE303", "KE502", "KE508", "KE602", "KE605", "KE607"},
    "stream": {"KE104", "KE106", "KE505", "KE506"},
    "notready": {"KE402", "KE505", "KE701", "KE711"},
    "join": {"KE404", "KE409", "KE505", "KE705", "KE706", "KE707", "KE712"},
}
CAPABILITIES = {"logs": "logs", "exec": "exec", "attach": "attach", "top": "top", "notready": "ready"}


@cache
def _plugins() -> Plugins:
    return load_plugins(directory=Path("/nonexistent"))


@cache
def _report(site: str, symptom: str = "") -> Report:
    selection = Selection(symptoms=(symptom,) if symptom else ())
    return diagnose_site(
        _plugins(), bundled_site(sorted((FIXTURES / site).glob("*.tgz"))), RunRequest(selection=selection)
    )


def _selected(**options: tuple[str, ...]) -> set[str]:
    chosen = Selection(**options).checks(_plugins().registry, _plugins().symptoms())  # type: ignore[arg-type]
    return {node.check.code for node in chosen}


@pytest.mark.parametrize("symptom", CHECKLIST)
def test_a_symptom_runs_what_the_checklist_names(symptom: str) -> None:
    assert CHECKLIST[symptom] <= _selected(symptoms=(symptom,))


def test_every_symptom_is_tested_and_names_checks_that_exist() -> None:
    assert set(_plugins().symptoms()) == set(CHECKLIST)
    for symptom in _plugins().symptoms().values():
        assert set(symptom.codes) <= set(_plugins().registry.checks)
        assert symptom.title.en
        assert symptom.title.zh


@pytest.mark.parametrize("site", SITES)
@pytest.mark.parametrize("symptom", CAPABILITIES)
def test_the_cause_is_the_one_that_a_whole_run_names(site: str, symptom: str) -> None:
    broken = CAPABILITIES[symptom]
    whole = [one.code for one in _report(site).causes if broken in one.capabilities]
    asked = _report(site, symptom)
    assert [one.code for one in asked.causes if one.status is Status.FAIL] == whole
    assert {cell.name for row in asked.matrix for cell in row.capabilities} <= {broken}


@pytest.mark.parametrize("site", ["b-edgestream-disabled", "a-edgestream-server-127.0.0.1"])
def test_what_breaks_something_else_is_not_told(site: str) -> None:
    assert _report(site, "notready").causes == ()
    assert _report(site, "notready").run.exit_code != 1
    assert [one.code for one in _report(site, "stream").causes] == [_report(site).causes[0].code]


def test_the_healthy_site_is_clean_for_every_symptom() -> None:
    for symptom in CHECKLIST:
        assert _report("healthy", symptom).causes == ()


def test_only_and_symptom_narrow_each_other_and_skip_takes_out() -> None:
    assert _selected(symptoms=("logs",), only=("KE5xx", "KE6xx")) == _selected(only=("KE5xx",)) - {"KE507"}
    assert _selected(symptoms=("logs",), only=("edgestream-enabled",)) == {"KE202"}
    assert "KE202" not in _selected(symptoms=("logs",), skip=("KE202",))
    assert _selected(symptoms=("logs", "notready")) == _selected(symptoms=("logs",)) | _selected(
        symptoms=("notready",)
    )
    assert _selected(symptoms=("LOGS",)) == _selected(symptoms=("logs",))
    with pytest.raises(UsageError, match="leave no check"):
        _selected(symptoms=("stream",), only=("KE804",))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"symptoms": ("lgos",)}, "there is no symptom 'lgos'; did you mean 'logs'?"),
        ({"only": ("edgestream-enable",)}, "there is no check 'edgestream-enable'; did you mean 'edgestream-enabled'?"),
        ({"skip": ("ke2022",)}, "there is no check 'ke2022'; did you mean 'KE202'?"),
        ({"only": ("KE9xxx",)}, "there is no check 'KE9xxx'"),
        ({"only": ("",)}, "there is no check ''"),
    ],
)  # fmt: skip
def test_a_mistyped_name_is_told_with_what_was_meant(options: dict[str, tuple[str, ...]], words: str) -> None:
    with pytest.raises(UsageError) as error:
        _selected(**options)
    assert str(error.value).startswith(words)
    assert error.value.hint


def test_nothing_is_suggested_for_what_resembles_nothing() -> None:
    assert did_you_mean("zzz", ["logs", "exec"]) == ""
    assert did_you_mean("EXECC", ["logs", "exec"]) == "; did you mean 'exec'?"


# ------------------------------------------------------------------------------------------ on a toy site


def _verdict(code: str, *, hop: str, breaks: tuple[str, ...] = (), by: tuple[str, ...] = ()) -> Verdict:
    return Verdict(
        code=code, slug=code.lower(), title=code, status=Status.FAIL, subject="site", node="", host="", side="site",
        hop=hop, capabilities=breaks, certainty=Certainty.PROVED, summary=code, fix=Fix(available=False),
        explained_by=by, zh=Translation(),
    )  # fmt: skip


def _told(symptom: Symptom, *verdicts: Verdict) -> list[str]:
    clock = Check(
        code="CLOCK", slug="clock", title=text("c"), side=Side.SITE, judge=lambda: (), hop="elsewhere"
    )
    return [one.code for one in relevant(verdicts, [symptom], PATH, {"CLOCK": clock})]


LOGS = Symptom("logs", text("logs"), ("logs",), codes=("CLOCK",))


def test_what_explains_a_concern_is_told_and_what_does_not_is_left_out() -> None:
    sign = _verdict("SIGN", hop="two", breaks=("logs",), by=("ROOT",))
    root, other = (
        _verdict("ROOT", hop="nine", breaks=("top",)),
        _verdict("OTHER", hop="nine", breaks=("top",)),
    )
    assert _told(LOGS, sign, root, other) == ["SIGN", "ROOT"]


def test_what_breaks_nothing_is_told_by_where_it_is() -> None:
    assert _told(LOGS, _verdict("A", hop="two"), _verdict("B", hop="nine"), _verdict("C", hop="")) == [
        "A",
        "C",
    ]
    assert _told(LOGS, _verdict("CLOCK", hop="elsewhere")) == ["CLOCK"]


def test_a_symptom_may_be_about_a_part_of_the_way() -> None:
    part = Symptom("part", text("part"), ("logs", "top"), hops=("two",))
    here, there = _verdict("A", hop="two", breaks=("logs",)), _verdict("B", hop="three", breaks=("logs",))
    assert _told(part, here, there) == ["A"]


def test_the_matrix_shows_what_was_asked_about() -> None:
    path = narrowed(PATH, [LOGS])
    assert path is not None
    assert list(path.capabilities) == ["logs"]
    assert narrowed(PATH, []) is PATH
    assert narrowed(None, [LOGS]) is None
