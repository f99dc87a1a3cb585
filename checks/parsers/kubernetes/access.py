"""Access control: accounts, roles and bindings."""

from __future__ import annotations

from typing import ClassVar

from kedoctor.api import Fields, Object
from kedoctor.checks.parsers.kubernetes.common import Metadata

__all__ = [
    "ClusterRole",
    "ClusterRoleBinding",
    "PolicyRule",
    "RoleBinding",
    "RoleRef",
    "ServiceAccount",
    "Subject",
]


class ServiceAccount(Object, frozen=True):
    """A ServiceAccount."""

    plural: ClassVar[str] = "serviceaccounts"

    metadata: Metadata = Metadata()


class PolicyRule(Fields, frozen=True):
    """What a role allows."""

    api_groups: tuple[str, ...] | None = None
    resources: tuple[str, ...] | None = None
    resource_names: tuple[str, ...] | None = None
    verbs: tuple[str, ...] | None = None


class ClusterRole(Object, frozen=True):
    """A ClusterRole; ``rules`` of an aggregated one may be null until the controller fills them."""

    api: ClassVar[str] = "rbac.authorization.k8s.io/v1"
    plural: ClassVar[str] = "clusterroles"
    namespaced: ClassVar[bool] = False

    metadata: Metadata = Metadata()
    rules: tuple[PolicyRule, ...] | None = None


class RoleRef(Fields, frozen=True):
    """The role that a binding gives."""

    kind: str = ""
    name: str = ""


class Subject(Fields, frozen=True):
    """Whom a binding gives it to."""

    kind: str = ""
    name: str = ""
    namespace: str = ""


class ClusterRoleBinding(Object, frozen=True):
    """A ClusterRoleBinding."""

    api: ClassVar[str] = "rbac.authorization.k8s.io/v1"
    plural: ClassVar[str] = "clusterrolebindings"
    namespaced: ClassVar[bool] = False

    metadata: Metadata = Metadata()
    role_ref: RoleRef = RoleRef()
    subjects: tuple[Subject, ...] | None = None


class RoleBinding(Object, frozen=True):
    """A RoleBinding."""

    api: ClassVar[str] = "rbac.authorization.k8s.io/v1"
    plural: ClassVar[str] = "rolebindings"

    metadata: Metadata = Metadata()
    role_ref: RoleRef = RoleRef()
    subjects: tuple[Subject, ...] | None = None
