"""As whom the API server is asked: the client certificate and the Authorization header of a kubeconfig's user.

Certificates, tokens and passwords that stand in a kubeconfig, or in files that it names, are used as they are; no
key is ever written to a disk. Where credentials have to be made first, the ``kubernetes`` client makes them.
"""

from __future__ import annotations

import base64
import binascii
import threading
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kedoctor import patterns
from kedoctor.base.input_files import read_whole
from kedoctor.model.observations.request import Reason
from kedoctor.observe.live.api_errors import ApiFailure
from kedoctor.observe.live.credential_expiry import certificate_fault, token_fault
from kedoctor.observe.live.credential_plugin import CredentialPlugin, Made
from kedoctor.observe.live.kubeconfig import LIMIT, Found

__all__ = ["Credentials", "data_or_file"]

_TOKEN_AGE = 60.0  # seconds after which a token file is read again; kubelet rotates it
_MADE_AGE = 30.0  # seconds after which a plugin is asked again whether what it made still holds
_LEAST_SECRET = 6  # a shorter value would be found in any sentence
_LONG = 20
_TELLING = patterns.compiled(r"^-.*(token|secret|pass|key|credential)", patterns.IGNORECASE)
_MADE_BY_CLIENT = ("exec", "auth-provider")
_NO_SECRETS = {"command", "apiVersion", "interactiveMode", "name", "username", "act-as"}


class Credentials:
    """The credentials of one user of a kubeconfig; safe to use from several threads."""

    def __init__(self, found: Found, *, plugin_time: float = 30.0) -> None:
        self._found = found
        self._lock = threading.RLock()
        self._header = ""
        self._header_until = 0.0
        self._plugin = CredentialPlugin(found, self.hide, time=plugin_time)
        self._made: Made | None = None
        self._made_until = 0.0
        self._secrets = {*_texts(found.user), *_texts(found.cluster.get("proxy-url"))}

    def __repr__(self) -> str:
        return f"Credentials({self._found.user_name!r})"

    @property
    def are_made(self) -> bool:
        """Whether a plugin has to make them, which takes time and may ask somebody to log in."""
        user = self._found.user
        fixed = user.get("token") or user.get("tokenFile")
        return not fixed and any(user.get(key) for key in _MADE_BY_CLIENT)

    def authorization(self) -> str:
        """The value of the Authorization header, empty when there is none.

        Raises:
            ApiFailure: a plugin or a token file gave nothing.
        """
        with self._lock:
            if time.monotonic() >= self._header_until:
                self._header, age = self._make_header()
                self._header_until = time.monotonic() + age
                self._secrets.update(self._header.split(" ", 1)[1:])
            return self._header

    def certificate(self) -> tuple[bytes, bytes] | None:
        """The client certificate chain and its key (PEM), or ``None``.

        Raises:
            ApiFailure: a plugin gave nothing, or a file cannot be read.
        """
        if self.are_made:
            made = self._from_plugin()
            if made.certificate:
                return made.certificate, made.key
        certificate = data_or_file(self._found.user, "client-certificate")
        key = data_or_file(self._found.user, "client-key")
        return (certificate, key) if certificate and key else None

    def hide(self, text: str) -> str:
        """``text`` without any secret of this user in it."""
        with self._lock:
            secrets = sorted(filter(_is_secret, self._secrets), key=len, reverse=True)
        for secret in secrets:
            text = text.replace(secret, "(withheld)")
        return text

    def refused(self) -> str:
        """Whose credentials are not accepted, and what is visibly wrong with them."""
        whose = f'user "{self._found.user_name}"' if self._found.user_name else "nobody (anonymous)"
        return f"asked as {whose}, {self._found}; {self._fault() or 'its credentials are not accepted'}"

    def has_run_out(self) -> bool:
        """Whether the client certificate is visibly not valid now."""
        try:
            certificate = self.certificate()
        except ApiFailure:
            return False
        return bool(certificate and certificate_fault(certificate[0], datetime.now(UTC)))

    def _fault(self) -> str:
        try:
            certificate, header = self.certificate(), self.authorization()
        except ApiFailure as failure:
            return failure.detail
        if certificate is None and not header:
            return "it holds neither a client certificate nor a token"
        now = datetime.now(UTC)
        return token_fault(header, now) or (certificate_fault(certificate[0], now) if certificate else "")

    def _make_header(self) -> tuple[str, float]:
        user = self._found.user
        if self.are_made:
            return self._from_plugin().header, _MADE_AGE
        if user.get("tokenFile"):
            token = _read(user["tokenFile"]).decode(errors="replace").strip()
            return f"Bearer {token}", _TOKEN_AGE
        if user.get("token"):
            return f"Bearer {user['token'].strip()}", float("inf")
        if user.get("username"):
            pair = f"{user['username']}:{user.get('password') or ''}"
            return f"Basic {base64.b64encode(pair.encode()).decode()}", float("inf")
        return "", float("inf")

    def _from_plugin(self) -> Made:
        with self._lock:
            if self._made is None or time.monotonic() >= self._made_until:
                self._made = self._plugin.make()
                self._made_until = time.monotonic() + _MADE_AGE
            return self._made


def data_or_file(entry: Mapping[str, Any], key: str) -> bytes:
    """The bytes of ``key-data`` (base64), else of the file that ``key`` names, else nothing.

    Raises:
        ApiFailure: the file cannot be read, or the data is not base64.
    """
    if entry.get(f"{key}-data"):
        try:
            return base64.b64decode(entry[f"{key}-data"])
        except (binascii.Error, ValueError):
            raise ApiFailure(Reason.INVALID, f"the {key}-data is not base64") from None
    return _read(entry[key]) if entry.get(key) else b""


def _read(path: str) -> bytes:
    try:
        return read_whole(Path(path), LIMIT)
    except PermissionError:
        raise ApiFailure(Reason.PERMISSION, f"{path} may not be read by this user") from None
    except OSError as error:
        raise ApiFailure(Reason.ABSENT, f"{path}: {error.strerror}") from None


def _texts(value: object) -> Iterator[str]:
    """Every string in a tree of dicts and lists; of a URL its user information, of ``--key=value`` the value."""
    if isinstance(value, str):
        part = patterns.compiled(r"\w+://([^/@]+)@|-[\w-]+=(.+)").match(value)
        yield (part[1] or part[2]) if part else value
    elif isinstance(value, dict):
        for key, inner in value.items():
            if key not in _NO_SECRETS:
                yield from _texts(inner)
    elif isinstance(value, list):
        yield from _of_list(value)


def _of_list(values: list[Any]) -> Iterator[str]:
    """Of a plugin's arguments those that are long, follow a telling option or are its value; not every word."""
    before = ""
    for inner in values:
        told = isinstance(inner, str) and not (len(inner) >= _LONG or "=" in inner or _TELLING.search(before))
        if not told:
            yield from _texts(inner)
        before = inner if isinstance(inner, str) else ""


def _is_secret(text: str) -> bool:
    """Whether to look for it: not a path, and too long to be a word of a sentence by chance."""
    return len(text) >= _LEAST_SECRET and not text.startswith(("/", "-"))
