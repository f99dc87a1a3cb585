"""What all Kubernetes kinds share."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from kedoctor.api import Fields, field

__all__ = [
    "Condition",
    "Labels",
    "ManagedFields",
    "Metadata",
]

Labels = dict[str, str]


class ManagedFields(Fields, frozen=True):
    """Who last wrote which fields of an object, and when (``fieldsV1`` as the API server keeps it)."""

    manager: str = ""
    operation: str = ""
    subresource: str = ""
    time: datetime | None = None
    fields_v1: dict[str, Any] | None = None


class Metadata(Fields, frozen=True):
    """What every object carries."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    labels: Labels = field(default_factory=dict)
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None


class Condition(Fields, frozen=True):
    """A condition of a node, pod, deployment or API service."""

    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""
    last_transition_time: datetime | None = None
    last_heartbeat_time: datetime | None = None
