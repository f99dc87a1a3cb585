"""This machine as a source: the answer to every request of Host, Wire and Clock, as it is now."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from kedoctor.model import observations as o
from kedoctor.model.observations import Reason, Request, Source, Unavailable
from kedoctor.observe.live import (
    host,
    http_get,
    iptables_legacy,
    offline_bundles,
    processes,
    subprocesses,
    systemd,
    wire,
)
from kedoctor.observe.live.files import FileTree

__all__ = ["LiveSource"]

_TOOL_LIMIT = 16 << 20  # bytes; a rule set of 10,000 services is a few MiB
_CLUSTER = (
    o.ListObjects,
    o.GetPath,
    o.ReadPodLog,
    o.FollowPodLog,
    o.ExecInPod,
    o.AttachToPod,
    o.ReviewAccess,
)


class LiveSource:
    """Looks at this machine; what is asked of the cluster goes to ``cluster``.

    ``root`` is the directory that holds the site's files (a throw-away site, a mounted disk); processes, sockets,
    units and tools are always this machine's. ``settings`` is what the command line says of an install. Every answer
    comes within the deadline of its request, and may be asked for from any thread.
    """

    def __init__(
        self,
        root: str = "/",
        *,
        cluster: Source | None = None,
        settings: Mapping[str, o.Setting] | None = None,
    ) -> None:
        self._cluster = cluster
        self._settings = dict(settings or {})
        files = FileTree(root)
        self._answers: dict[type[Request], Callable[[Any], object]] = {
            o.ReadFile: files.read,
            o.StatFile: files.stat,
            o.FindFiles: files.find,
            o.ListProcesses: lambda _: processes.list_processes(),
            o.ListSockets: lambda _: processes.list_sockets(),
            o.ListAddresses: lambda _: host.list_addresses(),
            o.ReadResources: lambda request: host.read_resources(request, files),
            o.ReadIdentity: lambda _: host.read_identity(),
            o.ReadUnit: systemd.read_unit,
            o.ReadJournal: systemd.read_journal,
            o.RunTool: _run_tool,
            o.ReadLegacyTable: iptables_legacy.read_legacy_table,
            o.ReadOfflineBundle: lambda request: offline_bundles.read_offline(request, files),
            o.OpenTcp: wire.open_tcp,
            o.OpenTls: wire.open_tls,
            o.GetHttp: http_get.get_http,
            o.ReadClock: lambda _: host.read_clock(),
            o.ReadSetting: self._setting,
        }

    def observe(self, request: Request) -> Any:
        """The answer that belongs to ``request``, or :class:`Unavailable`.

        Raises:
            TypeError: the request is of a kind that no source knows.
        """
        if isinstance(request, _CLUSTER):
            if self._cluster is None:
                return Unavailable(
                    Reason.NOT_CONFIGURED, "the Kubernetes API", "no kubeconfig was given or found"
                )
            return self._cluster.observe(request)
        answer = self._answers.get(type(request))
        if answer is None:
            raise TypeError(f"no source answers {type(request).__name__}")
        return answer(request)

    def _setting(self, request: o.ReadSetting) -> o.Setting | Unavailable:
        absent = Unavailable(Reason.NOT_GIVEN, f"the setting {request.name}")
        return self._settings.get(request.name, absent)


def _run_tool(request: o.RunTool) -> o.ToolOutput | Unavailable:
    if "/" in request.tool:
        return Unavailable(Reason.INVALID, f"program {request.tool}", "a program is asked for by its name")
    return subprocesses.run([request.tool, *request.arguments], timeout=request.timeout, limit=_TOOL_LIMIT)
