"""The place where this machine's actors work."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from kedoctor.changes.actor import Actors
from kedoctor.model.actors import ActionKind, ApiClient, Workplace
from kedoctor.model.declarations import RedactionRule
from kedoctor.model.observations.inputs import Setting
from kedoctor.model.observations.request import Unavailable
from kedoctor.model.observations.tools import ToolOutput
from kedoctor.observe.live import subprocesses
from kedoctor.observe.live.cluster import LiveCluster

__all__ = ["api_of", "live_actors"]


def live_actors(
    kinds: Iterable[ActionKind],
    *,
    root: str = "/",
    kubeconfig: str = "",
    context: str = "",
    redactions: Sequence[RedactionRule] = (),
    settings: Mapping[str, Setting] | None = None,
) -> Actors:
    """The actors of this machine; those that need the API server are there once it can be asked.

    What ``redactions`` call a secret is not shown in any diff. ``settings`` are those of an install.

    Raises:
        KubeconfigError: a kubeconfig or context was named and cannot be used.
    """
    found: list[ApiClient] = []

    def api() -> ApiClient | None:
        if not found:
            client = api_of(LiveCluster(kubeconfig or None, context or None, root=root))
            found.extend([client] if client is not None else [])
        return found[0] if found else None

    place = Workplace(run=_run, root=root, api=api, redactions=redactions, settings=dict(settings or {}))
    return Actors.at(place, kinds)


def api_of(cluster: LiveCluster) -> ApiClient | None:
    """The objects of a cluster, if it can be asked."""
    server = cluster.server()
    if isinstance(server, Unavailable):
        return None
    from kedoctor.changes.actors.objects import ObjectClient  # noqa: PLC0415  only with a cluster

    return ObjectClient(server)


def _run(argv: Sequence[str], timeout: float) -> ToolOutput | Unavailable:
    return subprocesses.run(argv, timeout=timeout)
