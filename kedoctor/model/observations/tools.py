"""What read-only programs of a host print, and the NAT table that is read without one."""

from __future__ import annotations

from kedoctor.model.observations.request import Answer, Request

__all__ = ["ReadLegacyTable", "RunTool", "ToolOutput"]


class RunTool(Request, frozen=True):
    """Asks for the :class:`ToolOutput` of a read-only program; ``tool`` is a name, found in the system's paths."""

    tool: str
    arguments: tuple[str, ...] = ()
    timeout: float = 10.0


class ToolOutput(Answer, frozen=True):
    """What a program printed (capped) and returned; ``argv[0]`` is its absolute path."""

    argv: tuple[str, ...]
    exit_code: int
    stdout: str
    stderr: str
    truncated: bool = False


class ReadLegacyTable(Request, frozen=True):
    """Asks for a legacy (xtables) table as :class:`LogText` in ``iptables-save`` syntax, read without iptables.

    For hosts whose ``iptables-legacy-save`` is missing. ``Unavailable(absent)`` when the kernel holds no such
    table: it is then never opened, because opening a legacy table creates it.
    """

    table: str = "nat"
