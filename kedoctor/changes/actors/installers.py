"""Foreign programs that take over: run with a deadline, what they print kept without secrets, and never undone.

A secret reaches such a program through its environment or a file that is there only while it runs; neither its
arguments nor the journal hold it. A program outlives a kedoctor that is killed: the next start waits for its end.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from kedoctor.base.atomic_files import clear_drafts, replace_file
from kedoctor.base.directories import held
from kedoctor.base.failpoints import reach
from kedoctor.base.input_files import read_plain
from kedoctor.model.actions.action import Action
from kedoctor.model.actions.programs import RunProgram, Secret
from kedoctor.model.actors import ActionKind, ConflictError, Preview, RefusedError, State
from kedoctor.model.declarations import RedactionRule
from kedoctor.model.observations.inputs import Setting
from kedoctor.model.observations.processes import Processes
from kedoctor.model.observations.request import Unavailable
from kedoctor.model.observations.tools import ToolOutput
from kedoctor.observe.live import subprocesses
from kedoctor.observe.live.processes import list_processes
from kedoctor.redaction.redactor import Redactor

__all__ = ["KINDS", "ProgramActor", "runs"]

_LOOKS = 0.01
"""Seconds between two looks for the file that a secret waits for: the program reads it moments later."""

_WAITS = 0.5
_SHOWN = 300
_BLIND = "it cannot be seen"
_NOTHING = "nothing"


def runs(action: RunProgram, table: Processes | Unavailable | None = None) -> bool:
    """Whether this very command line runs now (as a script, its interpreter may stand in front of it)."""
    found = list_processes() if table is None else table
    wanted = (action.program, *action.arguments)
    items = () if isinstance(found, Unavailable) else found.items
    return any(one.argv[-len(wanted) :] == wanted for one in items)


class ProgramActor:
    """Runs programs; ``settings`` are where their secrets come from."""

    def __init__(
        self, settings: Mapping[str, Setting] | None = None, redactions: Sequence[RedactionRule] = ()
    ) -> None:
        self._settings = dict(settings or {})
        self._redactor = Redactor(redactions)

    def look(self, action: Action) -> State:
        """Which of the paths that the program leaves are there."""
        program = _program(action)
        there = [path for path in program.leaves if os.path.lexists(path)]
        told = " ".join(there) or _NOTHING
        return State(target=action.target, exists=bool(there), fingerprint=told if program.leaves else _BLIND)

    def preview(self, action: Action, before: State) -> Preview:
        """The command line, and where its secrets are put meanwhile; what it leaves cannot be foreseen."""
        del before
        program = _program(action)
        self._secrets(program)
        lines = [f"$ {' '.join((program.program, *program.arguments))}"]
        lines += [f"  {name}={value}" for name, value in program.environment]
        for secret in program.secrets:
            where = secret.path or f"its environment as {secret.variable}"
            lines.append(f"  {secret.setting} in {where} while it runs (not shown)")
        return Preview(changes=True, diff="\n".join(lines))

    def do(self, action: Action, before: State) -> State:
        """Runs it to its end; a non-zero exit code is a refusal."""
        program = _program(action)
        if self.look(action).fingerprint != before.fingerprint:
            raise ConflictError(f"somebody else has run {program.name} meanwhile")
        given = self._secrets(program)
        variables = dict(program.environment)
        variables |= {one.variable: given[one.setting] for one in program.secrets if one.variable}
        reach()
        with _Lending(program, given):
            answer = subprocesses.run(
                [program.program, *program.arguments],
                timeout=program.seconds,
                keep_end=True,
                limit=1 << 18,
                environment=variables,
            )
        reach()
        said = self._shown(answer, given)
        if isinstance(answer, Unavailable):
            raise RefusedError(f"{program.name}: {answer.detail or answer.reason.value}")
        if answer.exit_code != 0:
            raise RefusedError(f"{program.name} ended with exit code {answer.exit_code}: {_last(said)}")
        after = self.look(action)
        return State(
            target=after.target, exists=after.exists, fingerprint=after.fingerprint, data=said.encode()
        )

    def undo(self, action: Action, before: State, after: State) -> None:
        """There is no way back.

        Raises:
            RefusedError: always; whoever takes a plan back stops before it.
        """
        del before, after
        program = _program(action)
        raise RefusedError(f"{program.name} cannot be rolled back", hint=program.by_hand.en)

    def tidy(self, action: Action) -> None:
        """Waits for the end of one that a killed kedoctor left running, and takes away what was lent to it."""
        program = _program(action)
        if not runs(program):
            self._forget(program)
            return
        ends = time.monotonic() + program.seconds
        given = {name: one.value for name, one in self._settings.items()}
        with _Lending(program, given):
            while runs(program):
                if time.monotonic() > ends:
                    raise RefusedError(
                        f"{program.name}, which an interrupted kedoctor started, still runs",
                        hint=f"end it: sudo pkill -f '{program.program} {' '.join(program.arguments[:1])}'",
                    )
                time.sleep(_WAITS)

    # ------------------------------------------------------------------------------------------ inside

    def _forget(self, program: RunProgram) -> None:
        for secret in program.secrets:
            setting = self._settings.get(secret.setting)
            if secret.path:
                _take_away(secret, setting.value if setting is not None else "")

    def _secrets(self, program: RunProgram) -> dict[str, str]:
        given = {}
        for secret in program.secrets:
            setting = self._settings.get(secret.setting)
            if setting is None:
                raise RefusedError(f"{program.name} needs the setting {secret.setting}, which was not given")
            given[secret.setting] = setting.value
        return given

    def _shown(self, answer: ToolOutput | Unavailable, given: Mapping[str, str]) -> str:
        """What it printed, without the secrets it was given and without what looks like one."""
        if isinstance(answer, Unavailable):
            return ""
        text = f"{answer.stdout}{answer.stderr}"
        for name, value in given.items():
            for part in (value, *value.split(".")):
                if len(part) >= 8:
                    text = text.replace(part, f"[{name}]")
        clean = self._redactor.redact(f"tool:{Path(answer.argv[0]).name}", text).answer
        return clean if isinstance(clean, str) else "(what it printed could not be redacted and was not kept)"


class _Lending:
    """Keeps the secret files of a program in place while a block runs."""

    def __init__(self, program: RunProgram, given: Mapping[str, str]) -> None:
        self._files = [one for one in program.secrets if one.path]
        self._given = given
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="kedoctor-secret", daemon=True)

    def __enter__(self) -> None:
        if self._files:
            self._put([one for one in self._files if not one.once])
            self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        if self._files:
            self._thread.join()
        for secret in self._files:
            _take_away(secret, self._given.get(secret.setting, ""))

    def _watch(self) -> None:
        waiting = [one for one in self._files if one.once and one.setting in self._given]
        while waiting and not self._over.wait(_LOOKS):
            ready = [one for one in waiting if os.path.lexists(one.once)]
            waiting = [one for one in waiting if one not in ready]
            self._put(ready)

    def _put(self, secrets: Sequence[Secret]) -> None:
        for secret in secrets:
            # Where it cannot be written, the program itself says what it lacks.
            with suppress(OSError):
                replace_file(Path(secret.path), self._given[secret.setting].encode())


def _take_away(secret: Secret, value: str) -> None:
    """Removes the file if it holds the secret, and what a killed process was writing of it."""
    held_value = value.encode()
    with suppress(OSError), held(secret.path, alone=True, follow=False) as place:
        clear_drafts(place)
        if not held_value:
            return
        found = read_plain(place.name, len(held_value), follow=False, directory=place.directory)
        if held_value.startswith(found):
            place.remove()


def _program(action: Action) -> RunProgram:
    if not isinstance(action, RunProgram):
        raise RefusedError(f"{action.target} is not a program to be run")
    return action


def _last(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:_SHOWN] if lines else "it said nothing"


KINDS = (
    ActionKind(
        (RunProgram,),
        lambda place: ProgramActor(place.settings, place.redactions) if place.is_host else None,
    ),
)
