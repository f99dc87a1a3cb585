"""A new CA and server certificate for a Secret; the private keys are made in memory and go nowhere else.

Going back, the old three values are put back; the journal holds them, as it holds every state from before a change,
and only root reads it. Of the new ones it holds digests.
"""

from __future__ import annotations

import hashlib
import json
from base64 import b64decode, b64encode
from binascii import Error as NoBase64
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from kedoctor.base.failpoints import reach
from kedoctor.base.records import decode, encode
from kedoctor.changes.actors.objects import MANAGER
from kedoctor.model.actions.action import Action
from kedoctor.model.actions.objects import IssueCertificates
from kedoctor.model.actors import (
    ActionKind,
    Actor,
    ApiClient,
    ConflictError,
    Preview,
    RefusedError,
    State,
    Workplace,
)
from kedoctor.pki.certificates import Certificate, CertificateError, make_ca, read_certificates, sign_server

__all__ = ["KINDS", "CertificateActor"]

_TRIES = 4
_QUERY = f"?fieldManager={MANAGER}"


def _now() -> datetime:
    return datetime.now(UTC)


class CertificateActor:
    """Issues certificates into Secrets through an :class:`ObjectClient`; ``now`` is when they begin."""

    def __init__(self, client: ApiClient, now: Callable[[], datetime] = _now) -> None:
        self._client = client
        self._now = now

    def look(self, action: Action) -> State:
        """The three values; the fingerprint is a digest of them and of nothing else in the Secret."""
        issue = _issue(action)
        return _state(issue, self._client.get(issue.object))

    def preview(self, action: Action, before: State) -> Preview:
        """Dates and names of the old and the new certificates; a server that would refuse says so now."""
        issue = _issue(action)
        if not before.exists:
            raise RefusedError(f"the Secret {issue.object} does not exist")
        self._client.write(
            issue.object,
            "PATCH",
            {"data": _values(issue, before)},
            kind="merge",
            query=f"{_QUERY}&dryRun=All",
        )
        old = _described(issue, _values(issue, before))
        names = ", ".join((*issue.dns_names, *issue.ip_addresses)) or "no names"
        new = f"{issue.common_name}, for {names}, valid for {issue.days} days from now, by a new CA {_ca_name(issue)}"
        return Preview(changes=True, diff=f"{issue.object}\n- {old}\n+ {new}")

    def do(self, action: Action, before: State) -> State:
        """Makes the certificates and puts them into the Secret; other keys and the labels stay."""
        issue = _issue(action)
        new = self._made(issue)
        for _ in range(_TRIES):
            found = self._client.get(issue.object)
            if found is None or _state(issue, found).fingerprint != before.fingerprint:
                break
            reach()
            try:
                written = self._write(issue, new, found)
            except ConflictError:
                continue
            reach()
            return _without_values(issue, written)
        raise _changed(issue)

    def undo(self, action: Action, before: State, after: State) -> None:
        """Puts the old three values back."""
        issue = _issue(action)
        for _ in range(_TRIES):
            found = self._client.get(issue.object)
            now = _state(issue, found)
            if now.fingerprint == before.fingerprint:
                return
            # What do() left has no values in the journal; if it was killed, all that is known is what it makes.
            left = now.fingerprint == after.fingerprint and (not after.data or _is_ours(issue, now))
            if found is None or not left:
                break
            reach()
            try:
                self._write(issue, _values(issue, before), found)
            except ConflictError:
                continue
            reach()
            return
        raise _changed(issue)

    def tidy(self, action: Action) -> None:
        """A request leaves nothing beside it."""

    # ------------------------------------------------------------------------------------------ inside

    def _made(self, issue: IssueCertificates) -> dict[str, str | None]:
        now = self._now()
        hosts = (*issue.dns_names, *issue.ip_addresses)
        ca = make_ca(_ca_name(issue), now, issue.days, "RSA-2048")
        server = sign_server(ca, issue.common_name, hosts, now, days=issue.days)
        return {
            issue.ca_key: b64encode(ca.certificate).decode(),
            issue.certificate_key: b64encode(server.certificate).decode(),
            issue.private_key_key: b64encode(server.key).decode(),
        }

    def _write(
        self, issue: IssueCertificates, values: dict[str, str | None], found: dict[str, Any]
    ) -> dict[str, Any]:
        patch = {"metadata": {"resourceVersion": found["metadata"]["resourceVersion"]}, "data": values}
        return self._client.write(issue.object, "PATCH", patch, kind="merge", query=_QUERY)


def _issue(action: Action) -> IssueCertificates:
    if not isinstance(action, IssueCertificates):
        raise RefusedError(f"{action.target} is not an issue of certificates")
    return action


def _changed(issue: IssueCertificates) -> ConflictError:
    return ConflictError(
        f"somebody else changed the certificates in {issue.object}; they are left as they are"
    )


def _ca_name(issue: IssueCertificates) -> str:
    return f"{issue.common_name}-ca"


def _keys(issue: IssueCertificates) -> tuple[str, str, str]:
    return issue.ca_key, issue.certificate_key, issue.private_key_key


def _state(issue: IssueCertificates, found: dict[str, Any] | None) -> State:
    if found is None:
        return State(target=issue.target, exists=False, fingerprint="absent")
    data = found.get("data") or {}
    values = {key: data.get(key) for key in _keys(issue)}
    plain = json.dumps(values, sort_keys=True).encode()
    return State(
        target=issue.target, exists=True, fingerprint=hashlib.sha256(plain).hexdigest(), data=encode(values)
    )


def _without_values(issue: IssueCertificates, found: dict[str, Any]) -> State:
    """The state for the journal: the new private key is in the Secret and nowhere else."""
    state = _state(issue, found)
    return State(target=state.target, exists=True, fingerprint=state.fingerprint)


def _values(issue: IssueCertificates, state: State) -> dict[str, str | None]:
    return decode(state.data, dict[str, str | None]) if state.data else dict.fromkeys(_keys(issue))


def _certificate(value: str | None) -> Certificate | None:
    try:
        return read_certificates(b64decode(value or "", validate=True))[0]
    except (NoBase64, CertificateError):
        return None


def _described(issue: IssueCertificates, values: dict[str, str | None]) -> str:
    server, ca = (_certificate(values[key]) for key in (issue.certificate_key, issue.ca_key))
    if server is None:
        return "no certificate that can be read"
    names = ", ".join(name for name in (*server.dns_names, *server.ip_addresses) if name) or "no names"
    by = f"by {ca.common_name}" if ca is not None else "by an unknown CA"
    return f"{server.common_name}, for {names}, valid {server.not_before:%Y-%m-%d} to {server.not_after:%Y-%m-%d}, {by}"


def _is_ours(issue: IssueCertificates, state: State) -> bool:
    """Whether this is a certificate as the action makes it."""
    server = _certificate(_values(issue, state)[issue.certificate_key])
    hosts = (*issue.dns_names, *issue.ip_addresses)
    return (
        server is not None
        and server.common_name == issue.common_name
        and all(server.covers(host) for host in hosts)
    )


def _actor(place: Workplace) -> Actor | None:
    client = place.api()
    return None if client is None else CertificateActor(client)


KINDS = (ActionKind((IssueCertificates,), _actor),)
