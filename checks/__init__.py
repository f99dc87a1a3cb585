"""The knowledge: what KubeEdge, Kubernetes, K3s, netfilter and metrics-server need, and how to tell.

This package is a plugin like any other (entry point ``checks`` of the group ``kedoctor``). Every module here
holds one subject; functions declared with ``@check`` and ``@fact`` are found by looking, so a new check is one
new function.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from kedoctor.api import (
    DataPath,
    Explanation,
    FakeService,
    GateRecipe,
    OfflineKnowledge,
    Procedure,
    Shelf,
    Symptom,
    Trace,
    hookimpl,
)
from kedoctor.checks.evidence_rules import kedoctor_evidence
from kedoctor.checks.roles import kedoctor_sides

__all__ = [
    "kedoctor_checks",
    "kedoctor_demos",
    "kedoctor_evidence",
    "kedoctor_explain",
    "kedoctor_facts",
    "kedoctor_gate",
    "kedoctor_offline",
    "kedoctor_page",
    "kedoctor_paths",
    "kedoctor_procedures",
    "kedoctor_references",
    "kedoctor_settings",
    "kedoctor_sides",
    "kedoctor_standins",
    "kedoctor_symptoms",
    "kedoctor_traces",
    "kedoctor_transitions",
]

_HERE = Path(__file__).parent
# Facts of a trace replace facts of the site while that trace runs; ``TRACES`` names them.
_OF_TRACES = f"{__name__}.trace"


def _modules() -> Iterator[ModuleType]:
    # Found at registration, not when the package is imported.
    for module in sorted(
        pkgutil.walk_packages(__path__, prefix=f"{__name__}."), key=lambda found: found.name
    ):
        if not module.name.startswith(_OF_TRACES):
            yield importlib.import_module(module.name)


def _declared(mark: str) -> list[Callable[..., Any]]:
    return [
        value
        for module in _modules()
        for value in vars(module).values()
        if callable(value) and hasattr(value, mark) and value.__module__ == module.__name__
    ]


@hookimpl
def kedoctor_facts() -> list[Callable[..., Any]]:
    """Every function of this package that is declared as a fact."""
    return _declared("__kedoctor_fact__")


@hookimpl
def kedoctor_checks() -> list[Callable[..., Any]]:
    """Every function of this package that is declared as a check."""
    return _declared("__kedoctor_check__")


@hookimpl
def kedoctor_remedies() -> list[Callable[..., Any]]:
    """Every function of this package that is declared as a remedy."""
    return _declared("__kedoctor_remedy__")


@hookimpl
def kedoctor_paths() -> Sequence[DataPath]:
    """The one data path of a KubeEdge site."""
    from kedoctor.checks.data_path import PATH  # noqa: PLC0415  as above

    return [PATH]


@hookimpl
def kedoctor_settings() -> list[type]:
    """Cloudcore's configuration, its Secrets by fingerprint, and edgecore.yaml of each edge."""
    from kedoctor.checks.distribution.facts_settings import HostSettings, SecretSettings, SiteSettings  # noqa: PLC0415  as above

    return [SiteSettings, SecretSettings, HostSettings]


@hookimpl
def kedoctor_transitions() -> Sequence[type]:
    """What has just begun, as the API and each host show it."""
    from kedoctor.checks.facts.edge.transitions import HostTransitions, SiteTransitions  # noqa: PLC0415  as above

    return [SiteTransitions, HostTransitions]


@hookimpl
def kedoctor_symptoms() -> Sequence[Symptom]:
    """What users of a KubeEdge site see."""
    from kedoctor.checks.symptoms import SYMPTOMS  # noqa: PLC0415  as above

    return SYMPTOMS


@hookimpl
def kedoctor_page(code: str, language: str) -> str | None:
    """The page of a code that this package owns."""
    if not (code.isalnum() and language.isalpha()):
        return None
    page = _pages().get((language, code))
    return page.read_text(encoding="utf-8") if page else None


@cache
def _pages() -> dict[tuple[str, str], Path]:
    # One look over all subjects: ``<subject>/pages/<language>/<code>.md``.
    return {(page.parent.name, page.stem): page for page in _HERE.glob("**/pages/*/*.md")}


@hookimpl
def kedoctor_references() -> Shelf:
    """What KubeEdge really does, what a real cluster said, and the files of the releases that were read."""
    return Shelf(
        documents=tuple((_HERE.parent / "reference").glob("[a-z]*.md")),
        upstream={
            "KubeEdge": "https://github.com/kubeedge/kubeedge/blob/v1.22.0/",
            "Kubernetes": "https://github.com/kubernetes/kubernetes/blob/v1.31.12/",
            "K3s": "https://github.com/k3s-io/k3s/blob/v1.31.12%2Bk3s1/",
            "metrics-server": "https://github.com/kubernetes-sigs/metrics-server/blob/v0.8.0/",
        },
    )


@hookimpl
def kedoctor_explain(text_lines: Iterable[str]) -> Explanation:
    """What KubeEdge, Kubernetes, K3s and metrics-server print, explained."""
    from kedoctor.checks.explain import explain  # noqa: PLC0415  reads the table of texts only when it is asked

    return explain(text_lines)


@hookimpl
def kedoctor_demos() -> list[tuple[str, list[Path]]]:
    """Recorded sites: every name in ``sandbox/recordings/demo-<name>-<host>.tgz`` is one."""
    sites: dict[str, list[Path]] = {}
    for bundle in sorted((_HERE / "sandbox" / "recordings").glob("demo-*.tgz")):
        name = bundle.stem.removeprefix("demo-").rpartition("-")[0]
        sites.setdefault(name, []).append(bundle)
    return sorted(sites.items())


@hookimpl
def kedoctor_procedures() -> list[Procedure]:
    """The installs of the cloud side and of an edge node."""
    from kedoctor.checks.install.cloud.procedure import CLOUD  # noqa: PLC0415  as above
    from kedoctor.checks.install.edge.procedure import EDGE  # noqa: PLC0415  as above

    return [CLOUD, EDGE]


@hookimpl
def kedoctor_standins() -> list[FakeService]:
    """edgecore, for sandboxes."""
    from kedoctor.checks.sandbox.fake_edgecore import EDGECORE  # noqa: PLC0415  as above

    return [EDGECORE]


@hookimpl
def kedoctor_gate() -> GateRecipe:
    """A pod on every edge that writes a nonce, and the four round trips."""
    from kedoctor.checks.gate.pod import RECIPE  # noqa: PLC0415  as above

    return RECIPE


@hookimpl
def kedoctor_offline() -> OfflineKnowledge:
    """Images, programs and manifests of an offline bundle, and how it is judged."""
    from kedoctor.checks.offline.knowledge import OFFLINE  # noqa: PLC0415  as above

    return OFFLINE


@hookimpl
def kedoctor_traces() -> Sequence[Trace]:
    """The traces of ``kubectl logs``, ``exec``, ``attach`` and ``top``."""
    from kedoctor.checks.trace import TRACES  # noqa: PLC0415  as above

    return TRACES
