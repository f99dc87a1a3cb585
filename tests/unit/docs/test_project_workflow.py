"""The workflow of the project itself: as GitHub's own schema has it, naming files and commands that exist."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from kedoctor.yaml.document import load

ROOT = Path(__file__).parents[3]
WORKFLOWS = ("project-github.yml", "gate-github.yml", "github-actions.yml")


@pytest.mark.parametrize("name", WORKFLOWS)
def test_workflows_are_what_github_takes(name: str) -> None:
    program = Path(sys.executable).with_name("check-jsonschema")
    done = subprocess.run(
        [program, "--builtin-schema", "vendor.github-workflows", ROOT / "docs" / "ci" / name],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_workflow_names_what_exists() -> None:
    text = (ROOT / "docs" / "ci" / "project-github.yml").read_text(encoding="utf-8")
    jobs = load(text).data["jobs"]
    assert set(jobs) == {"test", "dist"}
    for path in set(re.findall(r"(?:\.ci/run|tools/dist/\w+\.py)", text)):
        assert (ROOT / path).is_file(), path
    assert all(re.search(r"@v\d+$", one) for one in re.findall(r"uses: (\S+)", text))


@pytest.mark.parametrize("language", ["", ".zh"])
def test_the_page_names_the_files_that_are_built(language: str) -> None:
    text = (ROOT / "docs" / f"getting-kedoctor{language}.md").read_text(encoding="utf-8")
    made = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tools" / "dist").glob("*.py"))
    for name in (
        "kedoctor.krew.yaml",
        "SHA256SUMS",
        ".oci.tar",
        ".cdx.json",
        "-glibc",
        "wheels-",
        ".deb",
        ".rpm",
    ):
        assert name in text, name
        assert name in made or name in (".deb", ".rpm"), name
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "dist:" in makefile
    assert "PYTHONS" in makefile
    assert "PYTHONS=" in text
