"""What the API server refuses with: Status bodies as kube-apiserver v1.31 words them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .resources import Resource

OBJECT_MODIFIED = (
    "the object has been modified; please apply your changes to the latest version and try again"
)
EXPIRED_CONTINUE = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter, or use the continue token in this response to retrieve the remainder of the results. "
    "Continuing with the provided token results in an inconsistent list - objects that were created, modified, or "
    "deleted between the time the first chunk was returned and now may show up in the list."
)


class ApiError(Exception):
    """A refusal: ``code``, ``reason`` and ``message`` of the Status; ``details`` is left out when ``None``."""

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        details: dict[str, Any] | None = None,
        *,
        metadata: dict[str, Any] | None = None,
        headers: Sequence[tuple[str, str]] = (),
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details
        self.metadata = metadata or {}
        self.headers = tuple(headers)

    def status(self) -> dict[str, Any]:
        """The Status object, keys in the order in which the real server writes them."""
        body: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": self.metadata,
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            body["reason"] = self.reason
        if self.details is not None:
            body["details"] = self.details
        body["code"] = self.code
        return body


class PlainError(Exception):
    """A refusal whose body is plain text, as Go's own HTTP helpers write it (``404 page not found``)."""

    def __init__(self, code: int, text: str, headers: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.headers = tuple(headers)


def page_not_found() -> PlainError:
    """What an unknown path gets."""
    return PlainError(404, "404 page not found\n")


def resource_not_found() -> ApiError:
    """404 for a resource or subresource that a served group version does not have."""
    return ApiError(404, "NotFound", "the server could not find the requested resource", {})


def bad_request(message: str) -> ApiError:
    """400 BadRequest; the real one carries no details."""
    return ApiError(400, "BadRequest", message)


def _details(resource: Resource, name: str, kind: str = "") -> dict[str, Any]:
    details: dict[str, Any] = {}
    if name:
        details["name"] = name
    if resource.group:
        details["group"] = resource.group
    details["kind"] = kind or resource.plural
    return details


def not_found(resource: Resource, name: str) -> ApiError:
    """404 for an object that is not there."""
    return ApiError(404, "NotFound", f'{resource.qualified} "{name}" not found', _details(resource, name))


def already_exists(resource: Resource, name: str, *, ending: bool = False) -> ApiError:
    """409 for a create of a name that is taken, perhaps by an object that is being deleted."""
    message = f'{"object is being deleted: " if ending else ""}{resource.qualified} "{name}" already exists'
    return ApiError(409, "AlreadyExists", message, _details(resource, name))


def conflict(resource: Resource, name: str, why: str = OBJECT_MODIFIED, *, kind: str = "") -> ApiError:
    """409 for a write that was made against an older object; ``kind`` replaces the resource in the words."""
    what = (f"{kind}.{resource.group}" if resource.group else kind) if kind else resource.qualified
    message = f'Operation cannot be fulfilled on {what} "{name}": {why}'
    return ApiError(409, "Conflict", message, _details(resource, name, kind))


def invalid(kind: str, group: str, name: str, causes: Sequence[Cause]) -> ApiError:
    """422 for an object that fails validation, all its causes at once."""
    words = [f"{cause.field}: {cause.message}" for cause in causes]
    listed = words[0] if len(words) == 1 else "[" + ", ".join(words) + "]"
    what = f"{kind}.{group}" if group else kind
    details: dict[str, Any] = {}
    if name:
        details["name"] = name
    if group:
        details["group"] = group
    if kind:
        details["kind"] = kind
    details["causes"] = [
        {"reason": cause.reason, "message": cause.message, "field": cause.field} for cause in causes
    ]
    return ApiError(422, "Invalid", f'{what} "{name}" is invalid: {listed}', details)


class Cause:
    """One thing wrong with an object."""

    __slots__ = ("field", "message", "reason")

    def __init__(self, reason: str, field: str, message: str) -> None:
        self.reason = reason
        self.field = field
        self.message = message


def required(field: str, why: str = "") -> Cause:
    """A field that must be there."""
    return Cause("FieldValueRequired", field, "Required value" + (f": {why}" if why else ""))


def invalid_value(field: str, value: object, why: str) -> Cause:
    """A field with a value that is not allowed; ``value`` is shown as Go's ``%#v`` / JSON shows it."""
    return Cause("FieldValueInvalid", field, f"Invalid value: {go_quote(value)}: {why}")


def duplicate(field: str, value: object) -> Cause:
    """A list item that repeats another one's key."""
    return Cause("FieldValueDuplicate", field, f"Duplicate value: {go_quote(value)}")


def forbidden_field(field: str, why: str) -> Cause:
    """A field that must not be there."""
    return Cause("FieldValueForbidden", field, f"Forbidden: {why}")


def unsupported(field: str, value: object, allowed: Sequence[str]) -> Cause:
    """A field whose value is not one of a fixed set."""
    choices = ", ".join(go_quote(choice) for choice in allowed)
    return Cause(
        "FieldValueNotSupported", field, f"Unsupported value: {go_quote(value)}: supported values: {choices}"
    )


class Raw(str):
    """A value to be shown as it stands, without quotes."""

    __slots__ = ()


def go_quote(value: object) -> str:
    """A value as Go's ``%q`` (strings) or ``%v`` (the rest) prints it."""
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


def method_not_allowed() -> ApiError:
    """405 for a verb that a path does not know."""
    message = "the server does not allow this method on the requested resource"
    return ApiError(405, "MethodNotAllowed", message, {})


def unsupported_media_type() -> ApiError:
    """415 as the built-in resources word it."""
    return ApiError(415, "UnsupportedMediaType", "415: Unsupported Media Type", {})


def unsupported_patch_type(accepted: Sequence[str]) -> ApiError:
    """415 as custom resources word it."""
    message = "the body of the request was in an unknown format - accepted media types include: " + ", ".join(
        accepted
    )
    return ApiError(415, "UnsupportedMediaType", message, {})


def unprocessable() -> ApiError:
    """422 for a JSON patch that does not apply."""
    return ApiError(422, "Invalid", "the server rejected our request due to an error in our request", {})


def internal_error(message: str) -> ApiError:
    """500 InternalError, its cause repeated in the details as Go does (an empty one is left out)."""
    cause = {"message": message} if message else {}
    return ApiError(500, "InternalError", f"Internal error occurred: {message}", {"causes": [cause]})


def expired(message: str, *, fresh: str = "") -> ApiError:
    """410 Expired, with a continue token to go on inconsistently when ``fresh`` is given."""
    return ApiError(410, "Expired", message, metadata={"continue": fresh} if fresh else None)


def unauthorized() -> ApiError:
    """401 for a credential that nobody knows."""
    return ApiError(401, "Unauthorized", "Unauthorized")


def namespace_not_found(name: str) -> ApiError:
    """404 for a create in a namespace that is not there."""
    details = {"name": name, "kind": "namespaces"}
    return ApiError(404, "NotFound", f'namespaces "{name}" not found', details)
