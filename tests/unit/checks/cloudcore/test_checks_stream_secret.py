from __future__ import annotations

from dataclasses import replace

from siteworld import before, made

from kedoctor.api import Reason, Status, Unavailable
from kedoctor.checks.cloudcore.stream_secret import stream_secret_keys
from kedoctor.checks.facts.cloud.cloudcore import (
    CloudcoreConfig,
    CloudcoreDocument,
    CloudcoreWorkload,
    cloudcore_config,
)
from kedoctor.checks.facts.cloud.cloudcore_log import CloudcoreLog, PodLog
from kedoctor.checks.facts.cluster.secrets import KubeedgeSecrets, StreamSecret
from kedoctor.checks.parsers.kubernetes import Deployment, Pod
from kedoctor.yaml.document import load

BLIND = Unavailable(Reason.FORBIDDEN, "it")
VOLUME = {
    "name": "certs",
    "secret": {"secretName": "cloudcore", "items": [{"key": "stream.crt", "path": "certs/stream.crt"}]},
}
DEPLOYMENT = made(Deployment, spec={"template": {"spec": {"volumes": [VOLUME]}}})
RUNNING = made(
    Pod,
    status={"phase": "Running", "containerStatuses": [{"state": {"running": {"startedAt": before(300)}}}]},
)
PENDING = made(Pod, status={"phase": "Pending"})


def config(text: str = "modules:\n  cloudStream:\n    enable: true\n") -> CloudcoreConfig:
    found = cloudcore_config(CloudcoreDocument(text, load(text)))
    assert isinstance(found, CloudcoreConfig)
    return found


def workload(pod: Pod = RUNNING, deploy: Deployment = DEPLOYMENT) -> CloudcoreWorkload:
    return CloudcoreWorkload(deploy, (pod,))


def secrets(stream: StreamSecret | Unavailable) -> KubeedgeSecrets:
    return KubeedgeSecrets(ca=BLIND, cloudcore=BLIND, token=BLIND, stream=stream)


COMPLETE = StreamSecret(("stream.crt", "stream.key", "streamCA.crt"), b"", b"")


def test_the_three_keys() -> None:
    assert stream_secret_keys(secrets(COMPLETE), config(), workload()).status is Status.PASS


def test_a_renamed_key_waits_for_the_next_start() -> None:
    renamed = replace(COMPLETE, keys=("stream.key", "streamCA.crt", "tls.crt"))
    found = stream_secret_keys(secrets(renamed), config(), workload())
    assert (found.status, found.breaks) == (Status.WARN, ())
    assert "stream.crt" in found.summary.en
    stopped = stream_secret_keys(secrets(renamed), config(), workload(PENDING))
    assert (stopped.status, stopped.breaks) == (Status.FAIL, None)


def test_a_key_that_does_not_belong_to_its_certificate_is_what_cloudcore_ended_of() -> None:
    # The last line of cloudcore v1.22.2 whose stream.key is another one's.
    said = (
        "F1130 14:15:46.870440       1 streamserver.go:410] Start stream server error tls: private key type does not"
        " match public key type"
    )
    found = stream_secret_keys(
        secrets(COMPLETE), config(), workload(PENDING), CloudcoreLog((PodLog("c", last_words=said),))
    )
    assert (found.status, found.breaks, found.subject) == (Status.FAIL, None, "secret/kubeedge/cloudcore")
    other = CloudcoreLog((PodLog("c", last_words="F1130 14:15:46.8 1 x.go:1] bind: address already in use"),))
    assert stream_secret_keys(secrets(COMPLETE), config(), workload(PENDING), other).status is Status.PASS


def test_a_secret_that_is_gone_and_one_that_may_not_be_read() -> None:
    gone = Unavailable(Reason.ABSENT, "Secret kubeedge/cloudcore")
    assert stream_secret_keys(secrets(gone), config(), BLIND).status is Status.FAIL
    assert stream_secret_keys(secrets(BLIND), config(), BLIND).status is Status.UNKNOWN


def test_the_secret_does_not_matter_where_it_is_not_mounted() -> None:
    own = made(
        Deployment, spec={"template": {"spec": {"volumes": [{"name": "h", "hostPath": {"path": "/etc"}}]}}}
    )
    gone = Unavailable(Reason.ABSENT, "Secret kubeedge/cloudcore")
    assert stream_secret_keys(secrets(gone), config(), workload(deploy=own)).status is Status.SKIP
    off = config("modules: {}\n")
    assert stream_secret_keys(secrets(gone), off, workload()).status is Status.SKIP
