"""Bundles: what was seen of a host, redacted, in one archive that a person can read and kedoctor can replay.

A bundle is a ``.tgz`` of payload files (files of the host as ``files/<path>``, logs and tool output as text, lists
from the API one object a line) and a ``manifest.json`` that says of each read what was asked, when, how long it
took, how it was made, and what was taken out. :meth:`EvidenceWriter.add` is the only function that writes evidence.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kedoctor import __version__, patterns
from kedoctor.base.errors import OutputError
from kedoctor.base.records import Record, encode, encode_pretty, to_builtins
from kedoctor.evidence.archive import ArchiveWriter
from kedoctor.model.declarations import RedactionRule
from kedoctor.model.observations.machine import Identity
from kedoctor.model.observations.request import Reason, Unavailable
from kedoctor.model.report import Redaction, Tool
from kedoctor.observe.memo import Observation
from kedoctor.observe.request_names import describe, evidence_name, payload_name
from kedoctor.redaction.redactor import Redacted, Redactor

__all__ = [
    "FORMAT",
    "KIND",
    "MANIFEST",
    "PAYLOAD_FIELDS",
    "EvidenceItem",
    "EvidenceManifest",
    "EvidenceWriter",
]

FORMAT = 1
KIND = "kedoctor-bundle"
MANIFEST = "manifest.json"

PAYLOAD_FIELDS = {
    "File": "data",
    "LogText": "text",
    "ToolOutput": "stdout",
    "ApiAnswer": "body",
    "HttpAnswer": "body",
    "StreamedAnswer": "out",
}
"""Which field of an answer goes into the payload file as it is; the others stay in the manifest."""


class EvidenceItem(Record, frozen=True, kw_only=True):
    """One read: the request and either what is ``unavailable`` or an answer of ``type``.

    ``answer`` holds the fields of the answer that are not in the file ``payload``; ``made`` says in words how it was
    read. A ``type`` that ends in ``[]`` is a list of that kind, one object a line.
    """

    request: dict[str, Any]
    made: str
    at: datetime
    took_ms: int
    type: str = ""
    answer: dict[str, Any] | None = None
    payload: str = ""
    unavailable: Unavailable | None = None
    truncated: bool = False
    redactions: tuple[Redaction, ...] = ()


class EvidenceManifest(Record, frozen=True, kw_only=True):
    """What a bundle says of itself; ``withheld`` counts the items that could not be redacted safely."""

    kind: str
    format: int
    tool: Tool
    created: datetime
    host: str
    identity: Identity | None = None
    sides: tuple[str, ...] = ()
    withheld: int = 0
    entries: tuple[EvidenceItem, ...] = ()


class EvidenceWriter:
    """A bundle in the making; safe to add to from several threads. End it with :meth:`finish` or :meth:`discard`.

    ``planted`` are byte strings that must not turn up in the finished archive whatever happens. A fixed ``salt`` and
    ``created`` make equal evidence give equal bytes; leave them out for anything that leaves a test.

    Raises:
        OutputError: the archive cannot be written.
    """

    def __init__(
        self,
        path: Path,
        rules: Sequence[RedactionRule] = (),
        *,
        planted: Sequence[bytes] = (),
        salt: bytes | None = None,
        created: datetime | None = None,
    ) -> None:
        self.created = created or datetime.now(UTC)
        self._redactor = Redactor(rules, salt=salt)
        self._planted = tuple(planted)
        self._archive = ArchiveWriter(path, modified=self.created)
        self._path = path
        self._lock = threading.Lock()
        self._names: set[str] = {MANIFEST}
        self._entries: list[EvidenceItem] = []
        self._withheld = 0
        self._failure: OutputError | None = None

    @property
    def withheld(self) -> int:
        """How many items could not be redacted safely so far; a command that sees one ends with exit code 3."""
        return self._withheld

    def add(self, seen: Observation) -> None:
        """Writes one read, redacted. What cannot be redacted is noted as withheld and not written."""
        try:
            entry, payload = self._entry(
                seen, self._redactor.redact(evidence_name(seen.request), seen.answer)
            )
        except Exception as error:  # noqa: BLE001  an answer that cannot be written down is not to be lost silently
            entry, payload = self._unwritable(seen, type(error).__name__), b""
        with self._lock:
            if entry.unavailable is not None and entry.unavailable.reason is Reason.WITHHELD:
                self._withheld += 1
            self._entries.append(entry)
        if entry.payload and self._failure is None:
            try:
                self._archive.add(entry.payload, payload)
            except OutputError as error:  # whoever asks for facts cannot do anything about it; finish() tells
                self._failure = error

    def finish(
        self, *, host: str, identity: Identity | None = None, sides: Sequence[str] = ()
    ) -> EvidenceManifest:
        """Writes the manifest, looks through the finished archive, and gives it its name.

        Raises:
            OutputError: the disk does not take it, or something in it still looks like a secret; it is removed then.
        """
        if self._failure is not None:
            raise self._failure
        manifest = EvidenceManifest(
            kind=KIND,
            format=FORMAT,
            tool=Tool("kedoctor", __version__),
            created=self.created,
            host=host,
            identity=identity,
            sides=tuple(sides),
            withheld=self._withheld,
            entries=tuple(sorted(self._entries, key=lambda entry: encode(entry.request))),
        )
        self._archive.add(MANIFEST, encode_pretty(manifest))
        self._archive.finish(self._inspect)
        return manifest

    def discard(self) -> None:
        """Removes what was written so far."""
        self._archive.discard()

    # ------------------------------------------------------------------------------------------ entries

    def _entry(self, seen: Observation, clean: Redacted) -> tuple[EvidenceItem, bytes]:
        words = describe(seen.request)
        made = self._clean_text(words)
        common: dict[str, Any] = {
            "request": self._clean_request(seen),
            "made": made,
            "at": seen.at,
            "took_ms": seen.took_ms,
            "redactions": clean.redactions,
        }
        answer = clean.answer
        if isinstance(answer, Unavailable):
            return EvidenceItem(**common, unavailable=answer), b""
        type_name, rest, payload, suffix = _parted(seen, answer)
        # A question that holds a secret must not become a file name.
        secret = made != words or common["request"] != to_builtins(seen.request)
        name = f"other/{type_name}{suffix}" if secret else payload_name(seen.request, suffix)
        name = self._unused(name)
        return EvidenceItem(
            **common,
            type=type_name,
            answer=rest,
            payload=name,
            truncated=bool(getattr(answer, "truncated", False)) or not getattr(answer, "complete", True),
        ), payload

    def _clean_request(self, seen: Observation) -> dict[str, Any]:
        clean = self._redactor.redact("request", to_builtins(seen.request)).answer
        return clean if isinstance(clean, dict) else {}

    def _clean_text(self, text: str) -> str:
        clean = self._redactor.redact("request", text).answer
        return clean if isinstance(clean, str) else ""

    def _unwritable(self, seen: Observation, reason: str) -> EvidenceItem:
        what = self._clean_text(describe(seen.request))
        withheld = Unavailable(Reason.WITHHELD, what, f"it could not be written down: {reason}")
        request = self._clean_request(seen)
        return EvidenceItem(
            request=request, made=what, at=seen.at, took_ms=seen.took_ms, unavailable=withheld
        )

    def _unused(self, name: str) -> str:
        with self._lock:
            candidate, number = name, 1
            while candidate in self._names:
                number += 1
                candidate = f"{name}~{number}"
            self._names.add(candidate)
        return candidate

    # -------------------------------------------------------------------------------------------- audit

    def _inspect(self, name: str, data: bytes) -> None:
        found = next((what for what, pattern in _FORBIDDEN if pattern.search(data)), "")
        if not found and any(planted in data for planted in self._planted):
            found = "a planted secret"
        if found:
            raise OutputError(
                f"{self._path} was not written: {found} was still in {name} after redaction",
                hint="please report this; nothing of the evidence was kept",
            )


_FORBIDDEN = (
    ("a private key", patterns.compiled(rb"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----")),
    (
        "an encoded private key",
        patterns.compiled(
            rb"LS0tLS1CRUdJTi[A-Za-z0-9+/]{0,24}(?:UFJJVkFURSBLRVkt|BSSVZBVEUgS0VZL|QUklWQVRFIEtFWS)"
        ),
    ),
    ("a token", patterns.compiled(rb"eyJ[A-Za-z0-9_-]{6,512}\.[A-Za-z0-9_-]{4,}")),
    ("a cluster token", patterns.compiled(rb"K10[0-9a-f]{16,64}::")),
)


def _parted(seen: Observation, answer: Any) -> tuple[str, dict[str, Any] | None, bytes, str]:
    """The answer's type name, the fields for the manifest, the payload and what kind of file it is."""
    if isinstance(answer, tuple | list):
        kind = str(getattr(seen.request, "kind", "Any"))
        return f"{kind}[]", None, _lines(answer), ".json"
    name = type(answer).__name__
    field = PAYLOAD_FIELDS.get(name)
    if field is None:
        return name, None, encode_pretty(answer), ".json"
    content = getattr(answer, field)
    payload = content if isinstance(content, bytes) else content.encode("utf-8", "replace")
    rest = to_builtins(answer)
    del rest[field]
    return name, rest, payload, ""


def _lines(items: Sequence[Any]) -> bytes:
    """A JSON list with one item a line, so that a person can grep in it."""
    return b"[\n" + b",\n".join(encode(item) for item in items) + b"\n]\n"
