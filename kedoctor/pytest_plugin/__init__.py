"""kedoctor as a pytest plugin: ``pytest --kedoctor`` makes a test of every check and subject of a site.

Verdicts become items beside a team's own tests, so that ``-k``, ``-m``, ``--junitxml`` and ``xfail`` work on them, and
the fixture ``kedoctor_site`` gives facts to those tests. Without ``--kedoctor`` nothing is looked at and nothing of
kedoctor but this module is imported. The only package that imports pytest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from kedoctor.pytest_plugin.site import LookedAt

_VALUES = ("bundle", "demo", "only", "skip", "node", "baseline", "lang")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds ``--kedoctor`` and what belongs to it."""
    group = parser.getgroup("kedoctor", "a site, judged by kedoctor")
    group.addoption(
        "--kedoctor", action="store_true", help="Make a test of every check and subject of the site."
    )
    group.addoption(
        "--kedoctor-bundle",
        action="append",
        default=[],
        metavar="FILE",
        help="Look at a bundle instead of this machine and its cluster; may be repeated.",
    )
    group.addoption("--kedoctor-demo", metavar="NAME", help="Look at a recorded demo site instead.")
    group.addoption(
        "--kedoctor-only",
        action="append",
        default=[],
        metavar="CODE",
        help="Only this check (code, name, or KE3xx); may be repeated.",
    )
    group.addoption(
        "--kedoctor-skip",
        action="append",
        default=[],
        metavar="CODE",
        help="Not this check; may be repeated.",
    )
    group.addoption(
        "--kedoctor-node",
        action="append",
        default=[],
        metavar="NAME",
        help="Only what concerns this edge; may be repeated.",
    )
    group.addoption(
        "--kedoctor-baseline",
        metavar="FILE",
        help="Skip the findings that this file accepts; kedoctor baseline writes one.",
    )
    group.addoption("--kedoctor-lang", choices=["en", "zh"], help="Output language [default: locale].")


def pytest_configure(config: pytest.Config) -> None:
    """Brings in the items, if they are asked for.

    Raises:
        UsageError: an option of ``--kedoctor`` was given without it.
    """
    config.addinivalue_line(
        "markers",
        "kedoctor(code, slug, side, host, node, status): a verdict of kedoctor about the site (pytest --kedoctor)",
    )
    if config.getoption("kedoctor"):
        from kedoctor.pytest_plugin.items import Gate  # noqa: PLC0415  costs nothing where it is not asked for

        config.pluginmanager.register(Gate(), "kedoctor-gate")
        return
    lost = next((name for name in _VALUES if config.getoption(f"kedoctor_{name}")), "")
    if lost:
        raise pytest.UsageError(f"--kedoctor-{lost} belongs to --kedoctor")


@pytest.fixture(scope="session")
def kedoctor_site(request: pytest.FixtureRequest) -> LookedAt:
    """The site that ``--kedoctor`` looked at: ``fact(Type)``, ``facts(Type)``, ``verdicts(code)``, ``report``.

    Without ``--kedoctor`` a test that asks for it is skipped.
    """
    if not request.config.getoption("kedoctor"):
        pytest.skip("looks at a site: run pytest with --kedoctor")
    from kedoctor.pytest_plugin.items import site_of  # noqa: PLC0415  see pytest_configure

    return site_of(request.config)
