"""The four Secrets of namespace ``kubeedge``: two hold DER, one PEM, one text (facts.md §1.3, §4.1)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass

from kedoctor.api import Cluster, Reason, Unavailable, fact, require
from kedoctor.checks.parsers.kubernetes import Secret

__all__ = ["NAMESPACE", "KubeedgeSecrets", "StreamSecret", "kubeedge_secrets"]

NAMESPACE = "kubeedge"


@dataclass(frozen=True, slots=True)
class StreamSecret:
    """Secret ``kubeedge/cloudcore``: its keys, and the PEM of the two certificates (empty where missing)."""

    keys: tuple[str, ...]
    ca: bytes
    certificate: bytes


@dataclass(frozen=True, slots=True)
class KubeedgeSecrets:
    """What the KubeEdge Secrets hold; each part may be missing on its own.

    ``ca`` and ``cloudcore`` are DER certificates (``casecret``, ``cloudcoresecret``), ``token`` is the text of
    ``tokensecret``, ``stream`` the certificates of the stream server.
    """

    ca: bytes | Unavailable
    cloudcore: bytes | Unavailable
    token: str | Unavailable
    stream: StreamSecret | Unavailable


@fact
def kubeedge_secrets(cluster: Cluster) -> KubeedgeSecrets:
    """The Secrets of namespace ``kubeedge``, decoded."""
    listed = require(cluster.list(Secret, namespace=NAMESPACE))
    secrets = {secret.metadata.name: secret.data or {} for secret in listed}
    token = _value(secrets, "tokensecret", "tokendata")
    return KubeedgeSecrets(
        ca=_value(secrets, "casecret", "cadata"),
        cloudcore=_value(secrets, "cloudcoresecret", "cloudcoredata"),
        token=token if isinstance(token, Unavailable) else token.decode("utf-8", errors="replace").strip(),
        stream=_stream(secrets),
    )


def _stream(secrets: Mapping[str, Mapping[str, str]]) -> StreamSecret | Unavailable:
    if "cloudcore" not in secrets:
        return Unavailable(Reason.ABSENT, f"Secret {NAMESPACE}/cloudcore", "there is no such Secret")
    ca, leaf = (_value(secrets, "cloudcore", key) for key in ("streamCA.crt", "stream.crt"))
    return StreamSecret(
        keys=tuple(sorted(secrets["cloudcore"])),
        ca=b"" if isinstance(ca, Unavailable) else ca,
        certificate=b"" if isinstance(leaf, Unavailable) else leaf,
    )


def _value(secrets: Mapping[str, Mapping[str, str]], name: str, key: str) -> bytes | Unavailable:
    what = f"Secret {NAMESPACE}/{name}, key {key}"
    if name not in secrets:
        return Unavailable(Reason.ABSENT, what, "there is no such Secret")
    if key not in secrets[name]:
        return Unavailable(Reason.ABSENT, what, "the Secret has no such key")
    written = secrets[name][key]
    if "[redacted " in written:  # a bundle's placeholder stands as it is
        return written.encode()
    try:
        return base64.b64decode(written, validate=True)
    except (binascii.Error, ValueError):
        return Unavailable(Reason.INVALID, what, "its value is not base64")
