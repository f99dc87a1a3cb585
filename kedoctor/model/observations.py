"""Raw reads of the world: what can be asked, and what the answers look like.

A :class:`Request` says what to read; a :class:`Source` answers it, live or from a bundle. Requests and answers
are records, so every read can be memoised, recorded and replayed by one mechanism. A read that could not be
made is answered with :class:`Unavailable`, never with an exception.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from kedoctor.base.records import Record
from kedoctor.model.offline_bundle import OfflineBundle

__all__ = [
    "AccessReview",
    "Addresses",
    "ApiAnswer",
    "AttachToPod",
    "Connection",
    "ExecInPod",
    "File",
    "FileMetadata",
    "Files",
    "FindFiles",
    "FollowPodLog",
    "GetHttp",
    "GetPath",
    "HttpAnswer",
    "Identity",
    "InterfaceAddress",
    "ListAddresses",
    "ListObjects",
    "ListProcesses",
    "ListSockets",
    "LogText",
    "Now",
    "OfflineBundle",
    "OpenTcp",
    "OpenTls",
    "Process",
    "Processes",
    "ReadClock",
    "ReadFile",
    "ReadIdentity",
    "ReadJournal",
    "ReadLegacyTable",
    "ReadOfflineBundle",
    "ReadPodLog",
    "ReadResources",
    "ReadSetting",
    "ReadUnit",
    "Reason",
    "Request",
    "Resources",
    "ReviewAccess",
    "RunTool",
    "Setting",
    "Socket",
    "Sockets",
    "Source",
    "StatFile",
    "StreamedAnswer",
    "TlsPeer",
    "ToolOutput",
    "Unavailable",
    "Unit",
]


class Reason(StrEnum):
    """Why an observation could not be made."""

    ABSENT = "absent"  # it does not exist (file, unit, object, API group)
    PERMISSION = "permission"  # the operating system refuses this user
    UNAUTHORIZED = "unauthorized"  # 401: the API does not accept these credentials
    FORBIDDEN = "forbidden"  # 403: the API knows the user and refuses
    NOT_CONFIGURED = "not-configured"  # no kubeconfig, so there is nothing to ask
    NOT_GIVEN = "not-given"  # a setting that nobody named on the command line
    TIMEOUT = "timeout"  # no answer within the deadline
    REFUSED = "refused"  # connection refused
    UNREACHABLE = "unreachable"  # no route, name not found, connection reset
    UNTRUSTED = "untrusted"  # TLS: the API server's certificate is not accepted
    THROTTLED = "throttled"  # 429 for longer than we wait
    GONE = "gone"  # 410: the list expired and did so again
    SERVER_ERROR = "server-error"  # 5xx
    TOOL_MISSING = "tool-missing"  # the program is not installed
    TOOL_FAILED = "tool-failed"  # the program ran and refused
    ABANDONED = "abandoned"  # a child in uninterruptible sleep was left behind
    TOO_LARGE = "too-large"
    INVALID = "invalid"  # it is there and cannot be understood
    WITHHELD = "withheld"  # it was read, and could not be redacted safely
    NOT_RECORDED = "not-recorded"  # the evidence does not contain it
    NOT_ALLOWED = "not-allowed"  # not on the list of what may be collected
    ERROR = "error"  # anything else, described in detail


class Unavailable(Record, frozen=True):
    """An observation or fact that could not be had: ``what`` was asked for and why not, in words."""

    reason: Reason
    what: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.what}: {self.detail or self.reason.value}"


class Request(Record, frozen=True, tag_field="ask", tag=True):
    """A question to the world; equal questions are asked once per run."""


class Source(Protocol):
    """Answers requests, live or from a bundle; safe to call from several threads."""

    def observe(self, request: Request) -> Any:
        """The answer that belongs to ``request`` (see its docstring), or :class:`Unavailable`."""


# ------------------------------------------------------------------------------------------ Host: files


class ReadFile(Request, frozen=True):
    """Asks for a :class:`File`: at most ``limit`` bytes, from the end if ``from_end``."""

    path: str
    limit: int = 1 << 20
    from_end: bool = False


class StatFile(Request, frozen=True):
    """Asks for the :class:`FileMetadata` of ``path`` itself (links are not followed)."""

    path: str


class FindFiles(Request, frozen=True):
    """Asks for :class:`Files`: everything that matches an absolute glob ``pattern``, at most ``limit``."""

    pattern: str
    limit: int = 500


class FileMetadata(Record, frozen=True):
    """What the file system says of a path; ``mode`` holds permission bits only, times are aware UTC."""

    path: str
    kind: str  # file, directory, link, socket, fifo, device
    mode: int
    uid: int
    gid: int
    size: int
    modified: datetime
    link_target: str = ""


class File(Record, frozen=True):
    """A file's bytes (all of them unless ``truncated``) and metadata of what the path leads to."""

    metadata: FileMetadata
    data: bytes
    truncated: bool = False

    def text(self) -> str:
        """The bytes as UTF-8; what is not UTF-8 becomes U+FFFD."""
        return self.data.decode("utf-8", errors="replace")


class Files(Record, frozen=True):
    """Matches of a glob, sorted by path."""

    entries: tuple[FileMetadata, ...]
    truncated: bool = False


# ------------------------------------------------------------------ Host: processes, sockets, the machine


class ListProcesses(Request, frozen=True):
    """Asks for :class:`Processes`."""


class Process(Record, frozen=True):
    """One process; ``started`` is aware UTC, ``rss`` in bytes, both ``None`` where not to be had."""

    pid: int
    ppid: int
    name: str
    argv: tuple[str, ...]
    uid: int | None = None
    started: datetime | None = None
    rss: int | None = None


class Processes(Record, frozen=True):
    """The processes that share the host's network; those of pods and of machines within it are not among them."""

    items: tuple[Process, ...]


class ListSockets(Request, frozen=True):
    """Asks for :class:`Sockets`."""


class Socket(Record, frozen=True):
    """One TCP socket; ``state`` as the kernel names it (``LISTEN``, ``ESTABLISHED``, ``SYN_SENT`` …).

    Addresses are without brackets, IPv4-mapped ones as IPv4. ``process`` is empty when the owner is not visible.
    """

    local_address: str
    local_port: int
    remote_address: str
    remote_port: int
    state: str
    pid: int | None = None
    process: str = ""


class Sockets(Record, frozen=True):
    """All TCP sockets of the host; ``owners_complete`` is false when some owners were not visible."""

    items: tuple[Socket, ...]
    owners_complete: bool = True


class ListAddresses(Request, frozen=True):
    """Asks for :class:`Addresses`."""


class InterfaceAddress(Record, frozen=True):
    """An address of an interface, with its prefix length."""

    interface: str
    address: str
    prefix: int


class Addresses(Record, frozen=True):
    """All addresses of all interfaces, and the interface and gateway of the IPv4 default route (or empty)."""

    items: tuple[InterfaceAddress, ...]
    default_interface: str = ""
    default_gateway: str = ""


class ReadResources(Request, frozen=True):
    """Asks for :class:`Resources`, the disk being the one that holds ``path``."""

    path: str = "/"


class Resources(Record, frozen=True):
    """What the machine has; memory and disk in bytes."""

    cpus: int
    memory_total: int
    memory_available: int
    disk_total: int
    disk_available: int


class ReadIdentity(Request, frozen=True):
    """Asks for :class:`Identity`."""


class Identity(Record, frozen=True):
    """Which machine this is and as whom we look; ``machine`` as ``uname -m`` gives it."""

    hostname: str
    machine: str
    kernel: str
    boot_id: str
    uid: int
    booted: datetime | None = None


# --------------------------------------------------------------------------- Host: units, journal, tools


class ReadUnit(Request, frozen=True):
    """Asks for the systemd :class:`Unit` of that full name (``edgecore.service``)."""

    name: str


class Unit(Record, frozen=True):
    """A systemd unit as ``systemctl show`` gives it; empty strings where systemd says nothing."""

    name: str
    load_state: str  # loaded, not-found, masked …
    active_state: str  # active, activating, failed, inactive …
    sub_state: str
    unit_file_state: str = ""  # enabled, disabled, static …
    restarts: int = 0
    main_pid: int = 0
    started: datetime | None = None
    result: str = ""
    exit_status: int | None = None
    fragment_path: str = ""
    exec_start: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()
    environment_files: tuple[str, ...] = ()


class ReadJournal(Request, frozen=True):
    """Asks for the last ``lines`` lines of a unit's journal as :class:`LogText` (short-iso-precise)."""

    unit: str
    lines: int = 2000


class LogText(Record, frozen=True):
    """Log lines, oldest first; ``truncated`` when older ones were left out."""

    text: str
    truncated: bool = False


class RunTool(Request, frozen=True):
    """Asks for the :class:`ToolOutput` of a read-only program; ``tool`` is a name, found in the system's paths."""

    tool: str
    arguments: tuple[str, ...] = ()
    timeout: float = 10.0


class ToolOutput(Record, frozen=True):
    """What a program printed (capped) and returned; ``argv[0]`` is its absolute path."""

    argv: tuple[str, ...]
    exit_code: int
    stdout: str
    stderr: str
    truncated: bool = False


class ReadLegacyTable(Request, frozen=True):
    """Asks for a legacy (xtables) table as :class:`LogText` in ``iptables-save`` syntax, read without iptables.

    For hosts whose ``iptables-legacy-save`` is missing. ``Unavailable(absent)`` when the kernel holds no such
    table: it is then never opened, because opening a legacy table creates it.
    """

    table: str = "nat"


class ReadOfflineBundle(Request, frozen=True):
    """Asks for the :class:`OfflineBundle` in a directory or tar; with ``sums`` every byte of it is read.

    ``Unavailable(absent)`` when nothing is there, ``invalid`` when it is not an offline bundle or cannot be read to its end.
    """

    path: str
    sums: bool = True
    timeout: float = 300.0


# ----------------------------------------------------------------------------------------- Host: settings


class ReadSetting(Request, frozen=True):
    """Asks for the :class:`Setting` of that name: what the command line says about this host, not the host itself.

    ``Unavailable(not-given)`` when it says nothing. Settings are never recorded.
    """

    name: str


class Setting(Record, frozen=True):
    """What a person gave for one parameter of an install; the value of a ``secret`` one is shown nowhere."""

    value: str
    secret: bool = False

    def __repr__(self) -> str:
        return f"Setting({'…' if self.secret else self.value!r})"


# ------------------------------------------------------------------------------------------------ Cluster


class ListObjects(Request, frozen=True):
    """Asks for all objects of a :class:`kedoctor.model.objects.Object` kind, as a list of that kind."""

    kind: str
    namespace: str = ""
    label_selector: str = ""
    field_selector: str = ""


class GetPath(Request, frozen=True):
    """Asks the API server for a raw path and gets :class:`ApiAnswer`, whatever the status below 500."""

    path: str
    accept: str = "application/json"
    timeout: float = 10.0


class ApiAnswer(Record, frozen=True):
    """An answer of the API server: status, its ``Date`` (aware UTC) and body (capped)."""

    status: int
    body: bytes
    date: datetime | None = None
    content_type: str = ""


class ReadPodLog(Request, frozen=True):
    """Asks for the last ``lines`` log lines of a container as :class:`LogText`."""

    namespace: str
    pod: str
    container: str = ""
    lines: int = 500
    previous: bool = False


class FollowPodLog(Request, frozen=True):
    """Asks for a container's log exactly as ``kubectl logs`` does, as :class:`StreamedAnswer`.

    Unlike :class:`ReadPodLog` it wants to know what the path to the container answers, not what the log says.
    """

    namespace: str
    pod: str
    container: str = ""
    lines: int = 20
    timeout: float = 10.0


class ExecInPod(Request, frozen=True):
    """Asks what one command in a container writes and returns, as :class:`StreamedAnswer`; no input, no terminal."""

    namespace: str
    pod: str
    command: tuple[str, ...]
    container: str = ""
    timeout: float = 10.0


class AttachToPod(Request, frozen=True):
    """Asks what a container writes from now on, as :class:`StreamedAnswer`.

    It ends when ``until`` was seen (empty: with the first output), at the deadline or after ``limit`` bytes.
    """

    namespace: str
    pod: str
    container: str = ""
    until: str = ""
    timeout: float = 10.0
    limit: int = 1 << 16


class StreamedAnswer(Record, frozen=True):
    """What came back over the path to a container, whatever it was; a status of 200 or 101 proves nothing.

    ``status`` is HTTP's (101: the stream was opened). ``exit_code`` is a command's, ``None`` where none came.
    ``reason`` is the message of the API server's Status or of the stream's end; without ``complete`` it is
    ``deadline`` or ``unexpected end``: what came before is in ``out`` (and ``err``). ``took`` is in seconds.
    """

    status: int
    out: bytes
    err: bytes = b""
    exit_code: int | None = None
    reason: str = ""
    complete: bool = True
    took: float = 0.0


class ReviewAccess(Request, frozen=True):
    """Asks whether the current user (or ``user``) may do ``verb``, as :class:`AccessReview`."""

    verb: str
    resource: str
    group: str = ""
    subresource: str = ""
    namespace: str = ""
    user: str = ""


class AccessReview(Record, frozen=True):
    """What the API server's authorizers say."""

    allowed: bool
    reason: str = ""


# --------------------------------------------------------------------------------------------------- Wire


class OpenTcp(Request, frozen=True):
    """Asks for a :class:`Connection` to ``host:port``, closed at once."""

    host: str
    port: int
    timeout: float = 5.0


class Connection(Record, frozen=True):
    """A TCP connection that was made: the address reached and the seconds it took."""

    address: str
    took: float


class OpenTls(Request, frozen=True):
    """Asks for the :class:`TlsPeer` behind ``host:port``; its certificate is looked at, not verified."""

    host: str
    port: int
    server_name: str = ""
    timeout: float = 5.0


class TlsPeer(Record, frozen=True):
    """A TLS server: its certificates (DER, leaf first) and, if it ended the handshake, its alert in words.

    ``alert`` is e.g. ``certificate required`` when the server wants a client certificate.
    """

    certificates: tuple[bytes, ...]
    version: str = ""
    alert: str = ""


class GetHttp(Request, frozen=True):
    """Asks for the :class:`HttpAnswer` to one GET. TLS is not verified; upgrades are never requested.

    ``host_header`` replaces the Host header (empty: as in the URL).
    """

    url: str
    host_header: str = ""
    accept: str = "*/*"
    timeout: float = 10.0
    limit: int = 1 << 18


class HttpAnswer(Record, frozen=True):
    """An HTTP answer: status, ``Date``, body (at most ``limit`` bytes), and the TLS leaf (DER) if any."""

    status: int
    body: bytes
    date: datetime | None = None
    certificate: bytes = b""
    complete: bool = True


# -------------------------------------------------------------------------------------------------- Clock


class ReadClock(Request, frozen=True):
    """Asks for :class:`Now`."""


class Now(Record, frozen=True):
    """The host's own idea of the time, aware UTC; it may be wrong."""

    time: datetime
