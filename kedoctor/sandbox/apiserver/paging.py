"""Pages of a list: ``limit`` and the opaque ``continue`` token of kube-apiserver."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .errors import EXPIRED_CONTINUE, ApiError, bad_request, expired, forbidden_field, go_quote, invalid
from .gojson import json_error
from .resources import Resource
from .selectors import Selection
from .store import Compacted, Entry, Snapshot, Store, first_key_from

_FORM = "meta.k8s.io/v1"
_INCONSISTENT = -1


@dataclass(frozen=True, slots=True)
class Page:
    """One page: its objects and the ``metadata`` of the list."""

    entries: list[Entry]
    metadata: dict[str, Any]


def encode_continue(version: int, start: str) -> str:
    """The token to go on with: everything after the key ``start``, at ``version``."""
    token = f'{{"v":"{_FORM}","rv":{version},"start":{json.dumps(start + chr(0))}}}'
    return base64.urlsafe_b64encode(token.encode()).rstrip(b"=").decode()


def decode_continue(text: str) -> tuple[int, str]:
    """The version and the first key of a token.

    Raises:
        ApiError: 400, worded as the real server does, for anything that is not a token.
    """
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        raise _bad_token("illegal base64 data at input byte 0") from None
    try:
        token = json.loads(data)
    except ValueError:
        raise _bad_token(json_error(data)) from None
    if not isinstance(token, dict):
        raise _bad_token("json: cannot unmarshal into Go value of type storage.continueToken")
    if token.get("v") != _FORM:
        raise _bad_token(f'server does not recognize this encoded version "{token.get("v", "")}"')
    if not token.get("rv"):
        raise _bad_token(f"incorrect encoded start resourceVersion (version {_FORM})")
    if not token.get("start"):
        raise _bad_token(f"encoded start key empty (version {_FORM})")
    return int(token["rv"]), str(token["start"])


def _bad_token(why: str) -> ApiError:
    return bad_request(f"invalid continue token: continue key is not valid: {why}")


def integer(query: Mapping[str, str], name: str) -> int:
    """A number in the query, 0 where it is not given.

    Raises:
        ApiError: 400 for what is not a number.
    """
    text = query.get(name, "")
    try:
        return int(text or 0)
    except ValueError:
        raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax') from None


def read_page(store: Store, resource: Resource, namespace: str, query: Mapping[str, str]) -> Page:
    """The page that a list request asks for.

    Raises:
        ApiError: 400 for a bad token or selector, 410 for a token whose version is gone, with a fresh one in it.
    """
    selection = Selection(resource, query.get("labelSelector", ""), query.get("fieldSelector", ""))
    limit = integer(query, "limit")
    token = query.get("continue", "")
    # A namespaced list pages over the keys within the namespace, so its tokens hold bare names.
    prefix = f"{namespace}/" if namespace else ""
    snapshot, start = _position(store, resource, query, prefix, token)
    found, left, last = _collect(snapshot, start, prefix, selection, limit)
    metadata: dict[str, Any] = {} if resource.has("virtual") else {"resourceVersion": str(snapshot.version)}
    if left:
        metadata["continue"] = encode_continue(snapshot.version, last.removeprefix(prefix))
        if selection.empty:
            metadata["remainingItemCount"] = left
    return Page(found, metadata)


def _wanted_version(query: Mapping[str, str]) -> int:
    """The version that a list asks for, 0 for any."""
    text = query.get("resourceVersion", "")
    if "resourceVersionMatch" in query and not text:
        why = "resourceVersionMatch is forbidden unless resourceVersion is provided"
        raise invalid("ListOptions", "meta.k8s.io", "", [forbidden_field("resourceVersionMatch", why)])
    if text and not text.isdecimal():
        why = f'strconv.ParseUint: parsing "{text}": invalid syntax'
        raise bad_request(
            f"invalid resource version: resourceVersion: Invalid value: {go_quote(text)}: {why}"
        )
    return int(text or 0)


def _position(
    store: Store, resource: Resource, query: Mapping[str, str], prefix: str, token: str
) -> tuple[Snapshot, str]:
    wanted = query.get("resourceVersion", "")
    at = _wanted_version(query)
    if token:
        if wanted not in ("", "0"):
            raise bad_request("specifying resource version is not allowed when using continue")
        version, start = decode_continue(token)
        try:
            return store.snapshot(resource, max(version, 0)), prefix + start
        except Compacted:
            fresh = encode_continue(_INCONSISTENT, start.rstrip("\0"))
            raise expired(EXPIRED_CONTINUE, fresh=fresh) from None
    exact = query.get("resourceVersionMatch") == "Exact" or (wanted not in ("", "0") and "limit" in query)
    try:
        return store.snapshot(resource, at if exact else 0), prefix
    except Compacted:
        message = "The resourceVersion for the provided list is too old."
        raise expired(message) from None


def _collect(
    snapshot: Snapshot, start: str, prefix: str, selection: Selection, limit: int
) -> tuple[list[Entry], int, str]:
    found: list[Entry] = []
    last = ""
    keys = snapshot.keys
    for index in range(first_key_from(keys, start), len(keys)):
        key = keys[index]
        if prefix and not key.startswith(prefix):
            break
        if limit and len(found) == limit:
            # Like etcd paging: a full page followed by any key has a token, though nothing behind it may match.
            end = first_key_from(keys, prefix[:-1] + chr(ord("/") + 1)) if prefix else len(keys)
            return found, end - index, last
        last = key
        entry = snapshot.entries[key]
        if selection.empty or selection.matches(entry.obj):
            found.append(entry)
    return found, 0, last
