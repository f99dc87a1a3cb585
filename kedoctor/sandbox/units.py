"""systemd in a sandbox: the few words of ``systemctl`` that a repair uses, answered for units that have a stand-in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from kedoctor.model.observations.logs import LogText, ReadJournal
from kedoctor.model.observations.request import Reason, Source, Unavailable
from kedoctor.model.observations.tools import ToolOutput
from kedoctor.model.observations.units import ReadUnit, Unit

__all__ = ["UnitRunner"]

_STARTS = {"start": True, "restart": True, "stop": False}
_NOTHING_TO_DO = ("reset-failed", "daemon-reload")


class UnitRunner:
    """Runs ``systemctl`` and ``journalctl`` for one machine of the sandbox; no program is ever started.

    ``units`` maps the units that have a stand-in to what starts (true) or stops (false) them.
    """

    def __init__(self, host: Source, units: Mapping[str, Callable[[bool], None]]) -> None:
        self._host = host
        self._units = units

    def __call__(self, argv: Sequence[str], timeout: float) -> ToolOutput | Unavailable:
        """The answer of the program, as :func:`kedoctor.observe.live.subprocesses.run` gives it."""
        del timeout
        match list(argv):
            case ["systemctl", "show", unit, *_]:
                return self._show(argv, unit)
            case ["systemctl", "status", *_, unit]:
                return self._show(argv, unit)
            case ["systemctl", verb, *rest] if verb in _NOTHING_TO_DO:
                return self._known(argv, rest)
            case ["systemctl", verb, unit] if verb in _STARTS:
                return self._control(argv, unit, starts=_STARTS[verb])
            case ["journalctl", "-u", unit, "-n", lines, *_]:
                return self._journal(argv, unit, int(lines))
        return Unavailable(Reason.TOOL_MISSING, " ".join(argv), "there is no such program in the sandbox")

    def _show(self, argv: Sequence[str], unit: str) -> ToolOutput:
        found = self._host.observe(ReadUnit(unit))
        if not isinstance(found, Unit):
            return _said(argv, "LoadState=not-found\nActiveState=inactive\nSubState=dead\n")
        properties = {
            "LoadState": found.load_state,
            "ActiveState": found.active_state,
            "SubState": found.sub_state,
            "UnitFileState": found.unit_file_state,
            "NRestarts": found.restarts,
        }
        return _said(argv, "".join(f"{name}={value}\n" for name, value in properties.items()))

    def _known(self, argv: Sequence[str], units: Sequence[str]) -> ToolOutput:
        strange = [unit for unit in units if unit not in self._units]
        return _refused(argv, strange[0]) if strange else _said(argv, "")

    def _control(self, argv: Sequence[str], unit: str, *, starts: bool) -> ToolOutput:
        if unit not in self._units:
            return _refused(argv, unit)
        self._units[unit](starts)
        return _said(argv, "")

    def _journal(self, argv: Sequence[str], unit: str, lines: int) -> ToolOutput:
        found = self._host.observe(ReadJournal(unit, lines))
        return _said(argv, found.text if isinstance(found, LogText) else "")


def _said(argv: Sequence[str], text: str) -> ToolOutput:
    return ToolOutput(tuple(argv), 0, text, "")


def _refused(argv: Sequence[str], unit: str) -> ToolOutput:
    return ToolOutput(tuple(argv), 5, "", f"Unit {unit} has no stand-in in the sandbox.\n")
