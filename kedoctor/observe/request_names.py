"""What a request is called: in a sentence, for the rules of redaction, and as a file in a bundle."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from kedoctor import patterns
from kedoctor.base.records import asdict
from kedoctor.model import observations as o
from kedoctor.model.observations import Request

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


def _list_words(request: o.ListObjects) -> str:
    where = f" in namespace {request.namespace}" if request.namespace else ""
    which = ", ".join(part for part in (request.label_selector, request.field_selector) if part)
    return f"{request.kind} objects{where}" + (f" with {which}" if which else "") + " from the API server"


def _pod_log_words(request: o.ReadPodLog) -> str:
    container = f" ({request.container})" if request.container else ""
    which = "previous log" if request.previous else "log"
    return f"{which} of pod {request.namespace}/{request.pod}{container}"


def _container_words(request: o.FollowPodLog | o.ExecInPod | o.AttachToPod) -> str:
    container = f" ({request.container})" if request.container else ""
    return f"pod {request.namespace}/{request.pod}{container}"


def _review_words(request: o.ReviewAccess) -> str:
    resource = f"{request.resource}/{request.subresource}" if request.subresource else request.resource
    where = f" in namespace {request.namespace}" if request.namespace else ""
    return f"access review: {request.user or 'may I'} {request.verb} {resource}{where}"


_words: dict[type[Request], Callable[[Any], str]] = {
    o.ReadFile: lambda r: f"file {r.path}",
    o.StatFile: lambda r: f"metadata of {r.path}",
    o.FindFiles: lambda r: f"files matching {r.pattern}",
    o.ListProcesses: lambda _: "process table",
    o.ListSockets: lambda _: "TCP sockets and their owners",
    o.ListAddresses: lambda _: "interface addresses and default route",
    o.ReadResources: lambda r: f"CPUs, memory, and disk of {r.path}",
    o.ReadIdentity: lambda _: "host name, kernel and boot",
    o.ReadUnit: lambda r: f"systemctl show {r.name}",
    o.ReadJournal: lambda r: f"journalctl -u {r.unit} -n {r.lines}",
    o.RunTool: lambda r: " ".join((r.tool, *r.arguments)),
    o.ReadLegacyTable: lambda r: f"legacy iptables table {r.table}",
    o.ReadOfflineBundle: lambda r: f"offline bundle {r.path}",
    o.ListObjects: _list_words,
    o.GetPath: lambda r: f"GET {r.path} from the API server",
    o.ReadPodLog: _pod_log_words,
    o.FollowPodLog: lambda r: f"kubectl logs of {_container_words(r)}",
    o.ExecInPod: lambda r: f"kubectl exec in {_container_words(r)}: {' '.join(r.command)}",
    o.AttachToPod: lambda r: f"kubectl attach to {_container_words(r)}",
    o.ReviewAccess: _review_words,
    o.OpenTcp: lambda r: f"TCP connection to {r.host}:{r.port}",
    o.OpenTls: lambda r: f"TLS handshake with {r.host}:{r.port}",
    o.GetHttp: lambda r: f"GET {r.url}" + (f" with Host {r.host_header}" if r.host_header else ""),
    o.ReadClock: lambda _: "clock of the host",
    o.ReadSetting: lambda r: f"the setting {r.name}",
}

_evidence: dict[type[Request], Callable[[Any], str]] = {
    o.ReadFile: lambda r: f"host:{r.path}",
    o.StatFile: lambda r: f"metadata:{r.path}",
    o.FindFiles: lambda r: f"metadata:{r.pattern}",
    o.ReadUnit: lambda r: f"unit:{r.name}",
    o.ReadJournal: lambda r: f"journal:{r.unit}",
    o.RunTool: lambda r: f"tool:{r.tool}",
    o.ReadOfflineBundle: lambda r: f"offline-bundle:{r.path}",
    o.ListObjects: lambda r: r.kind,
    o.GetPath: lambda r: f"api:{r.path}",
    o.ReadPodLog: lambda r: f"log:{r.namespace}/{r.pod}/{r.container}",
    o.FollowPodLog: lambda r: f"log:{r.namespace}/{r.pod}/{r.container}",
    o.ExecInPod: lambda r: f"exec:{r.namespace}/{r.pod}/{r.container}",
    o.AttachToPod: lambda r: f"log:{r.namespace}/{r.pod}/{r.container}",
    o.GetHttp: lambda r: f"http:{r.url}",
}


def _list_file(request: o.ListObjects) -> str:
    limits = [part for part in (request.namespace, request.label_selector, request.field_selector) if part]
    return "cluster/" + ".".join([request.kind, *(limit.replace("/", "_") for limit in limits)])


def _url_file(request: o.GetHttp) -> str:
    url = urlsplit(request.url)
    parts = [
        url.netloc,
        url.path.strip("/"),
        url.query,
        request.host_header and f"host={request.host_header}",
    ]
    return "wire/http/" + "_".join(part.replace("/", "_") for part in parts if part)


_files: dict[type[Request], Callable[[Any], str]] = {
    o.ReadFile: lambda r: f"files/{r.path.lstrip('/')}",
    o.StatFile: lambda r: f"metadata/{r.path.lstrip('/')}",
    o.FindFiles: lambda r: f"metadata/find/{r.pattern.replace('/', '_')}",
    o.ListProcesses: lambda _: "host/processes",
    o.ListSockets: lambda _: "host/sockets",
    o.ListAddresses: lambda _: "host/addresses",
    o.ReadResources: lambda r: f"host/resources{r.path.replace('/', '_')}",
    o.ReadIdentity: lambda _: "host/identity",
    o.ReadUnit: lambda r: f"units/{r.name}",
    o.ReadJournal: lambda r: f"journal/{r.unit}.log",
    o.RunTool: lambda r: f"tools/{' '.join((r.tool, *r.arguments)).replace('/', '_')}.txt",
    o.ReadLegacyTable: lambda r: f"tools/legacy-table-{r.table}.txt",
    o.ReadOfflineBundle: lambda r: f"host/offline-bundle{r.path.replace('/', '_')}",
    o.ListObjects: _list_file,
    o.GetPath: lambda r: f"cluster/raw/{r.path.strip('/').replace('/', '_')}",
    o.ReadPodLog: lambda r: (
        f"logs/{r.namespace}/{r.pod}/{r.container or 'container'}{'.previous' if r.previous else ''}.log"
    ),
    o.FollowPodLog: lambda r: f"streams/{r.namespace}/{r.pod}/{r.container or 'container'}.log",
    o.ExecInPod: lambda r: f"streams/{r.namespace}/{r.pod}/{r.container or 'container'}.exec",
    o.AttachToPod: lambda r: f"streams/{r.namespace}/{r.pod}/{r.container or 'container'}.attach",
    o.ReviewAccess: lambda r: "access/" + "_".join(v for v in asdict(r).values() if v),
    o.OpenTcp: lambda r: f"wire/tcp/{r.host}_{r.port}",
    o.OpenTls: lambda r: f"wire/tls/{r.host}_{r.port}{'_' if r.server_name else ''}{r.server_name}",
    o.GetHttp: _url_file,
    o.ReadClock: lambda _: "host/clock",
    o.ReadSetting: lambda r: f"host/setting-{r.name}",
}
