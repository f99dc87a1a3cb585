"""Log lines as edgecore, cloudcore, journald and container runtimes write them."""

import tracemalloc
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kedoctor.checks.parsers.logs.klog import MAX_LINE, LogLine, parse_lines

READ = datetime(2026, 11, 23, 5, 0, tzinfo=UTC)
DIAL = (
    "E1123 03:45:27.121548    3283 ws.go:84] dial websocket error(tls: failed to verify certificate: x509: "
    "certificate signed by unknown authority), response message: "
)


def one(text: str, reference: datetime = READ) -> LogLine:
    (line,) = parse_lines(text, reference)
    return line


def test_a_klog_line_taken_apart() -> None:
    line = one(DIAL)
    assert (line.severity, line.pid, line.source, line.kind) == ("E", 3283, "ws.go:84", "klog")
    assert line.time == datetime(2026, 11, 23, 3, 45, 27, 121548, tzinfo=UTC)
    assert line.message.startswith("dial websocket error(tls: failed")
    assert (line.raw, line.fields) == (DIAL, {})


@pytest.mark.parametrize(
    ("rest", "message", "fields"),
    [
        (
            '"Unable to register node with API server" err="unmarshal \\"x\\"\\n\\u00e9" node="edge1"',
            "Unable to register node with API server",
            {"err": 'unmarshal "x"\né', "node": "edge1"},
        ),
        (
            '"Golang settings" GOGC="" GOMAXPROCS=2 err=<nil>',
            "Golang settings",
            {"GOGC": "", "GOMAXPROCS": "2", "err": "<nil>"},
        ),
        (
            '"CM" nodeConfig={"NodeName":"edge 1","List":[1,{"a":"}"}]} x=1',
            "CM",
            {"nodeConfig": '{"NodeName":"edge 1","List":[1,{"a":"}"}]}', "x": "1"},
        ),
        ('"CM" config={"broken x=1', "CM", {"config": '{"broken', "x": "1"}),
        (
            '"Several lines" contents=<\n\tone\n\ttwo\n > pod="a/b"',
            "Several lines",
            {"contents": "\tone\n\ttwo", "pod": "a/b"},
        ),
        ('"No end" contents=<\n\tone', "No end", {"contents": "\tone"}),
        ('"quoted"and not', '"quoted"and not', {}),
        ('"only', '"only', {}),
        ('"tab\\tx41 \\x41 \\101 \\U0001F600 \\UFFFFFFFF \\q"', "tab\tx41 A A \U0001f600 \ufffd q", {}),
    ],
)
def test_structured_lines(rest: str, message: str, fields: dict[str, str]) -> None:
    (line,) = parse_lines([f"I1123 03:15:59.819404     312 server.go:104] {rest}"], READ)
    assert (line.message, line.fields) == (message, fields)


@pytest.mark.parametrize(
    ("stamp", "read", "year"),
    [
        ("1231 23:59:59.5", datetime(2027, 1, 1, 0, 0, 1, tzinfo=UTC), 2026),
        ("0101 00:00:00.5", datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC), 2027),
        ("0105 00:00:00.5", datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC), 2026),
        ("1123 05:00:00.0", READ, 2026),
        ("1124 05:00:00.0", READ, 2026),
        ("1130 05:00:00.0", READ, 2025),
        ("0229 05:00:00.0", READ, 2024),
    ],
)
def test_the_year_comes_from_the_time_of_reading(stamp: str, read: datetime, year: int) -> None:
    line = one(f"W{stamp} 1 a.go:1] x", read)
    assert line.time is not None
    assert line.time.year == year


def test_times_are_in_the_zone_of_the_reference() -> None:
    china = timezone(timedelta(hours=8))
    line = one("I1123 13:00:00.000000 1 a.go:1] x", READ.astimezone(china))
    assert line.time == READ
    assert one("I1123 13:00:00.0 1 a.go:1] x", datetime(2026, 11, 23, 14)).time == datetime(2026, 11, 23, 13)  # noqa: DTZ001


def test_dates_that_do_not_exist_have_no_time_but_keep_their_message() -> None:
    line = one("E1399 25:61:61.000000 1 a.go:1] x")
    assert (line.time, line.message, line.kind) == (None, "x", "klog")
    assert one("Foo 23 03:15:59 edge1 systemd[1]: x").time is None


def test_panics_and_what_follows_them() -> None:
    text = (
        "panic: failed to apply the edge certs, err: token  credentials are in the wrong format\n\n"
        "goroutine 110 [running]:\ngithub.com/kubeedge/kubeedge/edge/pkg/edgehub/certificate.(*CertManager).Start(0xc000899c70)\n"
    )
    panic, goroutine, frame = parse_lines(text, READ)
    assert (panic.kind, panic.severity) == ("panic", "F")
    assert panic.message.endswith("err: token  credentials are in the wrong format")
    assert (goroutine.kind, frame.kind) == ("text", "text")
    assert one("fatal error: all goroutines are asleep").kind == "panic"


def test_lines_of_gos_http_server() -> None:
    text = "2026/11/23 03:15:59 http: TLS handshake error from 10.99.0.2:41: tls: client didn't provide a certificate"
    line = one(text)
    assert (line.kind, line.severity, line.time) == (
        "http",
        "E",
        datetime(2026, 11, 23, 3, 15, 59, tzinfo=UTC),
    )
    assert line.message.startswith("http: TLS handshake error from 10.99.0.2:41")


@pytest.mark.parametrize(
    ("wrapped", "time"),
    [
        (f"Nov 23 03:45:28 edge1 edgecore[77]: {DIAL}", datetime(2026, 11, 23, 3, 45, 28, tzinfo=UTC)),
        (
            f"Nov 23 03:45:28.000123 edge1 edgecore[77]: {DIAL}",
            datetime(2026, 11, 23, 3, 45, 28, 123, tzinfo=UTC),
        ),
        (
            f"2026-11-23T03:45:28+0000 edge1 edgecore[77]: {DIAL}",
            datetime(2026, 11, 23, 3, 45, 28, tzinfo=UTC),
        ),
        (
            f"2026-11-23T03:45:28.123456789Z stderr F {DIAL}",
            datetime(2026, 11, 23, 3, 45, 28, 123456, tzinfo=UTC),
        ),
        (
            f"2026-11-23T11:45:28.5+08:00 stdout F {DIAL}",
            datetime(2026, 11, 23, 3, 45, 28, 500000, tzinfo=UTC),
        ),
        (f"2026-11-23T03:45:28.123456789Z {DIAL}", datetime(2026, 11, 23, 3, 45, 28, 123456, tzinfo=UTC)),
        (
            f'{{"MESSAGE":"{DIAL}","__REALTIME_TIMESTAMP":"1795405528000000","_PID":"77","SYSLOG_IDENTIFIER":"edgecore"}}',
            datetime(2026, 11, 23, 3, 45, 28, tzinfo=UTC),
        ),
        (
            f'{{"log":"{DIAL}\\n","stream":"stderr","time":"2026-11-23T03:45:28Z"}}',
            datetime(2026, 11, 23, 3, 45, 28, tzinfo=UTC),
        ),
    ],
)
def test_wrappers_are_taken_off_and_their_clock_is_believed(wrapped: str, time: datetime) -> None:
    line = one(wrapped)
    assert (line.source, line.severity, line.pid, line.time) == ("ws.go:84", "E", 3283, time)
    assert line.raw == wrapped


def test_what_systemd_says() -> None:
    line = one(
        "Nov 23 04:02:16 edge1 systemd[1]: edgecore.service: Main process exited, code=exited, status=1/FAILURE"
    )
    assert (line.kind, line.source, line.pid, line.severity) == ("journal", "systemd", 1, "")
    assert line.message == "edgecore.service: Main process exited, code=exited, status=1/FAILURE"
    entry = one(
        '{"MESSAGE":[104,105,255,"x",-1],"_PID":"1","SYSLOG_IDENTIFIER":"systemd","__REALTIME_TIMESTAMP":"9"}'
    )
    assert (entry.message, entry.source, entry.kind) == ("hi\ufffd", "systemd", "journal")


def test_lines_cut_by_the_container_runtime_are_joined() -> None:
    stamp = "2026-11-23T03:45:28Z stderr"
    first, second = parse_lines(
        [f"{stamp} P {DIAL[:40]}", f"{stamp} P {DIAL[40:60]}", f"{stamp} F {DIAL[60:]}", f"{stamp} P rest"],
        READ,
    )
    assert first.message == one(DIAL).message
    assert second.message == "rest"


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1}',
        "{not json",
        '{"MESSAGE": null}',
        '{"MESSAGE": {}}',
        "{" * 3000,
        '["MESSAGE"]',
        '{"MESSAGE":"x","__REALTIME_TIMESTAMP":"99999999999999999999"}',
    ],
)
def test_json_that_is_no_log_entry_is_text(text: str) -> None:
    assert one(text).kind == "text"


def test_one_line_at_a_time_and_never_much_of_it() -> None:
    assert len(one("x" * (3 * MAX_LINE)).raw) == MAX_LINE
    tracemalloc.start()
    count = sum(1 for _ in parse_lines((DIAL for _ in range(20_000)), READ))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 20_000
    assert peak < 1_000_000


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=200), st.datetimes(timezones=st.just(UTC)))
def test_any_text_gives_lines(text: str, reference: datetime) -> None:
    assert all(line.raw for line in parse_lines(text, reference))


PIECES = st.sampled_from(
    [
        "I1123 ",
        "03:15:59.819404 ",
        " 312 ",
        "a.go:1] ",
        '"m" ',
        'k="v" ',
        "k={",
        "[[",
        "=<\n",
        '"',
        "\\",
        "Nov 23 03:15:59 ",
        "edge1 ",
        "x[1]: ",
        "2026-11-23T03:45:28Z ",
        "stderr P ",
        "F ",
        "2026/11/23 ",
        '{"MESSAGE":',
        "}",
        "panic: ",
        "\n",
    ]
)


@settings(max_examples=500, deadline=None)
@given(st.lists(PIECES, max_size=12))
def test_any_mixture_of_their_pieces_gives_lines(pieces: list[str]) -> None:
    lines = list(parse_lines("".join(pieces), READ))
    assert len(lines) <= "".join(pieces).count("\n") + 1
