"""HTTP proxies in an environment, and which hosts they are for, as Go's programs read them (golang.org/x/net/http/httpproxy)."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from kedoctor.checks.parsers.host_port import is_ip, is_loopback

__all__ = ["ProxySettings", "proxies_in"]

_NAMES = ("HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY")


@dataclass(frozen=True, slots=True)
class ProxySettings:
    """The proxy for HTTPS and HTTP as ``host:port`` (user and password left out), empty without one, and NO_PROXY's words."""

    https: str = ""
    http: str = ""
    exceptions: tuple[str, ...] = ()

    @property
    def server(self) -> str:
        """The proxy that requests go to."""
        return self.https or self.http

    def catches(self, host: str, port: int = 443) -> bool:
        """Whether a request for the host goes to the proxy; this machine itself never does."""
        if not self.server or is_loopback(host):
            return False
        return not any(_excepts(one, host.lower(), port) for one in self.exceptions)


def proxies_in(environment: Iterable[str]) -> ProxySettings:
    """From ``NAME=value`` assignments; the names in capitals count before those in small letters."""
    given: dict[str, str] = {}
    for assignment in environment:
        name, equals, value = assignment.partition("=")
        if equals and name.upper() in _NAMES and value and (name.isupper() or name.upper() not in given):
            given[name.upper()] = value.strip("\"'")
    return _settings(given)


def _settings(given: Mapping[str, str]) -> ProxySettings:
    words = given.get("NO_PROXY", "").split(",")
    return ProxySettings(
        https=_server(given.get("HTTPS_PROXY", "")),
        http=_server(given.get("HTTP_PROXY", "")),
        exceptions=tuple(word.strip().lower() for word in words if word.strip()),
    )


def _server(url: str) -> str:
    if not url:
        return ""
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "a proxy that cannot be read"
    return f"{parts.hostname or ''}{port}"


def _excepts(word: str, host: str, port: int) -> bool:
    if word == "*":
        return True
    if "/" in word:
        try:
            return is_ip(host) and ipaddress.ip_address(host) in ipaddress.ip_network(word, strict=False)
        except ValueError:
            return False
    name, colon, number = word.rpartition(":")
    if colon and number.isdigit() and name.count(":") == 0:
        if int(number) != port:
            return False
        word = name
    if is_ip(host) or is_ip(word):
        return word == host
    name = word.removeprefix("*").removeprefix(".")
    return host.endswith(f".{name}") or (host == name and not word.startswith("."))
