"""No secret of the corpus comes out of a report in any format, of a saved run, or of what is made of one."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from canaries import benign_lost, known_forms, leaked_forms, leaks, texts
from report_samples import CHINESE, ENGLISH, report, safe, verdict
from secret_forms import BENIGN, forms

from kedoctor.__main__ import _run
from kedoctor.base.records import encode_pretty
from kedoctor.cli import options
from kedoctor.model.findings import Status
from kedoctor.model.report import Hint, Report, Translation
from kedoctor.model.report_format import Presentation
from kedoctor.plugins import load_plugins
from kedoctor.report import run_store

pytest_plugins = ["pytester"]

HERE = Path(__file__).parent
EVIDENCE = sorted((HERE.parents[1] / "fixtures/healthy").glob("*.tgz"))
SITE = [word for path in EVIDENCE for word in ("--evidence", str(path))]
FORMATS = {
    "terminal": ["--format", "terminal"],
    "terminal -v": ["--format", "terminal", "-v"],
    "terminal in Chinese": ["--format", "terminal", "-v", "--lang", "zh"],
    "short": ["--format", "short"],
    "JSON": ["--format", "json", "-v"],
    "HTML": ["--format", "html"],
    "JUnit": ["--format", "junit"],
    "SARIF": ["--format", "sarif"],
    "Markdown": ["--format", "markdown"],
    "Prometheus": ["--format", "prometheus"],
}


FEW = ("short", "terminal", "Markdown")
"""Formats that show the first causes of many only."""


@pytest.fixture(autouse=True)
def _canaries_are_a_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "plugins"
    folder.mkdir(mode=0o700)
    shutil.copy(HERE / "canary_plugin.py", folder / "canary.py")
    monkeypatch.setenv("KEDOCTOR_PLUGINS", str(folder))


def _ran(*codes: str) -> bytes:
    """The saved run of a site, looked at with these checks."""
    assert _run(["run", *(word for code in codes for word in ("--only", code)), *SITE, "-q"]) == 1
    (path,) = (run_store.directory() / "runs").iterdir()
    return path.read_bytes()


def _shown(capture: pytest.CaptureFixture[bytes], formats: Mapping[str, list[str]]) -> dict[str, bytes]:
    """What the latest run looks like in each format."""
    pages = {}
    capture.readouterr()
    for name, chosen in formats.items():
        assert _run(["report", *chosen]) == 0
        pages[name] = b"".join(capture.readouterr())
    return pages


@pytest.mark.timeout(300)
def test_no_format_and_no_saved_run_shows_one(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    shown = {"saved run": _ran("CANA01", "CANA02", "CANA03")}
    shown |= _shown(capsysbinary, FORMATS)
    for name, arguments in (
        ("history", ["history"]),
        ("history as JSON", ["history", "--format", "json"]),
        ("baseline", ["baseline"]),
    ):
        assert _run(arguments) == 0
        shown[name] = b"".join(capsysbinary.readouterr())
    assert {name: found for name, page in shown.items() if (found := leaks(page))} == {}


@pytest.mark.timeout(300)
def test_what_is_no_secret_survives_in_each(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    saved = _ran("CANA04")
    shown = _shown(capsysbinary, {name: one for name, one in FORMATS.items() if name not in FEW})
    lost = {name: missing for name, page in shown.items() if (missing := benign_lost(page))}
    assert lost == {}
    assert not benign_lost(saved)


def _causes(said: Sequence[str]) -> Report:
    return report(
        *(
            verdict(
                Status.FAIL,
                code=f"TOY{number}",
                summary=text,
                subject=f"thing {number}",
                hint=Hint(text, (text,)),
                zh=Translation(title="x", summary=text, hint=text),
            )
            for number, text in enumerate(said)
        )
    )


def test_formats_that_show_a_few_causes_show_none() -> None:
    """There is a document for each few."""
    plugins, every = load_plugins(directory=Path("/nonexistent")), [*texts(), *BENIGN]
    for name, said in (("short", every), ("terminal", BENIGN), ("markdown", BENIGN)):
        shown = b"".join(
            options.render(plugins, safe(_causes(said[at : at + 4])), name, language)
            for at in range(0, len(said), 4)
            for language in (ENGLISH, CHINESE)
        )
        assert leaks(shown) == {}, name
        assert not benign_lost(shown), name


def test_without_the_redactor_every_form_would_be_seen() -> None:
    """So that what is looked for above can be found at all."""
    formats = load_plugins(directory=Path("/nonexistent")).formats()
    raw = _causes([form.text for form in forms()])
    for name in ("terminal", "json", "html", "junit", "sarif"):
        page = formats[name].render(raw, Presentation(verbose=True))
        assert len(leaked_forms(page)) > 0.95 * len(known_forms()), name
    assert leaked_forms(encode_pretty(raw)) == known_forms()
    assert len(known_forms()) > 0.9 * len(forms())
