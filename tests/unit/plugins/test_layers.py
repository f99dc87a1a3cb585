"""What import-linter cannot say: that its contracts name every room, that each library has one home, that checks do no I/O."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
ROOMS = {
    "kedoctor": ROOT / "kedoctor",
    "kedoctor.checks": ROOT / "checks",
    "kedoctor.reports": ROOT / "reports",
}

# What a library may be imported from; a package stands for its modules.
HOMES = {
    "click": ("kedoctor.cli", "kedoctor.__main__"),
    "cryptography": ("kedoctor.pki.certificates",),
    "iptc": ("kedoctor.observe.live.iptables_legacy", "kedoctor.changes.actors.nat_legacy"),
    "jinja2": ("kedoctor.reports.html",),
    "kubernetes": ("kedoctor.observe.live.credential_plugin",),
    "markdown_it": ("kedoctor.base.markdown",),
    "msgspec": ("kedoctor.base.records",),
    "platformdirs": ("kedoctor.base.state_places",),
    "pluggy": ("kedoctor.plugins", "kedoctor.hookspecs"),
    "psutil": ("kedoctor.observe.live.processes",),
    "pytest": ("kedoctor.pytest_plugin",),
    "rich": ("kedoctor.base.screen",),
    "ruamel": ("kedoctor.yaml.document",),
    "websocket": ("kedoctor.observe.live.pod_streams",),
}

# Modules through which a check could reach the world. Reading its own data files is knowledge, not the world.
WORLD = {
    "asyncio",
    "http",
    "os",
    "platform",
    "shutil",
    "socket",
    "ssl",
    "subprocess",
    "tempfile",
    "time",
    "urllib.request",
}
DATA_READERS = {"kedoctor.checks", "kedoctor.checks.parsers.config.schema"}


def _modules() -> Iterator[tuple[str, Path]]:
    for room, folder in ROOMS.items():
        for path in sorted(folder.rglob("*.py")):  # rglob does not follow the links to checks and reports
            parts = path.relative_to(folder).with_suffix("").parts
            names = [part for part in parts if part != "__init__"]
            yield ".".join([room, *names]), path


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _contracts() -> list[dict[str, Any]]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts: list[dict[str, Any]] = settings["tool"]["importlinter"]["contracts"]
    return contracts


def test_the_layers_name_every_room_of_the_engine() -> None:
    layers, engine = _contracts()[:2]
    layered = {room for layer in layers["layers"] for room in layer.split(" | ")}
    there = {".".join(module.split(".")[:2]) for module, _ in _modules() if "." in module}
    assert layered == there - {"kedoctor.checks", "kedoctor.reports"}
    assert set(engine["source_modules"]) == layered


def test_the_contracts_of_checks_and_reports_name_every_other_room() -> None:
    contracts = {one["source_modules"][0]: one for one in _contracts() if one["type"] == "forbidden"}
    rooms = {".".join(module.split(".")[:2]) for module, _ in _modules() if "." in module}
    for own in ("kedoctor.checks", "kedoctor.reports"):
        assert set(contracts[own]["forbidden_modules"]) == rooms - {own, "kedoctor.api"}


def test_checks_do_no_io() -> None:
    for module, path in _modules():
        if not module.startswith("kedoctor.checks"):
            continue
        for name in _imports(path):
            assert name.partition(".")[0] not in WORLD, f"{module} imports {name}"
        text = path.read_text(encoding="utf-8")
        if module not in DATA_READERS:
            assert not re.search(r"(?<!\w)open\(", text), f"{module} opens something"


def test_texts_of_our_own_have_both_languages() -> None:
    for module, path in _modules():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Text":
                named = {keyword.arg for keyword in node.keywords}
                assert "zh" in named or None in named or len(node.args) == 2, f"{module}:{node.lineno}"


def test_each_library_is_imported_from_its_home() -> None:
    seen: dict[str, set[str]] = defaultdict(set)
    for module, path in _modules():
        for name in _imports(path):
            top = name.partition(".")[0]
            if top not in sys.stdlib_module_names and top != "kedoctor":
                seen[top].add(module)
    assert set(seen) <= set(HOMES), f"a library without a home: {set(seen) - set(HOMES)}"
    for library, modules in seen.items():
        for module in modules:
            assert module.startswith(HOMES[library]), f"{library} is imported by {module}"


def test_the_engine_does_not_know_the_field() -> None:
    words = ("kubeedge", "edgecore", "cloudcore", "edgehub", "tunnel-port", "10350", "keadm", "edgemesh")
    # Risk classes are part of the command line and name what they restart; the words are the design's. So is the
    # release that an offline bundle is made for.
    named = {
        "kedoctor.model.declarations",
        "kedoctor.cli.prompts",
        "kedoctor",
        "kedoctor.cli",
        "kedoctor.cli.run",
    }
    named |= {"kedoctor.cli.bundle", "kedoctor.cli.bundle_output"}
    # The same sentences in Chinese.
    named |= {"kedoctor.cli.chinese_errors", "kedoctor.cli.chinese_help"}
    for module, path in _modules():
        if module.startswith(("kedoctor.checks", "kedoctor.reports")) or module in named:
            continue
        source = path.read_text(encoding="utf-8")
        tree = ast.parse(source)
        docstrings = {
            id(node.body[0].value)
            for node in ast.walk(tree)
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
            and node.body
            and isinstance(node.body[0], ast.Expr)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
                assert not any(word in node.value.lower() for word in words), (
                    f"{module}:{node.lineno}: {node.value!r}"
                )


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Imports within functions and those for the type checker count too: who reads one module has to read all of them."""
    paths = dict(_modules())
    arrows = {
        module: {name for name in _imports(path) if name in paths and name != module}
        for module, path in paths.items()
    }
    assert _circles(arrows) == []


def _circles(arrows: dict[str, set[str]]) -> list[list[str]]:
    """The groups of modules that reach each other, each sorted: a module is in one if it can be reached from itself."""
    reached = {module: _reached(arrows, module) for module in arrows}
    groups = {
        tuple(sorted(other for other in reached[module] if module in reached[other]))
        for module in arrows
        if module in reached[module]
    }
    return [list(group) for group in sorted(groups)]


def _reached(arrows: dict[str, set[str]], module: str) -> set[str]:
    found: set[str] = set()
    waiting = list(arrows[module])
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(arrows[name])
    return found


def test_a_circle_is_found() -> None:
    arrows = {"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}, "e": set()}
    assert _circles(arrows) == [["b", "c"]]
