"""The API server of the cluster: objects, raw paths, access reviews."""

from __future__ import annotations

from datetime import datetime

from kedoctor.model.observations.request import Answer, Request

__all__ = ["AccessReview", "ApiAnswer", "GetPath", "ListObjects", "ReviewAccess"]


class ListObjects(Request, frozen=True):
    """Asks for all objects of a :class:`kedoctor.model.objects.Object` kind, as a list of that kind."""

    kind: str
    namespace: str = ""
    label_selector: str = ""
    field_selector: str = ""


class GetPath(Request, frozen=True):
    """Asks the API server for a raw path and gets :class:`ApiAnswer`, whatever the status below 500."""

    path: str
    accept: str = "application/json"
    timeout: float = 10.0


class ApiAnswer(Answer, frozen=True):
    """An answer of the API server: status, its ``Date`` (aware UTC) and body (capped)."""

    status: int
    body: bytes
    date: datetime | None = None
    content_type: str = ""


class ReviewAccess(Request, frozen=True):
    """Asks whether the current user (or ``user``) may do ``verb``, as :class:`AccessReview`."""

    verb: str
    resource: str
    group: str = ""
    subresource: str = ""
    namespace: str = ""
    user: str = ""


class AccessReview(Answer, frozen=True):
    """What the API server's authorizers say."""

    allowed: bool
    reason: str = ""
