"""Each extra of the package is one: without its library everything else works, and every library in use is named."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from commandline import kedoctor
from test_layers import HOMES

ROOT = Path(__file__).parents[3]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = {"kubernetes": "kubernetes", "iptables": "iptc", "gate": "pytest"}
"""Each extra and what is imported of it."""

JOBS = (("demo",), ("explain", "KE303"), ("list", "KE303", "--why"))


def _without(directory: Path, *libraries: str) -> dict[str, str]:
    """The environment of a Python that does not find these libraries, as if they were not installed."""
    (directory / "sitecustomize.py").write_text(
        "import sys\n"
        "class Nothing:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.partition('.')[0] in {libraries!r}:\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Nothing())\n"
    )
    return {"PYTHONPATH": f"{directory}:{ROOT}", "KEDOCTOR_STATE_DIR": str(directory), "LANG": "C.UTF-8"}


@pytest.mark.parametrize("extra", [*EXTRAS, "all"])
def test_without_an_extra_the_main_job_is_done(extra: str, tmp_path: Path) -> None:
    libraries = tuple(EXTRAS.values()) if extra == "all" else (EXTRAS[extra],)
    environment = _without(tmp_path, *libraries)
    asked = f"import {libraries[0]}"
    missing = subprocess.run(
        [sys.executable, "-c", asked], env=environment, capture_output=True, text=True, check=False
    )
    assert "ModuleNotFoundError" in missing.stderr
    for job in JOBS:
        done = kedoctor(*job, **environment)
        assert done.returncode == 0, done.stderr
        assert re.search(r"KE(202|303)", done.stdout)


def test_the_extras_are_those_that_the_readme_names() -> None:
    extras = PROJECT["optional-dependencies"]
    assert set(extras) == {*EXTRAS, "all", "dev", "dist"}
    assert extras["all"] == [f"kedoctor[{','.join(sorted(EXTRAS))}]"]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for extra in (*EXTRAS, "all"):
        assert f"`{extra}`" in readme or f"kedoctor[{extra}]" in readme


def test_every_library_in_use_is_a_dependency_or_an_extra() -> None:
    named = {
        re.split(r"[\[<>=~! ]", one)[0].lower().replace("_", "-")
        for one in (
            *PROJECT["dependencies"],
            *(x for group in EXTRAS for x in PROJECT["optional-dependencies"][group]),
        )
    }
    provided = importlib.metadata.packages_distributions()
    for library in HOMES:
        distributions = {one.lower().replace("_", "-") for one in provided.get(library, ())}
        assert named & distributions or library == "iptc", library
