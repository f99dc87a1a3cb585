"""How a person gets an edge new certificates, where kedoctor does not: commands that several checks print."""

from __future__ import annotations

from kedoctor.api import Text
from kedoctor.checks.facts.edge.certificates import EdgeCertificates

__all__ = ["LOOK_AS_ROOT", "reissue", "rejoin"]

LOOK_AS_ROOT = Text("Run kedoctor as root on the edge host.", zh="请在边缘主机上以 root 运行 kedoctor。")


def reissue(files: EdgeCertificates, config_path: str) -> tuple[str, ...]:
    """How a person gets a new edge certificate: keep the old pair, put a fresh token in place, restart."""
    pair = f"{files.certificate.path} {files.key.path}"
    return (
        "keadm gettoken                       # on the cloud; prints a token that lasts 24 h",
        f"sudo mkdir -p /root/edge-certs.old && sudo mv {pair} /root/edge-certs.old/",
        f"sudo vi {config_path}   # modules.edgeHub.token: <that token>",
        "sudo systemctl restart edgecore",
    )


def rejoin(files: EdgeCertificates, config_path: str) -> tuple[str, ...]:
    """How a person makes an edge believe another CA: as :func:`reissue`, with the CA file moved away as well."""
    fresh, move, token, restart = reissue(files, config_path)
    return (
        fresh,
        f"{move.removesuffix(' /root/edge-certs.old/')} {files.root_ca.path} /root/edge-certs.old/",
        token,
        restart,
    )
