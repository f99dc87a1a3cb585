"""One error text taken apart: who speaks, what was dialled, what went wrong, and on which leg of the path.

Pure: text in, parts out. What ports and kinds of errors mean is in the table (``log_knowledge.py``); the meaning of
the kubelet port is ``facts.md §3.1``.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from kedoctor.api import patterns
from kedoctor.checks.parsers.logs.klog import LogLine
from kedoctor.checks.parsers.logs.message_table import ErrorKind, Knowledge, Leg, Port

__all__ = ["Endpoint", "ErrorText", "family_of", "host_kind", "take_apart"]

# The dialled address is what counts; a URL says more about its purpose. Host names have no quotes or brackets.
_HOST = r"(?P<host>\[[0-9a-fA-F:.%\w]+\]|[^\s\"'/:\[\]\\<>,;()]+)"
_URL = patterns.compiled(
    rf"(?P<scheme>https?|wss?)://{_HOST}(?::(?P<port>\d{{1,5}}))?(?P<path>/[^\s\"'\\?]*)?"
)
_DIALS = (
    patterns.compiled(rf"dial(?:ing|ed)? (?:tcp|udp)?[46]?:? ?{_HOST}:(?P<port>\d{{1,5}})"),
    patterns.compiled(r"listen (?:tcp|udp)[46]? (?P<host>\S*?):(?P<port>\d{1,5})"),
    patterns.compiled(rf"(?:read|write) tcp \S+->{_HOST}:(?P<port>\d{{1,5}})"),
    patterns.compiled(rf"connect to {_HOST}:? port (?P<port>\d{{1,5}})", patterns.IGNORECASE),
    patterns.compiled(r"\b(?P<host>\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-fA-F:]+\]|localhost):(?P<port>\d{2,5})\b"),
)
_LOOKUP = patterns.compiled(r"lookup (?P<host>[^\s:]+)")
_PORT = patterns.compiled(
    r"\bports? (?P<port>\d{2,5})\b|(?<![\d.:])(?P<bare>100(?:0[0-4])|10250|103[5-9]\d|10550)(?![\d.])"
)

# The paths that only one leg uses; NodePorts may have any number, paths are the same everywhere (facts.md §3.5, §3.7).
_PATHS = (
    (patterns.compiled(r"/v1/kubeedge/connect"), "tunnel"),
    (
        patterns.compiled(
            r"/(?:containerLogs|exec|attach|portForward|stats|run)/|/metrics/(?:resource|cadvisor)"
        ),
        "kubelet",
    ),
    (patterns.compiled(r"/healthz"), "edged"),
    (patterns.compiled(r"/(?:ca|edge)\.crt|/node/"), "issue"),
    (patterns.compiled(r"/events\b"), "hub"),
    (patterns.compiled(r"/v2/"), "registry"),
    (patterns.compiled(r"/apis/metrics\.k8s\.io"), "metrics-api"),
)
# What a text is about when it names no address: the words people and kubectl use.
_WORDS = (
    (patterns.compiled(r"metrics-server", patterns.IGNORECASE), "scrape"),
    (patterns.compiled(r"metrics\.k8s\.io|metrics api", patterns.IGNORECASE), "metrics-api"),
    (patterns.compiled(r"edgestream|tunnel", patterns.IGNORECASE), "tunnel"),
    (
        patterns.compiled(
            r"edge\.crt|ca\.crt|certmanager\.go|certificate from (?:the )?cloudcore", patterns.IGNORECASE
        ),
        "issue",
    ),
    (patterns.compiled(r"\bwebsocket\b|cloudhub|\bedgehub\b", patterns.IGNORECASE), "hub"),
    (patterns.compiled(r"docker\.io|registry|\bimages?\b|pull", patterns.IGNORECASE), "registry"),
    (
        patterns.compiled(
            r"kubectl (?:logs?|exec|attach|top)|\b(?:logs?|exec|attach)\b|dialing backend",
            patterns.IGNORECASE,
        ),
        "kubelet",
    ),
    (patterns.compiled(r"\bjoin", patterns.IGNORECASE), "issue"),
)
_SCRAPED = patterns.compiled(r"metrics-server|fetch metrics|scrape|kubectl top", patterns.IGNORECASE)
_LOOPBACK_NAMES = ("localhost", "localhost.localdomain", "ip6-localhost")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What was dialled; each part may be missing."""

    host: str = ""
    port: int | None = None
    scheme: str = ""
    path: str = ""


@dataclass(frozen=True, slots=True)
class ErrorText:
    """A text in its parts; ``values`` are what patterns named, for sentences about it."""

    text: str
    line: LogLine
    speaker: str
    endpoint: Endpoint
    port: Port | None
    error: ErrorKind | None
    leg: Leg | None
    values: dict[str, str]


def take_apart(text: str, line: LogLine, table: Knowledge, *, leg: str = "", about: str = "") -> ErrorText:
    """The parts of one text.

    Args:
        text: the message without its wrapper.
        line: the log line it stands in.
        table: what is known.
        leg: the leg of the path that the message itself belongs to, if that is known.
        about: more text that tells what it is about when it names no address itself.
    """
    speaker = table.speaker(line.source if line.kind == "klog" else "", line.source, text)
    endpoint = _endpoint(text)
    port = table.port(endpoint.port)
    found = table.error_in(text)
    values = {name: value for name, value in found[1].groupdict().items() if value} if found else {}
    name = leg or _leg_name(text, endpoint, port, about)
    if name == "kubelet" and (speaker == "metrics-server" or _SCRAPED.search(text)):
        name = "scrape"
    if name == "registry" and endpoint.port and port and port.leg not in ("registry", ""):
        name = port.leg
    variant = port.variant if port else ""
    kind = found[0].kind if found else ""
    near = "loopback" if host_kind(endpoint.host) == "loopback" else ""
    where = table.leg(name, near, variant, kind=kind)
    return ErrorText(
        text,
        line,
        speaker,
        endpoint,
        port,
        found[0] if found else None,
        where or (table.leg("any") if found else None),
        values,
    )


def _leg_name(text: str, endpoint: Endpoint, port: Port | None, about: str) -> str:
    where = endpoint.path or text
    path = next((name for pattern, name in _PATHS if pattern.search(where)), "")
    if path == "kubelet" and host_kind(endpoint.host) == "loopback":
        return "edged"
    if path:
        return path
    if port is not None:
        return "edged" if port.leg == "kubelet" and host_kind(endpoint.host) == "loopback" else port.leg
    for words in (text, about):
        if name := next((name for pattern, name in _WORDS if words and pattern.search(words)), ""):
            return name
    return ""


def _endpoint(text: str) -> Endpoint:
    """What was dialled last: the address behind ``dial`` and the path of the URL, if both are there."""
    url = _URL.search(text)
    lookup = _LOOKUP.search(text)
    if lookup:  # what stands behind "on" is the DNS server that was asked
        return Endpoint(
            lookup["host"],
            _number(url["port"]) if url else None,
            url["scheme"] if url else "",
            (url["path"] or "") if url else "",
        )
    dial = next((found for pattern in _DIALS if (found := pattern.search(text))), None)
    scheme, path = (url["scheme"], url["path"] or "") if url else ("", "")
    for found in (dial, url):
        if found and found["port"]:
            return Endpoint(found["host"].strip("[]"), _number(found["port"]), scheme, path)
    bare = _PORT.search(text)
    host = url["host"].strip("[]") if url else ""
    return Endpoint(host, _number((bare["port"] or bare["bare"]) if bare else ""), scheme, path)


def _number(text: str | None) -> int | None:
    number = int(text) if text else 0
    return number if 0 < number < 65536 else None


def host_kind(host: str) -> str:
    """``loopback``, ``link-local``, ``private``, ``global`` or ``name``; nothing for nothing."""
    if not host:
        return ""
    address = _address(host)
    if address is None:
        return "loopback" if host.lower() in _LOOPBACK_NAMES else "name"
    for kind, holds in (
        ("loopback", address.is_loopback),
        ("link-local", address.is_link_local),
        ("private", address.is_private),
    ):
        if holds:
            return kind
    return "global"


def family_of(host: str) -> str:
    """``ipv4`` or ``ipv6``; nothing for a name."""
    address = _address(host)
    return f"ipv{address.version}" if address else ""


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
