"""A join token for an edge that needs a new certificate: found where one may lie, never made up (facts.md §4.1, §4.3)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from kedoctor.api import Text, Unavailable, fact
from kedoctor.api.certificates import Certificate, CertificateError, read_certificates
from kedoctor.checks.facts.cluster.secrets import KubeedgeSecrets
from kedoctor.checks.facts.edge.certificates import EdgeCertificates
from kedoctor.checks.facts.edge.clock import TrustedClock
from kedoctor.checks.facts.edge.edgecore import EdgecoreConfig
from kedoctor.checks.facts.edge.repair import BOOTSTRAP_PATH, BootstrapToken
from kedoctor.checks.facts.edge.sockets_and_probes import CloudCa
from kedoctor.checks.parsers.durations import day
from kedoctor.checks.parsers.join_token import TokenError, read_token

__all__ = ["TokenAtHand", "UsableToken"]

_KEY = "modules.edgeHub.token"
_LEFT = timedelta(minutes=2)  # what a token must still last, so that it is good when edgecore uses it


@dataclass(frozen=True, slots=True)
class UsableToken:
    """A token that cloudcore will accept, as far as can be told, and where it was found.

    ``in_file`` says that edgecore.yaml holds a token (this or another), ``bootstrap_present`` that the token file
    is there, which would win over everything (facts.md §2.1).
    """

    text: str
    source: str
    in_file: bool
    bootstrap_present: bool
    bootstrap: str = BOOTSTRAP_PATH

    def __repr__(self) -> str:
        """Without the token."""
        return f"UsableToken(from {self.source})"


@dataclass(frozen=True, slots=True)
class TokenAtHand:
    """A token with which this edge can obtain a certificate now, or why there is none and what a person can do."""

    usable: UsableToken | Text


@fact
def token_at_hand(
    *,
    config: EdgecoreConfig,
    files: EdgeCertificates,
    bootstrap: BootstrapToken,
    secrets: KubeedgeSecrets | Unavailable,
    served: CloudCa | Unavailable,
    clock: TrustedClock | Unavailable,
) -> TokenAtHand:
    """The first good one of: Secret tokensecret, the token file, edgecore.yaml; only if 10002 would answer to it."""
    ca = _authority(config, files, served)
    if isinstance(ca, Text):
        return TokenAtHand(ca)
    written = config.text(_KEY)
    reasons: list[Text] = []
    for source, text in _candidates(config, bootstrap, secrets, written):
        wrong = _wrong(text, ca, clock) if isinstance(text, str) else Text(str(text), zh=text.in_chinese)
        if wrong is None and isinstance(text, str):
            return TokenAtHand(
                UsableToken(text.strip(), source, in_file=bool(written), bootstrap_present=bootstrap.present)
            )
        if wrong is not None:
            reasons.append(Text(f"{source}: {wrong.en}", zh=f"{source}：{wrong.zh}"))
    return TokenAtHand(_none(config, reasons))


def _candidates(
    config: EdgecoreConfig, bootstrap: BootstrapToken, secrets: KubeedgeSecrets | Unavailable, written: str
) -> list[tuple[str, str | Unavailable]]:
    found: list[tuple[str, str | Unavailable]] = [
        ("Secret kubeedge/tokensecret", secrets if isinstance(secrets, Unavailable) else secrets.token)
    ]
    if bootstrap.text:
        found.append((BOOTSTRAP_PATH, bootstrap.text))
    if written:
        found.append((config.path, written))
    return found


def _authority(config: EdgecoreConfig, files: EdgeCertificates, served: CloudCa | Unavailable) -> str | Text:
    """The digest of the CA that will issue the certificate, or why none can be issued now."""
    if isinstance(served, Unavailable) or served.answer.status != 200 or not served.answer.body:
        why = str(served) if isinstance(served, Unavailable) else f"HTTP {served.answer.status}"
        return Text(
            f"the cloud gives no certificates now ({why}): make port 10002 answer first (KE505)",
            zh=f"云端目前无法签发证书（{why}）：请先恢复 10002 端口（KE505）",
        )
    digest = hashlib.sha256(served.answer.body).hexdigest()
    root = files.root_ca.certificate
    if root is not None and root.sha256 != digest:
        return Text(
            f"the cloud has another CA ({digest[:16]}…) than this edge ({root.sha256[:16]}…), and joining it is a person's decision (KE404)",
            zh=f"云端的 CA（{digest[:16]}…）与本边缘节点（{root.sha256[:16]}…）不同，是否加入须由人决定（KE404）",
        )
    return _named(config, served) or digest


def _named(config: EdgecoreConfig, served: CloudCa) -> Text | None:
    """Why edgecore would not accept the server that issues certificates (facts.md §4.2)."""
    leaf, authority = _certificate(served.answer.certificate), _certificate(served.answer.body)
    server = config.http_server
    if leaf is None or authority is None or server is None:
        return None
    if not leaf.covers(server.host):
        return Text(
            f"cloudcore's certificate does not name {server.host}, so edgecore would not ask it for one (KE408)",
            zh=f"cloudcore 的证书不包含 {server.host}，edgecore 不会向其申请证书（KE408）",
        )
    if not leaf.is_signed_by(authority):
        return Text(
            "cloudcore's certificate is not signed by the CA that it hands out, so edgecore would not trust it (KE408)",
            zh="cloudcore 的证书不是由其所提供的 CA 签发，edgecore 不会信任它（KE408）",
        )
    return None


def _certificate(data: bytes) -> Certificate | None:
    try:
        return read_certificates(data)[0] if data else None
    except CertificateError:
        return None


def _wrong(text: str, ca_sha256: str, clock: TrustedClock | Unavailable) -> Text | None:
    """Why cloudcore would refuse a token; nothing where it would not."""
    try:
        token = read_token(text)
    except TokenError as error:
        return Text(f"it is not a join token ({error.reason})", zh=f"不是有效的加入令牌（{error.reason}）")
    if token.ca_sha256 != ca_sha256:
        return Text("it was made for another CA", zh="它是为另一个 CA 签发的")
    now = _cloud_time(clock)
    if token.expires is None or now is None:
        return Text("when it expires is unknown", zh="无法得知其有效期")
    if token.expired_at(now + _LEFT):
        return Text(f"it expired on {day(token.expires)}", zh=f"已于 {day(token.expires)} 过期")
    return None


def _cloud_time(clock: TrustedClock | Unavailable) -> datetime | None:
    """Now, by the cloud's clock, which is the one that judges tokens."""
    if isinstance(clock, Unavailable) or clock.skew_seconds is None:
        return None
    return clock.now - timedelta(seconds=clock.skew_seconds)


def _none(config: EdgecoreConfig, reasons: list[Text]) -> Text:
    why_en, why_zh = "; ".join(one.en for one in reasons), "；".join(one.zh for one in reasons)
    return Text(
        f"it needs a fresh token and none is at hand ({why_en}): print one with `keadm gettoken` on the cloud, write it into {_KEY} of {config.path} here, then run `kedoctor run --fix` again",
        zh=f"需要新的令牌但目前没有可用的（{why_zh}）：请在云端执行 `keadm gettoken`，将令牌写入此处 {config.path} 的 {_KEY}，然后再次运行 `kedoctor run --fix`",
    )
