"""Whether a proxy is for an API server: the rules of Go, which kubectl follows."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from kedoctor.observe.live.api_errors import ApiFailure
from kedoctor.observe.live.proxies import proxy_for

PROXY = {"HTTPS_PROXY": "http://proxy:3128"}


def chosen(server: str, url: str = "", **environment: str) -> str:
    proxy = proxy_for(urlsplit(server), url, environment)
    return f"{proxy.hostname}:{proxy.port}" if proxy else ""


def test_the_kubeconfigs_comes_before_the_environments() -> None:
    assert chosen("https://10.0.0.1", "http://mine:1", **PROXY) == "mine:1"
    assert chosen("https://10.0.0.1", **PROXY) == "proxy:3128"
    assert chosen("https://10.0.0.1", HTTPS_PROXY="proxy:3128") == "proxy:3128"
    assert chosen("http://10.0.0.1", **PROXY) == ""
    assert chosen("http://10.0.0.1", http_proxy="http://p:1") == "p:1"


@pytest.mark.parametrize("server", ["https://127.0.0.1:6443", "https://localhost:6443", "https://[::1]:6443"])
def test_this_machine_needs_none(server: str) -> None:
    assert chosen(server, **PROXY) == ""


@pytest.mark.parametrize(
    ("server", "exempt", "used"),
    [
        ("https://10.0.0.1:6443", "10.0.0.0/8", False),
        ("https://10.0.0.1:6443", "192.168.0.0/16, 10.0.0.1", False),
        ("https://10.0.0.1:6443", "10.0.0.2", True),
        ("https://10.0.0.1:6443", "*", False),
        ("https://10.0.0.1:6443", "", True),
        ("https://api.site.example:6443", ".example", False),
        ("https://api.site.example:6443", "site.example", False),
        ("https://api.site.example:6443", "*.site.example", False),
        ("https://api.site.example:6443", "api.site.example:6443", False),
        ("https://api.site.example:6443", "api.site.example:443", True),
        ("https://api.site.example:6443", "pi.site.example", True),
        ("https://[fd00::1]:6443", "fd00::/8", False),
        ("https://[fd00::1]:6443", "10.0.0.0/8", True),
    ],
)
def test_no_proxy(server: str, exempt: str, used: bool) -> None:
    assert bool(chosen(server, NO_PROXY=exempt, **PROXY)) is used
    assert bool(chosen(server, no_proxy=exempt, **PROXY)) is used


def test_other_kinds_are_refused() -> None:
    with pytest.raises(ApiFailure, match="socks5"):
        chosen("https://10.0.0.1", "socks5://p:1")
