"""The network that the pods of an edge get where there is none yet: a bridge and host ports (kubeprepare.md §1.5)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

__all__ = ["CNI_FILE", "DEFAULT_ROUTES", "conflist", "gives_default_route_twice"]

CNI_FILE = "10-kubeedge-bridge.conflist"
"""Its name in ``/etc/cni/net.d``; the runtime takes the first file there."""


DEFAULT_ROUTES = ("0.0.0.0/0", "::/0")


def gives_default_route_twice(plugin: Mapping[str, Any]) -> bool:
    """Whether no pod can start with this plugin of a network.

    ``isDefaultGateway`` makes the plugin ``bridge`` add a default route, and one in ``ipam.routes`` is added as well:
    ``failed to add route … file exists`` (CNI plugins 1.1.1 and 1.6.1).
    """
    ipam = plugin.get("ipam")
    routes = ipam.get("routes") if isinstance(ipam, dict) else None
    listed = routes if isinstance(routes, list) else []
    targets = [one.get("dst") for one in listed if isinstance(one, dict)]
    return plugin.get("isDefaultGateway") is True and any(one in DEFAULT_ROUTES for one in targets)


def conflist(subnet: str) -> bytes:
    """The configuration for the pods of one edge, whose addresses are those of ``subnet`` (``10.244.7.0/24``).

    Masquerading, host ports, and ``hairpinMode``, which lets a pod reach its own Service. The default route is the one
    in ``ipam.routes`` alone: with ``isDefaultGateway`` there would be two of it.
    The subnet has to be another one on each edge, and none that the host or the cluster uses.
    """
    bridge = {
        "type": "bridge",
        "bridge": "cni0",
        "isGateway": True,
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
