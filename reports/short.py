"""At most 2 KB of plain text, to be read out over a telephone or sent as a message.

The verdict, each root cause with the first thing to type and where, what does not work on how many edges, and what was
not found out. What does not fit is counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from kedoctor.api import Presentation, Status, Text, plain
from kedoctor.api.report import Cause, Report
from kedoctor.reports import wording

__all__ = ["BYTES", "render"]

BYTES = 2048
_LONGEST = 240  # characters of a sentence or command
_MARKS = {Status.FAIL: "x", Status.WARN: "!"}
_MORE = Text("and {n} more root causes: kedoctor report", zh="另有 {n} 个故障原因：kedoctor report")
_STATES = Text("{capability}: {states}", zh="{capability}：{states}")
_STATE = Text("{state} on {n} of {all} edges", zh="{all} 个边缘节点中 {n} 个{state}")


def render(report: Report, presentation: Presentation) -> bytes:
    """The text, UTF-8 encoded, :data:`BYTES` at most."""
    language = presentation.language
    head = [_cut(wording.headline(report, language))]
    step = wording.next_step(report, language)
    head += [_cut(step)] if step else []
    foot = [*_matrix(report, language), *_rest(report, language)]
    room = BYTES - _size(head) - _size(foot) - 80  # for what is counted
    body: list[str] = []
    for told, cause in enumerate(report.causes):
        lines = list(_cause(report, cause, language))
        if _size(body) + _size(lines) > room:
            body.append(_MORE.in_language(language).format(n=len(report.causes) - told))
            break
        body += lines
    page = "".join(f"{line}\n" for line in (*head, *body, *foot)).encode()
    return page[:BYTES].decode("utf-8", "ignore").encode()


def _cause(report: Report, cause: Cause, language: str) -> Iterator[str]:
    mark = _MARKS.get(cause.status, "?")
    yield _cut(f"{mark} {cause.code} {wording.summary_of(cause, language)}")
    for place, commands in wording.commands_by_place(report, cause, language)[:1]:
        yield _cut(f"  {place}{'：' if language == 'zh' else ': '}{commands[0]}")


def _matrix(report: Report, language: str) -> Iterator[str]:
    """A line for each capability that does not work everywhere."""
    counted: dict[str, Counter[str]] = {}
    for row in report.matrix:
        for cell in row.capabilities:
            counted.setdefault(cell.name, Counter())[cell.state] += 1
    for name, states in counted.items():
        told = [
            _STATE.in_language(language).format(
                state=wording.CAPABILITY_STATES[state].in_language(language), n=number, all=len(report.matrix)
            )
            for state, number in sorted(states.items(), key=lambda one: one[0] != "broken")
        ]
        yield _STATES.in_language(language).format(
            capability=name, states=("；" if language == "zh" else ", ").join(told)
        )


def _rest(report: Report, language: str) -> Iterator[str]:
    for sentence in wording.settling_groups(report, language):
        yield _cut(f"~ {sentence}")
    checks = wording.unknown_checks(report, language)
    if checks:
        yield _cut("? " + wording.word("not-checked", language).format(checks=checks))
    yield f"{report.run.id} · {wording.counts(report, language)}"


def _cut(sentence: str) -> str:
    told = plain(sentence).replace("\n", " ")
    return told if len(told) <= _LONGEST else f"{told[: _LONGEST - 1]}…"


def _size(lines: list[str]) -> int:
    return sum(len(line.encode()) + 1 for line in lines)
