"""The lab's API server against recordings of a real one: same status, same headers, same words."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from apiserver import ApiServer
from apiserver.equivalent import before, objects, prepare
from apiserver.fixtures import TOKEN, Answer, Channels, Recording, ask, recording, running

pytestmark = pytest.mark.lab

VOLATILE_HEADERS = {"date", "audit-id", "x-kubernetes-pf-flowschema-uid", "x-kubernetes-pf-prioritylevel-uid"}
EXCHANGES = [*range(1, 49), 50, 55, 56, 58, 59, 72, 77, 78]
SESSIONS = [51, 52, 53]
OTHER_LENGTH = {33, 37, 72}  # a token withheld, a rule of OpenShift, a body cut short
_UID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_AGE = re.compile(r"\d+[smhdy](\d+[smhdy])?")


def steady(value: Any) -> Any:
    """A body without what differs from run to run: uids, times, ages."""
    if isinstance(value, dict):
        return {key: steady(part) for key, part in value.items()}
    if isinstance(value, list):
        return [steady(part) for part in value]
    if isinstance(value, str):
        if _AGE.fullmatch(value):
            return "AGE"
        return _TIME.sub("TIME", _UID.sub("UID", value))
    return value


class Replay:
    """Sends recorded requests in their order; uids that the real server gave are replaced by those of this one."""

    def __init__(self, server: ApiServer) -> None:
        self.server = server
        self.weak_token = ""
        self._uids: dict[str, str] = {}

    def send(self, number: int) -> tuple[Recording, Answer]:
        wanted = recording(number)
        before(self.server, number)
        headers = dict(wanted.request_headers)
        withheld = headers.pop("Authorization", None) is not None
        token: str | None = TOKEN
        if withheld:
            token = "nobody-issued-this" if number == 12 else self.weak_token
        elif number == 13:
            token = None
        form = headers.pop("Content-Type", "application/json")
        body = wanted.request_body
        for theirs, ours in self._uids.items():
            body = body.replace(theirs, ours)
        got = ask(
            self.server,
            wanted.method,
            wanted.path,
            body or None,
            token=token,
            content_type=form,
            Accept=headers["Accept"],
        )
        self._learn(number, wanted, got)
        return wanted, got

    def _learn(self, number: int, wanted: Recording, got: Answer) -> None:
        if number == 33:
            self.weak_token = got.json["status"]["token"]
        if wanted.status == 201:
            pairs = zip(_UID.findall(wanted.body), _UID.findall(got.body.decode()), strict=True)
            self._uids.update(pairs)


@pytest.fixture(scope="module")
def answers() -> Iterator[dict[int, tuple[Recording, Answer]]]:
    """Every recorded exchange, replayed once in order."""
    with running(objects()) as server:
        prepare(server)
        replay = Replay(server)
        yield {number: replay.send(number) for number in EXCHANGES}


def names(number: int) -> str:
    return recording(number).name


@pytest.mark.parametrize("number", EXCHANGES, ids=names)
def test_status_and_headers_are_those_of_the_real_server(
    answers: dict[int, tuple[Recording, Answer]], number: int
) -> None:
    wanted, got = answers[number]
    assert got.status == wanted.status
    assert sorted(name.lower() for name, _ in got.headers) == sorted(
        name.lower() for name, _ in wanted.headers
    )
    kept = {name: value for name, value in wanted.headers if name.lower() not in VOLATILE_HEADERS}
    if number in OTHER_LENGTH:
        kept.pop("Content-Length", None)
    for name, value in kept.items():
        assert got.header(name) == value, name


JSON_BODIES = [n for n in EXCHANGES if n not in OTHER_LENGTH | {38, 41, 42, 55, 56, 59, 78}]


@pytest.mark.parametrize("number", JSON_BODIES, ids=names)
def test_body_is_that_of_the_real_server(answers: dict[int, tuple[Recording, Answer]], number: int) -> None:
    wanted, got = answers[number]
    assert steady(got.json) == steady(wanted.json)
    assert list(got.json) == list(wanted.json)


@pytest.mark.parametrize("number", [38, 41, 42, 55, 56, 59, 78], ids=names)
def test_text_is_that_of_the_real_server(answers: dict[int, tuple[Recording, Answer]], number: int) -> None:
    wanted, got = answers[number]
    assert got.body.decode().strip("\n") == wanted.body.strip("\n")


def test_rules_review_lists_what_every_service_account_may(
    answers: dict[int, tuple[Recording, Answer]],
) -> None:
    wanted, got = answers[37]
    # The recorded server is OpenShift's fork, which also opens /.well-known to everybody.
    expected = wanted.json
    del expected["status"]["nonResourceRules"][0]
    assert got.json == expected


def test_token_request_has_the_recorded_shape(answers: dict[int, tuple[Recording, Answer]]) -> None:
    wanted, got = answers[33]
    ours, theirs = got.json, wanted.json
    assert ours["status"].pop("token").count(".") == 2
    del theirs["status"]["token"]
    assert steady(ours) == steady(theirs)


def test_paging_before_compaction_gives_the_recorded_token(
    answers: dict[int, tuple[Recording, Answer]],
) -> None:
    wanted, got = answers[72]
    token = re.search(r'"continue": "(\w+)"', wanted.body)
    assert token
    assert got.json["metadata"] == {"resourceVersion": "1228", "continue": token[1], "remainingItemCount": 5}


def test_watch_begins_with_what_is_there() -> None:
    wanted = recording(49)
    with running(objects()) as server:
        prepare(server)
        got = ask(server, "GET", wanted.path)
    assert sorted(name.lower() for name, _ in got.headers) == sorted(
        name.lower() for name, _ in wanted.headers
    )
    lines = [json.loads(line) for line in got.body.splitlines()]
    assert lines[0] == json.loads(wanted.body.splitlines()[0])
    assert [line["object"]["metadata"]["name"] for line in lines] == ["cloudcore", "tunnelport"]


def frames(wanted: Recording) -> list[tuple[int, bytes]]:
    """The recorded frames as opcode and payload."""
    found = []
    for opcode, channel, text in re.findall(
        r"# frame opcode (\d+) length \d+: channel (\S+) (b.*)", wanted.body
    ):
        payload = eval(text)  # a bytes literal of our own recording
        found.append((int(opcode), payload if channel == "-" else bytes([int(channel)]) + payload))
    return found


def without_ids(payload: bytes) -> bytes:
    return re.sub(rb"[0-9a-f]{62,64}", b"ID", payload)


@pytest.mark.parametrize("number", SESSIONS, ids=names)
def test_exec_sends_the_recorded_frames(number: int) -> None:
    wanted = recording(number)
    key = wanted.request_headers["Sec-WebSocket-Key"]
    with running(objects()) as server:
        protocols = wanted.request_headers["Sec-WebSocket-Protocol"]
        with Channels(server, wanted.path, protocols=protocols, key=key) as channels:
            assert channels.status == wanted.status
            assert channels.headers == dict(wanted.headers)
            for opcode, payload in frames(wanted):
                got = channels.frame()
                assert (got[0], without_ids(got[1])) == (opcode, without_ids(payload))


def test_attach_sends_what_the_container_says_from_then_on() -> None:
    wanted = recording(54)
    expected = frames(wanted)
    with running(objects()) as server:
        server.edge.say("default", "web", "web", "said before")
        with Channels(server, wanted.path, protocols="v5.channel.k8s.io") as channels:
            assert channels.frame() == expected[0]
            for line in expected[1:]:
                server.edge.say("default", "web", "web", line[1][1:].decode().strip())
            assert [channels.frame() for _ in expected[1:]] == expected[1:]
