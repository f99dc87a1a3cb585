"""The TLS context for an API server: what kubectl would accept, no more and no less."""

from __future__ import annotations

import os
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from kedoctor.model.observations.request import Reason
from kedoctor.observe.live.api_errors import ApiFailure
from kedoctor.observe.live.credentials import Credentials, data_or_file
from kedoctor.observe.live.kubeconfig import Found

__all__ = ["tls_context"]


def tls_context(found: Found, credentials: Credentials) -> ssl.SSLContext:
    """Trusts the kubeconfig's authority (the system's if it names none), shows the user's certificate.

    As Go does, and Python since 3.13 does not by itself: an intermediate may be the trusted one, authorities without
    key identifiers (of older Kubernetes) are fine, and names are looked for in subjectAltName only.

    Raises:
        ApiFailure: a certificate or key is no such thing, or they do not belong together.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.hostname_checks_common_name = False
    if found.cluster.get("insecure-skip-tls-verify") is True:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    else:
        _trust(context, data_or_file(found.cluster, "certificate-authority"))
    pair = credentials.certificate()
    if pair is not None:
        _show(context, *pair)
    return context


def _trust(context: ssl.SSLContext, authority: bytes) -> None:
    if not authority:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
        return
    try:
        context.load_verify_locations(cadata=authority.decode("ascii", errors="replace"))
    except (ssl.SSLError, ValueError, TypeError):  # the last for what is no ASCII
        raise ApiFailure(Reason.INVALID, "the certificate-authority holds no certificate") from None


def _show(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    with ExitStack() as files:
        certificate_path = files.enter_context(_in_memory(certificate))
        key_path = files.enter_context(_in_memory(key))
        try:
            context.load_cert_chain(certificate_path, key_path, password=_no_password)
        except ssl.SSLError as error:
            why = "do not belong together" if "MISMATCH" in (error.reason or "") else "cannot be read"
            raise ApiFailure(Reason.INVALID, f"the client certificate and its key {why}") from None


def _no_password() -> str:
    """Instead of OpenSSL's own question on the terminal: an encrypted key is one that cannot be read."""
    return ""


@contextmanager
def _in_memory(data: bytes) -> Iterator[str]:
    """A path to ``data`` that is on no disk, where the system has such: OpenSSL takes keys by path only."""
    if not hasattr(os, "memfd_create"):
        with tempfile.NamedTemporaryFile() as file:  # for this user only, and gone at once
            file.write(data)
            file.flush()
            yield file.name
        return
    descriptor = os.memfd_create("kedoctor", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, data)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
