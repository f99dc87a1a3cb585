"""The page in a real browser: searched, filtered, copied from, by keyboard, on a phone, on paper, in the dark, without its script."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "unit"))

from axe import axe_source
from browser import Browser, Page, browser
from report_samples import CHINESE, ENGLISH, hostile, many_edges, recorded, report, verdict

from kedoctor.api import Evidence, Presentation, Status
from kedoctor.cli.check_pages import explanation
from kedoctor.model.report import Change, Report
from kedoctor.plugins import load_plugins
from kedoctor.reports import html

pytestmark = pytest.mark.lab

PHONE, DESK = (360, 800), (1280, 900)
BROKEN = "b-edgestream-disabled"
VISIBLE = "[...document.querySelectorAll('.check')].filter(e => e.checkVisibility())"

Show = Callable[..., Page]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    try:
        with browser(tmp_path_factory.mktemp("browser")) as started:
            yield started
    except FileNotFoundError:
        pytest.skip("needs chromium")


@pytest.fixture
def show(running: Browser, tmp_path: Path) -> Iterator[Show]:
    """Shows a report in a tab: ``show(report, size=PHONE, script=False)``."""
    tabs = []

    def shown(
        document: Report,
        presentation: Presentation = ENGLISH,
        *,
        size: tuple[int, int] = DESK,
        dark: bool = False,
        script: bool = True,
        fragment: str = "",
    ) -> Page:
        path = tmp_path / f"page{len(tabs)}.html"
        path.write_bytes(html.render(document, presentation))
        tab = running.page()
        tabs.append(tab)
        tab.size(*size, mobile=size == PHONE)
        tab.media(dark=dark)
        tab.scripts(allowed=script)
        tab.open(path, fragment=fragment)
        return tab

    yield shown
    for tab in tabs:
        assert tab.complaints == []
        tab.close()


@cache
def _attack() -> Report:
    """Everything that attacks, and lines of a megabyte, a direction turned round, escape sequences."""
    long = '<img src=x onerror="window.hacked=1">\u202e\x1b[31m\'"' + "x" * (1 << 20)
    worse = verdict(
        Status.FAIL,
        "TOY102",
        summary=long,
        subject="'\"><script>window.hacked=1</script>",
        evidence=(Evidence("/var/log/\u2066x", long),),
        title="</title><script>window.hacked=1</script>",
    )
    first = hostile()
    change = Change(
        journal_id="j-1",
        code="TOY101",
        actions=("write </li><script>window.hacked=1</script>",),
        diffs=("--- a\n+++ b\n@@ -1 +1 @@\n-</pre><script>window.hacked=1</script>\n+b\n",),
        result="fixed",
    )
    return report(
        *first.verdicts, worse, matrix=first.matrix, site=first.site, changes=(change,), hops=first.hops
    )


def _pages(language: str) -> Presentation:
    return Presentation(
        language, page=partial(explanation, load_plugins(directory=Path("/nonexistent")), language=language)
    )


def test_nothing_that_attacks_runs(show: Show) -> None:
    tab = show(_attack())
    assert tab.value("window.hacked") is None
    assert tab.value("document.scripts.length") == 1
    assert tab.value("document.querySelectorAll('img, iframe, object, embed, base').length") == 0
    assert tab.value("document.documentElement.scrollWidth") == DESK[0]
    assert not tab.value("/[\\u202a-\\u202e\\u2066-\\u2069\\x1b]/.test(document.documentElement.outerHTML)")
    # The policy holds: neither a script nor a style that was not there from the start does anything.
    tab.value(
        "document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.hacked=1'}))"
    )
    tab.value("document.body.insertAdjacentHTML('beforeend', '<p id=red style=color:red>x')")
    assert tab.value("window.hacked") is None
    assert tab.value("getComputedStyle(document.querySelector('#red')).color") != "rgb(255, 0, 0)"
    assert any("Content Security Policy" in one for one in tab.complaints)
    tab.complaints.clear()


def test_checks_are_searched_filtered_and_sorted(show: Show) -> None:
    tab = show(recorded(BROKEN))
    everything = tab.value("document.querySelectorAll('.check').length")
    assert f"{everything} of {everything} shown" == tab.value("document.querySelector('#shown').textContent")

    tab.click("#by-search")
    tab.type("10004 EDGESTREAM.enable")
    codes = tab.value(f"{VISIBLE}.map(e => e.dataset.code)")
    assert "KE202" in codes
    assert 0 < len(codes) < everything / 4
    tab.type(" nothing-has-this-word")
    assert tab.value(f"{VISIBLE}.length") == 0
    assert tab.value("document.querySelector('#nothing').checkVisibility()")
    tab.click("#clear")
    assert tab.value("document.querySelector('#by-search').value") == ""

    choose = "(e => {{ e.value = {1}; e.dispatchEvent(new Event('input')) }})(document.querySelector('{0}'))"
    tab.value(choose.format("#by-state", "'fail'"))
    assert set(tab.value(f"{VISIBLE}.map(e => e.dataset.state)")) == {"fail"}
    tab.value(choose.format("#by-side", "'edge'"))
    assert tab.value(f"{VISIBLE}.map(e => e.dataset.side)") == ["edge"] * tab.value(f"{VISIBLE}.length")
    tab.value(choose.format("#by-side", "''"))
    tab.value(choose.format("#by-state", "'attention'"))
    assert not {"pass", "skip"} & set(tab.value(f"{VISIBLE}.map(e => e.dataset.state)"))
    tab.value(choose.format("#by-sort", "'code'"))
    codes = tab.value(f"{VISIBLE}.map(e => e.dataset.code)")
    assert codes == sorted(codes)
    assert len(codes) > 5
    tab.value(choose.format("#by-sort", "'time'"))
    took = tab.value(f"{VISIBLE}.map(e => Number(e.dataset.ms))")
    assert took == sorted(took, reverse=True)
    tab.click("a[data-show=warn]")
    assert set(tab.value(f"{VISIBLE}.map(e => e.dataset.state)")) == {"warn"}


def test_ten_thousand_edges_are_searched_by_name(show: Show) -> None:
    tab = show(many_edges(10_000))
    choose = "(e => {{ e.value = '{0}'; e.dispatchEvent(new Event('input')) }})(document.querySelector('#by-node'))"
    tab.value(choose.format("edge0003"))  # every third is broken
    assert tab.value(f"{VISIBLE}.length") == 1
    tab.value(choose.format("edge0004"))
    assert tab.value(f"{VISIBLE}.length") == 0
    tab.value(choose.format("edge000"))  # some of these are
    assert tab.value(f"{VISIBLE}.length") == 1
    assert tab.value("document.querySelectorAll('.matrix tbody tr').length") == 2
    assert tab.value("document.documentElement.scrollWidth") == DESK[0]


def test_a_command_is_copied(show: Show) -> None:
    tab = show(recorded(BROKEN))
    tab.call("Browser.grantPermissions", permissions=["clipboardReadWrite", "clipboardSanitizedWrite"])
    tab.call("Page.bringToFront")
    button = "#cause-1 .cmd:nth-of-type(3) .copy"
    tab.click(button)
    tab.wait(f"document.querySelector({json.dumps(button)}).textContent === 'Copied'")
    assert tab.value("document.querySelector('#said').textContent") == "Copied"
    assert tab.value("navigator.clipboard.readText()") == "sudo systemctl restart edgecore"


def test_what_is_folded_opens_and_shows_the_page_of_the_check(show: Show) -> None:
    tab = show(recorded(BROKEN), _pages("en"))
    page = "document.querySelector('#cause-1 .page')"
    assert not tab.value(f"{page}.checkVisibility()")
    tab.click("#cause-1 details.fold > summary")
    assert tab.value(f"{page}.checkVisibility()")
    assert "Symptom" in tab.value(f"{page}.textContent")
    tab.click("[data-code=KE503] > summary")
    assert tab.value("document.querySelector('[data-code=KE503] .in').checkVisibility()")


@pytest.mark.parametrize("script", [True, False])
def test_a_hop_of_the_picture_leads_to_its_checks(show: Show, *, script: bool) -> None:
    tab = show(recorded(BROKEN), script=script)
    seen = "[...document.querySelectorAll('.hop')].filter(e => e.checkVisibility()).map(e => e.id)"
    assert tab.value(seen) == ["h1-tunnel"]
    tab.click("a.hop-box[href='#h1-session'] rect")
    tab.wait("location.hash === '#h1-session'")
    assert tab.value(seen) == ["h1-session"]


def test_all_is_there_without_a_script(show: Show) -> None:
    tab = show(many_edges(30), script=False)
    assert not tab.value("document.querySelector('.filter').checkVisibility()")
    assert not tab.value("document.querySelector('.copy').checkVisibility()")
    assert tab.value("document.querySelector('.check').checkVisibility()")
    tab.click(".check > summary")
    assert tab.value("document.querySelector('.check .in').checkVisibility()")


@pytest.mark.parametrize("script", [True, False])
def test_edges_are_chosen(show: Show, *, script: bool) -> None:
    tab = show(recorded("healthy-two-edges"), script=script)
    if tab.value("document.querySelectorAll('.path').length") == 1:
        pytest.skip("optional: both edges of the recording are alike")
    seen = "[...document.querySelectorAll('.path')].filter(e => e.checkVisibility()).map(e => e.id)"
    assert tab.value(seen) == ["path-1"]
    tab.click("[for=e2]")
    assert tab.value(seen) == ["path-2"]


def test_it_is_used_by_keyboard_alone(show: Show) -> None:
    tab = show(recorded(BROKEN))
    active = "document.activeElement"
    tab.key("Tab")
    assert tab.value(f"{active}.className") == "skip"
    for _ in range(60):
        tab.key("Tab")
        if tab.value(f"{active}.getAttribute('href')") == "#h1-session":
            break
    else:
        raise AssertionError("the picture cannot be reached by Tab")
    tab.key("Enter")
    tab.wait("document.querySelector('#h1-session').checkVisibility()")
    tab.key("/", "/")
    tab.wait(f"{active}.id === 'by-search'")
    tab.type("KE503")
    for _ in range(10):
        tab.key("Tab")
        if tab.value(f"{active}.matches('.check > summary')"):
            break
    tab.key("Enter")
    assert tab.value("document.querySelector('[data-code=KE503]').open")


def test_a_phone_shows_it_without_scrolling_sideways(show: Show) -> None:
    for document, presentation in (
        (recorded(BROKEN), _pages("en")),
        (recorded(BROKEN), _pages("zh")),
        (many_edges(), ENGLISH),
        (_attack(), CHINESE),
    ):
        tab = show(document, presentation, size=PHONE)
        assert tab.value("document.documentElement.scrollWidth") == PHONE[0]
        tab.value("for (const e of document.querySelectorAll('details')) e.open = true")
        assert tab.value("document.documentElement.scrollWidth") == PHONE[0]
    top = "document.querySelector('.matrix td[data-name=top]').getBoundingClientRect()"
    tab = show(recorded(BROKEN), size=PHONE)
    assert tab.value(f"{top}.right") <= PHONE[0]
    assert not tab.value("document.querySelector('.picture').checkVisibility()")
    assert tab.value("document.querySelector('#h1-tunnel').checkVisibility()")


def test_the_dark_is_dark(show: Show) -> None:
    background = "getComputedStyle(document.body).backgroundColor"
    light, dark = (show(recorded("healthy"), dark=dark).value(background) for dark in (False, True))
    assert light != dark
    assert max(int(part) for part in dark[4:-1].split(",")) < 64


def test_it_is_printed(show: Show) -> None:
    tab = show(recorded(BROKEN), dark=True)
    tab.media(kind="print", dark=True)
    assert not tab.value("document.querySelector('.bar').checkVisibility()")
    assert not tab.value("document.querySelector('.filter').checkVisibility()")
    assert tab.value("document.querySelector('.picture').checkVisibility()")
    assert tab.value(
        "document.querySelector('[data-code=KE202] .in').checkVisibility({contentVisibilityAuto: true})"
    )
    assert tab.value("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert base64.b64decode(tab.call("Page.printToPDF")["data"]).startswith(b"%PDF")


def test_axe_finds_nothing_serious(show: Show, tmp_path: Path) -> None:
    source = axe_source(tmp_path)
    for document, presentation, how in (
        (recorded(BROKEN), _pages("en"), {}),
        (_attack(), CHINESE, {"dark": True, "size": PHONE}),
    ):
        tab = show(document, presentation, **how)
        tab.value(
            "for (const e of document.querySelectorAll('#causes ~ section details, .group, .check:first-of-type')) e.open = true"
        )
        tab.value(source + ";0")
        found = tab.value("axe.run(document, {resultTypes: ['violations']}).then(r => r.violations)")
        serious = [
            (one["id"], one["impact"], [node["html"][:200] for node in one["nodes"][:3]])
            for one in found
            if one["impact"] in ("serious", "critical")
        ]
        assert serious == []
