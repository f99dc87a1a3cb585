"""The edgecore of the sandbox plays by its file: it connects only when the real one would."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from kedoctor.base.records import replace
from kedoctor.checks.sandbox.fake_edgecore import EDGECORE, klog
from kedoctor.evidence.replay import ReplaySource, open_bundle
from kedoctor.model.fake_services import SandboxState, StateChange
from kedoctor.model.observations.files import ReadFile
from kedoctor.model.observations.network import ListSockets
from kedoctor.model.observations.request import Request, Unavailable
from kedoctor.model.observations.units import ReadUnit
from kedoctor.model.observations.wire import HttpAnswer
from kedoctor.model.ports import Cluster, Host, Wire

DATA = Path(__file__).parents[4] / "checks" / "sandbox" / "recordings"
CONFIG = "/etc/kubeedge/config/edgecore.yaml"
UNIT = "edgecore.service"
NOW = datetime(2026, 11, 23, 3, 23, 5, 250000, tzinfo=UTC)
OFF, ON = "edgeStream:\n    enable: false", "edgeStream:\n    enable: true"


class Edited:
    """The recorded edge with another edgecore.yaml, and after a scene what that changed."""

    def __init__(self, recorded: ReplaySource, *edits: tuple[str, str]) -> None:
        self._recorded = recorded
        self._edits = edits
        self.answers: dict[Request, Any] = {}

    def observe(self, request: Request) -> Any:
        if request in self.answers:
            return self.answers[request]
        answer = self._recorded.observe(request)
        if isinstance(request, ReadFile) and request.path == CONFIG:
            text = answer.data.decode()
            for old, new in self._edits:
                assert old in text
                text = text.replace(old, new)
            return replace(answer, data=text.encode())
        return answer


def stage(*edits: tuple[str, str], starts: bool = True) -> SandboxState:
    recorded = {
        name: ReplaySource(open_bundle(DATA / f"demo-edgestream-off-{name}.tgz"))
        for name in ("cloud", "edge1")
    }
    sources = {name: Edited(one, *(edits if name == "edge1" else ())) for name, one in recorded.items()}
    return SandboxState(
        host="edge1",
        starts=starts,
        hosts={name: Host(one) for name, one in sources.items()},
        wires={name: Wire(one) for name, one in sources.items()},
        cluster=Cluster(sources["cloud"]),
        now=NOW,
        pid=4711,
    )


def tunnels(scene: StateChange, host: str) -> list[tuple[str, str]]:
    part = scene.hosts.get(host)
    items = part.sockets.items if part is not None and part.sockets is not None else ()
    return [
        (one.local_address, one.remote_address)
        for one in items
        if one.state == "ESTABLISHED" and 10004 in (one.local_port, one.remote_port)
    ]


def test_switched_on_it_holds_a_tunnel_that_both_ends_show() -> None:
    scene = EDGECORE.play(stage((OFF, ON)))
    assert tunnels(scene, "edge1") == [("10.99.0.2", "10.99.0.1")]
    assert tunnels(scene, "cloud") == [("10.99.0.1", "10.99.0.2")]
    mine = scene.hosts["edge1"].sockets
    theirs = scene.hosts["cloud"].sockets
    assert mine is not None
    assert theirs is not None
    ports = {one.local_port for one in mine.items if one.remote_port == 10004}
    assert ports == {one.remote_port for one in theirs.items if one.local_port == 10004 and one.remote_port}
    assert {one.process for one in theirs.items if one.local_port == 10004} == {"cloudcore"}


def test_what_the_cloud_makes_of_a_tunnel_follows() -> None:
    scene = EDGECORE.play(stage((OFF, ON)))
    (page,) = {page for key, page in scene.hosts["cloud"].pages.items() if key[1] == "10.99.0.2"}
    assert isinstance(page, HttpAnswer)
    assert b'"nodeName": "edge1"' in page.body
    assert page.certificate
    writes = {write.kind: write.content for write in scene.writes}
    assert writes["Node"] == {"status": {"daemonEndpoints": {"kubeletEndpoint": {"Port": 10352}}}}
    assert writes["NodeMetrics"] is not None
    (log,) = scene.logs
    assert log.text == klog(
        NOW, "I", 1, "tunnelserver.go:139", "get a new tunnel agent hostname edge1, internalIP 10.99.0.2"
    )


def test_switched_off_it_runs_and_dials_nothing() -> None:
    scene = EDGECORE.play(stage())
    assert tunnels(scene, "edge1") == []
    assert "cloud" not in scene.hosts
    unit = scene.hosts["edge1"].units[UNIT]
    assert (unit.active_state, unit.main_pid, unit.started) == ("active", 4711, NOW)
    assert "Module edgestream is disabled" in scene.hosts["edge1"].journal[UNIT]
    table = scene.hosts["edge1"].processes
    assert table is not None
    assert [one.pid for one in table.items if one.name == "edgecore"] == [4711]


@pytest.mark.parametrize(
    "server", ["127.0.0.1:10004", "10.99.0.1:10005", "10.99.0.77:10004", "cloud.example:10004"]
)
def test_it_connects_nowhere_when_nothing_listens_where_it_points(server: str) -> None:
    scene = EDGECORE.play(stage((OFF, ON), ("server: 10.99.0.1:10004", f"server: {server}")))
    assert tunnels(scene, "edge1") == []
    assert "cloud" not in scene.hosts
    assert f"dial wss://{server}/v1/kubeedge/connect error" in scene.hosts["edge1"].journal[UNIT]
    assert [write.content for write in scene.writes if write.kind == "NodeMetrics"] == [None]
    host, _, port = server.rpartition(":")
    assert isinstance(scene.hosts["edge1"].ports[host, int(port)][0], Unavailable)


@pytest.mark.parametrize(
    "broken", ["modules:\n  edgeStream: [", "modules:\n  edgeStream:\n    enable: maybe\n"]
)
def test_a_file_that_the_real_one_would_not_start_from_ends_it(broken: str) -> None:
    recorded = ReplaySource(open_bundle(DATA / "demo-edgestream-off-edge1.tgz"))
    text = recorded.observe(ReadFile(CONFIG)).data.decode()
    scene = EDGECORE.play(stage((text, broken)))
    unit = scene.hosts["edge1"].units[UNIT]
    assert (unit.active_state, unit.sub_state, unit.restarts) == ("activating", "auto-restart", 1)
    table = scene.hosts["edge1"].processes
    assert table is not None
    assert not [one for one in table.items if one.name == "edgecore"]


def test_stopped_it_is_gone_with_all_its_connections() -> None:
    scene = EDGECORE.play(stage(starts=False))
    assert scene.hosts["edge1"].units[UNIT].active_state == "inactive"
    sockets = scene.hosts["edge1"].sockets
    assert sockets is not None
    assert not [one for one in sockets.items if one.process == "edgecore"]


def test_a_tunnel_that_goes_leaves_a_dead_session() -> None:
    there = stage((OFF, ON))
    scene = EDGECORE.play(there)
    for name, part in scene.hosts.items():
        source = there.hosts[name].source
        assert isinstance(source, Edited)
        source.answers |= {ListSockets(): part.sockets}
        source.answers |= {ReadUnit(UNIT): unit for unit in part.units.values()}
    after = EDGECORE.play(replace_stage(there, starts=False))
    assert tunnels(after, "edge1") == []
    assert tunnels(after, "cloud") == []
    assert {page.body for page in after.hosts["cloud"].pages.values() if isinstance(page, HttpAnswer)} == {
        b""
    }
    assert "get Tunnel session [edge1] reader error" in after.logs[0].text


def replace_stage(there: SandboxState, *, starts: bool) -> SandboxState:
    return SandboxState(there.host, starts, there.hosts, there.wires, there.cluster, there.now, there.pid + 1)
