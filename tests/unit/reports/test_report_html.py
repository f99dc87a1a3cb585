"""The page: self-contained, escaped, and the sentence about what is wrong before the title of what was checked."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from report_samples import CHINESE, ENGLISH, every_status, hostile, many_edges, recorded, report, verdict

from kedoctor.api import Presentation, Status
from kedoctor.base.plain import plain
from kedoctor.model.report import Change, HostSeen, Missing, Report, Site
from kedoctor.reports import html

VOID = {"meta", "br", "hr", "img", "input", "link"}


class _Page(HTMLParser):
    """The elements and texts of a page; every element that is opened is closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        assert not [name for name, _ in attrs if name.startswith("on")]
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] != "style":
            self.text += data


def _page(document: Report, presentation: Presentation = ENGLISH) -> _Page:
    return _Page(html.render(document, presentation).decode())


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize(
    "document",
    [
        recorded("healthy"),
        recorded("b-edgestream-disabled"),
        every_status(),
        many_edges(),
        hostile(),
        report(),
    ],
    ids=["healthy", "broken", "every", "many", "hostile", "nothing"],
)
def test_a_page_needs_nothing_from_elsewhere(document: Report, language: str) -> None:
    page = _page(document, Presentation(language=language))
    assert set(page.tags).isdisjoint({"script", "img", "iframe", "object", "link", "form", "base"})
    assert page.tags.count("h1") == 1
    assert all(link.removeprefix("#") in page.ids for link in page.links)
    text = html.render(document, Presentation(language=language)).decode()
    assert "default-src 'none'" in text
    assert not re.search(r"@import|url\(|javascript:", text.partition("</style>")[0])


def test_names_that_attack_are_text() -> None:
    text = html.render(hostile(), ENGLISH).decode()
    assert "<script" not in text
    assert "alert(1)" in _page(hostile()).text
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", text)


@settings(max_examples=40)
@given(st.text(alphabet=st.characters(), max_size=40))
def test_any_text_is_shown(text: str) -> None:
    page = _page(report(verdict(Status.FAIL, summary=f"x{text}x", subject=text)))
    assert f"x{plain(text)}x" in page.text


def test_what_is_wrong_is_said_before_what_was_checked() -> None:
    text = _page(every_status()).text.partition("All checks")[2]
    assert text.index("It is fail.") < text.index("checked: Toys are tidy")


def test_consequences_are_said_in_words() -> None:
    text = _page(recorded("b-edgestream-disabled")).text
    assert re.search(r"also explains\s*KE112.*KE503edge1 has no tunnel to the cloud", text)


def test_an_old_bundle_is_not_taken_for_now() -> None:
    assert "edge1 (edge, recorded 2026-11-23 03:" in _page(recorded("healthy")).text
    assert "记录于" in _page(recorded("healthy"), CHINESE).text
    seen = Site(sides=("edge",), hosts=(HostSeen("edge1", ("edge",)),))
    assert "recorded" not in _page(report(site=seen)).text


def test_the_broken_edges_come_first_and_all_are_counted() -> None:
    page = _page(many_edges(600))
    assert page.tags.count("tr") == 501
    assert "and 100 more" in page.text
    assert page.text.index("edge0597") < page.text.index("edge0001")


def test_changes_and_what_could_not_be_read_are_there() -> None:
    change = Change(
        journal_id="j-1", code="TOY101", actions=("write /etc/toys.yaml",), diffs=("-a\n+b",), result="fixed"
    )
    missing = Missing("edge1", "file /etc/x", "permission", "root only")
    text = _page(report(changes=(change,), unavailable=(missing,))).text
    for words in (
        "Changes",
        "kedoctor rollback j-1",
        "+b",
        "fixed",
        "Could not be read: 1",
        "root only",
    ):
        assert words in text


@pytest.mark.parametrize(
    ("document", "state"),
    [
        (report(verdict(Status.PASS)), "pass"),
        (report(verdict(Status.FAIL)), "fail"),
        (report(verdict(Status.CRASHED)), "unknown"),
        (report(complete=False), "unknown"),
    ],
)
def test_the_headline_has_the_colour_of_what_it_says(document: Report, state: str) -> None:
    assert f'<h1 class="{state}">' in html.render(document, ENGLISH).decode()


def test_what_was_not_read_is_told_in_chinese() -> None:
    missing = Missing("edge1", "file /etc/x", "permission", "permission denied to uid 1000")
    page = html.render(report(unavailable=(missing,)), Presentation("zh")).decode()
    assert "edge1 · 权限不足 · uid 1000 没有权限" in page
