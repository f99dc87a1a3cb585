"""What can be changed: actions as data, so that they can be shown, journalled, done and taken back.

An action says what shall be, not how. What was there before is looked at by the actor that carries it out, and
stands in the journal before anything is touched. Every action has an exact inverse, except two: that of a restart
is another restart, after the files are what they were (see :class:`Restart`), and a foreign program that takes over
has none at all (see :class:`RunProgram`).
"""

from __future__ import annotations

from typing import Any, ClassVar

from kedoctor.base.records import Record
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
    "PatchObject",
    "PlaceFile",
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


class Action(Record, frozen=True, tag_field="act", tag=True):
    """One change of one target."""

    where: ClassVar[str] = ""

    @property
    def target(self) -> str:
        """What is changed, named so that two actions on the same thing have the same target."""
        return self.where.format(self)


class YamlChange(Record, frozen=True):
    """One key of a YAML document: ``set`` it to ``value``, ``remove`` it, or ``move`` it to ``to``.

    Paths are keys joined by dots (``modules.edgeStream.enable``).
    """

    how: str
    path: str
    value: Any = None
    to: str = ""


class EditYaml(Action, frozen=True, tag=True):
    """Keys of a YAML file; comments, order, quotes, owner, mode, attributes and links stay as they are."""

    path: str
    changes: tuple[YamlChange, ...]

    where: ClassVar[str] = "file:{0.path}"


class WriteFile(Action, frozen=True, tag=True):
    """A file's whole content. A file that exists keeps its owner and mode unless ``mode`` is given."""

    path: str
    content: bytes
    mode: int | None = None

    where: ClassVar[str] = "file:{0.path}"


class RemoveFile(Action, frozen=True, tag=True):
    """A file that shall not be there."""

    path: str

    where: ClassVar[str] = "file:{0.path}"


class PlaceFile(Action, frozen=True, tag=True):
    """A file copied from ``source`` (a program out of an offline bundle, say), which must have that ``sha256``.

    For files that are too large for the journal: what was there before is kept beside it until it is put back.
    """

    path: str
    source: str
    sha256: str
    mode: int = 0o755

    where: ClassVar[str] = "program:{0.path}"


class MoveAside(Action, frozen=True, tag=True):
    """A file or directory that is renamed to ``to`` (of the same file system), where nothing is yet."""

    path: str
    to: str

    where: ClassVar[str] = "path:{0.path}"


class ChangeMode(Action, frozen=True, tag=True):
    """Permission bits of a file."""

    path: str
    mode: int

    where: ClassVar[str] = "mode:{0.path}"


class ControlUnit(Action, frozen=True, tag=True):
    """A systemd unit's state: ``start``, ``stop``, ``enable``, ``disable`` or ``daemon-reload`` (without unit).

    ``enable-now`` enables and starts; like ``enable`` it may name a unit that an earlier action of the plan writes.
    """

    unit: str
    verb: str

    where: ClassVar[str] = "unit:{0.unit}:{0.verb}"


class Restart(Action, frozen=True):
    """A restart, done once after all changes it serves (``when`` is ``do``) or, going back, after their undoing.

    A plan brackets its changes with both: the one that acts on the way back stands first, so that strict reverse
    order restores the files and then restarts.
    """

    @property
    def backward(self) -> bool:
        """Whether it acts on the way back only."""
        return self.target.endswith(":undo")


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


class RestartPods(Restart, frozen=True, tag=True):
    """Deletes the pods of a workload and waits until their successors are ready.

    Deleting, not rolling: pods with host ports and one eligible node never finish a rolling update.
    """

    namespace: str
    label_selector: str
    when: str = "do"

    where: ClassVar[str] = "restart:{0.namespace}/{0.label_selector}:{0.when}"


class Secret(Record, frozen=True):
    """A setting that a program needs and that nobody may see: in its environment, or in a file.

    A file is written with mode 0600, at the start or once the file ``once`` is there, and taken away when the program
    has ended. The journal knows the name of the setting only.
    """

    setting: str
    variable: str = ""
    path: str = ""
    once: str = ""


class RunProgram(Action, frozen=True, tag=True):
    """A foreign program that takes over and has no inverse: what was done before it can be undone only without it.

    ``program`` is an absolute path. How far it came is told by which of the paths ``leaves`` exist; without any nobody
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


class RemoveRule(Action, frozen=True, tag=True):
    """One rule out of a chain of the ``nat`` table, exactly as ``iptables-save`` prints it (``-A CHAIN …``).

    ``occurrence`` counts equal rules from 1; going back it is put where it was. Of several equal rules that shall go
    the last one stands first in the plan.
    """

    backend: str
    rule: str
    occurrence: int = 1

    where: ClassVar[str] = "nat:{0.backend}:{0.rule}:{0.occurrence}"


class EditObjectYaml(Action, frozen=True, tag=True):
    """Keys of a YAML document inside a ConfigMap (``data[key]`` of the object at the API path ``object``)."""

    object: str
    key: str
    changes: tuple[YamlChange, ...]

    where: ClassVar[str] = "object:{0.object}"


class PatchObject(Action, frozen=True, tag=True):
    """A patch of an object; ``kind`` is ``merge``, ``strategic`` or ``json``. Guarded by its resourceVersion."""

    object: str
    kind: str
    patch: Any

    where: ClassVar[str] = "object:{0.object}"


class ApplyObject(Action, frozen=True, tag=True):
    """Server-side apply (field manager ``kedoctor``) of a whole object, which is created if it is not there."""

    object: str
    body: dict[str, Any]

    where: ClassVar[str] = "object:{0.object}"


class DeleteObject(Action, frozen=True, tag=True):
    """An object that shall not be there; going back it is created anew with the same content.

    ``remade`` says that somebody makes another one in its place, as was wanted: going back, that one is replaced.
    """

    object: str
    remade: bool = False

    where: ClassVar[str] = "object:{0.object}"


class ImportImage(Action, frozen=True, tag=True):
    """A container image from an archive into the store that the host's runtime reads."""

    archive: str
    reference: str
    runtime: str  # k3s, containerd or docker

    where: ClassVar[str] = "image:{0.reference}"


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
