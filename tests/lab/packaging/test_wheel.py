"""What pip installs: the wheel and the sdist are whole, and a plain installation does the main job without the extras."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]
PIP = ("-m", "pip", "--disable-pip-version-check", "--quiet")


def _run(*argv: str | Path, cwd: Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(cwd),
        "LANG": "C.UTF-8",
        "KEDOCTOR_STATE_DIR": str(cwd),
    }
    done = subprocess.run(
        [str(one) for one in argv],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
        env=environment,
    )
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that git knows, as a clean checkout has them."""
    where = tmp_path_factory.mktemp("tree")
    packed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    listing = where.with_suffix(".lst")
    listing.write_bytes(packed)
    archive = where.with_suffix(".tar")
    subprocess.run(["tar", "-C", ROOT, "-cf", archive, "--null", "-T", listing], check=True)
    subprocess.run(["tar", "-C", where, "-xf", archive], check=True)
    return where


@pytest.fixture(scope="module")
def wheel(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    _run(sys.executable, *PIP, "wheel", "--no-deps", "-w", out, tree, cwd=out)
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def plain(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel and what it depends on, and nothing else."""
    where = tmp_path_factory.mktemp("plain")
    venv.create(where / "env", with_pip=True)
    _run(where / "env/bin/python", *PIP, "install", wheel, cwd=where)
    return where


def test_the_wheel_holds_all_that_the_tree_has(tree: Path, wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as opened:
        held = set(opened.namelist())
    for room in ("kedoctor", "checks", "reports"):
        prefix = "" if room == "kedoctor" else "kedoctor/"
        for path in (tree / room).rglob("*"):
            if path.is_file() and not path.is_symlink():
                assert f"{prefix}{path.relative_to(tree)}" in held, path
    assert any(name.endswith("recordings/demo-edgestream-off-cloud.tgz") for name in held)
    for path in (tree / "docs" / "reference").iterdir():
        assert f"kedoctor/reference/{path.name}" in held, path


def test_a_wheel_can_be_built_from_the_sdist(tree: Path, wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "env", with_pip=True)
    python = tmp_path / "env/bin/python"
    _run(python, *PIP, "install", "build", cwd=tmp_path)
    _run(python, "-m", "build", "--sdist", "-o", tmp_path / "out", tree, cwd=tmp_path)
    (packed,) = (tmp_path / "out").glob("*.tar.gz")
    with tarfile.open(packed) as opened:
        opened.extractall(tmp_path / "source", filter="data")
    (source,) = (tmp_path / "source").iterdir()
    _run(python, *PIP, "wheel", "--no-deps", "-w", tmp_path / "again", source, cwd=tmp_path)
    (again,) = (tmp_path / "again").glob("*.whl")
    with zipfile.ZipFile(again) as second, zipfile.ZipFile(wheel) as first:
        assert set(second.namelist()) == set(first.namelist())


def test_a_plain_installation_does_the_main_job(plain: Path) -> None:
    program = plain / "env/bin/kedoctor"
    assert "KE202" in _run(program, "demo", cwd=plain).stdout
    assert "KE303" in _run(program, "explain", "KE303", cwd=plain).stdout
    assert (
        "How cloudcore sets it" in _run(program, "explain", "--reference", "facts.md §3.2", cwd=plain).stdout
    )
    assert "KE303" in _run(program, "list", cwd=plain).stdout
    assert re.search(
        r"site-packages/kedoctor/checks/dnat/\S+\.py:\d+",
        _run(program, "list", "KE303", "--why", cwd=plain).stdout,
    )
    listed = _run(plain / "env/bin/python", *PIP, "list", "--format=freeze", cwd=plain).stdout.lower()
    assert "kubernetes==" not in listed
    assert "pytest==" not in listed


_FILE = re.compile(r"<!-- file: (?P<path>\S+) -->\n```\w+\n(?P<text>.*?)\n```\n", re.DOTALL)


def test_the_plugin_of_the_documents_is_installed_beside_it(wheel: Path, tmp_path: Path) -> None:
    """docs/plugins.md word for word, built and installed by pip, in an environment that is thrown away."""
    source = tmp_path / "acme"
    for found in _FILE.finditer((ROOT / "docs" / "plugins.md").read_text("utf-8")):
        path = source / found["path"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(found["text"] + "\n")
    venv.create(tmp_path / "env", with_pip=True)
    python, program = tmp_path / "env/bin/python", tmp_path / "env/bin/kedoctor"
    _run(python, *PIP, "install", wheel, cwd=tmp_path)
    _run(python, *PIP, "install", source, cwd=tmp_path)
    assert "ACME01" in _run(program, "list", cwd=tmp_path).stdout
    (tmp_path / "root/etc").mkdir(parents=True)
    (tmp_path / "root/etc/localtime").symlink_to("/usr/share/zoneinfo/Europe/Berlin")
    where = ("--only", "ACME01", "--side", "edge", "--root", tmp_path / "root")
    told = _run(program, "run", *where, cwd=tmp_path, check=False)
    assert (told.returncode, "Europe/Berlin" in told.stdout) == (1, True), told.stdout + told.stderr
    assert re.search(
        r"site-packages/acme\.py:\d+", _run(program, "list", "ACME01", "--why", cwd=tmp_path).stdout
    )
