"""Kubernetes objects, reduced to the fields that somebody judges.

A kind is declared once, as a class; :meth:`kedoctor.model.ports.Cluster.list` decodes pages of the API server's JSON
straight into it, so a list costs memory for these fields only and a bundle never holds more than them.
"""

from __future__ import annotations

from typing import Any, ClassVar, Self

from kedoctor.base.records import Record

__all__ = ["EXAMPLE", "Fields", "Object", "kind_named"]

EXAMPLE = "kedoctor-example"
"""The name of a namespace or object that stands for any other, where it is found out what would be asked of it."""

_kinds: dict[str, type[Object]] = {}


class Fields(Record, frozen=True, rename="camel"):
    """A part of an object; field names are Python's, JSON names are Kubernetes' (``host_ip`` is ``hostIp``)."""


class Object(Fields, frozen=True):
    """A kind of object that can be listed. The class name is the kind, unique among all plugins."""

    api: ClassVar[str] = "v1"
    plural: ClassVar[str] = ""
    namespaced: ClassVar[bool] = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        known = _kinds.get(cls.__name__)
        if known is not None and (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
            raise TypeError(f"the kind {cls.__name__} is declared in {known.__module__} already")
        _kinds[cls.__name__] = cls

    def reduced(self) -> Self:
        """The object without what nobody judges although its fields hold it; called for each when a page has come in."""
        return self

    @classmethod
    def path(cls, namespace: str = "") -> str:
        """The API path of the collection, e.g. ``/apis/apps/v1/namespaces/kubeedge/daemonsets``."""
        root = f"/api/{cls.api}" if "/" not in cls.api else f"/apis/{cls.api}"
        where = f"/namespaces/{namespace}" if namespace and cls.namespaced else ""
        return f"{root}{where}/{cls.plural}"


def kind_named(name: str) -> type[Object]:
    """The class of a kind.

    Raises:
        KeyError: no plugin declared it.
    """
    return _kinds[name]
