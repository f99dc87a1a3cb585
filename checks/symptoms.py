"""What users see, and which checks it is about (the user's own checklists, with what the facts add).

A capability brings every check that breaks it, and each check brings what can explain it; so the lists below name
only what is beside these: logs to read, clocks, and who asks. R098-R104 and R160-R163 are ``logs``, R105-R114 and
R164-R166 ``top``, R115-R121 ``stream``, R167-R169 ``notready``.
"""

from __future__ import annotations

from kedoctor.api import Symptom, Text
from kedoctor.checks.data_path import ALL_STREAMS

__all__ = ["SYMPTOMS"]

_LOGS = ("KE112", "KE711")
_EDGE_LOG = ("KE711",)
_ASKING = ("KE921", "KE410")
"""Whether this user may ask at all; and a clock that is wrong makes good certificates look expired (facts.md §4)."""

_TUNNEL = ("stream", "session", "tunnel", "link", "certificates", "edgecore")
"""The hops that decide whether the tunnel of an edge is there; what diverts requests into it comes before them."""

SYMPTOMS = (
    Symptom(
        "logs",
        Text("kubectl logs fails, hangs or prints nothing", zh="kubectl logs 失败、卡住或无输出"),
        capabilities=("logs",),
        codes=(*_LOGS, *_ASKING),
    ),
    Symptom(
        "exec",
        Text("kubectl exec fails or hangs", zh="kubectl exec 失败或卡住"),
        capabilities=("exec",),
        codes=(*_LOGS, *_ASKING),
    ),
    Symptom(
        "attach",
        Text("kubectl attach fails or hangs", zh="kubectl attach 失败或卡住"),
        capabilities=("attach",),
        codes=(*_LOGS, *_ASKING),
    ),
    Symptom(
        "top",
        Text(
            "kubectl top fails or shows <unknown> for an edge",
            zh="kubectl top 失败，或某个边缘节点显示 <unknown>",
        ),
        capabilities=("top",),
        codes=(*_LOGS, *_ASKING, "KE608", "KE609"),
    ),
    Symptom(
        "notready",
        Text("an edge node is NotReady", zh="边缘节点 NotReady"),
        capabilities=("ready",),
        codes=(*_EDGE_LOG, "KE410", "KE411", "KE708", "KE716", "KE912"),
    ),
    Symptom(
        "stream",
        Text(
            "edgecore's log says that the stream tunnel is not connected", zh="edgecore 日志提示流隧道未连接"
        ),
        capabilities=ALL_STREAMS,
        hops=_TUNNEL,
        codes=(*_LOGS, "KE410"),
    ),
    Symptom(
        "join",
        Text("keadm join fails, or the node does not appear", zh="keadm join 失败，或节点没有出现"),
        capabilities=("ready", "install"),
        codes=(*_EDGE_LOG, "KE410", "KE708", "KE712", "KE716", "KE803", "KE912"),
    ),
)
