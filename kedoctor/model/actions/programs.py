"""Foreign programs that take over."""

from __future__ import annotations

from kedoctor.base.records import Record
from kedoctor.base.text import Text
from kedoctor.model.actions.action import OneWay

__all__ = ["RunProgram", "Secret"]


class Secret(Record, frozen=True):
    """A setting that a program needs and that nobody may see: in its environment, or in a file.

    A file is written with mode 0600, at the start or once the file ``once`` is there, and taken away when the program
    has ended. The journal knows the name of the setting only.
    """

    setting: str
    variable: str = ""
    path: str = ""
    once: str = ""


class RunProgram(OneWay, frozen=True, tag=True):
    """A foreign program that takes over and has no inverse: what was done before it can be undone only without it.

    ``program`` is an absolute path. How far it came is shown by which of the paths ``leaves`` exist; without any nobody
    can tell, and it counts as having done its work. No other action of its plan touches these paths. ``by_hand`` says
    how a person undoes it, as a clause.
    ``environment`` are names and values. It is killed after ``seconds``; one that survives kedoctor is waited for.
    """

    program: str
    arguments: tuple[str, ...]
    leaves: tuple[str, ...]
    by_hand: Text
    seconds: float = 600.0
    environment: tuple[tuple[str, str], ...] = ()
    secrets: tuple[Secret, ...] = ()

    @property
    def name(self) -> str:
        """What a person calls it: the program and its verb (``apt-get update``)."""
        verb = next((word for word in self.arguments[:1] if word.isalnum()), "")
        return f"{self.program.rpartition('/')[2]} {verb}".strip()

    @property
    def target(self) -> str:
        """The program and its verb, behind ``run:``."""
        return f"run:{self.name}"

    @property
    def undone_by(self) -> Text:
        """As its plan says."""
        return self.by_hand

    @property
    def shows(self) -> bool:
        """By the paths that it leaves."""
        return bool(self.leaves)

    @property
    def longest(self) -> float:
        """Its seconds."""
        return self.seconds
