"""The CAs that could have signed what an edge meets: the cloud's as kept and as served, and the edge's copy."""

from __future__ import annotations

from dataclasses import dataclass

from kedoctor.api import Unavailable, fact
from kedoctor.api.certificates import Certificate, CertificateError, read_certificates
from kedoctor.checks.facts.cluster.secrets import KubeedgeSecrets
from kedoctor.checks.facts.edge.certificates import EdgeCertificates
from kedoctor.checks.facts.edge.sockets_and_probes import CloudCa

__all__ = ["CloudAuthorities", "cloud_authorities"]


@dataclass(frozen=True, slots=True)
class CloudAuthorities:
    """KubeEdge's CA by where it was read: Secret ``casecret``, port 10002, the edge's rootCA.crt (``None``: not read).

    On a healthy site all three are one (facts.md §4.1).
    """

    kept: Certificate | None
    served: Certificate | None
    root: Certificate | None

    @property
    def cloud(self) -> Certificate | None:
        """The CA that cloudcore uses now, as far as known."""
        return self.served or self.kept

    @property
    def certificates(self) -> tuple[Certificate, ...]:
        """All that are known."""
        return tuple(one for one in (self.kept, self.served, self.root) if one is not None)


@fact
def cloud_authorities(
    secrets: KubeedgeSecrets | Unavailable,
    served: CloudCa | Unavailable,
    files: EdgeCertificates | Unavailable,
) -> CloudAuthorities:
    """Whatever could be read of the CA."""
    kept = None if isinstance(secrets, Unavailable) else secrets.ca
    handed = None if isinstance(served, Unavailable) or served.answer.status != 200 else served.answer.body
    root = None if isinstance(files, Unavailable) else files.root_ca.certificate
    return CloudAuthorities(_certificate(kept), _certificate(handed), root)


def _certificate(der: bytes | Unavailable | None) -> Certificate | None:
    if der is None or isinstance(der, Unavailable):
        return None
    try:
        return read_certificates(der)[0]
    except CertificateError:
        return None
