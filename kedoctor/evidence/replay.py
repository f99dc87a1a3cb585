"""Answers from a bundle instead of from the world.

What a bundle does not hold is :class:`~kedoctor.model.observations.request.Unavailable` (not recorded), with its name in words. A
request that this kedoctor does not know is passed over, so bundles of newer and older versions can be read as far
as they go.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import reduce
from operator import or_
from pathlib import Path
from typing import Any

from kedoctor.base.errors import BundleError
from kedoctor.base.records import Record, RecordError, asdict, decode, encode, replace
from kedoctor.evidence.archive import Limits, read_archive
from kedoctor.evidence.bundle import FORMAT, KIND, MANIFEST, PAYLOAD_FIELDS, EvidenceItem, EvidenceManifest
from kedoctor.model.objects import kind_named
from kedoctor.model.observations.inputs import ReadSetting
from kedoctor.model.observations.request import Answer, Reason, Request, Unavailable
from kedoctor.observe.memo import Observation
from kedoctor.observe.request_names import describe

__all__ = ["Bundle", "ReplaySource", "open_bundle"]

_HOW_MUCH = ("limit", "lines", "timeout")
"""Parts of a request that say how much to read or how long to wait, not what."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle that was read: its manifest and the contents of its files by name."""

    path: Path
    manifest: EvidenceManifest
    payloads: dict[str, bytes] = field(repr=False)


class _Head(Record, frozen=True):
    """As much of a manifest as every version of it has."""

    kind: str = ""
    format: int = 0


def open_bundle(path: Path, *, limits: Limits | None = None) -> Bundle:
    """Reads a bundle; nothing is unpacked to disk and nothing in it is trusted.

    Raises:
        BundleError: it is absent, truncated, foreign, unsafe, too large, or of a newer format.
    """
    payloads = dict(read_archive(path, limits))
    raw = payloads.pop(MANIFEST, None)
    if raw is None:
        raise BundleError(f"{path} is an archive, but not evidence of kedoctor: it holds no {MANIFEST}")
    try:
        head = decode(raw, _Head)
        if head.kind != KIND:
            raise BundleError(
                f"{path} is an archive, but not evidence of kedoctor: its {MANIFEST} is of another kind"
            )
        if head.format > FORMAT:
            raise BundleError(
                f"the evidence {path} was written by a newer kedoctor (format {head.format}, this one reads {FORMAT})",
                hint="update kedoctor",
            )
        manifest = decode(raw, EvidenceManifest)
    except RecordError as error:
        raise BundleError(f"the evidence {path} has a broken {MANIFEST}: {error}") from error
    return Bundle(path, manifest, payloads)


class ReplaySource:
    """Answers requests from a bundle, with the times at which they were once read."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self._entries: dict[Request, EvidenceItem] = {}
        self._alike: dict[Request, EvidenceItem] = {}
        request_type: Any = reduce(or_, _request_types(Request))
        for entry in bundle.manifest.entries:
            try:
                request = decode(encode(entry.request), request_type)
            except RecordError:
                continue  # a request of another version of kedoctor: nobody here will ask it
            self._entries[request] = entry
            self._alike.setdefault(_what(request), entry)

    @property
    def manifest(self) -> EvidenceManifest:
        """What the bundle says of itself."""
        return self._bundle.manifest

    def entries(self) -> Iterator[tuple[Request, Any]]:
        """Everything that the bundle can answer, with the answers."""
        for request, entry in self._entries.items():
            yield request, self._answer(entry, request)

    def observe(self, request: Request) -> Any:
        """The recorded answer, or :class:`Unavailable` (not recorded)."""
        return self.observation(request).answer

    def observation(self, request: Request) -> Observation:
        """The recorded answer, when it was read and how long that took.

        A read of the same thing to another length or with another deadline is taken where there is no equal one.
        """
        name = self._bundle.path.name
        entry = self._entries.get(request) or self._alike.get(_what(request))
        if isinstance(request, ReadSetting):
            said = Unavailable(Reason.NOT_GIVEN, describe(request), "evidence holds no options")
            return Observation(request, said, self.manifest.created, 0, name)
        if entry is None:
            missing = Unavailable(
                Reason.NOT_RECORDED, describe(request), f"the evidence {name} does not contain it"
            )
            return Observation(request, missing, self.manifest.created, 0, name)
        return Observation(request, self._answer(entry, request), entry.at, entry.took_ms, name)

    def _answer(self, entry: EvidenceItem, request: Request) -> Any:
        if entry.unavailable is not None:
            return entry.unavailable
        try:
            return _decoded(entry, self._bundle.payloads[entry.payload])
        except (RecordError, KeyError, TypeError) as error:
            detail = f"the bundle holds something else there: {error}"
            return Unavailable(Reason.INVALID, describe(request), detail)


def _decoded(entry: EvidenceItem, payload: bytes) -> Any:
    if entry.type.endswith("[]"):
        listed: Any = tuple[kind_named(entry.type.removesuffix("[]")), ...]  # type: ignore[misc]
        return decode(payload, listed)
    answer_type = _answer_types().get(entry.type)
    if answer_type is None:
        raise RecordError(f"an answer of the unknown type {entry.type}")
    bulk = PAYLOAD_FIELDS.get(entry.type)
    if bulk is None:
        return decode(payload, answer_type)
    placeholder: Any = ""  # bytes decode from an empty string too
    answer = decode(encode({**(entry.answer or {}), bulk: placeholder}), answer_type)
    is_bytes = isinstance(getattr(answer, bulk), bytes)
    return replace(answer, **{bulk: payload if is_bytes else payload.decode("utf-8", "replace")})


def _answer_types() -> dict[str, type[Answer]]:
    return {one.__name__: one for one in Answer.__subclasses__()}


def _request_types(base: type[Request]) -> list[type[Request]]:
    found = []
    for subclass in base.__subclasses__():
        found.extend([subclass, *_request_types(subclass)])
    return found


def _what(request: Request) -> Request:
    return replace(request, **{name: 0 for name in asdict(request) if name in _HOW_MUCH})
