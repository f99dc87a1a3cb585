"""Whether an API server is reached through an HTTP proxy, as kubectl decides it."""

from __future__ import annotations

import base64
import ipaddress
import socket
from collections.abc import Mapping
from urllib.parse import SplitResult, unquote, urlsplit

from kedoctor.model.observations.request import Reason
from kedoctor.observe.live.api_errors import ApiFailure

__all__ = ["proxy_for", "tunnel"]

_LONGEST_ANSWER = 1 << 14


def proxy_for(server: SplitResult, proxy_url: str, environment: Mapping[str, str]) -> SplitResult | None:
    """The proxy for ``server``: the kubeconfig's ``proxy-url``, else HTTPS_PROXY or HTTP_PROXY without NO_PROXY.

    Raises:
        ApiFailure: the proxy is of a kind that is not spoken here.
    """
    chosen = proxy_url or _of_environment(server, environment)
    if not chosen:
        return None
    try:
        proxy = urlsplit(chosen if "://" in chosen else f"http://{chosen}")
        _ = proxy.port
    except ValueError:  # its message would hold the user information
        raise ApiFailure(Reason.NOT_CONFIGURED, "the proxy that is set is not a URL") from None
    if proxy.scheme != "http" or not proxy.hostname:
        raise ApiFailure(
            Reason.NOT_CONFIGURED, f"a proxy of kind {proxy.scheme} is not supported, only http://"
        )
    return proxy


def _of_environment(server: SplitResult, environment: Mapping[str, str]) -> str:
    host, port = server.hostname or "", server.port
    names = ("HTTPS_PROXY", "https_proxy") if server.scheme == "https" else ("HTTP_PROXY", "http_proxy")
    exempt = environment.get("NO_PROXY") or environment.get("no_proxy") or ""
    if _is_loopback(host) or any(_covers(entry.strip().lower(), host, port) for entry in exempt.split(",")):
        return ""
    return next((environment[name] for name in names if environment.get(name)), "")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _covers(entry: str, host: str, port: int | None) -> bool:
    """Whether an entry of NO_PROXY exempts the host: ``*``, an address, a network, a domain, each with a port or not."""
    if entry in {"", "*"}:
        return entry == "*"
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(entry, strict=False)
    except (ValueError, TypeError):
        pass
    name, colon, wanted = entry.rpartition(":")
    if colon and wanted.isdigit() and name.count(":") == 0:
        if int(wanted) != port:
            return False
        entry = name
    domain = entry.removeprefix("*").removeprefix(".")
    return host == domain or host.endswith(f".{domain}")


def tunnel(connection: socket.socket, proxy: SplitResult, host: str, port: int) -> None:
    """Asks the proxy behind ``connection`` to connect it through to ``host:port``.

    Raises:
        ApiFailure: it refuses.
        OSError: it does not answer.
    """
    target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
    if proxy.username:
        pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
        lines.append(f"Proxy-Authorization: Basic {base64.b64encode(pair.encode()).decode()}")
    connection.sendall("\r\n".join([*lines, "", ""]).encode("ascii", errors="replace"))
    answer = bytearray()
    while b"\r\n\r\n" not in answer and len(answer) < _LONGEST_ANSWER:
        piece = connection.recv(1)
        if not piece:
            break
        answer += piece
    status = answer.split(b"\r\n", 1)[0].decode("ascii", errors="replace")
    if status.split(" ")[1:2] != ["200"]:
        raise ApiFailure(
            Reason.UNREACHABLE, f"the proxy {proxy.hostname}:{proxy.port or 80} answers {status!r}"
        )
