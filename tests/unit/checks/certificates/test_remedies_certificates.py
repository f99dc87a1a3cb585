"""Repairs of certificates and tokens of the cloud side."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from cloudcore_samples import SAMPLE, config, workload
from edge_samples import NAME, NOT_RECORDED, NOW, Pki, log, said, site_clock
from edge_samples import config as edge_config
from remedied import after_edit, planned, told, verdict_of, verdicts

from kedoctor.api import (
    DeleteObject,
    EveryHost,
    IssueCertificates,
    Reason,
    RestartPods,
    RestartUnit,
    Risk,
    Text,
    Unavailable,
)
from kedoctor.checks.certificates.cloudcore_san import cloudcore_cert_san
from kedoctor.checks.certificates.fix_cloudcore import cloudcore_certificate
from kedoctor.checks.certificates.fix_join_token import join_token
from kedoctor.checks.certificates.fix_stream import stream_certificate
from kedoctor.checks.certificates.join_token import join_token as join_token_check
from kedoctor.checks.certificates.stream_expiry import stream_cert_expiry
from kedoctor.checks.cloudcore.stream_secret import stream_secret_keys
from kedoctor.checks.facts.cloud.apiserver_flags import ApiserverArguments, Setting
from kedoctor.checks.facts.cloud.cloudcore import (
    CloudcoreWorkload,
)
from kedoctor.checks.facts.cluster.images import ImageArchives
from kedoctor.checks.facts.cluster.secrets import KubeedgeSecrets, StreamSecret
from kedoctor.checks.facts.edge.edgecore import EdgecoreConfig
from kedoctor.checks.facts.edge.join_token import TokenAtHand, UsableToken
from kedoctor.pki.certificates import make_ca, sign_server

BLIND = Unavailable(Reason.FORBIDDEN, "it")
NO_EDGE: EveryHost[EdgecoreConfig] = EveryHost({})
NO_ARCHIVE: EveryHost[ImageArchives] = EveryHost({})
PKI = Pki()


# ------------------------------------------------------------------------- KE108, KE406, KE408, KE409


VERIFYING = EveryHost(
    {"cloud": ApiserverArguments(True, {"kubelet-certificate-authority": Setting("/ca.crt")})}
)
TRUSTING: EveryHost[ApiserverArguments] = EveryHost({"cloud": ApiserverArguments(False)})
UNSEEN: EveryHost[ApiserverArguments] = EveryHost({})


def expired(*names: str) -> KubeedgeSecrets:
    issued = NOW - timedelta(days=400)
    ca = make_ca("cloudcore-ca", issued, 365)
    leaf = sign_server(ca, "cloudcore", names, issued, algorithm="ECDSA-P-256")
    return PKI.secrets(
        stream=StreamSecret(("stream.crt", "stream.key", "streamCA.crt"), ca.certificate, leaf.certificate)
    )


def test_a_new_stream_certificate_keeps_the_names_of_the_old() -> None:
    secrets = expired("cloudcore.kubeedge", "edge.example")
    plans = [
        planned(stream_certificate(wrong, secrets, workload(), TRUSTING), wrong)
        for wrong in verdicts(stream_cert_expiry, stream_cert_expiry(secrets, site_clock(), TRUSTING))
    ]
    assert len(plans) == 2
    assert plans[0].actions == plans[1].actions
    (action,) = plans[0].actions
    assert isinstance(action, IssueCertificates)
    assert action.dns_names == ("cloudcore.kubeedge", "edge.example", "cloudcore.kubeedge.svc")
    assert (action.common_name, action.days) == ("cloudcore", 365)
    assert (action.ca_key, action.certificate_key, action.private_key_key) == (
        "streamCA.crt",
        "stream.crt",
        "stream.key",
    )


def test_where_it_is_verified_a_new_ca_would_not_help() -> None:
    secrets = expired("10.99.0.2")
    wrong = verdicts(stream_cert_expiry, stream_cert_expiry(secrets, site_clock(), VERIFYING))[0]
    assert "KE802" in told(stream_certificate(wrong, secrets, workload(), VERIFYING))
    assert "API-server host" in told(stream_certificate(wrong, secrets, workload(), UNSEEN))


def test_missing_keys_of_the_secret_are_made() -> None:
    secrets = replace(expired(), stream=StreamSecret(("tls.crt",), b"", b""))
    found = stream_secret_keys(secrets, BLIND, BLIND)
    wrong = verdict_of(stream_secret_keys, found)
    (action,) = planned(stream_certificate(wrong, secrets, workload(), TRUSTING), wrong).actions
    assert isinstance(action, IssueCertificates)
    assert action.dns_names == ("cloudcore.kubeedge", "cloudcore.kubeedge.svc")
    nothing = replace(secrets, stream=Unavailable(Reason.ABSENT, "Secret kubeedge/cloudcore"))
    told(stream_certificate(wrong, nothing, workload(), TRUSTING))


def test_cloudcore_makes_a_certificate_for_what_edges_dial() -> None:
    text = SAMPLE.replace("10.99.0.1", "10.99.0.9")
    edges = EveryHost({"edge1": edge_config()})
    other = replace(PKI.secrets(), cloudcore=PKI.secrets().ca)
    wrong = next(
        one
        for one in verdicts(cloudcore_cert_san, cloudcore_cert_san(other, edges, NOT_RECORDED))
        if one.node == "edge1"
    )
    plan = planned(cloudcore_certificate(wrong, config(text), workload(), edges, secrets=BLIND), wrong)
    after = after_edit(plan, text)
    assert config(after).value("modules.cloudHub.advertiseAddress") == ["10.99.0.9", "10.99.0.1"]
    assert isinstance(plan.actions[1], DeleteObject)
    known = config(SAMPLE)
    (only,) = planned(
        cloudcore_certificate(wrong, known, workload(), edges, secrets=PKI.secrets()), wrong
    ).actions
    assert only == DeleteObject("/api/v1/namespaces/kubeedge/secrets/cloudcoresecret", remade=True)
    told(cloudcore_certificate(wrong, known, CloudcoreWorkload(None, ()), edges, secrets=BLIND))


def test_an_address_that_the_present_certificate_names_stays_named() -> None:
    # Seen on KubeEdge v1.22.2: advertiseAddress is wrong, every edge dials the old address, and no edge is in view.
    nobody: EveryHost[EdgecoreConfig] = EveryHost({})
    text = SAMPLE.replace("10.99.0.1", "10.99.0.77")
    secrets = PKI.secrets()
    found = cloudcore_cert_san(secrets, nobody, config(text))
    wrong = verdicts(cloudcore_cert_san, found)[0]
    plan = planned(cloudcore_certificate(wrong, config(text), workload(), nobody, secrets=secrets), wrong)
    after = after_edit(plan, text)
    assert config(after).value("modules.cloudHub.advertiseAddress") == ["10.99.0.77", "10.99.0.1"]


def test_a_token_that_died_is_refreshed_by_a_restart() -> None:
    found = join_token_check(PKI.secrets(token="abc"), site_clock(), EveryHost({}), EveryHost({}))
    wrong = verdict_of(join_token_check, found)
    nobody: dict[str, Any] = {"tokens": EveryHost({}), "configs": EveryHost({}), "files": EveryHost({})}
    plan = planned(join_token(wrong, workload(), **nobody), wrong)
    assert plan.restarts == (RestartPods("kubeedge", "kubeedge=cloudcore"),)
    told(join_token(wrong, BLIND, **nobody))


def test_a_token_is_lent_to_the_edge_that_was_refused() -> None:
    token = UsableToken(
        "abc.def.ghi.jkl", "Secret kubeedge/tokensecret", in_file=True, bootstrap_present=False
    )
    end = "panic: failed to apply the edge certs, err: token  credentials are in the wrong format\n"
    text = said(NOW, "I Version: v1.22.0", source="server.go:104") + end
    logs, names = EveryHost({"host1": log(text)}), EveryHost({"host1": NAME})
    wrong = verdicts(join_token_check, join_token_check(BLIND, BLIND, logs, names))[-1]
    here: dict[str, Any] = {
        "configs": EveryHost({"host1": edge_config()}),
        "files": EveryHost({"host1": PKI.files()}),
    }
    plan = planned(join_token(wrong, BLIND, tokens=EveryHost({"host1": TokenAtHand(token)}), **here), wrong)
    assert plan.risk is Risk.RESTARTS_EDGECORE
    (restart,) = plan.restarts
    assert isinstance(restart, RestartUnit)
    assert restart.loan is not None
    assert (restart.loan.path, restart.loan.content) == (token.bootstrap, b"abc.def.ghi.jkl")
    assert "abc.def" not in plan.title.en + str(plan.actions)
    none = TokenAtHand(Text("it needs a fresh token", zh="需要新令牌"))
    assert "fresh token" in told(join_token(wrong, BLIND, tokens=EveryHost({"host1": none}), **here))
    elsewhere: dict[str, Any] = {"configs": EveryHost({}), "files": EveryHost({}), "tokens": EveryHost({})}
    assert "keadm gettoken" in told(join_token(wrong, BLIND, **elsewhere))
