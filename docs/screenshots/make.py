"""Photographs the page and the terminal for README.md and docs/: ``python docs/screenshots/make.py [NAME ...]``.

Needs what the lab tests need (chromium) and pillow. Each scene is a run that can be made again: the
built-in demo, recorded sites, a synthetic cluster of 10,000 edges, an API server that is not there. Pictures are reduced to
a palette, so that all of them together stay below 1.5 MB.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO, StringIO
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "lab"), str(ROOT / "benchmarks")]

from browser import Page, browser  # noqa: E402  tests/lab
from cluster_memory import SERVER, kubeconfig  # noqa: E402  benchmarks

RECORDINGS = ROOT / "checks" / "sandbox" / "recordings"
DEMO = [str(RECORDINGS / f"demo-edgestream-off-{host}.tgz") for host in ("cloud", "edge1")]
COLOURS = 160

Run = Callable[..., None]


def broken(run: Run, page: Path) -> None:
    """The built-in demo."""
    run("demo", "--format", "html", "-o", str(page))


def fixed(run: Run, page: Path) -> None:
    """The demo after its repair."""
    run("demo", "--fix", "--format", "html", "-o", str(page))


def evidence_only(run: Run, page: Path) -> None:
    """What the evidence of the edge alone shows."""
    run("run", "--evidence", DEMO[1], "--format", "html", "-o", str(page))


def cannot_diagnose(run: Run, page: Path) -> None:
    """An API server that refuses the connection."""
    config = kubeconfig(page.parent, "https://127.0.0.1:1")
    run(
        "run",
        "--side",
        "cloud",
        "--kubeconfig",
        str(config),
        "--root",
        str(page.parent),
        "--format",
        "html",
        "-o",
        str(page),
    )


def healthy(run: Run, page: Path) -> None:
    """The repaired demo as a later run shows it, which has changed nothing."""
    from kedoctor.base.records import decode, replace  # noqa: PLC0415  not for every scene
    from kedoctor.cli.options import present, render  # noqa: PLC0415
    from kedoctor.model.report import Report  # noqa: PLC0415
    from kedoctor.plugins import load_plugins  # noqa: PLC0415
    from kedoctor.redaction.documents import DocumentRedactor  # noqa: PLC0415

    document = page.with_suffix(".json")
    run("demo", "--fix", "--format", "json", "-o", str(document))
    report = DocumentRedactor().report(replace(decode(document.read_bytes(), Report), changes=()))
    page.write_bytes(render(load_plugins(), report, "html", present("en", to_file=True, verbose=False)))


def ten_thousand_edges(run: Run, page: Path) -> None:
    """A synthetic cluster of 10,000 edges, seen through its API."""
    with _cluster(10_000, page.parent) as config:
        run("run", "--side", "cloud", "--kubeconfig", str(config), "--format", "html", "-o", str(page))


def terminal(run: Run, page: Path) -> None:
    """The demo on a terminal of 110 columns."""
    from rich.console import Console  # noqa: PLC0415  not for every scene
    from rich.terminal_theme import MONOKAI  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    from kedoctor.api import Presentation  # noqa: PLC0415
    from kedoctor.base.records import decode  # noqa: PLC0415
    from kedoctor.model.report import Report  # noqa: PLC0415
    from kedoctor.reports.terminal import render  # noqa: PLC0415

    document = page.with_suffix(".json")
    run("demo", "--format", "json", "-o", str(document))
    painted = render(decode(document.read_bytes(), Report), Presentation(width=110, colour=True)).decode()
    console = Console(record=True, width=110, file=StringIO(), force_terminal=True)
    console.print(Text.from_ansi(painted))
    drawn = console.export_svg(title="kedoctor demo", theme=MONOKAI)
    # The font that rich names lies in the web; what is here does as well.
    drawn = re.sub(r"@font-face \{.*?\}", "", drawn, flags=re.DOTALL).replace("Fira Code", "DejaVu Sans Mono")
    page.write_text(f"<!doctype html><body style='margin:0;background:#fff'>{drawn}")


SCENES = (healthy, broken, fixed, evidence_only, cannot_diagnose, ten_thousand_edges, terminal)


@contextmanager
def _cluster(edges: int, folder: Path) -> Iterator[Path]:
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(edges)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT / "tests" / "lab",
    )
    if server.stdin is None or server.stdout is None:
        raise OSError("no pipes to the server")
    try:
        yield kubeconfig(folder, server.stdout.readline().strip())
    finally:
        server.stdin.close()
        server.wait(20)
        server.stdout.close()


def _run(state: Path) -> Run:
    def run(*arguments: str) -> None:
        subprocess.run(
            [sys.executable, "-m", "kedoctor", "--lang", "en", *arguments],
            env={**os.environ, "KEDOCTOR_STATE_DIR": str(state), "PYTHONPATH": str(ROOT)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
            timeout=600,
        )

    return run


def photographs(tab: Page, name: str, page: Path) -> Iterator[tuple[str, bytes]]:
    """The first screens of a page: at a desk; of the broken one also in the dark, on a phone, and its checks."""
    tab.size(1280, 1180, scale=1.25)
    tab.media()
    tab.open(page)
    if name == "terminal":
        tab.size(
            1280, int(tab.value("document.querySelector('svg').getBoundingClientRect().height")), scale=1.25
        )
    yield name, tab.picture()
    if name != "broken":
        return
    tab.media(dark=True)
    yield f"{name}-dark", tab.picture()
    tab.media()
    tab.value("location.hash = '#causes'")
    tab.value(
        "document.querySelector('#cause-1 details.fold').open = true; document.querySelector('#causes').scrollIntoView()"
    )
    yield f"{name}-cause", tab.picture()
    tab.value("document.querySelector('#expiries').scrollIntoView()")
    yield f"{name}-certificates", tab.picture()
    tab.size(360, 1180, scale=1.5, mobile=True)
    tab.open(page)
    yield f"{name}-phone", tab.picture()


def _small(picture: bytes) -> bytes:
    with Image.open(BytesIO(picture)) as seen:
        reduced = seen.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
        out = BytesIO()
        reduced.save(out, "PNG", optimize=True)
        return out.getvalue()


def main(names: list[str]) -> None:
    """Writes the pictures beside this script."""
    wanted = [scene for scene in SCENES if not names or scene.__name__.replace("_", "-") in names]
    sizes = {}
    # Where kedoctor keeps what it saw nobody but its owner may write, so not below /tmp.
    with tempfile.TemporaryDirectory(dir=Path.home()) as folder, browser(Path(folder)) as started:
        tab = started.page()
        for scene in wanted:
            name = scene.__name__.replace("_", "-")
            page = Path(folder) / f"{name}.html"
            scene(_run(Path(folder) / "state"), page)
            for title, picture in photographs(tab, name, page):
                small = _small(picture)
                (HERE / f"{title}.png").write_bytes(small)
                sizes[title] = len(small)
    sys.stdout.write(json.dumps(sizes, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
