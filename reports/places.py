"""On which host a command is typed: derived from the command and from where its verdict was judged."""

from __future__ import annotations

from itertools import groupby

from kedoctor.api import Side, Text, patterns
from kedoctor.api.report import Cause, Report, Verdict

__all__ = ["commands_by_place", "place_of_fix"]

_HERE = patterns.compiled(r"(?<!\s)\s++# on (?P<place>[^#]{1,200}?)(?:, once .{0,400})?\s{0,80}\Z")
"""A place that the author of a check wrote behind the command."""
_CLUSTER = patterns.compiled(r"(?:kubectl|kedoctor (?:rbac|gate|run))\b")
_ON_EDGE = patterns.compiled(r"\b(?:edgecore|edged)\b")

_ON = Text("on {host}", zh="在 {host} 上")
_KUBECTL = Text("where kubectl works", zh="在可用 kubectl 处")
_API_HOST = Text("on the API server's host", zh="在 API 服务器主机上")
_EACH = Text("on each of these edges", zh="在上述每个边缘节点上")
_WRITTEN = {
    "the cloud host": Text("the cloud host", zh="云端主机"),
    "cloudcore's host": Text("cloudcore's host", zh="cloudcore 所在主机"),
    "an edge": Text("an edge", zh="边缘节点"),
    "an edge host": Text("an edge host", zh="边缘节点主机"),
    "a K3s host": Text("a K3s host", zh="K3s 主机"),
}


def commands_by_place(report: Report, cause: Cause, language: str) -> list[tuple[str, list[str]]]:
    """The commands of a cause, each run of them with the place where it is typed, such as ``on edge1``."""
    verdict = _verdict_of(report, cause)
    placed = [_placed(one, verdict, language) for one in cause.commands]
    return [
        (place, [command for _, command in group]) for place, group in groupby(placed, lambda one: one[0])
    ]


def place_of_fix(verdict: Verdict, language: str) -> str:
    """Where ``kedoctor run --fix`` repairs it."""
    return _of_verdict(verdict, language) or _KUBECTL.in_language(language)


def _placed(command: str, verdict: Verdict | None, language: str) -> tuple[str, str]:
    written = _HERE.search(command)
    if written:
        host = _WRITTEN.get(written["place"])
        name = host.in_language(language) if host else written["place"]
        return _ON.in_language(language).format(host=name), command[: written.start()]
    if command.startswith("kubectl") or verdict is None:
        return _KUBECTL.in_language(language), command
    place = _of_verdict(verdict, language)
    if place:
        return place, command
    if _ON_EDGE.search(command):
        return _edges(verdict, language), command
    return (_KUBECTL if _CLUSTER.match(command) else _API_HOST).in_language(language), command


def _of_verdict(verdict: Verdict, language: str) -> str:
    """The host on which it was judged; where many of them say the same, each of them."""
    if verdict.side == Side.EDGE.value and verdict.nodes:
        return _EACH.in_language(language)
    return _ON.in_language(language).format(host=verdict.host) if verdict.host else ""


def _edges(verdict: Verdict, language: str) -> str:
    if verdict.node:
        return _ON.in_language(language).format(host=verdict.node)
    return (_EACH if verdict.nodes else _API_HOST).in_language(language)


def _verdict_of(report: Report, cause: Cause) -> Verdict | None:
    mine = (one for one in report.verdicts if one.code == cause.code and one.status is cause.status)
    return next((one for one in mine if one.summary == cause.summary), None)
