"""The report as one self-contained page: no font and no picture from anywhere else, and one script that it can do without.

The only module that imports jinja2. What the page runs and how it looks is named by hashes in its policy, so that
nothing a site can name becomes either.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from functools import cache, partial
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from kedoctor.api import STATUSES, Presentation, Status, markdown, plain
from kedoctor.api.report import HOP_STATES, Cause, EdgeGroup, Report, Verdict, edge_groups, site_state
from kedoctor.reports import html_words, wording
from kedoctor.reports.edge_names import alike, in_short, name_runs
from kedoctor.reports.html_checks import rows_by_status, worth_showing
from kedoctor.reports.html_expiries import time_line
from kedoctor.reports.html_path import picture

__all__ = ["render"]

_PATHS = 12
"""Groups of edges whose path is drawn; beyond a few only the broken ones."""
_PATHS_OF_ANY = 4
_LONGEST = 4000
"""Characters of one sentence or quotation; the JSON report has the rest."""


_SPOKEN: dict[str, Callable[..., Any]] = {
    "word": wording.word,
    "summary": wording.summary_of,
    "title": wording.title_of,
    "expected": wording.expected_of,
    "actual": wording.actual_of,
    "remedy": wording.remedy_of,
    "hint": wording.hint_of,
    "fix_of": wording.fix_of,
    "result": wording.result_of,
    "acceptance": wording.acceptance,
    "steps": wording.steps_of,
    "settling": wording.settling_of,
    "breaks": wording.capability_list,
    "asked": wording.asked_of,
    "unread": wording.unread,
    "status_many": wording.status_of_many,
    "names": name_runs,
    "in_short": in_short,
    "label": html_words.label,
}
"""What the templates call, each with the language of the page."""


def render(report: Report, presentation: Presentation) -> bytes:
    """The page, UTF-8 encoded; everything that came from the site is escaped."""
    environment = _environment()
    values = {**_words(report, presentation), **_parts(report, presentation)}
    style = environment.get_template("page.css").render(paths=values["paths"])
    script = environment.get_template("page.js").render()
    page = environment.get_template("report.html").render(
        **values,
        style=style,
        script=script,
        style_hash=_hash(style),
        script_hash=_hash(script),
    )
    return plain(page).encode()


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("kedoctor.reports", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _parts(report: Report, presentation: Presentation) -> dict[str, Any]:
    language = presentation.language
    groups = edge_groups(report)
    shown = [one for at, one in enumerate(groups[:_PATHS]) if one.broken or at < _PATHS_OF_ANY]
    paths = [(group, drawn) for group in shown if (drawn := picture(report, group, language))]
    first: dict[str, Verdict] = {}
    for one in report.verdicts:
        if one.status not in (Status.PASS, Status.SKIP):
            first.setdefault(one.code, one)
    return {
        "report": report,
        "language": language,
        "state": site_state(report),
        "matrix": alike(report.matrix),
        "paths": paths,
        "path_of": {edge: at for at, (group, _) in enumerate(paths, 1) for edge in group.edges},
        "expiries": time_line(report, language),
        "groups": rows_by_status(report),
        "number": {status.value: sum(one.status is status for one in report.verdicts) for status in Status},
        # What a code stands for: its cause, and the first sentence that was said under it.
        "causes": {cause.code: place for place, cause in reversed(list(enumerate(report.causes, 1)))},
        "said": {code: wording.summary_of(one, language) for code, one in first.items()},
        "page_of": lambda code: markdown.blocks(presentation.page(code)),
        "edges": [row.edge for row in report.matrix],
        "broken": sum(any(cell.state == "broken" for cell in row.capabilities) for row in report.matrix),
        "counted": "{:,}".format,
        "chosen": _chosen,
        "spans": _spans,
        "withheld": _withheld(report, language),
        "side_choices": [(side, text.in_language(language)) for side, text in html_words.SIDE_WORDS.items()],
        "status_choices": [
            (status.value, STATUSES[status].in_language(language)) for status, _ in rows_by_status(report)
        ],
    }


def _chosen(group: EdgeGroup) -> str:
    """The hop whose checks are shown first: the first of the worst ones; empty if all is well."""
    worst = min(group.hops, key=lambda one: HOP_STATES.index(one.state), default=None)
    return worst.hop if worst and worst.state not in ("passed", "unchecked") else ""


def _spans(text: str) -> list[tuple[str, bool]]:
    """A sentence in pieces, and which of them are code: what stands between backticks."""
    pieces = text.split("`")
    if len(pieces) % 2 == 0:
        return [(text, False)]
    return [(piece, bool(at % 2)) for at, piece in enumerate(pieces) if piece]


def _withheld(report: Report, language: str) -> str:
    told = []
    for one in report.redactions:
        if one.what == "withheld":
            told.append(html_words.label("texts-withheld", language).format(n=one.count))
        else:
            kind = _in(html_words.SECRET_WORDS, one.what, language)
            told.append(html_words.label("secrets", language).format(n=one.count, kind=kind))
    return ("；" if language == "zh" else ", ").join(told)


def _words(report: Report, presentation: Presentation) -> dict[str, Any]:
    language = presentation.language
    return {
        "headline": wording.headline(report, language),
        "step": wording.next_step(report, language),
        "counts": wording.counts(report, language),
        "hosts": wording.hosts_seen(report, language),
        "versions": wording.versions_seen(report, language),
        "stale_entries": wording.stale_entries(report, language, every=True),
        "by_place": lambda cause: wording.commands_by_place(report, cause, language),
        "verdict_of": partial(wording.verdict_of, report),
        "rollback": wording.rollback_of,
        "hop": lambda name: wording.hop_title(report, name, language),
        "hop_name": lambda name: wording.hop_name(report, name, language),
        "where": lambda cause: _where(cause, language),
        "status_word": lambda status: STATUSES[status].in_language(language),
        "state_word": lambda state: wording.CAPABILITY_STATES[state].in_language(language),
        "hop_word": lambda state: html_words.HOP_WORDS[state].in_language(language),
        "side_word": lambda side: _in(html_words.SIDE_WORDS, side, language),
        "read_word": lambda kind: _in(html_words.READ_WORDS, kind, language),
        "signs": html_words.SIGNS,
        "state_signs": html_words.STATE_SIGNS,
        "shortened": _shortened,
        "longest": _LONGEST,
        "worth_showing": worth_showing,
        **{name: partial(_said, made, language=language) for name, made in _SPOKEN.items()},
    }


def _said(made: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    said = made(*arguments, **named)
    return _shortened(said) if isinstance(said, str) else said


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} …"


def _in(words: dict[str, Any], key: str, language: str) -> str:
    found = words.get(key)
    return str(found.in_language(language)) if found else key


def _where(cause: Cause, language: str) -> str:
    return in_short(cause.nodes or cause.subjects, language)
