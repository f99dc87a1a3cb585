"""Whether a clock may be believed: compared with what somebody else says the time is (facts.md §10, 34).

Certificates are judged by a clock, so a clock that is wrong or was compared with nothing must not make one
expire. An edge compares itself with cloudcore; the host that reads the API compares itself with the API server.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from kedoctor.api import Clock, Cluster, Reason, Text, Unavailable, detail_text, fact, patterns, require
from kedoctor.checks.facts.edge.edgecore_log import EdgecoreLog
from kedoctor.checks.facts.edge.sockets_and_probes import CloudCa

__all__ = [
    "BELIEVED_SECONDS",
    "ClockReading",
    "HostTime",
    "SiteClock",
    "TrustedClock",
    "Validity",
    "host_time",
    "site_clock",
    "trusted_clock",
]

BELIEVED_SECONDS = 300.0
"""A clock that is further off than this decides nothing about certificates."""

_FRESH = timedelta(hours=1)
_CLOUD_TIME = patterns.compiled(
    r"code: 401, message: .{0,400}current time (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ) is"
)
_API_SERVER, _ANSWER_401 = "the API server", "cloudcore's 401 answer in the edgecore log"
_REFERENCES = {_API_SERVER: "API 服务器", _ANSWER_401: "edgecore 日志中 cloudcore 的 401 应答"}
_BARE = patterns.compiled(r"[IWEF]\d{4} ")
_AGREES = 60.0


class Validity(StrEnum):
    """What a clock says of a span of time."""

    VALID = "valid"
    EXPIRED = "expired"
    NOT_YET = "not-yet"
    UNSURE = "unsure"


@dataclass(frozen=True, slots=True)
class ClockReading:
    """A clock and how far it is from another one.

    ``now`` is the clock's own time (aware UTC). ``skew_seconds`` is ``now`` minus the time of ``reference``
    (positive: this clock is ahead), ``None`` if nothing could be asked; ``detail`` then says why. Both are said of it in
    words, which :attr:`reference_text` and :attr:`detail_text` have in both languages.
    """

    now: datetime
    skew_seconds: float | None
    reference: str
    detail: str = ""

    @property
    def reference_text(self) -> Text:
        """What it was compared with, as it is called in a sentence."""
        return Text(self.reference, zh=_REFERENCES.get(self.reference, self.reference))

    @property
    def detail_text(self) -> Text:
        """Why it was compared with nothing."""
        return detail_text(self.detail)

    @property
    def checked(self) -> bool:
        """Whether it was compared with another clock at all."""
        return self.skew_seconds is not None

    @property
    def believed(self) -> bool:
        """Whether it was compared and agrees to within :data:`BELIEVED_SECONDS`."""
        return self.skew_seconds is not None and abs(self.skew_seconds) <= BELIEVED_SECONDS

    @property
    def reference_time(self) -> datetime:
        """The time as the other clock has it; this clock's own if there was none."""
        return self.now - timedelta(seconds=self.skew_seconds or 0.0)

    def validity(self, not_before: datetime, not_after: datetime) -> Validity:
        """Where now is in that span; ``UNSURE`` unless the clock is believed.

        A checked clock that is far off still decides when it and its reference agree about the span, and when by
        neither of them it is that time: then its reference says on which side now is.
        """
        if self.skew_seconds is None:
            return Validity.UNSURE
        own = _place(self.now, not_before, not_after)
        other = _place(self.reference_time, not_before, not_after)
        if self.believed or own == other:
            return own
        return Validity.UNSURE if Validity.VALID in (own, other) else other

    def own_validity(self, not_before: datetime, not_after: datetime) -> Validity:
        """Where now is by this clock alone, believed or not."""
        return _place(self.now, not_before, not_after)


def _place(now: datetime, not_before: datetime, not_after: datetime) -> Validity:
    if now < not_before:
        return Validity.NOT_YET
    return Validity.EXPIRED if now > not_after else Validity.VALID


@dataclass(frozen=True, slots=True)
class TrustedClock(ClockReading):
    """The clock of an edge host compared with cloudcore's."""


@dataclass(frozen=True, slots=True)
class SiteClock(ClockReading):
    """The clock of the host from which the API was read, compared with the API server's."""


@dataclass(frozen=True, slots=True)
class HostTime:
    """What time a host itself believes it is (aware UTC); good for comparing with its own timestamps only."""

    now: datetime


@fact
def host_time(clock: Clock) -> HostTime:
    """The clock of the host that is looked at (of the site: of the host from which the API was read)."""
    return HostTime(require(clock.now()).time)


@fact
def trusted_clock(
    clock: Clock, served: CloudCa | Unavailable, log: EdgecoreLog | Unavailable
) -> TrustedClock:
    """This host's clock against the ``Date`` of cloudcore's 10002, or against a time that cloudcore quoted.

    When cloudcore refuses an expired certificate it answers 401 and names its own time; the log line's time is
    that of this host (facts.md §5.5).
    """
    now = require(clock.now()).time
    if isinstance(served, CloudCa) and served.answer.date is not None:
        return TrustedClock(now, _seconds(now, served.answer.date), served.url)
    quoted = None if isinstance(log, Unavailable) else _quoted(log, now)
    if quoted is not None:
        return TrustedClock(now, quoted, _ANSWER_401)
    why = str(served) if isinstance(served, Unavailable) else f"{served.url} sent no Date"
    return TrustedClock(now, None, "", why)


@fact
def site_clock(clock: Clock, cluster: Cluster) -> SiteClock | Unavailable:
    """The clock beside the kubeconfig against the ``Date`` header of the API server's ``/version``."""
    now = require(clock.now()).time
    answer = cluster.get("/version")
    if isinstance(answer, Unavailable) and answer.reason is Reason.NOT_CONFIGURED:
        return answer  # there is no such host here
    if isinstance(answer, Unavailable):
        return SiteClock(now, None, "", str(answer))
    if answer.date is None:
        return SiteClock(now, None, "", "the API server sent no Date")
    return SiteClock(now, _seconds(now, answer.date), _API_SERVER)


def _seconds(now: datetime, reference: datetime) -> float:
    # A Date header is cut to whole seconds, so half of one is what it means on average.
    return round((now - reference).total_seconds() - 0.5, 1)


def _quoted(log: EdgecoreLog, now: datetime) -> float | None:
    for line in reversed(log.last_run):
        found = _CLOUD_TIME.search(line.raw)
        if found is None or line.time is None:
            continue
        if abs(now - line.time) > _FRESH:
            return None
        apart = (line.time - datetime.fromisoformat(found[1])).total_seconds()
        # klog writes local time without its zone; only agreement tells that it was meant as it is read here.
        zoned = not _BARE.match(line.raw)
        return apart if zoned or abs(apart) <= _AGREES else None
    return None
