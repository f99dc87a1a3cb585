"""KE401 to KE405: keys closed, pairs obtained anew, and only with a token that is known to be good."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from edge_samples import (
    NOT_RECORDED,
    NOW,
    STARTED,
    V1_22,
    YAML,
    Pki,
    clock,
    config,
    later,
    log,
    metadata,
    said,
    unit,
)
from remedied import planned, told, verdict_of, verdicts

from kedoctor.api import (
    ChangeMode,
    EditYaml,
    HttpAnswer,
    NoPlan,
    Reason,
    RemoveFile,
    RestartUnit,
    Risk,
    TemporaryFile,
    Unavailable,
)
from kedoctor.checks.certificates import fix_edge
from kedoctor.checks.certificates.edge_chain import edge_ca_match as ke404
from kedoctor.checks.certificates.edge_chain import edge_cert_chain as ke403
from kedoctor.checks.certificates.edge_files import edge_cert_expiry as ke402
from kedoctor.checks.certificates.edge_files import edge_cert_files as ke401
from kedoctor.checks.certificates.edge_loaded import edge_cert_loaded as ke405
from kedoctor.checks.facts.edge.certificates import CertificateFile, EdgeCertificates, KeyFile
from kedoctor.checks.facts.edge.edgecore import CONFIG_PATH, UNIT_NAME
from kedoctor.checks.facts.edge.join_token import TokenAtHand, UsableToken, token_at_hand
from kedoctor.checks.facts.edge.repair import BOOTSTRAP_PATH, BootstrapToken
from kedoctor.checks.facts.edge.sockets_and_probes import CloudCa
from kedoctor.checks.facts.edge.trust import CloudAuthorities, cloud_authorities
from kedoctor.pki.certificates import read_certificates, sign_server

PKI = Pki()
CERTIFICATE, KEY = "/etc/kubeedge/certs/server.crt", "/etc/kubeedge/certs/server.key"
NO_BOOTSTRAP = BootstrapToken(present=False, text="")
LONG_AGO = STARTED - timedelta(days=400)


def token(expires: datetime = NOW + timedelta(hours=20), ca: bytes = PKI.der) -> str:
    parts = [{"alg": "HS256"}, {"exp": int(expires.timestamp())}]
    coded = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
    return ".".join([hashlib.sha256(ca).hexdigest(), *coded, "c2lnbmF0dXJl"])


GOOD = token()


def at_hand(
    text: str = "",
    *,
    secret: str = "",
    bootstrap: BootstrapToken = NO_BOOTSTRAP,
    served: CloudCa | Unavailable | None = None,
    **more: Any,
) -> TokenAtHand:
    secrets = PKI.secrets(token=secret) if secret else NOT_RECORDED
    return token_at_hand(
        config=config(YAML.replace("  edgeHub:\n", f'  edgeHub:\n    token: "{text}"\n')),
        files=more.get("files", PKI.files()),
        bootstrap=bootstrap,
        secrets=secrets,
        served=PKI.served() if served is None else served,
        clock=more.get("time", clock()),
    )


def source(found: TokenAtHand) -> str:
    assert isinstance(found.usable, UsableToken), found
    assert found.usable.text == GOOD
    assert GOOD not in repr(found)
    return found.usable.source


def why(found: TokenAtHand) -> str:
    assert not isinstance(found.usable, UsableToken)
    return told(NoPlan(found.usable))


# -------------------------------------------------------------------------------------- the token


def test_a_token_is_looked_for_in_the_cluster_then_where_edgecore_looks() -> None:
    lying = BootstrapToken(present=True, text=GOOD)
    assert source(at_hand(GOOD, secret=GOOD, bootstrap=lying)) == "Secret kubeedge/tokensecret"
    assert source(at_hand(GOOD, bootstrap=lying)) == BOOTSTRAP_PATH
    assert source(at_hand(GOOD)) == CONFIG_PATH
    assert source(at_hand(GOOD, secret=token(NOW - timedelta(hours=1)))) == CONFIG_PATH


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "keadm gettoken"),
        ("abc", "it is not a join token"),
        (token(NOW - timedelta(hours=1)), "it expired on"),
        (token(NOW + timedelta(seconds=60)), "it expired on"),
        (token(ca=b"another"), "it was made for another CA"),
    ],
)
def test_a_token_that_cloudcore_would_refuse_is_not_used_nor_shown(text: str, reason: str) -> None:
    said_so = why(at_hand(text))
    assert reason in said_so
    assert "keadm gettoken" in said_so
    assert not text or text not in said_so


def test_the_clouds_clock_decides_about_a_token() -> None:
    ahead = clock(NOW + timedelta(hours=30), 30 * 3600.0)
    assert source(at_hand(GOOD, time=ahead)) == CONFIG_PATH
    assert "when it expires is unknown" in why(at_hand(GOOD, time=clock(skew=None)))


def test_nothing_is_taken_away_that_the_cloud_would_not_replace() -> None:
    refused = Unavailable(Reason.REFUSED, "GET /ca.crt", "connection refused")
    assert "KE505" in why(at_hand(GOOD, served=refused))
    assert "KE505" in why(at_hand(GOOD, served=CloudCa("u", HttpAnswer(503, b""))))
    assert "KE404" in why(at_hand(GOOD, files=Pki().files()))
    other = sign_server(PKI.ca, "KubeEdge", ("192.168.0.1",), STARTED, algorithm="ECDSA-P-256")
    foreign = sign_server(Pki().ca, "KubeEdge", ("10.99.0.1",), STARTED, algorithm="ECDSA-P-256")
    for leaf in (other, foreign):
        der = read_certificates(leaf.certificate)[0].der
        assert "KE408" in why(at_hand(GOOD, served=CloudCa("u", HttpAnswer(200, PKI.der, NOW, der))))


# ------------------------------------------------------------------------------------- the repairs


def authorities(files: EdgeCertificates) -> CloudAuthorities:
    return cloud_authorities(NOT_RECORDED, PKI.served(), files)


def expired(found: TokenAtHand) -> Any:
    files = PKI.files(certificate=Pki(issued=LONG_AGO).files().certificate)
    wrong = verdict_of(ke402, ke402(config(), files, clock(), NOT_RECORDED))
    return wrong, fix_edge.edge_cert_expiry(wrong, config(), files, found)


def test_an_expired_pair_makes_room_for_one_obtained_with_a_token_lent_to_edgecore() -> None:
    wrong, answer = expired(at_hand(GOOD))
    plan = planned(answer, wrong)
    assert plan.actions == (
        EditYaml(CONFIG_PATH, plan.actions[0].changes),
        RemoveFile(CERTIFICATE),
        RemoveFile(KEY),
    )
    assert [(one.path, one.value) for one in plan.actions[0].changes] == [("modules.edgeHub.token", "")]
    assert plan.restarts == (
        RestartUnit(UNIT_NAME, loan=TemporaryFile(BOOTSTRAP_PATH, GOOD.encode(), CERTIFICATE)),
    )
    for text in (plan.title, plan.prediction):
        assert GOOD not in text.en + text.zh


def test_a_token_file_that_is_there_is_taken_away_first() -> None:
    wrong, answer = expired(at_hand(secret=GOOD, bootstrap=BootstrapToken(present=True, text="old")))
    actions = planned(answer, wrong).actions
    assert actions == (RemoveFile(BOOTSTRAP_PATH), RemoveFile(CERTIFICATE), RemoveFile(KEY))


def test_without_a_token_the_expired_pair_stays() -> None:
    _, answer = expired(at_hand())
    assert "keadm gettoken" in told(answer)


def missing(**changed: Any) -> Any:
    files = PKI.files(**changed)
    return files, verdicts(ke401, ke401(config(), files, NOT_RECORDED))


def test_files_that_are_missing_or_do_not_fit_are_obtained_anew() -> None:
    gone = Unavailable(Reason.ABSENT, CERTIFICATE, "it does not exist")
    cases = (
        missing(certificate=CertificateFile(CERTIFICATE, gone)),
        missing(key=KeyFile(KEY, gone)),
        missing(root_ca=CertificateFile("/etc/kubeedge/ca/rootCA.crt", gone)),
        missing(key=KeyFile(KEY, metadata(KEY), "0" * 64)),
    )
    for files, (wrong,) in cases:
        answer = fix_edge.edge_cert_files(wrong, config(), files, at_hand(GOOD))
        assert RemoveFile(CERTIFICATE) in planned(answer, wrong).actions


def test_a_key_that_others_read_is_closed_and_nothing_restarted() -> None:
    key = PKI.files().key
    files, (wrong,) = missing(key=replace(key, metadata=metadata(KEY, 0o644)))
    plan = planned(fix_edge.edge_cert_files(wrong, config(), files, at_hand()), wrong)
    assert (plan.actions, plan.restarts, plan.risk) == ((ChangeMode(KEY, 0o600),), (), Risk.SAFE)


def test_a_pair_of_another_ca_is_replaced_one_of_another_name_is_not() -> None:
    foreign = PKI.files(certificate=Pki().files().certificate)
    wrong = verdict_of(ke403, ke403(config(), foreign, authorities(foreign), version=V1_22))
    answer = fix_edge.edge_cert_chain(wrong, config(), foreign, at_hand(GOOD))
    assert RemoveFile(KEY) in planned(answer, wrong).actions
    renamed = Pki("edge7").files()
    wrong = verdict_of(ke403, ke403(config(), renamed, authorities(renamed), version=V1_22))
    answer = fix_edge.edge_cert_chain(wrong, config(), renamed, at_hand(GOOD))
    assert "the certificate is for edge7 and this node is edge1" in told(answer)


def test_another_ca_is_never_joined_without_a_person() -> None:
    files = Pki().files()
    verdict_of(ke404, ke404(config(), files, authorities(files), NOT_RECORDED, PKI.served()))
    assert "your decision" in told(fix_edge.edge_ca_match(config(), files))


def test_a_pair_in_memory_is_exchanged_by_a_restart_if_the_one_on_disk_is_good() -> None:
    renewed = Pki(issued=later(3600)).files()
    rotated = log(
        said(later(3601), "I succeeded to rotate certificate", source="certmanager.go:220"), later(7200)
    )
    wrong = verdict_of(ke405, ke405(config(), renewed, unit(), rotated, clock(later(7200))))
    plan = planned(fix_edge.edge_cert_loaded(wrong, renewed, clock(later(7200))), wrong)
    assert (plan.actions, plan.restarts) == ((), (RestartUnit(UNIT_NAME),))
    useless = fix_edge.edge_cert_loaded(wrong, renewed, clock(NOW + timedelta(days=500)))
    assert "KE402" in told(useless)
