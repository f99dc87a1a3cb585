"""What every action has in common, and the two special sorts: restarts, and what has no inverse."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from kedoctor.base.errors import ChangeError
from kedoctor.base.records import Record
from kedoctor.base.text import Text

__all__ = ["Action", "OneWay", "PlanConflictError", "Restart", "steps_of"]


class PlanConflictError(ChangeError):
    """Two plans want the same thing to be different."""


class Action(Record, frozen=True, tag_field="act", tag=True):
    """One change of one target.

    A kind of action is a subclass: its fields, ``where`` (a kind and a name, ``file:{0.path}``) and ``does`` (what a
    person reads, with ``{what}`` for the name). The name of the class stands in journals and is never changed.
    """

    where: ClassVar[str] = ""
    does: ClassVar[Text] = Text("change {what}", zh="修改 {what}")

    @property
    def target(self) -> str:
        """What is changed, named so that two actions on the same thing have the same target."""
        return self.where.format(self)

    @property
    def what(self) -> str:
        """The name in the target, without its kind."""
        return self.target.partition(":")[2]

    @property
    def described(self) -> Text:
        """What it does, in a few words: ``change file /etc/kubeedge/config/edgecore.yaml``."""
        return Text(self.does.en.format(what=self.what), zh=self.does.zh.format(what=self.what))

    @property
    def notes(self) -> tuple[Text, ...]:
        """What else somebody who agrees to it has to know, a sentence each."""
        return ()

    @property
    def writes(self) -> tuple[str, tuple[str, ...]]:
        """The API path that it writes to and, of ``patch``, ``replace`` and ``restart``, what it needs; else empty."""
        return "", ()

    def joined(self, other: Action) -> Action | None:
        """Both as one, where ``other`` has the same target; ``None``: they cannot be one.

        Raises:
            PlanConflictError: they disagree.
        """
        del other
        return None


class Restart(Action, frozen=True):
    """A restart, done once after all changes it serves (``when`` is ``do``) or, going back, after their undoing.

    A plan brackets its changes with both: the one that acts on the way back stands first, so that strict reverse
    order restores the files and then restarts.
    """

    @property
    def backward(self) -> bool:
        """Whether it acts on the way back only."""
        return self.target.endswith(":undo")

    does: ClassVar[Text] = Text("restart {what}", zh="重启 {what}")

    @property
    def what(self) -> str:
        """What is restarted."""
        return super().what.removesuffix(":do").removesuffix(":undo")

    def covers(self, action: Action) -> bool:
        """Whether this restart does what ``action`` does, so that it need not be done."""
        del action
        return False


class OneWay(Action, frozen=True):
    """An action that has no inverse: what was done before it cannot be undone by kedoctor once it has worked."""

    does: ClassVar[Text] = Text("run {what}", zh="运行 {what}")

    @property
    def name(self) -> str:
        """What a person calls it."""
        return self.what

    @property
    def undone_by(self) -> Text:
        """How a person undoes it, as a clause."""
        return Text("only a person can undo it", zh="只能由人工撤销")

    @property
    def shows(self) -> bool:
        """Whether looking at its target tells if it has worked; if not, it counts as having worked once begun."""
        return True

    @property
    def longest(self) -> float:
        """The seconds after which it has ended in any case."""
        return 600.0


def steps_of(actions: Iterable[Action]) -> tuple[Text, ...]:
    """What these actions do, in words and in their order; restarts that act on the way back only are left out."""
    forward = (one for one in actions if not (isinstance(one, Restart) and one.backward))
    return tuple(one.described for one in forward)
