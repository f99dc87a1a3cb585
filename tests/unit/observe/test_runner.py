import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from kedoctor.model.observations.request import Reason, Unavailable
from kedoctor.model.observations.tools import ToolOutput
from kedoctor.observe.live import subprocesses
from kedoctor.observe.live.subprocesses import find_tool, run


def shell(script: str, **options: object) -> ToolOutput | Unavailable:
    return run(["/bin/sh", "-c", script], **options)  # type: ignore[arg-type]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def gone(pid: int, within: float = 10.0) -> bool:
    deadline = time.monotonic() + within
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not alive(pid)


def pid_in(path: Path) -> int:
    deadline = time.monotonic() + 30
    while not (path.exists() and path.read_text().strip()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return int(path.read_text())


def test_output_and_exit_code_are_an_answer() -> None:
    answer = run(["sh", "-c", "echo out; echo err >&2; exit 3"])
    assert isinstance(answer, ToolOutput)
    assert (answer.exit_code, answer.stdout, answer.stderr, answer.truncated) == (3, "out\n", "err\n", False)
    assert answer.argv[0].endswith("/sh")
    assert answer.argv[0].startswith("/")


def test_the_environment_is_ours_and_stdin_is_empty(tmp_path: Path) -> None:
    answer = shell('echo "$LC_ALL|$TZ|$PWD|$PYTHONPATH"; cat; echo end')
    assert isinstance(answer, ToolOutput)
    assert answer.stdout == "C.UTF-8|UTC|/|\nend\n"


def test_bytes_can_be_given_on_stdin() -> None:
    answer = run(["cat"], stdin=b"x" * 200_000)
    assert isinstance(answer, ToolOutput)
    assert len(answer.stdout) == 200_000


def test_a_child_killed_by_a_signal_says_so() -> None:
    answer = shell("kill -9 $$")
    assert isinstance(answer, ToolOutput)
    assert answer.exit_code == -9


def test_a_child_that_ignores_term_is_killed(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    started = time.monotonic()
    answer = shell(f"trap '' TERM; echo $$ > {note}; while :; do sleep 0.05; done", timeout=0.3)
    assert isinstance(answer, Unavailable)
    assert answer.reason is Reason.TIMEOUT
    assert "0.3 s" in answer.detail
    assert time.monotonic() - started < 3
    assert gone(pid_in(note))


def test_a_child_may_tidy_up_on_term(tmp_path: Path) -> None:
    note = tmp_path / "tidy"
    answer = shell(f"trap 'echo done > {note}; exit 0' TERM; while :; do sleep 0.02; done", timeout=0.3)
    assert isinstance(answer, Unavailable)
    assert note.read_text() == "done\n"


def test_a_grandchild_that_holds_stdout_does_not_hold_us(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    started = time.monotonic()
    answer = shell(f"sleep 30 & echo $! > {note}; echo said", timeout=10)
    assert isinstance(answer, ToolOutput)
    assert (answer.exit_code, answer.stdout) == (0, "said\n")
    assert time.monotonic() - started < 2
    assert gone(pid_in(note))


def test_a_grandchild_in_its_own_session_holding_stdout_does_not_hold_us(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    started = time.monotonic()
    answer = shell(
        f"setsid sh -c 'echo $$ > {note}; exec sleep 20' & while ! [ -s {note} ]; do sleep 0.01; done"
    )
    assert isinstance(answer, ToolOutput)
    assert time.monotonic() - started < 3
    os.kill(pid_in(note), signal.SIGKILL)


def test_an_endless_printer_ends_at_the_deadline_within_its_cap() -> None:
    started = time.monotonic()
    answer = shell("yes x", timeout=0.4, limit=1000)
    assert isinstance(answer, Unavailable)
    assert answer.reason is Reason.TIMEOUT
    assert time.monotonic() - started < 3


def test_huge_stderr_is_drained_and_capped() -> None:
    answer = shell("head -c 5000000 /dev/zero >&2; echo finished", limit=4096)
    assert isinstance(answer, ToolOutput)
    assert answer.stdout == "finished\n"
    assert len(answer.stderr) == 4096
    assert answer.truncated


def test_exactly_the_cap_is_not_truncated() -> None:
    answer = shell("head -c 4096 /dev/zero", limit=4096)
    assert isinstance(answer, ToolOutput)
    assert len(answer.stdout) == 4096
    assert not answer.truncated


def test_the_newest_output_can_be_kept() -> None:
    answer = shell("seq 1 100000", limit=100, keep_end=True)
    assert isinstance(answer, ToolOutput)
    assert answer.stdout.endswith("99999\n100000\n")
    assert len(answer.stdout) == 100
    assert answer.truncated


def test_what_came_before_the_deadline_can_be_an_answer() -> None:
    answer = shell("echo first; sleep 60; echo second", timeout=0.4, part=True)
    assert isinstance(answer, ToolOutput)
    assert (answer.stdout, answer.exit_code, answer.truncated) == ("first\n", 0, True)
    silent = shell("sleep 60", timeout=0.2, part=True)
    assert isinstance(silent, Unavailable)
    assert silent.reason is Reason.TIMEOUT


def test_a_child_that_has_printed_enough_is_ended() -> None:
    answer = shell("echo first; while :; do echo more; done", timeout=30.0, limit=1000, part=True)
    assert isinstance(answer, ToolOutput)
    assert answer.truncated
    assert answer.stdout.startswith("first\n")
    assert len(answer.stdout) == 1000
    whole = shell("echo first; exit 3", timeout=30.0, limit=1000, part=True)
    assert isinstance(whole, ToolOutput)
    assert (whole.stdout, whole.exit_code, whole.truncated) == ("first\n", 3, False)


def test_output_that_is_not_utf8_is_still_an_answer() -> None:
    answer = shell(r"printf 'a\377b'")
    assert isinstance(answer, ToolOutput)
    assert answer.stdout == "a\ufffdb"


def test_a_child_that_closes_its_output_is_waited_for() -> None:
    answer = shell("exec >&- 2>&-; sleep 0.2; exit 7")
    assert isinstance(answer, ToolOutput)
    assert answer.exit_code == 7


def test_a_missing_tool() -> None:
    answer = run(["no-such-tool-anywhere"])
    assert isinstance(answer, Unavailable)
    assert answer.reason is Reason.TOOL_MISSING
    assert "no-such-tool-anywhere is not installed" in answer.detail


@pytest.mark.parametrize("name", ["", "./here", "sub/tool"])
def test_relative_paths_are_not_programs(name: str) -> None:
    answer = run([name])
    assert isinstance(answer, Unavailable)
    assert answer.reason is Reason.TOOL_MISSING


def test_the_callers_directory_and_path_do_not_count(tmp_path: Path) -> None:
    (tmp_path / "local-tool").write_text("#!/bin/sh\n")
    (tmp_path / "local-tool").chmod(0o755)
    script = (
        f"import os; os.chdir({str(tmp_path)!r}); os.environ['PATH'] = {str(tmp_path)!r}\n"
        "from kedoctor.observe.live.subprocesses import run; print(run(['local-tool']).reason)"
    )
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert said.stdout == "tool-missing\n"


def test_a_file_that_may_not_be_executed(tmp_path: Path) -> None:
    (tmp_path / "tool").write_text("#!/bin/sh\n")
    (tmp_path / "tool").chmod(0o644)
    answer = run(["tool"], paths=[str(tmp_path)])
    assert isinstance(answer, Unavailable)
    assert answer.reason is Reason.PERMISSION
    assert "may not be executed" in answer.detail


def test_a_later_path_helps_out(tmp_path: Path) -> None:
    for name, mode in (("a", 0o644), ("b", 0o755)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "tool").write_text("#!/bin/sh\necho b\n")
        (tmp_path / name / "tool").chmod(mode)
    assert find_tool("tool", [str(tmp_path / "a"), str(tmp_path / "b")]) == str(tmp_path / "b" / "tool")


def test_a_file_that_is_no_program(tmp_path: Path) -> None:
    (tmp_path / "tool").write_bytes(b"\x7fELF but not really")
    (tmp_path / "tool").chmod(0o755)
    answer = run([str(tmp_path / "tool")])
    assert isinstance(answer, Unavailable)
    assert answer.reason is Reason.TOOL_FAILED


def test_a_script_without_its_interpreter(tmp_path: Path) -> None:
    (tmp_path / "tool").write_text("#!/no/such/interpreter\n")
    (tmp_path / "tool").chmod(0o755)
    answer = run([str(tmp_path / "tool")])
    assert isinstance(answer, Unavailable)
    assert answer.reason is Reason.TOOL_FAILED
    assert "interpreter" in answer.detail


def test_many_threads_at_once() -> None:
    answers: list[object] = []

    def work(number: int) -> None:
        answers.append(run(["sh", "-c", f"echo {number}; exit {number}"]))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer.exit_code for answer in answers if isinstance(answer, ToolOutput)) == list(range(16))


def test_no_descriptors_are_left_open() -> None:
    run(["true"])
    before = len(list(Path("/proc/self/fd").iterdir()))
    shell("sleep 30 & echo x")
    shell("yes", timeout=0.1)
    run(["cat"], stdin=b"x")
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_an_interrupt_kills_the_child(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    script = f"from kedoctor.observe.live.subprocesses import run\nrun(['sh', '-c', 'echo $$ > {note}; sleep 60; :'], timeout=60)"
    process = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.DEVNULL)
    child = pid_in(note)
    process.send_signal(signal.SIGINT)
    assert process.wait(10) != 0
    assert gone(child)


def test_an_exit_code_that_was_lost_is_not_made_up() -> None:
    script = (
        "import signal; signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
        "from kedoctor.observe.live.subprocesses import run; print(run(['false']))"
    )
    said = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=20, check=True
    )
    assert "exit code was lost" in said.stdout


FREEZER = Path("/sys/fs/cgroup/freezer")


@pytest.mark.lab
@pytest.mark.skipif(not os.access(FREEZER, os.W_OK), reason="needs root and a cgroup v1 freezer")
def test_a_child_in_uninterruptible_sleep_is_abandoned() -> None:
    group = FREEZER / f"kedoctor-test-{os.getpid()}"
    group.mkdir()
    try:
        script = f"echo $$ > {group}/cgroup.procs; echo FROZEN > {group}/freezer.state; sleep 30"
        started = time.monotonic()
        answer = shell(script, timeout=0.3)
        assert isinstance(answer, Unavailable)
        assert answer.reason is Reason.ABANDONED
        assert "was left behind" in answer.detail
        assert time.monotonic() - started < 4.5
    finally:
        (group / "freezer.state").write_text("THAWED")
        time.sleep(0.1)
        run(["true"])
        group.rmdir()
    assert subprocesses._abandoned == []
