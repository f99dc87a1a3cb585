"""The live cluster as a source: lists, raw paths, pod logs, streams and access reviews of one API server.

Nothing here changes the cluster: the two access reviews are POSTs by Kubernetes' design and create nothing, and
what is run in a container is what a fact asks for.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from kedoctor.base.errors import KubeconfigError
from kedoctor.base.records import Record, RecordError, decode, encode
from kedoctor.model.objects import Object, kind_named
from kedoctor.model.observations.apiserver import AccessReview, ApiAnswer, GetPath, ListObjects, ReviewAccess
from kedoctor.model.observations.containers import AttachToPod, ExecInPod, FollowPodLog
from kedoctor.model.observations.logs import LogText, ReadPodLog
from kedoctor.model.observations.request import Reason, Request, Unavailable
from kedoctor.observe.live.api_errors import ApiFailure, refusal
from kedoctor.observe.live.apiserver import Answer, ApiServer, Call, Patience
from kedoctor.observe.live.kubeconfig import Found, find_kubeconfig
from kedoctor.observe.live.paging import list_objects
from kedoctor.observe.live.pod_streams import answer_stream
from kedoctor.observe.request_names import describe

__all__ = ["LiveCluster", "Patience"]

LOG_LIMIT = 4 << 20
BODY_LIMIT = 8 << 20


class LiveCluster:
    """Answers the requests to a cluster: lists, raw paths, logs, streams of containers and access reviews.

    Looks for a configuration as kubectl does (see :func:`~kedoctor.observe.live.kubeconfig.find_kubeconfig`) when it is
    first asked, or at once when a kubeconfig or context is named.

    Raises:
        KubeconfigError: ``kubeconfig`` or ``context`` was given and cannot be used.
    """

    def __init__(
        self,
        kubeconfig: str | None = None,
        context: str | None = None,
        *,
        environment: Mapping[str, str] | None = None,
        root: str = "/",
        patience: Patience = Patience(),  # noqa: B008  it is frozen
    ) -> None:
        self._kubeconfig = kubeconfig or ""
        self._context = context or ""
        self._environment = environment
        self._root = root
        self._patience = patience
        self._lock = threading.Lock()
        self._server: ApiServer | Unavailable | None = None
        if kubeconfig or context:
            self._prepare()

    def observe(self, request: Request) -> Any:
        """The answer that belongs to ``request``, or :class:`Unavailable`.

        Raises:
            TypeError: the request is not one to a cluster.
        """
        what = _what(request)
        server = self.server()
        if isinstance(server, Unavailable):
            return Unavailable(server.reason, what, f"{server.what}: {server.detail}")
        try:
            return _answer(server, request)
        except ApiFailure as failure:
            detail = failure.detail
            if failure.reason is Reason.UNAUTHORIZED and "asked as" not in detail:
                detail = f"{detail}; {server.credentials.refused()}"
            return Unavailable(failure.reason, what, server.credentials.hide(detail))

    def server(self) -> ApiServer | Unavailable:
        """The API server that is asked, or why there is none to ask."""
        with self._lock:
            if self._server is None:
                self._server = self._look()
            return self._server

    def _look(self) -> ApiServer | Unavailable:
        found = find_kubeconfig(
            self._kubeconfig, self._context, environment=self._environment, root=self._root
        )
        return ApiServer(found, self._patience) if isinstance(found, Found) else found

    def _prepare(self) -> None:
        """Whatever can be known to be wrong with a configuration that was named ends the command now."""
        server = self.server()
        if isinstance(server, Unavailable):
            raise KubeconfigError(str(server))
        try:
            server.prepare()
        except ApiFailure as failure:
            raise KubeconfigError(f"{server.found}: {failure.detail}") from None


def _what(request: Request) -> str:
    """The question in a few words, as an operator would put it to kubectl."""
    match request:
        case ListObjects(kind, namespace):
            return f"list {_resource(kind)}" + (f" in {namespace}" if namespace else "")
        case GetPath(path):
            return f"get {path}"
        case ReadPodLog(namespace, pod, container):
            return f"logs of pod {namespace}/{pod}" + (f" container {container}" if container else "")
        case FollowPodLog() | ExecInPod() | AttachToPod():
            return describe(request)
        case ReviewAccess():
            return f"whether {request.user or 'the current user'} may {request.verb} {request.resource}"
    raise TypeError(f"{type(request).__name__} is not a request to a cluster")


def _resource(kind: str) -> str:
    """The plural as kubectl qualifies it: ``nodes``, ``daemonsets.apps``."""
    try:
        declared = kind_named(kind)
    except KeyError:
        return kind
    group = declared.api.partition("/")[0] if "/" in declared.api else ""
    return f"{declared.plural}.{group}" if group else declared.plural


def _answer(server: ApiServer, request: Request) -> Any:
    match request:
        case ListObjects():
            return list_objects(server, _kind(request.kind), request)
        case GetPath():
            return _get(server, request)
        case ReadPodLog():
            return _log(server, request)
        case FollowPodLog() | ExecInPod() | AttachToPod():
            return answer_stream(server, request)
        case ReviewAccess():
            return _review(server, request)
    raise TypeError(f"{type(request).__name__} is not a request to a cluster")


def _kind(name: str) -> type[Object]:
    try:
        return kind_named(name)
    except KeyError:
        raise ApiFailure(Reason.ERROR, f"no plugin declares the kind {name}") from None


def _get(server: ApiServer, request: GetPath) -> ApiAnswer:
    deadline = time.monotonic() + request.timeout
    call = Call(request.path, deadline, accept=request.accept, limit=BODY_LIMIT, keep="start")
    answer = server.send(call)
    if answer.status >= 500 or answer.status == 429:
        raise refusal(answer.status, answer.body)
    return ApiAnswer(answer.status, answer.body, answer.date, answer.content_type)


def _log(server: ApiServer, request: ReadPodLog) -> LogText:
    """One line more than wanted is asked for: it tells whether there are older ones."""
    # Stamped by the runtime in UTC: what a program writes itself is in a time zone nobody here knows.
    query = {"tailLines": str(request.lines + 1), "timestamps": "true"}
    if request.container:
        query["container"] = request.container
    if request.previous:
        query["previous"] = "true"
    path = f"/api/v1/namespaces/{quote(request.namespace)}/pods/{quote(request.pod)}/log?{urlencode(query)}"
    deadline = time.monotonic() + server.patience.log
    answer = server.send(Call(path, deadline, accept="*/*", limit=LOG_LIMIT, keep="end"))
    if answer.status != 200:
        raise refusal(answer.status, answer.body)
    lines = answer.body.split(b"\n")
    ended = lines.pop() if not lines[-1] else None
    if answer.cut:
        lines = lines[1:]  # the first is a part of a line
    text = b"\n".join(lines[-request.lines :]).decode(errors="replace") + (
        "\n" if ended is not None and lines else ""
    )
    return LogText(text, truncated=answer.cut or len(lines) > request.lines)


class _ReviewStatus(Record, frozen=True):
    allowed: bool
    reason: str | None = None


class _Review(Record, frozen=True):
    status: _ReviewStatus


def _review(server: ApiServer, request: ReviewAccess) -> AccessReview:
    kind = "SubjectAccessReview" if request.user else "SelfSubjectAccessReview"
    attributes = {
        "verb": request.verb,
        "resource": request.resource,
        "group": request.group,
        "subresource": request.subresource,
        "namespace": request.namespace,
    }
    spec: dict[str, Any] = {"resourceAttributes": {key: value for key, value in attributes.items() if value}}
    if request.user:
        spec |= {"user": request.user, "groups": _groups(request.user)}
    body = encode({"apiVersion": "authorization.k8s.io/v1", "kind": kind, "spec": spec})
    path = f"/apis/authorization.k8s.io/v1/{kind.lower()}s"
    answer = server.send(Call(path, time.monotonic() + server.patience.review, method="POST", body=body))
    if answer.status not in {200, 201}:
        raise refusal(answer.status, answer.body)
    return _reviewed(answer)


def _reviewed(answer: Answer) -> AccessReview:
    try:
        status = decode(answer.body, _Review).status
    except RecordError as error:
        raise ApiFailure(Reason.INVALID, f"the answer is not an access review: {error}") from None
    return AccessReview(status.allowed, status.reason or "")


def _groups(user: str) -> list[str]:
    """The groups that the API server itself would put an authenticated user of that name in."""
    parts = user.split(":")
    if parts[:2] == ["system", "serviceaccount"] and len(parts) == 4:
        return ["system:serviceaccounts", f"system:serviceaccounts:{parts[2]}", "system:authenticated"]
    return ["system:authenticated"]
