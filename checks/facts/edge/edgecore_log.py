"""What edgecore said: its journal, cut into runs of the process, and the few lines that everybody asks for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from kedoctor.api import Clock, Host, Reason, Unavailable, fact, patterns, require
from kedoctor.checks.parsers.logs.edgecore_exit_reasons import ExitMeaning, exit_meaning, not_started
from kedoctor.checks.parsers.logs.klog import LogLine, parse_lines

__all__ = ["EdgecoreLog", "edgecore_log", "quoted", "read_log"]

_OLD_FILE = "/var/log/kubeedge/edgecore.log"
_TUNNEL_START = "Start a new tunnel stream connection"
_TUNNEL_ERROR = patterns.compiled(r"^dial wss://\S+/v1/kubeedge/connect error |^TLSClientConnect error ")
_HUB_ERROR = patterns.compiled(r"^dial websocket error|^Init websocket connection failed")
# After these lines of severity E edgecore exits (facts.md §3.6, §5.5, §11.2).
_EXITS = (
    "Failed to listen and serve",
    "Failed to start ContainerManager",
    "Failed to start cAdvisor",
    "Kubelet failed to get node info",
    "init new edged error",
    "Launch internal mqtt broker failed",
)
# The one thing that edgecore says by Go's own log before it exits, without a severity (from v1.23 on, versions.md §5).
_PRINTED = "Failed to connect to DB:"
_DIAL = timedelta(seconds=45)  # longer than handshakeTimeout lets a dial take (facts.md §2.2)
_REDIAL = timedelta(seconds=5)
_LATELY = timedelta(minutes=15)
_SHORT, _RECENT = timedelta(seconds=60), timedelta(minutes=10)
_HUB_BROKE = patterns.compiled(
    r"ws\.go:\d+\] failed to read message|connection is broken, will reconnect after"
)
_HUB_GOOD = "Websocket connect to cloud access successful"
# What edged gets when nothing comes back through the hub (facts.md §11.3).
_UNANSWERED = patterns.compiled(
    r"(?:update|query|create) lease failed, err: timeout to get response for message"
    r"|(?:send sync message|process remote failed, req\[msgID\[\S{0,80}\] resource\[)\s?kube-node-lease/lease/\S{1,253}"
    r" (?:failed, error|err): ?timeout to get response"
)
_OVERFLOW = patterns.compiled(r"too many message received, fifo overflow")
_BOOT = patterns.compiled(r"-- (?:Boot [0-9a-f]{32}|Reboot) --")  # how journalctl parts two boots
_TOKEN = patterns.compiled(r"(token )\S+( credentials)")


def quoted(line: LogLine) -> str:
    """A line as it may be shown: at most 400 characters, without the token that edgecore prints when it is malformed."""
    return _TOKEN.sub(r"\1…\2", line.raw.strip())[:400]


@dataclass(frozen=True, slots=True)
class EdgecoreLog:
    """The journal of edgecore, oldest line first.

    ``last_run`` is what the last process said and what systemd said of it, ``read`` when the log was read.
    """

    lines: tuple[LogLine, ...]
    last_run: tuple[LogLine, ...]
    read: datetime

    def newest(self, words: str) -> LogLine | None:
        """The last line of the last run that holds ``words``."""
        return next((line for line in reversed(self.last_run) if words in line.raw), None)

    def lately(self, wrong: patterns.Pattern[str], within: timedelta = _LATELY) -> LogLine | None:
        """The newest line of the last run that matches, not older than ``within`` when the log was read.

        The last lines of a run that has ended are its reasons, however long that is ago.
        """
        ended = self.ended_with() is not None
        for line in reversed(self.last_run):
            if not ended and line.time is not None and self.read - line.time > within:
                return None
            if wrong.search(line.raw):
                return line
        return None

    def module_registered(self, module: str) -> bool | None:
        """Whether the last run switched a module on; ``None`` if its start is not in the log."""
        line = self.newest(f"Module {module} ")
        return None if line is None else "registered successfully" in line.raw

    def module_line(self, module: str) -> str:
        """The line that says so, or nothing."""
        line = self.newest(f"Module {module} ")
        return "" if line is None else quoted(line)

    def ended_with(self) -> LogLine | None:
        """The line the last run died with (a panic, an F line, or edged's own exit); ``None`` if it goes on."""
        return _fatal(self.last_run)

    def not_started(self) -> LogLine | None:
        """The line in which systemd or the loader says why the program could not be run, unless it has spoken since."""
        limit = None
        for line in reversed(self.last_run):
            if line.kind == "klog":
                break
            found = not_started(line.raw)
            if found is not None and not found.only_limit:
                return line
            limit = limit or (line if found is not None else None)
        return limit if self.ended_with() is None else None

    def last_words(self) -> tuple[LogLine | None, ExitMeaning | None]:
        """The line that says why it does not run, by systemd or by its last run that died, and what it means."""
        refused = self.not_started()
        why = None if refused is None else not_started(refused.raw)
        if why is not None:
            return refused, ExitMeaning(why.text, "" if why.only_limit else "KE715")
        last = self.ended_with() or self.last_fatal()
        return last, None if last is None else exit_meaning(last.raw)

    def last_fatal(self) -> LogLine | None:
        """The newest such line of all runs in the log."""
        return _fatal(self.lines)

    def earlier_crashes(self) -> Iterator[LogLine]:
        """What runs before the last one said when they crashed: the line of the panic and the frames below it."""
        crashing = False
        for line in self.lines[: len(self.lines) - len(self.last_run)]:
            crashing = line.kind == "panic" or (crashing and line.kind != "klog")
            if crashing:
                yield line

    def tunnel_errors(self) -> tuple[LogLine, ...]:
        """The row of dial errors of the tunnel that reaches to the end of the log, oldest first.

        No line tells that a tunnel was established; an attempt that is older than a dial may take and was followed
        by no error is taken for one (facts.md §5.4), and the errors before it are history.
        """
        start = self.tunnel_start()
        errors = tuple(self._failures(("edgestream.go",), _TUNNEL_ERROR, good=None))
        if errors and start is not None and _apart(errors[-1], start) > timedelta(0):
            return errors if self._age(start) < _DIAL else ()
        return errors

    def _age(self, line: LogLine) -> timedelta:
        times = [one.time for one in self.last_run[-1:] if one.time is not None]
        return timedelta(0) if line.time is None else max(self.read, *times, line.time) - line.time

    def tunnel_error(self) -> LogLine | None:
        """The newest of :meth:`tunnel_errors`."""
        errors = self.tunnel_errors()
        return errors[-1] if errors else None

    def tunnel_start(self) -> LogLine | None:
        """When the tunnel was last dialled."""
        return self.newest(_TUNNEL_START)

    def hub_errors(self) -> tuple[LogLine, ...]:
        """The errors of the hub's websocket since it was last connected, oldest first."""
        return tuple(self._failures(("ws.go", "websocket.go"), _HUB_ERROR, good=_HUB_GOOD))

    def hub_lost(self) -> datetime | None:
        """When the hub link broke that has not come back since; ``None`` if it holds, or never was."""
        for line in reversed(self.last_run):
            if _HUB_GOOD in line.message:
                return None
            if _HUB_BROKE.search(line.raw):
                return line.time
        return None

    def unanswered(self) -> tuple[LogLine, ...]:
        """The leases that the hub did not take in time, since it was last connected or broke, oldest first."""
        return tuple(self._since_connected(_UNANSWERED))

    def overflows(self) -> tuple[LogLine, ...]:
        """When messages of the cloud were thrown away unread, since the hub was last connected, oldest first."""
        return tuple(self._since_connected(_OVERFLOW))

    def _since_connected(self, wrong: patterns.Pattern[str]) -> Iterator[LogLine]:
        found: list[LogLine] = []
        for line in reversed(self.last_run):
            if _HUB_GOOD in line.message or _HUB_BROKE.search(line.raw):
                break
            if wrong.search(line.raw):
                found.append(line)
        return reversed(found)

    def tunnel_lost(self) -> datetime | None:
        """When the tunnel broke that has not come back since; ``None`` if it holds, or never was."""
        errors = self.tunnel_errors()
        return errors[0].time if errors and self._held_before(errors[0]) else None

    def _held_before(self, error: LogLine) -> bool:
        """Whether a dial of the tunnel before that error stood for longer than a dial may take."""
        starts = [one for one in self.last_run if _TUNNEL_START in one.raw and _apart(one, error) > _REDIAL]
        return bool(starts)

    def keeps_dying(self, now: datetime) -> bool:
        """Whether the process before this one ended by itself soon after its start, not long ago, and will again.

        What could not start says so and ends (an F line), and will say it again. A panic may come from one request
        (kubeedge/kubeedge#6488): only the second in a row tells that it goes on.
        """
        times = _spoken(self.before)
        if not times or now - times[-1] >= _RECENT or not _ended_early(self.before):
            return False
        return _gave_up(self.before) or _ended_early(self._run_before(self.before))

    def ended_once(self) -> datetime | None:
        """When the last process ended, if the next one may well stay: it had lived for a while, or it panicked once."""
        times = _spoken(self.last_run)
        if not times or not (_lived(self.last_run) or not self._dies_again()):
            return None
        return times[-1]

    def _dies_again(self) -> bool:
        if _fatal(self.last_run) is None or _gave_up(self.last_run):
            return True
        return _ended_early(self.before)

    @property
    def before(self) -> tuple[LogLine, ...]:
        """What the process before the last one said."""
        return self._run_before(self.last_run)

    def _run_before(self, run: tuple[LogLine, ...]) -> tuple[LogLine, ...]:
        """What the process before that one said; nothing if the log does not reach back so far."""
        place = next((at for at, line in enumerate(self.lines) if run and line is run[0]), 0)
        earlier = self.lines[:place]
        return earlier[_last_run_begins(earlier) :] if any(line.kind == "klog" for line in earlier) else ()

    def _failures(
        self, sources: tuple[str, ...], wrong: patterns.Pattern[str], *, good: str | None
    ) -> Iterator[LogLine]:
        """Equal failures in a row up to the end of the log, as far as no success and no long silence is between."""
        found: list[LogLine] = []
        for line in reversed(self.last_run):
            if good is not None and good in line.message:
                break
            if line.source.startswith(sources) and wrong.search(line.message):
                if found and _apart(line, found[-1]) > timedelta(seconds=90):
                    break
                found.append(line)
        return reversed(found)


def _fatal(lines: tuple[LogLine, ...]) -> LogLine | None:
    return next((ln for ln in reversed(lines) if ln.severity == "F" or _exits(ln)), None)


def _exits(line: LogLine) -> bool:
    if line.kind == "http":  # Go's own log, which its http server uses
        return line.message.startswith(_PRINTED)
    return line.severity == "E" and any(words in line.raw for words in _EXITS)


def _spoken(run: tuple[LogLine, ...]) -> list[datetime]:
    """When the process itself said something; what systemd says of its end comes later."""
    return [line.time for line in run if line.kind in ("klog", "panic") and line.time is not None]


def _lived(run: tuple[LogLine, ...]) -> bool:
    times = _spoken(run)
    return bool(times) and times[-1] - times[0] >= _SHORT


def _ended_early(run: tuple[LogLine, ...]) -> bool:
    """Whether it ended by itself soon after its start."""
    return _fatal(run) is not None and not _lived(run)


def _gave_up(run: tuple[LogLine, ...]) -> bool:
    """Whether it ended because it could not go on, and not by a panic."""
    last = _fatal(run)
    return last is not None and last.kind != "panic"


def _apart(earlier: LogLine, later: LogLine) -> timedelta:
    if earlier.time is None or later.time is None:
        return timedelta(0)
    return later.time - earlier.time


@fact
def edgecore_log(host: Host, clock: Clock) -> EdgecoreLog | Unavailable:
    """The journal of ``edgecore``; where there is none, the log file of older installations (facts.md §2.2)."""
    now = require(clock.now()).time
    journal = host.journal("edgecore.service")
    if not isinstance(journal, Unavailable) and journal.text.strip():
        return read_log(journal.text, now)
    file = host.read(_OLD_FILE, from_end=True)
    if not isinstance(file, Unavailable):
        return read_log(file.text(), now)
    if isinstance(journal, Unavailable):
        return journal
    return Unavailable(Reason.ABSENT, "the journal of edgecore", "it is empty")


def read_log(text: str, now: datetime) -> EdgecoreLog:
    """A journal as text, read at ``now`` (aware)."""
    lines = tuple(parse_lines(text, now))
    return EdgecoreLog(lines, lines[_last_run_begins(lines) :], now)


def _last_run_begins(lines: tuple[LogLine, ...]) -> int:
    """The place of the first line of the last process.

    Every klog line carries the process id, so the last run begins where the last id first appears since the last
    start that was followed by a line; ids come again, above all after a boot. A panic and what systemd says carry
    none and belong to the run they stand in. A start without any line after it is a run, too.
    """
    last = next((place for place in range(len(lines) - 1, -1, -1) if lines[place].kind == "klog"), None)
    if last is None:
        return 0
    start = next((place for place in range(last, -1, -1) if _starts(lines[place])), 0)
    pid = lines[last].pid
    return next(
        place for place in range(start, last + 1) if lines[place].kind == "klog" and lines[place].pid == pid
    )


def _starts(line: LogLine) -> bool:
    """Whether systemd starts the process with this line, or the machine was booted there."""
    if line.source == "systemd":
        return line.message.startswith("Started ")
    return line.kind == "text" and _BOOT.match(line.raw) is not None
