"""The network that the pods of an edge get where there is none yet: a bridge and host ports (kubeprepare.md §1.5)."""

from __future__ import annotations

import json

__all__ = ["CNI_FILE", "conflist"]

CNI_FILE = "10-kubeedge-bridge.conflist"
"""Its name in ``/etc/cni/net.d``; the runtime takes the first file there."""


def conflist(subnet: str) -> bytes:
    """The configuration for the pods of one edge, whose addresses are those of ``subnet`` (``10.244.7.0/24``).

    Masquerading, host ports, and ``hairpinMode``, which lets a pod reach its own Service.
    The subnet has to be another one on each edge, and none that the host or the cluster uses.
    """
    bridge = {
        "type": "bridge",
        "bridge": "cni0",
        "isDefaultGateway": True,
        "ipMasq": True,
        "hairpinMode": True,
        "ipam": {
            "type": "host-local",
            "ranges": [[{"subnet": subnet}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        },
    }
    portmap = {"type": "portmap", "capabilities": {"portMappings": True}}
    network = {"cniVersion": "1.0.0", "name": "kubeedge-cni", "plugins": [bridge, portmap]}
    return json.dumps(network, indent=2).encode() + b"\n"
