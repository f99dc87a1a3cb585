"""kedoctor itself run on a cloud host that is a namespace: real rules of both backends, real connections."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dnat_site import CHECKS, CLOUD, CLUSTER_IP, OTHER, PORT, Site, opened
from host_unchanged import host_unchanged
from netns import BACKENDS, Backend, missing

_MISSING = missing() or missing("nft", "iptables-nft-save", "iptables-legacy-save")
pytestmark = [pytest.mark.lab, pytest.mark.skipif(_MISSING is not None, reason=_MISSING or "")]


@pytest.fixture(scope="module", autouse=True)
def host() -> Iterator[None]:
    with host_unchanged():
        yield


@pytest.fixture(scope="module")
def module_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    yield from opened(tmp_path_factory.mktemp("dnat"))


@pytest.fixture
def site(module_site: Site) -> Iterator[Site]:
    yield module_site
    module_site.clear()


def states(found: dict[str, dict[str, Any]]) -> dict[str, str]:
    return {code: verdict["status"] for code, verdict in found.items()}


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_working_diversion(site: Site, backend: Backend) -> None:
    site.manager(backend, PORT, 10350)
    assert states(site.judged()) == dict.fromkeys(CHECKS, "pass")


@pytest.mark.parametrize("backend", BACKENDS)
def test_no_rule(site: Site, backend: Backend) -> None:
    site.manager(backend)
    found = site.judged()
    assert found["KE303"]["status"] == "fail"
    assert found["KE309"]["status"] == "fail"
    assert found["KE309"]["explained_by"] == ["KE303"]
    assert {code for code, state in states(found).items() if state != "pass"} == {"KE303", "KE304", "KE309"}
    assert found["KE304"]["status"] == "skip"


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("target", "why"),
    [
        (f"{CLOUD}:10004", "stream server is on port 10003, not 10004"),
        (f"{CLUSTER_IP}:10003", "ClusterIP of Service kubeedge/cloudcore"),
    ],
)
def test_a_rule_that_leads_elsewhere(site: Site, backend: Backend, target: str, why: str) -> None:
    site.rule(backend, target)
    found = site.judged("KE303", "KE304", "KE305", "KE309")
    assert states(found) == {"KE303": "skip", "KE304": "fail", "KE305": "pass", "KE309": "fail"}
    assert why in found["KE304"]["summary"]
    assert f"sudo iptables-{backend} -t nat -D OUTPUT" in found["KE304"]["hint"]["commands"][0]
    assert found["KE309"]["explained_by"] == ["KE304"]


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_duplicate_and_a_leftover(site: Site, backend: Backend) -> None:
    site.manager(backend, PORT)
    site.rule(backend)
    site.rule(backend, port=10350)
    found = site.judged("KE303", "KE304", "KE305", "KE309")
    assert states(found) == {"KE303": "pass", "KE304": "pass", "KE305": "warn", "KE309": "pass"}
    # The command that is shown removes exactly the rule that was meant.
    command = found["KE305"]["hint"]["commands"][0].removeprefix("sudo ")
    site.cloud.run(["sh", "-c", command])
    left = [line for line in site.cloud.save(backend).splitlines() if "DNAT" in line]
    assert len(left) == 2
    assert any("TUNNEL-PORT" in line for line in left)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_rule_only_in_the_other_backend(site: Site, backend: Backend) -> None:
    """The manager writes one backend, the only rule is a hand-made one in the other."""
    site.manager(backend)
    site.rule(OTHER[backend])
    found = site.judged("KE303", "KE306", "KE309")
    assert found["KE306"]["status"] == "warn"
    assert OTHER[backend] in found["KE306"]["summary"]
    assert backend in found["KE306"]["summary"]
    # It works all the same, as both backends act; where this host's iptables does not show it, it does not count.
    assert found["KE309"]["status"] == "pass"
    own = "nft" if "nf_tables" in site.cloud.run(["iptables", "--version"]).stdout else "legacy"
    assert found["KE303"]["status"] == ("pass" if OTHER[backend] == own else "skip")


@pytest.mark.parametrize("backend", BACKENDS)
def test_loopback_is_right_where_cloudcore_runs(site: Site, backend: Backend) -> None:
    site.rule(backend, "127.0.0.1:10003")
    found = site.judged("KE303", "KE304", "KE309")
    assert found["KE304"]["status"] == "pass"
    assert found["KE309"]["status"] == "pass"


def test_backends_that_disagree(site: Site) -> None:
    site.manager("legacy", PORT)
    site.rule("nft", f"{CLOUD}:10004")
    found = site.judged("KE303", "KE304", "KE306", "KE309")
    reached = found["KE309"]["status"] == "pass"
    assert found["KE303"]["status"] == "unknown"
    assert found["KE306"]["status"] == ("warn" if reached else "fail")
    assert "mapped twice" in found["KE306"]["summary"]


def test_reading_changes_nothing(tmp_path: Path) -> None:
    """Not even on a host that never had a legacy table: merely listing one would make it."""
    for site in opened(tmp_path):
        site.manager("nft", PORT)

        def look(site: Site = site) -> list[str]:
            names = ["cat", "/proc/net/ip_tables_names"]
            tools = (
                names,
                ["iptables-nft-save"],
                ["nft", "--stateless", "list", "ruleset"],
                ["ip", "-4", "-o", "address"],
            )
            lines = [line for tool in tools for line in site.cloud.run(tool).stdout.splitlines()]
            return [line for line in lines if not line.startswith(("#", ":"))]

        before = look()
        assert states(site.judged())["KE303"] == "pass"
        assert look() == before
        assert site.cloud.run(["cat", "/proc/net/ip_tables_names"]).stdout == ""
