"""One check on one host (or on the site): from its declaration to verdicts, whatever happens inside."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from kedoctor import patterns
from kedoctor.base.code_places import at, place_of
from kedoctor.base.records import replace
from kedoctor.base.text import Text
from kedoctor.judge.fact_evaluation import Context, FactCrashError
from kedoctor.judge.registry import Refusal, RegisteredCheck
from kedoctor.model.declarations import Check, FactUnavailableError, Side
from kedoctor.model.details import detail_text
from kedoctor.model.findings import Certainty, Expiry, Finding, Status
from kedoctor.model.observations.request import REASONS, Unavailable
from kedoctor.model.reasons import NEXT_STEPS, observation
from kedoctor.model.report import Fix, Hint, Translation, Verdict

__all__ = [
    "blocked",
    "crashed",
    "judge",
    "not_known",
    "not_run",
    "not_seen",
    "out_of_time",
    "out_of_view",
    "refused",
    "verdict",
    "what_it_says",
]

FOLD_OVER = 50
"""So many edges are listed one by one; more that say the same are folded."""


def judge(
    node: RegisteredCheck,
    context: Context,
    revise: Callable[[Verdict], Verdict] | None = None,
    begins: Callable[[], None] = lambda: None,
) -> list[Verdict]:
    """The verdicts of a check, each as ``revise`` lets it stand; never raises and never comes back empty.

    ``begins`` is called when its facts are there and the check itself begins.
    """
    started = time.monotonic()
    check = node.check
    folding = _Folding(check, context.name, revise)
    try:
        arguments = context.arguments(node.parameters)
        begins()
        for finding in _findings(check.judge(**arguments)):
            folding.add(finding)
    except FactUnavailableError as missing:
        folding.clear()
        folding.add(not_known(missing.unavailable))
    except FactCrashError as crash:
        return [crashed(check, context.name, str(crash))]
    except BaseException as error:  # noqa: BLE001  a check may break in any way, also by sys.exit(); the run goes on
        return [crashed(check, context.name, f"{type(error).__name__}: {error}{at(error)}")]
    took = round((time.monotonic() - started) * 1000)
    return [replace(one, took_ms=took) for one in folding.verdicts()]


@dataclass(slots=True)
class _Alike:
    """Findings that say the same: the verdicts of the first, the edges of all, and what of them expires."""

    verdicts: list[Verdict] = field(default_factory=list)
    nodes: list[str] = field(default_factory=list)
    expiries: list[Expiry] = field(default_factory=list)

    def add(self, finding: Finding) -> None:
        self.nodes.append(finding.node)
        self.expiries.extend(finding.expiries)


class _Folding:
    """The verdicts of a check, made while it says its findings.

    Findings that say the same of more edges than anybody reads become one verdict that lists them; of a site with 100,000
    edges that are in order no more than :data:`FOLD_OVER` verdicts are ever made.
    """

    def __init__(self, check: Check, host: str, revise: Callable[[Verdict], Verdict] | None) -> None:
        self._check = check
        self._host = host
        self._revise = revise
        self._alike: dict[object, _Alike] = {}

    def clear(self) -> None:
        """Forgets what was said so far."""
        self._alike.clear()

    def add(self, finding: Finding) -> None:
        """Takes one more finding."""
        made: Verdict | None = None
        accepted = None
        if (
            self._revise is not None
        ):  # before they are folded: of many edges that look alike, some may be accepted
            made = self._revise(self._verdict(finding))
            accepted = made.accepted
        key = (self._said(finding), accepted) if finding.node else len(self._alike)
        group = self._alike.setdefault(key, _Alike())
        group.add(finding)
        if len(group.verdicts) < FOLD_OVER:
            group.verdicts.append(made or self._verdict(finding))

    def verdicts(self) -> list[Verdict]:
        """One a finding, or one for many edges of which the same was said, in the order in which they were said."""
        folded: list[Verdict] = []
        for group in self._alike.values():
            folded.extend([_fold(group)] if len(group.nodes) > FOLD_OVER else group.verdicts)
        return folded

    def _verdict(self, finding: Finding) -> Verdict:
        return verdict(self._check, finding, host=self._host)

    def _said(self, finding: Finding) -> tuple[object, ...]:
        """What is the same in two findings that say the same of two edges."""
        return (
            _without_names(str(finding.actual), finding.subject or self._host, finding.node),
            finding.status,
            self._check.hop if finding.hop is None else finding.hop,
            self._check.breaks if finding.breaks is None else finding.breaks,
            finding.certainty,
            finding.root,
            finding.proves,
        )


_VALUE = patterns.compiled(r"\b[a-f]{0,64}\d[\w.:-]*", patterns.IGNORECASE)


def what_it_says(verdict: Verdict) -> str:
    """What was found, without the names, addresses and numbers that differ from edge to edge."""
    return _without_names(verdict.actual, verdict.subject, verdict.node)


def _without_names(told: str, *names: str) -> str:
    if not told:
        return ""
    for name in names:
        told = told.replace(name, "*") if name else told
    return _VALUE.sub("#", told)


def _fold(group: _Alike) -> Verdict:
    first, more = group.verdicts[0], len(group.nodes) - 1
    return replace(
        first,
        node="",
        nodes=tuple(sorted(group.nodes)),
        subject=f"{first.subject} and {more} more",
        expiries=tuple(sorted(group.expiries, key=lambda one: one.ends)[:FOLD_OVER]),
        summary=f"{first.summary} The same holds for {more} more edges.",
        zh=replace(first.zh, summary=f"{first.zh.summary}另有 {more} 个边缘节点情况相同。"),
    )


def _findings(answer: object) -> Iterator[Finding]:
    """What a check said, one by one; never nothing."""
    if isinstance(answer, Finding):
        yield answer
        return
    if not isinstance(answer, Iterable) or isinstance(answer, (str, bytes, dict)):
        raise TypeError(f"gave {type(answer).__name__} instead of findings")
    empty = True
    for finding in answer:
        if not isinstance(finding, Finding):
            raise TypeError(f"gave {type(finding).__name__} among its findings")
        empty = False
        yield finding
    if empty:
        nothing = Text("Nothing here that this check applies to.", zh="此处没有该检查适用的对象。")
        yield Finding(status=Status.SKIP, summary=nothing)


def not_known(missing: Unavailable) -> Finding:
    """What is said where something that is needed was not read: what, why, and the next step."""
    reason, read = REASONS[missing.reason], observation(missing)
    step = NEXT_STEPS.get(missing.reason, Text("", zh=""))
    summary = Text(
        f"Not checked: cannot {read.en} ({reason.en}). {step.en}".rstrip(),
        zh=f"因信息不足无法判断：无法{read.zh}（{reason.zh}）。{step.zh}",
    )
    said = missing.detail in reason.en
    return Finding(
        status=Status.UNKNOWN,
        summary=summary,
        actual="" if said else detail_text(missing.detail),
        reason=missing.reason.value,
    )


def verdict(check: Check, finding: Finding, *, host: str = "", took_ms: int = 0) -> Verdict:
    """A finding together with what its check declares."""
    breaks = check.breaks if finding.breaks is None else finding.breaks
    expected, hint = finding.expected or Text("", zh=""), finding.hint or Text("", zh="")
    remedy = check.remedy or Text("", zh="")
    return Verdict(
        code=check.code,
        slug=check.slug,
        title=check.title.en,
        status=finding.status,
        subject=finding.subject or host or "site",
        node=finding.node,
        host=host,
        side=check.side.value,
        hop=check.hop if finding.hop is None else finding.hop,
        capabilities=breaks,
        certainty=finding.certainty,
        summary=finding.summary.en,
        expected=expected.en,
        actual=str(finding.actual),
        reason=finding.reason,
        evidence=finding.evidence,
        hint=Hint(hint.en, finding.commands),
        fix=Fix(available=False, risk=check.risk.value if check.risk else "", remedy=remedy.en),
        root=finding.root,
        took_ms=took_ms,
        proves=finding.proves,
        source=place_of(check.judge),
        expiries=finding.expiries,
        zh=Translation(
            title=check.title.zh,
            summary=finding.summary.zh,
            expected=expected.zh,
            actual=_seen_in_chinese(finding.actual),
            hint=hint.zh,
            remedy=remedy.zh,
        ),
    )


def _seen_in_chinese(actual: str | Text) -> str:
    """What was seen, if there is Chinese for it; empty for what a program said, which stays as it is."""
    if isinstance(actual, Text):
        return actual.zh
    told = detail_text(actual).zh
    return "" if told == actual else told


def _simple(check: Check, host: str, status: Status, summary: Text) -> Verdict:
    return verdict(check, Finding(status=status, summary=summary, certainty=Certainty.IMPLIED), host=host)


def crashed(check: Check, host: str, reason: str) -> Verdict:
    """The check itself broke."""
    text = Text(
        f"The check crashed ({reason}); this says nothing about the site.",
        zh=f"检查程序自身出错（{reason}），与站点状态无关。",
    )
    return _simple(check, host, Status.CRASHED, text)


def out_of_time(check: Check, host: str, seconds: float) -> Verdict:
    """The check did not come back."""
    text = Text(
        f"The check did not finish within {seconds:g} s and was abandoned; this says nothing about the site.",
        zh=f"检查在 {seconds:g} 秒内未完成，已放弃；与站点状态无关。",
    )
    return _simple(check, host, Status.CRASHED, text)


def not_run(check: Check, host: str, lacking: Sequence[str] = ()) -> Verdict:
    """The run ended before this check could judge; ``lacking`` names the facts that it still waited for."""
    if not lacking:
        text = Text("The run ended before this check ran.", zh="运行提前结束，未能检查此项。")
    else:
        names = ", ".join(lacking)
        text = Text(
            f"The run ended before this check could judge: {names} had not been read to the end.",
            zh=f"运行提前结束，未能判断：{names} 尚未读完。",
        )
    return _simple(check, host, Status.UNKNOWN, text)


def blocked(check: Check, host: str, by: Verdict) -> Verdict:
    """A check it builds on failed."""
    text = Text(
        f"Not judged because {by.code} failed: {by.summary}",
        zh=f"未判断，因为 {by.code} 未通过：{by.zh.summary}",
    )
    return _simple(check, host, Status.BLOCKED, text)


_VIEWS = {
    Side.SITE: Text(
        "Not checked: an edge host has no kubeconfig. Run kedoctor on the cloud host, or use --kubeconfig FILE.",
        zh="未检查：边缘节点主机上没有 kubeconfig。请在云端主机上运行 kedoctor，或使用 --kubeconfig FILE。",
    ),
    Side.CLOUD: Text(
        "Not checked: no cloud (API-server) host is in view. Run kedoctor on one, or use its evidence: --evidence FILE.",
        zh="未检查：当前看不到云端（API 服务器）主机。请在其上运行 kedoctor，或用 --evidence FILE 提供其证据包。",
    ),
    Side.HOST: Text(
        "Not checked: no host is in view. Run kedoctor on one, or use its evidence: --evidence FILE.",
        zh="未检查：当前看不到任何主机。请在主机上运行 kedoctor，或用 --evidence FILE 提供其证据包。",
    ),
    Side.EDGE: Text(
        "Not checked: no edge host is in view. Run kedoctor on one, or use its evidence: --evidence FILE.",
        zh="未检查：当前看不到边缘主机。请在其上运行 kedoctor，或用 --evidence FILE 提供其证据包。",
    ),
}


def not_seen(check: Check) -> Verdict:
    """Nothing of the side it looks at is in view."""
    return _simple(check, "", Status.SKIP, _VIEWS[check.side])


def with_host(verdict: Verdict) -> Verdict:
    """The verdict of a cloud host with the name of that host, for "this host" says little where several are in view."""
    if verdict.side != Side.CLOUD.value or not verdict.host:
        return verdict
    told = replace(verdict.zh, summary=f"{verdict.host}：{verdict.zh.summary}")
    return replace(verdict, summary=f"{verdict.host}: {verdict.summary}", zh=told)


def out_of_view(verdict: Verdict) -> Verdict:
    """What a check of the site does not know where no cluster can be asked, as not looked at; else the verdict."""
    if verdict.status is not Status.UNKNOWN or verdict.side != Side.SITE.value or verdict.node:
        return verdict
    text = _VIEWS[Side.SITE]
    told = replace(verdict.zh, summary=text.zh, hint="")
    return replace(verdict, status=Status.SKIP, summary=text.en, actual="", hint=Hint(), zh=told)


def refused(refusal: Refusal) -> Verdict:
    """A declaration or plugin that was not accepted, as a visible result."""
    text = Text(
        f"{refusal.what} of the plugin {refusal.plugin} was not accepted: {refusal.reason}.",
        zh=f"插件 {refusal.plugin} 的 {refusal.what} 未被接受：{refusal.reason}。",
    )
    return Verdict(
        code="PLUGIN",
        slug="plugin-refused",
        title="Plugins are accepted",
        status=Status.CRASHED,
        subject=refusal.what,
        node="",
        host="",
        side="site",
        hop="",
        capabilities=(),
        certainty=Certainty.PROVED,
        summary=text.en,
        fix=Fix(available=False),
        zh=Translation(title="插件可用", summary=text.zh),
    )
