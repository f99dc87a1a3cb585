"""A site with an edge whose InternalIP is IPv6, or that has both kinds, IPv4 first (facts.md §12.6).

kube-apiserver dials the first InternalIP. Rules are made for IPv4 alone, so a request to the IPv6 address goes to the edge itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from faulty_machine import NOW
from faulty_site import FaultySite
from faulty_source import FaultySource, LaptopSource

from kedoctor.base.records import replace
from kedoctor.model.declarations import Side
from kedoctor.model.observations.apiserver import GetPath
from kedoctor.model.observations.request import Reason, Request, Unavailable

__all__ = ["SIX", "SixEdge"]

SIX = "fd00::3"


@dataclass
class SixEdge(FaultySite):
    """edge2 has these InternalIPs; ``diverted`` is whether somebody made a rule for IPv6."""

    addresses: tuple[str, ...] = (SIX,)
    diverted: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self.change("Node", "edge2", self._addressed)

    def _addressed(self, node: Any) -> Any:
        kind = type(node.status.addresses[0])
        listed = (
            *(kind(type="InternalIP", address=one) for one in self.addresses),
            kind(type="Hostname", address="edge2"),
        )
        metadata = replace(node.metadata, creation_timestamp=NOW - timedelta(days=1))
        return replace(node, metadata=metadata, status=replace(node.status, addresses=listed))

    @property
    def by_ipv6(self) -> bool:
        """Whether edge2 is dialled at its IPv6 address."""
        return ":" in self.addresses[0]

    def _answers(self, name: str) -> bool:
        return super()._answers(name) and not (name == "edge2" and self.by_ipv6)

    def sources(self) -> dict[str, tuple[FaultySource, frozenset[Side]]]:
        return {
            **super().sources(),
            "cloud": (_Source(self, self.cloud), frozenset({Side.CLOUD})),
            "laptop": (_Laptop(self, self.cloud), frozenset()),
        }

    def refused(self, request: Request) -> Unavailable | None:
        """What comes of a request through the API server to edge2."""
        if not (isinstance(request, GetPath) and "/nodes/edge2/proxy/" in request.path):
            return None
        if not self.by_ipv6 or self.diverted:
            return None
        port = self.node_port("edge2")
        detail = f"error trying to reach service: dial tcp [{SIX}]:{port}: connect: connection refused"
        return Unavailable(Reason.SERVER_ERROR, f"get {request.path}", detail)


class _Source(FaultySource):
    def _of_cluster(self, request: Request) -> Any:
        site = self._site
        assert isinstance(site, SixEdge)
        refused = site.refused(request)
        return super()._of_cluster(request) if refused is None else refused


class _Laptop(LaptopSource, _Source):
    """The same from a machine that is no part of the site."""
