"""What the error at the end of a dial line of edgecore means (facts.md §5.4, testbed.md)."""

from __future__ import annotations

from kedoctor.api import Record, Text

__all__ = ["DialMeaning", "dial_meaning"]


class DialMeaning(Record, frozen=True):
    """The meaning of a dial error; ``leg`` is where it happened: ``tcp``, ``tls``, ``http`` or ``local``."""

    leg: str
    text: Text


_MEANINGS = (
    (
        "failed to get Local IP address",
        "local",
        Text(
            "this host has no default route and its name does not resolve, so edgecore never opens the tunnel",
            zh="本机没有默认路由且主机名无法解析，隧道从未拨出",
        ),
    ),
    (
        "connection refused",
        "tcp",
        Text("nothing listens on that port", zh="该端口无人监听"),
    ),
    (
        "no route to host",
        "tcp",
        Text("there is no way to that host", zh="没有到该主机的路由"),
    ),
    (
        "network is unreachable",
        "tcp",
        Text("this host has no route there", zh="本机没有到那里的路由"),
    ),
    (
        "i/o timeout",
        "tcp",
        Text(
            "packets to that port vanish: a firewall drops them or the host is down",
            zh="发往该端口的报文无响应：被防火墙丢弃或主机已停机",
        ),
    ),
    (
        "no such host",
        "tcp",
        Text("the name of the cloud does not resolve here", zh="云端主机名在本机无法解析"),
    ),
    (
        "expired certificate",
        "tls",
        Text(
            "cloudcore refuses the certificate in edgecore's memory as expired",
            zh="cloudcore 认为 edgecore 内存中的证书已过期",
        ),
    ),
    (
        "certificate has expired or is not yet valid",
        "tls",
        Text(
            "a certificate is outside its dates, or this clock is wrong",
            zh="证书不在有效期内，或本机时钟错误",
        ),
    ),
    (
        "certificate is valid for",
        "tls",
        Text(
            "the target address is missing in cloudcore's certificate", zh="cloudcore 证书中没有所连接的地址"
        ),
    ),
    (
        "remote error: tls: unknown certificate authority",
        "tls",
        Text(
            "cloudcore does not know the CA of the edge certificate", zh="cloudcore 不认识边缘证书的签发 CA"
        ),
    ),
    (
        "signed by unknown authority",
        "tls",
        Text(
            "cloudcore's certificate is not signed by the edge's rootCA.crt",
            zh="cloudcore 的证书不是由边缘节点的 rootCA.crt 签发",
        ),
    ),
    (
        "bad certificate",
        "tls",
        Text("cloudcore cannot use the edge certificate", zh="cloudcore 无法使用边缘证书"),
    ),
    (
        "certificate required",
        "tls",
        Text("edgecore sent no certificate", zh="edgecore 没有发送证书"),
    ),
    (
        "bad handshake",
        "http",
        Text(
            "something that is not cloudcore's tunnel server answered", zh="应答者不是 cloudcore 的隧道服务器"
        ),
    ),
    (
        "connection reset by peer",
        "tls",
        Text(
            "the server hung up during the TLS handshake; cloudcore does so when it refuses the edge certificate",
            zh="服务器在 TLS 握手中断开；cloudcore 拒绝边缘证书时即如此",
        ),
    ),
    (
        "failed to Update KubeletEndpoint Port",
        "http",
        Text(
            "cloudcore could not write the kubelet port into the Node for two minutes",
            zh="cloudcore 在两分钟内无法把 kubelet 端口写入 Node",
        ),
    ),
)


def dial_meaning(error: str) -> DialMeaning | None:
    """What a dial error means, or ``None`` if it is none that is known."""
    for words, leg, text in _MEANINGS:
        if words in error:
            return DialMeaning(leg, text)
    return None
