"""systemd units: started, stopped, enabled, disabled, restarted, with the evidence kept that a restart destroys."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from kedoctor.base.failpoints import reach
from kedoctor.changes.actors.temporary_files import TemporaryFiles
from kedoctor.model.actions.action import Action
from kedoctor.model.actions.units import ControlUnit, RestartUnit
from kedoctor.model.actors import ActionKind, Preview, RefusedError, State
from kedoctor.model.observations.request import Unavailable
from kedoctor.model.observations.tools import ToolOutput

__all__ = ["KINDS", "Runner", "UnitActor"]

Runner = Callable[[Sequence[str], float], ToolOutput | Unavailable]
"""Runs a program with a deadline in seconds, as :func:`kedoctor.observe.live.subprocesses.run` does."""

_WANTED = {
    "start": "started",
    "stop": "stopped",
    "enable": "enabled",
    "enable-now": "enabled",
    "disable": "disabled",
}
_INVERSE = {
    "start": "stop",
    "stop": "start",
    "enable": "disable",
    "enable-now": "disable-now",
    "disable": "enable",
}
_WORDS = {"enable-now": ("enable", "--now"), "disable-now": ("disable", "--now")}
_NOT_STARTED = "enabled, not started"
_RESTARTED = "restart"
_DYING = "Dying"
_STARTING = 660.0
"""Seconds for which a unit may be starting: some import a gigabyte before they say that they are ready."""

_YOUNG = 30.0
"""Seconds within which a unit that systemd has restarted may be one that dies again and again."""

# A unit that dies again and again is still one that somebody started.
_STARTED = ("active", "activating", "reloading", "refreshing")


class UnitActor:
    """Controls units through ``systemctl``.

    ``calm`` is how many seconds a started unit has to stay up before it counts as started: one that dies at once is
    started again and again by systemd and looks active every time somebody looks briefly. On the way back it only
    has to stay up if it did before.
    """

    def __init__(self, run: Runner, *, calm: float = 4.0, root: str = "/") -> None:
        self._run = run
        self._calm = calm
        self._lender = TemporaryFiles(root)

    def look(self, action: Action) -> State:
        """The unit's state; for a restart also its last words, because it may not have them afterwards."""
        if isinstance(action, RestartUnit):
            return State(
                target=action.target,
                exists=True,
                fingerprint=_RESTARTED,
                data=self._last_words(action),
                attributes=_seen(self._loaded(action.unit)),
            )
        control = _control(action)
        if control.verb == "daemon-reload":
            return State(target=action.target, exists=True, fingerprint="reload")
        # A unit that is going to be enabled may be one that is written by the same plan.
        filing = control.verb not in ("start", "stop")
        shown = self._loaded(control.unit, *(("not-found",) if filing else ()))
        return State(
            target=action.target, exists=True, fingerprint=_condition(control.verb, shown), attributes=shown
        )

    def preview(self, action: Action, before: State) -> Preview:
        """The transition of the unit."""
        if isinstance(action, RestartUnit):
            return Preview(changes=True, diff="", fingerprint="")
        control = _control(action)
        if control.verb == "daemon-reload":
            return Preview(changes=True, diff="", fingerprint="reload")
        wanted = _WANTED[control.verb]
        changes = before.fingerprint != wanted
        return Preview(
            changes=changes, diff=f"{before.fingerprint} -> {wanted}" if changes else "", fingerprint=wanted
        )

    def do(self, action: Action, before: State) -> State:
        """Controls the unit and looks whether it is so."""
        del before
        if isinstance(action, RestartUnit):
            if action.when == "do":
                self._restart(action)
            return State(target=action.target, exists=True, fingerprint=_RESTARTED)
        control = _control(action)
        self._control(control.verb, control.unit)
        if control.verb in ("start", "enable-now"):
            self._stays_up(control.unit)
        after = self.look(action).fingerprint
        if after != _WANTED.get(control.verb, after):
            raise RefusedError(f"systemctl {control.verb} {control.unit}: it is {after} afterwards")
        return State(target=action.target, exists=True, fingerprint=after)

    def undo(self, action: Action, before: State, after: State) -> None:
        """The opposite verb; of a restart, on the way back, whatever the unit was doing before."""
        del after
        if isinstance(action, RestartUnit):
            if action.when == "undo":
                self._as_before(action.unit, before.attributes)
            return
        control = _control(action)
        back = "stop" if before.fingerprint == _NOT_STARTED else _INVERSE.get(control.verb, control.verb)
        self._control(back, control.unit)

    def tidy(self, action: Action) -> None:
        """Takes away what was lent to a unit whose start was killed halfway."""
        if isinstance(action, RestartUnit) and action.loan is not None:
            self._lender.take_away(action.loan)

    # ------------------------------------------------------------------------------------------ inside

    def _control(self, verb: str, unit: str) -> None:
        reach()
        if verb in ("start", "enable-now"):
            # A unit that has failed too often refuses to start until its counter is reset.
            self._run(["systemctl", "reset-failed", unit], 10.0)
        self._systemctl(*_WORDS.get(verb, (verb,)), *([unit] if unit else []))
        reach()

    def _restart(self, action: RestartUnit) -> None:
        reach()
        self._run(["systemctl", "reset-failed", action.unit], 10.0)
        with self._lender.lent(action.loan):
            self._systemctl("restart", action.unit)
            self._stays_up(action.unit)
            ends = time.monotonic() + (action.loan.seconds if action.loan else 0.0)
            while action.loan and not self._lender.served(action.loan) and time.monotonic() < ends:
                self._stays_up(action.unit, seconds=0.5)
        reach()

    def _as_before(self, unit: str, was: Mapping[str, str]) -> None:
        """Running again if it ran, stopped if it was stopped, and left to systemd if it was dying all the time."""
        reach()
        state = was.get("ActiveState", "active")
        if state not in _STARTED:
            self._systemctl("stop", unit)
            return
        self._run(["systemctl", "reset-failed", unit], 10.0)
        self._systemctl("restart", unit)
        if state == "active" and _DYING not in was:
            self._stays_up(unit)
        reach()

    def _stays_up(self, unit: str, *, seconds: float | None = None) -> None:
        calm = self._calm if seconds is None else seconds
        before = self._show(unit)
        ends = time.monotonic() + calm
        while time.monotonic() < ends:
            time.sleep(min(0.5, calm))
            now = self._show(unit)
            if now.get("ActiveState") != "active" or now.get("NRestarts") != before.get("NRestarts"):
                raise RefusedError(
                    f"{unit} does not stay up once it is started (it is {now.get('ActiveState')}, {now.get('SubState')})",
                    hint=f"journalctl -u {unit} -n 50",
                )

    def _systemctl(self, *words: str) -> None:
        seconds = _STARTING if {"start", "restart", "--now"} & set(words) else 90.0
        answer = self._run(["systemctl", *words], seconds)
        if isinstance(answer, Unavailable):
            raise RefusedError(f"systemctl {' '.join(words)}: {answer.detail or answer.reason.value}")
        if answer.exit_code != 0:
            raise RefusedError(f"systemctl {' '.join(words)}: {answer.stderr.strip() or answer.exit_code}")

    def _loaded(self, unit: str, *tolerated: str) -> dict[str, str]:
        shown = self._show(unit)
        if shown.get("LoadState") not in ("loaded", *tolerated):
            raise RefusedError(f"{unit} cannot be controlled: systemd calls it {shown.get('LoadState')}")
        return shown

    def _show(self, unit: str) -> dict[str, str]:
        properties = "LoadState,ActiveState,SubState,UnitFileState,NRestarts,ActiveEnterTimestampMonotonic"
        answer = self._run(["systemctl", "show", unit, f"--property={properties}"], 10.0)
        if isinstance(answer, Unavailable):
            raise RefusedError(f"the state of {unit} is unknown: {answer.detail or answer.reason.value}")
        if answer.exit_code != 0:
            raise RefusedError(f"the state of {unit} is unknown: {answer.stderr.strip()}")
        return dict(line.split("=", 1) for line in answer.stdout.splitlines() if "=" in line)

    def _last_words(self, action: RestartUnit) -> bytes:
        # Some services remove exited containers when they stop: list them while they are there.
        if action.when != "do":
            return b""
        pieces = []
        for argv in (
            ["systemctl", "status", "--no-pager", action.unit],
            ["journalctl", "-u", action.unit, "-n", "200", "--no-pager"],
            ["crictl", "ps", "-a"],
        ):
            answer = self._run(argv, 10.0)
            if not isinstance(answer, Unavailable):
                pieces.append(f"$ {' '.join(argv)}\n{answer.stdout}{answer.stderr}")
        return "\n".join(pieces).encode()


def _control(action: Action) -> ControlUnit:
    if not isinstance(action, ControlUnit):
        raise RefusedError(f"{action.target} is not a change of a unit")
    return action


def _seen(shown: dict[str, str]) -> dict[str, str]:
    """With a mark for a unit that was seen up between two of its deaths."""
    age = time.monotonic() - int(shown.get("ActiveEnterTimestampMonotonic") or 0) / 1e6
    dying = shown.get("ActiveState") == "active" and shown.get("NRestarts", "0") != "0" and age < _YOUNG
    return shown | ({_DYING: "yes"} if dying else {})


def _condition(verb: str, shown: dict[str, str]) -> str:
    started = shown.get("ActiveState") in _STARTED
    if verb in ("start", "stop"):
        return "started" if started else "stopped"
    filed = shown.get("UnitFileState") or "disabled"
    return _NOT_STARTED if verb == "enable-now" and filed == "enabled" and not started else filed


KINDS = (
    ActionKind(
        (ControlUnit, RestartUnit), lambda place: UnitActor(place.run, calm=place.calm, root=place.root)
    ),
)
