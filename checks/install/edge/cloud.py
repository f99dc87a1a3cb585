"""What must be right between this host and the cloud before it joins: ports, clock, token, name (requirements.md X12, X14, X15)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC

from kedoctor.api import (
    Evidence,
    Finding,
    Reason,
    RunMode,
    Side,
    Text,
    Unavailable,
    check,
    failed,
    passed,
    unknown,
    warned,
)
from kedoctor.checks.facts.edge.sockets_and_probes import PortProbe
from kedoctor.checks.install.edge.facts_request import CloudAnswers, EdgeTarget, Joined, OfferedToken
from kedoctor.checks.parsers.durations import day
from kedoctor.checks.parsers.host_port import is_loopback
from kedoctor.checks.parsers.kubernetes.names import is_node_name

__all__ = ["cloud_ports", "install_clock", "install_token", "node_name"]

_WARN_SECONDS, _FAIL_SECONDS = 60.0, 300.0
_ROLES = {
    "hub": Text("the hub (websocket)", zh="云边通道（websocket）"),
    "https": Text("certificates", zh="证书服务"),
    "tunnel": Text("the tunnel of logs and exec", zh="logs/exec 隧道"),
}
_ONLY = (RunMode.INSTALL,)


_PROBLEMS_ZH = {"wrong format": "格式不正确", "empty": "内容为空", "redacted": "已脱敏"}


@check(
    code="KE963",
    slug="install-node-name",
    title=Text("The node's name is valid and free", zh="节点名合法且未被占用"),
    side=Side.EDGE,
    occasions=_ONLY,
    references=("facts.md §6.1", "facts.md §10 (50)", "kubeprepare.md §1.5"),
)
def node_name(target: EdgeTarget, answers: CloudAnswers, joined: Joined) -> Finding:
    """RFC 1123, and ``GET :10002/node/<name>`` says 404: keadm refuses to join on anything else."""
    name = target.node
    if not is_node_name(name):
        return failed(
            Text(f"{name} cannot be the name of a node.", zh=f"{name} 不能作为节点名。"),
            expected=Text(
                "lower-case letters, digits, '-' and '.', as RFC 1123 has it",
                zh="符合 RFC 1123：小写字母、数字、“-”和“.”",
            ),
            actual=name[:80],
            hint=Text("Choose another name.", zh="请换一个名称。"),
            subject=name[:80],
        )
    if joined.has_certificate:
        return passed(Text(f"This host is {name} already.", zh=f"本机已经是 {name}。"), subject=name)
    if isinstance(answers.node, Unavailable):
        return unknown(
            Text(
                f"Whether the cloud knows a node {name} already was not answered: {answers.node}.",
                zh=f"无法得知云端是否已有节点 {name}：{answers.node.in_chinese}。",
            ),
            subject=name,
            commands=(f"curl -ksi {answers.node_url} | head -1   # 404 is what keadm wants",),
        )
    if answers.node.status == 404:
        return passed(
            Text(f"The cloud knows no node {name}.", zh=f"云端没有名为 {name} 的节点。"), subject=name
        )
    return failed(
        Text(
            f"The cloud has a node {name} already (or cannot tell); keadm join refuses then.",
            zh=f"云端已有节点 {name}（或无法判断），keadm join 会因此拒绝。",
        ),
        expected=Text(f"404 from {answers.node_url}", zh=f"{answers.node_url} 返回 404"),
        actual=f"HTTP {answers.node.status}",
        hint=Text(
            "Choose another name; or, if this machine is to replace that node, delete it first.",
            zh="请换一个名称；若本机用于替换该节点，请先删除它。",
        ),
        subject=name,
        evidence=(Evidence(answers.node_url, f"HTTP {answers.node.status}"),),
        commands=(f"kubectl get node {name} -o wide", f"kubectl delete node {name}"),
    )


@check(
    code="KE964",
    slug="install-cloud-ports",
    title=Text("The cloud's three ports can be reached", zh="可以连接云端的三个端口"),
    side=Side.EDGE,
    occasions=_ONLY,
    deadline=60.0,
    references=("requirements.md X15", "requirements.md R116", "kubeprepare.md B44"),
)
def cloud_ports(target: EdgeTarget, answers: CloudAnswers) -> Iterator[Finding]:
    """Each on its own: refused, no answer, no route, a name that is not found, or something else than cloudcore."""
    if is_loopback(target.hub.host):
        yield failed(
            Text(
                f"{target.hub.host} is this host itself; an edge dials the cloud's address.",
                zh=f"{target.hub.host} 是本机；边缘节点应连接云端地址。",
            ),
            expected=Text("the address that the cloud advertises", zh="云端对外公布的地址"),
            actual=target.hub.host,
            hint=Text("Name the cloud's address with --cloud.", zh="请用 --cloud 指定云端地址。"),
            subject=str(target.hub),
        )
        return
    for probe in answers.probes:
        yield _reached(probe)


def _reached(probe: PortProbe) -> Finding:
    role, server = _ROLES[probe.role], probe.server
    if isinstance(probe.tcp, Unavailable):
        return _not_reached(probe, probe.tcp)
    if isinstance(probe.tls, Unavailable):
        return failed(
            Text(
                f"{server} takes connections but speaks no TLS, so it is not cloudcore ({role.en}): {probe.tls}.",
                zh=f"{server} 可连接但不支持 TLS，因此不是 cloudcore（{role.zh}）：{probe.tls.in_chinese}。",
            ),
            expected=Text("cloudcore's TLS", zh="cloudcore 的 TLS"),
            actual=str(probe.tls),
            hint=Text("Find out what listens there.", zh="请查明该端口上运行的程序。"),
            subject=str(server),
            commands=(f"openssl s_client -connect {server} </dev/null | head -5",),
        )
    return passed(
        Text(f"{server} ({role.en}) answers.", zh=f"{server}（{role.zh}）可以连接。"), subject=str(server)
    )


_WHY = {
    Reason.REFUSED: (
        Text("nothing listens there, or a firewall refuses", zh="没有程序监听，或被防火墙拒绝"),
        Text(
            "See that cloudcore runs and that its port is open (kedoctor run on the cloud host, KE501 and KE506).",
            zh="请确认 cloudcore 正在运行且端口已开放（在云端主机执行 kedoctor run，参见 KE501 和 KE506）。",
        ),
    ),
    Reason.TIMEOUT: (
        Text(
            "nothing comes back, as behind a firewall that drops", zh="没有任何应答，通常是防火墙丢弃了数据包"
        ),
        Text(
            "Open the port in every firewall and security group on the way.",
            zh="请在途经的防火墙和安全组中开放该端口。",
        ),
    ),
    Reason.UNREACHABLE: (
        Text("there is no way to that address, or no such name", zh="没有到该地址的路由，或无法解析该名称"),
        Text("Check the address, the route and the name.", zh="请检查地址、路由和域名解析。"),
    ),
}


def _not_reached(probe: PortProbe, why: Unavailable) -> Finding:
    role, server = _ROLES[probe.role], probe.server
    told, hint = _WHY.get(
        why.reason, (Text(str(why), zh=str(why)), Text("Check the network.", zh="请检查网络。"))
    )
    return failed(
        Text(
            f"{server} ({role.en}) cannot be reached: {told.en}.",
            zh=f"无法连接 {server}（{role.zh}）：{told.zh}。",
        ),
        expected=Text("a connection", zh="可以连接"),
        actual=why.detail or why.reason.value,
        hint=hint,
        subject=str(server),
        evidence=(Evidence(f"TCP connection to {server}", why.detail or why.reason.value),),
        commands=(f"curl -kv --max-time 5 https://{server}/", "ip route get " + server.host),
    )


@check(
    code="KE965",
    slug="install-clock",
    title=Text("This host's clock agrees with the cloud's", zh="本机时钟与云端一致"),
    side=Side.EDGE,
    occasions=_ONLY,
    references=("requirements.md X14", "facts.md §4.3", "facts.md §10 (34)"),
)
def install_clock(answers: CloudAnswers) -> Finding:
    """The ``Date`` of port 10002: a token and a certificate are only as good as the clock that judges them."""
    date = None if isinstance(answers.ca, Unavailable) else answers.ca.date
    if date is None:
        why = str(answers.ca) if isinstance(answers.ca, Unavailable) else "its answer has no Date"
        return unknown(
            Text(f"The cloud did not say what time it is: {why}.", zh=f"云端没有给出时间：{why}。"),
            commands=(f"curl -ksI {answers.ca_url} | grep -i ^date; date -u",),
        )
    skew = (answers.now - date).total_seconds()
    if abs(skew) <= _WARN_SECONDS:
        return passed(
            Text(
                f"This clock is {abs(skew):.0f} s off the cloud's.",
                zh=f"本机时钟与云端相差 {abs(skew):.0f} 秒。",
            )
        )
    ahead, zh = ("ahead of", "快") if skew > 0 else ("behind", "慢")
    tell = failed if abs(skew) > _FAIL_SECONDS else warned
    return tell(
        Text(
            f"This clock is {abs(skew):.0f} s {ahead} the cloud's ({day(date.astimezone(UTC))}).",
            zh=f"本机时钟比云端（{day(date.astimezone(UTC))}）{zh} {abs(skew):.0f} 秒。",
        ),
        expected=Text("less than 60 s apart", zh="相差不超过 60 秒"),
        actual=f"{day(answers.now)}, {skew:+.0f} s",
        hint=Text(
            "Set the clock that is wrong: the edge's certificate would not be valid yet, or the token expired.",
            zh="请校正错误的时钟：否则边缘证书可能尚未生效，或令牌被视为过期。",
        ),
        evidence=(Evidence(answers.ca_url, f"Date: {day(date)}"),),
        commands=("date -u", f"sudo date -u -s '{date.astimezone(UTC):%Y-%m-%d %H:%M:%S}'"),
    )


@check(
    code="KE966",
    slug="install-token",
    title=Text("The join token is this cloud's and still valid", zh="加入令牌属于该云端且有效"),
    side=Side.EDGE,
    occasions=_ONLY,
    references=("requirements.md X12", "facts.md §4.1", "facts.md §4.3", "kubeprepare.md B37"),
)
def install_token(offered: OfferedToken, answers: CloudAnswers, joined: Joined) -> Finding:
    """Four parts, the first one the digest of the CA that this cloud serves, and not expired by the cloud's own clock."""
    if joined.has_certificate:
        return passed(
            Text(
                "The edge has its certificate, so no token is needed any more.",
                zh="边缘节点已有证书，不再需要令牌。",
            )
        )
    token = offered.token
    if token is None:
        problem = offered.problem
        return _bad_token(
            Text(
                f"what the file holds is not a join token ({problem})",
                zh=f"文件内容不是加入令牌（{_PROBLEMS_ZH.get(problem, problem)}）",
            ),
            problem,
        )
    if not answers.ca_sha256:
        why = answers.ca if isinstance(answers.ca, Unavailable) else f"HTTP {answers.ca.status}"
        return unknown(
            Text(
                f"Whether the token is this cloud's is unknown: {answers.ca_url} was not served ({why}).",
                zh=f"无法判断令牌是否属于该云端：未能获取 {answers.ca_url}（{why}）。",
            ),
            commands=(f"curl -ks {answers.ca_url} | sha256sum",),
        )
    if token.ca_sha256 != answers.ca_sha256:
        return _bad_token(
            Text(
                f"it was made for the CA {token.ca_sha256[:16]}…, and this cloud has {answers.ca_sha256[:16]}…",
                zh=f"它对应的 CA 为 {token.ca_sha256[:16]}…，而该云端的 CA 为 {answers.ca_sha256[:16]}…",
            ),
            "another cloud's, or older than its CA",
        )
    date = None if isinstance(answers.ca, Unavailable) else answers.ca.date
    now = date or answers.now
    if token.expired_at(now) and token.expires is not None:
        return _bad_token(
            Text(f"it expired on {day(token.expires)}", zh=f"已于 {day(token.expires)} 过期"), "expired"
        )
    if token.expires is None:
        return passed(Text("The token is this cloud's.", zh="令牌属于该云端。"))
    return passed(
        Text(
            f"The token is this cloud's, valid until {day(token.expires)}.",
            zh=f"令牌属于该云端，有效期至 {day(token.expires)}。",
        )
    )


def _bad_token(why: Text, actual: str) -> Finding:
    return failed(
        Text(f"The join token cannot be used: {why.en}.", zh=f"加入令牌不可用：{why.zh}。"),
        expected=Text(
            "<sha256 of the CA>.<header>.<payload>.<signature>, at most 24 hours old",
            zh="<CA 的 sha256>.<头>.<载荷>.<签名>，24 小时内签发",
        ),
        actual=actual,
        hint=Text(
            "Take a fresh one from this cloud and put it into the file.",
            zh="请从该云端重新获取令牌并写入文件。",
        ),
        commands=("keadm gettoken                       # on the cloud host",),
    )
