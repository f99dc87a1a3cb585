"""Every fault that is tried, and which of them cannot be seen beside which others.

What a fault does to the rest of the site is what testbed.md saw, or what facts.md says of it; the section stands beside
each (:mod:`faults_cloud`, :mod:`faults_edge`).
"""

from __future__ import annotations

from collections.abc import Sequence

from fault import Fault
from faults_cloud import CLOUD_FAULTS
from faults_edge import EDGE_FAULTS

__all__ = ["FAULTS", "HIDES", "hidden", "named", "possible"]

FAULTS: list[Fault] = [*CLOUD_FAULTS, *EDGE_FAULTS]

_CLOUDCORE_DOWN = ("cloudcore-not-ready", "stream-secret-incomplete", "cloudcore-config-refused")
_ENDED = (
    "edge-key-of-another",
    "kubelet-beside",
    "port-10350-taken",
    "cri-disabled",
    "edgecore-yaml-broken",
    "edge-cert-of-another",
    "tunnel-cert-path-wrong",
    "database-unusable",
    "program-of-another-machine",
    "open-files-used-up",
    "swap-refused",
)
_NO_TUNNEL = (
    *_ENDED,
    *("edgestream-off", "edgestream-server-loopback", "tunnel-port-dropped", "edge-cert-expired"),
    *("edgecore-stopped", "cloudstream-off", "tunnel-half-open"),
)
_NOT_READY = (
    *_ENDED,
    *("heartbeat-too-slow", "cloudcore-cert-without-address", "edge-cert-expired"),
    *("other-ca", "edgecore-stopped", "cni-missing", "hub-server-loopback", "hub-half-open"),
    *("quic-that-nobody-serves", "impersonation-forbidden"),
)

# What cannot be seen, beside which faults, and why nobody can see it then.
HIDES: dict[str, tuple[tuple[str, ...], str]] = {
    "wrong-dnat-target": (_CLOUDCORE_DOWN, "there is no cloudcore to which a rule could lead"),
    "edge-cert-expired": (
        _CLOUDCORE_DOWN,
        "nothing is there to compare the clock with, so no date is believed",
    ),
    "edge-clock-ahead": (_CLOUDCORE_DOWN, "nothing is there to compare the clock with"),
    "tunnel-port-dropped": (
        ("edgecore-yaml-broken",),
        "no edge that can be asked has tried the port, and a rule alone may be another fault's",
    ),
    "old-certificate-loaded": (
        (*_ENDED, "edgecore-stopped"),
        "no edgecore runs that could hold an old certificate",
    ),
    "tunnel-half-open": (
        (
            *_ENDED,
            *_CLOUDCORE_DOWN,
            "edgecore-stopped",
            "cloudstream-off",
            "edge-cert-expired",
            "stream-port-moved",
            "node-ip-differs",
            "duplicate-internal-ip",
        ),
        "there is no tunnel that could be half open, or cloudcore cannot be asked for its session",
    ),
    "edgecore-stopped": (_ENDED, "a unit that ends by itself was not stopped"),
    "database-unusable": (_ENDED, "edgecore ends for one reason at a time"),
    "open-files-used-up": (_ENDED, "edgecore ends for one reason at a time"),
    "hub-half-open": (
        (
            *(name for name in _NOT_READY if name not in ("cni-missing", "hub-half-open")),
            *_CLOUDCORE_DOWN,
            "cloudcore-rights-missing",
        ),
        "there is no hub link that could be half open, or cloudcore could not answer through it",
    ),
    "duplicate-internal-ip": (
        (*_NOT_READY, *_CLOUDCORE_DOWN),
        "of two Nodes with one address one is not there, as after a machine joined again under a new name",
    ),
    "kubelet-port-wrong": (
        (
            *_NO_TUNNEL,
            *_CLOUDCORE_DOWN,
            "duplicate-internal-ip",
            "cloudcore-rights-missing",
            "stream-port-moved",
        ),
        "the port is written when a tunnel comes, so it follows from there being none, unless the tunnel is seen",
    ),
    "two-machines-one-name": (
        (
            *_ENDED,
            *_CLOUDCORE_DOWN,
            "edgecore-stopped",
            "heartbeat-too-slow",
            "tunnel-port-dropped",
            "hub-server-loopback",
        ),
        "an edge that connects again and again replaces its own session, too",
    ),
}
_READS_YAML = (
    *("node-ip-differs", "edgestream-off", "edgestream-server-loopback", "heartbeat-too-slow"),
    *("edge-key-of-another", "other-ca", "edged-moved", "debug-handlers-off", "cri-disabled", "cni-missing"),
    *("edge-cert-expired", "edge-clock-ahead", "old-certificate-loaded", "edge-cert-of-another"),
    *("hub-half-open", "swap-refused", "quic-that-nobody-serves", "nvidia-runtime-removed"),
    *("proxy-before-the-registry",),
    *(
        "hub-server-loopback",
        "tunnel-cert-path-wrong",
        "rotation-off",
        "cgroup-driver-differs",
        "misplaced-key",
    ),
)
"""What is judged by edgecore.yaml, which says where files and sockets are: behind a broken one it is blocked."""


_ONE_PLACE = (
    {"manager-internal-too", "cloudcore-config-refused"},  # one key
    {"edge-cert-expired", "edge-cert-of-another", "old-certificate-loaded"},  # one file
)


def possible(faults: Sequence[Fault]) -> bool:
    """Whether faults can be together: a key has one value, a file one content."""
    names = {one.name for one in faults}
    return all(len(names & place) < 2 for place in _ONE_PLACE)


def named(name: str) -> Fault:
    """The fault of that name."""
    return next(one for one in FAULTS if one.name == name)


def hidden(fault: Fault, others: Sequence[Fault]) -> str:
    """Why a fault cannot be seen beside others; empty if it must be."""
    names = {one.name for one in others}
    beside, why = HIDES.get(fault.name, ((), ""))
    if names & set(beside):
        return why
    if fault.name in _READS_YAML and "edgecore-yaml-broken" in names:
        return "edgecore.yaml cannot be read"
    return ""
