"""Log lines of KubeEdge and Kubernetes: klog, panics, Go's HTTP server, and the wrappers logs travel in.

The formats are those of ``facts.md §5``. Text of any kind gives lines and never an error, and only one line is
held in memory at a time.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from kedoctor.api import patterns

Severity = Literal["I", "W", "E", "F", ""]
Kind = Literal["klog", "panic", "http", "journal", "text"]

MAX_LINE = 64 * 1024  # what follows is cut off; a binary file is one very long line
SKEW = timedelta(days=2)
"""How far behind the log's own clock the reference time may be; beyond, a date is taken for last year's."""

# How journalctl begins the names of the months in languages whose users send logs; what is not known has no date.
_MONTHS = (
    ("jan", "1월", "ene", "gen", "янв", "sty"),
    ("feb", "fév", "fev", "2월", "фев", "lut"),
    ("mar", "mär", "mrt", "3월", "мар"),
    ("apr", "avr", "abr", "4월", "апр", "kwi"),
    ("may", "mai", "mei", "mag", "5월", "май", "мая", "maj"),
    ("jun", "juin", "giu", "6월", "июн", "cze"),
    ("jul", "juil", "lug", "7월", "июл", "lip"),
    ("aug", "aoû", "aou", "ago", "8월", "авг", "sie"),
    ("sep", "set", "9월", "сен", "wrz"),
    ("oct", "okt", "out", "ott", "10월", "окт", "paź"),
    ("nov", "11월", "ноя", "lis"),
    ("dec", "dez", "déc", "dic", "12월", "дек", "gru"),
)
_LEVELS = {"error": "E", "err": "E", "warning": "W", "warn": "W", "fatal": "F", "panic": "F", "critical": "F"}
_CUT_JSON = patterns.compiled(r'\{.{0,400}?"(?:log|MESSAGE|message|msg)": ?"(?P<rest>.*)', patterns.DOTALL)
_KLOG = patterns.compiled(
    r"(?P<severity>[IWEF])(?P<month>\d\d)(?P<day>\d\d) (?P<clock>\d\d:\d\d:\d\d)\.(?P<fraction>\d{1,9})"
    r" +(?P<pid>\d{1,10}) (?P<source>[^\s:\]]+:\d+)\] ?(?P<rest>.*)",
    patterns.ASCII | patterns.DOTALL,
)
_GO_LOG = patterns.compiled(
    r"(\d{4})/(\d\d)/(\d\d) (\d\d:\d\d:\d\d)(?:\.(\d{1,9}))? (?P<rest>.*)", patterns.ASCII | patterns.DOTALL
)
_CRI = patterns.compiled(
    r"(?P<time>\d{4}-\d\d-\d\dT\S{1,64}) (?:stdout|stderr) (?P<tag>[FP])(?::\S*)? ?(?P<rest>.*)",
    patterns.DOTALL,
)
_STAMPED = patterns.compiled(
    r"(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\S*) (?P<rest>.*)", patterns.ASCII | patterns.DOTALL
)
_JOURNAL = patterns.compiled(
    r"(?:(?P<month>[^\W\d_]{3,5}\.?|[0-9]{1,2}[月월]) *(?P<day>[0-9]{1,2}) (?P<clock>[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.(?P<fraction>[0-9]{1,9}))?"
    r"|(?P<time>[0-9]{4}-[0-9]{2}-[0-9]{2}T\S+)) (?:(?P<host>\S+) )?(?P<unit>[^\s:\[\]]+)(?:\[(?P<pid>[0-9]{1,10})\])?: (?P<rest>.*)",
    patterns.DOTALL,
)
_KEY = patterns.compiled(r"\s*(?P<key>[^\s=\"]+)=")
_STRING = patterns.compiled(r'"(?:[^"\\]|\\.)*"', patterns.DOTALL)
_ESCAPE = patterns.compiled(
    r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|(.))", patterns.DOTALL
)
_LETTERS = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of a log; ``time`` is in the zone of the reference time, or absolute where the wrapper tells.

    ``source`` is ``file.go:line`` for klog and the unit for what systemd says; ``message`` is without quotes
    where klog wrote a structured line, whose ``key="value"`` pairs are then in ``fields``.
    """

    severity: Severity
    time: datetime | None
    pid: int | None
    source: str
    message: str
    raw: str
    kind: Kind = "text"
    fields: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Content:
    """What a wrapper carried, and what it told about it."""

    text: str
    raw: str
    time: datetime | None = None
    pid: int | None = None
    unit: str = ""


def parse_lines(text: str | Iterable[str], reference: datetime) -> Iterator[LogLine]:
    """The lines of a log, in order, blank ones left out.

    Args:
        text: the log, whole or line by line.
        reference: when the log was read. It gives klog's dates the year they lack (also across New Year) and
            their time zone.
    """
    lines = _split(text) if isinstance(text, str) else text
    pending: _Content | None = None
    for line in lines:
        raw = line[:MAX_LINE].rstrip("\r\n")
        content, partial = _unwrapped(raw, reference)
        if pending is not None:  # a container runtime cuts long lines and marks all parts but the last
            content.text = (pending.text + content.text)[:MAX_LINE]
            content.raw = (pending.raw + "\n" + raw)[:MAX_LINE]
            pending = None
        if partial:
            pending = content
        elif content.text.strip():
            yield _line(content, reference)
    if pending is not None and pending.text.strip():
        yield _line(pending, reference)


def _split(text: str) -> Iterator[str]:
    start = 0
    while start < len(text):
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        yield text[start : min(end, start + MAX_LINE)]
        start = end + 1


def _unwrapped(raw: str, reference: datetime) -> tuple[_Content, bool]:
    """The content of a line without its wrapper, and whether its rest follows in the next line."""
    if raw.startswith("{") and (found := _from_json(raw) or _from_cut_json(raw)):
        return found, False
    if match := _CRI.match(raw):
        time = _iso(match["time"])
        if time is not None:
            return _Content(match["rest"], raw, time), match["tag"] == "P"
    if match := _JOURNAL.match(raw):
        return _from_journal(match, raw, reference), False
    if (match := _STAMPED.match(raw)) and (time := _iso(match["time"])):
        return _Content(match["rest"], raw, time), False
    return _Content(raw, raw), False


def _from_json(raw: str) -> _Content | None:
    """A line of ``journalctl -o json`` or of Docker's json-file driver."""
    try:
        entry = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    if not isinstance(entry, dict):
        return None
    if "msg" in entry and "MESSAGE" not in entry:
        return _from_fields(entry, raw)
    message = entry.get("MESSAGE", entry.get("log", entry.get("message")))
    if isinstance(message, list):  # journald gives bytes that are no UTF-8 as numbers
        numbers = [n for n in message if isinstance(n, int) and 0 <= n < 256]
        message = bytes(numbers).decode("utf-8", "replace")
    if not isinstance(message, str):
        return None
    stamp = entry.get("__REALTIME_TIMESTAMP")
    time = _microseconds(stamp) if stamp is not None else _iso(entry.get("time"))
    unit = entry.get("SYSLOG_IDENTIFIER") if "MESSAGE" in entry else ""
    return _Content(message.rstrip("\n"), raw, time, _number(entry.get("_PID")), str(unit or ""))


def _from_cut_json(raw: str) -> _Content | None:
    """What is left of a line of JSON whose end was cut off."""
    match = _CUT_JSON.match(raw)
    return _Content(match["rest"].replace('\\"', '"').replace("\\\\", "\\"), raw) if match else None


def _from_fields(entry: dict[str, Any], raw: str) -> _Content | None:
    """A structured line of JSON (``--logging-format=json``, zap, logrus), as klog prints the same."""
    message = entry["msg"]
    if not isinstance(message, str):
        return None
    level = str(entry.get("level", "")).lower()
    wrong = entry.get("err", entry.get("error"))
    severity = _LEVELS.get(level, "E" if wrong and not level else "I")
    time = _iso(entry.get("time", entry.get("ts", entry.get("@timestamp")))) or _seconds(entry.get("ts"))
    told = ("msg", "level", "ts", "time", "v", "caller", "logger", "stacktrace")
    pairs = [
        f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in entry.items() if key not in told
    ]
    source = patterns.compiled(r"[\s\]]").sub("", str(entry.get("caller", "")).rpartition("/")[2])
    source = source if patterns.compiled(r"[\w.-]+:\d+").fullmatch(source) else "log:0"
    clock = (time or datetime(2000, 1, 1, tzinfo=UTC)).strftime("%m%d %H:%M:%S.%f")
    quoted = json.dumps(message, ensure_ascii=False)
    return _Content(f"{severity}{clock}       1 {source}] {quoted} {' '.join(pairs)}".rstrip(), raw, time)


def _from_journal(match: patterns.Match[str], raw: str, reference: datetime) -> _Content:
    if match["time"]:
        time = _iso(match["time"])
    else:
        time = _dated(
            reference, _month(match["month"]), int(match["day"]), match["clock"], match["fraction"] or "0"
        )
    return _Content(match["rest"], raw, time, _number(match["pid"]), match["unit"])


def _month(name: str) -> int:
    """The number of a month by its name in some language; 0 for a name that is not known."""
    if name[0].isdigit():
        return int(name[:-1])
    known = enumerate(_MONTHS, start=1)
    return next((number for number, names in known if name.lower().startswith(names)), 0)


def _line(content: _Content, reference: datetime) -> LogLine:
    text = content.text
    if match := _KLOG.match(text):
        return _klog_line(match, content, reference)
    if text.startswith(("panic: ", "fatal error: ")):
        return LogLine("F", content.time, content.pid, "", text, content.raw, "panic")
    if match := _GO_LOG.match(text):
        year, month, day, clock, fraction = match.groups()[:5]
        time = content.time or _moment(reference, (int(year), int(month), int(day)), clock, fraction or "0")
        return LogLine("E", time, content.pid, "", match["rest"], content.raw, "http")
    kind: Kind = "journal" if content.unit else "text"
    return LogLine("", content.time, content.pid, content.unit, text, content.raw, kind)


def _klog_line(match: patterns.Match[str], content: _Content, reference: datetime) -> LogLine:
    month, day = int(match["month"]), int(match["day"])
    time = content.time or _dated(reference, month, day, match["clock"], match["fraction"])
    message, fields = _structured(match["rest"])
    severity: Any = match["severity"]
    return LogLine(severity, time, int(match["pid"]), match["source"], message, content.raw, "klog", fields)


def _structured(rest: str) -> tuple[str, dict[str, str]]:
    """Message and pairs of a structured line; any other text is the message itself."""
    head = _STRING.match(rest)
    if head is None or not (head.end() == len(rest) or rest[head.end()].isspace()):
        return rest, {}
    fields: dict[str, str] = {}
    at = head.end()
    while match := _KEY.match(rest, at):
        value, at = _field_value(rest, match.end())
        fields[match["key"]] = value
    return _unquoted(head[0]), fields


def _field_value(rest: str, at: int) -> tuple[str, int]:
    """One value that begins at ``at``, and where it ends: quoted, JSON, klog's ``<`` block, or a word."""
    if string := _STRING.match(rest, at):
        return _unquoted(string[0]), string.end()
    if rest.startswith('"', at):  # the end of the line is missing
        return _unquoted(rest[at:] + '"'), len(rest)
    if rest.startswith(("{", "["), at):
        try:
            _, end = json.JSONDecoder().raw_decode(rest, at)
        except (ValueError, RecursionError):
            pass
        else:
            return rest[at:end], end
    if rest.startswith("<\n", at):
        end = rest.find("\n >", at)
        end = len(rest) if end < 0 else end + 3
        return rest[at + 2 : end].removesuffix("\n >"), end
    end = next((index for index in range(at, len(rest)) if rest[index].isspace()), len(rest))
    return rest[at:end], end


def _unquoted(text: str) -> str:
    """A Go string literal without its quotes and escapes."""
    return _ESCAPE.sub(_character, text[1:-1])


def _character(match: patterns.Match[str]) -> str:
    two, four, eight, octal, letter = match.groups()
    if letter is not None:
        return _LETTERS.get(letter, letter)
    code = int(octal, 8) if octal else int(two or four or eight, 16)
    return chr(code) if code < 0x110000 else "\ufffd"


def _dated(reference: datetime, month: int, day: int, clock: str, fraction: str) -> datetime | None:
    """A date without a year: the latest one that is not after the reference (but for clock skew)."""
    for year in range(
        reference.year + 1, reference.year - 9, -1
    ):  # 29 February comes every fourth or eighth year
        moment = _moment(reference, (year, month, day), clock, fraction)
        if moment is not None and moment - reference <= SKEW:
            return moment
    return None


def _moment(reference: datetime, date: tuple[int, int, int], clock: str, fraction: str) -> datetime | None:
    hour, minute, second = (int(part) for part in clock.split(":"))
    microsecond = int(fraction[:6].ljust(6, "0"))
    try:
        return datetime(*date, hour, minute, second, microsecond, tzinfo=reference.tzinfo)
    except ValueError:
        return None


def _iso(text: object) -> datetime | None:
    """An RFC 3339 time; its nanoseconds are cut to microseconds."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(patterns.compiled(r"(\.\d{6})\d+").sub(r"\1", text))
    except ValueError:
        return None
    return moment if moment.tzinfo else None


def _seconds(stamp: object) -> datetime | None:
    """Seconds or (klog) milliseconds since 1970."""
    if isinstance(stamp, bool) or not isinstance(stamp, int | float):
        return None
    try:
        return datetime.fromtimestamp(stamp / 1000 if stamp > 1e11 else stamp, tz=UTC)
    except (OverflowError, ValueError, OSError):
        return None


def _microseconds(stamp: object) -> datetime | None:
    number = _number(stamp)
    try:
        return None if number is None else datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=number)
    except OverflowError:
        return None


def _number(text: object) -> int | None:
    digits = str(text) if isinstance(text, str | int) else ""
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 20 else None
