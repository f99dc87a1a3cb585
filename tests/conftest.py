"""Fixtures for all tests: nobody's home, state or kubeconfig is touched."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# The same examples every time: a build that fails has failed for what was changed. HYPOTHESIS_PROFILE=search looks further.
settings.register_profile("steady", derandomize=True, deadline=None)
settings.register_profile("search", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))


@pytest.fixture(autouse=True)
def _own_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Settings of the person who runs the tests must not reach them, nor theirs reach that person.
    monkeypatch.setenv("KEDOCTOR_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LANG", "C.UTF-8")
    for name in ("KEDOCTOR_CONFIG", "KUBECONFIG", "XDG_CONFIG_HOME", "LC_ALL", "LC_MESSAGES", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Pure tests first, so that a mistake shows before the machines are booted."""
    items.sort(key=lambda item: item.get_closest_marker("lab") is not None)


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
