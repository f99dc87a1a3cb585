"""Changes of systemd units."""

from __future__ import annotations

from typing import ClassVar

from kedoctor.base.records import Record
from kedoctor.base.text import Text
from kedoctor.model.actions.action import Action, PlanConflictError, Restart

__all__ = ["ControlUnit", "RestartUnit", "TemporaryFile"]


class ControlUnit(Action, frozen=True, tag=True):
    """A systemd unit's state: ``start``, ``stop``, ``enable``, ``disable`` or ``daemon-reload`` (without unit).

    ``enable-now`` enables and starts; like ``enable`` it may name a unit that an earlier action of the plan writes.
    """

    unit: str
    verb: str

    where: ClassVar[str] = "unit:{0.unit}:{0.verb}"

    @property
    def described(self) -> Text:
        """What one would type."""
        command = f"systemctl {self.verb.replace('-now', ' --now')} {self.unit}".rstrip()
        return Text(command, zh=command)


class TemporaryFile(Record, frozen=True):
    """A file that a unit needs only to start: put in place before, taken away once the file ``until`` exists.

    It is taken away after ``seconds`` in any case, with mode 0600 while it is there, and never stays behind.
    """

    path: str
    content: bytes
    until: str
    seconds: float = 30.0


class RestartUnit(Restart, frozen=True, tag=True):
    """A systemd unit's restart; a unit that crashes again and again afterwards has not been restarted."""

    unit: str
    when: str = "do"
    loan: TemporaryFile | None = None

    where: ClassVar[str] = "restart:{0.unit}:{0.when}"

    @property
    def notes(self) -> tuple[Text, ...]:
        """The file that it needs for a while."""
        if self.loan is None:
            return ()
        return (
            Text(
                f"{self.loan.path} is there while {self.unit} starts, and is taken away again (its content is not shown)",
                zh=f"{self.unit} 启动期间临时放置 {self.loan.path}，随后删除（内容不显示）",
            ),
        )

    def covers(self, action: Action) -> bool:
        """A restart starts what is stopped; starting it first would start it twice."""
        return isinstance(action, ControlUnit) and (action.unit, action.verb) == (self.unit, "start")

    def joined(self, other: Action) -> Action | None:
        """The one that brings a file with it."""
        if not isinstance(other, RestartUnit):
            return None
        if self.loan is not None and other.loan is not None and self != other:
            raise PlanConflictError(f"two repairs want to start {self.unit} with different files")
        return self if self.loan is not None else other
