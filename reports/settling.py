"""What is starting or being delivered, as sentences that say until when to wait."""

from __future__ import annotations

from kedoctor.api import Text
from kedoctor.api.report import Report, Verdict

__all__ = ["settling_groups", "settling_of"]

_UNTIL = Text(
    "{event}; {awaited} may take until {until:%H:%M:%S} UTC. Run kedoctor again then.",
    zh="{event}；{awaited}最迟需到 {until:%H:%M:%S} UTC。请届时再次运行 kedoctor。",
)


def settling_groups(report: Report, language: str) -> dict[str, list[Verdict]]:
    """What is coming up, as sentences, with the verdicts that it leaves open: the one that ends last comes first."""
    groups: dict[str, list[Verdict]] = {}
    settling = [one for one in report.verdicts if one.settling is not None]
    for one in sorted(settling, key=_until, reverse=True):
        groups.setdefault(settling_of(one, language), []).append(one)
    return groups


def settling_of(verdict: Verdict, language: str) -> str:
    """What has happened, what is awaited and until when; nothing for a verdict that is not settling."""
    told = verdict.settling
    if told is None:
        return ""
    if language == "zh":
        return _UNTIL.zh.format(event=told.event_zh, awaited=told.awaited_zh, until=told.until)
    return _UNTIL.en.format(event=told.event, awaited=told.awaited, until=told.until)


def _until(verdict: Verdict) -> float:
    return verdict.settling.until.timestamp() if verdict.settling else 0.0
