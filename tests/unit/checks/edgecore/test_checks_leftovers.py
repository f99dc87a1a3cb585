"""KE711, KE712, KE713, KE923: edgecore's log, keadm's lock, the database, permissions."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from edge_samples import NAME, NOT_RECORDED, NOW, bilingual, config, log, metadata, said
from remedied import planned, told, verdict_of

from kedoctor.api import (
    ChangeMode,
    EveryHost,
    Finding,
    Host,
    Reason,
    RemoveFile,
    Resources,
    Status,
    Unavailable,
)
from kedoctor.checks.edgecore import fix_leftovers as remedies
from kedoctor.checks.edgecore.leftovers import edge_database, keadm_leftovers, secret_permissions
from kedoctor.checks.edgecore.log import edgecore_log
from kedoctor.checks.facts.edge.host import EdgeResources
from kedoctor.checks.facts.edge.leftovers import DatabaseHome, KeadmLeftovers, SecretFiles, secret_files
from kedoctor.model.observations.files import FileMetadata, Files, FindFiles, StatFile
from kedoctor.model.observations.request import Request

LOCK = metadata("/etc/kubeedge/idempotency_record")
ABSENT = Unavailable(Reason.ABSENT, "it")
HOME = DatabaseHome("/var/lib/kubeedge", metadata("/var/lib/kubeedge", 0o755))


def judged(finding: Finding) -> Finding:
    bilingual(finding)
    return finding


# ------------------------------------------------------------------------------------------- KE711

REFUSED = 'E request logs error Get "http://127.0.0.1:10350/containerLogs/a/b/c": dial tcp 127.0.0.1:10350: connect: connection refused'
VERSION = "I Version: v1.22.0"


def lines(*seconds_ago: float, text: str = REFUSED, start: float = 3600) -> str:
    begin = said(NOW - timedelta(seconds=start), VERSION, source="server.go:104")
    return begin + "".join(said(NOW - timedelta(seconds=one), text) for one in seconds_ago)


def test_a_known_line_is_told_with_its_place() -> None:
    finding = judged(edgecore_log(log(lines(60)), NAME))
    assert (finding.status, finding.hop, finding.breaks) == (Status.WARN, "edged", ())


def test_what_does_not_count() -> None:
    assert edgecore_log(log(lines(3000)), NAME).status is Status.PASS, "long past"
    assert edgecore_log(log(lines(60, start=100)), NAME).status is Status.PASS, "the first minutes"
    once = "E max retry count reached when connecting to cloud"
    assert edgecore_log(log(lines(60, text=once)), NAME).status is Status.PASS, "once is not enough"
    well = said(NOW - timedelta(seconds=5), "I Websocket connect to cloud access successful")
    assert edgecore_log(log(lines(90, 60, text=once) + well), NAME).status is Status.PASS, (
        "it went well since"
    )
    assert edgecore_log(log(lines(90, 60, text=once)), NAME).status is Status.WARN


def test_a_dial_that_failed_before_the_tunnel_came_is_past() -> None:
    # As edgecore v1.22.2 says it while cloudcore restarts.
    refused = (
        "E TLSClientConnect error close tunnel stream connection, error:failed to Update KubeletEndpoint Port"
    )
    dial = "I Start a new tunnel stream connection ..."
    assert edgecore_log(log(lines(200, text=refused)), NAME).status is Status.WARN
    assert edgecore_log(log(lines(200, text=refused) + lines(190, text=dial)), NAME).status is Status.PASS
    again = lines(200, text=refused) + lines(190, text=dial) + lines(20, text=refused)
    assert edgecore_log(log(again), NAME).status is Status.WARN


@pytest.mark.parametrize(
    "noise",
    [
        "W Action not found",
        'E "Skipping pod synchronization" err="PLEG is not healthy: pleg has yet to be successful"',
        'E query meta "default"/"kubeedge"',
        "E metamanager not supported operation: connect",
    ],
)
def test_noise_never_counts(noise: str) -> None:
    assert edgecore_log(log(lines(*range(60, 10, -1), text=noise)), NAME).status is Status.PASS


# What a real edgecore v1.22.2 said when an attach was cut off.
PANIC = """\
panic: send on closed channel
goroutine 106 [running]:
github.com/kubeedge/kubeedge/pkg/stream.(*EdgedAttachConnection).CacheTunnelMessage(0xffffffffffffffff?, 0x149de7928ab0)
        /go/src/github.com/kubeedge/kubeedge/pkg/stream/edgedattachconnection.go:58 +0x25
github.com/kubeedge/kubeedge/edge/pkg/edgestream.(*TunnelSession).WriteToLocalConnection(0x7f21e460a498?, 0x149de7928ab0)
        /go/src/github.com/kubeedge/kubeedge/edge/pkg/edgestream/tunnel.go:145 +0x2d
"""


def crashed(seconds_ago: float) -> str:
    """A run that ended so, and the next one, which systemd starts after 10 s."""
    at, pid = NOW - timedelta(seconds=seconds_ago), 1000 + int(seconds_ago)
    begin = said(at - timedelta(seconds=300), VERSION, source="server.go:104", pid=pid)
    frames = "".join(f"{at:%b %d %H:%M:%S} edge1 edgecore[{pid}]: {line}\n" for line in PANIC.splitlines())
    after = said(at + timedelta(seconds=10), VERSION, source="server.go:104", pid=pid + 1)
    return begin + frames + after


def test_the_known_panic_is_told_though_edgecore_runs_again() -> None:
    finding = judged(edgecore_log(log(crashed(200) + crashed(100)), NAME))
    assert (finding.status, finding.hop) == (Status.WARN, "tunnel")
    assert "2 times" in finding.summary.en
    assert "kubeedge/kubeedge#6488" in finding.summary.en
    assert edgecore_log(log(crashed(2000)), NAME).status is Status.PASS, "long past"


# ------------------------------------------------------------------------------------------- KE712


def test_the_lock_of_keadm() -> None:
    assert keadm_leftovers(KeadmLeftovers(ABSENT, keadm_runs=False), NAME).status is Status.PASS
    assert keadm_leftovers(KeadmLeftovers(NOT_RECORDED, keadm_runs=False), NAME).status is Status.UNKNOWN
    for runs in (True, None):
        assert keadm_leftovers(KeadmLeftovers(LOCK, runs), NAME).status is Status.SKIP
    left = KeadmLeftovers(LOCK, keadm_runs=False)
    finding = judged(keadm_leftovers(left, NAME))
    assert finding.status is Status.WARN
    verdict = verdict_of(keadm_leftovers, finding)
    assert planned(remedies.keadm_leftovers(verdict, left), verdict).actions == (RemoveFile(LOCK.path),)
    assert "pgrep" in told(remedies.keadm_leftovers(verdict, replace(left, keadm_runs=None)))


# ------------------------------------------------------------------------------------------- KE713


def room(free: int) -> EdgeResources:
    return EdgeResources(Resources(2, 2 << 30, 1 << 30, 20 << 30, free))


def test_a_database_that_works() -> None:
    assert edge_database(config(), HOME, log(lines(9)), room(5 << 30)).status is Status.PASS
    assert (
        edge_database(config(), DatabaseHome("/var/lib/kubeedge", ABSENT), log(""), room(5 << 30)).status
        is Status.PASS
    )
    assert edge_database(config(), HOME, NOT_RECORDED, NOT_RECORDED).status is Status.UNKNOWN


def test_a_database_that_cannot_be_used() -> None:
    assert judged(edge_database(config(), HOME, log(""), room(1 << 20))).status is Status.FAIL
    ended = log(lines(9, text="F Failed to register db: unable to open database file"))
    finding = judged(edge_database(config(), HOME, ended, room(5 << 30)))
    assert finding.status is Status.FAIL
    assert "unable to open" in str(finding.actual)


# ------------------------------------------------------------------------------------------- KE923

OPEN = metadata("/etc/rancher/k3s/k3s.yaml", 0o644)


class World:
    """Files with their modes; everything else is not there."""

    def __init__(self, **modes: int) -> None:
        self.modes = {path.replace("__", "/"): mode for path, mode in modes.items()}

    def observe(self, request: Request) -> Any:
        if isinstance(request, StatFile) and request.path in self.modes:
            mode = self.modes[request.path]
            found = metadata(request.path, mode & 0o777)
            return (
                found
                if mode < 0o1000
                else FileMetadata(request.path, "directory", mode & 0o777, 0, 0, 0, found.modified)
            )
        if isinstance(request, FindFiles):
            pattern = request.pattern
            found_ = [
                metadata(path, mode)
                for path, mode in self.modes.items()
                if mode < 0o1000 and Path(path).match(pattern)
            ]
            return Files(tuple(found_))
        return Unavailable(Reason.ABSENT, repr(request))


def test_files_that_others_can_read() -> None:
    found = secret_files(Host(World(__etc__rancher__k3s__k3s_yaml=0o644)))
    assert found.open == (), "another name"
    world = World()
    world.modes = {
        "/etc/rancher/k3s/k3s.yaml": 0o644,
        "/etc/rancher/k3s": 0o1755,
        "/etc/kubeedge/certs/server.key": 0o644,
        "/etc/kubeedge/certs": 0o1700,
        "/etc/kubernetes/admin.conf": 0o600,
    }
    found = secret_files(Host(world))
    assert [one.path for one in found.open] == ["/etc/rancher/k3s/k3s.yaml"], (
        "nobody enters the other directory"
    )
    assert len(found.found) == 3


def test_permissions_of_every_host() -> None:
    hosts: EveryHost[SecretFiles] = EveryHost(
        {
            "a": SecretFiles((OPEN,), (OPEN,)),
            "b": SecretFiles((metadata("/x"),)),
            "c": SecretFiles(unread=(NOT_RECORDED,)),
            "d": NOT_RECORDED,
        }
    )
    findings = [judged(one) for one in secret_permissions(hosts)]
    assert [one.status for one in findings] == [Status.WARN, Status.PASS, Status.UNKNOWN, Status.UNKNOWN]


def test_taking_permissions_away() -> None:
    hosts = EveryHost({"cloud": SecretFiles((OPEN,), (OPEN,))})
    verdict = verdict_of(secret_permissions, secret_permissions(hosts))
    plan = planned(remedies.secret_permissions(verdict, hosts), verdict)
    assert plan.actions == (ChangeMode(OPEN.path, 0o640),)
    two: EveryHost[SecretFiles] = EveryHost({**hosts.items, "edge1": NOT_RECORDED})
    assert "on the host itself" in told(remedies.secret_permissions(verdict, two))
