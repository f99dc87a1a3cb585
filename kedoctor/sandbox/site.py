"""A whole recorded site in a sandbox: opened from bundles, looked at and repaired by the real code, and removed."""

from __future__ import annotations

import hashlib
import itertools
import os
import shutil
import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from kedoctor.base.errors import ChangeError, UsageError
from kedoctor.changes.actor import Actors
from kedoctor.changes.actors import built_in
from kedoctor.changes.actors.registry import api_of
from kedoctor.changes.journal import Journal
from kedoctor.changes.signals import deferred
from kedoctor.evidence.replay import ReplaySource, open_bundle
from kedoctor.judge.fact_evaluation import HostView, SiteView
from kedoctor.model.actors import ActionKind, Workplace
from kedoctor.model.declarations import RedactionRule, Side
from kedoctor.model.fake_services import FakeService, SandboxState, StateChange
from kedoctor.model.observations.apiserver import ListObjects
from kedoctor.model.observations.processes import Processes
from kedoctor.model.observations.request import Unavailable
from kedoctor.model.observations.units import ReadUnit, Unit
from kedoctor.model.ports import Cluster, Host, Wire
from kedoctor.observe.live.cluster import LiveCluster
from kedoctor.observe.memo import MemoSource
from kedoctor.run.site import SiteSession
from kedoctor.sandbox.directories import make_sandbox_directory
from kedoctor.sandbox.objects import add_lines, start_server, write
from kedoctor.sandbox.source import SandboxClock, SandboxHost
from kedoctor.sandbox.units import UnitRunner

__all__ = ["Sandbox"]

CALM = 0.2
"""Seconds for which a stand-in has to stay up; the real services need longer to show that they die."""


class Sandbox:
    """A site that can be changed without touching anything; a context manager, gone when it is left.

    ``directory`` holds all of it (files of each host, the kubeconfig, the journal), readable by its owner only.
    Repairs act on ``acting``, the host whose unit has a stand-in; only what runs there can be restarted.

    Raises:
        BundleError: a bundle cannot be read.
        UsageError: no stand-in fits any host of the site.
    """

    def __init__(
        self,
        bundles: Sequence[Path],
        standins: Iterable[FakeService],
        kinds: Sequence[ActionKind] | None = None,
    ) -> None:
        self._kinds = built_in() if kinds is None else kinds
        self._cleanup = ExitStack()
        self._recorded = [ReplaySource(open_bundle(path)) for path in bundles]
        self.acting, self.standin = _place(self._recorded, standins)

    def __enter__(self) -> Self:
        try:
            with deferred() as stop:
                self._open(self._recorded)
            if stop.received is not None:
                raise KeyboardInterrupt  # noqa: TRY301  what was opened is closed as after any other failure
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self.close() is not None and kind is None:
            raise KeyboardInterrupt

    def close(self) -> int | None:
        """Stops the API server and removes everything; a signal waits until that is done, and is given back."""
        with deferred() as stop:
            self._cleanup.close()
        return stop.received

    def _open(self, recorded: Sequence[ReplaySource]) -> None:
        self.directory, lock = make_sandbox_directory()
        self._cleanup.callback(os.close, lock)
        self._cleanup.callback(shutil.rmtree, self.directory, ignore_errors=True)
        self._clock = SandboxClock(min(one.manifest.created for one in recorded), time.time())
        self._pids = itertools.count(1 + max(map(_highest_pid, recorded), default=0))
        informed = next((one for one in recorded if _knows_cluster(one)), recorded[0])
        self._server, self.kubeconfig = start_server(informed, self.directory)
        self._cleanup.callback(self._server.stop)
        self._server.date_offset = self._clock.offset
        self._hosts = {one.manifest.host: self._host(one, informed) for one in recorded}
        self._informed = informed.manifest.host
        if self.standin.furnish is not None:
            self._play(self.standin.furnish(self._stage(starts=True)))

    def _host(self, recorded: ReplaySource, informed: ReplaySource) -> SandboxHost:
        root = self.directory / "hosts" / recorded.manifest.host
        root.mkdir(parents=True)
        cluster = LiveCluster(str(self.kubeconfig)) if recorded is informed else None
        return SandboxHost(recorded, root=str(root), clock=self._clock, cluster=cluster)

    # ---------------------------------------------------------------------------------------- looking

    @property
    def names(self) -> tuple[str, ...]:
        """The hosts of the site."""
        return tuple(self._hosts)

    @property
    def url(self) -> str:
        """Where its API server listens."""
        return self._server.url

    @property
    def journal(self) -> Journal:
        """The sandbox's own journal of changes."""
        return Journal(self.directory / "state" / "journal", self._kinds)

    def site(self) -> SiteSession:
        """The site as it is now; nothing of what was read before is remembered."""
        memos = {name: MemoSource(host, now=self._clock.now) for name, host in self._hosts.items()}
        views = tuple(
            HostView(
                name,
                frozenset(map(Side, host.recorded.manifest.sides)),
                memos[name],
                origin="sandbox",
                observed=self._clock.now(),
            )
            for name, host in self._hosts.items()
        )
        return SiteSession(SiteView(views, memos[self._informed]), memos)

    def files(self) -> dict[str, str]:
        """What every file of every host is, by place: a digest of its bytes, its mode and its owner."""
        found = {}
        base = self.directory / "hosts"
        for place in sorted(base.rglob("*")):
            if place.is_file():
                facts = place.stat()
                digest = hashlib.sha256(place.read_bytes()).hexdigest()
                name = str(place.relative_to(base))
                found[name] = f"{digest} {facts.st_mode:o} {facts.st_uid}:{facts.st_gid}"
        return found

    # ---------------------------------------------------------------------------------------- changing

    def actors(self, redactions: Sequence[RedactionRule] = ()) -> Actors:
        """The real actors, on the sandbox's files and API; of systemd only the words that are said to it are real.

        There is none for NAT rules: they are the kernel's, not the sandbox's.
        """
        host = self._hosts[self.acting]
        client = api_of(LiveCluster(str(self.kubeconfig)))
        if client is None:
            raise ChangeError("the API server of the sandbox does not answer")
        place = Workplace(
            run=UnitRunner(host, {self.standin.unit: self._control}),
            root=host.root,
            api=lambda: client,
            redactions=redactions,
            calm=CALM,
            patience=5.0,
        )
        return Actors.at(place, self._kinds)

    def _control(self, starts: bool) -> None:
        """The stand-in starts or stops, and what that changes is seen from now on."""
        self._play(self.standin.play(self._stage(starts=starts)))

    def _stage(self, *, starts: bool) -> SandboxState:
        return SandboxState(
            host=self.acting,
            starts=starts,
            hosts={name: Host(host) for name, host in self._hosts.items()},
            wires={name: Wire(host) for name, host in self._hosts.items()},
            cluster=Cluster(self._hosts[self._informed]),
            now=self._clock.now(),
            pid=next(self._pids),
        )

    def _play(self, scene: StateChange) -> None:
        for name, part in scene.hosts.items():
            self._hosts[name].play(part)
        self._hosts[self._informed].whole.update(scene.whole)
        for wanted in scene.writes:
            write(self._server, wanted)
        for lines in scene.logs:
            add_lines(self._server, lines)


def _place(recorded: Sequence[ReplaySource], standins: Iterable[FakeService]) -> tuple[str, FakeService]:
    for standin in standins:
        for one in recorded:
            unit = one.observe(ReadUnit(standin.unit))
            if isinstance(unit, Unit) and unit.load_state == "loaded":
                return one.manifest.host, standin
    raise UsageError(
        "this recorded site cannot be repaired in a sandbox: nothing can stand in for its services"
    )


def _knows_cluster(recorded: ReplaySource) -> bool:
    return any(
        isinstance(request, ListObjects) and not isinstance(answer, Unavailable)
        for request, answer in recorded.entries()
    )


def _highest_pid(recorded: ReplaySource) -> int:
    answers = (answer for _, answer in recorded.entries())
    return max((p.pid for one in answers if isinstance(one, Processes) for p in one.items), default=0)
