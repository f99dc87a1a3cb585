"""The words that all report formats share: states, headings, and how a verdict's text is picked in a language."""

from __future__ import annotations

from kedoctor.api import STATUSES, Evidence, Status, Text, patterns, repair_command
from kedoctor.api.report import Cause, Change, EntryState, Report, Verdict, hidden, site_state

__all__ = [
    "CAPABILITY_STATES",
    "acceptance",
    "because",
    "capability_list",
    "counts",
    "expected_of",
    "fix_of",
    "headline",
    "hint_of",
    "hop_title",
    "hosts_seen",
    "quoted",
    "reasoned",
    "remedy_of",
    "result_of",
    "rollback_of",
    "settling_groups",
    "settling_of",
    "stale_entries",
    "summary_of",
    "title_of",
    "verdict_of",
    "versions_seen",
    "word",
]


_NOT_HELD = patterns.compiled(r"it was not recorded|the bundle .+ does not hold it")
"""What bundles answer to what they do not hold; the sentence of the verdict says so already."""

_MANY = {
    Status.WARN: Text("warnings", zh="警告"),
    Status.SKIP: Text("do not apply", zh="不适用"),
    Status.CRASHED: Text("checks broke", zh="检查出错"),
}
_HIDDEN = (Status.UNKNOWN, Status.CRASHED)
_CONSEQUENCES = (
    Text(" ({n} in consequence)", zh="（其中 {n} 项为连带后果）"),
    Text(" (all in consequence)", zh="（均为连带后果）"),
)
_ON_THE_PATH = (
    Text(" ({n} on the path)", zh="（其中 {n} 项在链路上）"),
    Text(" (all on the path)", zh="（均在链路上）"),
)

CAPABILITY_STATES = {
    "works": Text("works", zh="可用"),
    "clear": Text("no fault found", zh="未发现故障"),
    "broken": Text("broken", zh="故障"),
    "accepted": Text("accepted", zh="已接受"),
    "settling": Text("settling", zh="正在恢复"),
    "unknown": Text("not known", zh="未知"),
}

_RESULTS = {
    "fixed": Text("fixed", zh="已修复"),
    "taken back": Text("taken back, for it did not help", zh="未见效，已撤销"),
    "refused": Text("refused; everything is as it was", zh="未能执行，一切保持原样"),
    "planned": Text("only planned (--dry-run)", zh="仅为计划（--dry-run）"),
}

_WORDS = {
    "breaks": Text("breaks", zh="影响"),
    "nothing-now": Text("nothing now", zh="目前没有"),
    "where": Text("where", zh="位置"),
    "found": Text("found", zh="实际"),
    "expected": Text("expected", zh="应为"),
    "read": Text("read", zh="依据"),
    "do": Text("do this", zh="处理"),
    "fix": Text("or let", zh="自动"),
    "fix-it": Text(
        "kedoctor do it: {command} (risk: {risk}; kedoctor rollback takes it back)",
        zh="{command}（风险：{risk}；可用 kedoctor rollback 撤销）",
    ),
    "leads-to": Text("leads to", zh="导致"),
    "checked": Text("checked", zh="检查项"),
    "recorded": Text("recorded {when:%Y-%m-%d %H:%M} UTC", zh="记录于 {when:%Y-%m-%d %H:%M} UTC"),
    "changes": Text("What was changed", zh="已做的更改"),
    "unread": Text("What could not be read", zh="未能读取的内容"),
    "follows": Text("follows from", zh="起因"),
    "more": Text("more", zh="详情"),
    "edge": Text("edge", zh="边缘节点"),
    "causes": Text("What is broken", zh="故障原因"),
    "matrix": Text("What works where", zh="各边缘可用情况"),
    "warnings": Text("Warnings", zh="警告"),
    "settling": Text("Settling", zh="正在恢复"),
    "settling-now": Text("It is too early to judge: {told}", zh="尚不能判断：{told}"),
    "settling-until": Text(
        "{event}; {awaited} may take until {until:%H:%M:%S} UTC. Look again then.",
        zh="{event}；{awaited}最迟需到 {until:%H:%M:%S} UTC。请届时再看。",
    ),
    "unknowns": Text("Not known", zh="未能判断"),
    "consequences": Text("Consequences", zh="连带后果"),
    "all": Text("Every verdict", zh="全部检查结果"),
    "implied": Text("by configuration only", zh="仅由配置推断"),
    "incomplete": Text(
        "The run ended early: what follows is not complete.", zh="运行提前结束：以下结果不完整。"
    ),
    "accepted": Text("Accepted, and not counted", zh="已接受，不计入结果"),
    "accepted-why": Text("until {until} by {owner}: {reason}", zh="截至 {until}，{owner}：{reason}"),
    "accepted-with": Text(
        "follows from {code}, which is accepted until {until}", zh="源自已接受的 {code}（截至 {until}）"
    ),
    "baseline": Text("Entries of {file} to look at", zh="{file} 中需处理的条目"),
    "demo": Text("This is a recorded demo site, not your cluster.", zh="这是录制的演示站点，不是您的集群。"),
    "and-more": Text("and {n} more", zh="另有 {n} 个"),
}


_ENTRY_STATES = {
    EntryState.EXPIRED: Text(
        "{entry}: it ended on {until} and accepts nothing any more; ask {owner}, then renew or remove it.",
        zh="{entry}：已于 {until} 到期，不再生效；请与 {owner} 确认后续期或删除。",
    ),
    EntryState.UNMATCHED: Text(
        "{entry}: it matched nothing, there is nothing wrong with it now; remove it, or correct the subject.",
        zh="{entry}：没有匹配到任何问题，目前并无异常；请删除该条目或更正 subject。",
    ),
    EntryState.NOT_JUDGED: Text(
        "{entry}: what it is about was not looked at in this run.", zh="{entry}：本次运行没有检查其对象。"
    ),
}


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
    """What would be right."""
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
    return f"kedoctor rollback {change.journal_id}" if change.result == "fixed" else ""


def fix_of(verdict: Verdict, language: str) -> str:
    """What lets kedoctor repair it, and what that disturbs; nothing where it cannot."""
    if not verdict.fix.available:
        return ""
    risk = verdict.fix.risk or "safe"
    return word("fix-it", language).format(command=repair_command(risk), risk=risk)


def because(verdict: Verdict) -> str:
    """What was met where something was not read, if that says more than the sentence does."""
    if verdict.status is not Status.UNKNOWN or _NOT_HELD.fullmatch(verdict.actual):
        return ""
    return verdict.actual


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


def capability_list(capabilities: tuple[str, ...], language: str) -> str:
    """``logs, exec, attach, top``, or that it is nothing now."""
    return ", ".join(capabilities) if capabilities else word("nothing-now", language)


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
    """How many verdicts there are of each state, as the headline counts them: ``31 right, 2 not known (1 on the path)``."""
    parts = []
    for status, text in STATUSES.items():
        mine = [verdict for verdict in report.verdicts if verdict.status is status]
        if mine:
            words = _MANY.get(status, text) if len(mine) > 1 else text
            parts.append(f"{len(mine)} {words.in_language(language)}{_among(status, mine, language)}")
    return ("，" if language == "zh" else ", ").join(parts)


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
        told = ["+".join(host.sides) or "–"]
        if host.observed is not None and host.origin != "live":
            told.append(word("recorded", language).format(when=host.observed))
        seen.append(f"{host.name} ({', '.join(told)})")
    return seen


def versions_seen(report: Report) -> list[str]:
    """The components with their versions, where they could be read: ``Kubernetes v1.31.14``."""
    site = report.site
    seen = [f"{name} {', '.join(found)}" for name, found in site.component_versions.items() if found]
    return [*seen, f"Kubernetes {site.cluster_version}"] if site.cluster_version else seen


def _settling(report: Report) -> list[Verdict]:
    return [one for one in report.verdicts if one.settling is not None]


def settling_groups(report: Report, language: str) -> dict[str, list[Verdict]]:
    """What is coming up, as sentences, with the verdicts that it leaves open: the one that ends last comes first."""
    groups: dict[str, list[Verdict]] = {}
    for one in sorted(_settling(report), key=_until, reverse=True):
        groups.setdefault(settling_of(one, language), []).append(one)
    return groups


def _until(verdict: Verdict) -> float:
    return verdict.settling.until.timestamp() if verdict.settling else 0.0


def settling_of(verdict: Verdict, language: str) -> str:
    """What has happened, what is awaited and until when; nothing for a verdict that is not settling."""
    told = verdict.settling
    if told is None:
        return ""
    if language == "zh":
        return word("settling-until", "zh").format(
            event=told.event_zh, awaited=told.awaited_zh, until=told.until
        )
    return word("settling-until", "en").format(event=told.event, awaited=told.awaited, until=told.until)


def headline(report: Report, language: str) -> str:
    """One sentence that says how the site is."""
    broken = [cause for cause in report.causes if cause.status is Status.FAIL]
    waiting = [cause for cause in report.causes if cause.status is not Status.FAIL]
    unseen = hidden(report)
    if site_state(report) == "settling":
        return word("settling-now", language).format(told=next(iter(settling_groups(report, language))))
    accepted = any(one.status is Status.ACCEPTED for one in report.verdicts)
    if language == "zh":
        return _headline_zh(len(broken), len(waiting), len(unseen), accepted=accepted)
    if broken:
        things = "One thing is" if len(broken) == 1 else f"{len(broken)} things are"
        return (
            f"{things} broken; everything else that fails follows from it."
            if len(broken) == 1
            else f"{things} broken, the nearest first."
        )
    if unseen:
        looks = (
            "one check of the path could" if len(unseen) == 1 else f"{len(unseen)} checks of the path could"
        )
        return f"Nothing broken was found, but {looks} not look."
    if waiting:
        return (
            "Nothing is broken now; one fault is waiting."
            if len(waiting) == 1
            else f"Nothing is broken now; {len(waiting)} faults are waiting."
        )
    if accepted:
        return "Nothing is wrong with what was looked at but what is accepted."
    return "Nothing is wrong with what was looked at."


def _headline_zh(broken: int, waiting: int, hidden: int, *, accepted: bool) -> str:
    if broken:
        return f"发现 {broken} 个故障原因，其余失败均由此引起。"
    if hidden:
        return f"未发现故障，但链路上有 {hidden} 项检查无法查看。"
    if waiting:
        return f"目前没有故障，但有 {waiting} 个隐患。"
    return "除已接受的问题外，已检查的内容均正常。" if accepted else "已检查的内容均正常。"
