"""The report as one self-contained page: no script, no font, no picture from anywhere else.

The only module that imports jinja2.
"""

from __future__ import annotations

from functools import partial

from jinja2 import Environment, PackageLoader, StrictUndefined

from kedoctor.api import STATUSES, Presentation, Status, plain
from kedoctor.api.report import Report, Verdict, site_state
from kedoctor.reports import wording

__all__ = ["render"]

_ORDER = (
    Status.FAIL,
    Status.WARN,
    Status.CRASHED,
    Status.SETTLING,
    Status.UNKNOWN,
    Status.BLOCKED,
    Status.ACCEPTED,
    Status.PASS,
    Status.SKIP,
)


def render(report: Report, presentation: Presentation) -> bytes:
    """The page, UTF-8 encoded; everything that came from the site is escaped."""
    environment = Environment(
        loader=PackageLoader("kedoctor.reports", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    language = presentation.language
    first: dict[str, Verdict] = {}
    for one in report.verdicts:
        if one.status not in (Status.PASS, Status.SKIP):
            first.setdefault(one.code, one)
    template = environment.get_template("report.html")
    page = template.render(
        report=report,
        language=language,
        headline=wording.headline(report, language),
        step=wording.next_step(report, language),
        by_place=lambda cause: wording.commands_by_place(report, cause, language),
        actual=partial(wording.actual_of, language=language),
        state=site_state(report),
        hosts=wording.hosts_seen(report, language),
        versions=wording.versions_seen(report, language),
        matrix=sorted(
            report.matrix, key=lambda row: -sum(cell.state == "broken" for cell in row.capabilities)
        ),
        verdict_of=partial(wording.verdict_of, report),
        # What a code stands for: its cause, and the first sentence that was said under it.
        causes={cause.code: place for place, cause in reversed(list(enumerate(report.causes, 1)))},
        said={code: wording.summary_of(one, language) for code, one in first.items()},
        counts=wording.counts(report, language),
        groups=[(status, [one for one in report.verdicts if one.status is status]) for status in _ORDER],
        word=partial(wording.word, language=language),
        status_word=lambda status: STATUSES[status].in_language(language),
        state_word=lambda state: wording.CAPABILITY_STATES[state].in_language(language),
        summary=partial(wording.summary_of, language=language),
        title=partial(wording.title_of, language=language),
        expected=partial(wording.expected_of, language=language),
        result=partial(wording.result_of, language=language),
        rollback=wording.rollback_of,
        fix_of=partial(wording.fix_of, language=language),
        hint=partial(wording.hint_of, language=language),
        acceptance=partial(wording.acceptance, language=language),
        stale_entries=wording.stale_entries(report, language, every=True),
        hop=lambda name: wording.hop_title(report, name, language),
        breaks=partial(wording.capability_list, language=language),
        unread=partial(wording.unread, language=language),
    )
    return plain(page).encode()
