"""Fixtures for all tests: nobody's home, state or kubeconfig is touched."""

from __future__ import annotations

import os
import signal
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# Hundreds of tests start `python -m kedoctor`; without bytecode each of them compiles five hundred modules anew, which
# takes three times as long as what is tested.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# The same examples every time: a build that fails has failed for what was changed. HYPOTHESIS_PROFILE=search looks further.
settings.register_profile("steady", derandomize=True, deadline=None)
settings.register_profile("search", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))

# What a shell starts in the background ignores SIGINT, and so would everything that the tests start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# With several workers the files that take longest come first, so that all end at about the same time.
LONGEST = (
    "test_real_interrupted_repairs",
    "test_fix_edge",
    "test_real_rbac",
    "test_real_remedies",
    "test_real_metrics",
    "test_install_cloud",
    "test_conformance",
    "test_gate",
    "test_two_hundred_hostile_files",
    "test_install_edge",
    "test_fix_objects",
    "test_install_story",
    "test_trace",
    "test_combinations",
    "test_release_sites",
    "test_real_streams",
    "test_dist",
    "test_wheel",
    "test_real_trouble",
    "test_hands_nat",
    "test_fix_diversion",
)


@pytest.fixture(autouse=True)
def _own_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Settings of the person who runs the tests must not reach them, nor theirs reach that person.
    monkeypatch.setenv("KEDOCTOR_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LANG", "C.UTF-8")
    for name in (
        "KEDOCTOR_CONFIG",
        "COLUMNS",
        "KUBECONFIG",
        "XDG_CONFIG_HOME",
        "LC_ALL",
        "LC_MESSAGES",
        "LINES",
        "NO_COLOR",
    ):
        monkeypatch.delenv(name, raising=False)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Pure tests first, so that a mistake shows before the machines are booted; the other way with workers."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        items.sort(key=_length)
    else:
        items.sort(key=lambda item: item.get_closest_marker("lab") is not None)


def _length(item: pytest.Item) -> int:
    if item.path.stem in LONGEST:
        return LONGEST.index(item.path.stem)
    return len(LONGEST) + (item.get_closest_marker("lab") is None)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, None]:
    """In CI a lab test that is skipped has not proved anything: it fails there, with its reason."""
    outcome = yield
    report = outcome.get_result()
    required = os.environ.get("KEDOCTOR_LAB_REQUIRED") and item.get_closest_marker("lab")
    optional = "optional:" in str(report.longrepr)  # what no Debian package brings
    if report.skipped and required and not optional and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped in CI, where it must run: {report.longrepr}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How many tests met real Kubernetes parts: of those nothing is proved where they were skipped."""
    counts = {
        outcome: sum(
            "tests/real/" in getattr(one, "nodeid", "") for one in terminalreporter.getreports(outcome)
        )
        for outcome in ("passed", "failed", "skipped")
    }
    if any(counts.values()):
        told = ", ".join(f"{count} {outcome}" for outcome, count in counts.items())
        terminalreporter.write_line(f"With real Kubernetes parts: {told}")
