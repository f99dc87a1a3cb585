"""Putting a site together: this machine and its cluster, or bundles that were carried here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from kedoctor.base.errors import UsageError
from kedoctor.judge.fact_evaluation import HostView, SiteView
from kedoctor.model.declarations import Side
from kedoctor.model.observations.apiserver import ListObjects
from kedoctor.model.observations.inputs import Setting
from kedoctor.model.observations.machine import Identity
from kedoctor.model.observations.request import Reason, Unavailable
from kedoctor.model.ports import Host
from kedoctor.observe.memo import MemoSource
from kedoctor.plugins import Plugins

if TYPE_CHECKING:
    from kedoctor.evidence.replay import ReplaySource

__all__ = ["LiveOptions", "SiteSession", "bundled_site", "live_site"]


@dataclass(frozen=True, slots=True)
class LiveOptions:
    """How to look at this machine: kubeconfig and context as kubectl takes them, and a root prefix for tests.

    ``settings`` are the parameters of an install, by their names.
    ``patience`` is how many seconds one request to the API server may take (0: as long as is usual).
    """

    kubeconfig: str = ""
    context: str = ""
    root: str = "/"
    side: str = "auto"
    settings: Mapping[str, Setting] = field(default_factory=dict)
    patience: float = 0.0


@dataclass(frozen=True, slots=True)
class SiteSession:
    """A site in view, and the memo of each host by which everything that was read can be told afterwards."""

    view: SiteView
    memos: dict[str, MemoSource]


def live_site(plugins: Plugins, options: LiveOptions) -> SiteSession:
    """This machine and the cluster it can reach.

    Raises:
        KubeconfigError: a kubeconfig or context was named and cannot be used.
    """
    # A run over bundles needs none of what looks at a machine, and the other way round.
    from kedoctor.observe.live.cluster import LiveCluster, Patience  # noqa: PLC0415  as above
    from kedoctor.observe.live.source import LiveSource  # noqa: PLC0415  as above

    usual = Patience()
    cluster = LiveCluster(
        kubeconfig=options.kubeconfig or None,
        context=options.context or None,
        root=options.root,
        patience=usual.within(options.patience) if options.patience else usual,
    )
    memo = MemoSource(LiveSource(root=options.root, cluster=cluster, settings=options.settings))
    host = Host(memo)
    identity = host.identity()
    name = identity.hostname if isinstance(identity, Identity) else "this host"
    sides = plugins.sides(host) if options.side == "auto" else frozenset({Side(options.side)})
    server = cluster.server()
    alone = isinstance(server, Unavailable) and server.reason in (Reason.NOT_CONFIGURED, Reason.ABSENT)
    expected = not (alone and sides == {Side.EDGE})
    return SiteSession(SiteView((HostView(name, sides, memo),), memo, expected), {name: memo})


def bundled_site(paths: Sequence[Path], *, side: str = "auto") -> SiteSession:
    """The site that bundles show together; the first that holds cluster objects answers for the cluster.

    Raises:
        BundleError: a bundle cannot be read.
        UsageError: two bundles are of the same host.
    """
    from kedoctor.evidence.replay import ReplaySource, open_bundle  # noqa: PLC0415  see live_site

    views: list[HostView] = []
    memos: dict[str, MemoSource] = {}
    cluster: MemoSource | None = None
    for path in paths:
        replay = ReplaySource(open_bundle(path))
        manifest = replay.manifest
        if manifest.host in memos:
            raise UsageError(f"two evidence archives are of the host {manifest.host}; give one of them")
        memo = MemoSource(replay)
        memos[manifest.host] = memo
        sides = (
            frozenset(Side(name) for name in manifest.sides) if side == "auto" else frozenset({Side(side)})
        )
        views.append(HostView(manifest.host, sides, memo, origin=path.name, observed=manifest.created))
        if cluster is None and _knows_cluster(replay):
            cluster = memo
    return SiteSession(SiteView(tuple(views), cluster or next(iter(memos.values()))), memos)


def _knows_cluster(replay: ReplaySource) -> bool:
    return any(
        isinstance(request, ListObjects) and not isinstance(answer, Unavailable)
        for request, answer in replay.entries()
    )
