"""docs/plugins.md: what it shows is taken from the page word for word and tried, as a drop-in and as an installed package."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from commandline import kedoctor

DOCS = Path(__file__).parents[3] / "docs"
_FILE = re.compile(r"<!-- file: (?P<path>\S+) -->\n```\w+\n(?P<text>.*?)\n```\n", re.DOTALL)
FILES = {
    found["path"]: found["text"] + "\n" for found in _FILE.finditer((DOCS / "plugins.md").read_text("utf-8"))
}
BERLIN = "/usr/share/zoneinfo/Europe/Berlin"
UTC = "/usr/share/zoneinfo/UTC"


def _written(directory: Path, *names: str) -> Path:
    for name in names:
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(FILES[name])
    return directory


class Edge:
    """A host below a directory, whose time zone is Berlin's, and kedoctor with the plugin on it."""

    def __init__(self, tmp_path: Path, **environment: str) -> None:
        self.root = tmp_path / "root"
        (self.root / "etc").mkdir(parents=True)
        self.link = self.root / "etc/localtime"
        self.link.symlink_to(BERLIN)
        self.environment = {
            "HOME": str(tmp_path),
            "KEDOCTOR_STATE_DIR": str(tmp_path / "state"),
            "XDG_STATE_HOME": str(tmp_path / "state"),
            "KUBECONFIG": str(tmp_path / "none"),
            "LANG": "C.UTF-8",
            **environment,
        }

    def do(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return kedoctor(*arguments, **self.environment)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.do("run", "--only", "ACME01", "--root", str(self.root), "--side", "edge", *arguments)


@pytest.fixture(params=["drop-in", "entry-point"])
def edge(request: pytest.FixtureRequest, tmp_path: Path) -> Edge:
    """A host with the plugin: a file in a directory, or a package with an entry point on the path."""
    if request.param == "drop-in":
        directory = _written(tmp_path / "plugins", "acme.py", "pages/en/ACME01.md")
        return Edge(tmp_path, KEDOCTOR_PLUGINS=str(directory))
    site = _written(tmp_path / "site", "acme.py", "pages/en/ACME01.md")
    points = re.search(r"\[project\.entry-points\.kedoctor\]\n(.*?)\n\n", FILES["pyproject.toml"], re.DOTALL)
    assert points is not None
    installed = site / "acme_checks-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-checks\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text(f"[kedoctor]\n{points[1].replace(chr(34), '')}\n")
    return Edge(tmp_path, PYTHONPATH=str(site))


def test_the_plugin_of_the_page_judges_repairs_goes_back_and_prints(edge: Edge, tmp_path: Path) -> None:
    lines = tmp_path / "verdicts.txt"
    first = edge.run("--format", "json", "-v", "--lines", str(lines))
    assert first.returncode == 1, first.stderr
    (verdict,) = json.loads(first.stdout)["verdicts"]
    assert (verdict["status"], verdict["actual"]) == ("fail", BERLIN)
    assert verdict["fix"] == {
        "available": True,
        "risk": "safe",
        "reversible": True,
        "needs": [],
        "remedy": f"Point /etc/localtime to {UTC}.",
    }
    assert re.search(r"/acme\.py:\d+$", verdict["source"])
    assert verdict["zh"]["remedy"] == verdict["fix"]["remedy"]  # English where there is no Chinese
    assert re.fullmatch(r"ACME01 \S+ fail\n", lines.read_text())

    fixed = edge.run("--fix", "--yes")
    assert fixed.returncode == 0, fixed.stderr
    assert str(edge.link.readlink()) == UTC
    assert "point the link /etc/localtime elsewhere" in fixed.stderr

    back = edge.do("rollback", "--root", str(edge.root))
    assert back.returncode == 0, back.stderr
    assert str(edge.link.readlink()) == BERLIN

    assert re.fullmatch(r"ACME01 \S+ pass\n", edge.do("report", "--lines").stdout)
    assert edge.do("explain", "ACME01", "--lang", "zh").stdout.startswith("ACME01 The edge keeps UTC\n")
    assert "--lines FILE" in edge.do("run", "--help").stdout


def test_without_a_page_a_check_is_explained_by_what_it_declares(tmp_path: Path) -> None:
    edge = Edge(tmp_path, KEDOCTOR_PLUGINS=str(_written(tmp_path / "plugins", "acme.py")))
    told = edge.do("explain", "ACME01", "--lang", "zh").stdout
    assert told.startswith("ACME01 边缘节点使用 UTC\n")
    for part in ("Times in logs of different edges", f"Point /etc/localtime to {UTC}.", "ACME handbook"):
        assert part in told


def test_a_journal_without_its_plugin_names_the_kind_of_action(tmp_path: Path) -> None:
    directory = _written(tmp_path / "plugins", "acme.py")
    edge = Edge(tmp_path, KEDOCTOR_PLUGINS=str(directory))
    assert edge.run("--fix", "--yes").returncode == 0
    (directory / "acme.py").unlink()
    assert "no plugin here brings the kind of action PointLink" in edge.do("rollback", "--list").stderr


def test_the_test_of_the_page_passes(tmp_path: Path) -> None:
    _written(tmp_path, "acme.py", "tests/test_acme.py")
    _pytest(tmp_path, PYTHONPATH=str(tmp_path))


def test_the_skeleton_passes_its_own_test_and_is_a_plugin(tmp_path: Path) -> None:
    made = kedoctor("new-check", "ACME02", "ntp-server", "-o", str(tmp_path))
    assert made.returncode == 0, made.stderr
    _pytest(tmp_path)
    listed = kedoctor("list", "ACME02", "--why", KEDOCTOR_PLUGINS=str(tmp_path)).stdout
    assert f"{tmp_path}/ntp_server.py:" in listed
    assert "asks file /etc/ntp-server.conf" in listed
    again = kedoctor("new-check", "ACME02", "ntp-server", "-o", str(tmp_path))
    assert (again.returncode, "nothing was written" in again.stderr) == (64, True)


@pytest.mark.parametrize(
    ("code", "slug"), [("acme", "x"), ("ACME01", "No"), ("KE999", "mine"), ("ACME01", "../x")]
)
def test_a_skeleton_needs_a_code_and_a_name(code: str, slug: str, tmp_path: Path) -> None:
    found = kedoctor("new-check", code, slug, "-o", str(tmp_path))
    assert found.returncode == 64
    assert not list(tmp_path.iterdir())


def test_errors_of_a_plugin_name_file_and_line(tmp_path: Path) -> None:
    plugins = tmp_path / "plugins"
    _written(plugins, "acme.py")
    text = (plugins / "acme.py").read_text()
    broken = text.replace('    if zone.target.endswith("/UTC"):', '    if zone.target.ends("/UTC"):')
    (plugins / "acme.py").write_text(broken)
    (plugins / "other.py").write_text("import os\n\nTITLE = undefined\n")
    line = broken[: broken.index(".ends(")].count("\n") + 1
    edge = Edge(tmp_path, KEDOCTOR_PLUGINS=str(plugins))
    (crash,) = [
        one for one in json.loads(edge.run("--format", "json").stdout)["verdicts"] if one["code"] == "ACME01"
    ]
    assert crash["status"] == "crashed"
    assert f"at {plugins}/acme.py:{line}" in crash["summary"]
    assert f"at {plugins}/other.py:3" in edge.do("list", "--plugins").stdout


def test_the_list_of_public_facts_is_up_to_date() -> None:
    assert (DOCS / "public-facts.md").read_text("utf-8") == _script(DOCS / "public_facts.py").page()


def test_why_tells_file_line_facts_questions_and_references() -> None:
    told = kedoctor("list", "KE202", "--why").stdout
    assert re.search(r"written in +\S*checks/edgecore/edgestream\.py:\d+\n", told)
    assert re.search(
        r"EdgecoreFile +\S+facts/edge/edgecore\.py:\d+\n +asks file /etc/kubeedge/config/edgecore.yaml", told
    )
    for part in ("builds on     KE201", "facts.md §2.2", "journalctl -u edgecore.service"):
        assert part in told


def _script(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _pytest(directory: Path, **environment: str) -> None:
    found = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "--rootdir",
            str(directory),
            str(directory),
        ],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        cwd=directory,
        env={**os.environ, **environment},
    )
    assert found.returncode == 0, found.stdout + found.stderr
