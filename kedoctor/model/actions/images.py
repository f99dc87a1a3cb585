"""Changes of the store of container images."""

from __future__ import annotations

from typing import ClassVar

from kedoctor.base.text import Text
from kedoctor.model.actions.action import Action

__all__ = ["ImportImage"]


class ImportImage(Action, frozen=True, tag=True):
    """A container image from an archive into the store that the host's runtime reads."""

    archive: str
    reference: str
    runtime: str  # k3s, containerd or docker

    where: ClassVar[str] = "image:{0.reference}"
    does: ClassVar[Text] = Text("import image {what}", zh="导入 镜像 {what}")
