"""The files that ``kedoctor new-check`` writes."""

from __future__ import annotations

from string import Template

__all__ = ["files_of"]

_PLUGIN = Template('''\
"""$code $slug: say in one sentence what must be so."""

from __future__ import annotations

from dataclasses import dataclass

from kedoctor.api import (
    Evidence,
    Finding,
    Host,
    NoPlan,
    Plan,
    Risk,
    Side,
    Text,
    Verdict,
    WriteFile,
    check,
    fact,
    failed,
    hookimpl,
    passed,
    remedy,
    require,
)

PATH = "/etc/$slug.conf"
WANTED = "enabled = true"


@dataclass(frozen=True, slots=True)
class $name:
    """What the check is judged on: read by the fact below, never by the check itself."""

    lines: tuple[str, ...]

    @property
    def enabled(self) -> bool:
        """Whether the setting is there."""
        return WANTED in self.lines


@fact
def read_$function(host: Host) -> $name:
    """The file of each host; where it cannot be read, the check says so ("unknown") by itself."""
    return $name(tuple(require(host.read(PATH)).text().splitlines()))


@check(
    code="$code",
    slug="$slug",
    title=Text("$slug is enabled", zh="$slug 已启用"),
    side=Side.EDGE,  # CLOUD: hosts of the API server; HOST: every host; SITE: once, through the API
    remedy=Text(f"Write `{WANTED}` into {PATH}.", zh=f"在 {PATH} 中写入 `{WANTED}`。"),
    risk=Risk.SAFE,
)
def $function(settings: $name) -> Finding:
    """Judges the fact; reads nothing and changes nothing."""
    if settings.enabled:
        return passed(Text("$slug is enabled.", zh="$slug 已启用。"))
    return failed(
        Text(f"$slug is not enabled: {PATH} does not say `{WANTED}`.", zh=f"$slug 未启用：{PATH} 中没有 `{WANTED}`。"),
        expected=Text(WANTED, zh=WANTED),
        actual="; ".join(settings.lines),
        hint=Text("Add the line; nothing has to be restarted.", zh="添加该行即可，无需重启。"),
        evidence=(Evidence(PATH, "\\n".join(settings.lines)),),
        commands=(f"echo '{WANTED}' | sudo tee -a {PATH}",),
    )


@remedy("$code")
def enable_$function(verdict: Verdict, settings: $name) -> Plan | NoPlan:
    """What `kedoctor run --fix` does about it: actions as data, which kedoctor shows, does and takes back."""
    return Plan(
        code=verdict.code,
        subject=verdict.subject,
        title=Text(f"write `{WANTED}` into {PATH}", zh=f"在 {PATH} 中写入 `{WANTED}`"),
        prediction=Text("Nothing is restarted.", zh="不重启任何服务。"),
        risk=Risk.SAFE,
        actions=(WriteFile(PATH, "\\n".join((*settings.lines, WANTED, "")).encode()),),
    )


@hookimpl
def kedoctor_facts() -> list[object]:
    """The facts of this plugin."""
    return [read_$function]


@hookimpl
def kedoctor_checks() -> list[object]:
    """The checks of this plugin."""
    return [$function]


@hookimpl
def kedoctor_remedies() -> list[object]:
    """The repairs of this plugin."""
    return [enable_$function]
''')

_TEST = Template('''\
"""$code: judged on a fact, on files, and repaired."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from kedoctor.api import Plan, WriteFile
from kedoctor.testing import judged, judged_on_files, planned

FILE = Path(__file__).parents[1] / "$function.py"


def _plugin() -> ModuleType:
    spec = importlib.util.spec_from_file_location("$function", FILE)
    assert spec is not None and spec.loader is not None
    module = sys.modules["$function"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


plugin = _plugin()


def test_it_passes_and_fails_on_facts() -> None:
    assert [one.status for one in judged(plugin.$function, plugin.$name((plugin.WANTED,)))] == ["pass"]
    assert [one.status for one in judged(plugin.$function, plugin.$name(("enabled = false",)))] == ["fail"]


def test_it_reads_the_file_of_a_host() -> None:
    (right,) = judged_on_files("$code", {plugin.PATH: plugin.WANTED}, plugin)
    (unknown,) = judged_on_files("$code", {}, plugin)
    assert (right.status, unknown.status) == ("pass", "unknown")


def test_the_repair_writes_the_setting_and_keeps_the_rest() -> None:
    settings = plugin.$name(("enabled = false",))
    (verdict,) = judged(plugin.$function, settings)
    plan = planned(plugin.enable_$function, verdict, settings)
    assert isinstance(plan, Plan)
    assert plan.actions == (WriteFile(plugin.PATH, b"enabled = false\\nenabled = true\\n"),)
''')

_EN = Template("""\
# $code $slug is enabled

## Symptom

What somebody sees when it is not so.

## What it means

Why it matters, and what the check looks at: `/etc/$slug.conf`.

## See it yourself

    cat /etc/$slug.conf

## Remedy

    echo 'enabled = true' | sudo tee -a /etc/$slug.conf
""")

_ZH = Template("""\
# $code $slug 已启用

## 现象

不满足时会看到什么。

## 含义

为什么重要，以及本检查读取什么：`/etc/$slug.conf`。

## 自行验证

    cat /etc/$slug.conf

## 处理

    echo 'enabled = true' | sudo tee -a /etc/$slug.conf
""")


def files_of(code: str, slug: str) -> dict[str, str]:
    """The files by their path, the plugin itself first."""
    function = slug.replace("-", "_")
    name = "".join(word.capitalize() for word in slug.split("-")) + "Settings"
    words = {"code": code, "slug": slug, "function": function, "name": name}
    return {
        f"{function}.py": _PLUGIN.substitute(words),
        f"pages/en/{code}.md": _EN.substitute(words),
        f"pages/zh/{code}.md": _ZH.substitute(words),
        f"tests/test_{function}.py": _TEST.substitute(words),
    }
