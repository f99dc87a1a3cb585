"""systemd units: started, stopped, enabled, disabled, restarted, with the evidence kept that a restart destroys."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from kedoctor.changes.actions import Action, ControlUnit, RestartUnit
from kedoctor.changes.actors import Foresight, RefusedError, State
from kedoctor.changes.failpoints import reach
from kedoctor.observations import ToolOutput, Unavailable

__all__ = ["Runner", "UnitActor"]

Runner = Callable[[Sequence[str], float], ToolOutput | Unavailable]
"""Runs a program with a deadline in seconds, as :func:`kedoctor.live.runner.run` does."""

_VERBS = {"start": "active", "stop": "inactive", "enable": "enabled", "disable": "disabled"}
_INVERSE = {"start": "stop", "stop": "start", "enable": "disable", "disable": "enable"}
_RESTARTED = "restart"


class UnitActor:
    """Controls units through ``systemctl``.

    ``calm`` is how many seconds a restarted unit has to stay up before it counts as restarted: one that dies at
    once is started again and again by systemd and looks active every time somebody looks briefly.
    """

    def __init__(self, run: Runner, *, calm: float = 4.0) -> None:
        self._run = run
        self._calm = calm

    def look(self, action: Action) -> State:
        """The unit's state; for a restart also its last words, because it may not have them afterwards."""
        if isinstance(action, RestartUnit):
            return State(
                target=action.target,
                exists=True,
                fingerprint=_RESTARTED,
                data=self._last_words(action),
                attributes={},
            )
        if not isinstance(action, ControlUnit):
            raise RefusedError(f"{action.target} is no change of a unit")
        if action.verb == "daemon-reload":
            return State(target=action.target, exists=True, fingerprint="reload")
        shown = self._show(action.unit)
        fact = shown.get("UnitFileState" if action.verb in ("enable", "disable") else "ActiveState", "")
        exists = shown.get("LoadState") != "not-found"
        return State(target=action.target, exists=exists, fingerprint=fact or "none", attributes=shown)

    def foresee(self, action: Action, before: State) -> Foresight:
        """The transition of the unit."""
        if isinstance(action, RestartUnit):
            return Foresight(changes=True, diff="", fingerprint="")
        if not isinstance(action, ControlUnit):
            raise RefusedError(f"{action.target} is no change of a unit")
        if action.verb == "daemon-reload":
            return Foresight(changes=True, diff="", fingerprint="reload")
        wanted = _VERBS[action.verb]
        changes = before.fingerprint != wanted
        return Foresight(
            changes=changes, diff=f"{before.fingerprint} -> {wanted}" if changes else "", fingerprint=wanted
        )

    def do(self, action: Action, before: State) -> State:
        """Controls the unit and looks whether it is so."""
        del before
        if isinstance(action, RestartUnit):
            if action.when == "do":
                self._restart(action.unit)
        elif isinstance(action, ControlUnit):
            self._control(action.verb, action.unit)
        return State(target=action.target, exists=True, fingerprint=self.look(action).fingerprint)

    def undo(self, action: Action, before: State, after: State) -> None:
        """The inverse; of a restart on the way back another restart, of anything else the opposite verb."""
        del before, after
        if isinstance(action, RestartUnit):
            if action.when == "undo":
                self._restart(action.unit)
        elif isinstance(action, ControlUnit):
            self._control(_INVERSE.get(action.verb, action.verb), action.unit)

    def tidy(self, action: Action) -> None:
        """A unit's control leaves nothing beside it."""

    # ------------------------------------------------------------------------------------------ inside

    def _control(self, verb: str, unit: str) -> None:
        reach()
        self._systemctl(*([verb, unit] if unit else [verb]))
        reach()

    def _restart(self, unit: str) -> None:
        reach()
        # A unit that has failed too often refuses to start until its counter is reset.
        self._run(["systemctl", "reset-failed", unit], 10.0)
        self._systemctl("restart", unit)
        before = self._show(unit)
        ends = time.monotonic() + self._calm
        while time.monotonic() < ends:
            time.sleep(min(0.5, self._calm))
            now = self._show(unit)
            if now.get("ActiveState") != "active" or now.get("NRestarts") != before.get("NRestarts"):
                raise RefusedError(
                    f"{unit} does not stay up after its restart (it is {now.get('ActiveState')}, {now.get('SubState')})",
                    hint=f"journalctl -u {unit} -n 50",
                )
        reach()

    def _systemctl(self, *words: str) -> None:
        answer = self._run(["systemctl", *words], 90.0)
        if isinstance(answer, Unavailable):
            raise RefusedError(f"systemctl {' '.join(words)}: {answer.detail or answer.reason.value}")
        if answer.exit_code != 0:
            raise RefusedError(f"systemctl {' '.join(words)}: {answer.stderr.strip() or answer.exit_code}")

    def _show(self, unit: str) -> dict[str, str]:
        properties = "LoadState,ActiveState,SubState,UnitFileState,NRestarts"
        answer = self._run(["systemctl", "show", unit, f"--property={properties}"], 10.0)
        if isinstance(answer, Unavailable):
            raise RefusedError(f"the state of {unit} is not known: {answer.detail or answer.reason.value}")
        return dict(line.split("=", 1) for line in answer.stdout.splitlines() if "=" in line)

    def _last_words(self, action: RestartUnit) -> bytes:
        # Some node agents remove exited containers when they stop: list them while they are there.
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
