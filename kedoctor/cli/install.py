"""``kedoctor install``: one command for each procedure that a plugin brings."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import click

from kedoctor.base.errors import ExitCode, UsageError
from kedoctor.base.input_files import read_given
from kedoctor.base.text import Text
from kedoctor.changes.actors.registry import live_actors
from kedoctor.changes.journal import Journal
from kedoctor.changes.lock import hold
from kedoctor.changes.signals import InterruptedChangeError, deferred
from kedoctor.cli import options, telling
from kedoctor.cli.evidence_option import OfflineBundlePlace
from kedoctor.cli.fix import journal_directory, patience
from kedoctor.cli.install_progress import InstallDesk
from kedoctor.cli.speech import language_here, speaking
from kedoctor.install.runner import Install
from kedoctor.install.steps import Installed
from kedoctor.judge.fact_evaluation import contexts
from kedoctor.model.observations.inputs import Setting
from kedoctor.model.procedures import Kind, Parameter, Procedure
from kedoctor.model.report import SafeReport
from kedoctor.observe.live.host import read_identity
from kedoctor.plugins import Plugins, load_plugins
from kedoctor.redaction.documents import DocumentRedactor
from kedoctor.report import run_store
from kedoctor.run.diagnose import RunRequest, diagnose_site
from kedoctor.run.site import LiveOptions, SiteSession, live_site

__all__ = ["command"]

_STARTING = 60.0
"""Seconds until what the last step restarted is there again (a pod with a probe, say)."""

_FINE = Text(
    "Every step is done, and every other check from this host passed.",
    zh="所有步骤均已就绪，此处可见的其他各项也没有问题。",
)
_FINE_WITHOUT_API = Text(
    "Every step is done, and every other check from this host passed; check on the cloud host what only the API server knows.",
    zh="所有步骤均已就绪，此处可见的其他各项也没有问题；只有 API 服务器才知道的内容请在云端主机上检查。",
)

_LIMIT = 1 << 16  # bytes; a token or a key is far smaller


class _Procedures(click.Group):
    """A group with one command for each procedure."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return sorted(_plugins().procedures())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        procedure = _plugins().procedures().get(cmd_name)
        return speaking(_command(procedure)) if procedure else None


@cache
def _plugins() -> Plugins:
    return load_plugins()


@click.group(cls=_Procedures)
def command() -> None:
    """Install the cloud or an edge from an offline bundle.

    The preconditions are checked before anything is changed. Then each step is checked, applied if necessary, and
    checked again. A step that fails is rolled back; the same command continues where it stopped, and changes nothing
    where nothing is left to change.
    """


def _command(procedure: Procedure) -> click.Command:
    parameters: list[click.Parameter] = [_option(one) for one in procedure.parameters]
    parameters += [
        click.Option(["--dry-run"], is_flag=True, help="Show every step and change nothing."),
        click.Option(["--yes"], is_flag=True, help="Do not ask."),
        click.Option(
            ["--kubeconfig"], default="", metavar="FILE", help="Kubeconfig to use, as for kedoctor run."
        ),
        click.Option(["--context"], default="", help="Context in the kubeconfig."),
        click.Option(["--lang"], type=click.Choice(["en", "zh"]), help="Output language [default: locale]."),
    ]

    def callback(**values: Any) -> int:
        return _install(procedure, values)

    return click.Command(
        procedure.name,
        callback=callback,
        params=parameters,
        help=procedure.title.in_language(language_here()),
    )


def _option(parameter: Parameter) -> click.Option:
    names = [parameter.option, _name(parameter)]
    if parameter.kind is Kind.FLAG:
        return click.Option(names, is_flag=True, help=parameter.help.in_language(language_here()))
    of: Any = str
    if parameter.kind is Kind.DIRECTORY:
        of = OfflineBundlePlace(directory=True)
    elif parameter.kind is Kind.SECRET_FILE:
        of = click.Path(exists=True, dir_okay=False, path_type=Path)
    # An option that always has a value, even an empty one, would never count as missing.
    default: dict[str, Any] = (
        {"default": parameter.default, "show_default": True} if parameter.default else {}
    )
    return click.Option(
        names,
        type=of,
        required=parameter.required,
        **default,
        metavar=parameter.metavar,
        help=parameter.help.in_language(language_here()),
    )


def _name(parameter: Parameter) -> str:
    return parameter.setting.replace("-", "_")


def _settings(procedure: Procedure, values: Mapping[str, Any]) -> dict[str, Setting]:
    """What was given, by the names under which facts ask for it."""
    given = {}
    for one in procedure.parameters:
        value = values.get(_name(one))
        if value is None or value is False:
            continue
        if one.kind is Kind.SECRET_FILE:
            given[one.setting] = Setting(_content(value), secret=True)
        else:
            text = str(value.resolve()) if isinstance(value, Path) else "yes" if value is True else str(value)
            given[one.setting] = Setting(text)
    if values.get("kubeconfig"):
        given["kubeconfig"] = Setting(str(Path(values["kubeconfig"]).absolute()))
    return given


def _content(path: Path) -> str:
    try:
        data = read_given(path, _LIMIT + 1)
        text = data.decode("ascii").strip()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not a text file") from error
    if not text or len(data) > _LIMIT:
        raise UsageError(f"{path} is empty" if not text else f"{path} is too large")
    return text


def _install(procedure: Procedure, values: dict[str, Any]) -> int:
    plugins, settings = _plugins(), _settings(procedure, values)
    desk = InstallDesk(options.language(values["lang"]), yes=values["yes"])
    redactions = [rule for rules in plugins.evidence() for rule in rules.redactions]
    kube = {"kubeconfig": values["kubeconfig"], "context": values["context"]}
    # An argument that holds a secret is not among them: secrets come in files.
    spoken = " ".join(["kedoctor", *sys.argv[1:]])

    def look() -> SiteSession:
        return live_site(plugins, LiveOptions(**kube, side=procedure.side.value, settings=settings))

    journal = journal_directory(plugins)
    install = Install(
        plugins=plugins,
        procedure=procedure,
        look=look,
        journal=journal,
        actors=live_actors(plugins.actions(), **kube, redactions=redactions, settings=settings),
        witness=desk,
        command=spoken,
        dry_run=values["dry_run"],
        patience=patience(),
        member=settings[procedure.member].value if procedure.member in settings else "",
    )
    done = _carried_out(install, journal, desk, spoken)
    if not done.complete:
        return int(ExitCode.CHANGE_FAILED if desk.could_not_ask else done.code)
    return 0 if install.dry_run else _closing(install, done, desk, values["lang"])


def _carried_out(install: Install, journal: Journal, desk: InstallDesk, spoken: str) -> Installed:
    with deferred() as stop:
        if install.dry_run:
            return install.go(stop)
        with hold(journal.directory / "lock", boot_id=read_identity().boot_id, command=spoken):
            try:
                return install.go(stop)
            except InterruptedChangeError:
                desk.say(
                    Text(
                        "The install was interrupted; the same command continues where it stopped.",
                        zh="安装被中断；重新执行同一命令可从中断处继续。",
                    )
                )
                raise KeyboardInterrupt from None


def _closing(install: Install, done: Installed, desk: InstallDesk, lang: str | None) -> int:
    """Everything else that can be seen from here, once; then what a person does next.

    Where there is no kubeconfig, what only the API server could tell is left to whoever has one; and where the data path
    has no member yet, what would be said of members is no gap.
    """
    site, report = _last_look(install, done)
    code, expected = ExitCode(report.run.exit_code), site.view.cluster_expected
    if code is ExitCode.UNDETERMINED and (not expected or not report.matrix):
        code = ExitCode.OK
    saved = run_store.save(report)
    if isinstance(saved, str):
        telling.say(saved, err=True)
    if code is ExitCode.OK and not done.missed:
        desk.say(_FINE if expected else _FINE_WITHOUT_API)
    else:
        desk.say(_all_but(done.missed))
        presentation = options.present(lang, to_file=False, verbose=False)
        options.emit(options.render(install.plugins, report, "terminal", presentation), None)
    if code is ExitCode.OK and install.procedure.farewell is not None:
        desk.say(_with_name(install.procedure.farewell, install.member))
    _hand_over(install, site, desk)
    return int(code)


def _with_name(text: Text, member: str) -> Text:
    return Text(text.en.replace("{member}", member), zh=text.zh.replace("{member}", member))


def _last_look(install: Install, done: Installed) -> tuple[SiteSession, SafeReport]:
    """What was changed by the last steps may still be starting: what is wrong is given some time to become right."""
    question = RunRequest(command=install.command)
    ends = time.monotonic() + (_STARTING * install.patience if done.changes else 0.0)
    while True:
        site = install.look()
        report = DocumentRedactor().with_changes(diagnose_site(install.plugins, site, question), done.changes)
        if report.run.exit_code != ExitCode.FAILED or time.monotonic() >= ends:
            return site, report
        time.sleep(install.poll)


def _all_but(missed: Sequence[str]) -> Text:
    if not missed:
        return Text("Every step is done; the other checks:", zh="所有步骤均已就绪；其他检查结果：")
    codes = ", ".join(missed)
    return Text(
        f"Every step is done except {codes}; the other checks:",
        zh=f"除 {codes} 外所有步骤均已就绪；其他检查结果：",
    )


def _hand_over(install: Install, site: SiteSession, desk: InstallDesk) -> None:
    """Shown once and kept nowhere: it may hold a secret."""
    wanted = install.procedure.handover
    if wanted is None:
        return
    _, hosts = contexts(install.plugins.registry, site.view)
    for context in hosts.values():
        found = context.fact(wanted)
        words = getattr(found, "handover", None)
        if isinstance(words, Text):
            desk.hand_over(words)
