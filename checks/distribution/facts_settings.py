"""The settings of a KubeEdge site as documents to keep and compare (facts.md §1.1, §2.1; requirements.md R146, R149, R150).

cloudcore writes its ConfigMap anew at every start, in the full form with all its defaults, and notes the tunnel port in
it (testbed.md surprise 5): values are therefore those the program works with, and that port is none of them. What a
Secret holds, what stands under a secret key and under a key that the program does not read is a secret; of what rotates
by itself only that it is there counts.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from kedoctor.api import WITHHELD, Cluster, Reason, SettingsDocument, Unavailable, fact, flattened, require
from kedoctor.api.yaml import YamlDocument
from kedoctor.checks.facts.cloud.cloudcore import CONFIG_KEY, NAMESPACE, CloudcoreDocument
from kedoctor.checks.facts.edge.edgecore import EdgecoreFile, EdgeName
from kedoctor.checks.parsers.config.schema import CLOUDCORE, EDGECORE, EDGECORE_SECRETS, Schema
from kedoctor.checks.parsers.kubernetes import Secret

__all__ = ["CLOUD_DOCUMENT", "HostSettings", "SecretSettings", "SiteSettings", "edge_document"]

CLOUD_DOCUMENT = f"configmap/{NAMESPACE}/cloudcore"
_SECRETS = f"secrets of {NAMESPACE}"

_BY_ITSELF = ("commonConfig.tunnelPort", "modules.edgeHub.token")
"""Keys that cloudcore and edgecore write themselves."""

_NONE = (Reason.ABSENT, Reason.NOT_RECORDED)
"""A host that is not an edge has no edgecore.yaml, and its bundle holds none."""

_EMPTY = '""'

_ROTATES = ("tokensecret/tokendata",)
"""The join token is another one every twelve hours (facts.md §4.1)."""


@dataclass(frozen=True, slots=True)
class SiteSettings:
    """cloudcore's configuration."""

    documents: tuple[SettingsDocument, ...]


@dataclass(frozen=True, slots=True)
class SecretSettings:
    """The Secrets of the namespace."""

    documents: tuple[SettingsDocument, ...]


@dataclass(frozen=True, slots=True)
class HostSettings:
    """edgecore's configuration; nothing on a host that has none."""

    documents: tuple[SettingsDocument, ...]


def edge_document(name: str) -> str:
    """What the configuration of an edge is called among the documents of a site."""
    return f"edgecore.yaml of {name}"


@fact
def site_settings(read: CloudcoreDocument) -> SiteSettings:
    """The document in ConfigMap kubeedge/cloudcore, with the values that cloudcore works with."""
    values, secrets = _values(CLOUDCORE, read.document)
    evidence = f"host:/etc/kubeedge/config/{CONFIG_KEY}"
    return SiteSettings((SettingsDocument(CLOUD_DOCUMENT, CONFIG_KEY, evidence, read.text, values, secrets),))


@fact
def host_settings(file: EdgecoreFile, name: EdgeName) -> HostSettings:
    """edgecore.yaml of an edge host, with the values that edgecore works with."""
    if isinstance(file.file, Unavailable) and file.file.reason in _NONE:
        return HostSettings(())
    text = require(file.file).text()
    values, secrets = _values(EDGECORE, file.document)
    title = f"edgecore-{name.name}.yaml"
    evidence = f"host:{file.path}"
    return HostSettings((SettingsDocument(edge_document(name.name), title, evidence, text, values, secrets),))


@fact
def secret_settings(cluster: Cluster) -> SecretSettings:
    """The keys of each Secret, one in a line; what is in them is to be compared and never shown."""
    found = require(cluster.list(Secret, namespace=NAMESPACE))
    entries = {
        f"{secret.metadata.name}/{key}": content
        for secret in sorted(found, key=lambda one: one.metadata.name)
        for key, content in sorted((secret.data or {}).items())
    }
    values = {name: told for name, content in entries.items() if (told := _told(name, content))}
    secrets = {name: content for name, content in entries.items() if name not in values}
    text = "".join(f"{name}\n" for name in entries)
    evidence = "host:/secrets.txt"
    return SecretSettings((SettingsDocument(_SECRETS, "secrets.txt", evidence, text, values, secrets),))


def _told(name: str, written: str) -> str:
    """What is known of an entry without a look at what it holds; nothing where that counts."""
    try:
        content = base64.b64decode(written, validate=True)
    except (binascii.Error, ValueError):
        content = written.encode()
    if b"[redacted " in content:  # a bundle's placeholder
        return WITHHELD
    return "there" if name in _ROTATES else ""


def _values(schema: Schema, document: YamlDocument | None) -> tuple[dict[str, str], dict[str, str]]:
    """The effective values by key; and those that are secret, or written under keys that the program does not read."""
    if document is None:
        return {}, {}
    unknown = {path: value for path, value in flattened(document.data) if not schema.knows(path)}
    read = {path: value for path, value in flattened(schema.values(document.data)) if path not in _BY_ITSELF}
    secret = {path: read.pop(path) for path in EDGECORE_SECRETS if read.get(path, _EMPTY) != _EMPTY}
    return read, {**unknown, **secret}
