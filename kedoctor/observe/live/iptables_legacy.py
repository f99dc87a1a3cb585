"""Legacy (xtables) tables, read without ``iptables-legacy-save``: the only module that imports python-iptables.

python-iptables opens tables, loads modules and may take the process down with it, so it works in a child process:
``python -m kedoctor.observe.live.iptables_legacy nat`` prints the table in ``iptables-save`` syntax. Opening a legacy table
creates it, and with it a second rule set that the kernel asks; so only a table that the kernel already lists in
``/proc/net/ip_tables_names`` is ever opened.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path
from types import ModuleType
from typing import Any

from kedoctor import patterns
from kedoctor.model.observations.logs import LogText
from kedoctor.model.observations.request import Reason, Unavailable
from kedoctor.model.observations.tools import ReadLegacyTable
from kedoctor.observe.live.files import refusal
from kedoctor.observe.live.subprocesses import run

__all__ = ["TABLE_NAMES", "load_iptc", "main", "read_legacy_table", "rule_words"]

TABLE_NAMES = Path("/proc/net/ip_tables_names")

_PLAIN = patterns.compiled(r"[-\w./:,@%+!=\[\]~^]+", patterns.ASCII)
_NOT_INSTALLED = 3
_LIMIT = 16 << 20  # kube-proxy writes tens of thousands of rules


def read_legacy_table(request: ReadLegacyTable) -> LogText | Unavailable:
    """An IPv4 table as ``iptables-save`` would print it; ``absent`` when the kernel holds no such legacy table."""
    what = f"legacy table {request.table}"
    try:
        listed = TABLE_NAMES.read_text().split()
    except FileNotFoundError:
        return Unavailable(Reason.ABSENT, what, "the kernel has no legacy iptables loaded")
    except OSError as error:
        return refusal(error, f"{what} ({TABLE_NAMES})")
    if request.table not in listed:
        return Unavailable(Reason.ABSENT, what, "the kernel does not list it in /proc/net/ip_tables_names")
    # -P: a file called iptc.py in the operator's directory is none of our business.
    answer = run([sys.executable, "-P", "-m", __name__, request.table], timeout=30, limit=_LIMIT)
    if isinstance(answer, Unavailable):
        return Unavailable(answer.reason, what, answer.detail)
    if answer.exit_code == 0 and not answer.truncated:
        return LogText(answer.stdout)
    if answer.truncated:
        return Unavailable(Reason.TOO_LARGE, what, f"it is longer than {_LIMIT >> 20} MiB")
    if answer.exit_code == _NOT_INSTALLED:
        return Unavailable(
            Reason.TOOL_MISSING, what, "neither iptables-legacy-save nor python-iptables is installed"
        )
    said = answer.stderr.strip().splitlines()[-1:] or [
        f"python-iptables ended with exit code {answer.exit_code}"
    ]
    return Unavailable(Reason.TOOL_FAILED, what, said[0])


def main(arguments: list[str]) -> int:
    """Prints the table named by the only argument; 0, or 3 when python-iptables is not installed."""
    (name,) = arguments
    if name not in TABLE_NAMES.read_text().split():
        sys.stderr.write(f"the kernel holds no legacy table {name}\n")
        return 1
    try:
        iptc = load_iptc(name)
    except ModuleNotFoundError:
        return _NOT_INSTALLED
    # The extensions of libxtables print through file descriptor 1, which python-iptables turns away for a moment:
    # everything is written at once, at the end.
    lines = list(_table(iptc.Table(name, autocommit=False)))
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()
    os._exit(0)  # no destructor of python-iptables gets to touch the table


def load_iptc(name: str) -> Any:
    """python-iptables, kept from loading the IPv6 module and from opening any table but ``name``; in a child only.

    Raises:
        ModuleNotFoundError: it is not installed.
    """
    ipv6 = ModuleType("iptc.ip6tc")
    vars(ipv6).update(is_table6_available=None, Table6=object, Rule6=object)
    sys.modules["iptc.ip6tc"] = ipv6
    import iptc  # noqa: PLC0415  it is an extra, and only this child needs it

    # To tell a chain from an extension it looks for the chain in all tables that this list does not deny.
    iptc.Table.existing_table_names.update({table: table == name for table in iptc.Table.ALL})
    return iptc


def _table(table: Any) -> Iterator[str]:
    yield f"*{table.name}"
    chains = table.chains
    names = {chain.name for chain in chains}
    for chain in chains:
        policy = chain.get_policy()
        yield f":{chain.name} {policy.name if policy else '-'} [0:0]"
    for chain in chains:
        for rule in chain.rules:
            yield " ".join(["-A", chain.name, *rule_words(rule, names)])
    yield "COMMIT"


def rule_words(rule: Any, chains: set[str]) -> Iterator[str]:
    """The words of a rule of python-iptables, in the order of ``iptables-save``; ``chains`` are the table's.

    Raises:
        SystemExit: python-iptables would misread one of its extensions.
    """
    for option, value in (
        ("-s", _network(rule.src)),
        ("-d", _network(rule.dst)),
        ("-i", rule.in_interface or ""),
        ("-o", rule.out_interface or ""),
        ("-p", "" if rule.protocol in {"ip", "all"} else rule.protocol),
    ):
        if value:
            yield from ["!", option, value[1:]] if value.startswith("!") else [option, value]
    ip = rule.get_ip()
    if ip.flags & ip.IPT_F_FRAG:
        yield "! -f" if ip.invflags & ip.IPT_INV_FRAG else "-f"
    for match in rule.matches:
        _refuse_other_revision(match, match.match.u)
        yield f"-m {match.name}"
        yield from _parameters(match)
    target = rule.target
    if target is None or not target.name:
        return
    _refuse_other_revision(target, target.target.u)
    yield f"{'-g' if target.goto else '-j'} {target.name}"
    if target.name not in chains:
        yield from _parameters(target)


def _network(text: str) -> str:
    """``10.0.0.0/255.0.0.0`` with a prefix length; empty for any address."""
    negated = "!" if text.startswith("!") else ""
    address, _, mask = text.removeprefix("!").partition("/")
    if mask == "0.0.0.0":  # noqa: S104  a netmask
        return ""
    try:
        return f"{negated}{address}/{ip_network(f'0.0.0.0/{mask}').prefixlen}"
    except ValueError:
        return f"{negated}{address}/{mask}"  # not contiguous, as iptables allows


def _refuse_other_revision(extension: Any, header: Any) -> None:
    """python-iptables reads every extension as its newest revision; of an older one it would make nonsense."""
    known = extension._revision  # noqa: SLF001  not to be had otherwise
    if header.user.revision != known:
        raise SystemExit(
            f"python-iptables cannot read revision {header.user.revision} of the extension {extension.name}, only {known}"
        )


def _parameters(extension: Any) -> Iterator[str]:
    for name, values in extension.get_all_parameters().items():
        negated = values[:1] == ["!"]
        yield from ["!"] if negated else []
        yield f"--{name}"
        yield from (_quoted(value) for value in values[negated:])


def _quoted(value: str) -> str:
    value = value.replace("\\'", "'")  # libxtables escapes it, python-iptables leaves it so
    if _PLAIN.fullmatch(value):
        return value
    escaped = patterns.compiled(r'(["\\\'])').sub(r"\\\1", value)
    return f'"{escaped}"'


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
