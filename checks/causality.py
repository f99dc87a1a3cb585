"""Which checks can explain the failure of which others: the physics of the path, in one place (facts.md §3, §10).

A state that is observed (no tunnel, node not ready, no sample) is a consequence of whatever fault can produce
it. The groups follow the path from the cloud to the edge; what a fault cannot cause is left out on purpose:
edgeStream switched off never makes a node NotReady, a missing DNAT rule never breaks a tunnel.
"""

from __future__ import annotations

__all__ = ["EDGECORE_ENDS", "NOT_READY", "NO_DIVERSION", "NO_SAMPLE", "NO_STREAM", "NO_TUNNEL"]

CLOUDCORE_DOWN = ("KE103", "KE105", "KE108", "KE111", "KE113", "KE114", "KE501")
"""Cloudcore does not run, or runs without its ports."""

EDGECORE_DOWN = (
    "KE201",
    "KE209",
    "KE213",
    "KE401",
    "KE502",
    "KE701",
    "KE705",
    "KE706",
    "KE710",
    "KE713",
    "KE715",
    "KE717",
    "KE718",
)
"""Edgecore does not run, or has given up."""

EDGECORE_ENDS = (
    *("KE201", "KE204", "KE213", "KE214", "KE401", "KE409", "KE504"),
    *("KE701", "KE705", "KE706", "KE710", "KE713", "KE715", "KE717", "KE718"),
)
"""Edgecore ends again and again."""

CLOUD_OUT_OF_REACH = ("KE505", "KE506")
"""The network between the edge and the ports of the cloud."""

EDGE_REFUSED = ("KE402", "KE403", "KE404")
"""The cloud does not accept the certificate of the edge, on 10000 and on 10004 alike."""

NO_TUNNEL = (
    *CLOUDCORE_DOWN,
    "KE101",
    "KE102",
    "KE104",
    "KE106",
    *EDGECORE_DOWN,
    "KE202",
    "KE203",
    "KE204",
    "KE405",
    *EDGE_REFUSED,
    *CLOUD_OUT_OF_REACH,
    "KE503",
    "KE508",
    "KE510",
    "KE702",
)
"""Why an edge has no tunnel: it dials out to 10004 with its certificate (facts.md §3.5)."""

NOT_READY = (
    *CLOUDCORE_DOWN,
    "KE106",
    "KE109",
    "KE110",
    *EDGECORE_DOWN,
    "KE211",
    *EDGE_REFUSED,
    "KE408",
    "KE410",
    *CLOUD_OUT_OF_REACH,
    "KE509",
    "KE511",
    "KE512",
    "KE514",
    "KE707",
)
"""Why an edge is not ready: its hub link on 10000 needs a valid certificate at both ends (facts.md §4.2)."""

NO_DIVERSION = ("KE107", "KE302", "KE303", "KE304", "KE306", "KE307", "KE309", "KE310", "KE311")
"""Why requests for the node's port do not arrive at cloudcore (facts.md §3.4)."""

NO_SAMPLE = (
    *NO_TUNNEL,
    *NO_DIVERSION,
    "KE205",
    "KE212",
    "KE301",
    "KE410",
    "KE509",
    "KE513",
    "KE601",
    "KE602",
    "KE603",
    "KE604",
    "KE605",
    "KE608",
    "KE610",
    "KE709",
)
"""Why metrics-server has no metrics for an edge: everything above, and metrics-server itself (facts.md §8)."""

NO_STREAM = (
    *NO_TUNNEL,
    *NO_DIVERSION,
    "KE205",
    "KE206",
    "KE212",
    "KE301",
    "KE410",
    "KE504",
    "KE509",
    "KE704",
    "KE706",
    "KE801",
    "KE802",
)
"""Why logs, exec or attach do not come back from an edge: everything on the way there (facts.md §3)."""
