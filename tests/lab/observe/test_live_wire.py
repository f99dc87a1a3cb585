"""Connections, TLS peers and GETs against real listeners on loopback; what goes wrong is told apart in time."""

from __future__ import annotations

import contextlib
import datetime as dt
import shutil
import socket
import ssl
import struct
import subprocess
import time
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from listeners import (
    Handler,
    in_time,
    listening,
    plain_server,
    say,
    server_context,
    silent,
    tls_server,
    x509_der,
)
from netns import NetworkNamespace, missing

from kedoctor.model.observations.request import Reason, Unavailable
from kedoctor.model.observations.wire import Connection, TlsPeer
from kedoctor.model.ports import Wire
from kedoctor.observe.live.source import LiveSource

pytestmark = pytest.mark.lab

NOW = dt.datetime.now(dt.UTC)
WIRE = Wire(LiveSource())


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def shown(answer: TlsPeer | Unavailable) -> x509.Certificate:
    assert isinstance(answer, TlsPeer), answer
    return x509.load_der_x509_certificate(answer.certificates[0])


# ---------------------------------------------------------------------------------------------------- TCP


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_a_connection(address: str) -> None:
    with listening(lambda _: None, address) as port:
        answer = WIRE.connect(address, port)
    assert isinstance(answer, Connection)
    assert answer.address == address
    assert 0 <= answer.took < 1


def test_refused() -> None:
    with listening(lambda _: None) as port:
        pass
    answer = WIRE.connect("127.0.0.1", port)
    assert isinstance(answer, Unavailable)
    assert answer.reason is Reason.REFUSED


def test_no_answer() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        with contextlib.ExitStack() as stack:
            for _ in range(2):  # fills the queue; the kernel then drops further SYNs
                waiting = stack.enter_context(socket.socket())
                waiting.setblocking(False)
                waiting.connect_ex(("127.0.0.1", port))
            with in_time(1.5):
                answer = WIRE.connect("127.0.0.1", port, timeout=0.5)
    assert isinstance(answer, Unavailable)
    assert answer.reason is Reason.TIMEOUT
    assert "0.5 s" in answer.detail


@pytest.mark.skipif(
    missing("unshare", "nsenter", "ip") is not None, reason=str(missing("unshare", "nsenter", "ip"))
)
@pytest.mark.parametrize(
    ("host", "words"), [("192.0.2.1", "no route"), ("no-such-name.invalid", "cannot be resolved")]
)
def test_nowhere_to_go(host: str, words: str) -> None:
    script = (
        "import sys; from kedoctor.observe.live.source import LiveSource; from kedoctor.model.observations.wire import OpenTcp\n"
        "answer = LiveSource().observe(OpenTcp(sys.argv[1], 10004, 8.0)); print(answer.reason.value, answer.detail)"
    )
    with NetworkNamespace() as empty:
        said = empty.exec_python(script, host, timeout=20)
    assert said.startswith("unreachable ")
    assert words in said


@pytest.mark.parametrize(("host", "port"), [("", 80), ("127.0.0.1", 0), ("127.0.0.1", 70000)])
def test_what_is_no_address(host: str, port: int) -> None:
    answer = WIRE.connect(host, port)
    assert isinstance(answer, Unavailable)
    assert answer.reason is Reason.INVALID


# ---------------------------------------------------------------------------------------------------- TLS


def test_the_whole_chain_is_shown_leaf_first(authority: trustme.CA) -> None:
    intermediate = authority.create_child_ca()
    leaf = intermediate.issue_cert("cloudcore.example", "10.99.0.1")
    with listening(tls_server(server_context(leaf))) as port:
        answer = WIRE.tls("127.0.0.1", port)
    assert isinstance(answer, TlsPeer)
    chain = [x509.load_der_x509_certificate(each) for each in answer.certificates]
    pem = [x509.load_pem_x509_certificate(blob.bytes()) for blob in leaf.cert_chain_pems]
    assert len(chain) == 2
    assert chain == pem
    assert (answer.version, answer.alert) == ("TLSv1.3", "")


def test_an_expired_certificate_is_shown(authority: trustme.CA) -> None:
    leaf = authority.issue_cert(
        "a.example", not_before=NOW - dt.timedelta(9), not_after=NOW - dt.timedelta(2)
    )
    with listening(tls_server(server_context(leaf))) as port:
        assert shown(WIRE.tls("127.0.0.1", port)).not_valid_after_utc < NOW


def test_a_certificate_of_the_future_is_shown(authority: trustme.CA) -> None:
    leaf = authority.issue_cert(
        "a.example", not_before=NOW + dt.timedelta(2), not_after=NOW + dt.timedelta(9)
    )
    with listening(tls_server(server_context(leaf))) as port:
        assert shown(WIRE.tls("127.0.0.1", port)).not_valid_before_utc > NOW


def test_a_certificate_of_another_authority_is_shown(authority: trustme.CA) -> None:
    other = trustme.CA()
    with listening(tls_server(server_context(other.issue_cert("a.example")))) as port:
        certificate = shown(WIRE.tls("127.0.0.1", port))
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(other.cert_pem.bytes()))
    with pytest.raises((InvalidSignature, ValueError)):
        certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(authority.cert_pem.bytes()))


def test_a_certificate_for_other_names_is_shown(authority: trustme.CA) -> None:
    with listening(
        tls_server(server_context(authority.issue_cert("elsewhere.example", "192.0.2.7")))
    ) as port:
        certificate = shown(WIRE.tls("127.0.0.1", port, server_name="cloudcore.example"))
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["elsewhere.example"]


def test_the_server_name_chooses_the_certificate(authority: trustme.CA) -> None:
    named: list[str | None] = []
    context = server_context(authority.issue_cert("a.example"))
    context.sni_callback = lambda _, name, __: named.append(name)
    with listening(tls_server(context)) as port:
        WIRE.tls("127.0.0.1", port, server_name="b.example")
        WIRE.tls("127.0.0.1", port)
        WIRE.tls("localhost", port)
    assert named == ["b.example", None, "localhost"]


def test_tls_over_ipv6(authority: trustme.CA) -> None:
    with listening(tls_server(server_context(authority.issue_cert("::1"))), "::1") as port:
        assert shown(WIRE.tls("::1", port))
        assert shown(WIRE.tls("[::1]", port))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_server_that_wants_a_client_certificate(authority: trustme.CA, version: ssl.TLSVersion) -> None:
    leaf = authority.issue_cert("a.example")
    with listening(tls_server(server_context(leaf, version=version, clients=authority))) as port, in_time(3):
        answer = WIRE.tls("127.0.0.1", port)
    assert isinstance(answer, TlsPeer), answer
    assert answer.alert == "certificate required"
    assert answer.certificates[0] == x509_der(leaf)


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
def test_an_openssl_server_that_wants_a_client_certificate(
    authority: trustme.CA, version: str, tmp_path: Path
) -> None:
    leaf = authority.issue_cert("a.example")
    leaf.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "pair.pem"))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    command = [
        "openssl",
        "s_server",
        "-accept",
        f"127.0.0.1:{port}",
        "-cert",
        "pair.pem",
        "-Verify",
        "1",
        version,
    ]
    with subprocess.Popen(
        [*command, "-verify_return_error"],
        cwd=tmp_path,
        stdin=subprocess.PIPE,  # it ends with its input
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as server:
        deadline = time.monotonic() + 5
        while isinstance(answer := WIRE.tls("127.0.0.1", port), Unavailable) and time.monotonic() < deadline:
            time.sleep(0.05)
        server.kill()
    assert isinstance(answer, TlsPeer), answer
    assert answer.alert == "certificate required"


def test_a_server_that_only_asks_for_a_client_certificate_is_content(authority: trustme.CA) -> None:
    context = server_context(
        authority.issue_cert("a.example"), version=ssl.TLSVersion.TLSv1_2, clients=authority
    )
    context.verify_mode = ssl.CERT_OPTIONAL
    with listening(tls_server(context)) as port:
        answer = WIRE.tls("127.0.0.1", port)
    assert isinstance(answer, TlsPeer)
    assert (answer.alert, answer.version) == ("", "TLSv1.2")


def test_a_server_without_a_common_cipher_says_so(authority: trustme.CA) -> None:
    context = server_context(authority.issue_cert("a.example"), version=ssl.TLSVersion.TLSv1_2)
    context.set_ciphers("ECDHE-RSA-AES128-GCM-SHA256")  # and the key is none of RSA
    with listening(tls_server(context)) as port:
        answer = WIRE.tls("127.0.0.1", port)
    assert answer == TlsPeer((), "", "handshake failure")


def swapping(real_port: int, other: bytes) -> Handler:
    """Stands between us and a TLS 1.2 server and puts another certificate in the place of its own."""

    def handler(client: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", real_port)) as server:
            server.sendall(client.recv(1 << 14))
            server.settimeout(0.5)
            flight = b""
            with contextlib.suppress(TimeoutError):
                while data := server.recv(1 << 14):
                    flight += data
            client.sendall(with_certificate(flight, other))
            client.recv(1 << 14)

    return handler


def with_certificate(flight: bytes, certificate: bytes) -> bytes:
    messages = b""
    while flight:
        end = 5 + int.from_bytes(flight[3:5])
        messages += flight[5:end]
        flight = flight[end:]
    changed = b""
    while messages:
        end = 4 + int.from_bytes(messages[1:4])
        message, messages = messages[:end], messages[end:]
        if message[0] == 11:
            entry = len(certificate).to_bytes(3) + certificate
            body = len(entry).to_bytes(3) + entry
            message = b"\x0b" + len(body).to_bytes(3) + body
        changed += message
    return b"\x16\x03\x03" + struct.pack(">H", len(changed)) + changed


def test_a_server_whose_key_does_not_fit_its_certificate(authority: trustme.CA) -> None:
    real = server_context(authority.issue_cert("a.example"), version=ssl.TLSVersion.TLSv1_2)
    other = x509_der(authority.issue_cert("a.example"))
    with listening(tls_server(real)) as real_port, listening(swapping(real_port, other)) as port:
        answer = WIRE.tls("127.0.0.1", port)
    assert isinstance(answer, Unavailable)
    assert answer.reason is Reason.INVALID
    assert "signature" in answer.detail


def test_plain_http_on_a_tls_port() -> None:
    answers = [
        say(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"),
        say(b"<!DOCTYPE HTML>\n<html>400</html>"),
    ]
    for handler in answers:
        with listening(handler) as port, in_time(3):
            answer = WIRE.tls("127.0.0.1", port)
        assert isinstance(answer, Unavailable)
        assert answer.reason is Reason.INVALID
        assert "plain HTTP" in answer.detail


def test_pythons_plain_http_server_on_a_tls_port() -> None:
    with plain_server() as port, in_time(3):
        answer = WIRE.tls("127.0.0.1", port)
    assert isinstance(answer, Unavailable)
    assert "plain HTTP" in answer.detail


def test_another_protocol_on_a_tls_port() -> None:
    with listening(lambda connection: connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")) as port:
        answer = WIRE.tls("127.0.0.1", port)
    assert isinstance(answer, Unavailable)
    assert answer.reason is Reason.INVALID
    assert "SSH-2.0-OpenSSH_9.2" in answer.detail


def dripping(start: bytes) -> Handler:
    def handler(connection: socket.socket) -> None:
        connection.sendall(start)
        for _ in range(40):
            time.sleep(0.1)
            connection.sendall(b"\x00")

    return handler


@pytest.mark.parametrize(
    ("handler", "words"), [(silent, "said nothing"), (dripping(b"\x16\x03\x03\x20\x00"), "did not finish")]
)
def test_a_handshake_ends_at_the_deadline(handler: Handler, words: str) -> None:
    with listening(handler) as port, in_time(1.4):
        answer = WIRE.tls("127.0.0.1", port, timeout=1.0)
    assert isinstance(answer, Unavailable)
    assert answer.reason is Reason.TIMEOUT
    assert words in answer.detail


def resetting(connection: socket.socket) -> None:
    connection.recv(1 << 14)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@pytest.mark.parametrize(("handler", "words"), [(resetting, "reset"), (say(b""), "closed the connection")])
def test_a_server_that_hangs_up(handler: Handler, words: str) -> None:
    with listening(handler) as port:
        answer = WIRE.tls("127.0.0.1", port)
    assert isinstance(answer, Unavailable)
    assert answer.reason is Reason.UNREACHABLE
    assert words in answer.detail


def test_a_server_name_that_is_none(authority: trustme.CA) -> None:
    with listening(silent) as port:
        answer = WIRE.tls("127.0.0.1", port, server_name=".example")
    assert isinstance(answer, Unavailable)
    assert answer.reason is Reason.INVALID
