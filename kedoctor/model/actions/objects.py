"""Changes of objects of the API server."""

from __future__ import annotations

from typing import Any, ClassVar

from kedoctor.base.records import replace
from kedoctor.base.text import Text
from kedoctor.model.actions.action import Action, Restart
from kedoctor.model.actions.yaml_changes import YamlChange, together

__all__ = ["ApplyObject", "DeleteObject", "EditObjectYaml", "IssueCertificates", "PatchObject", "RestartPods"]


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
        return replace(self, changes=together(self.target, self.changes, other.changes))


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
