"""The certificate files of an edge: KubeEdge's CA, the edge's own certificate and its key (facts.md §4.1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kedoctor.api import File, FileMetadata, Host, Reason, Unavailable, fact
from kedoctor.api.certificates import Certificate, CertificateError, read_certificates, read_private_key
from kedoctor.checks.facts.edge.edgecore import EdgecoreConfig

__all__ = ["CertificateFile", "EdgeCertificates", "KeyFile", "edge_certificates"]


@dataclass(frozen=True, slots=True)
class CertificateFile:
    """A certificate file. ``certificate`` is its first one, ``None`` if unavailable or unreadable (``error``)."""

    path: str
    metadata: FileMetadata | Unavailable
    certificate: Certificate | None = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class KeyFile:
    """A private key file, of which only the digest of its public half is kept.

    ``redacted`` is true for a bundle's placeholder; ``spki_sha256`` may then still be known.
    """

    path: str
    metadata: FileMetadata | Unavailable
    spki_sha256: str | None = None
    error: str = ""
    redacted: bool = False


@dataclass(frozen=True, slots=True)
class EdgeCertificates:
    """edgeHub's three files, and the existence of the files that edgeStream names."""

    root_ca: CertificateFile
    certificate: CertificateFile
    key: KeyFile
    tunnel_files: Mapping[str, FileMetadata | Unavailable]


@fact
def edge_certificates(host: Host, config: EdgecoreConfig) -> EdgeCertificates:
    """The files at the configured paths (facts.md §2.2: ``tlsCaFile`` in edgeHub, ``tlsTunnel*`` in edgeStream)."""
    hub, stream = "modules.edgeHub", "modules.edgeStream"
    named = {config.text(f"{stream}.{key}") for key in ("tlsTunnelCertFile", "tlsTunnelPrivateKeyFile")}
    return EdgeCertificates(
        root_ca=_certificate(host, config.text(f"{hub}.tlsCaFile")),
        certificate=_certificate(host, config.text(f"{hub}.tlsCertFile")),
        key=_key(host, config.text(f"{hub}.tlsPrivateKeyFile")),
        tunnel_files={path: host.stat(path) for path in sorted(named) if path.startswith("/")},
    )


def _read(host: Host, path: str) -> File | Unavailable:
    if not path.startswith("/"):
        return Unavailable(
            Reason.ABSENT, path or "a file without a name", "edgecore.yaml names no absolute path"
        )
    return host.read(path)


def _certificate(host: Host, path: str) -> CertificateFile:
    file = _read(host, path)
    if isinstance(file, Unavailable):
        return CertificateFile(path, file)
    try:
        return CertificateFile(path, file.metadata, read_certificates(file.data)[0])
    except CertificateError as error:
        return CertificateFile(path, file.metadata, error=error.reason)


def _key(host: Host, path: str) -> KeyFile:
    file = _read(host, path)
    if isinstance(file, Unavailable):
        return KeyFile(path, file)
    try:
        return KeyFile(path, file.metadata, read_private_key(file.data).spki_sha256)
    except CertificateError as error:
        redacted = error.reason == "redacted"
        return KeyFile(path, file.metadata, error.spki_sha256, "" if redacted else error.reason, redacted)
