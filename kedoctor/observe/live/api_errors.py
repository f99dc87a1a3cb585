"""Why the API server gave no usable answer: what Python and OpenSSL raise, and what the server's Status says."""

from __future__ import annotations

import errno
import http.client
import socket
import ssl
import zlib

from kedoctor.base.records import Record, RecordError, decode
from kedoctor.model.observations.request import Reason

__all__ = ["ApiFailure", "connection_failure", "one_line", "refusal", "status_message"]


class ApiFailure(Exception):  # noqa: N818  not an error of ours: what the world did, on its way to Unavailable
    """Why there is no answer: ``reason``, and ``detail`` in words, free of credentials."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


# X509_V_ERR_… of OpenSSL's x509_vfy.h, in the words of an operator.
_UNTRUSTED = {
    9: "its certificate is not valid yet; compare its dates and this machine's clock",
    10: "its certificate has expired; compare its dates and this machine's clock",
    18: "its certificate is self-signed and not the one that the kubeconfig trusts",
    19: "its certificate is signed by an authority that the kubeconfig does not trust",
    20: "its certificate is signed by an authority that the kubeconfig does not trust",
    21: "its certificate is signed by an authority that the kubeconfig does not trust",
}
_WRONG_NAME = {62, 64}  # host name, IP address
_ABOUT_OUR_CERTIFICATE = (
    "ALERT_CERTIFICATE_EXPIRED",
    "ALERT_CERTIFICATE_REQUIRED",
    "ALERT_CERTIFICATE_REVOKED",
    "ALERT_CERTIFICATE_UNKNOWN",
    "ALERT_BAD_CERTIFICATE",
    "ALERT_UNKNOWN_CA",
    "ALERT_UNSUPPORTED_CERTIFICATE",
    "ALERT_ACCESS_DENIED",
)
_NO_TLS = {
    "WRONG_VERSION_NUMBER",
    "HTTP_REQUEST",
    "UNKNOWN_PROTOCOL",
    "PACKET_LENGTH_TOO_LONG",
    "RECORD_LAYER_FAILURE",
}
_NO_ROUTE = {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN, errno.EADDRNOTAVAIL}


def connection_failure(error: Exception, server: str) -> ApiFailure:
    """What a failed connection or exchange with ``server`` means."""
    reason, words = _meaning(error)
    return ApiFailure(reason, f"{server}: {words}")


def _meaning(error: Exception) -> tuple[Reason, str]:
    if isinstance(error, ssl.SSLCertVerificationError):
        return Reason.UNTRUSTED, _distrust(error)
    if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return _tls_meaning(error)
    if isinstance(error, TimeoutError) or getattr(error, "errno", 0) == errno.ETIMEDOUT:
        return Reason.TIMEOUT, "no answer in time"
    if isinstance(error, ConnectionRefusedError):
        return Reason.REFUSED, "connection refused"
    if isinstance(error, socket.gaierror):
        return Reason.UNREACHABLE, f"its name cannot be resolved ({(error.strerror or 'no details').lower()})"
    if isinstance(error, http.client.RemoteDisconnected | ConnectionError | ssl.SSLError):
        return Reason.UNREACHABLE, "the connection was closed before there was an answer"
    if isinstance(error, http.client.IncompleteRead):
        return Reason.UNREACHABLE, "the connection was closed in the middle of the answer"
    if isinstance(error, http.client.HTTPException):
        return Reason.INVALID, "what answers there does not speak HTTP"
    if isinstance(error, zlib.error):
        return Reason.INVALID, "the answer is not the gzip that it is said to be"
    if isinstance(error, OSError) and error.errno in _NO_ROUTE:
        return Reason.UNREACHABLE, (error.strerror or "no route").lower()
    if isinstance(error, OSError):
        return Reason.UNREACHABLE, (error.strerror or type(error).__name__).lower()
    return Reason.ERROR, type(error).__name__


def _distrust(error: ssl.SSLCertVerificationError) -> str:
    if error.verify_code in _WRONG_NAME:
        return f"its certificate is for other names: {error.verify_message}"
    said = f"OpenSSL says: {error.verify_message}"
    return f"{_UNTRUSTED.get(error.verify_code, 'its certificate is not accepted')} ({said})"


def _tls_meaning(error: ssl.SSLError) -> tuple[Reason, str]:
    name = error.reason or ""
    alert = name.rpartition("ALERT_")[2].replace("_", " ").lower()
    if any(known in name for known in _ABOUT_OUR_CERTIFICATE):
        return Reason.UNAUTHORIZED, f"it does not accept the client certificate (TLS alert: {alert})"
    if name in _NO_TLS:
        return Reason.INVALID, "what answers there does not speak TLS"
    return Reason.UNREACHABLE, f"TLS failed: {alert or 'no details'}"


# ------------------------------------------------------------------------------------- answers that refuse

_BY_STATUS = {
    401: Reason.UNAUTHORIZED,
    403: Reason.FORBIDDEN,
    404: Reason.ABSENT,
    410: Reason.GONE,
    429: Reason.THROTTLED,
}
_ABSENT_IN_400 = ("not found", "is not valid for pod")


class _Status(Record, frozen=True):
    message: str | None = None
    reason: str | None = None


def status_message(body: bytes) -> str:
    """The message of a Status, or the first of whatever text was sent instead."""
    try:
        status = decode(body, _Status)
        words = status.message or status.reason or ""
    except RecordError:
        words = body[:2000].decode(errors="replace")
    return one_line(words)


def refusal(status: int, body: bytes) -> ApiFailure:
    """What a status that is not a success means; ``detail`` is the API server's own message."""
    message = status_message(body)
    reason = _BY_STATUS.get(status, Reason.SERVER_ERROR if status >= 500 else Reason.ERROR)
    if status == 400 and any(words in message for words in _ABSENT_IN_400):
        reason = Reason.ABSENT  # a container, or its previous run
    return ApiFailure(reason, f"{message} (HTTP {status})" if message else f"HTTP {status}")


def one_line(text: str, limit: int = 500) -> str:
    """``text`` on one line, printable, at most ``limit`` characters."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= limit else f"{line[:limit]}…"
