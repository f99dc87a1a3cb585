"""The page: self-contained, escaped, and the sentence about what is wrong before the title of what was checked."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from report_samples import CHINESE, ENGLISH, every_status, hostile, many_edges, recorded, report, verdict

from kedoctor.api import Evidence, Presentation, Status
from kedoctor.base.plain import plain
from kedoctor.model.report import Change, HostSeen, Missing, Reads, Redaction, Report, Site
from kedoctor.reports import html
from kedoctor.reports.edge_names import in_short, name_runs

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
        if self._open and self._open[-1] not in ("style", "script"):
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
    assert set(page.tags).isdisjoint({"img", "iframe", "object", "link", "form", "base"})
    assert page.tags.count("script") == page.tags.count("style") == 1
    assert len(page.ids) == len(set(page.ids))
    assert page.tags.count("h1") == 1
    assert all(link.removeprefix("#") in page.ids for link in page.links)
    text = html.render(document, Presentation(language=language)).decode()
    assert "default-src 'none'" in text
    assert not re.search(r"@import|url\(|javascript:", text.partition("</style>")[0])


@pytest.mark.parametrize(
    "document", [recorded("b-edgestream-disabled"), hostile()], ids=["broken", "hostile"]
)
def test_the_policy_names_the_one_script_and_the_one_style_by_their_hashes(document: Report) -> None:
    text = html.render(document, ENGLISH).decode()
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text)
    assert policy
    allowed = dict(part.strip().split(" ", 1) for part in policy[1].split(";"))
    assert allowed["default-src"] == allowed["base-uri"] == allowed["form-action"] == "'none'"
    for kind in ("script", "style"):
        inside = text.split(f"<{kind}>")[1].split(f"</{kind}>")[0]
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert allowed[f"{kind}-src"] == f"'sha256-{digest}'"
    assert not re.search(r"<[a-z][^>]*\sstyle=", text.partition("<body>")[2].partition("<script>")[0])


def test_names_that_attack_are_text() -> None:
    text = html.render(hostile(), ENGLISH).decode()
    assert text.count("<script") == 1
    assert "alert(1)" in _page(hostile()).text
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", text)


@settings(max_examples=40)
@given(st.text(alphabet=st.characters(), max_size=40))
def test_any_text_is_shown(text: str) -> None:
    page = _page(report(verdict(Status.FAIL, summary=f"x{text}x", subject=text)))
    assert f"x{plain(text)}x" in page.text


def test_what_is_wrong_is_said_before_what_was_checked() -> None:
    text = _page(every_status()).text.rpartition("All checks")[2]
    assert text.index("It is fail.") < text.index("checked: Toys are tidy")


def test_consequences_are_said_in_words() -> None:
    text = _page(recorded("b-edgestream-disabled")).text
    assert re.search(r"also explains\s*KE112.*KE503\s*edge1 has no tunnel to the cloud", text)


def test_an_old_bundle_is_not_taken_for_now() -> None:
    assert "edge1 (edge, recorded 2026-11-23 03:" in _page(recorded("healthy")).text
    assert "记录于" in _page(recorded("healthy"), CHINESE).text
    seen = Site(sides=("edge",), hosts=(HostSeen("edge1", ("edge",)),))
    assert "recorded" not in _page(report(site=seen)).text


def test_the_broken_edges_come_first_and_all_are_counted() -> None:
    page = _page(many_edges(600))
    assert page.tags.count("tr") == 3  # the head, the broken ones, the others
    assert "200 of 600" in page.text
    assert "all names: 200" in page.text
    assert "all names: 400" in page.text
    assert page.text.index("edge0597") < page.text.index("edge0001")


def test_ten_thousand_edges_fit() -> None:
    assert len(html.render(many_edges(10_000), ENGLISH)) < 3_000_000


def test_names_that_count_on_are_said_in_short() -> None:
    names = [f"edge-{number:05}" for number in (*range(1, 41), 50)]
    assert name_runs(names, "en") == ["edge-00001 … edge-00040 (40)", "edge-00050"]
    assert name_runs(["a", "b", "edge-9", "edge-10", "edge-11"], "en") == [
        "a",
        "b",
        "edge-10",
        "edge-11",
        "edge-9",
    ]
    assert in_short(names, "zh") == "edge-00001 … edge-00040（40 个）, edge-00050"
    assert in_short(["a", "b"], "en") == "a, b"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_path_is_drawn_and_each_hop_leads_to_its_checks(language: str) -> None:
    text = html.render(recorded("b-edgestream-disabled"), Presentation(language)).decode()
    boxes = dict(re.findall(r'class="hop-box (\S+)" href="#h1-([^"]+)"', text))
    assert boxes["broken"] == "tunnel"
    page = _Page(text)
    assert {link for link in page.links if link.startswith("#h1-")} <= {f"#{one}" for one in page.ids}
    assert ("✕ broken" if language == "en" else "✕ 故障") in page.text  # not by its colour alone
    assert text.count('class="hop broken chosen"') == 1


def test_without_a_path_nothing_is_drawn() -> None:
    assert "svg" not in _page(every_status()).tags


def test_certificates_and_tokens_stand_on_a_time_line() -> None:
    text = _page(recorded("healthy")).text
    line = text[text.index("When each of them ends") :]
    assert line.index("tokensecret") < line.index("stream.crt") < line.index("casecret")
    for words in ("in 23 hours", "in 364 days", "in 99 years", "seen from 2026-11-23 03:19 UTC"):
        assert words in line
    assert "364 天后" in _page(recorded("healthy"), CHINESE).text
    expired = _page(recorded("f1-edge-cert-expired"))
    assert re.search(r"/etc/kubeedge/certs/server.crt.{0,200}?\d+ \w+ ago", expired.text, re.DOTALL)


def test_the_page_of_a_check_is_folded_in() -> None:
    pages = {"TOY101": "# Toy\n\nSay <b>it</b> with `code`.\n\n* one\n\n| a | b |\n|---|---|\n| c | d |\n"}
    shown = Presentation(page=lambda code: pages.get(code, ""))
    page = _page(report(verdict(Status.FAIL)), shown)
    assert "About this check: Toys are tidy" in page.text
    assert "Say <b>it</b> with code." in page.text
    assert {"table", "ul", "h4"} <= set(page.tags)
    assert "breaks: logs" in page.text
    assert "Tidy up now and then." in page.text


def test_a_quotation_of_a_megabyte_is_cut() -> None:
    long = verdict(Status.FAIL, evidence=(Evidence("/var/log/x", "x" * (1 << 20)),), summary="y" * (1 << 20))
    page = html.render(report(long), ENGLISH)
    assert b"cut off here" in page
    assert len(page) < 1 << 17


def test_what_was_read_and_what_was_taken_out_is_counted() -> None:
    reads = (Reads("edge1", "files", 12, 3, 1500),)
    taken = (Redaction("report", "password", 2), Redaction("report", "withheld", 1))
    page = _page(report(reads=reads, redactions=taken)).text
    assert re.search(r"edge1\s*files\s*12\s*3\s*1,500 ms", page)
    assert "Withheld: password (2), text that could not be redacted safely (1)." in page


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
    assert "文件 /etc/x" in page
    assert "edge1 · 权限不足 · uid 1000 没有权限" in page
