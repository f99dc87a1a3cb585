"""A gate from its first namespace to its last: makes test pods, looks until all is right or time is over, clears away.

Nothing that goes wrong in between leaves pods behind: an interrupt, a lost API server and a crash all end in
:meth:`Gate.run`'s removal, which has a deadline of its own and says what it could not remove.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from kedoctor.base.errors import ChangeError, ExitCode, KubeconfigError
from kedoctor.base.records import replace
from kedoctor.base.text import Text
from kedoctor.changes.actors.objects import ObjectClient
from kedoctor.gate.namespace import GateNamespace, Owner
from kedoctor.gate.pod_source import GateSource, Proofs
from kedoctor.gate.pods import Pods
from kedoctor.gate.signals import Interruption
from kedoctor.judge.fact_evaluation import FactCrashError, SiteView, contexts
from kedoctor.judge.scheduler import RUN_DEADLINE
from kedoctor.model.actors import RefusedError
from kedoctor.model.gate import GatePod, GateRecipe
from kedoctor.model.observations.request import Unavailable
from kedoctor.model.report import SafeReport
from kedoctor.observe.live.cluster import LiveCluster
from kedoctor.observe.memo import MemoSource
from kedoctor.plugins import Plugins
from kedoctor.redaction.documents import DocumentRedactor
from kedoctor.run.diagnose import RunRequest
from kedoctor.run.site import SiteSession
from kedoctor.run.wait import PAUSE, Watcher, wait_until_right

__all__ = ["Gate", "GatePrompter", "GateRequest", "GateResult"]

_START = 60.0  # seconds that pods have to start before the first look
_UNTOUCHED = 20.0  # … and that a node has to say anything of its pod
_REMOVAL = 60.0
_SPARE = 1800  # seconds that a gate may take beside its waiting before its pods count as left behind
_REQUEST = 10.0


class GatePrompter(Watcher, Protocol):
    """Who watches the gate."""

    def say(self, sentence: Text) -> None:
        """Tells once."""

    def doing(self, sentence: Text) -> None:
        """Tells what is being done now; told again only when it changes."""


@dataclass(frozen=True, slots=True)
class GateRequest:
    """What is wanted: ``wait`` seconds of patience, and the image of the pods (empty: the recipe's).

    ``removal`` is how long it is tried to remove the pods, ``start`` how long they have to start at least, ``pause``
    how long it rests between two looks.
    """

    question: RunRequest
    wait: float
    image: str = ""
    pull_policy: str = "IfNotPresent"
    start: float = _START
    removal: float = _REMOVAL
    pause: float = PAUSE


@dataclass(frozen=True, slots=True)
class GateResult:
    """How a gate ended: the last report, if anybody got so far, and whether something could not be removed."""

    report: SafeReport | None
    left_behind: bool = False

    @property
    def exit_code(self) -> int:
        """The report's own, except that a gate which left something behind never ends with 0."""
        code = int(ExitCode.INTERRUPTED) if self.report is None else self.report.run.exit_code
        return int(ExitCode.CHANGE_FAILED) if self.left_behind and code == ExitCode.OK else code


class Gate:
    """One gate. ``look`` opens the site anew, ``judge`` makes a report of it.

    ``cluster`` opens its API server: one that was lost once is not asked again, so each attempt takes a new one.
    """

    def __init__(
        self,
        plugins: Plugins,
        recipe: GateRecipe,
        order: GateRequest,
        *,
        look: Callable[[], SiteSession],
        judge: Callable[[SiteSession, RunRequest], SafeReport],
        cluster: Callable[[], LiveCluster],
        boot_id: str,
        desk: GatePrompter,
    ) -> None:
        self._plugins = plugins
        self._order = order
        self._look = look
        self._cluster = cluster
        self._desk = desk
        self._judge = judge
        lifetime = round(order.wait + order.start + order.removal) + _SPARE
        connect = partial(_client, cluster)
        self._ground = GateNamespace(connect, Owner.this(boot_id), lifetime=lifetime)
        self._proofs = Proofs()
        self._pods = Pods(
            connect,
            self._ground,
            recipe,
            image=order.image or recipe.image,
            pull_policy=order.pull_policy,
            lifetime=lifetime,
        )
        chosen = {
            node.check.code for node in order.question.selection.checks(plugins.registry, plugins.symptoms())
        }
        self._needs_pods = not chosen.isdisjoint(recipe.codes)
        self._nothing = ""
        self._report: SafeReport | None = None

    def run(self) -> GateResult:
        """Lets the site through, or not.

        Raises:
            UsageError: the selection names a check that does not exist.
        """
        left = False
        with Interruption().installed() as ending:
            try:
                with ending.heard():
                    self._pass()
            except KeyboardInterrupt:
                pass  # what is known by now is told below
            finally:
                left = self._clear()
            return GateResult(_cut_short(self._report) if ending.came else self._report, left)

    def _pass(self) -> None:
        order = self._order
        wait_until_right(
            self._see(),
            self._see,
            seconds=order.wait,
            fail_on=order.question.fail_on,
            watcher=self._desk,
            pause=order.pause,
        )

    def _see(self) -> SafeReport:
        """One look at everything; what pods are missing by now are made before, and the first have time to start."""
        site = self._look()
        nodes = self._members(site) if self._needs_pods else ()
        first = not self._ground.made
        if nodes:
            self._provide(nodes)
        if first:
            self._settle()
        self._report = self._judge(self._with_pods(site), self._question(len(nodes)))
        return self._report

    def _question(self, nodes: int) -> RunRequest:
        return dataclasses.replace(self._order.question, deadline=RUN_DEADLINE + nodes / 5)

    def _members(self, site: SiteSession) -> tuple[str, ...]:
        """The members that are asked about, as far as they are there; ``_nothing`` says why there are none."""
        path = next(iter(self._plugins.paths()), None)
        if path is None:
            return ()
        whole, _ = contexts(self._plugins.registry, site.view)
        try:
            found = whole.fact(path.members)
        except FactCrashError as crash:
            self._nothing = str(crash)
            return ()
        wanted = self._order.question.nodes
        if isinstance(found, Unavailable):
            self._nothing = str(found)
            self._pods.expect_none(wanted, str(found))
            return ()
        self._nothing = "there is none to make one on"
        if not wanted:
            self._pods.forget_all_but(found.names)
        self._pods.expect_none([name for name in wanted if name not in found.names], "there is no such node")
        return tuple(name for name in found.names if not wanted or name in wanted)

    def _provide(self, nodes: Sequence[str]) -> None:
        """The namespace, once, and the pods that are not there yet."""
        if not self._ground.made:
            try:
                self._ground.make()
            except ChangeError as error:
                self._pods.expect_none(nodes, str(error))
                return
            self._clear_leftovers()
        else:
            found = self._pods.look(self._cluster())
            if not isinstance(found, Unavailable):
                self._pods.expect(found)
        self._pods.order(nodes)

    def _clear_leftovers(self) -> None:
        try:
            names = self._ground.clear_leftovers()
        except ChangeError as error:
            self._desk.say(
                Text(
                    f"What earlier gates may have left was not found or not removed: {error}.",
                    zh=f"未能查找或删除以前的连通性验收（gate）可能遗留的内容：{error}。",
                )
            )
            return
        for name in names:
            self._desk.say(
                Text(
                    f"An earlier gate was killed and had left the namespace {name}; it is removed now.",
                    zh=f"以前的连通性验收（gate）被强制终止，遗留了命名空间 {name}；现已删除。",
                )
            )

    def _settle(self) -> None:
        """Waits until the pods run, or it is said why they do not, or nothing more is to be expected."""
        began, cluster = time.monotonic(), self._cluster()
        while self._ground.made:
            found = self._pods.look(cluster)
            waited = time.monotonic() - began
            if isinstance(found, Unavailable) or waited >= self._order.start:
                return
            open_ones = [pod for pod in found if _may_still_start(pod, waited)]
            if not open_ones:
                return
            runs = sum(pod.runs for pod in found)
            self._desk.doing(
                Text(
                    f"waiting for test pods to start: {runs} of {len(found)} run",
                    zh=f"等待测试 Pod 启动：{len(found)} 个中 {runs} 个已运行",
                )
            )
            time.sleep(1.0 if len(found) < 500 else 5.0)

    def _with_pods(self, site: SiteSession) -> SiteSession:
        if not self._needs_pods:
            return site
        source = MemoSource(
            GateSource(site.view.cluster, self._ground, self._pods, self._proofs, self._nothing)
        )
        view = SiteView(site.view.hosts, source, site.view.cluster_expected)
        return SiteSession(view, site.memos)

    def _clear(self) -> bool:
        """Whether something is left behind; it is told then, with the command that removes it."""
        self._pods.stop()
        self._desk.doing(Text("removing the test pods", zh="正在删除测试 Pod"))
        why = self._ground.remove(seconds=self._order.removal)
        if why:
            command = f"kubectl delete namespace {self._ground.name}"
            self._desk.say(
                Text(
                    f"The test pods could not be removed ({why}). Remove them with: {command}",
                    zh=f"无法删除测试 Pod（{why}）。请手动删除：{command}",
                )
            )
        return bool(why)


def _client(cluster: Callable[[], LiveCluster]) -> ObjectClient:
    try:
        server = cluster().server()
    except KubeconfigError as error:
        raise RefusedError(str(error)) from error
    if isinstance(server, Unavailable):
        raise RefusedError(str(server))
    return ObjectClient(server, seconds=_REQUEST)


def _cut_short(report: SafeReport | None) -> SafeReport | None:
    """The report of a gate that somebody ended: what is in it holds, and it is not the last word."""
    if report is None or report.run.exit_code == ExitCode.INTERRUPTED:
        return report
    run = replace(report.run, exit_code=int(ExitCode.INTERRUPTED), complete=False)
    return DocumentRedactor().with_fields(report, run=run)


def _may_still_start(pod: GatePod, waited: float) -> bool:
    if pod.runs or pod.is_over:
        return False
    if pod.is_untouched:
        return waited < _UNTOUCHED
    return pod.trouble[0] in ("", "ContainerCreating", "PodInitializing")
