"""One fault of a site: a change of :class:`faulty_site.FaultySite`, with the check that must name it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from faulty_site import FaultySite

__all__ = ["Fault", "Inject", "fault"]

Inject = Callable[[FaultySite], None]


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault: its name, the cause that must be named, the hop where it lies, and how it is put in.

    ``waits`` is whether it breaks nothing by itself yet, ``also`` another check that may name it as well where the
    first cannot look.
    """

    name: str
    code: str
    hop: str
    inject: Inject
    waits: bool = False
    also: tuple[str, ...] = ()

    @property
    def codes(self) -> set[str]:
        """Every code that names it rightly."""
        return {self.code, *self.also}

    def __repr__(self) -> str:
        return self.name


def fault(
    into: list[Fault], code: str, hop: str, *, waits: bool = False, also: tuple[str, ...] = ()
) -> Callable[[Inject], Inject]:
    """Makes a function that changes a site a :class:`Fault` of a list; it is called after the function."""

    def keep(inject: Inject) -> Inject:
        into.append(Fault(inject.__name__.replace("_", "-"), code, hop, inject, waits, also))
        return inject

    return keep
