"""``report --html --open``: the page in a browser where there is one, a sentence where there is none."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from commandline import kedoctor

BUNDLES = [
    part
    for path in sorted((Path(__file__).parents[3] / "checks" / "sandbox" / "recordings").glob("demo-*.tgz"))
    for part in ("--evidence", str(path))
]


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A browser that writes down what it was given."""
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "WSL_DISTRO_NAME"):
        monkeypatch.delenv(name, raising=False)
    program, told = tmp_path / "browser", tmp_path / "told"
    program.write_text(f'#!/bin/sh\necho "$1" > {told}\n')
    program.chmod(0o755)
    monkeypatch.setenv("BROWSER", f"{program} %s")
    return told


def test_a_browser_gets_the_page(opened: Path, tmp_path: Path) -> None:
    page = tmp_path / "site.html"
    done = kedoctor("report", *BUNDLES, "--html", "-o", str(page), "--open")
    assert done.returncode == 0
    assert opened.read_text().strip() == page.as_uri()
    assert f"Opened {page}" in done.stderr


def test_without_a_file_it_is_kept_beside_the_runs(opened: Path) -> None:
    done = kedoctor("report", *BUNDLES, "--html", "--open")
    page = Path(os.environ["KEDOCTOR_STATE_DIR"]) / "report.html"
    assert done.stdout == ""
    assert opened.read_text().strip() == page.as_uri()
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
    assert page.read_text().startswith("<!doctype html>")


def test_where_there_is_none_it_says_so(opened: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BROWSER")
    done = kedoctor("report", *BUNDLES, "--html", "--open", "--lang", "zh")
    assert done.returncode == 0
    assert "此处无法打开浏览器（没有显示环境）" in done.stderr
    assert not opened.exists()


def test_only_a_page_is_opened() -> None:
    done = kedoctor("report", *BUNDLES, "--open")
    assert done.returncode == 64
    assert "--open needs --html" in done.stderr
