"""Report formats from the command line: each format by its flag, files written beside the report, the step summary."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from commandline import kedoctor
from report_samples import ENGLISH, every_status, safe

from kedoctor.base.errors import OutputError
from kedoctor.cli import github_summary, options
from kedoctor.plugins import Plugins, load_plugins

ROOT = Path(__file__).parents[3]
DEMO = [
    word
    for path in sorted((ROOT / "checks" / "sandbox" / "recordings").glob("demo-edgestream-off-*.tgz"))
    for word in ("--evidence", str(path))
]


def _plugins() -> Plugins:
    return load_plugins(directory=Path("/nonexistent"))


def test_each_format_has_a_flag_of_report() -> None:
    assert kedoctor("run", *DEMO).returncode == 1
    begins = {
        "html": "<!doctype html>",
        "json": "{",
        "junit": "<?xml",
        "sarif": "{",
        "markdown": "## ",
        "prometheus": "# HELP",
    }
    for name, beginning in begins.items():
        done = kedoctor("report", f"--{name}")
        assert (done.returncode, done.stderr) == (0, ""), name
        assert done.stdout.startswith(beginning), name


def test_every_format_is_taken_by_run_and_report_and_listed() -> None:
    listed = kedoctor("list", "--formats").stdout
    for name in _plugins().formats():
        assert f"{name} " in listed
        assert kedoctor("run", *DEMO, "--format", name).stdout, name


def test_run_writes_files_beside_what_it_shows(tmp_path: Path) -> None:
    junit, sarif, markdown = (tmp_path / name for name in ("a.xml", "a.sarif", "a.md"))
    files = ["--junit", str(junit), "--sarif", str(sarif), "--markdown", str(markdown)]
    done = kedoctor("run", *DEMO, *files)
    assert done.returncode == 1
    assert "✗ KE202" in done.stdout
    assert ET.parse(junit).getroot().get("failures") == "5"
    assert json.loads(sarif.read_text())["version"] == "2.1.0"
    assert markdown.read_text().startswith("## ❌")


def test_a_file_that_cannot_be_written_hides_nothing(tmp_path: Path) -> None:
    done = kedoctor("run", *DEMO, "--junit", "/no/such/x.xml", "--sarif", str(tmp_path / "a.sarif"))
    assert done.returncode == 74
    assert "✗ KE202" in done.stdout
    assert "/no/such/x.xml could not be written" in done.stderr
    assert (tmp_path / "a.sarif").exists()


def test_what_cannot_be_written_keeps_nothing_else_from_it(tmp_path: Path) -> None:
    def deliver(*also: str) -> None:
        files = {name: tmp_path / path for name, path in zip(("junit", "sarif"), also, strict=False)}
        options.deliver(
            _plugins(),
            safe(every_status()),
            ENGLISH,
            format_name="json",
            output=tmp_path / "shown",
            also=files,
        )

    with pytest.raises(OutputError, match="No space left"):
        deliver("/dev/full", "sarif")
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["sarif", "shown"]


def test_the_step_summary_is_appended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "summary.md"
    monkeypatch.setenv(github_summary.ENVIRONMENT, str(path))
    path.write_text("built")
    assert github_summary.append(_plugins(), safe(every_status()), ENGLISH)
    assert path.read_text().startswith("built\n## ❌")


@pytest.mark.parametrize("place", ["", "/no/such/summary", "/dev/full"])
def test_a_step_summary_that_cannot_be_written_ends_nothing(
    place: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(github_summary.ENVIRONMENT, place)
    assert not github_summary.append(_plugins(), safe(every_status()), ENGLISH)
    assert ("could not be written" in capsys.readouterr().err) == bool(place)


def test_a_step_summary_that_would_be_refused_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "summary.md"
    path.write_bytes(b"x" * (github_summary.MAX_BYTES - 100))
    monkeypatch.setenv(github_summary.ENVIRONMENT, str(path))
    assert not github_summary.append(_plugins(), safe(every_status()), ENGLISH)
    assert path.stat().st_size == github_summary.MAX_BYTES - 100
    assert "larger than 1 MiB" in capsys.readouterr().err
