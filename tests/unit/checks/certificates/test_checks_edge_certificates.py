"""KE401 to KE405: the certificates of an edge."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from edge_samples import (
    NOT_RECORDED,
    NOW,
    STARTED,
    Pki,
    bilingual,
    clock,
    config,
    edited,
    later,
    log,
    metadata,
    said,
    unit,
)

from kedoctor.api import Finding, Reason, Status, Unavailable
from kedoctor.checks.certificates.edge_chain import edge_ca_match, edge_cert_chain
from kedoctor.checks.certificates.edge_files import edge_cert_expiry, edge_cert_files
from kedoctor.checks.certificates.edge_loaded import edge_cert_loaded
from kedoctor.checks.facts.edge.certificates import CertificateFile, EdgeCertificates, KeyFile
from kedoctor.checks.facts.edge.clock import TrustedClock
from kedoctor.checks.facts.edge.edgecore_log import EdgecoreLog
from kedoctor.checks.facts.edge.trust import cloud_authorities
from kedoctor.checks.facts.edge.version import EdgecoreRelease
from kedoctor.checks.parsers.releases import parse

PKI, OTHER = Pki(), Pki()
ABSENT = Unavailable(Reason.ABSENT, "/etc/kubeedge/certs/server.crt")
EVERYTHING = ("logs", "exec", "attach", "top", "ready")
EXPIRED_TOKEN = (
    "Nov 23 04:07:16 edge1 systemd[1]: Started edgecore.service.\n"
    + said(STARTED, "I Version: v1.22.0", source="server.go:104")
    + "panic: failed to apply the edge certs, err: failed to get edge certificate from the cloudcore, error: failed to "
    "call http, code: 401, message: token validation failure, err: token has invalid claims: token is expired\n"
)


def files(found: EdgeCertificates, said: EdgecoreLog | Unavailable = NOT_RECORDED) -> list[Finding]:
    findings = list(edge_cert_files(config(), found, said))
    for finding in findings:
        bilingual(finding)
    return findings


def statuses(found: EdgeCertificates) -> list[Status]:
    return [finding.status for finding in files(found)]


def test_files_as_edgecore_makes_them() -> None:
    assert statuses(PKI.files()) == [Status.PASS, Status.PASS]


def test_a_missing_certificate_with_its_reason() -> None:
    gone = CertificateFile("/etc/kubeedge/certs/server.crt", ABSENT)
    (finding,) = files(replace(PKI.files(), certificate=gone), log(EXPIRED_TOKEN))
    assert (finding.status, finding.breaks) == (Status.FAIL, None)
    assert "server.crt does not exist" in finding.summary.en
    assert "token to get one has expired" in finding.summary.en


def test_a_file_that_is_no_certificate() -> None:
    broken = CertificateFile("/etc/kubeedge/ca/rootCA.crt", metadata("x"), error="it holds no certificate")
    assert statuses(replace(PKI.files(), root_ca=broken)) == [Status.FAIL, Status.PASS]


def test_a_file_that_may_not_be_read_is_not_known() -> None:
    closed = KeyFile("/etc/kubeedge/certs/server.key", Unavailable(Reason.PERMISSION, "key"))
    assert statuses(replace(PKI.files(), key=closed)) == [Status.UNKNOWN]


@pytest.mark.parametrize(
    ("mode", "status"),
    [(0o600, Status.PASS), (0o400, Status.PASS), (0o622, Status.WARN), (0o644, Status.WARN)],
)
def test_a_key_that_others_can_read(mode: int, status: Status) -> None:
    key = replace(PKI.files().key, metadata=metadata("/etc/kubeedge/certs/server.key", mode))
    first, _ = files(replace(PKI.files(), key=key))
    assert first.status is status
    assert first.hop == ("" if status is Status.WARN else None), "an exposure is an advice, not a hop"


def test_a_key_of_another_certificate() -> None:
    first, pair = files(replace(PKI.files(), key=OTHER.files().key))
    assert (first.status, pair.status) == (Status.PASS, Status.FAIL)


def test_a_redacted_key_still_decides_by_its_fingerprint() -> None:
    key = PKI.files().key
    assert statuses(replace(PKI.files(), key=replace(key, redacted=True))) == [Status.PASS, Status.PASS]
    unknown = replace(key, spki_sha256=None, redacted=True)
    assert statuses(replace(PKI.files(), key=unknown)) == [Status.PASS, Status.UNKNOWN]


# ------------------------------------------------------------------------------------------------ KE402


def expiry(
    issued_days_ago: float,
    clock_: TrustedClock,
    *,
    days: int = 365,
    said: EdgecoreLog | Unavailable = NOT_RECORDED,
) -> Finding:
    pki = Pki(issued=NOW - timedelta(days=issued_days_ago), days=days)
    finding = edge_cert_expiry(config(), pki.files(), clock_, said)
    bilingual(finding)
    return finding


def test_a_certificate_in_date() -> None:
    assert expiry(1, clock()).status is Status.PASS


def test_an_expired_certificate() -> None:
    finding = expiry(366, clock())
    assert (finding.status, finding.breaks) == (Status.FAIL, None)
    assert "expired on 2026-11-22 04:00:00 UTC" in finding.summary.en
    assert any("keadm gettoken" in command for command in finding.commands)


def test_a_certificate_of_the_future() -> None:
    assert expiry(-10, clock()).status is Status.FAIL


def test_the_last_month_means_that_rotation_fails() -> None:
    failing = log(
        said(
            NOW,
            "E failed to get edge certificate from CloudCore:failed to call http, code: 500",
            source="certmanager.go:206",
        )
    )
    finding = expiry(340, clock(), said=failing)
    assert (finding.status, finding.breaks) == (Status.WARN, ())
    assert len(finding.evidence) == 2
    assert expiry(3, clock(), days=20).status is Status.PASS, "a short life is not a late renewal"


@pytest.mark.parametrize("issued", [1, 366, -10])
def test_an_unchecked_clock_decides_nothing(issued: float) -> None:
    assert expiry(issued, clock(skew=None)).status is Status.UNKNOWN


def test_a_wrong_clock_does_not_make_a_certificate_expire() -> None:
    ahead = clock(NOW + timedelta(days=500), skew=500 * 86400.0)
    assert expiry(1, ahead).status is Status.UNKNOWN
    behind = clock(NOW - timedelta(days=20000), skew=-20000 * 86400.0)
    assert expiry(1, behind).status is Status.UNKNOWN


def test_both_clocks_agree_that_it_is_over() -> None:
    assert expiry(500, clock(NOW + timedelta(seconds=900), skew=900.0)).status is Status.FAIL


def test_no_certificate_is_left_to_ke401() -> None:
    gone = replace(PKI.files(), certificate=CertificateFile("/etc/kubeedge/certs/server.crt", ABSENT))
    assert edge_cert_expiry(config(), gone, clock(), NOT_RECORDED).status is Status.SKIP
    closed = replace(
        gone, certificate=replace(gone.certificate, metadata=Unavailable(Reason.PERMISSION, "x"))
    )
    assert edge_cert_expiry(config(), closed, clock(), NOT_RECORDED).status is Status.UNKNOWN


# ----------------------------------------------------------------------------------------- KE403, KE404


def chain(
    found: EdgeCertificates,
    *,
    secrets: object = NOT_RECORDED,
    served: object = NOT_RECORDED,
    node: str = "edge1",
    version: str = "v1.22.0",
) -> Finding:
    own = replace(config(), node_name=node)
    authorities = cloud_authorities(secrets, served, found)  # type: ignore[arg-type]
    finding = edge_cert_chain(own, found, authorities, version=EdgecoreRelease(parse(version), version))
    bilingual(finding)
    return finding


def test_a_chain_that_holds() -> None:
    assert chain(PKI.files()).status is Status.PASS
    assert chain(PKI.files(), secrets=PKI.secrets(), served=PKI.served()).status is Status.PASS


def test_a_certificate_for_another_node() -> None:
    finding = chain(PKI.files(), node="edge2")
    assert (finding.status, finding.breaks) == (Status.FAIL, EVERYTHING)
    assert "system:node:edge1" in finding.summary.en


@pytest.mark.parametrize(
    ("version", "status"),
    [
        ("v1.17.5", Status.PASS),  # KE213 warns
        ("v1.20.0", Status.PASS),
        ("v1.21.0", Status.FAIL),
        ("v1.23.1", Status.FAIL),
        ("v1.99.0", Status.UNKNOWN),
        ("v1.26.7-kubeedge-v1.15.0-beta.0.62+ea6701da320177-dirty", Status.UNKNOWN),
    ],
)
def test_names_are_compared_from_1_21_on(version: str, status: Status) -> None:
    assert chain(PKI.files(), node="edge2", version=version).status is status
    assert chain(PKI.files(), version=version).status is Status.PASS


def test_a_certificate_that_the_cloud_did_not_sign() -> None:
    finding = chain(PKI.files(), secrets=OTHER.secrets())
    assert (finding.status, finding.breaks) == (Status.FAIL, EVERYTHING)


def test_another_root_beside_a_good_certificate_breaks_the_hub_only() -> None:
    mixed = replace(PKI.files(), root_ca=OTHER.files().root_ca)
    finding = chain(mixed, secrets=PKI.secrets())
    assert (finding.status, finding.breaks) == (Status.FAIL, ("ready",))


def match(
    found: EdgeCertificates, *, secrets: object = NOT_RECORDED, served: object = NOT_RECORDED
) -> Finding:
    authorities = cloud_authorities(secrets, served, found)  # type: ignore[arg-type]
    finding = edge_ca_match(config(), found, authorities, secrets, served)  # type: ignore[arg-type]
    bilingual(finding)
    return finding


def test_one_ca_everywhere() -> None:
    assert match(PKI.files(), secrets=PKI.secrets()).status is Status.PASS
    assert match(PKI.files(), served=PKI.served()).status is Status.PASS


def test_nothing_to_compare_with() -> None:
    assert match(PKI.files()).status is Status.UNKNOWN


def test_another_root_on_the_edge() -> None:
    mixed = replace(PKI.files(), root_ca=OTHER.files().root_ca)
    finding = match(mixed, secrets=PKI.secrets())
    assert (finding.status, finding.breaks) == (Status.FAIL, ("ready",))
    assert "goes on" in finding.summary.en


def test_a_new_ca_on_the_cloud() -> None:
    finding = match(PKI.files(), secrets=OTHER.secrets(), served=OTHER.served())
    assert (finding.status, finding.breaks) == (Status.FAIL, EVERYTHING)


def test_a_ca_in_memory_that_is_not_the_stored_one() -> None:
    finding = match(PKI.files(), secrets=OTHER.secrets(), served=PKI.served())
    assert (finding.status, finding.breaks) == (Status.WARN, ())


def test_no_root_is_left_to_ke401() -> None:
    gone = replace(PKI.files(), root_ca=CertificateFile("/etc/kubeedge/ca/rootCA.crt", ABSENT))
    assert match(gone, secrets=PKI.secrets()).status is Status.SKIP


# ------------------------------------------------------------------------------------------------ KE405


def loaded(pki: Pki, text: str = "", *, clock_: TrustedClock | None = None, state: object = None) -> Finding:
    running = state or unit()
    finding = edge_cert_loaded(config(), pki.files(), running, log(text), clock_ or clock())  # type: ignore[arg-type]
    bilingual(finding)
    return finding


def test_the_certificate_of_the_start() -> None:
    assert loaded(Pki(issued=later(-3600))).status is Status.PASS
    assert loaded(Pki(issued=later(30))).status is Status.PASS, "asked for at the start, so dated after it"


def test_a_certificate_renewed_since() -> None:
    finding = loaded(Pki(issued=later(3600)))
    assert (finding.status, finding.breaks) == (Status.WARN, ())


def test_a_renewal_that_the_log_tells() -> None:
    text = said(later(30), "I succeeded to rotate certificate", source="certmanager.go:220")
    assert loaded(Pki(issued=later(30)), text).status is Status.WARN


def test_the_old_pair_has_expired_in_memory() -> None:
    text = said(
        NOW,
        "E dial wss://10.99.0.1:10004/v1/kubeedge/connect error remote error: tls: expired certificate",
        source="edgestream.go:147",
    )
    finding = loaded(Pki(issued=later(3600)), text)
    assert (finding.status, finding.breaks) == (Status.FAIL, None)


def test_a_clock_that_is_off_widens_the_margin() -> None:
    assert loaded(Pki(issued=later(1200)), clock_=clock(skew=-900.0)).status is Status.PASS


def test_nothing_is_loaded_where_nothing_runs() -> None:
    assert loaded(PKI, state=unit(runs=False, active_state="inactive")).status is Status.SKIP
    off = edge_cert_loaded(edited(enable="false"), PKI.files(), unit(), NOT_RECORDED, clock())
    assert off.status is Status.SKIP
