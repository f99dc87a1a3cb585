"""Logs, exec and attach of the test pods, judged by what comes back and by nothing else (facts.md §3.8).

``kubectl logs`` exits 0 with nothing when a tunnel has died, and prints the edge's error as if it were the log
(testbed.md surprise 1). So only the nonce counts, and each other ending has a sentence of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kedoctor.api import (
    Evidence,
    Finding,
    GatePod,
    Side,
    StreamedAnswer,
    Text,
    Unavailable,
    check,
    failed,
    passed,
    patterns,
    unknown,
    warned,
)
from kedoctor.checks.causality import NO_STREAM
from kedoctor.checks.facts.cluster.nodes import EdgeNodes
from kedoctor.checks.gate.facts import (
    HANGS,
    AttachTrips,
    ExecTrips,
    GatePods,
    LogTrips,
    StreamTrips,
    exec_nonce,
)
from kedoctor.checks.gate.wording import NO_RIGHT, PRINT_RIGHTS, each_edge

__all__ = ["attach_roundtrip", "exec_roundtrip", "logs_roundtrip"]

_MINUTES = 1800.0
"""A gate over thousands of edges, some of which hang, takes long; the run's own deadline ends it."""

_EXCERPT = 200
_INTERNAL = "Internal error occurred:"
_DIALLED = patterns.compiled(r"dial tcp \S+: .+$")
# What kube-apiserver was about when it failed: a URL of its own that says no more than the edge's name does.
_ABOUT = patterns.compiled(r'^.*(?:Get|Post) "https?://[^"]*": ')


@dataclass(frozen=True, slots=True)
class _Trip:
    """One test pod, what was asked of it and what it should have said; ``verb`` as kubectl has it."""

    verb: str
    pod: GatePod
    nonce: str
    answer: StreamedAnswer

    @property
    def edge(self) -> str:
        return self.pod.node

    @property
    def heard(self) -> bool:
        return self.nonce.encode() in self.answer.out

    @property
    def evidence(self) -> tuple[Evidence, ...]:
        where = f"kubectl {self.verb} of pod {self.pod.metadata.namespace}/{self.pod.metadata.name}"
        return (Evidence(where, _seen(self.answer, self.answer.reason)),)

    @property
    def commands(self) -> tuple[str, ...]:
        proxy = f"/api/v1/nodes/{self.edge}/proxy/stats/summary"
        return (
            f"kubectl get --raw --request-timeout=15s {proxy} | head -c 300",
            f"sudo kedoctor run --node {self.edge}  # on the cloud host",
            f"sudo kedoctor run  # on {self.edge}",
        )

    def fails(self, why: Text, hint: Text, *, hop: str | None = None) -> Finding:
        return failed(
            Text(
                f"kubectl {self.verb} does not come back from {self.edge}: {why.en}.",
                zh=f"kubectl {self.verb} 无法从 {self.edge} 返回内容：{why.zh}。",
            ),
            expected=Text("the nonce of the test pod", zh="测试 Pod 的随机标识"),
            actual=_seen(self.answer, _core(self.answer)),
            hint=hint,
            subject=self.edge,
            node=self.edge,
            evidence=self.evidence,
            commands=self.commands,
            hop=hop,
        )

    def is_not_known(self, why: Text, hint: Text, *commands: str) -> Finding:
        return unknown(
            Text(
                f"Whether kubectl {self.verb} reaches {self.edge} is unknown: {why.en}.",
                zh=f"无法判断 kubectl {self.verb} 能否到达 {self.edge}：{why.zh}。",
            ),
            subject=self.edge,
            node=self.edge,
            evidence=self.evidence,
            hint=hint,
            commands=commands,
        )


@check(
    code="KE901",
    slug="logs-roundtrip",
    title=Text(
        "kubectl logs shows what a pod on the edge writes", zh="kubectl logs 能显示边缘节点 Pod 写出的内容"
    ),
    side=Side.SITE,
    breaks=("logs",),
    explained_by=NO_STREAM,
    proves=("logs",),
    references=("facts.md §3.8", "testbed.md surprise 1"),
    deadline=_MINUTES,
)
def logs_roundtrip(pods: GatePods, trips: LogTrips, edges: EdgeNodes | Unavailable) -> Iterator[Finding]:
    """The log of the test pod on each edge holds the nonce that the pod writes every second."""
    return each_edge(pods, edges, lambda pod: _judge("logs", pod, pod.nonce, trips))


@check(
    code="KE902",
    slug="exec-roundtrip",
    title=Text("kubectl exec runs a command on the edge", zh="kubectl exec 能在边缘节点执行命令"),
    side=Side.SITE,
    breaks=("exec",),
    explained_by=(*NO_STREAM, "KE901"),
    proves=("exec",),
    references=("facts.md §3.8", "testbed.md case b", "testbed.md case j"),
    deadline=_MINUTES,
)
def exec_roundtrip(pods: GatePods, trips: ExecTrips, edges: EdgeNodes | Unavailable) -> Iterator[Finding]:
    """A command in the test pod of each edge says its word, which only a command can say."""
    return each_edge(pods, edges, lambda pod: _judge("exec", pod, exec_nonce(pod), trips))


@check(
    code="KE903",
    slug="attach-roundtrip",
    title=Text("kubectl attach hears a pod on the edge", zh="kubectl attach 能收到边缘节点 Pod 的输出"),
    side=Side.SITE,
    breaks=("attach",),
    explained_by=(*NO_STREAM, "KE901", "KE902"),
    proves=("attach",),
    references=("facts.md §3.8",),
    deadline=_MINUTES,
)
def attach_roundtrip(pods: GatePods, trips: AttachTrips, edges: EdgeNodes | Unavailable) -> Iterator[Finding]:
    """Whoever attaches to the test pod of an edge hears its nonce within seconds."""
    return each_edge(pods, edges, lambda pod: _judge("attach", pod, pod.nonce, trips))


def _judge(verb: str, pod: GatePod, nonce: str, trips: StreamTrips) -> Finding:
    answer = trips.answers.get(pod.node)
    if answer is None or isinstance(answer, Unavailable):
        return _unasked(verb, pod, answer)
    trip = _Trip(verb, pod, nonce, answer)
    if trip.heard:
        return _came_back(trip)
    for judge in (_refused, _broke_off, _not_reached, _by_exec, _without_session):
        finding = judge(trip)
        if finding is not None:
            return finding
    return _foreign(trip)


def _unasked(verb: str, pod: GatePod, answer: Unavailable | None) -> Finding:
    words = str(answer) if answer is not None else "it was not asked"
    return unknown(
        Text(
            f"Whether kubectl {verb} reaches {pod.node} is unknown: {words}.",
            zh=f"无法判断 kubectl {verb} 能否到达 {pod.node}：{words}。",
        ),
        subject=pod.node,
        node=pod.node,
        hint=Text("Look at the API server first.", zh="请先检查 API 服务器。"),
        commands=("kubectl get --raw /readyz?verbose",),
    )


def _came_back(trip: _Trip) -> Finding:
    # An exec that ends without the command's exit code leaves scripts waiting or guessing.
    whole = trip.answer.complete and not (trip.verb == "exec" and trip.answer.exit_code != 0)
    if whole:
        return passed(
            Text(
                f"kubectl {trip.verb} brings back from {trip.edge} what its test pod wrote.",
                zh=f"kubectl {trip.verb} 能取回 {trip.edge} 上测试 Pod 写出的内容。",
            ),
            subject=trip.edge,
            node=trip.edge,
            evidence=trip.evidence,
        )
    ending = trip.answer.reason or "without an exit code"
    return warned(
        Text(
            f"kubectl {trip.verb} brings back what the test pod on {trip.edge} wrote, and then ends badly: {ending}.",
            zh=f"kubectl {trip.verb} 能取回 {trip.edge} 上测试 Pod 写出的内容，但结束异常：{ending}。",
        ),
        expected=Text("a regular end", zh="正常结束"),
        actual=_seen(trip.answer, _core(trip.answer)),
        hint=Text(
            f"The link to {trip.edge} may be losing packets: look at its tunnel.",
            zh=f"到 {trip.edge} 的链路可能丢包：请检查其隧道。",
        ),
        subject=trip.edge,
        node=trip.edge,
        evidence=trip.evidence,
        commands=trip.commands,
    )


def _refused(trip: _Trip) -> Finding | None:
    if trip.answer.status == 403:
        return trip.is_not_known(
            Text(
                f"this user may not use it ({trip.answer.reason})",
                zh=f"当前用户无权使用（{trip.answer.reason}）",
            ),
            NO_RIGHT,
            PRINT_RIGHTS,
            f"kubectl auth can-i get pods/{'log' if trip.verb == 'logs' else trip.verb} -A",
        )
    if trip.answer.status == 404:
        return trip.is_not_known(
            Text(
                f"the test pod is gone ({trip.answer.reason})",
                zh=f"测试 Pod 已不存在（{trip.answer.reason}）",
            ),
            Text(
                "Somebody removes pods of the gate while it runs: look who.",
                zh="连通性验收（gate）运行期间有人删除了其 Pod：请查明来源。",
            ),
            "kubectl get events -A --field-selector reason=Killing",
        )
    return None


def _broke_off(trip: _Trip) -> Finding | None:
    if trip.answer.complete and "unexpected EOF" not in trip.answer.reason:
        return None
    if trip.answer.reason == HANGS:
        return trip.fails(
            Text(
                "there was no answer within 10 s, neither an output nor an error",
                zh="10 秒内没有应答，既无输出也无错误",
            ),
            Text(
                f"Either edged on {trip.edge} does not listen on 127.0.0.1:10350, or its tunnel is half-open: "
                "look there, then restart edgecore.",
                zh=f"{trip.edge} 上的 edged 未监听 127.0.0.1:10350，或隧道处于半开状态：请在该边缘节点检查，然后重启 edgecore。",
            ),
            hop="edged",
        )
    return trip.fails(
        Text(
            f"the connection was closed before anything came ({trip.answer.reason})",
            zh=f"连接在返回内容之前被关闭（{trip.answer.reason}）",
        ),
        _DEAD,
        hop="tunnel",
    )


_DEAD = Text(
    "cloudcore remembers a tunnel that is gone: look whether edgecore runs and dials port 10004.",
    zh="cloudcore 仍记着已断开的隧道：请检查 edgecore 是否运行、是否连接 10004 端口。",
)


def _not_reached(trip: _Trip) -> Finding | None:
    """kube-apiserver could not connect to the address and port of the Node."""
    words = _core(trip.answer)
    tls = "tls:" in words or "x509:" in words
    if not _DIALLED.search(words) and not tls:
        return None
    if tls:
        hint = Text(
            "What answers there is not cloudcore's stream server, or its certificate is refused: look at the "
            "diversion's target (KE304) and at KE802.",
            zh="应答方不是 cloudcore 的流服务，或其证书被拒绝：请检查转向目标（KE304）和 KE802。",
        )
    else:
        hint = Text(
            "The request is not diverted to cloudcore: look at the rules on the API-server host (KE303) and at "
            "iptables-manager (KE307).",
            zh="请求未被转向 cloudcore：请检查 API 服务器主机上的规则（KE303）和 iptables-manager（KE307）。",
        )
    return trip.fails(
        Text(f"the API server says: {words}", zh=f"API 服务器返回：{words}"), hint, hop="diversion"
    )


def _by_exec(trip: _Trip) -> Finding | None:
    """The runtime of the edge was reached, and could not start the command."""
    if trip.verb != "exec" or "executable file not found" not in trip.answer.reason:
        return None
    return trip.is_not_known(
        Text("the test image has no echo to run", zh="测试镜像中没有可执行的 echo"),
        Text("Name an image with sh, echo and sleep.", zh="请指定带有 sh、echo 和 sleep 的镜像。"),
        "kedoctor gate --image busybox:1.36",
    )


def _without_session(trip: _Trip) -> Finding | None:
    answer = trip.answer
    silent = answer.reason in ("", "unknown error", _INTERNAL, f"{_INTERNAL} unknown error")
    if answer.status >= 500 or (answer.status == 101 and answer.reason and answer.exit_code is None):
        if silent:
            return trip.fails(
                Text(
                    "cloudcore answers with an error that says nothing, as it does when it knows no tunnel of that edge",
                    zh="cloudcore 返回空错误，即它没有该边缘节点的隧道会话",
                ),
                Text(
                    f"Look whether edgeStream on {trip.edge} is on and dials this cloudcore (KE202, KE203, KE503).",
                    zh=f"请检查 {trip.edge} 的 edgeStream 是否开启并连接到此 cloudcore（KE202、KE203、KE503）。",
                ),
                hop="session",
            )
        return trip.fails(
            Text(f"the API server says: {_core(answer)}", zh=f"API 服务器返回：{_core(answer)}"),
            _FOLLOW,
        )
    if answer.status in (101, 200) and not answer.out and not answer.err:
        return trip.fails(
            Text(
                f"HTTP {answer.status} and nothing in it; kubectl {trip.verb} prints nothing and exits 0",
                zh=f"HTTP {answer.status} 且内容为空；kubectl {trip.verb} 不输出任何内容并以 0 退出",
            )
            if trip.verb == "logs"
            else Text("the stream was opened and nothing came", zh="流已打开，但没有任何内容"),
            _DEAD,
            hop="tunnel",
        )
    return None


_FOLLOW = Text(
    "Follow the path hop by hop: a run on the cloud host and one on the edge name the place.",
    zh="请逐跳检查：在云端主机和边缘节点上各运行一次 kedoctor run 即可定位。",
)


def _foreign(trip: _Trip) -> Finding:
    """Something came that the test pod never wrote: an error of the edge that poses as its output."""
    answer = trip.answer
    words = _line(answer.out or answer.err) or answer.reason or f"HTTP {answer.status}"
    if answer.status in (101, 200) and (answer.out or answer.err):
        return trip.fails(
            Text(
                f"what came is not what the test pod writes, but “{words}”",
                zh=f"返回的不是测试 Pod 写出的内容，而是“{words}”",
            ),
            Text(
                f"edged on {trip.edge} sends its error as if it were output: kubectl exits 0. Look at edgecore's log there.",
                zh=f"{trip.edge} 上的 edged 把错误当作输出返回，kubectl 以 0 退出。请查看该处的 edgecore 日志。",
            ),
            hop="edged",
        )
    return trip.fails(
        Text(f"the API server says: {words}", zh=f"API 服务器返回：{words}"),
        _FOLLOW,
    )


def _core(answer: StreamedAnswer) -> str:
    """The reason without the address that kube-apiserver had asked."""
    return _ABOUT.sub("", answer.reason)


def _seen(answer: StreamedAnswer, reason: str) -> str:
    parts = [f"HTTP {answer.status}" if answer.status else "no HTTP answer"]
    for name, data in (("out", answer.out), ("err", answer.err)):
        if data:
            parts.append(f"{name} “{_line(data)}”")
    if not answer.out and not answer.err:
        parts.append("no output")
    if answer.exit_code is not None:
        parts.append(f"exit code {answer.exit_code}")
    return ", ".join([*parts, reason] if reason else parts)


def _line(data: bytes) -> str:
    text = " ".join(data[: 4 * _EXCERPT].decode(errors="replace").split())
    return text if len(text) <= _EXCERPT else f"{text[:_EXCERPT]}…"
