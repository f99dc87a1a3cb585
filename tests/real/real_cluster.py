"""A whole real cluster: a control plane on ``cloud`` and kubelets on hosts of their own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import real_control_plane
import real_node
from lab_host import Host, until
from real_control_plane import Cluster, control_plane

__all__ = ["cluster", "marks", "obstacle"]


def marks(obstacle: str, *, seconds: int) -> list[pytest.MarkDecorator]:
    """The marks of a test with real parts: skipped with the reason where they are not, also in CI if there is no Go."""
    optional = "" if shutil.which("go") else "optional: "
    skip = pytest.mark.skipif(bool(obstacle), reason=f"{optional}{obstacle}")
    return [pytest.mark.lab, pytest.mark.timeout(seconds), skip]


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
