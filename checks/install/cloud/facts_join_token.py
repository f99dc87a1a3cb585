"""The token that edges join with, compared with everything that will be asked of it (facts.md §4.1, §4.3).

It is read from the Secret and never made up; whether an edge can use it is told by the CA that cloudcore hands out
on 10002, and by the certificate it shows there.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime

from kedoctor.api import Text, Unavailable, Wire, fact, require
from kedoctor.api.certificates import Certificate, CertificateError, read_certificates
from kedoctor.checks.facts.cloud.cloud_host import HostAddresses
from kedoctor.checks.facts.cluster.secrets import KubeedgeSecrets
from kedoctor.checks.facts.edge.clock import SiteClock
from kedoctor.checks.install.cloud.facts_request import CloudRequest
from kedoctor.checks.parsers.join_token import TokenError, read_token

__all__ = ["JoinOffer", "ServedCa"]


@dataclass(frozen=True, slots=True)
class ServedCa:
    """What ``/ca.crt`` on 10002 gave: the digest of the CA, and the certificate the server showed."""

    sha256: str
    server: Certificate | None
    asked: str


@fact
def served_ca(wire: Wire, request: CloudRequest, addresses: HostAddresses) -> ServedCa | Unavailable:
    """Asked under the address that edges dial, where that is this host's own; otherwise on loopback."""
    host = request.advertise_address if addresses.has(request.advertise_address) else "127.0.0.1"
    url = f"https://{host}:10002/ca.crt"
    answer = require(wire.get(url, timeout=5.0))
    try:
        server = read_certificates(answer.certificate)[0] if answer.certificate else None
    except CertificateError:
        server = None
    return ServedCa(hashlib.sha256(answer.body).hexdigest() if answer.status == 200 else "", server, url)


@dataclass(frozen=True, slots=True)
class JoinOffer:
    """The token, if an edge can join with it now; else why not. It is shown by whoever asks for ``token`` itself."""

    address: str
    expires: datetime | None = None
    trouble: Text | None = None
    ca_sha256: str = ""
    token: str = field(default="", repr=False)

    @property
    def handover(self) -> Text | None:
        """What to type on each edge, with the token; only for the screen of the person who installs."""
        if not self.token:
            return None
        until = f"{self.expires:%Y-%m-%d %H:%M} UTC" if self.expires else "?"
        commands = (
            f"    sudo install -m 600 /dev/stdin join-token <<'END'\n{self.token}\nEND\n"
            f"    sudo kedoctor install edge --bundle DIR --cloud {self.address}:10000 --token-file join-token --node-name NAME"
        )
        return Text(
            f"On each edge host, with its own bundle and name (the token is good until {until} and is shown only here; "
            f"Secret kubeedge/tokensecret holds it):\n{commands}",
            zh=f"在每台边缘主机上执行（离线包和节点名各自填写；令牌有效期至 {until}，仅在此显示一次，"
            f"保存在 Secret kubeedge/tokensecret 中）：\n{commands}",
        )


@fact
def join_offer(
    request: CloudRequest,
    secrets: KubeedgeSecrets,
    served: ServedCa | Unavailable,
    *,
    clock: SiteClock | Unavailable,
) -> JoinOffer:
    """Four parts, the CA of casecret, the CA that is served, not expired, and a server certificate with the address."""
    address = request.advertise_address
    text = require(secrets.token)
    try:
        token = read_token(text)
    except TokenError as error:
        why = Text(f"it is not a join token ({error.reason})", zh=f"不是有效的加入令牌（{error.reason}）")
        return JoinOffer(address, trouble=why)
    trouble = _authority(token.ca_sha256, require(secrets.ca), served) or _server(address, served)
    trouble = trouble or _time(token.expires, clock)
    return JoinOffer(address, token.expires, trouble, token.ca_sha256, "" if trouble else text.strip())


def _authority(digest: str, ca: bytes, served: ServedCa | Unavailable) -> Text | None:
    if hashlib.sha256(ca).hexdigest() != digest:
        return Text("it was made for another CA than casecret holds", zh="令牌对应的 CA 与 casecret 不同")
    if isinstance(served, Unavailable):
        return Text(
            f"cloudcore does not answer on 10002: {served}",
            zh=f"cloudcore 的 10002 端口没有应答：{served.in_chinese}",
        )
    if served.sha256 != digest:
        return Text(f"what {served.asked} hands out is another CA", zh=f"{served.asked} 提供的是另一个 CA")
    return None


def _server(address: str, served: ServedCa | Unavailable) -> Text | None:
    server = None if isinstance(served, Unavailable) else served.server
    if server is None or server.covers(address):
        return None
    return Text(
        f"cloudcore's certificate does not name {address}, so every edge refuses it (KE408)",
        zh=f"cloudcore 的证书不包含 {address}，所有边缘节点都会拒绝（KE408）",
    )


def _time(expires: datetime | None, clock: SiteClock | Unavailable) -> Text | None:
    if expires is None or isinstance(clock, Unavailable):
        return None
    if clock.now < expires:
        return None
    return Text(
        f"it expired on {expires:%Y-%m-%d %H:%M} UTC (KE409)",
        zh=f"已于 {expires:%Y-%m-%d %H:%M} UTC 过期（KE409）",
    )
