"""The terminal's text: of any width, without colour where none is wanted, and moving no cursor."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from report_samples import every_status, hostile, many_edges, recorded, report, verdict

from kedoctor.api import Evidence, Presentation, Status
from kedoctor.base.screen import columns
from kedoctor.model.report import Capability, Cell, Fix, Hint, HopTitle, Report, Translation
from kedoctor.reports import terminal


def _columns(line: str) -> int:
    return sum(2 if unicodedata.east_asian_width(one) in "WF" else 1 for one in line)


@pytest.mark.parametrize("width", [40, 60, 80, 120])
@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize(
    "document",
    [recorded("b-edgestream-disabled"), many_edges(), every_status()],
    ids=["broken", "many", "every"],
)
def test_no_line_is_wider_than_the_terminal(document: Report, language: str, width: int) -> None:
    text = terminal.render(document, Presentation(language, width, verbose=True)).decode()
    folded = [line for line in text.splitlines() if not line.lstrip().startswith("$ ")]
    assert max(_columns(line) for line in folded) <= width


@pytest.mark.parametrize("colour", [False, True])
def test_a_command_is_never_broken_into_lines(colour: bool) -> None:
    typed = "sudo " + "very-long-option " * 20 + "end"
    found = verdict(Status.FAIL, hint=Hint("Type this.", (typed,)))
    text = terminal.render(report(found), Presentation(width=40, colour=colour)).decode()
    assert f"$ {typed}" in text


def test_colour_only_when_asked_for() -> None:
    plain = terminal.render(every_status(), Presentation()).decode()
    coloured = terminal.render(every_status(), Presentation(colour=True)).decode()
    assert "\x1b" not in plain
    bare = re.sub(r"\x1b\[[\d;]*m", "", coloured)
    assert [line.rstrip() for line in bare.splitlines()] == plain.splitlines()


@pytest.mark.parametrize("colour", [False, True])
def test_names_that_attack_move_no_cursor(colour: bool) -> None:
    bad = "a\x1b[2J\x1b]0;t\x07\x9b1m\rb\x08[/red][bold]"
    found = verdict(
        Status.FAIL, summary=bad, actual=bad, subject=bad, evidence=(Evidence(bad, bad),), node=bad
    )
    row = Cell(bad, (Capability(bad, "broken", bad, bad),))
    for document in (report(found, matrix=(row,)), hostile()):
        text = terminal.render(document, Presentation(colour=colour, verbose=True)).decode()
        assert not re.search("[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f]", text)
        assert not re.search(r"\x1b(?!\[[\d;]*m)", text)
        assert not re.search(r"\x1b\[2J", text)


@settings(max_examples=60)
@given(st.text(alphabet=st.characters(), max_size=60))
def test_any_text_can_be_shown(text: str) -> None:
    row = Cell(text, (Capability(text, "broken", text, text),))
    found = verdict(Status.FAIL, summary=text, subject=text, host=text)
    assert terminal.render(report(found, matrix=(row,)), Presentation())


def test_the_last_line_counts_as_the_headline_does() -> None:
    told = terminal.render(recorded("b-edgestream-disabled"), Presentation()).decode()
    assert "1 root cause; it explains all other failures." in told
    assert re.search(r"5 failed \(4\s+follow-on\)", told)
    hidden = [verdict(Status.UNKNOWN), verdict(Status.UNKNOWN, "TOY102", capabilities=())]
    assert (
        "2 undetermined (1 on the request path)" in terminal.render(report(*hidden), Presentation()).decode()
    )


def test_a_repair_that_disturbs_more_than_usual_is_typed_with_what_allows_it() -> None:
    for risk, typed in (
        ("safe", "on edge1: sudo kedoctor run --fix (interrupts nothing; undo: kedoctor rollback)"),
        (
            "restarts-edgecore",
            "on edge1: sudo kedoctor run --fix (restarts edgecore; undo: kedoctor rollback)",
        ),
        (
            "restarts-cloudcore",
            "on edge1: sudo kedoctor run --fix --allow restarts-cloudcore (restarts cloudcore; undo: kedoctor rollback)",
        ),
    ):
        found = verdict(Status.FAIL, fix=Fix(available=True, reversible=True, risk=risk, remedy=""))
        assert typed in terminal.render(report(found), Presentation(width=200)).decode()


def test_no_word_of_a_chinese_sentence_is_cut() -> None:
    sentence = "已读取的对象均存在；未能读取：Service objects in namespace kube-system with name=x from the API server"
    found = verdict(Status.WARN, hop="", zh=Translation(summary=sentence))
    for width in range(40, 110):
        told = terminal.render(report(found), Presentation("zh", width)).decode()
        assert "…" not in told
        assert re.sub(r"\s", "", sentence) in re.sub(r"\s", "", told)


def test_the_reason_of_what_is_not_known_is_said_once_and_within_the_sentence() -> None:
    sentence = "Not checked: file /etc/a was not read: it could not be read."
    found = verdict(Status.UNKNOWN, summary=sentence, actual="input/output error")
    missing = verdict(Status.UNKNOWN, "TOY102", summary="Not checked: b.", actual="it was not recorded")
    told = terminal.render(report(found, missing), Presentation(width=120, verbose=True)).decode()
    assert "it could not be read (input/output error)." in told
    assert "it was not recorded" not in told


@pytest.mark.parametrize(("language", "cell"), [("en", "✗ two (TOY101)"), ("zh", "✗ 二环 (TOY101)")])
def test_the_matrix_names_the_hop_that_is_broken(language: str, cell: str) -> None:
    hop = HopTitle("two", "the second hop", "第二环节", "two", "二环")
    text = terminal.render(report(verdict(Status.FAIL), hops=(hop,)), Presentation(language)).decode()
    assert cell in text


def test_a_report_without_short_names_shows_the_name_of_the_hop() -> None:
    text = terminal.render(report(verdict(Status.FAIL)), Presentation("zh")).decode()
    assert "✗ two (TOY101)" in text


def test_edges_that_are_alike_are_one_row() -> None:
    text = terminal.render(many_edges(10_000), Presentation(width=80)).decode()
    assert re.search(r"^edge0000, edge0003 and 3,332 more  ✗ two \(TOY101\)", text, re.MULTILINE)
    assert len(text.splitlines()) < 30


def test_a_matrix_that_does_not_fit_is_a_list() -> None:
    text = terminal.render(recorded("b-edgestream-disabled"), Presentation(width=40)).decode()
    assert "\nedge1\n  logs   ✗ tunnel (KE202)\n" in text
    assert "\n  breaks\n    logs, exec, attach, top\n" in text
    typed = [line for line in text.splitlines() if line.startswith("    $ ")]
    assert max(map(columns, set(text.splitlines()) - set(typed))) <= 40


@pytest.mark.parametrize(("height", "times"), [(0, 1), (24, 2), (500, 1)])
def test_causes_are_said_again_where_they_have_scrolled_away(height: int, times: int) -> None:
    text = terminal.render(recorded("b-edgestream-disabled"), Presentation(width=100, height=height)).decode()
    assert text.count("✗ KE202") == times
    assert text.count("1 root cause; it explains all other failures.") == times
