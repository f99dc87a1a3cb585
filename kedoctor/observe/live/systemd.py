"""Units and journals of this machine's systemd, through ``systemctl show`` and ``journalctl``."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime

from kedoctor import patterns
from kedoctor.model.observations.logs import LogText, ReadJournal
from kedoctor.model.observations.request import Reason, Unavailable
from kedoctor.model.observations.tools import ToolOutput
from kedoctor.model.observations.units import ReadUnit, Unit
from kedoctor.observe.live.subprocesses import run

__all__ = ["read_journal", "read_unit"]

_PROPERTIES = (
    "LoadState,ActiveState,SubState,UnitFileState,NRestarts,MainPID,ActiveEnterTimestamp,Result,"
    "ExecMainCode,ExecMainStatus,FragmentPath,ExecStart,Environment,EnvironmentFiles"
)
_JOURNAL_TIMEOUT = 20.0  # an old journal on a slow flash card takes its time
_JOURNAL_LIMIT = 2 << 20

_ARGV, _BEHIND_ARGV = "argv[]=", " ; ignore_errors="
_WORD = patterns.compiled(r"""\$'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|(\S+)""")
_ESCAPE = patterns.compiled(r"\\x([0-9a-fA-F]{2})|\\(.)")
_CONTROL = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_IGNORE = patterns.compiled(r" \(ignore_errors=(?:yes|no)\)$")
_NOTE = patterns.compiled(r"^-- .* --$\n?", patterns.MULTILINE)
_ENTRY = patterns.compiled(r"^\d{4}-\d\d-\d\dT", patterns.MULTILINE)


def read_unit(request: ReadUnit) -> Unit | Unavailable:
    """The unit as systemd holds it now; one it does not know has ``load_state`` ``not-found``.

    ``exec_start`` is the first command, split at spaces: systemd does not tell where an argument holds one.
    ``exit_status`` is ``None`` until the main process has ended once; after a signal it is the signal's number.
    """
    answer = run(["systemctl", "show", "--no-pager", f"--property={_PROPERTIES}", "--", request.name])
    what = f"unit {request.name}"
    if isinstance(answer, Unavailable):
        return Unavailable(answer.reason, what, answer.detail)
    if answer.exit_code:
        return _refused(answer, what)
    values: dict[str, list[str]] = {}
    for line in answer.stdout.splitlines():
        name, _, value = line.partition("=")
        values.setdefault(name, []).append(value)
    if "LoadState" not in values:
        return Unavailable(Reason.INVALID, what, "systemctl does not tell the unit's LoadState")
    return _unit(request.name, values)


def _argv(told: str) -> tuple[str, ...]:
    _, begun, rest = told.partition(_ARGV)
    argv, ended, _ = rest.partition(_BEHIND_ARGV)
    return tuple(argv.split()) if begun and ended and "\n" not in argv else ()


def _unit(name: str, values: dict[str, list[str]]) -> Unit:
    def first(key: str) -> str:
        return values.get(key, [""])[0]

    return Unit(
        name=name,
        load_state=first("LoadState"),
        active_state=first("ActiveState"),
        sub_state=first("SubState"),
        unit_file_state=first("UnitFileState"),
        restarts=_number(first("NRestarts")),
        main_pid=_number(first("MainPID")),
        started=_moment(first("ActiveEnterTimestamp")),
        result=first("Result"),
        exit_status=_number(first("ExecMainStatus")) if _number(first("ExecMainCode")) else None,
        fragment_path=first("FragmentPath"),
        exec_start=_argv(first("ExecStart")),
        environment=_words(first("Environment")),
        environment_files=tuple(_IGNORE.sub("", path) for path in values.get("EnvironmentFiles", []) if path),
    )


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else 0


def _moment(text: str) -> datetime | None:
    """``Mon 2026-11-23 05:13:03 UTC`` (every child of ours runs in UTC) as a time; ``None`` for never."""
    words = text.split()
    try:
        return datetime.strptime(" ".join(words[1:3]), "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        return None


def _words(text: str) -> tuple[str, ...]:
    """The words of a list that systemctl printed, without its quotes."""
    return tuple(
        _ESCAPE.sub(_unescaped, quoted or other) if quoted or other else word
        for quoted, other, word in _WORD.findall(text)
    )


def _unescaped(escape: patterns.Match[str]) -> str:
    code, character = escape.groups()
    return chr(int(code, 16)) if code else _CONTROL.get(character, character)


def read_journal(request: ReadJournal) -> LogText | Unavailable:
    """The last lines that a unit, or systemd about it, wrote to the journal; empty if it never wrote any.

    Read from the newest backwards, at most 2 MiB and 20 seconds: however large the journal is, what happened last is
    in it. ``truncated`` when there is more.
    """
    what = f"journal of {request.unit}"
    answer = _journal(request, "short-iso-precise")
    if isinstance(answer, ToolOutput) and "Unknown output" in answer.stderr:
        answer = _journal(request, "short-iso")  # systemd before 234
    if isinstance(answer, Unavailable):
        return Unavailable(answer.reason, what, answer.detail)
    text = _NOTE.sub("", answer.stdout)
    text, entries = _oldest_first(text, cut=answer.truncated)
    if not text and ("insufficient permissions" in answer.stderr or "not seeing messages" in answer.stderr):
        return Unavailable(
            Reason.PERMISSION, what, "only root and the groups adm and systemd-journal may read the journal"
        )
    if not text and "No journal files" in answer.stderr:
        return Unavailable(Reason.ABSENT, what, "this machine keeps no journal")
    if answer.exit_code:
        return _refused(answer, what)
    return LogText(text, truncated=answer.truncated or entries >= request.lines)


def _oldest_first(text: str, *, cut: bool) -> tuple[str, int]:
    """What was printed newest first, the other way round, and how many entries it is; a last one that is cut goes.

    Lines that do not begin with a time belong to the entry above them.
    """
    starts = [found.start() for found in _ENTRY.finditer(text)]
    entries = [text[start:end] for start, end in itertools.pairwise([*starts, len(text)])]
    if cut and entries:
        entries.pop()
    return "".join(one if one.endswith("\n") else f"{one}\n" for one in reversed(entries)), len(entries)


def _journal(request: ReadJournal, form: str) -> ToolOutput | Unavailable:
    # --all: else a line with a control character in it would be "[96B blob data]". Newest first, because that is what
    # is kept when a journal on a slow disk gives no more before its deadline, or its lines are long.
    options = [
        "--reverse",
        "--no-pager",
        "--all",
        f"--output={form}",
        f"--lines={request.lines}",
        f"--unit={request.unit}",
    ]
    return run(["journalctl", *options], timeout=_JOURNAL_TIMEOUT, limit=_JOURNAL_LIMIT, part=True)


def _refused(answer: ToolOutput, what: str) -> Unavailable:
    said = " ".join(answer.stderr.split()) or f"{answer.argv[0]} ended with exit code {answer.exit_code}"
    if "not been booted with systemd" in said or "Failed to connect to bus" in said:
        return Unavailable(
            Reason.ERROR, what, f"this machine does not run systemd, or it does not answer: {said}"
        )
    return Unavailable(Reason.TOOL_FAILED, what, said)
