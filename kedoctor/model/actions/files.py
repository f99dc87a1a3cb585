"""Changes of files."""

from __future__ import annotations

from typing import ClassVar

from kedoctor.base.records import replace
from kedoctor.base.text import Text
from kedoctor.model.actions.action import Action
from kedoctor.model.actions.yaml_changes import YamlChange, together

__all__ = ["ChangeMode", "EditYaml", "MoveAside", "PlaceFile", "RemoveFile", "WriteFile"]


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
        return replace(self, changes=together(self.target, self.changes, other.changes))


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
