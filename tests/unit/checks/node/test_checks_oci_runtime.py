"""KE716 and containerd's configuration with its imports (facts.md §11.4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from edge_samples import NOT_RECORDED, NOW, bilingual, config, later, log, metadata, said, unit

from kedoctor.api import File, Files, Finding, Host, Reason, Status, Unavailable
from kedoctor.checks.facts.edge.container_runtime import ContainerdSettings, containerd_settings
from kedoctor.checks.facts.edge.containerd_config import CONTAINERD_CONFIG, ContainerdFile, read_containerd
from kedoctor.checks.facts.edge.host import CgroupSetting, cgroup_setting
from kedoctor.checks.facts.edge.runtime_programs import RuntimePrograms, runtime_programs
from kedoctor.checks.node.oci_runtime import oci_runtime
from kedoctor.model.observations.files import FindFiles, ReadFile, StatFile
from kedoctor.model.observations.request import Request

SETTINGS = ContainerdSettings(CONTAINERD_CONFIG)
FOUND = RuntimePrograms(
    ("/usr/bin/containerd-shim-runc-v2", "/usr/bin/runc"), (), ("/usr/bin",), CONTAINERD_CONFIG
)


class Disk:
    """A host of these files; what is not there is absent, what is ``None`` was not recorded."""

    def __init__(self, files: Mapping[str, str | None]) -> None:
        self.files = files

    def observe(self, request: Request) -> Any:
        match request:
            case ReadFile(path=path) | StatFile(path=path):
                text = self.files.get(path, "absent")
                if text is None:
                    return Unavailable(Reason.NOT_RECORDED, path, "it was not recorded")
                if path not in self.files:
                    return Unavailable(Reason.ABSENT, path, "it does not exist")
                return (
                    File(metadata(path), text.encode()) if isinstance(request, ReadFile) else metadata(path)
                )
            case FindFiles(pattern=pattern):
                before, _, after = pattern.partition("*")
                named = sorted(one for one in self.files if one.startswith(before) and one.endswith(after))
                return Files(tuple(metadata(one) for one in named))
        raise AssertionError(request)


def disk(files: Mapping[str, str | None]) -> Host:
    return Host(Disk(files))


# ------------------------------------------------------------------------------------------ imports

MAIN = CONTAINERD_CONFIG
CRI = 'plugins."io.containerd.grpc.v1.cri"'


def read(files: Mapping[str, str | None]) -> ContainerdFile:
    found = read_containerd(disk(files), MAIN)
    assert isinstance(found, ContainerdFile)
    return found


def test_imports_are_followed_relative_absolute_and_by_glob() -> None:
    found = read(
        {
            MAIN: 'imports = ["conf.d/*.toml", "/opt/one.toml"]\ndisabled_plugins = ["a"]\nroot = "/main"\n',
            "/etc/containerd/conf.d/1.toml": 'disabled_plugins = ["cri"]\n',
            "/etc/containerd/conf.d/2.toml": 'root = "/two"\nimports = ["../config.toml"]\n',
            "/opt/one.toml": "",
        }
    )
    assert found.files == (
        MAIN,
        "/etc/containerd/conf.d/1.toml",
        "/etc/containerd/conf.d/2.toml",
        "/opt/one.toml",
    )
    assert (found.merged["root"], found.merged["disabled_plugins"]) == ("/two", ["a", "cri"])


def test_a_file_that_is_not_there_is_containerds_default_and_a_missing_import_is_not() -> None:
    assert read({}).files == ()
    assert isinstance(read_containerd(disk({MAIN: 'imports = ["x.toml"]'}), MAIN), Unavailable)
    assert isinstance(read_containerd(disk({MAIN: "no toml ["}), MAIN), Unavailable)
    assert isinstance(read_containerd(disk({MAIN: None}), MAIN), Unavailable)


def test_a_section_of_one_file_counts_in_every_release() -> None:
    runc = f"[{CRI}.containerd.runtimes.runc.options]\nSystemdCgroup = true\n"
    files = {MAIN: 'version = 2\nimports = ["conf.d/*.toml"]\n', "/etc/containerd/conf.d/1.toml": runc}
    found = cgroup_setting(disk(files), config(), unit())
    assert isinstance(found, CgroupSetting)
    assert (found.driver, found.source) == ("systemd", f"{MAIN}, /etc/containerd/conf.d/1.toml")


def test_a_section_of_two_files_is_known_only_where_releases_agree() -> None:
    """Up to 1.7 the later section replaces the former, from 2.0 on their keys are merged."""
    files = {
        MAIN: f'version = 2\nimports = ["x.toml"]\n[{CRI}.containerd.runtimes.runc.options]\nSystemdCgroup = true\n',
        "/etc/containerd/x.toml": f'[{CRI}]\nsandbox_image = "pause:3.9"\n',
    }
    assert isinstance(cgroup_setting(disk(files), config(), unit()), Unavailable)
    settings = containerd_settings(disk(files), config(), unit())
    assert isinstance(settings, ContainerdSettings)
    assert settings.sandbox_image == "pause:3.9"
    files["/etc/containerd/x.toml"] += f"[{CRI}.containerd.runtimes.runc.options]\nSystemdCgroup = true\n"
    assert isinstance(cgroup_setting(disk(files), config(), unit()), CgroupSetting)


@pytest.mark.parametrize(
    ("text", "runtime", "kind", "program", "snapshotter"),
    [
        ("version = 2\n", "runc", "io.containerd.runc.v2", "", ""),
        (
            (
                f'[{CRI}.containerd]\ndefault_runtime_name = "nvidia"\nsnapshotter = "native"\n'
                f'[{CRI}.containerd.runtimes.nvidia]\nruntime_type = "io.containerd.runc.v2"\n'
                f'[{CRI}.containerd.runtimes.nvidia.options]\nBinaryName = "/usr/bin/nvidia-container-runtime"\n'
            ),
            "nvidia",
            "io.containerd.runc.v2",
            "/usr/bin/nvidia-container-runtime",
            "native",
        ),
        (
            (
                "version = 3\n[plugins.'io.containerd.cri.v1.images']\nsnapshotter = 'overlayfs'\n"
                "[plugins.'io.containerd.cri.v1.runtime'.containerd]\ndefault_runtime_name = 'kata'\n"
                "[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.kata]\nruntime_type = 'io.containerd.kata.v2'\n"
            ),
            "kata",
            "io.containerd.kata.v2",
            "",
            "overlayfs",
        ),
    ],
)
def test_the_runtime_of_pods_is_read(
    text: str, runtime: str, kind: str, program: str, snapshotter: str
) -> None:
    found = containerd_settings(disk({MAIN: text}), config(), unit())
    assert isinstance(found, ContainerdSettings)
    assert (found.runtime, found.runtime_type, found.runtime_program, found.snapshotter) == (
        runtime,
        kind,
        program,
        snapshotter,
    )


# ------------------------------------------------------------------------------------------ its programs


def programs(
    settings: ContainerdSettings = SETTINGS, *files: str, others: tuple[str, ...] = ()
) -> RuntimePrograms:
    found = runtime_programs(disk(dict.fromkeys(files, "")), settings, unit(others=others))
    assert isinstance(found, RuntimePrograms)
    return found


def test_programs_are_looked_for_where_systemd_would_find_them() -> None:
    assert programs(SETTINGS, "/usr/bin/containerd-shim-runc-v2", "/usr/local/sbin/runc").missing == ()
    assert programs(SETTINGS, "/usr/bin/containerd-shim-runc-v2").missing == ("runc",)
    nvidia = ContainerdSettings(MAIN, runtime="nvidia", runtime_program="/usr/bin/nvidia-container-runtime")
    assert programs(nvidia, "/usr/bin/containerd-shim-runc-v2", "/usr/bin/runc").missing == (
        "/usr/bin/nvidia-container-runtime",
    )
    kata = ContainerdSettings(MAIN, runtime="kata", runtime_type="io.containerd.kata.v2")
    assert programs(kata, "/usr/bin/containerd-shim-kata-v2").missing == ()
    old = ContainerdSettings(MAIN, runtime_type="io.containerd.runtime.v1.linux")
    assert programs(old).missing == ("containerd-shim", "runc")


def test_a_shim_that_runs_proves_them() -> None:
    assert programs(SETTINGS, others=("containerd-shim",)).missing == ()


def test_what_was_not_recorded_is_not_missing() -> None:
    found = runtime_programs(
        disk({"/usr/bin/runc": None, "/usr/bin/containerd-shim-runc-v2": ""}), SETTINGS, unit()
    )
    assert isinstance(found, Unavailable)


# ------------------------------------------------------------------------------------------ KE716


def look(found: Any = FOUND, text: str = "I fine", settings: Any = SETTINGS) -> Finding:
    finding = oci_runtime(config(), settings, found, log(said(NOW, text)))
    bilingual(finding)
    assert finding.node == "edge1"
    return finding


def test_a_runtime_with_its_programs() -> None:
    assert look().status is Status.PASS
    assert look(NOT_RECORDED).status is Status.UNKNOWN


def test_a_program_that_is_not_there() -> None:
    finding = look(RuntimePrograms((), ("runc",), ("/usr/bin",), MAIN))
    assert (finding.status, finding.breaks) == (Status.FAIL, ())
    assert "runc is not there" in finding.summary.en


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            'E failed: exec: \\"nvidia-container-runtime\\": executable file not found in $PATH: unknown',
            "not installed",
        ),
        (
            "E OCI runtime create failed: runc did not terminate successfully: exit status 127: runc: symbol lookup error: runc: undefined symbol: seccomp_notify_respond",
            "libseccomp",
        ),
        ("E failed to create sandbox: snapshotter overlayfs was not found: not found", "overlay"),
    ],
)
def test_what_edgecore_was_told_is_quoted(text: str, words: str) -> None:
    finding = look(NOT_RECORDED, text)
    assert finding.status is Status.FAIL
    assert words in finding.summary.en
    old = said(later(-3600, NOW), text) + said(NOW, "I fine")
    assert oci_runtime(config(), SETTINGS, FOUND, log(old)).status is Status.PASS


@pytest.mark.parametrize(
    "text",
    [
        "E failed to write 100000 to cpu.cfs_quota_us: invalid argument: unknown",
        'E exec: "bash": executable file not found in $PATH: unknown',
    ],
)
def test_faults_of_a_pod_are_not_those_of_the_runtime(text: str) -> None:
    assert look(text=text).status is Status.PASS
