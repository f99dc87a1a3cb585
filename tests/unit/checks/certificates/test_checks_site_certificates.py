"""KE406, KE408, KE409, KE410: what the site's Secrets and clocks say."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from edge_samples import (
    NAME,
    NOT_RECORDED,
    NOW,
    STARTED,
    Pki,
    bilingual,
    clock,
    config,
    edited,
    log,
    said,
    site_clock,
)

from kedoctor.api import EveryHost, Finding, Reason, Status, Unavailable
from kedoctor.checks.certificates.clock_skew import clock_skew
from kedoctor.checks.certificates.cloudcore_san import cloudcore_cert_san
from kedoctor.checks.certificates.join_token import join_token
from kedoctor.checks.certificates.stream_expiry import stream_cert_expiry
from kedoctor.checks.facts.cloud.apiserver_flags import ApiserverArguments, Setting
from kedoctor.checks.facts.cloud.cloudcore import CloudcoreWorkload
from kedoctor.checks.facts.cluster.secrets import KubeedgeSecrets, StreamSecret
from kedoctor.checks.facts.edge.clock import SiteClock
from kedoctor.checks.facts.edge.edgecore import EdgecoreConfig
from kedoctor.checks.facts.edge.edgecore_log import EdgecoreLog
from kedoctor.checks.parsers.kubernetes import Container, Deployment, DeploymentSpec, PodSpec, PodTemplate
from kedoctor.pki.certificates import make_ca, read_certificates, sign_server

PKI = Pki()
VERIFYING = EveryHost(
    {"cloud": ApiserverArguments(True, {"kubelet-certificate-authority": Setting("/ca.crt")})}
)
TRUSTING: EveryHost[ApiserverArguments] = EveryHost(
    {"cloud": ApiserverArguments(False), "edge1": NOT_RECORDED}
)
UNSEEN: EveryHost[ApiserverArguments] = EveryHost({"edge1": NOT_RECORDED})


def stream(issued: datetime) -> KubeedgeSecrets:
    ca = make_ca("cloudcore-ca", issued, 365)
    leaf = sign_server(ca, "cloudcore", ("cloudcore.kubeedge",), issued, algorithm="ECDSA-P-256")
    return PKI.secrets(
        stream=StreamSecret(("stream.crt", "stream.key", "streamCA.crt"), ca.certificate, leaf.certificate)
    )


def expiry(
    secrets: KubeedgeSecrets, seen: EveryHost[ApiserverArguments] = TRUSTING, at: SiteClock | None = None
) -> list[Finding]:
    findings = list(stream_cert_expiry(secrets, at or site_clock(), seen))
    for finding in findings:
        bilingual(finding)
    return findings


def test_a_stream_certificate_in_date() -> None:
    assert [one.status for one in expiry(stream(STARTED))] == [Status.PASS, Status.PASS]


@pytest.mark.parametrize(
    ("seen", "status", "breaks", "words"),
    [
        (TRUSTING, Status.WARN, (), "breaks nothing now"),
        (UNSEEN, Status.WARN, (), "was not seen"),
        (VERIFYING, Status.FAIL, ("logs", "exec", "attach"), "x509"),
    ],
)
def test_an_expired_one_matters_only_to_who_verifies(
    seen: EveryHost[ApiserverArguments], status: Status, breaks: tuple[str, ...], words: str
) -> None:
    first, _ = expiry(stream(NOW - timedelta(days=400)), seen)
    assert (first.status, first.breaks) == (status, breaks)
    assert words in first.summary.en


def test_the_last_month() -> None:
    first, _ = expiry(stream(NOW - timedelta(days=340)), VERIFYING)
    assert (first.status, first.breaks) == (Status.WARN, ())


def test_a_clock_that_is_not_believed_decides_nothing() -> None:
    for at in (site_clock(skew=None), site_clock(NOW + timedelta(days=900), skew=900 * 86400.0)):
        assert {one.status for one in expiry(stream(STARTED), VERIFYING, at)} == {Status.UNKNOWN}


def test_keys_that_are_missing_or_damaged() -> None:
    missing = replace(stream(STARTED), stream=StreamSecret((), b"", b"-----BEGIN nonsense"))
    assert [one.status for one in expiry(missing)] == [Status.FAIL, Status.UNKNOWN]
    absent = replace(missing, stream=Unavailable(Reason.ABSENT, "Secret kubeedge/cloudcore"))
    assert [one.status for one in expiry(absent)] == [Status.UNKNOWN]


# ------------------------------------------------------------------------------------------------ KE408


def names(secrets: KubeedgeSecrets, *edges: EdgecoreConfig) -> list[Finding]:
    seen: EveryHost[EdgecoreConfig] = EveryHost(
        {"cloud": NOT_RECORDED, **{f"host{n}": one for n, one in enumerate(edges)}}
    )
    findings = list(cloudcore_cert_san(secrets, seen, NOT_RECORDED))
    for finding in findings:
        bilingual(finding)
    return findings


def test_the_address_that_edges_dial_is_named() -> None:
    (finding,) = names(PKI.secrets(), config())
    assert (finding.status, finding.node) == (Status.PASS, "edge1")


def test_an_address_that_is_missing() -> None:
    (finding,) = names(PKI.secrets(), edited(hub="10.99.0.11:10000"))
    assert (finding.status, finding.node, finding.breaks) == (Status.FAIL, "edge1", None)
    assert "10.99.0.11" in finding.summary.en


def test_a_certificate_of_another_ca_breaks_every_edge() -> None:
    first, second = names(PKI.secrets(ca=Pki().der), config())
    assert (first.status, first.node) == (Status.FAIL, "")
    assert second.status is Status.PASS


def test_no_edge_and_no_configuration_is_not_known() -> None:
    (finding,) = names(PKI.secrets())
    assert finding.status is Status.UNKNOWN


# ------------------------------------------------------------------------------------------------ KE409


def token(expires: datetime, ca: bytes = PKI.der, signature: str = "c2ln") -> str:
    parts = [{"alg": "HS256", "typ": "JWT"}, {"exp": int(expires.timestamp())}]
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
    return ".".join((read_certificates(ca)[0].sha256, *encoded, signature))


def judged(
    text: str | Unavailable,
    at: SiteClock | Unavailable | None = None,
    logs: dict[str, EdgecoreLog | Unavailable] | None = None,
    *,
    cloudcore: str = "v1.22.0",
) -> list[Finding]:
    secrets = PKI.secrets(token=text)
    everywhere: EveryHost[EdgecoreLog] = EveryHost(logs or {"cloud": NOT_RECORDED})
    names = EveryHost({"host1": NAME})
    findings = list(
        join_token(secrets, at or site_clock(), everywhere, names, workload=cloudcore_of(cloudcore))
    )
    for finding in findings:
        bilingual(finding)
    return findings


def cloudcore_of(tag: str) -> CloudcoreWorkload:
    spec = PodSpec(containers=(Container(image=f"docker.io/kubeedge/cloudcore:{tag}"),))
    return CloudcoreWorkload(Deployment(spec=DeploymentSpec(template=PodTemplate(spec=spec))), ())


@pytest.mark.parametrize(
    ("tag", "bug"),
    [
        ("v1.18.0", True),
        ("v1.18.1", True),
        ("v1.18.2", False),
        ("v1.19.0", True),
        ("v1.19.1", False),
        ("v1.22.0", False),
    ],
)
def test_releases_that_never_save_a_refreshed_token(tag: str, *, bug: bool) -> None:
    """versions.md §4: fixed in 1.18.2 and 1.19.1."""
    (finding,) = judged(token(NOW - timedelta(days=3)), cloudcore=tag)
    assert finding.status is Status.WARN
    assert (f"cloudcore {tag} never saves the token" in finding.summary.en) is bug
    assert (finding.hint is not None and "Upgrade KubeEdge" in finding.hint.en) is bug


def test_a_token_that_can_be_used() -> None:
    (finding,) = judged(token(NOW + timedelta(hours=20)))
    assert finding.status is Status.PASS


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (token(NOW - timedelta(days=3)), "expired on 2026-11-20 04:00:00 UTC"),
        (token(NOW + timedelta(hours=20), Pki().der), "another CA"),
        ("abc", "not a join token"),
        ("", "not a join token"),
    ],
)
def test_a_token_that_nobody_can_join_with_is_a_fault_that_waits(text: str, words: str) -> None:
    (finding,) = judged(text)
    assert (finding.status, finding.breaks) == (Status.WARN, None)
    assert words in finding.summary.en or "was made for the CA" in finding.summary.en


def test_tokens_that_cannot_be_judged() -> None:
    assert judged(NOT_RECORDED)[0].status is Status.UNKNOWN
    assert judged(token(NOW), site_clock(skew=None))[0].status is Status.UNKNOWN
    assert judged("[redacted token 80 bytes token=0f3a6c1d9e42]")[0].status is Status.UNKNOWN


@pytest.mark.parametrize(
    ("end", "words"),
    [
        ("token abc credentials are in the wrong format", "empty or malformed"),
        (
            "failed to get edge certificate from the cloudcore, error: failed to call http, code: 401, message: token validation failure, err: token has invalid claims: token is expired",
            "has expired",
        ),
        (
            "failed to get edge certificate from the cloudcore, error: failed to call http, code: 401, message: token validation failure, err: token signature is invalid: signature is invalid",
            "did not sign",
        ),
        ("failed to validate CA certificate. tokenCAhash: 0000, CAhash: caf3", "another CA"),
    ],
)
def test_an_edge_that_died_of_its_token(end: str, words: str) -> None:
    text = (
        said(NOW, "I Version: v1.22.0", source="server.go:104")
        + f"panic: failed to apply the edge certs, err: {end}\n"
    )
    _, finding = judged(token(NOW + timedelta(hours=2)), logs={"host1": log(text)})
    assert (finding.status, finding.node) == (Status.FAIL, "edge1")
    assert words in finding.summary.en
    assert "abc" not in str(finding.actual), "a malformed token is hidden all the same"


def test_an_edge_that_runs_again_is_not_blamed() -> None:
    text = said(NOW, "I Version: v1.22.0", pid=1, source="server.go:104")
    text += "panic: failed to apply the edge certs, err: token  credentials are in the wrong format\n"
    text += said(NOW, "I Version: v1.22.0", pid=2, source="server.go:104")
    assert len(judged(token(NOW + timedelta(hours=2)), logs={"host1": log(text)})) == 1


# ------------------------------------------------------------------------------------------------ KE410


@pytest.mark.parametrize(
    ("skew", "status"),
    [
        (0.0, Status.PASS),
        (-59.0, Status.PASS),
        (61.0, Status.WARN),
        (-299.0, Status.WARN),
        (301.0, Status.FAIL),
        (None, Status.UNKNOWN),
    ],
)
def test_clocks(skew: float | None, status: Status) -> None:
    edge, api = clock_skew(
        EveryHost({"host1": clock(skew=skew)}),
        EveryHost({"host1": config()}),
        EveryHost({}),
        site_clock(skew=skew),
    )
    for finding in (edge, api):
        bilingual(finding)
        assert finding.status is status
    assert (edge.node, api.node) == ("edge1", "")


def test_a_clock_from_before_the_ca_breaks_the_hub() -> None:
    early = clock(NOW - timedelta(days=400), skew=-400 * 86400.0)
    edge, _ = clock_skew(
        EveryHost({"host1": early}),
        EveryHost({"host1": config()}),
        EveryHost({"host1": PKI.files()}),
        site_clock(),
    )
    assert (edge.status, edge.breaks) == (Status.FAIL, ("ready",))


def test_clocks_that_could_not_be_read() -> None:
    findings = list(
        clock_skew(
            EveryHost({"host1": NOT_RECORDED}), EveryHost({"host1": config()}), EveryHost({}), NOT_RECORDED
        )
    )
    assert [one.status for one in findings] == [Status.UNKNOWN, Status.UNKNOWN]
