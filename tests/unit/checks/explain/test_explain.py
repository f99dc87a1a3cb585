"""What explain makes of texts and logs: causes, noise, parts, and the table it knows them from."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest

from kedoctor.checks.explain import explain
from kedoctor.model.explanations import Explanation
from kedoctor.model.findings import Certainty

ROOT = Path(__file__).parents[4]
FIXTURES = ROOT / "tests" / "fixtures"
TEXTS = json.loads((FIXTURES / "error-texts.json").read_text(encoding="utf-8"))
NOISE = json.loads((FIXTURES / "noise-texts.json").read_text(encoding="utf-8"))


def said(*lines: str) -> Explanation:
    return explain([line for text in lines for line in text.split("\n")])


def codes(answer: Explanation) -> list[str]:
    return [cause.code for cause in answer.causes]


def recorded(case: str, bundle: str, member: str) -> list[str]:
    with tarfile.open(FIXTURES / case / f"{bundle}.tgz") as archive:
        for info in archive:
            if member in info.name:
                file = archive.extractfile(info)
                assert file is not None
                return file.read().decode("utf-8", "replace").splitlines()
    raise AssertionError(f"{case}/{bundle} has no {member}")


@pytest.mark.parametrize("one", TEXTS, ids=[f"{one['source']}-{n}" for n, one in enumerate(TEXTS)])
def test_a_text_of_a_program_names_its_cause_first_or_second(one: dict[str, list[str] | str]) -> None:
    answer = said(str(one["text"]))
    assert set(codes(answer)[:2]) & set(one["codes"]), codes(answer)
    assert not answer.benign


@pytest.mark.parametrize("line", NOISE)
def test_noise_is_never_a_cause(line: str) -> None:
    answer = said(line)
    assert answer.benign
    assert answer.causes == ()
    assert answer.meaning
    assert answer.zh.meaning


@pytest.mark.parametrize(
    "line",
    [
        "EdgeStream started successfully",
        "I1207 10:00:00.000000       1 edgestream.go:10] Connected to CloudStream",
        "E1207 10:00:00.000000       1 edgestream.go:20] Failed to connect to CloudStream",
        "E1207 10:00:00.000000       1 handler.go:112] something went wrong with the frobnicator",
    ],
)
def test_texts_that_no_program_prints_are_not_known(line: str) -> None:
    answer = said(line)
    assert answer.causes == ()
    assert not answer.benign


@pytest.mark.parametrize(
    ("case", "bundle", "member", "code"),
    [
        ("a-edgestream-server-127.0.0.1", "edge1", "journal/edgecore", "KE203"),
        ("b-edgestream-disabled", "edge1", "journal/edgecore", "KE202"),
        ("c-cloudstream-disabled", "edge1", "journal/edgecore", "KE101"),
        ("c-cloudstream-disabled", "cloud", "cloudcore", "KE101"),
        ("f1-edge-cert-expired", "edge1", "journal/edgecore", "KE402"),
        ("f1-edge-cert-expired", "cloud", "logs/kubeedge/cloudcore", "KE402"),
        ("fresh-join-edgestream-off", "edge1", "journal/edgecore", "KE202"),
        ("g1-edge-rootca-mismatch", "edge1", "journal/edgecore", "KE404"),
        ("h2-10004-dropped-new", "edge1", "journal/edgecore", "KE506"),
        ("k-wrong-token-bad-format", "edge2", "journal/edgecore", "KE409"),
        ("k-wrong-token-expired", "edge2", "journal/edgecore", "KE409"),
        ("k-wrong-token-wrong-hash", "edge2", "journal/edgecore", "KE409"),
        ("l1-edgecore-yaml-syntax-error", "edge1", "journal/edgecore", "KE201"),
    ],
)
def test_a_recorded_log_names_the_injected_fault_first(
    case: str, bundle: str, member: str, code: str
) -> None:
    lines = recorded(case, bundle, member)
    answer = explain(lines)
    assert codes(answer)[0] == code, answer.statements
    assert answer.lines == len(lines)
    assert answer.unrecognised == 0


@pytest.mark.parametrize("case", ["healthy", "healthy-two-edges", "healthy-manual-dnat-rule"])
@pytest.mark.parametrize(
    ("bundle", "member"), [("edge1", "journal/edgecore"), ("cloud", "logs/kubeedge/cloudcore")]
)
def test_the_log_of_a_healthy_site_is_noise(case: str, bundle: str, member: str) -> None:
    answer = explain(recorded(case, bundle, member))
    assert answer.benign, (codes(answer), answer.statements[:3])
    assert answer.causes == ()


def test_what_the_ports_and_addresses_of_a_text_mean() -> None:
    answer = said(
        'Error from server: Get "https://10.99.0.2:10355/containerLogs/default/web/web": dial tcp 10.99.0.2:10355: connect: connection refused'
    )
    parts = answer.parts
    assert (parts.speaker, parts.host, parts.port, parts.error) == ("kubectl", "10.99.0.2", 10355, "refused")
    assert (parts.host_kind, parts.family) == ("private", "ipv4")
    assert parts.path == "/containerLogs/default/web/web"
    assert answer.hop == "diversion"
    assert codes(answer)[:2] == ["KE303", "KE304"]
    assert any(note.part == "port" and "tunnel port" in note.meaning for note in parts.notes)
    assert answer.causes[0].certainty is Certainty.IMPLIED
    assert "port 10355" in answer.causes[0].why
    assert "10355" in answer.causes[0].zh.why


def test_one_port_away_is_another_cause() -> None:
    line = 'Error from server: Get "https://10.99.0.2:{0}/containerLogs/a/b/c": dial tcp 10.99.0.2:{0}: connect: connection refused'
    assert codes(said(line.format(10350)))[0] == "KE202"
    assert codes(said(line.format(10250)))[0] == "KE301"
    assert codes(said(line.format(10351)))[0] == "KE303"


def test_ipv6_loopback_and_names_are_told_apart() -> None:
    six = said(
        "dial wss://[2001:db8::1]:10004/v1/kubeedge/connect error dial tcp [2001:db8::1]:10004: i/o timeout"
    )
    assert (six.parts.host, six.parts.family, six.parts.host_kind) == ("2001:db8::1", "ipv6", "private")
    loop = said(
        "dial wss://[::1]:10004/v1/kubeedge/connect error dial tcp [::1]:10004: connect: connection refused"
    )
    assert codes(loop) == ["KE203"]
    assert loop.causes[0].certainty is Certainty.PROVED
    name = said(
        'Get "https://edge-1:10351/exec/a/b/c": dial tcp: lookup edge-1 on 127.0.0.53:53: server misbehaving'
    )
    assert (name.parts.host, name.parts.port, name.parts.host_kind) == ("edge-1", 10351, "name")
    assert codes(name)[0] == "KE311"


def test_who_refused_a_certificate() -> None:
    ours = said(
        "E1 ws.go:84] dial websocket error(tls: failed to verify certificate: x509: certificate signed by unknown authority)"
    )
    theirs = said(
        "dial wss://10.0.0.1:10004/v1/kubeedge/connect error remote error: tls: expired certificate"
    )
    assert (ours.parts.tls_refused_by, codes(ours)[0]) == ("speaker", "KE404")
    assert (theirs.parts.tls_refused_by, codes(theirs)[:2]) == ("peer", ["KE402", "KE405"])


def test_statuses_that_kubectl_only_implies() -> None:
    none = said("Error from server (InternalError): Internal error occurred: ")
    assert (none.parts.status, codes(none)[0]) == (500, "KE202")
    proxy = said("proxy error from 127.0.0.1:6443 while dialing 10.0.0.9:10351, code 502: 502 Bad Gateway")
    assert (proxy.parts.status, codes(proxy)[0]) == (502, "KE801")
    form = said("406: Not Acceptable")
    assert (form.parts.status, codes(form)[0]) == (406, "KE610")
    denied = said(
        'Error from server (Forbidden): pods "web" is forbidden: User "dev" cannot get resource "pods/log" in API group "" in the namespace "default"'
    )
    assert (denied.parts.status, codes(denied)[0]) == (403, "KE921")
    assert "dev" in denied.meaning


def test_an_empty_answer_and_a_row_of_unknowns() -> None:
    assert codes(said(""))[:2] == ["KE508", "KE202"]
    assert codes(said("$ kubectl logs web --tail=3\n[rc 0, 0.1 s]"))[0] == "KE508"
    top = said(
        "NAME    CPU(cores)   CPU%   MEMORY(bytes)   MEMORY%\nedge1   <unknown>    <unknown>   <unknown>       <unknown>"
    )
    assert {"KE606", "KE603"} <= set(codes(top))


def test_lines_that_only_together_say_it() -> None:
    other = said(
        "dial tcp 10.201.82.131:10352: connect: connection refused",
        "    0     0 DNAT       tcp  --  *      *       0.0.0.0/0            0.0.0.0/0            tcp dpt:10350 to:10.200.50.118:10003",
    )
    assert codes(other)[0] == "KE305"
    moved = said(
        "dial tcp 10.0.0.2:10350: connect: connection refused",
        "      Port: 10350",
        "kubeletEndpoint Port: 10350",
        'tunnelportrecord: {"ipTunnelPort":{"10.0.0.1":10351}}',
    )
    assert codes(moved)[0] == "KE301"
    twins = said(
        "NAME  STATUS  ROLES       AGE  VERSION                    INTERNAL-IP  EXTERNAL-IP",
        "e1    Ready   agent,edge  1d   v1.31.12-kubeedge-v1.22.0  192.168.1.7  <none>",
        "e2    Ready   agent,edge  1d   v1.31.12-kubeedge-v1.22.0  192.168.1.7  <none>",
    )
    assert codes(twins)[0] == "KE704"
    assert "e1, e2" in twins.meaning
    service = said(
        "-A OUTPUT -p tcp -m tcp --dport 10351 -j DNAT --to-destination 10.43.120.7:10003",
        "dial tcp 10.0.0.2:10351: i/o timeout",
    )
    assert codes(service)[0] == "KE304"


def _klog(second: int, source: str, message: str, severity: str = "E") -> str:
    return f"{severity}1123 03:{second // 60:02}:{second % 60:02}.000000     403 {source}] {message}"


REFUSED = (
    "dial wss://10.0.0.1:10004/v1/kubeedge/connect error dial tcp 10.0.0.1:10004: connect: connection refused"
)
EXPIRED = "dial wss://10.0.0.1:10004/v1/kubeedge/connect error remote error: tls: expired certificate"


def _filled(*parts: tuple[int, str]) -> list[str]:
    return [
        _klog(n, "edgestream.go:147", text) for n, (times, text) in enumerate(parts) for _ in range(times)
    ]


def test_what_is_recent_outweighs_what_is_old() -> None:
    new, old = _filled((80, REFUSED), (80, EXPIRED)), _filled((80, EXPIRED), (80, REFUSED))
    assert codes(explain(new))[0] == "KE402"
    assert codes(explain(old))[0] == "KE101"


def test_a_log_that_runs_backwards_is_read_from_its_newest_line() -> None:
    lines = _filled((80, EXPIRED), (80, REFUSED))
    assert codes(explain(lines)) == codes(explain(list(reversed(lines))))


def test_what_worked_again_later_is_over() -> None:
    down = _klog(
        1,
        "ws.go:84",
        "dial websocket error(dial tcp 10.0.0.1:10000: connect: connection refused), response message: ",
    )
    up = _klog(9, "websocket.go:93", "Websocket connect to cloud access successful", "I")
    assert codes(said(down))[0] in {"KE505", "KE105"}
    again = said(down, up)
    assert again.causes == ()
    assert again.benign
    assert any(one.over for one in again.statements)
    assert codes(said(up, down.replace("03:00:01", "03:00:11")))[0] in {"KE505", "KE105"}


def test_one_edge_that_recovers_does_not_excuse_another() -> None:
    gone = "Failed to get container logs, err: add apiServer connection into Tunnel session [{0}] error the tunnel connection of Tunnel session [{0}] has closed"
    back = _klog(9, "tunnelserver.go:139", "get a new tunnel agent hostname edge2, internalIP 10.0.0.3", "I")
    lines = [
        _klog(1, "streamserver.go:120", gone.format("edge1")),
        _klog(2, "streamserver.go:120", gone.format("edge2")),
        back,
    ]
    answer = explain(lines)
    assert codes(answer)[0] == "KE508"
    assert {one.over for one in answer.statements if "has closed" in one.text} == {False, True}


def test_a_start_that_does_not_end_is_a_fault() -> None:
    ask = 'failed to get kubelet healthz syncloop, err: Get "http://localhost:10350/healthz/syncloop": dial tcp 127.0.0.1:10350: connect: connection refused'
    assert codes(explain([_klog(n // 20, "edged.go:648", ask, "W") for n in range(400)]))[0] == "KE502"
    settled = [_klog(0, "edged.go:648", ask, "W")] * 3 + [
        _klog(n, "x.go:1", "all is well", "I") for n in range(1, 60)
    ]
    assert explain(settled).causes == ()


def test_error_lines_that_nothing_is_known_about_are_counted() -> None:
    answer = explain([_klog(1, "x.go:1", "the flux capacitor is empty")] * 3 + ["nothing special"])
    assert (answer.unrecognised, answer.lines, answer.benign, answer.causes) == (3, 4, False, ())


def test_wrappers_are_looked_through() -> None:
    inner = _klog(
        1,
        "edgestream.go:147",
        "dial wss://127.0.0.1:10004/v1/kubeedge/connect error dial tcp 127.0.0.1:10004: connect: connection refused",
    )
    for line in (
        f"Nov 23 03:20:54 edge1 edgecore[403]: {inner}",
        f"2026-11-23T03:20:54.123456789Z stderr F {inner}",
        json.dumps({"log": inner + "\n", "stream": "stderr", "time": "2026-11-23T03:20:54.1Z"}),
        "   " + inner,
    ):
        assert codes(said(line)) == ["KE203"], line
