"""KE715, KE717, KE718: what the machine under edgecore refuses (facts.md §11.1, §11.2)."""

from __future__ import annotations

import platform
import struct
from pathlib import Path
from typing import Any

import pytest
from edge_samples import (
    NAME,
    NOT_RECORDED,
    NOW,
    STARTED,
    YAML,
    bilingual,
    config,
    later,
    log,
    metadata,
    said,
    unit,
)

from kedoctor.api import File, Finding, Identity, Reason, Status, Unavailable
from kedoctor.checks.edgecore.executable import edgecore_executable
from kedoctor.checks.edgecore.kernel_settings import kernel_settings
from kedoctor.checks.edgecore.limits import edge_limits
from kedoctor.checks.edgecore.service import edgecore_running
from kedoctor.checks.facts.edge.edgecore_log import EdgecoreLog
from kedoctor.checks.facts.edge.kernel import WANTED_PARAMETERS, EdgeKernel, EdgeLimits
from kedoctor.checks.facts.edge.kernel import edge_kernel as kernel_fact
from kedoctor.checks.facts.edge.kernel import edge_limits as limits_fact
from kedoctor.checks.facts.edge.program import EdgecoreProgram, edgecore_program
from kedoctor.checks.facts.edge.version import EdgecoreRelease
from kedoctor.checks.parsers.releases import parse
from kedoctor.model.observations.files import FindFiles, ReadFile
from kedoctor.model.observations.machine import ReadIdentity
from kedoctor.model.observations.processes import ListProcesses, Process, Processes
from kedoctor.model.observations.request import Request
from kedoctor.model.observations.units import ReadUnit
from kedoctor.model.observations.units import Unit as UnitState
from kedoctor.testing import fact_from

PATH = "/usr/local/bin/edgecore"
DOWN = unit(
    runs=False, active_state="activating", sub_state="auto-restart", result="exit-code", exit_status=203
)


def elf(machine: int = 62, *, sections_end: int = 64, big: bool = False) -> bytes:
    """An ELF header as elf(5) describes it: 64 bits, its table of sections the last part of the file."""
    order = ">" if big else "<"
    ident = b"\x7fELF\x02" + (b"\x02" if big else b"\x01") + b"\x01" + bytes(9)
    rest = struct.pack(
        f"{order}HHIQQQIHHHHHH", 2, machine, 1, 0, 64, sections_end - 64 * 3, 0, 64, 56, 1, 64, 3, 2
    )
    return ident + rest


def program(head: bytes = b"", size: int = 1000, mode: int = 0o755, **fields: Any) -> EdgecoreProgram:
    data = head or elf(sections_end=1000)
    found = metadata(PATH, mode)
    found = type(found)(PATH, "file", mode, 0, 0, size, STARTED)
    answers: dict[Request, Any] = {
        ReadUnit("edgecore.service"): UnitState(
            "edgecore.service", "loaded", "failed", "failed", exec_start=(PATH,)
        ),
        ListProcesses(): Processes(()),
        ReadIdentity(): Identity("edge1", fields.get("machine", "x86_64"), "6.1", "b", 0),
        ReadFile(PATH, 64): File(found, data[:64], truncated=True),
    }
    if "selinux" in fields:
        answers[ReadFile("/sys/fs/selinux/enforce", 8)] = File(
            metadata("/sys/fs/selinux/enforce"), fields["selinux"]
        )
    made = fact_from(edgecore_program, answers)
    assert isinstance(made, EdgecoreProgram)
    return made


def systemd(*lines: str) -> EdgecoreLog:
    """edgecore spoke an hour ago; since then only systemd did."""
    told = said(later(-3600, NOW), "I bye", source="edgehub.go:1")
    return log(
        told
        + "".join(f"{NOW:%Y-%m-%dT%H:%M:%S%z} edge1 systemd[1]: edgecore.service: {line}\n" for line in lines)
    )


def runnable(
    found: EdgecoreProgram, words: EdgecoreLog | Unavailable = NOT_RECORDED, state: Any = DOWN
) -> Finding:
    finding = edgecore_executable(state, NAME, found, words)
    bilingual(finding)
    assert finding.node == "edge1"
    return finding


# ------------------------------------------------------------------------------------------ KE715


@pytest.mark.parametrize(
    ("number", "machine", "runs"),
    [
        (62, "x86_64", True),
        (3, "x86_64", True),  # 32-bit programs of the same family
        (183, "x86_64", False),
        (183, "aarch64", True),
        (40, "aarch64", True),
        (62, "aarch64", False),
        (40, "armv7l", True),
        (183, "armv7l", False),
        (243, "riscv64", True),
        (62, "sparc64", True),  # a machine that is not known here proves nothing
        (9999, "x86_64", True),
    ],
)
def test_a_program_for_another_processor_is_told(number: int, machine: str, runs: bool) -> None:
    finding = runnable(
        program(elf(number, sections_end=1000), machine=machine),
        state=unit(runs=False, active_state="inactive"),
    )
    assert (finding.status is Status.PASS) == runs


def test_a_big_endian_header_is_read_as_such() -> None:
    assert program(elf(22, sections_end=1000, big=True)).machine == "s390x"


def test_what_runs_can_be_run_whatever_its_file_looks_like() -> None:
    assert runnable(program(elf(183, sections_end=1000)), state=unit()).status is Status.PASS


def test_a_copy_that_was_cut_off_is_told_by_its_own_header() -> None:
    finding = runnable(
        program(elf(sections_end=70_000_000), size=41_000_000),
        systemd("Failed to execute /usr/local/bin/edgecore: Exec format error"),
    )
    assert finding.status is Status.FAIL
    assert finding.root
    assert "29000000 bytes are missing" in finding.summary.en
    assert "Exec format error" in finding.actual


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("Failed to execute /usr/local/bin/edgecore: Exec format error", "no program for this machine"),
        ("Failed at step EXEC spawning /usr/local/bin/edgecore: Permission denied", "refuses to execute"),
        ("Failed to locate executable /usr/local/bin/edgecore: No such file or directory", "is not there"),
        ("Main process exited, code=exited, status=203/EXEC", "203/EXEC"),
        ("Main process exited, code=dumped, status=4/ILL", "does not know its instructions"),
    ],
)
def test_the_words_of_systemd_name_the_reason(line: str, words: str) -> None:
    finding = runnable(program(), systemd(line, "Failed with result 'exit-code'."))
    assert finding.status is Status.FAIL
    assert words in finding.summary.en


def test_a_loader_that_misses_a_newer_c_library_is_quoted() -> None:
    line = f"{NOW:%Y-%m-%dT%H:%M:%S%z} edge1 edgecore[9]: {PATH}: /lib/libc.so.6: version `GLIBC_2.34' not found (required by {PATH})\n"
    finding = runnable(program(), log(line))
    assert "C library" in finding.summary.en
    assert "GLIBC_2.34" in finding.actual


def test_words_from_before_edgecore_spoke_again_are_history() -> None:
    text = f"{NOW:%Y-%m-%dT%H:%M:%S%z} edge1 systemd[1]: edgecore.service: Failed to execute {PATH}: Exec format error\n"
    stopped = unit(runs=False, active_state="inactive")
    assert runnable(program(), log(text + said(NOW, "I hello")), stopped).status is Status.PASS


def test_the_status_alone_is_enough_and_a_given_up_start_is_not() -> None:
    assert "203/EXEC" in runnable(program()).summary.en
    limit = unit(runs=False, active_state="failed", result="start-limit-hit", exit_status=1)
    assert runnable(program(), systemd("Start request repeated too quickly."), limit).status is Status.PASS


def test_selinux_is_named_where_a_file_with_its_bits_is_refused() -> None:
    denied = systemd("Failed at step EXEC spawning /usr/local/bin/edgecore: Permission denied")
    enforced = runnable(program(selinux=b"1"), denied)
    assert enforced.hint is not None
    assert "SELinux" in enforced.hint.en
    assert any("restorecon" in one for one in enforced.commands)
    assert not any("restorecon" in one for one in runnable(program(selinux=b"0"), denied).commands)
    bits = runnable(program(mode=0o644, selinux=b"1"), denied)
    assert "nobody may execute it" in bits.summary.en
    assert not any("restorecon" in one for one in bits.commands)


def test_a_file_that_is_gone_fails_and_one_that_was_not_read_is_unknown() -> None:
    gone = EdgecoreProgram(PATH, Unavailable(Reason.ABSENT, PATH, "it does not exist"))
    stopped = unit(runs=False, active_state="inactive")
    assert runnable(gone, state=stopped).status is Status.FAIL
    assert runnable(EdgecoreProgram(PATH, NOT_RECORDED), state=stopped).status is Status.UNKNOWN
    nothing = unit(runs=False, load_state="not-found", active_state="inactive")
    assert edgecore_executable(nothing, NAME, gone, NOT_RECORDED).status is Status.SKIP


def test_ke701_says_why_systemd_cannot_start_it() -> None:
    words = systemd("Failed to execute /usr/local/bin/edgecore: Exec format error")
    finding = edgecore_running(DOWN, NAME, words, NOT_RECORDED, NOT_RECORDED)
    assert "KE715" in finding.summary.en
    limit = systemd("Start request repeated too quickly.")
    failed = unit(runs=False, active_state="failed", result="start-limit-hit")
    assert "given up" in edgecore_running(failed, NAME, limit, NOT_RECORDED, NOT_RECORDED).summary.en


def test_the_program_of_this_machine_is_read() -> None:
    """A real ELF file: the Python that runs this test."""
    head = Path("/proc/self/exe").read_bytes()
    found = program(head, size=len(head), machine=platform.machine())
    assert not found.other_machine
    assert not found.missing_bytes
    assert program(head, size=len(head) - 10, machine="x86_64").missing_bytes in range(1, 11)


# ------------------------------------------------------------------------------------------ KE717


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("E failed to create fsnotify watcher: too many open files", "inotify"),
        ("E inotify_add_watch /etc/kubeedge: no space left on device", "inotify"),
        ("E accept tcp 127.0.0.1:10350: accept4: too many open files", "open files"),
        ("E runtime: failed to create new OS thread (have 412 already; errno=11)", "tasks"),
    ],
)
def test_a_limit_that_edgecore_names_is_told(text: str, words: str) -> None:
    finding = edge_limits(NAME, EdgeLimits(open_files=1024), log(said(NOW, text)))
    bilingual(finding)
    assert finding.status is Status.FAIL
    assert words in finding.summary.en
    assert "1024 open files" in finding.summary.en
    assert finding.breaks == (), "it runs: what fails by that is not known"


def test_a_limit_it_died_of_is_a_root_however_long_ago() -> None:
    ended = said(later(-7200, NOW), "F Start edged failed, err: inotify_init: too many open files")
    finding = edge_limits(NAME, EdgeLimits(), log(ended))
    assert (finding.status, finding.root, finding.breaks) == (Status.FAIL, True, None)


def test_an_old_complaint_of_one_that_runs_is_history() -> None:
    old = said(later(-1200, NOW), "E accept4: too many open files") + said(NOW, "I fine")
    assert edge_limits(NAME, EdgeLimits(), log(old)).status is Status.PASS


@pytest.mark.parametrize(("used", "status"), [(4000, Status.PASS), (99_000, Status.WARN)])
def test_the_handles_of_the_host_are_counted(used: int, status: Status) -> None:
    finding = edge_limits(NAME, EdgeLimits(handles=(used, 100_000)), log(said(NOW, "I fine")))
    bilingual(finding)
    assert finding.status is status
    assert edge_limits(NAME, EdgeLimits(handles=(1, 100_000)), NOT_RECORDED).status is Status.UNKNOWN


def test_limits_are_read_as_linux_writes_them() -> None:
    process = Process(645, 1, "edgecore", (PATH,))
    texts = {
        "/proc/645/limits": "Limit                     Soft Limit           Hard Limit           Units     \n"
        "Max open files            1024                 524288               files     \n",
    }
    answers: dict[Request, Any] = {
        ReadUnit("edgecore.service"): UnitState("edgecore.service", "loaded", "active", "running"),
        ListProcesses(): Processes((process,)),
        **{ReadFile(path): File(metadata(path), text.encode()) for path, text in texts.items()},
        ReadFile("/proc/sys/fs/file-nr", 64): File(metadata("x"), b"1184\t0\t9223372036854775807\n"),
        ReadFile("/proc/sys/fs/inotify/max_user_instances", 64): File(metadata("x"), b"128\n"),
        ReadFile("/proc/sys/fs/inotify/max_user_watches", 64): File(metadata("x"), b"65536\n"),
        FindFiles("/none"): NOT_RECORDED,
    }
    assert fact_from(limits_fact, answers) == EdgeLimits(1024, (1184, 9223372036854775807), 128, 65536)


# ------------------------------------------------------------------------------------------ KE718

KERNEL = EdgeKernel((), unified=True, parameters={})
SWAP = EdgeKernel(("/swapfile",), unified=False, parameters={"vm/overcommit_memory": 0, "kernel/panic": 10})
KUBELET = "    tailoredKubeletConfig:\n      {key}: true\n"


def accepts(
    kernel: EdgeKernel, key: str = "", *, version: str = "v1.22.0", text: str = "", runs: bool = False
) -> Finding:
    written = config(YAML + (KUBELET.format(key=key) if key else ""))
    release = EdgecoreRelease(parse(version), version)
    words = log(text) if text else NOT_RECORDED
    finding = kernel_settings(written, kernel, unit(runs=runs), release, words)
    bilingual(finding)
    return finding


def test_by_default_edged_refuses_nothing() -> None:
    assert accepts(SWAP).status is Status.PASS
    unseen = EdgeKernel(NOT_RECORDED, NOT_RECORDED, {})
    assert accepts(unseen).status is Status.PASS, "what nobody asked for need not be seen"


@pytest.mark.parametrize("key", ["failSwapOn", "failCgroupV1", "protectKernelDefaults"])
def test_a_key_that_refuses_is_held_against_the_host(key: str) -> None:
    finding = accepts(SWAP, key)
    assert (finding.status, finding.root) == (Status.FAIL, True)
    assert key in finding.summary.en
    assert finding.evidence[0].line == len(YAML.splitlines()) + 2
    waits = accepts(SWAP, key, runs=True)
    assert (waits.status, waits.breaks) == (Status.WARN, ())
    assert accepts(KERNEL if key != "protectKernelDefaults" else _wanted(), key).status is Status.PASS
    assert accepts(EdgeKernel(NOT_RECORDED, NOT_RECORDED, {}), key).status is Status.UNKNOWN


def _wanted() -> EdgeKernel:
    return EdgeKernel((), unified=True, parameters=dict(WANTED_PARAMETERS))


@pytest.mark.parametrize(
    ("version", "status"),
    [
        ("v1.17.5", Status.PASS),
        ("v1.21.2", Status.PASS),
        ("v1.22.0", Status.FAIL),
        ("v1.23.1", Status.FAIL),
        ("v0.0.0-master+$Format:%H$", Status.UNKNOWN),
    ],
)
def test_fail_cgroup_v1_counts_only_where_the_release_reads_it(version: str, status: Status) -> None:
    assert accepts(SWAP, "failCgroupV1", version=version).status is status


@pytest.mark.parametrize(
    "text",
    [
        'E "Failed to start ContainerManager" err="invalid kernel flag: vm/overcommit_memory, expected value: 1, actual value: 0"',
        "F Start edged failed, err: running with swap on is not supported, please disable swap or set --fail-swap-on flag to false",
        "F Start edged failed, err: kubelet is configured to not run on a host using cgroup v1. cgroup v1 support is in maintenance mode",
    ],
)
def test_its_own_last_words_are_enough(text: str) -> None:
    finding = accepts(EdgeKernel(NOT_RECORDED, NOT_RECORDED, {}), text=said(NOW, text))
    assert finding.status is Status.FAIL
    crashed = unit(runs=False, active_state="activating", sub_state="auto-restart", result="exit-code")
    told = edgecore_running(crashed, NAME, log(said(NOW, text)), NOT_RECORDED, NOT_RECORDED)
    assert "KE718" in told.summary.en, "KE701 reads it, too, also from a line of severity E"


def test_the_kernel_is_read_as_linux_writes_it() -> None:
    answers: dict[Request, Any] = {
        ReadFile("/proc/swaps"): File(
            metadata("x"), b"Filename Type Size Used Priority\n/dev/sda2 partition 1 0 -2\n"
        ),
        ReadFile("/sys/fs/cgroup/cgroup.controllers"): Unavailable(Reason.ABSENT, "x"),
        ReadFile("/proc/sys/vm/overcommit_memory", 64): File(metadata("x"), b"0\n"),
    }
    assert fact_from(kernel_fact, answers) == EdgeKernel(("/dev/sda2",), False, {"vm/overcommit_memory": 0})
    absent: dict[Request, Any] = {
        ReadFile("/proc/swaps"): Unavailable(Reason.ABSENT, "x"),
        ReadFile("/sys/fs/cgroup/cgroup.controllers"): File(metadata("x"), b"cpu memory\n"),
    }
    assert fact_from(kernel_fact, absent) == EdgeKernel((), True, {})
