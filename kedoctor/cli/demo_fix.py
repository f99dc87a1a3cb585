"""``kedoctor demo --fix``: a whole repair told from beginning to end, on a recorded site in a throw-away sandbox.

The code is that of ``kedoctor run --fix`` and ``kedoctor rollback``: remedies, journal, actors, verification. Only the
services of the site are stand-ins, and they need no minutes to come back.
"""

from __future__ import annotations

import signal
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from kedoctor.base.errors import ChangeError, ExitCode
from kedoctor.base.records import replace
from kedoctor.base.screen import Styled, paint
from kedoctor.base.text import Text
from kedoctor.changes.executor import roll_back
from kedoctor.changes.journal import Phase
from kedoctor.changes.lock import hold
from kedoctor.changes.signals import InterruptedChangeError, deferred
from kedoctor.cli import options, telling
from kedoctor.cli.prompts import TerminalPrompter
from kedoctor.model.declarations import Risk
from kedoctor.model.findings import Status
from kedoctor.model.plans import Plan
from kedoctor.model.report import Change, Report, SafeReport
from kedoctor.model.report_format import Presentation
from kedoctor.observe.live.host import read_identity
from kedoctor.plugins import Plugins
from kedoctor.redaction.documents import DocumentRedactor
from kedoctor.repair.repair import Repair, consider
from kedoctor.run.diagnose import RunRequest, diagnose_site
from kedoctor.run.site import SiteSession
from kedoctor.sandbox.site import Sandbox

__all__ = ["tell_repair"]

ROUNDS = 4
"""Repairing one cause may show the next; so often at most."""

HASTE = 1 / 50
"""Stand-ins settle in so much of the time that the real services need."""


def tell_repair(
    plugins: Plugins, bundles: Sequence[Path], presentation: Presentation, *, aloud: bool
) -> tuple[SafeReport, int]:
    """Repairs the recorded site and takes it back, telling everything; gives the repaired report and the exit code.

    It is told on standard output if ``aloud``, else on standard error. The code is 0 if all of it went as it should.

    Raises:
        KeyboardInterrupt: a signal came; the sandbox is gone all the same.
        UsageError: nothing can stand in for the services of this site.
    """
    with _interruptible(), Sandbox(bundles, plugins.standins(), plugins.actions()) as sandbox:
        story = _Story(plugins, sandbox, presentation, aloud)
        try:
            repaired = story.tell()
        except InterruptedChangeError:
            raise KeyboardInterrupt from None
        except ChangeError as error:
            story.went_wrong(Text(str(error), zh=str(error)))
            repaired = story.last
    if sandbox.directory.exists():
        story.went_wrong(_left_behind(sandbox.directory))
    else:
        story.say(_GONE)
    return repaired, int(ExitCode.CHANGE_FAILED if story.wrong else ExitCode.OK)


@contextmanager
def _interruptible() -> Iterator[None]:
    """SIGTERM and SIGHUP end the block as Ctrl-C does, so that what it opened is closed."""
    before = {number: signal.signal(number, _interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise KeyboardInterrupt


@dataclass(slots=True)
class _Story:
    """The telling; ``wrong`` says what did not go as it should."""

    plugins: Plugins
    sandbox: Sandbox
    presentation: Presentation
    aloud: bool
    wrong: list[Text] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    site: SiteSession = field(init=False)
    last: SafeReport = field(init=False)

    def tell(self) -> SafeReport:
        """From the broken site to the repaired one and back; gives the repaired one's report."""
        before = self.sandbox.files()
        self._introduce()
        self._heading("$ kedoctor run")
        broken = self._shown(self.look())
        if not broken.causes:
            self.went_wrong(_NOT_BROKEN)
            return broken
        self._heading("$ kedoctor run --fix --yes")
        self._repair()
        self._heading("$ kedoctor run")
        repaired = self._shown(DocumentRedactor().with_changes(self.look(), self.changes))
        if (
            repaired.causes
            or _codes(repaired, Status.FAIL)
            or _codes(repaired, Status.CRASHED) - _codes(broken, Status.CRASHED)
        ):
            self.went_wrong(_NOT_GREEN)
        self._roll_back()
        self._prove(before, broken)
        return repaired

    # ------------------------------------------------------------------------------------------ steps

    def look(self) -> SafeReport:
        """A report of what is there now, read anew.

        Raises:
            KeyboardInterrupt: somebody ended the run.
        """
        self.site = self.sandbox.site()
        self.last = diagnose_site(
            self.plugins, self.site, RunRequest(command="kedoctor demo --fix", demo=True)
        )
        if self.last.run.exit_code == ExitCode.INTERRUPTED:
            raise KeyboardInterrupt
        return self.last

    def _introduce(self) -> None:
        self.say(_opened(self.sandbox))
        self.say(self.sandbox.standin.told)
        if self.sandbox.standin.added is not None:
            self.say(self.sandbox.standin.added)

    def _repair(self) -> None:
        redactions = [rule for rules in self.plugins.evidence() for rule in rules.redactions]
        repair = Repair(
            journal=self.sandbox.journal,
            actors=self.sandbox.actors(redactions),
            desk=TerminalPrompter(self.presentation.language, yes=True, aloud=self.aloud),
            look=self.look,
            command="kedoctor demo --fix",
            poll=0.2,
        )
        attended: set[tuple[str, str]] = set()
        with self._locked("kedoctor run --fix"):
            for _ in range(ROUNDS):
                plans = self._plans(attended)
                if not plans:
                    break
                attempt = repair.go(plans, self.last)
                attended |= {(plan.code, plan.subject) for plan in attempt.attended}
                self.changes += attempt.changes
                if attempt.failed:
                    self.went_wrong(_NOT_REPAIRED)
                    break
        if not any(change.result == "fixed" for change in self.changes) and not self.wrong:
            self.went_wrong(_NOT_REPAIRED)

    def _plans(self, attended: Container[tuple[str, str]]) -> list[Plan]:
        considered = consider(self.plugins, self.site, self.last, allowed=Risk.RESTARTS_APISERVER)
        # Advice is for sites that somebody keeps; this one is thrown away.
        causes = {cause.code for cause in self.last.causes}
        wanted = (plan for plan in considered.plans if plan.code in causes)
        plans = [plan for plan in wanted if (plan.code, plan.subject) not in attended]
        actors = self.sandbox.actors()
        rules = any(not actors.able(one) for plan in plans for one in plan.actions)
        if plans:
            self.say(_NO_NAMESPACE if rules else _NO_RULES)
        return [replace(plan, settle=plan.settle * HASTE) for plan in plans]

    def _roll_back(self) -> None:
        entries = [entry for entry in self.sandbox.journal.entries() if entry.phase is Phase.DONE]
        desk = TerminalPrompter(self.presentation.language, yes=True, aloud=self.aloud)
        actors = self.sandbox.actors()
        for entry in reversed(entries):
            self._heading(f"$ kedoctor rollback {entry.id}")
            with self._locked("kedoctor rollback"), deferred() as stop:
                roll_back(entry, actors, tell=desk.tell)
            if stop.received is not None:
                raise KeyboardInterrupt

    def _prove(self, before: dict[str, str], broken: Report) -> None:
        after = self.sandbox.files()
        changed = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
        if changed:
            self.went_wrong(_differ(changed))
        else:
            self.say(_same(before, [change for change in self.changes if change.result == "fixed"]))
        codes = {cause.code for cause in broken.causes}
        again = {cause.code for cause in self.look().causes}
        if again == codes:
            self.say(_again(sorted(codes)))
        else:
            self.went_wrong(_not_again(sorted(codes), sorted(again)))

    @contextmanager
    def _locked(self, command: str) -> Iterator[None]:
        lock = self.sandbox.journal.directory / "lock"
        with hold(lock, boot_id=read_identity().boot_id, command=command):
            yield

    # ------------------------------------------------------------------------------------------ words

    def say(self, sentence: Text) -> None:
        """One sentence of the story."""
        self._print(self._painted(Styled(sentence.in_language(self.presentation.language))))

    def went_wrong(self, sentence: Text) -> None:
        """Says what is not as it should be; the command then ends with exit code 4."""
        self.wrong.append(sentence)
        words = sentence.in_language(self.presentation.language)
        self._print(self._painted(Styled(words, style="bold red")))

    def _heading(self, command: str) -> None:
        telling.say(err=not self.aloud)
        telling.say(command, bold=True, err=not self.aloud)

    def _shown(self, report: SafeReport) -> SafeReport:
        self._print(options.render(self.plugins, report, "terminal", self.presentation))
        return report

    def _painted(self, text: Styled) -> bytes:
        return paint(text, width=self.presentation.width, colour=self.presentation.colour)

    def _print(self, page: bytes) -> None:
        telling.show(page, nl=False, err=not self.aloud)


def _codes(report: Report, status: Status) -> set[str]:
    return {one.code for one in report.verdicts if one.status is status}


# --------------------------------------------------------------------------------------------- sentences

_NO_RULES = Text(
    "This repair needs no NAT rules, so the sandbox has no network namespace of its own.",
    zh="本次修复不涉及 NAT 规则，因此沙箱没有创建网络命名空间。",
)
_NO_NAMESPACE = Text(
    "NAT rules belong to the kernel and not to the sandbox: what needs them is not repaired here.",
    zh="NAT 规则属于内核而不属于沙箱：需要修改规则的问题不在此修复。",
)
_NOT_BROKEN = Text(
    "No failure was found in the sandbox; nothing to repair.",
    zh="沙箱中未发现故障，无需修复。",
)
_NOT_REPAIRED = Text("The repair did not succeed in the sandbox.", zh="沙箱中的修复没有成功。")
_NOT_GREEN = Text("After the repair something is still wrong.", zh="修复之后仍有问题。")
_GONE = Text(
    "The sandbox is removed; nothing else on this machine was touched.",
    zh="沙箱已删除；本机其他内容未被改动。",
)


def _opened(sandbox: Sandbox) -> Text:
    names = ", ".join(sandbox.names)
    return Text(
        f"A sandbox in {sandbox.directory}: the files of {names}, and an API server of its own on {sandbox.url}. "
        f"The repair acts only on {sandbox.acting} in it.",
        zh=f"沙箱位于 {sandbox.directory}：包含 {names} 的文件，以及自带的 API 服务器 {sandbox.url}。"
        f"修复只作用于沙箱中的 {sandbox.acting}。",
    )


def _same(files: dict[str, str], changes: Sequence[Change]) -> Text:
    touched = sorted(
        {
            target.partition(":")[2]
            for change in changes
            for target in change.actions
            if target.startswith("file:")
        }
    )
    digests = [
        f"{path} sha256 {facts.split()[0][:16]}…"
        for path in touched
        for name, facts in files.items()
        if f"/{name.partition('/')[2]}" == path
    ]
    told = f" ({'; '.join(digests)})" if digests else ""
    told_zh = f"（{'；'.join(digests)}）" if digests else ""
    return Text(
        f"Every byte, mode and owner of the {len(files)} files is what it was before the repair{told}.",
        zh=f"{len(files)} 个文件的每个字节、权限和属主均与修复前一致{told_zh}。",
    )


def _differ(names: Sequence[str]) -> Text:
    told = ", ".join(names)
    return Text(f"Not as before after the rollback: {told}.", zh=f"回滚后与之前不一致：{told}。")


def _again(codes: Sequence[str]) -> Text:
    told = " ".join(codes)
    return Text(
        f"And the site is as broken as it was recorded: a third look finds {told} again.",
        zh=f"站点也恢复到录制时的故障状态：第三次检查再次发现 {told}。",
    )


def _not_again(codes: Sequence[str], found: Sequence[str]) -> Text:
    wanted, seen = " ".join(codes), " ".join(found) or "-"
    return Text(
        f"After the rollback the causes are {seen}, but they were {wanted}.",
        zh=f"回滚后的故障原因为 {seen}，而之前为 {wanted}。",
    )


def _left_behind(directory: Path) -> Text:
    return Text(
        f"The sandbox could not be removed completely; remove it yourself: rm -r {directory}",
        zh=f"沙箱未能完全删除，请手动执行：rm -r {directory}",
    )
