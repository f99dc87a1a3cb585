"""Taking secrets out of answers before they are written: by the structure of what is known, by shape for the rest.

Nothing here knows a particular product; a plugin says by :class:`~kedoctor.model.declarations.RedactionRule` which keys
of which files and objects are secret. Whatever goes wrong in here withholds the item: it is never written as read.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from kedoctor import patterns
from kedoctor.base.records import Record, RecordError, decode, encode, encode_pretty, replace
from kedoctor.model.declarations import RedactionRule
from kedoctor.model.observations.request import Reason, Unavailable
from kedoctor.model.report import Redaction
from kedoctor.redaction import toml_secrets, yaml_secrets
from kedoctor.redaction.known_keys import consumed, known_tree
from kedoctor.redaction.patterns import is_suspicious, redact_text
from kedoctor.redaction.placeholders import OutOfTimeError, Placeholders, is_placeholder, private_key_kind
from kedoctor.redaction.quoted import may_be_quoted, redact_quoted
from kedoctor.redaction.secret_names import OBJECT_KEYS, is_harmless, is_secret_key, kind_of

__all__ = ["Redacted", "Redactor", "is_certificates"]

KeyPath = tuple[str, ...]

_PEM_CERTIFICATES = patterns.compiled(
    rb"(?:\s*-----BEGIN (?:TRUSTED )?CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END (?:TRUSTED )?CERTIFICATE-----)+\s*"
)
_PEM_BODY = patterns.compiled(rb"-----BEGIN [A-Z ]+-----([A-Za-z0-9+/=\s]+)-----END")
_YAML_NAME = patterns.compiled(r"(?:\.ya?ml[\w.~-]{0,40}|\.conf|config|\.kubeconfig)\Z", patterns.IGNORECASE)
_OPTION = patterns.compiled(r"--?[\w-]+\Z")
_OF_A_JWK = ("d", "p", "q", "dp", "dq", "qi", "k")
_PAIRS = (("name", "value"), ("key", "value"))


@dataclass(frozen=True, slots=True)
class Redacted:
    """An answer that may be written, and what was taken out of it."""

    answer: Any
    redactions: tuple[Redaction, ...] = ()


class Redactor:
    """Redacts the answers of one bundle; equal secrets get equal tokens. Safe to use from several threads."""

    def __init__(self, rules: Sequence[RedactionRule] = (), *, salt: bytes | None = None) -> None:
        self._rules = tuple(rules)
        self._placeholders = Placeholders(salt)

    def redact(self, name: str, answer: Any) -> Redacted:
        """``answer`` without secrets, of the same type; :class:`Unavailable` (withheld) if that is not possible.

        ``name`` says what it is an answer about: ``host:/etc/…``, ``Secret/kubeedge/cloudcore``, ``tool:ip``.
        """
        marks = self._placeholders.for_item()
        try:
            clean = _Item(self._rules, name, marks).value(answer)
            name = redact_text(name, self._placeholders.for_item())
        except Exception as error:  # noqa: BLE001  whatever it is, the item must not be written as it was read
            told = isinstance(error, yaml_secrets.UnsafeError | OutOfTimeError)
            reason = str(error) if told else type(error).__name__
            what = redact_text(name, self._placeholders.for_item())
            return Redacted(Unavailable(Reason.WITHHELD, what, f"it could not be redacted safely: {reason}"))
        return Redacted(clean, tuple(Redaction(name, kind, n) for kind, n in sorted(marks.counts.items())))


class _Item:
    """One answer on its way through; knows its name, the rules that apply to it, and where placeholders come from."""

    def __init__(self, rules: Sequence[RedactionRule], name: str, marks: Placeholders) -> None:
        self._all_rules = rules
        self._name = name
        self._marks = marks
        applying = [rule for rule in rules if fnmatchcase(name, rule.applies_to)]
        self._whole = any(not rule.keys and not rule.known for rule in applying)
        self._keys = [tuple(key.split(".")) for rule in applying for key in rule.keys]
        self._known = known_tree(key for rule in applying if not rule.document for key in rule.known)
        self._documents = {rule.document: rule for rule in applying if rule.document}

    def value(self, answer: Any) -> Any:
        if isinstance(answer, tuple | list) and answer and isinstance(answer[0], Record):
            return tuple(self._listed(item) for item in answer)
        return self._tree(answer, self._keys)

    def _listed(self, item: Record) -> Record:
        """One object of a list; very many are nodes and leases, which a look at their JSON lets pass."""
        own = self._named(item)
        if not own.ruled and type(item).__name__ != "Secret" and not is_suspicious(encode(item).decode()):
            return item
        clean: Record = own._tree(item, own._keys)  # noqa: SLF001  the same class
        return clean

    @property
    def ruled(self) -> bool:
        """Whether a rule speaks of this item."""
        return self._whole or bool(self._keys or self._known or self._documents)

    def _named(self, item: Any) -> _Item:
        metadata = getattr(item, "metadata", None)
        parts = (type(item).__name__, getattr(metadata, "namespace", ""), getattr(metadata, "name", ""))
        return _Item(self._all_rules, "/".join(parts), self._marks)

    # -------------------------------------------------------------------------------------------- trees

    def _tree(self, value: Any, paths: Sequence[KeyPath]) -> Any:
        self._marks.go_on()
        if isinstance(value, str):
            return self._text(value, paths) if paths else self._string(value)
        if isinstance(
            value, bytes
        ):  # a document inside a record: the keys of the rules are keys of the document
            return self._document(value)
        if isinstance(value, Record):
            return self._record(value, paths)
        if isinstance(value, dict):
            return self._mapping(value, paths)
        if isinstance(value, tuple | list):
            return type(value)(self._sequence(value, paths))
        return value

    def _record(self, record: Record, paths: Sequence[KeyPath]) -> Record:
        names: tuple[str, ...] = record.__struct_fields__
        keys: tuple[str, ...] = record.__struct_encode_fields__
        before = {key: getattr(record, name) for name, key in zip(names, keys, strict=True)}
        after = self._members(before, paths, kind=type(record).__name__)
        changed = {n: after[k] for n, k in zip(names, keys, strict=True) if after[k] is not before[k]}
        return replace(record, **changed) if changed else record

    def _mapping(self, mapping: dict[Any, Any], paths: Sequence[KeyPath]) -> dict[Any, Any]:
        clean = self._members(mapping, paths, kind=str(mapping.get("kind", "")))
        return {self._string(key) if isinstance(key, str) else key: value for key, value in clean.items()}

    def _members(self, members: dict[Any, Any], paths: Sequence[KeyPath], *, kind: str) -> dict[Any, Any]:
        secret_pair = next(
            (v for k, v in _PAIRS if v in members and is_secret_key(str(members.get(k, "")))), None
        )
        private = _OF_A_JWK if "kty" in members else ()
        return {
            key: self._secret_data(value)
            if kind == "Secret" and key in ("data", "stringData")
            else self._member(str(key), value, paths, secret=key == secret_pair or key in private)
            for key, value in members.items()
        }

    def _member(self, key: str, value: Any, paths: Sequence[KeyPath], *, secret: bool) -> Any:
        below = [rest for path in paths for rest in (path[n:] for n in consumed(path, key))]
        if secret or () in below:
            return self._secret(key, value)
        if self._stands_for_a_secret(key, value):
            return self._secret(key, value)
        if isinstance(value, str) and "\n" in value and _YAML_NAME.search(key):
            return self._inner_document(key, value, [path for path in below if path])
        return self._tree(value, [path for path in below if path])

    @staticmethod
    def _stands_for_a_secret(key: str, value: Any) -> bool:
        """Whether a value under a key that sounds secret is one: also numbers, and what lists and mappings hold."""
        if value is None or isinstance(value, bool | bytes | Record) or not is_secret_key(key):
            return False
        if isinstance(value, dict):
            return not OBJECT_KEYS.issuperset(value) and not any(
                isinstance(one, Record) for one in value.values()
            )
        if isinstance(value, list | tuple):
            return not any(isinstance(one, Record | dict) for one in value)
        return not is_harmless(key, str(value))

    def _inner_document(self, key: str, text: str, paths: Sequence[KeyPath]) -> str:
        """A document that is the text of a key of an object."""
        rule = next((one for path, one in self._documents.items() if path.endswith(key)), None)
        known = known_tree(rule.known) if rule else None
        own = [tuple(one.split(".")) for one in rule.keys] if rule else []
        text = yaml_secrets.redact_yaml(text, [*paths, *own], self._marks, known=known)
        return redact_text(yaml_secrets.redact_lines(text, (), self._marks), self._marks)

    def _sequence(self, values: Sequence[Any], paths: Sequence[KeyPath]) -> list[Any]:
        clean: list[Any] = []
        option = ""
        for value in values:
            if option and isinstance(value, str) and not value.startswith("-"):
                clean.append(value if is_harmless(option, value) else self._secret(option, value))
            else:
                clean.append(self._tree(value, paths))
            option = value if isinstance(value, str) and _OPTION.match(value) and is_secret_key(value) else ""
        return clean

    # ------------------------------------------------------------------------------------------ secrets

    def _secret(self, key: str, value: Any) -> Any:
        """A value that is secret whatever it looks like; empty ones stay, because being empty is evidence."""
        if isinstance(value, dict):
            return {name: self._secret(str(name), inner) for name, inner in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(self._secret(key, inner) for inner in value)
        if isinstance(value, bytes):
            return self._secret(key, value.decode("utf-8", "surrogateescape")).encode(
                "utf-8", "surrogateescape"
            )
        if not isinstance(value, str):
            return value if value is None or isinstance(value, bool) else self._secret(key, str(value))
        if not value.strip() or is_placeholder(value):
            return value
        data = _from_base64(value)
        if data is not None and private_key_kind(data):
            return self._marks.of_private_key(data)
        return self._marks.of_value(kind_of(key), value)

    def _secret_data(self, data: Any) -> Any:
        """The ``data`` of a Secret: certificates stay; of keys and tokens only what is public does."""
        if not isinstance(data, dict):
            return data
        return {key: self._secret_datum(str(key), value) for key, value in data.items()}

    def _secret_datum(self, key: str, value: Any) -> Any:
        raw = _from_base64(value) if isinstance(value, str) else value
        if not isinstance(raw, bytes):  # stringData is plain text
            return self._secret(key, value)
        if not raw or is_certificates(raw) or is_placeholder(raw.decode("utf-8", "replace")):
            return value
        if private_key_kind(raw):
            clean = self._marks.of_private_key(raw)
        else:
            clean = self._marks.of_value("secret", raw.decode("utf-8", "surrogateescape"))
        encoded = clean.encode()
        return encoded if isinstance(value, bytes) else base64.b64encode(encoded).decode("ascii")

    # ---------------------------------------------------------------------------------------- documents

    def _document(self, data: bytes) -> bytes:
        """The bytes of a file or of an answer's body."""
        if not data or is_certificates(data):
            return data
        if self._whole:
            text = data.decode("utf-8", "surrogateescape")
            return self._marks.of_value("data", text).encode("utf-8", "surrogateescape")
        plain = _as_text(data)
        if plain is None:
            if private_key_kind(data):
                return self._marks.of_private_key(data).encode()
            raise yaml_secrets.UnsafeError("it is neither text nor a certificate")
        return self._text(plain, self._keys).encode("utf-8", "surrogateescape")

    def _text(self, text: str, paths: Sequence[KeyPath]) -> str:
        if not paths and not self._known and not is_suspicious(text):
            return text
        tree = _from_json(text)
        if tree is not None and not self._known:
            clean = self._tree(tree, paths)
            return text if clean == tree else encode_pretty(clean).decode()
        if may_be_quoted(text):  # before the names of keys within what is quoted are taken for keys
            text = redact_quoted(text, lambda inner: redact_text(inner, self._marks))
        if self._name.endswith(".toml"):
            return redact_text(toml_secrets.redact_toml(text, paths, self._marks), self._marks)
        if paths or self._known or _YAML_NAME.search(self._name):
            text = yaml_secrets.redact_yaml(text, paths, self._marks, known=self._known or None)
        text = yaml_secrets.redact_lines(text, (), self._marks)
        return redact_text(text, self._marks)

    def _string(self, text: str) -> str:
        if not is_suspicious(text):
            return text
        tree = _from_json(text)
        if tree is not None:
            clean = self._tree(tree, ())
            return text if clean == tree else encode(clean).decode()
        return redact_text(text, self._marks)


def _from_json(text: str) -> Any:
    if text.lstrip()[:1] not in ("{", "["):
        return None
    try:
        return decode(text, object)
    except RecordError:
        return None


def _from_base64(text: str) -> bytes | None:
    compact = "".join(text.split())
    try:
        return base64.b64decode(compact, validate=True)
    except (binascii.Error, ValueError):
        return None


def _as_text(data: bytes) -> str | None:
    """The bytes as text, or ``None`` when they are none; a character cut in two at either end is not an objection."""
    if b"\0" in data:
        return None
    for start in range(4):
        for end in range(4):
            try:
                data[start : len(data) - end].decode()
            except UnicodeDecodeError:
                continue
            return data.decode("utf-8", "surrogateescape")
    return None


def is_certificates(data: bytes) -> bool:
    """Whether ``data`` is one DER certificate, or PEM certificates and nothing else."""
    if data[:1] == b"\x30":
        return _is_der_certificate(data)
    if _PEM_CERTIFICATES.fullmatch(data) is None:
        return False
    bodies = [_from_base64(body.decode("ascii")) for body in _PEM_BODY.findall(data)]
    return all(body is not None and _is_der_certificate(body) for body in bodies)


def _is_der_certificate(data: bytes) -> bool:
    """By structure: SEQUENCE of to-be-signed SEQUENCE, algorithm SEQUENCE and signature BIT STRING, nothing behind."""
    outer = _children(data)
    if len(outer) != 1 or outer[0][0] != 0x30:
        return False
    parts = _children(outer[0][1])
    return [tag for tag, _ in parts] == [0x30, 0x30, 0x03] and len(_children(parts[0][1])) >= 6


def _children(data: bytes) -> list[tuple[int, bytes]]:
    """The tags and contents of a row of DER elements; nothing when they do not fill ``data`` exactly."""
    found, position = [], 0
    while position + 2 <= len(data):
        tag, length = data[position], data[position + 1]
        position += 2
        if length & 0x80:
            size = length & 0x7F
            length = int.from_bytes(data[position : position + size], "big")
            position += size
        if position + length > len(data):
            return []
        found.append((tag, data[position : position + length]))
        position += length
    return found if position == len(data) else []
