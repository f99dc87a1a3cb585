"""Which addresses an edge gives its pods, when nobody says.

kubeprepare takes ``10.244.<md5(name)[0:2] % 254 + 1>.0/24``: 254 values, so that of 20 edges two share one with 54 %
(kubeprepare.md §3.3, B41). Here it is one of 32,512 networks, chosen by the name alone: with 20 edges 0.6 %, and because the
name decides, a collision is seen in the list of nodes before the second edge joins. A range of its own keeps clear of
K3s (10.42, 10.43) and of kubeadm (10.96, 10.244).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from ipaddress import IPv4Network, ip_network

__all__ = ["POOL", "RESERVED", "network_for", "parse_network"]

POOL = IPv4Network("10.128.0.0/9")
RESERVED = IPv4Network("10.244.0.0/16")
"""What kubeadm clusters with flannel give their pods."""

_SIZE = 24
_COUNT = 1 << (_SIZE - POOL.prefixlen)


def network_for(node: str, taken: Sequence[IPv4Network] = ()) -> IPv4Network | None:
    """The network for the pods of a node: decided by its name, and the next free one where that is ``taken``.

    ``None`` when everything is taken.
    """
    first = int.from_bytes(hashlib.sha256(node.encode()).digest()[:4], "big")
    base = int(POOL.network_address)
    for step in range(_COUNT):
        place = (first + step) % _COUNT
        network = IPv4Network((base + (place << (32 - _SIZE)), _SIZE))
        if not any(network.overlaps(one) for one in (*taken, RESERVED)):
            return network
    return None


def parse_network(text: str) -> IPv4Network | str:
    """The network that a person wrote, or why it cannot be one for pods, as a clause."""
    try:
        network = ip_network(text.strip(), strict=True)
    except ValueError as error:
        return str(error)
    if not isinstance(network, IPv4Network):
        return "it is an IPv6 network, and the bundle's plugins are set up for IPv4"
    if not network.is_private or network.is_loopback or network.is_link_local:
        return "it is not a private network"
    if not 8 <= network.prefixlen <= 28:
        return "a network for pods is between /8 and /28"
    return network
