"""What steps of both installs are made of: the bundle as this host can use it, its programs in place, and the plan of a step."""

from __future__ import annotations

from dataclasses import dataclass

from kedoctor.api import (
    Action,
    BundledFile,
    Evidence,
    Finding,
    Host,
    NoPlan,
    OfflineBundle,
    PlaceFile,
    Plan,
    Reason,
    RestartUnit,
    Risk,
    Text,
    Unavailable,
    Verdict,
    VersionSet,
    failed,
    passed,
    patterns,
    require,
)

__all__ = [
    "NOTHING_RUNS",
    "HostBundle",
    "InstalledProgram",
    "architecture_of",
    "copy_of",
    "installed_program",
    "not_in_bundle",
    "program_in_place",
    "step_plan",
]

NOTHING_RUNS = Text("Nothing that runs is touched.", zh="不影响任何正在运行的组件。")

_VERSION = patterns.compiled(r"v\d+\.\d+\.\d+[\w.+-]*")
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


def architecture_of(machine: str) -> str:
    """What ``uname -m`` says, as Go names it; empty for a machine KubeEdge is not released for."""
    return _MACHINES.get(machine, "")


# --------------------------------------------------------------------------------------------- the bundle


@dataclass(frozen=True, slots=True)
class HostBundle:
    """An offline bundle as this host can use it; ``architecture`` is this host's (``amd64``, ``arm64``, else empty)."""

    bundle: OfflineBundle
    architecture: str
    versions: VersionSet

    def program(self, name: str) -> BundledFile | None:
        """The program of that name for this host."""
        return self.bundle.binary(name, self.architecture)

    def source(self, file: BundledFile) -> str:
        """Where a file of the bundle lies on this host."""
        return self.bundle.path(file)


def copy_of(bundle: OfflineBundle, file: BundledFile, path: str, mode: int = 0o755) -> PlaceFile:
    """The copy of a file to ``path``; the bundle must be one whose checksums were read."""
    return PlaceFile(path, bundle.path(file), file.sha256, mode)


def not_in_bundle(found: HostBundle, names: str) -> NoPlan:
    """Programs that the bundle has not for this machine; the preflight has said so."""
    return NoPlan(
        Text(
            f"the bundle {found.bundle.place} holds no {names} for {found.architecture}",
            zh=f"离线包 {found.bundle.place} 中没有适用于 {found.architecture} 的 {names}",
        )
    )


# ------------------------------------------------------------------------------------------- the programs


@dataclass(frozen=True, slots=True)
class InstalledProgram:
    """A program of this host: whether it can be run, and what it says its version is."""

    path: str
    present: bool
    version: str = ""
    trouble: str = ""


def installed_program(host: Host, path: str, *question: str) -> InstalledProgram:
    """The program at ``path``, asked for its version with these arguments."""
    found = host.stat(path)
    if isinstance(found, Unavailable) and found.reason is Reason.ABSENT:
        return InstalledProgram(path, present=False)
    require(found)
    answer = host.run(path.rpartition("/")[2], *question)
    if isinstance(answer, Unavailable):
        return InstalledProgram(path, present=True, trouble=answer.detail or answer.reason.value)
    if answer.exit_code != 0:
        said = (answer.stderr or answer.stdout).strip().splitlines()
        return InstalledProgram(
            path, present=True, trouble=said[-1] if said else f"exit code {answer.exit_code}"
        )
    version = _VERSION.search(answer.stdout)
    return InstalledProgram(path, present=True, version=version[0] if version else "")


def program_in_place(program: InstalledProgram, name: str, file: str, release: str = "") -> Finding:
    """That it is there, can be run and, with ``release``, is of that one.

    ``file`` is what it is called in a bundle. A version that it does not say is taken for the right one.
    """
    path, wanted = program.path, f"{name} {release}".rstrip()
    right = not release or not program.version or program.version.partition("+")[0] == release
    if program.present and not program.trouble and right:
        return passed(
            Text(f"{path} is {program.version}.", zh=f"{path} 的版本为 {program.version}。"),
            subject=path,
            evidence=(Evidence(path, program.version),),
        )
    why = Text(f"it is {program.version}, not {release}", zh=f"版本为 {program.version}，不是 {release}")
    if program.trouble:
        why = Text(f"it does not run ({program.trouble})", zh=f"无法运行（{program.trouble}）")
    if not program.present:
        why = Text("it is not there", zh="不存在")
    return failed(
        Text(f"{path}: {why.en}.", zh=f"{path}：{why.zh}。"),
        expected=Text(f"{wanted} of the offline bundle", zh=f"离线包中的 {wanted}"),
        actual=(program.trouble or program.version) if program.present else Text("absent", zh="不存在"),
        hint=Text("Copy it out of the offline bundle.", zh="请从离线包复制。"),
        subject=path,
        commands=(f"sudo install -m 755 <bundle>/{file} {path}",),
    )


# ------------------------------------------------------------------------------------------------ the plan


def step_plan(
    verdict: Verdict,
    title: Text,
    *actions: Action,
    prediction: Text = NOTHING_RUNS,
    risk: Risk = Risk.SAFE,
    restarts: tuple[RestartUnit, ...] = (),
    settle: float = 5.0,
) -> Plan:
    """The plan of a step; ``settle`` are the seconds until its check may pass."""
    return Plan(
        code=verdict.code,
        subject=verdict.subject,
        title=title,
        prediction=prediction,
        risk=risk,
        actions=actions,
        restarts=restarts,
        settle=settle,
    )
