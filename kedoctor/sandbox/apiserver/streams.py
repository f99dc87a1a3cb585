"""The subresources that reach through to a node: pod logs, exec, attach, node proxy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from . import errors
from .bodies import existing
from .edge import Command, Container, Edge, LogQuery, Result, State, Unreachable, read_log
from .errors import ApiError, bad_request, internal_error
from .paging import integer
from .request import Request
from .response import Response
from .store import Object, dump
from .websocket import STATUS, STDERR, STDOUT, WebSocket, choose_protocol

_NO_COMMAND = (
    f'failed to exec in container: failed to start exec "{"e7" * 32}": '
    "OCI runtime exec failed: exec failed: args must not be empty: unknown"
)
_LEAST = (
    ("tailLines", 0, "must be greater than or equal to 0"),
    ("limitBytes", 1, "must be greater than 0"),
    ("sinceSeconds", 1, "must be greater than 0"),
)
_TEXT = "text/plain; charset=utf-8"
# What the recorded client cannot do without: the edge's own server knows no other form.
_NOT_ACCEPTABLE = b"406: Not Acceptable\n\nAvailable representations: "


def _wait_for(edge: Edge, state: State | Unreachable) -> None:
    """Take as long as the real server does before it gives up."""
    if isinstance(state, Unreachable):
        edge.stopping.wait(state.after)
    elif state is State.HANG:
        edge.stopping.wait()


def _container(request: Request, pod: Object) -> str:
    spec = pod.get("spec", {})
    names = [c["name"] for c in spec.get("containers") or ()]
    initial = [c["name"] for c in spec.get("initContainers") or ()]
    wanted = request.query.get("container", "")
    if not wanted:
        if len(names) == 1:
            return str(names[0])
        choices = f"choose one of: [{' '.join(names)}]"
        choices += f" or one of the init containers: [{' '.join(initial)}]" if initial else ""
        raise bad_request(f"a container name must be specified for pod {request.name}, {choices}")
    if wanted not in (*names, *initial):
        raise bad_request(f"container {wanted} is not valid for pod {request.name}")
    return wanted


def _dial_error(edge: Edge, node: str, state: Unreachable) -> str:
    return state.text.format(address=edge.address(node))


def _forwarded(request: Request, names: tuple[str, ...]) -> str:
    pairs = [(name, value) for name in names for value in request.values(name)]
    return f"?{urlencode(sorted(pairs))}" if pairs else ""


def pod_log(edge: Edge, request: Request) -> Response:
    """The log of a container, chunked.

    Raises:
        ApiError: 400 for a container that is not there or not started, 500 when the node cannot be reached.
    """
    pod = existing(edge.store, request).obj
    name = _container(request, pod)
    _check_numbers(request)
    node = pod.get("spec", {}).get("nodeName", "")
    if not node:
        return Response(204, content_type="", flow=False)
    state = edge.state(node)
    _wait_for(edge, state)
    if isinstance(state, Unreachable):
        path = f"/containerLogs/{request.namespace}/{request.name}/{name}"
        options = ("follow", "limitBytes", "previous", "sinceSeconds", "sinceTime", "tailLines", "timestamps")
        url = f"https://{edge.address(node)}{path}{_forwarded(request, options)}"
        raise ApiError(500, "", f'Get "{url}": {_dial_error(edge, node, state)}')
    if state is State.NO_SESSION:
        raise internal_error("")
    stream: Iterator[bytes] = iter(())
    if state is State.OK:
        _check_started(request, pod, name)
        stream = read_log(
            edge.container(request.namespace, request.name, name), _log_query(request), edge.stopping
        )
    return Response(200, content_type="text/plain", stream=stream, flow=False)


def _check_numbers(request: Request) -> None:
    """Refuses what no log can be read by."""
    causes = []
    for option, least, why in _LEAST:
        value = integer(request.query, option) if option in request.query else least
        if value < least:
            causes.append(errors.invalid_value(option, value, why))
    if causes:
        raise errors.invalid("PodLogOptions", "", request.name, causes)


def _log_query(request: Request) -> LogQuery:
    tail = integer(request.query, "tailLines") if "tailLines" in request.query else None
    limit = integer(request.query, "limitBytes") if "limitBytes" in request.query else None
    return LogQuery(tail, limit, request.flag("timestamps"), request.flag("follow"), request.flag("previous"))


def _check_started(request: Request, pod: Object, name: str) -> None:
    states = {c["name"]: c for c in pod.get("status", {}).get("containerStatuses") or ()}
    status = states.get(name, {})
    waiting = status.get("state", {}).get("waiting")
    what = f'container "{name}" in pod "{request.name}"'
    if request.flag("previous") and not status.get("restartCount"):
        raise bad_request(f"previous terminated {what} not found")
    if waiting and not request.flag("previous"):
        raise bad_request(f"{what} is waiting to start: {waiting.get('reason', 'ContainerCreating')}")


def open_stream(edge: Edge, request: Request) -> Response:
    """The upgrade to an exec or attach session.

    Raises:
        ApiError: 400 for a request that is not a WebSocket, or whose pod has no such container; 404 without the pod.
    """
    pod = existing(edge.store, request).obj
    name = _container(request, pod)
    phase = pod.get("status", {}).get("phase")
    if phase in ("Succeeded", "Failed"):
        verb = "exec into" if request.subresource == "exec" else "attach to"
        raise bad_request(f"cannot {verb} a container in a completed pod; current phase is {phase}")
    if not pod.get("spec", {}).get("nodeName"):
        raise bad_request(f"pod {request.name} does not have a host assigned")
    if request.headers.get("Upgrade", "").lower() != "websocket":
        raise bad_request("Upgrade request required")
    offered = [p.strip() for p in request.headers.get("Sec-WebSocket-Protocol", "").split(",") if p.strip()]
    protocol = choose_protocol(offered)
    if not protocol:
        return Response(403, content_type="", headers=[("Connection", "close")], flow=False)
    return Response(101, upgrade=_Session(edge, request, pod, name).run, protocol=protocol, flow=False)


class _Session:
    """One exec or attach."""

    def __init__(self, edge: Edge, request: Request, pod: Object, container: str) -> None:
        self._edge = edge
        self._request = request
        self._pod = pod
        self._container = container

    def run(self, socket: WebSocket) -> None:
        """Serve the session to its end."""
        node = self._pod["spec"]["nodeName"]
        state = self._edge.state(node)
        self._edge.sessions += 1
        # The real server writes an empty message first, to say that the connection stands.
        first = STDOUT if self._request.flag("stdout") else STDERR if self._request.flag("stderr") else STATUS
        if state is State.OK:
            container = self._edge.container(self._request.namespace, self._request.name, self._container)
            seen = len(container.log)
            socket.send(first, b"")
            if not any(self._request.flag(stream) for stream in ("stdin", "stdout", "stderr")):
                # The kubelet says so, and the API server passes it on.
                words = "unable to upgrade connection: you must specify at least 1 of stdin, stdout, stderr"
                socket.send(STATUS, dump(_bare(internal_error(words).status())))
            elif self._request.subresource == "attach":
                self._follow(socket, container, seen)
            else:
                self._serve(socket, container)
        elif state is State.HANG:
            while not self._edge.stopping.wait(0.02) and not socket.closed.is_set():
                pass
        else:
            _wait_for(self._edge, state)
            socket.send(STATUS, dump(self._failure(node, state)))
        socket.close()
        if state is State.OK and not socket.said_goodbye:
            self._edge.panic(node)
        self._edge.sessions -= 1

    def _failure(self, node: str, state: State | Unreachable) -> Object:
        if state is State.NO_SESSION:
            # Decoding the relay's empty answer leaves an empty Status; kubectl calls it "unknown error".
            return {"metadata": {}}
        why = "unexpected EOF" if state is State.DEAD else _dial_error(self._edge, node, _unreachable(state))
        names = {"stderr": "error", "stdin": "input", "stdout": "output", "tty": "tty"}
        pairs = [("command", value) for value in self._request.values("command")]
        pairs += [(names[stream], "1") for stream in names if self._request.flag(stream)]
        path = f"{self._request.subresource}/{self._request.namespace}/{self._request.name}/{self._container}"
        url = f"https://{self._edge.address(node)}/{path}?{urlencode(pairs)}"
        return _bare(internal_error(f'error sending request: Post "{url}": {why}').status())

    def _serve(self, socket: WebSocket, container: Container) -> None:
        command = self._command(socket)
        result = container.run(command) if command.argv else Result(error=_NO_COMMAND)
        tty = self._request.flag("tty")
        if result.stdout and self._request.flag("stdout"):
            socket.send(STDOUT, result.stdout)
        if result.stderr and (tty or self._request.flag("stderr")):
            socket.send(STDOUT if tty else STDERR, result.stderr)
        socket.send(STATUS, dump(_outcome(result)))

    def _command(self, socket: WebSocket) -> Command:
        request = self._request
        stdin = socket.stdin() if request.flag("stdin") else b""
        spec = self._pod["spec"]
        hostname = spec.get("hostname") or (spec["nodeName"] if spec.get("hostNetwork") else request.name)
        return Command(tuple(request.values("command")), stdin, self._container, hostname)

    def _follow(self, socket: WebSocket, container: Container, seen: int) -> None:
        while not self._edge.stopping.wait(0.02) and not socket.closed.is_set():
            fresh = container.log[seen:]
            seen += len(fresh)
            for line in fresh.splitlines(keepends=True):
                socket.send(STDOUT, line.encode())


def _unreachable(state: State | Unreachable) -> Unreachable:
    return state if isinstance(state, Unreachable) else Unreachable(state.value)


def _bare(status: Object) -> Object:
    return {field: value for field, value in status.items() if field not in ("kind", "apiVersion")}


def _outcome(result: Result) -> Object:
    if result.error:
        words = f"Internal error occurred: error executing command in container: {result.error}"
        error = internal_error(words).status()
        error["details"]["causes"][0]["message"] = words
        return _bare(error)
    if not result.code:
        return {"metadata": {}, "status": "Success"}
    message = f"command terminated with non-zero exit code: command terminated with exit code {result.code}"
    causes: list[dict[str, Any]] = [{"reason": "ExitCode", "message": str(result.code)}]
    failed = {"metadata": {}, "status": "Failure", "message": message, "reason": "NonZeroExitCode"}
    return failed | {"details": {"causes": causes}}


def node_proxy(edge: Edge, request: Request) -> Response:
    """A page of a node's own server.

    Raises:
        ApiError: 404 without the node, 503 when it cannot be reached.
    """
    node, _, _ = request.name.partition(":")
    request.name = node
    obj = existing(edge.store, request).obj
    state = edge.state(node)
    _wait_for(edge, state)
    if isinstance(state, Unreachable):
        message = f"error trying to reach service: {_dial_error(edge, node, state)}"
        raise ApiError(503, "ServiceUnavailable", message)
    if state is State.DEAD:
        return Response(200, content_type="", flow=False)
    if state is State.NO_SESSION:
        return Response(500, content_type="", flow=False)
    page = edge.page(node, request.rest)
    if page is None:
        return _missing(request.rest, healthz=not edge.strict(obj))
    if edge.strict(obj) and not any(
        form in request.headers.get("Accept", "*/*") for form in ("*/*", "text/plain")
    ):
        return Response(406, _NOT_ACCEPTABLE, _TEXT, flow=False)
    # The kubelet names its pages what they are; behind KubeEdge's tunnel that is lost.
    form = page[0] if edge.strict(obj) or not page[1].startswith(b"{") else "application/json"
    return Response(200, page[1], form, flow=False, whole=True)


def _missing(path: str, *, healthz: bool) -> Response:
    if path == "healthz" and healthz:
        return Response(200, b"ok", _TEXT, flow=False)
    error = errors.page_not_found()
    return Response(404, error.text.encode(), _TEXT, [("X-Content-Type-Options", "nosniff")], flow=False)
