"""The sandbox's API server: what was recorded of the cluster, behind real HTTPS with an authority of its own."""

from __future__ import annotations

import json
import secrets
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kedoctor.base.atomic_files import replace_file
from kedoctor.base.records import to_builtins
from kedoctor.evidence.replay import ReplaySource
from kedoctor.model.fake_services import ApiWrite, PodLines
from kedoctor.model.objects import kind_named
from kedoctor.model.observations.apiserver import ApiAnswer, GetPath, ListObjects
from kedoctor.model.observations.logs import LogText, ReadPodLog
from kedoctor.model.observations.request import Unavailable
from kedoctor.pki.certificates import make_ca, sign_server
from kedoctor.sandbox.apiserver import ADMIN, METRICS, ApiServer, Resources
from kedoctor.sandbox.apiserver.patch import merge_patch
from kedoctor.sandbox.apiserver.server import VERSION

__all__ = ["add_lines", "start_server", "write"]


def start_server(recorded: ReplaySource, directory: Path) -> tuple[ApiServer, Path]:
    """A running API server that holds what was recorded of the cluster, and a kubeconfig for it in ``directory``."""
    authority = make_ca("kedoctor sandbox", datetime.now(UTC), days=2)
    token = secrets.token_urlsafe(24)
    objects = list(_objects(recorded))
    server = ApiServer(
        objects,
        tls=_tls(authority, directory),
        tokens={token: ADMIN},
        serves=(METRICS, *_tables(objects)),
        version=_version(recorded),
    )
    _fill_logs(server, recorded)
    return server.start(), server.kubeconfig(directory / "kubeconfig", authority.certificate, token)


def write(server: ApiServer, wanted: ApiWrite) -> None:
    """Writes as somebody in the cluster would: merges into an object, makes it, or removes it."""
    kind = kind_named(wanted.kind)
    head = {"kind": kind.__name__, "apiVersion": kind.api}
    resource = server.store.resources.for_object(head)
    with server.store.lock:
        entry = server.store.get(resource, wanted.namespace, wanted.name)
        if wanted.content is None:
            if entry is not None:
                server.store.delete(resource, entry.obj)
            return
        named = {"name": wanted.name} | ({"namespace": wanted.namespace} if wanted.namespace else {})
        base = json.loads(entry.raw) if entry is not None else {**head, "metadata": named}
        server.store.add(merge_patch(base, wanted.content))


def add_lines(server: ApiServer, lines: PodLines) -> None:
    """Adds lines to the log of a container (an unnamed one is the first of its pod)."""
    name = lines.container or _first_container(server, lines.namespace, lines.pod)
    server.edge.container(lines.namespace, lines.pod, name).log += lines.text


def _tls(authority: Any, directory: Path) -> ssl.SSLContext:
    pair = sign_server(
        authority, "127.0.0.1", ["127.0.0.1"], datetime.now(UTC), days=1, algorithm="ECDSA-P-256"
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # The standard library takes a certificate from a file only.
    place = directory / "server.pem"
    replace_file(place, pair.key + pair.certificate, alone=False, sync=False)
    context.load_cert_chain(place)
    place.unlink()
    return context


def _objects(recorded: ReplaySource) -> Iterator[dict[str, Any]]:
    """Every object of every list, once; a bundle holds them without what says nothing."""
    seen: set[tuple[str, str, str]] = set()
    for request, answer in recorded.entries():
        if not isinstance(request, ListObjects) or isinstance(answer, Unavailable):
            continue
        kind = kind_named(request.kind)
        for one in answer:
            content = _without_nothing(to_builtins(one))
            meta = content["metadata"]
            key = kind.__name__, meta.get("namespace", ""), meta["name"]
            if key not in seen:
                seen.add(key)
                yield {"kind": kind.__name__, "apiVersion": kind.api, **content}


def _without_nothing(value: Any) -> Any:
    """A value without fields that are null, and metadata without an empty namespace or version."""
    if isinstance(value, list):
        return [_without_nothing(part) for part in value]
    if not isinstance(value, dict):
        return value
    kept = {key: _without_nothing(part) for key, part in value.items() if part is not None}
    empty = ("namespace", "resourceVersion", "uid")
    return {key: part for key, part in kept.items() if part != "" or key not in empty}


def _tables(objects: list[dict[str, Any]]) -> Iterator[str]:
    """Resource tables for the recorded kinds that the server does not know by itself."""
    known = Resources(METRICS)
    for name in sorted({one["kind"] for one in objects}):
        kind = kind_named(name)
        try:
            known.for_object({"kind": name, "apiVersion": kind.api})
        except LookupError:
            yield f"{kind.api}\n {kind.plural} {name} {'N' if kind.namespaced else 'C'} - custom"


def _version(recorded: ReplaySource) -> str:
    answer = recorded.observe(GetPath("/version"))
    if not isinstance(answer, ApiAnswer):
        return VERSION
    return str(json.loads(answer.body).get("gitVersion") or VERSION)


def _fill_logs(server: ApiServer, recorded: ReplaySource) -> None:
    for request, answer in recorded.entries():
        if isinstance(request, ReadPodLog) and isinstance(answer, LogText) and not request.previous:
            add_lines(server, PodLines(request.namespace, request.pod, request.container, answer.text))


def _first_container(server: ApiServer, namespace: str, pod: str) -> str:
    for one in server.store.objects("", "pods"):
        if (one["metadata"].get("namespace"), one["metadata"]["name"]) == (namespace, pod):
            return str(one["spec"]["containers"][0]["name"])
    return ""
