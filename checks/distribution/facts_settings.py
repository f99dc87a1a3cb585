"""The settings of a KubeEdge site as documents to keep and compare (facts.md §1.1, §2.1; requirements.md R146, R149, R150).

cloudcore writes its ConfigMap anew at every start, in the full form with all its defaults, and notes the tunnel port in
it (testbed.md surprise 5): values are therefore those the program works with, and that port is none of them. Secrets
are told by size and fingerprint; what rotates by itself by its being there.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from kedoctor.api import WITHHELD, Cluster, Reason, SettingsDocument, Unavailable, fact, flattened, require
from kedoctor.api.yaml import YamlDocument
from kedoctor.checks.facts.cloud.cloudcore import CONFIG_KEY, NAMESPACE, CloudcoreDocument
from kedoctor.checks.facts.edge.edgecore import EdgecoreFile, EdgeName
from kedoctor.checks.parsers.config.schema import CLOUDCORE, EDGECORE, Schema
from kedoctor.checks.parsers.kubernetes import Secret

__all__ = ["CLOUD_DOCUMENT", "HostSettings", "SecretSettings", "SiteSettings", "edge_document"]

CLOUD_DOCUMENT = f"configmap/{NAMESPACE}/cloudcore"
_SECRETS = f"secrets of {NAMESPACE}"

_BY_ITSELF = ("commonConfig.tunnelPort", "modules.edgeHub.token")
"""Keys that cloudcore and edgecore write themselves."""

_NONE = (Reason.ABSENT, Reason.NOT_RECORDED)
"""A host that is not an edge has no edgecore.yaml, and its bundle holds none."""

_ROTATES = ("tokensecret/tokendata",)
"""The join token is another one every twelve hours (facts.md §4.1)."""


@dataclass(frozen=True, slots=True)
class SiteSettings:
    """cloudcore's configuration."""

    documents: tuple[SettingsDocument, ...]


@dataclass(frozen=True, slots=True)
class SecretSettings:
    """The Secrets of the namespace, by size and fingerprint."""

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
    values = _values(CLOUDCORE, read.document)
    evidence = f"host:/etc/kubeedge/config/{CONFIG_KEY}"
    return SiteSettings((SettingsDocument(CLOUD_DOCUMENT, CONFIG_KEY, evidence, read.text, values),))


@fact
def host_settings(file: EdgecoreFile, name: EdgeName) -> HostSettings:
    """edgecore.yaml of an edge host, with the values that edgecore works with."""
    if isinstance(file.file, Unavailable) and file.file.reason in _NONE:
        return HostSettings(())
    text = require(file.file).text()
    values = _values(EDGECORE, file.document)
    title = f"edgecore-{name.name}.yaml"
    evidence = f"host:{file.path}"
    return HostSettings((SettingsDocument(edge_document(name.name), title, evidence, text, values),))


@fact
def secret_settings(cluster: Cluster) -> SecretSettings:
    """Each key of each Secret as one line; never what is in it."""
    secrets = require(cluster.list(Secret, namespace=NAMESPACE))
    values = {
        f"{secret.metadata.name}/{key}": told
        for secret in sorted(secrets, key=lambda one: one.metadata.name)
        for key, told in _told(secret.metadata.name, secret.data or {})
    }
    text = "".join(f"{told}\t{key}\n" for key, told in values.items())
    return SecretSettings((SettingsDocument(_SECRETS, "secrets.txt", "host:/secrets.txt", text, values),))


def _told(name: str, data: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for key, written in sorted(data.items()):
        try:
            content = base64.b64decode(written, validate=True)
        except (binascii.Error, ValueError):
            content = written.encode()
        if b"[redacted " in content:  # a bundle's placeholder
            yield key, WITHHELD
        elif f"{name}/{key}" in _ROTATES:
            yield key, "there"
        else:
            yield key, f"{len(content)} bytes, sha256 {hashlib.sha256(content).hexdigest()[:16]}"


def _values(schema: Schema, document: YamlDocument | None) -> dict[str, str]:
    """The effective values by key, and the written ones that the program does not read."""
    if document is None:
        return {}
    unknown = {path: value for path, value in flattened(document.data) if not schema.knows(path)}
    found = unknown | dict(flattened(schema.values(document.data)))
    return {path: value for path, value in found.items() if path not in _BY_ITSELF}
