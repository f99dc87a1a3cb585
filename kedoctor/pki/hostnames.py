"""Which host a certificate's names cover, by the rules of Go's crypto/x509 (``Certificate.VerifyHostname``)."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from kedoctor import patterns

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_LABEL = patterns.compiled(r"[a-zA-Z0-9_][a-zA-Z0-9_-]*", patterns.ASCII)


def covered(host: str, dns_names: Iterable[str], ip_addresses: Iterable[str]) -> bool:
    """Whether a client that dials ``host`` accepts a certificate with these alternative names.

    An address is only covered by an address, a name only by a name, with ``*`` for its first label.
    """
    wanted = address(host.removeprefix("[").removesuffix("]"))
    if wanted is not None:
        return any(address(own) == wanted for own in ip_addresses)
    return any(_matches(own.lower(), host.lower()) for own in dns_names)


def address(text: str) -> Address | None:
    """The address as Go compares it: the IPv4 form of a mapped one; None for a name or an address with a zone."""
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv6Address):
        return None if found.scope_id else found.ipv4_mapped or found
    return found


def _is_host_name(name: str, *, pattern: bool = False) -> bool:
    labels = name.split(".")
    if pattern and labels[0] == "*" and len(labels) > 1:
        labels = labels[1:]
    return all(_LABEL.fullmatch(label) for label in labels)


def _matches(pattern: str, name: str) -> bool:
    trimmed = name.removesuffix(".")
    if not _is_host_name(trimmed) or not _is_host_name(pattern, pattern=True):
        return pattern == name and name not in {"", "."}
    ours, theirs = pattern.split("."), trimmed.split(".")
    first = ours[0] in ("*", theirs[0])
    return len(ours) == len(theirs) and first and ours[1:] == theirs[1:]
