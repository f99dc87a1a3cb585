"""The words that all report formats share: states, headings, and how a verdict's text is picked in a language."""

from __future__ import annotations

from kedoctor.api import STATUSES, Evidence, Reason, Status, Text, patterns, repair_command
from kedoctor.api.report import (
    REASONS,
    Cause,
    Change,
    EntryState,
    Missing,
    Report,
    Verdict,
    detail_text,
    noun_text,
)
from kedoctor.reports.headlines import headline, next_step
from kedoctor.reports.places import commands_by_place, place_of_fix
from kedoctor.reports.settling import settling_groups, settling_of

__all__ = [
    "CAPABILITY_STATES",
    "acceptance",
    "actual_of",
    "asked_of",
    "because",
    "capability_list",
    "commands_by_place",
    "consequences_of",
    "counts",
    "expected_of",
    "fix_of",
    "headline",
    "hint_of",
    "hop_name",
    "hop_title",
    "hosts_seen",
    "next_step",
    "quoted",
    "reasoned",
    "remedy_of",
    "result_of",
    "rollback_of",
    "settling_groups",
    "settling_of",
    "stale_entries",
    "status_of_many",
    "steps_of",
    "summary_of",
    "title_of",
    "unknown_checks",
    "unread",
    "verdict_of",
    "versions_seen",
    "word",
]


_NOT_HELD = patterns.compiled(r"it was not recorded|the (?:bundle|evidence) .+ does not (?:hold|contain) it")
"""What evidence answers to what it does not hold; the sentence of the verdict says the same."""

_MANY = {
    Status.WARN: Text("warnings", zh="警告"),
    Status.SKIP: Text("not applicable", zh="不适用"),
    Status.CRASHED: Text("crashed", zh="检查出错"),
}
_HIDDEN = (Status.UNKNOWN, Status.CRASHED)
_CONSEQUENCES = (
    Text(" ({n} follow-on)", zh="（其中 {n} 项为连带后果）"),
    Text(" (all follow-on)", zh="（均为连带后果）"),
)
_ON_THE_PATH = (
    Text(" ({n} on the request path)", zh="（其中 {n} 项在请求链路上）"),
    Text(" (all on the request path)", zh="（均在请求链路上）"),
)

CAPABILITY_STATES = {
    "works": Text("works", zh="可用"),
    "clear": Text("no fault found", zh="未发现故障"),
    "broken": Text("broken", zh="故障"),
    "accepted": Text("accepted", zh="已豁免（基线）"),
    "settling": Text("settling", zh="正在恢复"),
    "unknown": Text("undetermined", zh="无法判断"),
}

_RESULTS = {
    "fixed": Text("fixed", zh="已修复"),
    "taken back": Text("rolled back: no improvement", zh="未见改善，已回滚"),
    "refused": Text("refused; nothing was changed", zh="未能执行，未做任何更改"),
    "left": Text("NOT repaired and NOT rolled back whole", zh="未修复，且未能完全撤销"),
    "planned": Text("planned (--dry-run)", zh="仅为计划（--dry-run）"),
}

_WORDS = {
    "breaks": Text("breaks", zh="影响"),
    "nothing-now": Text("nothing now", zh="暂无"),
    "where": Text("where", zh="位置"),
    "found": Text("found", zh="实际"),
    "expected": Text("expected", zh="应为"),
    "read": Text("evidence", zh="依据"),
    "do": Text("do this", zh="处理"),
    "fix": Text("auto-fix", zh="自动修复"),
    "fix-it": Text(
        "{place}: {command} ({effect}; {undo})",
        zh="{place}：{command}（{effect}；{undo}）",
    ),
    "undo": Text("undo: kedoctor rollback", zh="回滚：kedoctor rollback"),
    "no-undo": Text("cannot be rolled back completely", zh="无法完全回滚"),
    "leads-to": Text("also explains", zh="同时解释"),
    "failed-checks": Text("failed checks: {checks}", zh="未通过的检查：{checks}"),
    "next": Text("Next", zh="下一步"),
    "not-checked": Text(
        "Not checked: {checks}; -v lists them with their reasons",
        zh="因信息不足无法判断：{checks}；-v 可列出各项及原因",
    ),
    "checked": Text("checked", zh="检查项"),
    "recorded": Text("recorded {when:%Y-%m-%d %H:%M} UTC", zh="记录于 {when:%Y-%m-%d %H:%M} UTC"),
    "changes": Text("Changes", zh="已做的更改"),
    "unread": Text("Could not be read", zh="未能读取的内容"),
    "follows": Text("explained by", zh="起因"),
    "more": Text("more", zh="详情"),
    "edge": Text("edge", zh="边缘节点"),
    "causes": Text("Root causes", zh="故障原因"),
    "matrix": Text("Status per edge node", zh="各边缘节点可用情况"),
    "warnings": Text("Warnings", zh="警告"),
    "settling": Text("Settling", zh="正在恢复"),
    "unknowns": Text("Not checked", zh="因信息不足无法判断"),
    "consequences": Text("Follow-on failures", zh="连带后果"),
    "all": Text("All checks", zh="全部检查结果"),
    "implied": Text("by configuration only", zh="仅由配置推断"),
    "incomplete": Text(
        "The run ended early: this report is incomplete.", zh="运行提前结束：以下结果不完整。"
    ),
    "accepted": Text("Accepted (baseline), not counted", zh="已豁免（基线），不计入结果"),
    "accepted-why": Text("until {until} by {owner}: {reason}", zh="截至 {until}，{owner}：{reason}"),
    "accepted-with": Text(
        "explained by {code}, which is accepted until {until}",
        zh="源自已豁免（基线）的 {code}（截至 {until}）",
    ),
    "baseline": Text("Entries of {file} to review", zh="{file} 中需处理的条目"),
    "demo": Text("This is a recorded demo site, not your cluster.", zh="这是录制的演示站点，不是您的集群。"),
    "and-more": Text("and {n} more", zh="另有 {n} 个"),
}


_ENTRY_STATES = {
    EntryState.EXPIRED: Text(
        "{entry}: expired on {until} and accepts nothing now; ask {owner}, then renew or remove it.",
        zh="{entry}：已于 {until} 到期，不再生效；请与 {owner} 确认后续期或删除。",
    ),
    EntryState.UNMATCHED: Text(
        "{entry}: matched nothing, its subject has no problem now; remove it, or correct the subject.",
        zh="{entry}：没有匹配到任何问题，目前并无异常；请删除该条目或更正 subject。",
    ),
    EntryState.NOT_JUDGED: Text(
        "{entry}: its subject was not checked in this run.", zh="{entry}：本次运行没有检查其对象。"
    ),
}


_SIDES = {"cloud": Text("cloud", zh="云端"), "edge": Text("edge", zh="边缘")}
_COMPONENTS = {"edge runtime": Text("edge runtime", zh="边缘运行时")}

_EFFECTS = {
    "safe": Text("interrupts nothing", zh="不中断任何服务"),
    "restarts-edgecore": Text("restarts edgecore", zh="重启 edgecore"),
    "restarts-cloudcore": Text("restarts cloudcore", zh="重启 cloudcore"),
    "restarts-apiserver": Text("restarts the API server", zh="重启 API 服务器"),
}
"""What a repair of each risk interrupts."""


def word(key: str, language: str) -> str:
    """A heading or label."""
    return _WORDS[key].in_language(language)


def summary_of(item: Verdict | Cause, language: str) -> str:
    """Its sentence."""
    return (item.zh.summary if language == "zh" else "") or item.summary


def title_of(item: Verdict | Cause, language: str) -> str:
    """Its title."""
    return (item.zh.title if language == "zh" else "") or item.title


def expected_of(verdict: Verdict, language: str) -> str:
    """The right state."""
    return (verdict.zh.expected if language == "zh" else "") or verdict.expected


def hint_of(verdict: Verdict, language: str) -> str:
    """What to do about it, as a sentence."""
    return (verdict.zh.hint if language == "zh" else "") or verdict.hint.text


def remedy_of(verdict: Verdict, language: str) -> str:
    """What usually puts it right, whatever the site."""
    return (verdict.zh.remedy if language == "zh" else "") or verdict.fix.remedy


def result_of(change: Change, language: str) -> str:
    """How a repair ended."""
    told = _RESULTS.get(change.result)
    return told.in_language(language) if told else change.result


def rollback_of(change: Change) -> str:
    """What takes a repair back; nothing where there is nothing to take back."""
    return f"kedoctor rollback {change.journal_id}" if change.result in ("fixed", "left") else ""


def steps_of(change: Change, language: str) -> tuple[str, ...]:
    """What a repair did, in words; its targets in documents that do not say."""
    return (change.steps_zh if language == "zh" else change.steps) or change.actions


def actual_of(verdict: Verdict, language: str) -> str:
    """What was found instead of what is expected."""
    return (verdict.zh.actual if language == "zh" else "") or verdict.actual


def fix_of(verdict: Verdict, language: str) -> str:
    """What lets kedoctor repair it, on which host, and what that interrupts; nothing where it cannot."""
    if not verdict.fix.available:
        return ""
    risk = verdict.fix.risk or "safe"
    effect = _EFFECTS.get(risk)
    return word("fix-it", language).format(
        place=place_of_fix(verdict, language),
        command=repair_command(risk),
        effect=effect.in_language(language) if effect else risk,
        undo=word("undo" if verdict.fix.reversible else "no-undo", language),
    )


def consequences_of(report: Report, cause: Cause, language: str) -> str:
    """The codes that a cause explains besides its own, each with the title of its check."""
    titles = {one.code: title_of(one, language) for one in report.verdicts}
    named = ("；" if language == "zh" else "; ").join(
        f"{code} {titles.get(code, '')}".rstrip() for code in cause.consequences
    )
    return word("failed-checks", language).format(checks=named) if named else ""


def because(verdict: Verdict, language: str) -> str:
    """What was met where something was not read, if that says more than the sentence does."""
    if verdict.status is not Status.UNKNOWN or _NOT_HELD.fullmatch(verdict.actual):
        return ""
    return actual_of(verdict, language)


def reasoned(sentence: str, why: str) -> str:
    """The sentence with the reason in brackets before its full stop: ``It was not read (no permission)``, stop."""
    if not why:
        return sentence
    stop = sentence[-1:] if sentence.endswith((".", "。")) else ""
    begins, ends = ("（", "）") if stop == "。" else (" (", ")")
    return f"{sentence.removesuffix(stop)}{begins}{why}{ends}{stop}"


def quoted(evidence: Evidence) -> str:
    """What was read and where, on one line if the excerpt is one: ``/etc/hosts:3: 127.0.0.1 localhost``."""
    line = f":{evidence.line}" if evidence.line else ""
    excerpt = evidence.excerpt.strip()
    return f"{evidence.source}{line}: {excerpt}" if excerpt else f"{evidence.source}{line}"


def verdict_of(report: Report, cause: Cause) -> Verdict | None:
    """The first of the verdicts that are this cause."""
    mine = (one for one in report.verdicts if one.code == cause.code and one.status is cause.status)
    return next((one for one in mine if one.summary == cause.summary), None)


def hop_title(report: Report, hop: str, language: str) -> str:
    """The hop as a person calls it."""
    for title in report.hops:
        if title.name == hop:
            return title.zh if language == "zh" else title.title
    return hop


def hop_name(report: Report, hop: str, language: str) -> str:
    """The hop where there is little room."""
    for title in report.hops:
        if title.name == hop:
            return (title.short_zh if language == "zh" else title.short) or hop
    return hop


def capability_list(capabilities: tuple[str, ...], language: str) -> str:
    """``logs, exec, attach, top``, or that it is nothing now."""
    return ", ".join(capabilities) if capabilities else word("nothing-now", language)


def asked_of(missing: Missing, language: str) -> str:
    """What could not be read, by its name."""
    return noun_text(missing.observation).in_language(language)


def unread(missing: Missing, language: str) -> list[str]:
    """Why something could not be read: the reason, and what was met if anything."""
    why = missing.reason
    if language == "zh" and why in set(Reason):
        why = REASONS[Reason(why)].zh
    return [why, detail_text(missing.detail).in_language(language)] if missing.detail else [why]


def acceptance(verdict: Verdict, language: str) -> str:
    """Why a verdict does not count, who says so and until when; nothing for one that does."""
    told = verdict.accepted
    if told is None:
        return ""
    if told.by:
        return word("accepted-with", language).format(code=told.by, until=told.until)
    return word("accepted-why", language).format(until=told.until, owner=told.owner, reason=told.reason)


def stale_entries(report: Report, language: str, *, every: bool = False) -> list[str]:
    """A sentence for each entry of the baseline that accepts nothing any more (``every``: or was not tried)."""
    entries = report.baseline.entries if report.baseline else ()
    return [
        _ENTRY_STATES[one.state]
        .in_language(language)
        .format(entry=f"{one.code} {one.subject}", owner=one.owner, until=one.until)
        for one in entries
        if one.state in _ENTRY_STATES and (every or one.state is not EntryState.NOT_JUDGED)
    ]


def counts(report: Report, language: str) -> str:
    """How many verdicts there are of each state, as the headline counts them: ``31 passed, 2 undetermined (1 on the request path)``."""
    parts = []
    for status, text in STATUSES.items():
        mine = [verdict for verdict in report.verdicts if verdict.status is status]
        if mine:
            words = _MANY.get(status, text) if len(mine) > 1 else text
            number = (
                f"{words.in_language(language)} {len(mine)} 项"
                if language == "zh"
                else f"{len(mine)} {words}"
            )
            parts.append(f"{number}{_among(status, mine, language)}")
    return ("，" if language == "zh" else ", ").join(parts)


def status_of_many(status: str, number: int, language: str) -> str:
    """What so many verdicts of a state are called: ``warnings``."""
    told = STATUSES[Status(status)]
    return (_MANY.get(Status(status), told) if number != 1 else told).in_language(language)


def unknown_checks(report: Report, language: str) -> str:
    """How many checks could not be decided: ``40 checks, 30 on the request path``; nothing where there is none."""
    unknown = [one for one in report.verdicts if one.status is Status.UNKNOWN]
    if not unknown:
        return ""
    number = (
        f"{len(unknown)} 项" if language == "zh" else f"{len(unknown)} check{'s' if len(unknown) > 1 else ''}"
    )
    return f"{number}{_among(Status.UNKNOWN, unknown, language)}"


def _among(status: Status, verdicts: list[Verdict], language: str) -> str:
    """How many of them are no cause of their own, or hide whether the path works; nothing where none is."""
    if status in (Status.FAIL, Status.WARN):
        number, kind = sum(1 for one in verdicts if one.explained_by), _CONSEQUENCES
    elif status in _HIDDEN:
        number, kind = sum(1 for one in verdicts if one.capabilities), _ON_THE_PATH
    else:
        return ""
    told = kind[number == len(verdicts)].in_language(language).format(n=number)
    return told if number and len(verdicts) > 1 else ""


def hosts_seen(report: Report, language: str) -> list[str]:
    """The hosts with their sides, and when they were looked at, where that is not now: ``edge1 (edge)``."""
    seen = []
    for host in report.site.hosts:
        told = ["+".join(_side(one, language) for one in host.sides) or "–"]
        if host.observed is not None and host.origin != "live":
            told.append(word("recorded", language).format(when=host.observed))
        seen.append(f"{host.name} ({', '.join(told)})")
    return seen


def _side(side: str, language: str) -> str:
    words = _SIDES.get(side)
    return words.in_language(language) if words else side


def versions_seen(report: Report, language: str) -> list[str]:
    """The components with their versions, where they could be read: ``Kubernetes v1.31.14``."""
    site = report.site
    seen = [
        f"{_COMPONENTS[name].in_language(language) if name in _COMPONENTS else name} {', '.join(found)}"
        for name, found in site.component_versions.items()
        if found
    ]
    return [*seen, f"Kubernetes {site.cluster_version}"] if site.cluster_version else seen
