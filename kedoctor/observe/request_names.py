"""What a request is called: in a sentence, for the rules of redaction, and as a file in a bundle."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from kedoctor import patterns
from kedoctor.base.records import asdict
from kedoctor.model.observations.apiserver import GetPath, ListObjects, ReviewAccess
from kedoctor.model.observations.containers import AttachToPod, ExecInPod, FollowPodLog
from kedoctor.model.observations.files import FindFiles, ReadFile, StatFile
from kedoctor.model.observations.inputs import ReadOfflineBundle, ReadSetting
from kedoctor.model.observations.logs import ReadJournal, ReadPodLog
from kedoctor.model.observations.machine import ReadClock, ReadIdentity, ReadResources
from kedoctor.model.observations.network import ListAddresses, ListSockets
from kedoctor.model.observations.processes import ListProcesses
from kedoctor.model.observations.request import Request
from kedoctor.model.observations.tools import ReadLegacyTable, RunTool
from kedoctor.model.observations.units import ReadUnit
from kedoctor.model.observations.wire import GetHttp, OpenTcp, OpenTls

__all__ = ["describe", "evidence_name", "payload_name"]

_UNSAFE = patterns.compiled(r"[^A-Za-z0-9._+@=,/-]+")
_MAX_NAME = 180


def describe(request: Request) -> str:
    """How the read is made, in words a person knows it by: ``file /etc/hosts``, ``nft list ruleset``."""
    made = _words.get(type(request))
    return made(request) if made else _generic(request)


def evidence_name(request: Request) -> str:
    """The name that redaction rules match: ``host:/etc/hosts``, ``tool:nft``, ``journal:edgecore.service``."""
    made = _evidence.get(type(request))
    return made(request) if made else f"host:{_tag(request)}"


def payload_name(request: Request, suffix: str = "") -> str:
    """The relative file name of the answer in a bundle; ``suffix`` is added where the name itself has none."""
    made = _files.get(type(request))
    name = made(request) if made else f"host/{_generic(request)}"
    parts = [part for part in _UNSAFE.sub("_", name).split("/") if part not in ("", ".", "..")]
    return ("/".join(parts) or "unnamed")[:_MAX_NAME] + suffix


def _tag(request: Request) -> str:
    return type(request).__name__


def _generic(request: Request) -> str:
    values = (
        str(value) for value in asdict(request).values() if isinstance(value, str | int) and value != ""
    )
    return " ".join([_tag(request), *values])


def _list_words(request: ListObjects) -> str:
    where = f" in namespace {request.namespace}" if request.namespace else ""
    which = ", ".join(part for part in (request.label_selector, request.field_selector) if part)
    return f"{request.kind} objects{where}" + (f" with {which}" if which else "") + " from the API server"


def _pod_log_words(request: ReadPodLog) -> str:
    container = f" ({request.container})" if request.container else ""
    which = "previous log" if request.previous else "log"
    return f"{which} of pod {request.namespace}/{request.pod}{container}"


def _container_words(request: FollowPodLog | ExecInPod | AttachToPod) -> str:
    container = f" ({request.container})" if request.container else ""
    return f"pod {request.namespace}/{request.pod}{container}"


def _review_words(request: ReviewAccess) -> str:
    resource = f"{request.resource}/{request.subresource}" if request.subresource else request.resource
    where = f" in namespace {request.namespace}" if request.namespace else ""
    return f"access review: {request.user or 'may I'} {request.verb} {resource}{where}"


_words: dict[type[Request], Callable[[Any], str]] = {
    ReadFile: lambda r: f"file {r.path}",
    StatFile: lambda r: f"metadata of {r.path}",
    FindFiles: lambda r: f"files matching {r.pattern}",
    ListProcesses: lambda _: "process table",
    ListSockets: lambda _: "TCP sockets and their owners",
    ListAddresses: lambda _: "interface addresses and default route",
    ReadResources: lambda r: f"CPUs, memory, and disk of {r.path}",
    ReadIdentity: lambda _: "host name, kernel and boot",
    ReadUnit: lambda r: f"systemctl show {r.name}",
    ReadJournal: lambda r: f"journalctl -u {r.unit} -n {r.lines}",
    RunTool: lambda r: " ".join((r.tool, *r.arguments)),
    ReadLegacyTable: lambda r: f"legacy iptables table {r.table}",
    ReadOfflineBundle: lambda r: f"offline bundle {r.path}",
    ListObjects: _list_words,
    GetPath: lambda r: f"GET {r.path} from the API server",
    ReadPodLog: _pod_log_words,
    FollowPodLog: lambda r: f"kubectl logs of {_container_words(r)}",
    ExecInPod: lambda r: f"kubectl exec in {_container_words(r)}: {' '.join(r.command)}",
    AttachToPod: lambda r: f"kubectl attach to {_container_words(r)}",
    ReviewAccess: _review_words,
    OpenTcp: lambda r: f"TCP connection to {r.host}:{r.port}",
    OpenTls: lambda r: f"TLS handshake with {r.host}:{r.port}",
    GetHttp: lambda r: f"GET {r.url}" + (f" with Host {r.host_header}" if r.host_header else ""),
    ReadClock: lambda _: "clock of the host",
    ReadSetting: lambda r: f"the setting {r.name}",
}

_evidence: dict[type[Request], Callable[[Any], str]] = {
    ReadFile: lambda r: f"host:{r.path}",
    StatFile: lambda r: f"metadata:{r.path}",
    FindFiles: lambda r: f"metadata:{r.pattern}",
    ReadUnit: lambda r: f"unit:{r.name}",
    ReadJournal: lambda r: f"journal:{r.unit}",
    RunTool: lambda r: f"tool:{r.tool}",
    ReadOfflineBundle: lambda r: f"offline-bundle:{r.path}",
    ListObjects: lambda r: r.kind,
    GetPath: lambda r: f"api:{r.path}",
    ReadPodLog: lambda r: f"log:{r.namespace}/{r.pod}/{r.container}",
    FollowPodLog: lambda r: f"log:{r.namespace}/{r.pod}/{r.container}",
    ExecInPod: lambda r: f"exec:{r.namespace}/{r.pod}/{r.container}",
    AttachToPod: lambda r: f"log:{r.namespace}/{r.pod}/{r.container}",
    GetHttp: lambda r: f"http:{r.url}",
}


def _list_file(request: ListObjects) -> str:
    limits = [part for part in (request.namespace, request.label_selector, request.field_selector) if part]
    return "cluster/" + ".".join([request.kind, *(limit.replace("/", "_") for limit in limits)])


def _url_file(request: GetHttp) -> str:
    url = urlsplit(request.url)
    parts = [
        url.netloc,
        url.path.strip("/"),
        url.query,
        request.host_header and f"host={request.host_header}",
    ]
    return "wire/http/" + "_".join(part.replace("/", "_") for part in parts if part)


_files: dict[type[Request], Callable[[Any], str]] = {
    ReadFile: lambda r: f"files/{r.path.lstrip('/')}",
    StatFile: lambda r: f"metadata/{r.path.lstrip('/')}",
    FindFiles: lambda r: f"metadata/find/{r.pattern.replace('/', '_')}",
    ListProcesses: lambda _: "host/processes",
    ListSockets: lambda _: "host/sockets",
    ListAddresses: lambda _: "host/addresses",
    ReadResources: lambda r: f"host/resources{r.path.replace('/', '_')}",
    ReadIdentity: lambda _: "host/identity",
    ReadUnit: lambda r: f"units/{r.name}",
    ReadJournal: lambda r: f"journal/{r.unit}.log",
    RunTool: lambda r: f"tools/{' '.join((r.tool, *r.arguments)).replace('/', '_')}.txt",
    ReadLegacyTable: lambda r: f"tools/legacy-table-{r.table}.txt",
    ReadOfflineBundle: lambda r: f"host/offline-bundle{r.path.replace('/', '_')}",
    ListObjects: _list_file,
    GetPath: lambda r: f"cluster/raw/{r.path.strip('/').replace('/', '_')}",
    ReadPodLog: lambda r: (
        f"logs/{r.namespace}/{r.pod}/{r.container or 'container'}{'.previous' if r.previous else ''}.log"
    ),
    FollowPodLog: lambda r: f"streams/{r.namespace}/{r.pod}/{r.container or 'container'}.log",
    ExecInPod: lambda r: f"streams/{r.namespace}/{r.pod}/{r.container or 'container'}.exec",
    AttachToPod: lambda r: f"streams/{r.namespace}/{r.pod}/{r.container or 'container'}.attach",
    ReviewAccess: lambda r: "access/" + "_".join(v for v in asdict(r).values() if v),
    OpenTcp: lambda r: f"wire/tcp/{r.host}_{r.port}",
    OpenTls: lambda r: f"wire/tls/{r.host}_{r.port}{'_' if r.server_name else ''}{r.server_name}",
    GetHttp: _url_file,
    ReadClock: lambda _: "host/clock",
    ReadSetting: lambda r: f"host/setting-{r.name}",
}
