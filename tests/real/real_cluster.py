"""A whole real cluster: a control plane on ``cloud`` and kubelets on hosts of their own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import real_control_plane
import real_node
from lab_host import Host, until
from real_control_plane import Cluster, control_plane

__all__ = ["OPTIONAL", "cluster", "obstacle"]

# Where there is no Go these tests are skipped even where lab tests must run (tests/conftest.py).
OPTIONAL = "" if shutil.which("go") else "optional: "


def obstacle() -> str:
    """Why there can be no such cluster here; empty if there can."""
    return real_control_plane.obstacle() or real_node.obstacle()


@contextmanager
def cluster(
    home: Path, nodes: Sequence[str] = ("edge1", "edge2"), flags: Sequence[str] = ()
) -> Iterator[Cluster]:
    """A cluster whose nodes are ready and have the test image; ``cloud`` may be one of them."""
    with ExitStack() as stack:
        made = stack.enter_context(control_plane(home, controllers=True, flags=flags))
        for number, name in enumerate(nodes, 1):
            own = name != "cloud"
            made.nodes[name] = stack.enter_context(Host(name, home / name)) if own else made.cloud
            real_node.join(made, name, number if own else 0)
        until(lambda: all(map(made.is_ready, nodes)), 90, made.told)
        for name in nodes:
            roles = ("edge",) if name != "cloud" else ("control-plane",)
            made.kubectl("label", "node", name, *(f"node-role.kubernetes.io/{role}=" for role in roles))
        yield made
