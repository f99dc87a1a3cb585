"""Typed, frozen records and their JSON: the only module that imports msgspec.

Everything kedoctor keeps, sends or prints is a :class:`Record`. Decoding is strict about types and lenient
about unknown fields, so a document written by a newer kedoctor can still be read.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar, cast, overload

import msgspec
import msgspec.structs
import msgspec.yaml
from msgspec import field
from msgspec.structs import asdict, force_setattr

__all__ = [
    "Record",
    "RecordError",
    "Sealed",
    "asdict",
    "decode",
    "decode_yaml",
    "encode",
    "encode_pretty",
    "field",
    "force_setattr",
    "reader",
    "replace",
    "schema",
    "to_builtins",
]

T = TypeVar("T")
R = TypeVar("R", bound="Record")
P_co = TypeVar("P_co", bound="Record", covariant=True)


class Record(msgspec.Struct, frozen=True, gc=False):
    """An immutable value with named fields; equal by value, hashable when its fields are.

    Subclasses repeat ``frozen=True``: msgspec inherits it, type checkers want to see it. What cannot change cannot come to
    hold itself, so the cyclic collector need not look at it: of 100,000 nodes it would, again and again.
    """


class Sealed(Protocol[P_co]):
    """A record that only one place may make: changed, it is one of its plain kind, and has to go there once more."""

    def opened(self) -> P_co:
        """The same as a record of its plain kind."""
        ...


@overload
def replace(record: Sealed[R], /, **changes: Any) -> R: ...


@overload
def replace(record: R, /, **changes: Any) -> R: ...


def replace(record: Any, /, **changes: Any) -> Any:
    """The record with other values of some fields; of a :class:`Sealed` one its plain kind."""
    if hasattr(record, "opened"):
        record = cast("Sealed[Record]", record).opened()
    return msgspec.structs.replace(record, **changes)


class RecordError(ValueError):
    """Bytes that are not the JSON of the expected record; the message names the field."""


def encode(value: object) -> bytes:
    """The compact JSON of a record (bytes become base64, times RFC 3339)."""
    return msgspec.json.encode(value)


def encode_pretty(value: object) -> bytes:
    """The JSON of a record, indented by two, with a final newline."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"


_decoders: dict[Any, msgspec.json.Decoder[Any]] = {}
_making = threading.Lock()


def _decoder(into: type[T]) -> msgspec.json.Decoder[T]:
    """One decoder for each type, made by one thread at a time.

    msgspec looks into a record's annotations when it is decoded for the first time, and two threads that do so at once
    have ended in a segmentation fault (msgspec 0.22). A finished decoder may be used by any number of threads.
    """
    found = _decoders.get(into)
    if found is None:
        with _making:
            found = _decoders.get(into)
            if found is None:
                found = _decoders[into] = msgspec.json.Decoder(into)
    return found


def decode(data: bytes | str, into: type[T]) -> T:
    """``data`` as a value of type ``into``.

    Raises:
        RecordError: the bytes are no JSON, or of another shape.
    """
    try:
        return _decoder(into).decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise RecordError(str(error)) from error


def reader(into: type[T], fields: Mapping[str, Any]) -> Callable[[bytes], T]:
    """What decodes ``into`` where some ``fields`` have a more exact type than the record itself can name.

    The function raises :class:`RecordError` as :func:`decode` does.
    """
    known = msgspec.structs.fields(into)  # type: ignore[arg-type]
    columns = [(one.name, fields.get(one.name, one.type), _default(one)) for one in known]
    exact = msgspec.defstruct(into.__name__, columns, kw_only=True)

    def read(data: bytes) -> T:
        found = decode(data, exact)
        return into(**{one.name: getattr(found, one.name) for one in known})

    return read


def _default(one: msgspec.structs.FieldInfo) -> Any:
    if one.default_factory is not msgspec.NODEFAULT:
        return msgspec.field(default_factory=one.default_factory)
    return msgspec.field(default=one.default)


def decode_yaml(data: bytes) -> Any:
    """A YAML file of our own as plain dicts, lists and scalars: ten times quicker than ``yamldoc``, which is for others'."""
    return msgspec.yaml.decode(data)


def to_builtins(value: object) -> Any:
    """The record as plain dicts, lists and strings, as JSON would have it."""
    return msgspec.to_builtins(value)


def schema(root: type) -> dict[str, Any]:
    """The JSON Schema (2020-12) of a record and of all it contains."""
    return msgspec.json.schema(root)
