"""The join token: four parts, 24 hours, and a refresh that can die unnoticed (facts.md §4.1)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime

from kedoctor.api import (
    EveryHost,
    Evidence,
    Expiry,
    Finding,
    Reason,
    Risk,
    Side,
    Text,
    Unavailable,
    check,
    expiring,
    failed,
    passed,
    skipped,
    unknown,
    warned,
)
from kedoctor.checks.data_path import ALL_STREAMS
from kedoctor.checks.facts.cloud.cloudcore import CloudcoreWorkload
from kedoctor.checks.facts.cluster.secrets import KubeedgeSecrets
from kedoctor.checks.facts.edge.clock import SiteClock, Validity
from kedoctor.checks.facts.edge.edgecore import EdgeName
from kedoctor.checks.facts.edge.edgecore_log import EdgecoreLog, quoted
from kedoctor.checks.parsers.durations import day, span
from kedoctor.checks.parsers.join_token import JoinToken, TokenError, read_token
from kedoctor.checks.parsers.logs.edgecore_exit_reasons import ExitMeaning, exit_meaning
from kedoctor.checks.parsers.logs.klog import LogLine
from kedoctor.checks.parsers.releases import Trait, has, parse

__all__ = ["join_token"]

_NOT_ASKED = Unavailable(Reason.NOT_RECORDED, "not asked")
_OBJECT = "secret/kubeedge/tokensecret"
_BEGINNING = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
_REFRESH = Text(
    "Restart cloudcore: it makes a new token at once and refreshes it again every 12 hours.",
    zh="重启 cloudcore：它会立即生成新令牌，并恢复每 12 小时的刷新。",
)
_RESTART = (
    "kubectl -n kubeedge logs deployment/cloudcore | grep -i 'token'",
    "kubectl -n kubeedge delete pod -l kubeedge=cloudcore   # all edges reconnect, the tunnel port changes",
    "keadm gettoken",
)


@check(
    code="KE409",
    slug="join-token",
    title=Text("The join token can be used", zh="加入令牌可用"),
    side=Side.SITE,
    breaks=("install",),
    hop="certificates",
    remedy=_REFRESH,
    risk=Risk.RESTARTS_CLOUDCORE,
    references=(
        "facts.md §4.1",
        "facts.md §4.3",
        "facts.md §10 (33)",
        "testbed.md case k",
        "KubeEdge: pkg/security/token/token.go",
        "versions.md §4",
    ),
)
def join_token(
    secrets: KubeedgeSecrets | Unavailable,
    clock: SiteClock | Unavailable,
    logs: EveryHost[EdgecoreLog],
    names: EveryHost[EdgeName],
    *,
    workload: CloudcoreWorkload | Unavailable = _NOT_ASKED,
) -> Iterator[Finding]:
    """The token in Secret tokensecret, and every edge in view whose edgecore ended because of its token.

    A bad token in the Secret is a warning: edges that have joined go on without it.
    """
    tag = "" if isinstance(workload, Unavailable) else workload.tag
    yield _secret(secrets, clock, tag)
    for host, log in logs.known().items():
        last = log.ended_with()
        meaning = None if last is None else exit_meaning(last.raw)
        if last is not None and meaning is not None and meaning.code == "KE409":
            name = names.items.get(host)
            yield _refused(name.name if isinstance(name, EdgeName) else host, last, meaning)


def _secret(secrets: KubeedgeSecrets | Unavailable, clock: SiteClock | Unavailable, tag: str) -> Finding:
    text = secrets if isinstance(secrets, Unavailable) else secrets.token
    if isinstance(text, Unavailable) and text.reason is Reason.NOT_CONFIGURED:
        return skipped(
            Text(
                f"The join token is in a Secret, and there is no API server to ask: {text}.",
                zh=f"加入令牌保存在 Secret 中，而此处没有可访问的 API 服务器：{text.in_chinese}。",
            ),
            subject=_OBJECT,
        )
    if isinstance(text, Unavailable):
        return unknown(
            Text(
                f"The join token was not read: {text}.",
                zh=f"未能读取加入令牌：{text.in_chinese}。",
            ),
            subject=_OBJECT,
        )
    try:
        token = read_token(text)
    except TokenError as error:
        if error.reason.startswith("redacted"):
            return unknown(
                Text("The join token is redacted as a whole.", zh="加入令牌已整体脱敏。"), subject=_OBJECT
            )
        return _malformed(error.reason)
    ends = token.expires
    expiry = () if ends is None else (Expiry(item=_OBJECT, begins=token.issued, ends=ends, kind="token"),)
    return expiring(_of_this_ca(token, secrets, clock, tag), *expiry)


def _of_this_ca(
    token: JoinToken, secrets: KubeedgeSecrets | Unavailable, clock: SiteClock | Unavailable, tag: str
) -> Finding:
    ca = secrets if isinstance(secrets, Unavailable) else secrets.ca
    if isinstance(ca, bytes) and hashlib.sha256(ca).hexdigest() != token.ca_sha256:
        return _other_ca(token, hashlib.sha256(ca).hexdigest())
    return _dates(token, clock, tag)


def _malformed(reason: str) -> Finding:
    return warned(
        Text(
            f"The token in Secret tokensecret is not a join token: {reason}.",
            zh=f"Secret tokensecret 中的内容不是有效的加入令牌：{reason}。",
        ),
        expected=Text(
            "<sha256 of the CA>.<header>.<payload>.<signature>", zh="<CA 的 sha256>.<头>.<载荷>.<签名>"
        ),
        actual=reason,
        hint=_REFRESH,
        subject=_OBJECT,
        commands=_RESTART,
    )


def _other_ca(token: JoinToken, actual_ca: str) -> Finding:
    return warned(
        Text(
            f"The join token was made for the CA {token.ca_sha256[:16]}…, but casecret holds {actual_ca[:16]}…: no edge can join with it.",
            zh=f"加入令牌对应的 CA 为 {token.ca_sha256[:16]}…，而 casecret 中是 {actual_ca[:16]}…：任何边缘节点都无法用它加入。",
        ),
        expected=Text(f"first part {actual_ca}", zh=f"第一段为 {actual_ca}"),
        actual=token.ca_sha256,
        hint=_REFRESH,
        subject=_OBJECT,
        commands=_RESTART,
    )


def _dates(token: JoinToken, clock: SiteClock | Unavailable, tag: str) -> Finding:
    if token.expires is None:
        return unknown(
            Text("The join token has no expiry date.", zh="加入令牌没有到期时间。"), subject=_OBJECT
        )
    evidence = (Evidence(f"{_OBJECT}, key tokendata", f"exp {day(token.expires)}"),)
    state = Validity.UNSURE if isinstance(clock, Unavailable) else clock.validity(_BEGINNING, token.expires)
    if isinstance(clock, Unavailable) or state is Validity.UNSURE:
        why = _why_unsure(clock)
        return unknown(
            Text(
                f"The join token expires on {day(token.expires)}; whether that is past is unknown: {why.en}.",
                zh=f"加入令牌于 {day(token.expires)} 到期；无法判断是否已过期：{why.zh}。",
            ),
            subject=_OBJECT,
            evidence=evidence,
        )
    unsaved = has(parse(tag), Trait.TOKEN_NOT_SAVED)
    if state is Validity.VALID and unsaved:
        return _never_saved(token.expires, tag, evidence, over=False)
    if state is Validity.VALID:
        return passed(
            Text(
                f"The join token is valid until {day(token.expires)}.",
                zh=f"加入令牌有效期至 {day(token.expires)}。",
            ),
            subject=_OBJECT,
            evidence=evidence,
        )
    age = span(clock.now - token.expires)
    compared = (*evidence, Evidence("date -u", f"{day(clock.now)} (compared with {clock.reference})"))
    if unsaved:
        return _never_saved(token.expires, tag, compared, over=True)
    return warned(
        Text(
            f"The join token expired on {day(token.expires)} ({age.en} ago): cloudcore has stopped refreshing it, so no edge can join or get a new certificate. Joined edges go on.",
            zh=f"加入令牌已于 {day(token.expires)} 过期（{age.zh}前）：cloudcore 已停止刷新令牌，边缘节点无法加入或重新获取证书。已加入的边缘节点不受影响。",
        ),
        expected=Text("a token that is refreshed every 12 hours", zh="每 12 小时刷新一次的令牌"),
        actual=f"exp {day(token.expires)}",
        hint=_REFRESH,
        subject=_OBJECT,
        evidence=compared,
        commands=_RESTART,
    )


def _why_unsure(clock: SiteClock | Unavailable) -> Text:
    if isinstance(clock, Unavailable):
        return Text(str(clock), zh=clock.in_chinese)
    return (
        clock.detail_text
        if clock.detail
        else Text("this clock is off (KE410)", zh="本机时钟不准（见 KE410）")
    )


def _never_saved(end: datetime, tag: str, evidence: tuple[Evidence, ...], *, over: bool) -> Finding:
    ends, ends_zh = (
        (f"expired on {day(end)}", f"已于 {day(end)} 过期")
        if over
        else (f"ends on {day(end)}", f"将于 {day(end)} 过期")
    )
    return warned(
        Text(
            f"The join token {ends}: cloudcore {tag} never saves the token that it refreshes, so 24 "
            "hours after each start no edge can join. Joined edges go on.",
            zh=f"加入令牌{ends_zh}：cloudcore {tag} 从不保存刷新后的令牌，每次启动 24 小时后边缘节点便无法加入。"
            "已加入的边缘节点不受影响。",
        ),
        expected=Text(
            "v1.18.2, v1.19.1 or later, which save it", zh="v1.18.2、v1.19.1 或更高版本，会保存令牌"
        ),
        actual=f"exp {day(end)}, cloudcore {tag}",
        hint=Text(
            "Upgrade KubeEdge; until then restart cloudcore less than 24 hours before an edge joins.",
            zh="请升级 KubeEdge；在此之前，请在边缘节点加入前 24 小时内重启 cloudcore。",
        ),
        subject=_OBJECT,
        evidence=evidence,
        commands=_RESTART,
        hop=None if over else "",
    )


def _refused(node: str, last: LogLine, meaning: ExitMeaning) -> Finding:
    return failed(
        Text(f"{node} cannot join: {meaning.text.en}.", zh=f"{node} 无法加入：{meaning.text.zh}。"),
        expected=Text(
            "a token that this cloudcore made less than 24 hours ago",
            zh="该 cloudcore 在 24 小时内签发的令牌",
        ),
        actual=quoted(last),
        hint=Text(
            "Put a fresh token into modules.edgeHub.token and restart edgecore.",
            zh="在 modules.edgeHub.token 中写入新令牌并重启 edgecore。",
        ),
        subject=node,
        node=node,
        evidence=(Evidence("journalctl -u edgecore", quoted(last)),),
        commands=(
            "keadm gettoken                       # on the cloud",
            "sudo vi /etc/kubeedge/config/edgecore.yaml   # modules.edgeHub.token: <that token>",
            "sudo rm -f /etc/kubeedge/bootstrap-edgecore.conf   # it wins over the file",
            "sudo systemctl restart edgecore",
        ),
        breaks=(*ALL_STREAMS, "ready", "install"),
    )
