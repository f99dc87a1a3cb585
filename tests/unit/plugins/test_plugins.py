"""Plugins of others: accepted, refused with a reason, and never the end of a run."""

from __future__ import annotations

import os
from pathlib import Path

from kedoctor.plugins import load_plugins

GOOD = """
from kedoctor.api import Finding, Host, Side, Text, check, fact, hookimpl, passed

class Shell:
    pass

@fact
def shell(host: Host) -> Shell:
    return Shell()

@check(code="ACME01", slug="acme-shell", title=Text("A shell", zh="外壳"), side=Side.EDGE)
def acme(it: Shell) -> Finding:
    return passed(Text("There is one.", zh="有。"))

@hookimpl
def kedoctor_facts():
    return [shell]

@hookimpl
def kedoctor_checks():
    return [acme]

@hookimpl
def kedoctor_page(code, language):
    return "# ACME01" if code == "ACME01" else None
"""


def _drop_in(directory: Path, name: str, text: str) -> Path:
    directory.mkdir(mode=0o755, exist_ok=True)
    path = directory / name
    path.write_text(text)
    path.chmod(0o644)
    return path


def test_the_built_in_plugins_are_all_accepted(tmp_path: Path) -> None:
    plugins = load_plugins(directory=tmp_path / "none")
    assert plugins.registry.refusals == []
    assert {"checks", "reports"} <= set(plugins.names)
    assert {"terminal", "json", "html"} <= set(plugins.formats())


def test_a_file_in_the_directory_adds_a_check_and_its_page(tmp_path: Path) -> None:
    _drop_in(tmp_path / "d", "acme.py", GOOD)
    plugins = load_plugins(directory=tmp_path / "d")
    assert "ACME01" in plugins.registry.checks
    assert plugins.page("ACME01", "en") == "# ACME01"


def test_a_file_that_breaks_is_refused_and_the_others_stay(tmp_path: Path) -> None:
    _drop_in(tmp_path / "d", "a_syntax.py", "def broken(:\n")
    _drop_in(tmp_path / "d", "b_raises.py", "raise SystemError('no')\n")
    _drop_in(
        tmp_path / "d",
        "c_hook.py",
        "from kedoctor.api import hookimpl\n@hookimpl\ndef kedoctor_checks():\n    raise OSError('x')\n",
    )
    _drop_in(
        tmp_path / "d",
        "d_unknown.py",
        "from kedoctor.api import hookimpl\n@hookimpl\ndef kedoctor_nonsense():\n    return []\n",
    )
    _drop_in(tmp_path / "d", "e_good.py", GOOD)
    plugins = load_plugins(directory=tmp_path / "d")
    reasons = " ".join(refusal.reason for refusal in plugins.registry.refusals)
    assert "SyntaxError" in reasons
    assert "SystemError" in reasons
    assert "OSError" in reasons
    assert "kedoctor_nonsense" in reasons
    assert "ACME01" in plugins.registry.checks
    assert len(plugins.registry.checks) > 40


def test_a_directory_that_others_can_write_is_refused(tmp_path: Path) -> None:
    path = _drop_in(tmp_path / "d", "acme.py", GOOD)
    path.chmod(0o666)
    plugins = load_plugins(directory=tmp_path / "d")
    assert "ACME01" not in plugins.registry.checks
    assert "can be written by others" in plugins.registry.refusals[0].reason
    path.chmod(0o644)
    (tmp_path / "d").chmod(0o777)
    assert "ACME01" not in load_plugins(directory=tmp_path / "d").registry.checks


def test_a_file_of_another_user_is_refused(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        return
    path = _drop_in(tmp_path / "d", "acme.py", GOOD)
    os.chown(path, 12345, 12345)
    plugins = load_plugins(directory=tmp_path / "d")
    assert "not owned by root" in plugins.registry.refusals[0].reason
