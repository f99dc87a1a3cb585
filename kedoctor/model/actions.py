"""What can be changed: actions as data, so that they can be shown, journalled, done and taken back.

An action says what shall be, not how. What was there before is looked at by the actor that carries it out, and
stands in the journal before anything is touched. Every action has an exact inverse, except two: that of a restart
is another restart, after the files are what they were (see :class:`Restart`), and a foreign program that takes over
has none at all (see :class:`RunProgram`).
"""

from __future__ import annotations

from typing import Any, ClassVar

from kedoctor.base.errors import ChangeError
from kedoctor.base.records import Record, replace
from kedoctor.base.text import Text

__all__ = [
    "Action",
    "ApplyObject",
    "ChangeMode",
    "ControlUnit",
    "DeleteObject",
    "EditObjectYaml",
    "EditYaml",
    "EnsureChain",
    "ImportImage",
    "IssueCertificates",
    "MoveAside",
    "OneWay",
    "PatchObject",
    "PlaceFile",
    "PlanConflictError",
    "RemoveFile",
    "RemoveRule",
    "Restart",
    "RestartPods",
    "RestartUnit",
    "RunProgram",
    "Secret",
    "TemporaryFile",
    "WriteFile",
    "YamlChange",
]


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


class YamlChange(Record, frozen=True):
    """One key of a YAML document: ``set`` it to ``value``, ``remove`` it, or ``move`` it to ``to``.

    Paths are keys joined by dots (``modules.edgeStream.enable``).
    """

    how: str
    path: str
    value: Any = None
    to: str = ""


def _together(
    target: str, first: tuple[YamlChange, ...], second: tuple[YamlChange, ...]
) -> tuple[YamlChange, ...]:
    changes = list(first)
    for change in second:
        same = [one for one in changes if one.path == change.path]
        if same and same[0] != change:
            raise PlanConflictError(f"two repairs disagree about {change.path} in {target}")
        if not same:
            changes.append(change)
    return tuple(changes)


class EditYaml(Action, frozen=True, tag=True):
    """Keys of a YAML file; comments, order, quotes, owner, mode, attributes and links stay as they are."""

    path: str
    changes: tuple[YamlChange, ...]

    where: ClassVar[str] = "file:{0.path}"
    does: ClassVar[Text] = Text("change file {what}", zh="修改 文件 {what}")

    def joined(self, other: Action) -> Action | None:
        """One edit with the keys of both."""
        if not isinstance(other, EditYaml):
            return None
        return replace(self, changes=_together(self.target, self.changes, other.changes))


class WriteFile(Action, frozen=True, tag=True):
    """A file's whole content. A file that exists keeps its owner and mode unless ``mode`` is given."""

    path: str
    content: bytes
    mode: int | None = None

    where: ClassVar[str] = "file:{0.path}"
    does: ClassVar[Text] = Text("change file {what}", zh="修改 文件 {what}")


class RemoveFile(Action, frozen=True, tag=True):
    """A file that shall not be there."""

    path: str

    where: ClassVar[str] = "file:{0.path}"
    does: ClassVar[Text] = Text("remove file {what}", zh="删除 文件 {what}")


class PlaceFile(Action, frozen=True, tag=True):
    """A file copied from ``source`` (a program out of an offline bundle, say), which must have that ``sha256``.

    For files that are too large for the journal: what was there before is kept beside it until it is put back.
    """

    path: str
    source: str
    sha256: str
    mode: int = 0o755

    where: ClassVar[str] = "program:{0.path}"
    does: ClassVar[Text] = Text("put program {what} in place", zh="放置 程序 {what}")


class MoveAside(Action, frozen=True, tag=True):
    """A file or directory that is renamed to ``to`` (of the same file system), where nothing is yet."""

    path: str
    to: str

    where: ClassVar[str] = "path:{0.path}"
    does: ClassVar[Text] = Text("move {what} aside", zh="移开 {what}")


class ChangeMode(Action, frozen=True, tag=True):
    """Permission bits of a file."""

    path: str
    mode: int

    where: ClassVar[str] = "mode:{0.path}"
    does: ClassVar[Text] = Text("change the mode of {what}", zh="修改 权限 {what}")


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


class RestartPods(Restart, frozen=True, tag=True):
    """Deletes the pods of a workload and waits until their successors are ready.

    Deleting, not rolling: pods with host ports and one eligible node never finish a rolling update.
    """

    namespace: str
    label_selector: str
    when: str = "do"

    where: ClassVar[str] = "restart:{0.namespace}/{0.label_selector}:{0.when}"

    @property
    def writes(self) -> tuple[str, tuple[str, ...]]:
        """The pods of its namespace."""
        return f"/api/v1/namespaces/{self.namespace}/pods", ("restart",)


class Secret(Record, frozen=True):
    """A setting that a program needs and that nobody may see: in its environment, or in a file.

    A file is written with mode 0600, at the start or once the file ``once`` is there, and taken away when the program
    has ended. The journal knows the name of the setting only.
    """

    setting: str
    variable: str = ""
    path: str = ""
    once: str = ""


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


class EnsureChain(Action, frozen=True, tag=True):
    """A chain of our own in the ``nat`` table with exactly these rules, and a jump to it from each of ``hooks``.

    ``rules`` are in the words of ``iptables-save`` without ``-A CHAIN``.
    """

    backend: str  # nft or legacy
    chain: str
    hooks: tuple[str, ...]
    rules: tuple[str, ...]
    comment: str

    where: ClassVar[str] = "nat:{0.backend}:{0.chain}"
    does: ClassVar[Text] = Text("change NAT rules {what}", zh="修改 NAT 规则 {what}")


class RemoveRule(Action, frozen=True, tag=True):
    """One rule out of a chain of the ``nat`` table, exactly as ``iptables-save`` prints it (``-A CHAIN …``).

    ``occurrence`` counts equal rules from 1; going back it is put where it was. Of several equal rules that shall go
    the last one stands first in the plan.
    """

    backend: str
    rule: str
    occurrence: int = 1

    where: ClassVar[str] = "nat:{0.backend}:{0.rule}:{0.occurrence}"
    does: ClassVar[Text] = Text("remove NAT rules {what}", zh="删除 NAT 规则 {what}")


class EditObjectYaml(Action, frozen=True, tag=True):
    """Keys of a YAML document inside a ConfigMap (``data[key]`` of the object at the API path ``object``)."""

    object: str
    key: str
    changes: tuple[YamlChange, ...]

    where: ClassVar[str] = "object:{0.object}"
    does: ClassVar[Text] = Text("change object {what}", zh="修改 对象 {what}")

    @property
    def writes(self) -> tuple[str, tuple[str, ...]]:
        """The object."""
        return self.object, ("patch", "replace")

    def joined(self, other: Action) -> Action | None:
        """One edit with the keys of both."""
        if not isinstance(other, EditObjectYaml) or other.key != self.key:
            return None
        return replace(self, changes=_together(self.target, self.changes, other.changes))


class PatchObject(Action, frozen=True, tag=True):
    """A patch of an object; ``kind`` is ``merge``, ``strategic`` or ``json``. Guarded by its resourceVersion."""

    object: str
    kind: str
    patch: Any

    where: ClassVar[str] = "object:{0.object}"
    does: ClassVar[Text] = Text("change object {what}", zh="修改 对象 {what}")

    @property
    def writes(self) -> tuple[str, tuple[str, ...]]:
        """The object."""
        return self.object, ("patch", "replace")


class ApplyObject(Action, frozen=True, tag=True):
    """Server-side apply (field manager ``kedoctor``) of a whole object, which is created if it is not there."""

    object: str
    body: dict[str, Any]

    where: ClassVar[str] = "object:{0.object}"
    does: ClassVar[Text] = Text("change object {what}", zh="修改 对象 {what}")

    @property
    def writes(self) -> tuple[str, tuple[str, ...]]:
        """The object."""
        return self.object, ("replace",)


class DeleteObject(Action, frozen=True, tag=True):
    """An object that shall not be there; going back it is created anew with the same content.

    ``remade`` says that somebody makes another one in its place, as was wanted: going back, that one is replaced.
    """

    object: str
    remade: bool = False

    where: ClassVar[str] = "object:{0.object}"
    does: ClassVar[Text] = Text("remove object {what}", zh="删除 对象 {what}")

    @property
    def writes(self) -> tuple[str, tuple[str, ...]]:
        """The object."""
        return self.object, ("replace",)


class ImportImage(Action, frozen=True, tag=True):
    """A container image from an archive into the store that the host's runtime reads."""

    archive: str
    reference: str
    runtime: str  # k3s, containerd or docker

    where: ClassVar[str] = "image:{0.reference}"
    does: ClassVar[Text] = Text("import image {what}", zh="导入 镜像 {what}")


class IssueCertificates(Action, frozen=True, tag=True):
    """A new CA and a server certificate signed by it, put into three keys of a Secret; its labels stay.

    The keys are made when the action is carried out and are written nowhere else.
    """

    object: str
    ca_key: str
    certificate_key: str
    private_key_key: str
    common_name: str
    dns_names: tuple[str, ...]
    ip_addresses: tuple[str, ...]
    days: int

    where: ClassVar[str] = "object:{0.object}"
    does: ClassVar[Text] = Text("change object {what}", zh="修改 对象 {what}")

    @property
    def writes(self) -> tuple[str, tuple[str, ...]]:
        """The object."""
        return self.object, ("patch", "replace")
