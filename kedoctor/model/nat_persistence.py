"""Keeping a chain of our own across reboots: a restore file with nothing else in it, and a unit that loads it.

Never a whole saved table: it would freeze what proxies and network plugins write anew at every start.
"""

from __future__ import annotations

from kedoctor.model.actions.action import Action
from kedoctor.model.actions.files import WriteFile
from kedoctor.model.actions.nat import EnsureChain
from kedoctor.model.actions.units import ControlUnit
from kedoctor.model.nat_rules import NatEdit, jump_words, script

__all__ = ["UNIT", "persistence", "restore_file", "unit_file"]

UNIT = "kedoctor-nat.service"
"""The unit that loads the files of all chains."""

_UNIT_PATH = f"/etc/systemd/system/{UNIT}"


def persistence(*chains: EnsureChain, programs: str = "/usr/sbin") -> tuple[Action, ...]:
    """The actions that make the chains come back after a reboot, for the plan that makes them now.

    ``programs`` is the directory of ``iptables-nft-restore`` or ``iptables-legacy-restore``. All chains of a host
    belong into one call: there is one unit.
    """
    files = (WriteFile(_rules_path(chain), restore_file(chain), 0o644) for chain in chains)
    unit = WriteFile(_UNIT_PATH, unit_file(*chains, programs=programs), 0o644)
    # Started too, which loads the same rules once more: what cannot start now would fail at the next boot.
    return (*files, unit, ControlUnit(UNIT, "enable-now"))


def _rules_path(chain: EnsureChain) -> str:
    return f"/etc/kedoctor/nat-{chain.chain}.rules"


def restore_file(chain: EnsureChain) -> bytes:
    """The chain and its jumps as input of ``iptables-restore --noflush``; of other chains it says nothing."""
    jump = jump_words(chain.chain, chain.comment)
    edits = [
        *(NatEdit("append", chain.chain, rule) for rule in chain.rules),
        *(NatEdit("insert", hook, jump, 1) for hook in chain.hooks),
    ]
    header, _, rest = script(edits).partition(b"\n")
    # Declaring a chain makes it, or empties it if it is there.
    origin = f"# kedoctor's own chain; {UNIT} loads it".encode()
    return b"\n".join([origin, header, b":%s - [0:0]" % chain.chain.encode(), rest])


def unit_file(*chains: EnsureChain, programs: str = "/usr/sbin") -> bytes:
    """A unit that loads the restore files before anything of Kubernetes starts; starting it twice changes nothing."""
    lines = [
        "[Unit]",
        "Description=NAT rules kept by kedoctor",
        "Documentation=man:iptables-restore(8)",
        "Wants=network-pre.target",
        "After=network-pre.target",
        "Before=k3s.service kubelet.service",
        "",
        "[Service]",
        "Type=oneshot",
        "RemainAfterExit=yes",
    ]
    for chain in chains:
        tool = f"{programs}/iptables-{chain.backend}"
        jump = _for_unit(jump_words(chain.chain, chain.comment))
        # Jumps that are there already would stand there twice afterwards.
        lines += [f"ExecStartPre=-{tool} -w 5 -t nat -D {hook} {jump}" for hook in chain.hooks]
        lines.append(f"ExecStart={tool}-restore -w 5 --noflush {_rules_path(chain)}")
    return "\n".join([*lines, "", "[Install]", "WantedBy=multi-user.target", ""]).encode()


def _for_unit(words: str) -> str:
    """Words of ``iptables-save`` in a unit: systemd knows the same quotes, but expands ``%`` and ``$``."""
    return words.replace("%", "%%").replace("$", "$$")
