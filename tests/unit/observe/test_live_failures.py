"""What goes wrong on the way to an API server, sorted by what an operator has to do about it."""

from __future__ import annotations

import errno
import http.client
import socket
import ssl
import zlib
from datetime import UTC, datetime
from typing import Any

import pytest

from kedoctor.model.observations.request import Reason
from kedoctor.observe.live.api_errors import connection_failure, one_line, refusal
from kedoctor.observe.live.credential_expiry import certificate_fault, token_fault
from kedoctor.observe.live.credentials import Credentials
from kedoctor.observe.live.kubeconfig import Found

SERVER = "https://10.0.0.1:6443"


def tls_error(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, f"[SSL: {reason}] words")
    error.reason = reason
    return error


def distrust(code: int) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code, error.verify_message = code, "words of OpenSSL"
    return error


@pytest.mark.parametrize(
    ("error", "reason", "says"),
    [
        (ConnectionRefusedError(), Reason.REFUSED, "connection refused"),
        (TimeoutError(), Reason.TIMEOUT, "no answer in time"),
        (OSError(errno.ETIMEDOUT, "timed out"), Reason.TIMEOUT, "no answer in time"),
        (OSError(errno.EHOSTUNREACH, "No route to host"), Reason.UNREACHABLE, "no route to host"),
        (OSError(errno.EMFILE, "Too many open files"), Reason.UNREACHABLE, "too many open files"),
        (socket.gaierror(-2, "Name or service not known"), Reason.UNREACHABLE, "name or service not known"),
        (ConnectionResetError(), Reason.UNREACHABLE, "closed before there was an answer"),
        (http.client.RemoteDisconnected(), Reason.UNREACHABLE, "closed before there was an answer"),
        (ssl.SSLEOFError(), Reason.UNREACHABLE, "closed before there was an answer"),
        (http.client.IncompleteRead(b""), Reason.UNREACHABLE, "in the middle of the answer"),
        (http.client.BadStatusLine("SSH"), Reason.INVALID, "does not speak HTTP"),
        (zlib.error(), Reason.INVALID, "not the gzip"),
        (tls_error("WRONG_VERSION_NUMBER"), Reason.INVALID, "does not speak TLS"),
        (tls_error("TLSV1_ALERT_UNKNOWN_CA"), Reason.UNAUTHORIZED, "TLS alert: unknown ca"),
        (tls_error("SSLV3_ALERT_CERTIFICATE_EXPIRED"), Reason.UNAUTHORIZED, "TLS alert: certificate expired"),
        (tls_error("TLSV1_ALERT_PROTOCOL_VERSION"), Reason.UNREACHABLE, "TLS failed: protocol version"),
        (distrust(10), Reason.UNTRUSTED, "its certificate has expired"),
        (distrust(20), Reason.UNTRUSTED, "does not trust (OpenSSL says: words of OpenSSL)"),
        (distrust(62), Reason.UNTRUSTED, "is for other names: words of OpenSSL"),
        (distrust(99), Reason.UNTRUSTED, "its certificate is not accepted"),
    ],
)
def test_errors(error: Exception, reason: Reason, says: str) -> None:
    failure = connection_failure(error, SERVER)
    assert failure.reason is reason
    assert failure.detail.startswith(f"{SERVER}: ")
    assert says in failure.detail


@pytest.mark.parametrize(
    ("status", "body", "reason", "detail"),
    [
        (401, b'{"message": "Unauthorized"}', Reason.UNAUTHORIZED, "Unauthorized (HTTP 401)"),
        (403, b'{"message": null, "reason": "Forbidden"}', Reason.FORBIDDEN, "Forbidden (HTTP 403)"),
        (404, b"404 page not found\n", Reason.ABSENT, "404 page not found (HTTP 404)"),
        (409, b"", Reason.ERROR, "HTTP 409"),
        (410, b"{}", Reason.GONE, "HTTP 410"),
        (429, b"Too many requests\n", Reason.THROTTLED, "Too many requests (HTTP 429)"),
        (504, b"\xff\x00", Reason.SERVER_ERROR, "� (HTTP 504)"),
        (302, b"", Reason.ERROR, "HTTP 302"),
        (400, b'{"message": "bad field selector"}', Reason.ERROR, "bad field selector (HTTP 400)"),
        (
            400,
            b'{"message": "previous terminated container \\"c\\" in pod \\"p\\" not found"}',
            Reason.ABSENT,
            None,
        ),
    ],
)
def test_statuses(status: int, body: bytes, reason: Reason, detail: str | None) -> None:
    failure = refusal(status, body)
    assert failure.reason is reason
    assert detail is None or failure.detail == detail


def test_what_a_server_says_stays_on_one_line_and_finite() -> None:
    assert one_line("a\x1b[31m\r\n  b\u2028c") == "a [31m b c"
    assert len(one_line("x" * 10_000)) == 501


@pytest.mark.parametrize(
    "header", ["", "Bearer abc", "Bearer a.b.c", "Bearer a.e30.c", "Bearer .eyJleHAiOjFlOTl9."]
)
def test_a_token_without_an_end_has_no_fault(header: str) -> None:
    assert token_fault(header, datetime.now(UTC)) == ""


def test_what_is_no_certificate_has_no_fault() -> None:
    assert (
        certificate_fault(
            b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", datetime.now(UTC)
        )
        == ""
    )


def credentials(**user: Any) -> Credentials:
    return Credentials(Found("x", ("/x",), "c", SERVER, "ann", {"proxy-url": "http://u:pr0xypass@p:1"}, user))


def test_secrets_are_hidden_and_plain_words_are_not() -> None:
    plugin = {
        "command": "kubelogin",
        "args": ["get-token", "--oidc-client-secret=c1ient", "--password", "hunter2", "kubernetes", "x" * 30],
        "env": [{"name": "VAULT_ADDR", "value": "val-in-env"}],
    }
    hide = credentials(exec=plugin, token="t0ken-value", username="ann").hide
    text = f"kubelogin get-token kubernetes ann VAULT_ADDR c1ient hunter2 {'x' * 30} val-in-env t0ken-value u:pr0xypass"
    assert hide(text) == "kubelogin get-token kubernetes ann VAULT_ADDR" + " (withheld)" * 6


def test_credentials_have_no_telling_repr() -> None:
    held = credentials(token="t0ken-value")
    assert held.authorization() == "Bearer t0ken-value"
    assert "t0ken" not in repr(held)
    assert held.refused() == 'asked as user "ann", context "c" of /x; its credentials are not accepted'
