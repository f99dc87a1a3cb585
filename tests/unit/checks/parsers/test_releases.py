"""The table of releases: each row of versions.md §1, §1.1 and §4 that a check reads."""

from __future__ import annotations

import pytest

from kedoctor.checks.parsers.releases import Release, Trait, fixed_releases, has, line_of, parse, reads


@pytest.mark.parametrize(
    ("trait", "without", "with_it"),
    [
        (Trait.EXTERNAL_MANAGER, "1.17.4 1.18.2 1.19.1", "1.17.5 1.18.3 1.19.2 1.20.0 1.23.1"),
        (Trait.MOVING_TUNNEL_PORT, "1.17.4 1.18.2 1.19.1", "1.17.5 1.18.3 1.19.2 1.20.0 1.22.0"),
        (Trait.MANAGER_FRAMEWORK, "1.17.5 1.20.0", "1.21.0 1.22.2 1.23.0"),
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
