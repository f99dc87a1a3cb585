"""What can be the name of a node."""

from __future__ import annotations

from kedoctor.api import patterns

__all__ = ["is_node_name"]

_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_NAME = patterns.compiled(rf"{_LABEL}(\.{_LABEL})*")
_LONGEST = 253


def is_node_name(name: str) -> bool:
    """Whether it is a DNS name in lower case (RFC 1123), as Kubernetes wants it."""
    return len(name) <= _LONGEST and _NAME.fullmatch(name) is not None
