"""This machine as a source: the answer to every request of Host, Wire and Clock, as it is now."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from kedoctor.model.observations.apiserver import GetPath, ListObjects, ReviewAccess
from kedoctor.model.observations.containers import AttachToPod, ExecInPod, FollowPodLog
from kedoctor.model.observations.files import FindFiles, ReadFile, StatFile
from kedoctor.model.observations.inputs import ReadOfflineBundle, ReadSetting, Setting
from kedoctor.model.observations.logs import ReadJournal, ReadPodLog
from kedoctor.model.observations.machine import ReadClock, ReadIdentity, ReadResources
from kedoctor.model.observations.network import ListAddresses, ListSockets
from kedoctor.model.observations.processes import ListProcesses
from kedoctor.model.observations.request import Reason, Request, Source, Unavailable
from kedoctor.model.observations.tools import ReadLegacyTable, RunTool, ToolOutput
from kedoctor.model.observations.units import ReadUnit
from kedoctor.model.observations.wire import GetHttp, OpenTcp, OpenTls
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
    ListObjects,
    GetPath,
    ReadPodLog,
    FollowPodLog,
    ExecInPod,
    AttachToPod,
    ReviewAccess,
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
        settings: Mapping[str, Setting] | None = None,
    ) -> None:
        self._cluster = cluster
        self._settings = dict(settings or {})
        files = FileTree(root)
        self._answers: dict[type[Request], Callable[[Any], object]] = {
            ReadFile: files.read,
            StatFile: files.stat,
            FindFiles: files.find,
            ListProcesses: lambda _: processes.list_processes(),
            ListSockets: lambda _: processes.list_sockets(),
            ListAddresses: lambda _: host.list_addresses(),
            ReadResources: lambda request: host.read_resources(request, files),
            ReadIdentity: lambda _: host.read_identity(),
            ReadUnit: systemd.read_unit,
            ReadJournal: systemd.read_journal,
            RunTool: _run_tool,
            ReadLegacyTable: iptables_legacy.read_legacy_table,
            ReadOfflineBundle: lambda request: offline_bundles.read_offline(request, files),
            OpenTcp: wire.open_tcp,
            OpenTls: wire.open_tls,
            GetHttp: http_get.get_http,
            ReadClock: lambda _: host.read_clock(),
            ReadSetting: self._setting,
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

    def _setting(self, request: ReadSetting) -> Setting | Unavailable:
        absent = Unavailable(Reason.NOT_GIVEN, f"the setting {request.name}")
        return self._settings.get(request.name, absent)


def _run_tool(request: RunTool) -> ToolOutput | Unavailable:
    if "/" in request.tool:
        return Unavailable(Reason.INVALID, f"program {request.tool}", "a program is asked for by its name")
    return subprocesses.run([request.tool, *request.arguments], timeout=request.timeout, limit=_TOOL_LIMIT)
