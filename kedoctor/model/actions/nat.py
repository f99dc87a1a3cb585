"""Changes of NAT rules."""

from __future__ import annotations

from typing import ClassVar

from kedoctor.base.text import Text
from kedoctor.model.actions.action import Action

__all__ = ["EnsureChain", "RemoveRule"]


class EnsureChain(Action, frozen=True, tag=True):
    """A chain of our own in the ``nat`` table with exactly these rules, and a jump to it from each of ``hooks``.

    ``rules`` are in the words of ``iptables-save`` without ``-A CHAIN``.
    """

    backend: str  # nft or legacy
    chain: str
    hooks: tuple[str, ...]
    rules: tuple[str, ...]
    comment: str

    where: ClassVar[str] = "nat:{0.backend}:{0.chain}"
    does: ClassVar[Text] = Text("change NAT rules {what}", zh="修改 NAT 规则 {what}")


class RemoveRule(Action, frozen=True, tag=True):
    """One rule out of a chain of the ``nat`` table, exactly as ``iptables-save`` prints it (``-A CHAIN …``).

    ``occurrence`` counts equal rules from 1; going back it is put where it was. Of several equal rules that shall go
    the last one stands first in the plan.
    """

    backend: str
    rule: str
    occurrence: int = 1

    where: ClassVar[str] = "nat:{0.backend}:{0.rule}:{0.occurrence}"
    does: ClassVar[Text] = Text("remove NAT rules {what}", zh="删除 NAT 规则 {what}")
