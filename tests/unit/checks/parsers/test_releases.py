"""The table of releases: each row of versions.md §1, §1.1, §3 and §4 that a check reads."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from kedoctor.checks.parsers.releases import Release, Trait, fixed_releases, has, line_of, parse, reads

ROOT = Path(__file__).parents[4]
TABLE = ROOT / "checks" / "parsers" / "releases.py"
VERSIONS = (ROOT / "docs" / "reference" / "versions.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("trait", "without", "with_it"),
    [
        (Trait.EXTERNAL_MANAGER, "1.17.4 1.18.2 1.19.1", "1.17.5 1.18.3 1.19.2 1.20.0 1.23.1"),
        (Trait.MOVING_TUNNEL_PORT, "1.17.4 1.18.2 1.19.1", "1.17.5 1.18.3 1.19.2 1.20.0 1.22.0"),
        (Trait.MANAGER_FRAMEWORK, "1.17.5 1.20.0", "1.21.0 1.22.2 1.23.0"),
        (Trait.MANAGER_READS_PODS, "1.17.4 1.18.2 1.19.1", "1.17.5 1.18.3 1.19.2 1.20.0 1.23.1"),
        (Trait.CONFIG_UPDATE_JOBS, "1.17.5 1.20.0", "1.21.0 1.23.1"),
        (Trait.KUBE_PROXY_TOLERATED, "1.17.5 1.18.3", "1.19.0 1.23.1"),
        (Trait.DEFAULT_ROUTE_FIRST, "1.17.0 1.20.0", "1.21.0 1.23.1"),
        (Trait.COMMON_NAME_CHECKED, "1.20.0", "1.21.0 1.22.0"),
        (Trait.CGROUP_DRIVER_FROM_CRI, "1.20.0 1.21.2", "1.22.0 1.23.0"),
        (Trait.TOKEN_NOT_SAVED, "1.17.5 1.18.2 1.19.1 1.20.0 1.22.0", "1.18.0 1.18.1 1.19.0"),
        (Trait.DEVICE_STATUSES, "1.22.2", "1.23.0 1.23.1"),
        (Trait.DEVICE_STATUSES_FORBIDDEN, "1.22.2", "1.23.0 1.23.1"),
        (Trait.OWN_ADDRESS_ALWAYS_NEEDED, "1.17.1 1.18.0", "1.17.0"),
    ],
)
def test_which_releases_have_a_trait(trait: Trait, without: str, with_it: str) -> None:
    for release in without.split():
        assert has(parse(release), trait) is False, release
    for release in with_it.split():
        assert has(parse(release), trait) is True, release


def _read_traits() -> Iterator[str]:
    """The names of traits that checks ask for: ``Trait.NAME`` anywhere but in the table itself."""
    for path in (ROOT / "checks").rglob("*.py"):
        if path != TABLE:
            for node in ast.walk(ast.parse(path.read_bytes())):
                if (
                    isinstance(node, ast.Attribute)
                    and isinstance(node.value, ast.Name)
                    and node.value.id == "Trait"
                ):
                    yield node.attr


def test_every_trait_is_read_by_somebody() -> None:
    assert {trait.name for trait in Trait} == set(_read_traits())


def test_every_trait_is_in_the_table_and_nothing_else() -> None:
    text = (TABLE.with_name("releases.yaml")).read_text(encoding="utf-8")
    named = re.findall(
        r"^  ([a-z][a-z-]+):", text.partition("\ntraits:\n")[2].partition("\nkeys:\n")[0], re.MULTILINE
    )
    assert named == list(dict.fromkeys(named))
    assert set(named) == {trait.value for trait in Trait}


def rows(section: str) -> list[list[str]]:
    """The cells of the first table of a section of versions.md, without its head."""
    part = VERSIONS.partition(f'<a id="{section}"></a>')[2].partition("<a id=")[0]
    lines = [line for line in part.splitlines() if line.startswith("|") and not line.startswith("|---")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]


@pytest.mark.parametrize("row", rows("s1"), ids=lambda row: row[0])
def test_the_lines_are_those_of_the_reference(row: list[str]) -> None:
    name, releases, _, tested, works = row
    line = line_of(Release(*map(int, name.split(".")), 0))
    assert line is not None
    assert str(line.newest) == "v" + re.findall(r"\d+\.\d+\.\d+", releases)[-1]
    for told, known in ((tested, line.tested), (works, line.works)):
        assert tuple(int(part.partition(".")[2]) for part in told.split("-")) == known


@pytest.mark.parametrize("row", rows("s1-1"), ids=lambda row: row[0])
def test_vulnerabilities_are_fixed_where_the_reference_says_so(row: list[str]) -> None:
    assert row[2] == ", ".join(str(one) for one in fixed_releases())


_KEYS = {
    "imageMaximumGCAge": "edged.tailoredKubeletConfig",
    "containerLogMaxWorkers": "edged.tailoredKubeletConfig",
    "containerLogMonitorInterval": "edged.tailoredKubeletConfig",
    "podLogsDir": "edged.tailoredKubeletConfig",
    "failCgroupV1": "edged.tailoredKubeletConfig",
    "tailoredKubeletConfig.crashLoopBackOff": "edged",
    "tailoredKubeletConfig.singleProcessOOMKill": "edged",
}
"""Where a key stands that versions.md names by its last part; the others are named from their module on."""


def _steps() -> Iterator[tuple[str, str, str, str, bool]]:
    """Program, key, the lines before and after a step of versions.md §3, and whether the key came (or went)."""
    for step, edgecore, cloudcore in rows("s3"):
        before, _, after = step.partition(" to ")
        if not after or before == "1.16":
            continue  # master is no release, and 1.16 is not in the table
        for program, cell in (("edgecore", edgecore), ("cloudcore", cloudcore)):
            came, _, went = cell.partition("removed under edged: ")
            for key in re.findall(r"\+ ([\w.]+)", came):
                yield program, key, before, after, True
            for key in filter(None, went.split(", ")):
                yield program, f"edged.{key}", before, after, False


@pytest.mark.parametrize(("program", "key", "before", "after", "came"), list(_steps()))
def test_keys_come_and_go_as_the_reference_says(
    program: str, key: str, before: str, after: str, *, came: bool
) -> None:
    place = f"{_KEYS[key]}.{key}" if key in _KEYS else key
    path = place if place == "edgecoreVersion" or place.startswith("modules.") else f"modules.{place}"
    found = reads(program, path, parse(f"{before}.0")), reads(program, path, parse(f"{after}.0"))
    assert found == ((False, True) if came else (True, False)), path


def test_what_is_not_in_the_table_is_not_known() -> None:
    for text in ("v1.24.0", "v1.16.0", "v2.0.0", "v1.15.0-beta.0.62+ea6701da320177-dirty", "", "latest"):
        assert all(has(parse(text), trait) is None for trait in Trait), text
        assert reads("edgecore", "modules.edged.reportEvent", parse(text)) is None


def test_lines() -> None:
    assert [str(one) for one in fixed_releases()] == ["v1.21.2", "v1.22.2", "v1.23.1"]
    line = line_of(Release(1, 20, 0))
    assert line is not None
    assert (line.tested, line.works, line.fixed) == ((28, 30), (25, 27), None)


def test_keys_match_without_regard_to_case_and_below_a_section() -> None:
    assert reads("edgecore", "modules.taskmanager.enable", parse("v1.20.0")) is False
    assert reads("edgecore", "modules.TaskManager.enable", parse("v1.21.0")) is True
    assert reads("edgecore", "modules.edgeHub.enable", parse("v1.21.0")) is None
    assert reads("cloudcore", "modules.deviceController.buffer.deviceStatusEvent", parse("v1.22.2")) is False
