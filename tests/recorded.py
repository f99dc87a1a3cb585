"""Recorded sites as sources: each host of ``recordings/<case>`` answers what was recorded there, and nothing else.

::

    case = RecordedCase("b-edgestream-disabled")
    case.hosts()                 # {"cloud": {"cloud"}, "edge1": {"edge"}}
    case.source("cloud")         # answers Host, Cluster, Wire and Clock of the cloud host

A request for something that was not recorded is answered with ``Unavailable(not recorded)``; nothing is guessed. What
had to be rebuilt, and from what, is said in :mod:`recorded_certificates` (certificates whose keys were withheld),
:mod:`recorded_wire` (probes) and :mod:`recorded_texts` (systemd's answers from a stand-in's). The clock of every host
is the latest moment that any of the case's logs or rule dumps names.

The recordings are not part of the project; ``KEDOCTOR_RECORDINGS`` names their folder. The bundles made from them
(``make_fixtures.py``) are.
"""

from __future__ import annotations

import base64
import json
import os
import re
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import recorded_texts as texts
from recorded_certificates import Described, Pki, descriptions
from recorded_cluster import RecordedCluster
from recorded_wire import HostOnWire, RecordedWire, SiteOnWire

from kedoctor.model.observations.apiserver import GetPath, ListObjects, ReviewAccess
from kedoctor.model.observations.files import File, FileMetadata, Files, FindFiles, ReadFile, StatFile
from kedoctor.model.observations.logs import LogText, ReadJournal, ReadPodLog
from kedoctor.model.observations.machine import Identity, Now, ReadClock, ReadIdentity
from kedoctor.model.observations.network import ListAddresses, ListSockets, Socket, Sockets
from kedoctor.model.observations.processes import ListProcesses
from kedoctor.model.observations.request import Reason, Request, Unavailable
from kedoctor.model.observations.tools import ReadLegacyTable, RunTool, ToolOutput
from kedoctor.model.observations.units import ReadUnit
from kedoctor.model.observations.wire import GetHttp, OpenTcp, OpenTls
from kedoctor.observe.memo import Observation
from kedoctor.observe.request_names import describe

__all__ = ["RecordedCase", "RecordedHost", "cases", "recordings"]

CONFIG = "/etc/kubeedge/config/edgecore.yaml"
ROOT_CA, CERTIFICATE, KEY = (
    f"/etc/kubeedge/{name}" for name in ("ca/rootCA.crt", "certs/server.crt", "certs/server.key")
)


def recordings() -> Path | None:
    """The folder of the recordings, or ``None`` where there is none."""
    named = os.environ.get("KEDOCTOR_RECORDINGS")
    folder = Path(named) if named else Path(__file__).parent.parent.parent / "shared" / "recordings"
    return folder if folder.is_dir() else None


def cases() -> list[str]:
    """The names of all recorded cases."""
    folder = recordings()
    return sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder else []


class RecordedCase:
    """One recorded site."""

    def __init__(self, name: str) -> None:
        folder = recordings()
        assert folder is not None, "there are no recordings here"
        self.name = name
        self.directory = folder / name
        self.exchanges = folder.parent / "recordings-api"

    def hosts(self) -> dict[str, set[str]]:
        """The hosts of which something was recorded, with their sides."""
        if not self.has("nodes.json"):  # a failed join: only the journal of the edge that tried
            return {self._joining(): {"edge"}}
        edges = {path.name.partition("-")[0] for path in self.directory.glob("edge*-ps.txt")}
        return {"cloud": {"cloud"}, **{edge: {"edge"} for edge in sorted(edges)}}

    def source(self, host: str) -> RecordedHost:
        """What that host answers."""
        return RecordedHost(self, host)

    def has(self, file: str) -> bool:
        return (self.directory / file).is_file()

    def text(self, file: str) -> str:
        """A recorded file, or nothing if there is none."""
        return (self.directory / file).read_text() if self.has(file) else ""

    def _joining(self) -> str:
        found = re.search(r"^\S+ +\d+ \S+ (\S+) systemd\[1\]:", self.text("edgecore.log"), re.MULTILINE)
        return found[1] if found else "edge"

    @cached_property
    def clock(self) -> datetime:
        """When it was recorded."""
        files = [*self.directory.glob("*.log"), *self.directory.glob("*iptables-save*")]
        latest = max(moment for file in files for moment in texts.stamps(file.read_text()))
        return latest.replace(microsecond=0) + timedelta(seconds=1)

    # ---------------------------------------------------------------------------------------- the site

    @cached_property
    def pki(self) -> Pki | None:
        """The site's certificates, made anew."""
        secrets = {name: data for name, data in self._secrets().items() if name != "cloudcore"}
        if "casecret" not in secrets:
            return None
        return Pki(secrets["casecret"]["cadata"], secrets["cloudcoresecret"]["cloudcoredata"])

    def _secrets(self) -> dict[str, dict[str, bytes]]:
        if not self.has("kubeedge-secrets.json"):
            return {}
        items = json.loads(self.text("kubeedge-secrets.json"))["items"]
        return {
            one["metadata"]["name"]: {k: base64.b64decode(v) for k, v in one["data"].items()} for one in items
        }

    @cached_property
    def nodes(self) -> dict[str, dict[str, Any]]:
        """The recorded Nodes by name."""
        items = json.loads(self.text("nodes.json"))["items"] if self.has("nodes.json") else []
        return {one["metadata"]["name"]: one for one in items}

    def address(self, node: str) -> str:
        """The internal address of a node."""
        listed = self.nodes[node]["status"]["addresses"]
        return next(str(one["address"]) for one in listed if one["type"] == "InternalIP")

    def sockets(self, host: str) -> list[Socket]:
        """Listening and connected sockets of a host."""
        return texts.sockets(self.text(f"{host}-ss-tlnpH.txt")) + texts.sockets(
            self.text(f"{host}-ss-tnpH.txt")
        )

    @cached_property
    def site(self) -> SiteOnWire | None:
        """What decides the answers to probes; ``None`` where too little was recorded."""
        if self.pki is None:
            return None
        edges = [name for name in self.nodes if name != "cloud"]
        return SiteOnWire(
            cloud=HostOnWire("cloud", self.address("cloud"), self.sockets("cloud")),
            edges=[HostOnWire(name, self.address(name), self.sockets(name)) for name in edges],
            rules=[self.text(f"cloud-iptables-save-{backend}.txt") for backend in ("legacy", "nft")],
            kubectl=self.text("kubectl.txt"),
            cloudcore_log=self.text("cloudcore.log"),
            clock=self.clock,
            stream_certificate=_der(self._secrets()["cloudcore"]["stream.crt"]),
            cloudcore_certificate=self.pki.cloudcore,
            ca=self.pki.ca,
            ports={
                name: self.nodes[name]["status"]["daemonEndpoints"]["kubeletEndpoint"]["Port"]
                for name in edges
            },
            exchanges=self.exchanges,
        )


class RecordedHost:
    """A source: everything that can be asked of one recorded host, with the time of the recording."""

    def __init__(self, case: RecordedCase, name: str) -> None:
        self._case = case
        self._name = name
        site = case.site
        me = None
        if site is not None:
            me = site.cloud if name == "cloud" else site.edge_named(name)
        self._wire = RecordedWire(site, me) if site is not None and me is not None else None
        self._cluster = (
            RecordedCluster(case.directory, case.clock, case.pki, self._wire.node_proxy)
            if name == "cloud" and self._wire is not None
            else None
        )

    def observation(self, request: Request) -> Observation:
        """The answer, read at the time of the recording."""
        return Observation(request, self.observe(request), self._case.clock, 0)

    def observe(self, request: Request) -> Any:
        """The recorded answer, or that it was not recorded."""
        match request:
            case ReadFile() | StatFile() | FindFiles():
                return self._of_files(request)
            case ListObjects() | GetPath() | ReadPodLog() | ReviewAccess():
                if self._cluster is None:
                    return Unavailable(Reason.NOT_CONFIGURED, describe(request), "no kubeconfig on this host")
                return self._cluster.observe(request)
            case OpenTcp() | OpenTls() | GetHttp():
                return self._wire.observe(request) if self._wire else self._missing(request)
            case ReadUnit() | ReadJournal():
                return self._of_systemd(request)
            case RunTool() | ReadLegacyTable():
                return self._of_tools(request)
        return self._of_machine(request)

    def _missing(self, request: Request) -> Unavailable:
        return Unavailable(Reason.NOT_RECORDED, describe(request), "it was not recorded")

    # ------------------------------------------------------------------------------------- the machine

    def _of_machine(self, request: Request) -> Any:
        text = self._case.text
        match request:
            case ReadClock():
                return Now(self._case.clock)
            case ListProcesses() if self._has("ps"):
                return texts.processes(text(f"{self._name}-ps.txt"))
            case ListSockets() if self._has("ss-tlnpH"):
                return Sockets(tuple(self._case.sockets(self._name)))
            case ListAddresses() if self._has("ip-addr"):
                return texts.addresses(text(f"{self._name}-ip-addr.txt"), text(f"{self._name}-ip-route.txt"))
            case ReadIdentity():
                return self._identity()
        return self._missing(request)

    def _has(self, what: str) -> bool:
        return self._case.has(f"{self._name}-{what}.txt")

    def _identity(self) -> Identity:
        node = self._case.nodes.get(self._name)
        info = node["status"]["nodeInfo"] if node else {}
        machine = {"amd64": "x86_64"}.get(info.get("architecture", ""), "")
        return Identity(self._name, machine, info.get("kernelVersion", ""), info.get("bootID", ""), 0)

    # ---------------------------------------------------------------------------------------- systemd

    def _of_systemd(self, request: ReadUnit | ReadJournal) -> Any:
        status = self._case.text(f"{self._name}-systemctl-status.txt") or self._case.text(
            "systemctl-status.txt"
        )
        if self._name == "cloud" and self._case.site is not None:
            detail = "this machine does not run systemd, or it does not answer"
            return Unavailable(Reason.ERROR, describe(request), detail)
        log = self._case.text("edgecore.log") if self._name in ("edge1", self._case._joining()) else ""
        match request:
            case ReadUnit(name="edgecore.service") if status:
                return texts.unit(status, log)
            case ReadJournal(unit="edgecore.service", lines=lines) if status:
                return texts.journal(log, self._name, lines)
        return self._missing(request)

    # ------------------------------------------------------------------------------------------ tools

    def _of_tools(self, request: RunTool | ReadLegacyTable) -> Any:
        if not self._has("iptables-save-nft"):
            return self._missing(request)
        legacy = self._case.text(f"{self._name}-iptables-save-legacy.txt")
        nft = self._case.text(f"{self._name}-iptables-save-nft.txt")
        match request:
            case ReadLegacyTable(table=table):
                kept = _table(legacy, table)
                return (
                    LogText(kept) if kept else Unavailable(Reason.ABSENT, describe(request), "no such table")
                )
            case RunTool(tool="iptables-legacy-save", arguments=arguments):
                return _printed(request, _tables(legacy, arguments))
            case RunTool(tool="iptables-nft-save" | "iptables-save", arguments=arguments):
                return _printed(request, _tables(nft, arguments))
            case RunTool(tool="iptables", arguments=("--version",) | ("-V",)):
                version = re.search(r"v[\d.]+ \(nf_tables\)", nft)
                return _printed(request, f"iptables {version[0]}\n") if version else self._missing(request)
        return self._missing(request)

    # ------------------------------------------------------------------------------------------ files

    def _of_files(self, request: ReadFile | StatFile | FindFiles) -> Any:
        if isinstance(request, ReadFile) and request.path == "/proc/net/ip_tables_names":
            return self._legacy_tables(request)
        listing = self._listing
        if not listing or isinstance(request, FindFiles):
            return (
                self._found(request) if isinstance(request, FindFiles) and listing else self._missing(request)
            )
        metadata = listing.get(request.path)
        if metadata is None:
            inside = request.path.startswith("/etc/kubeedge/")
            absent = Unavailable(Reason.ABSENT, describe(request), "it does not exist")
            return absent if inside else self._missing(request)
        if isinstance(request, StatFile):
            return metadata
        return self._read(request, metadata)

    @cached_property
    def _listing(self) -> dict[str, FileMetadata]:
        listed = texts.directory_listing(self._case.text(f"{self._name}-certs.txt"))
        for path in (CONFIG, ROOT_CA, CERTIFICATE, KEY):
            if path in listed and (data := self._content(path)) is not None:
                seen = listed[path]
                listed[path] = FileMetadata(path, seen.kind, seen.mode, 0, 0, len(data), seen.modified)
        return listed

    @cached_property
    def _described(self) -> dict[str, Described]:
        return descriptions(self._case.text(f"{self._name}-certs.txt").partition("/etc/kubeedge:\n")[0])

    def _content(self, path: str) -> bytes | None:
        pki = self._case.pki
        if path == CONFIG and self._name == "edge1":
            return self._case.text("edgecore.yaml").encode() or None
        if pki is None or path not in (*self._described, KEY):
            return None
        if path == ROOT_CA:
            return pki.root_ca(self._described[path])
        return (
            pki.edge_key(self._name)
            if path == KEY
            else pki.edge_certificate(self._name, self._described[path])
        )

    def _read(self, request: ReadFile, metadata: FileMetadata) -> File | Unavailable:
        data = self._content(request.path)
        if data is None:
            return self._missing(request)
        kept = data[-request.limit :] if request.from_end else data[: request.limit]
        return File(metadata, kept, truncated=len(kept) < len(data))

    def _found(self, request: FindFiles) -> Any:
        if not request.pattern.startswith("/etc/kubeedge/"):
            return self._missing(request)
        pattern = re.compile(re.escape(request.pattern).replace(r"\*", "[^/]*").replace(r"\?", "[^/]"))
        found = [entry for path, entry in sorted(self._listing.items()) if pattern.fullmatch(path)]
        return Files(tuple(found[: request.limit]), truncated=len(found) > request.limit)

    def _legacy_tables(self, request: ReadFile) -> Any:
        """``iptables-legacy-save`` prints the tables that this file names, and no other."""
        if not self._has("iptables-save-legacy"):
            return self._missing(request)
        names = re.findall(
            r"^\*(\w+)$", self._case.text(f"{self._name}-iptables-save-legacy.txt"), re.MULTILINE
        )
        metadata = FileMetadata(request.path, "file", 0o440, 0, 0, 0, self._case.clock)
        return File(metadata, "".join(f"{name}\n" for name in names).encode())


def _der(pem: bytes) -> bytes:
    return base64.b64decode(b"".join(pem.splitlines()[1:-1]))


def _table(saved: str, name: str) -> str:
    found = re.search(
        rf"^# Generated by [^\n]*\n\*{name}\n.*?^COMMIT\n(?:# Completed[^\n]*\n)?",
        saved,
        re.MULTILINE | re.DOTALL,
    )
    return found[0] if found else ""


def _tables(saved: str, arguments: tuple[str, ...]) -> str:
    wanted = re.search(r"-t (\w+)", " ".join(arguments))
    return _table(saved, wanted[1]) if wanted else saved


def _printed(request: RunTool, text: str) -> ToolOutput:
    """What a tool printed; the recordings keep its standard error behind ``[stderr]``."""
    stdout, _, stderr = text.partition("[stderr] ")
    return ToolOutput((f"/usr/sbin/{request.tool}", *request.arguments), 0, stdout, stderr)
