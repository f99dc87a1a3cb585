"""Clocks: certificates and tokens are judged by them, so they are judged first (facts.md §10, 34)."""

from __future__ import annotations

from collections.abc import Iterator

from kedoctor.api import (
    EveryHost,
    Evidence,
    Finding,
    Reason,
    Side,
    Text,
    Unavailable,
    check,
    failed,
    passed,
    skipped,
    unknown,
    warned,
)
from kedoctor.checks.facts.edge.certificates import EdgeCertificates
from kedoctor.checks.facts.edge.clock import ClockReading, SiteClock, TrustedClock
from kedoctor.checks.facts.edge.edgecore import EdgecoreConfig
from kedoctor.checks.parsers.durations import day

__all__ = ["clock_skew"]

_WARN_SECONDS = 60.0
_FAIL_SECONDS = 300.0
_SET = Text(
    "Set the clock that is wrong and let it follow a time server that both sides can reach.",
    zh="校正错误的时钟，并让其与两端都能访问的时间服务器同步。",
)


@check(
    code="KE410",
    slug="clock-skew",
    title=Text("Clocks of cloud and edges agree", zh="云端与边缘节点时钟一致"),
    side=Side.SITE,
    breaks=(),
    hop="certificates",
    remedy=_SET,
    references=("facts.md §4.3", "facts.md §10 (34)"),
)
def clock_skew(
    clocks: EveryHost[TrustedClock],
    configs: EveryHost[EdgecoreConfig],
    certificates: EveryHost[EdgeCertificates],
    api: SiteClock | Unavailable,
) -> Iterator[Finding]:
    """Each edge in view against cloudcore's time, and the host that reads the API against the API server's."""
    for host, config in configs.known().items():
        clock = clocks.items.get(host)
        if clock is None or isinstance(clock, Unavailable):
            yield _not_read(config.node_name, clock)
            continue
        files = certificates.items.get(host)
        root = files.root_ca.certificate if isinstance(files, EdgeCertificates) else None
        before_ca = root is not None and clock.now < root.not_before
        commands = ("date -u", f"curl -ksI https://{config.http_server}/ca.crt | grep -i ^date")
        yield _judge(clock, config.node_name, commands, breaks=("ready",) if before_ca else ())
    if isinstance(api, Unavailable):
        yield _no_api(api) if api.reason is Reason.NOT_CONFIGURED else _not_read("", api)
    else:
        commands = ("date -u", "kubectl get --raw /version -v=8 2>&1 | grep -i 'date:'")
        yield _judge(api, "", commands, breaks=())


_READER = Text("the host that reads the API", zh="读取 API 的主机")


def _subject(node: str) -> str:
    return node or _READER.en


def _who(node: str) -> Text:
    return Text(node, zh=node) if node else _READER


def _no_api(api: Unavailable) -> Finding:
    return skipped(
        Text(
            f"There is no API server to compare a clock with: {api}.",
            zh=f"没有可用于对照时钟的 API 服务器：{api.in_chinese}。",
        ),
        subject=_subject(""),
    )


def _not_read(node: str, clock: Unavailable | None) -> Finding:
    who = _who(node)
    why, why_zh = ("", "") if clock is None else (f": {clock}", f"：{clock.in_chinese}")
    return unknown(
        Text(f"The clock of {who.en} was not read{why}.", zh=f"未能读取 {who.zh} 的时钟{why_zh}。"),
        subject=_subject(node),
        node=node,
    )


def _judge(clock: ClockReading, node: str, commands: tuple[str, ...], *, breaks: tuple[str, ...]) -> Finding:
    subject, who, reference = _subject(node), _who(node), clock.reference_text
    if clock.skew_seconds is None:
        return unknown(
            Text(
                f"The clock of {who.en} says {day(clock.now)}; there was nothing to compare it with: {clock.detail_text.en}.",
                zh=f"{who.zh} 的时钟为 {day(clock.now)}；没有可对照的时间：{clock.detail_text.zh}。",
            ),
            subject=subject,
            node=node,
            commands=commands,
        )
    off = abs(clock.skew_seconds)
    if off <= _WARN_SECONDS:
        return passed(
            Text(
                f"The clock of {who.en} agrees with {reference.en}.",
                zh=f"{who.zh} 的时钟与 {reference.zh} 一致。",
            ),
            subject=subject,
            node=node,
        )
    ahead = clock.skew_seconds > 0
    tell = failed if off > _FAIL_SECONDS else warned
    tail_en = " Certificates cannot be judged with it." if off > _FAIL_SECONDS else ""
    tail_zh = "以此无法判断证书有效期。" if off > _FAIL_SECONDS else ""
    return tell(
        Text(
            f"The clock of {who.en} is {off:.0f} s {'ahead of' if ahead else 'behind'} {reference.en}.{tail_en}",
            zh=f"{who.zh} 的时钟比 {reference.zh} {'快' if ahead else '慢'} {off:.0f} 秒。{tail_zh}",
        ),
        expected=Text("at most 60 s apart", zh="相差不超过 60 秒"),
        actual=Text(
            f"{day(clock.now)}, {off:.0f} s {'ahead' if ahead else 'behind'}",
            zh=f"{day(clock.now)}，{'快' if ahead else '慢'} {off:.0f} 秒",
        ),
        hint=_SET,
        subject=subject,
        node=node,
        evidence=(Evidence("date -u", day(clock.now)),),
        commands=(*commands, "sudo timedatectl set-ntp true", "timedatectl status"),
        breaks=breaks,
    )
