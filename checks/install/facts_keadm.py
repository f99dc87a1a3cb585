"""keadm on this host, which both installs put in place before they run it (facts.md §6.1)."""

from __future__ import annotations

from dataclasses import dataclass

from kedoctor.api import Host, fact
from kedoctor.checks.install.steps import InstalledProgram, installed_program

__all__ = ["KEADM", "KeadmHere"]

KEADM = "/usr/local/bin/keadm"


@dataclass(frozen=True, slots=True)
class KeadmHere:
    """keadm as it lies on this host."""

    program: InstalledProgram


@fact
def keadm_here(host: Host) -> KeadmHere:
    """Whether it can be run, and its version."""
    return KeadmHere(installed_program(host, KEADM, "version"))
