"""Makes ``tests/fixtures`` and the demo of ``checks/sandbox/recordings`` from the recordings, through the real collect code.

::

    KEDOCTOR_RECORDINGS=/path/to/recordings python tests/make_fixtures.py [CASE...]

Every fact of every plugin is made over a recording source, as ``kedoctor collect`` does it; the salt and the times
are fixed, so equal recordings and equal code give equal bytes.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path

from recorded import RecordedCase, RecordedHost, cases

from kedoctor.base.records import encode
from kedoctor.evidence.collect import Collected, collect
from kedoctor.judge.fact_evaluation import FactCrashError, HostView, SiteView, contexts
from kedoctor.model.declarations import Side
from kedoctor.model.observations.request import Request
from kedoctor.model.ports import Host
from kedoctor.observe.memo import MemoSource
from kedoctor.plugins import Plugins, load_plugins

__all__ = ["main", "make_bundle"]

HERE = Path(__file__).parent
FIXTURES = HERE / "fixtures"
DEMOS = {"b-edgestream-disabled": HERE.parent / "checks" / "sandbox" / "recordings" / "demo-edgestream-off"}
LIMIT = 150_000


def make_bundle(plugins: Plugins, case: RecordedCase, host: str, path: Path) -> Collected:
    """The bundle of one recorded host, with everything that any fact asks for."""
    sides = case.hosts()[host]
    source = case.source(host)
    asked = _asked(plugins, source, host, sides)

    def look(memo: MemoSource) -> Sequence[str]:
        for request in asked:  # in one order, whatever the threads and dictionaries of the engine do
            memo.observe(request)
        return sorted(sides)

    salt = hashlib.sha256(b"kedoctor fixtures").digest()
    return collect(look, source, path, plugins.evidence(), host=host, salt=salt, created=case.clock)


def _asked(plugins: Plugins, source: RecordedHost, host: str, sides: set[str]) -> list[Request]:
    memo = MemoSource(source)
    plugins.sides(Host(memo))
    view = HostView(host, frozenset(Side(side) for side in sides), memo)
    whole, hosts = contexts(plugins.registry, SiteView((view,), memo))
    for wanted in plugins.registry.facts:
        for context in (whole, *hosts.values()):
            try:
                context.fact(wanted)
            except FactCrashError as crash:
                sys.stderr.write(f"{host}: {crash}\n")
    return sorted((seen.request for seen in memo.observations()), key=encode)


def main(names: Sequence[str]) -> int:
    """Makes the fixtures of the named cases, of all if none is named."""
    plugins = load_plugins()
    for refusal in plugins.registry.refusals:
        sys.stderr.write(f"{refusal.plugin}: {refusal.what}: {refusal.reason}\n")
    for name in names or cases():
        case = RecordedCase(name)
        for host in case.hosts():
            path = FIXTURES / name / f"{host}.tgz"
            path.parent.mkdir(parents=True, exist_ok=True)
            made = make_bundle(plugins, case, host, path)
            size = path.stat().st_size
            note = "  TOO LARGE" if size > LIMIT else ""
            sys.stdout.write(f"{size:8} {len(made.manifest.entries):4} {path.relative_to(HERE)}{note}\n")
            if name in DEMOS:
                demo = DEMOS[name].with_name(f"{DEMOS[name].name}-{host}.tgz")
                demo.parent.mkdir(exist_ok=True)
                demo.write_bytes(path.read_bytes())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
