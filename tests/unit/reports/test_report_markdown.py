"""Markdown: rendered by a CommonMark reader it shows what the site said, and does nothing that the site says."""

from __future__ import annotations

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from report_samples import (
    CHINESE,
    ENGLISH,
    EVERYTHING,
    accepted,
    every_status,
    hostile,
    many_edges,
    recorded,
    report,
    verdict,
)

from kedoctor.api import Presentation, Status, replace
from kedoctor.model.report import Capability, Cell, Change, Report
from kedoctor.reports import markdown
from kedoctor.reports.markup import code, escaped, fenced, ticked

READER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


def _written(document: Report, presentation: Presentation = ENGLISH) -> str:
    return markdown.render(document, presentation).decode()


def _shown(text: str) -> str:
    """What a person sees of a line of Markdown."""
    page = READER.render(text)
    return html.unescape(re.sub(r"<!--.*?-->|</?(?:p|code|strong)>", "", page)).rstrip("\n")


def test_the_demo_says_matrix_cause_and_what_to_type() -> None:
    text = _written(recorded("b-edgestream-disabled"))
    assert text.startswith("## ❌ ")
    assert text.index("| edge | logs |") < text.index("### ❌ KE202")
    assert re.search(r"```sh\n.*sudo systemctl restart edgecore\n.*```", text, re.DOTALL)
    assert "`kedoctor explain KE202`" in text


def test_it_reads_in_chinese() -> None:
    text = _written(recorded("b-edgestream-disabled"), CHINESE)
    assert "发现 1 个故障原因" in text
    assert "- **处理**" in text
    assert "Status per edge node" not in text


@pytest.mark.parametrize(
    ("document", "mark"),
    [
        (report(verdict(Status.PASS)), "✅"),
        (report(verdict(Status.FAIL)), "❌"),
        (report(verdict(Status.UNKNOWN)), "❓"),
        (report(verdict(Status.PASS), complete=False), "❓"),
    ],
)
def test_the_first_sign_is_honest(document: Report, mark: str) -> None:
    assert _written(document).startswith(f"## {mark} ")


def test_all_verdicts_only_when_asked_for() -> None:
    assert "It is pass." not in _written(every_status())
    assert "It is pass." in _written(every_status(), EVERYTHING)


def test_what_is_accepted_is_told_with_its_end() -> None:
    row = Cell("edge1", (Capability("logs", "accepted", "two", "TOY101"),))
    text = _written(report(accepted(), matrix=(row,)))
    assert text.startswith("## ✅ No new problems; 1 accepted (baseline).")
    assert "It is accepted. (until 2027-01-31 by Ann: moves in May)" in text
    assert "| edge1 | 🟦 accepted (TOY101) |" in text


def test_what_was_changed_can_be_taken_back() -> None:
    change = Change(journal_id="j-1", code="TOY101", actions=("write x",), diffs=("-a\n+b",), result="fixed")
    text = _written(report(changes=(change, replace(change, result="refused"))))
    assert "- **TOY101** fixed (`kedoctor rollback j-1`)\n\n```diff\nwrite x\n-a\n+b\n```" in text
    assert "refused; nothing was changed\n" in text


def test_names_that_attack_do_nothing() -> None:
    for presentation in (ENGLISH, CHINESE, EVERYTHING):
        text = _written(hostile(), presentation)
        page = READER.render(text)
        assert "<script" not in page
        assert "<a " not in page
        told = re.sub(r"<(pre|code)[^>]*>.*?</\1>", "", page, flags=re.DOTALL)
        assert not re.search(r"(?<!\w)@admin", told)
        assert "<h1>" not in page
        rows = re.findall(r"<tr>.*?</tr>", page, re.DOTALL)
        assert [row.count("<td") + row.count("<th") for row in rows] == [3, 3]
        assert text.count("<details>") == text.count("</details>")


def test_a_large_site_stays_below_what_a_step_summary_takes() -> None:
    folded = [verdict(Status.UNKNOWN, f"TOY{place}", summary="long " * 500) for place in range(100, 999)]
    for document in (many_edges(5000), report(*folded)):
        assert len(markdown.render(document, EVERYTHING)) < 1 << 20
    assert "and 4900 more" in _written(many_edges(5000))


@given(
    st.text(
        alphabet=st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\u2028\u2029\x85"),
        max_size=40,
    )
)
def test_any_text_stays_that_text(text: str) -> None:
    plain = " ".join(text.split()) if text.strip() else ""
    assert " ".join(_shown(f"x {escaped(text)} x").split()) == f"x {plain} x".replace("  ", " ")
    assert " ".join(_shown(f"x {code(text)} x").split()) == " ".join(f"x {text} x".split())


@given(st.text(alphabet="`~\n#a<> -", max_size=40))
def test_a_block_ends_where_it_should(text: str) -> None:
    page = READER.render(f"{fenced(text)}\n\nafter")
    assert page.count("<pre>") == 1
    assert page.endswith("<p>after</p>\n")


@pytest.mark.parametrize(
    "text", ["# a", "- a", "1. a", "1) a", "> a", "+ a", "=== a", "--- a", "| a", "***", "___ a", "    a"]
)
def test_a_line_begins_nothing(text: str) -> None:
    assert READER.render(escaped(text)).startswith("<p>")
    assert _shown(escaped(text)) == text.strip()


@pytest.mark.parametrize("text", ["@admin", "(@admin)", "see #12", "user#1", "https://evil", "www.evil.com"])
def test_nobody_is_mentioned_and_nothing_linked(text: str) -> None:
    assert not re.search(r"(?<!\w)@\w|#\d|[a-z]://|www\.", escaped(text))
    assert _shown(escaped(text)) == text


def test_an_address_of_mail_or_a_prompt_stays_readable() -> None:
    assert escaped("root@edge1") == "root@edge1"


def test_what_is_typed_in_a_sentence_is_code() -> None:
    assert ticked("`keadm join` leaves it *false*; see `a`.") == r"`keadm join` leaves it \*false\*; see `a`."
    assert ticked("one ` alone") == r"one \` alone"
