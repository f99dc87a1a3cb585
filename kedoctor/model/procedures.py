"""Procedures: installs as ordered lists of checks that start red.

A plugin brings them by the hook ``kedoctor_procedures``. What is judged, and what is done about it, stands in the
checks and their remedies; a procedure only says in which order, and what has to be told beforehand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from kedoctor.base.text import Text
from kedoctor.model.declarations import Side

__all__ = ["Kind", "Parameter", "Procedure"]


class Kind(StrEnum):
    """What a person gives for a parameter."""

    TEXT = "text"
    DIRECTORY = "directory"  # one that exists; facts see its absolute path
    SECRET_FILE = "secret-file"  # noqa: S105  a file whose content is the value, which is shown nowhere
    FLAG = "flag"  # facts see "yes"; nothing when it was not given


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """Something an install has to be told: the option of the command line, and the setting that facts ask for.

    A parameter that is not ``required`` and not given is ``Unavailable(not-given)`` unless it has a ``default``.
    """

    setting: str
    option: str
    help: Text
    metavar: str = "TEXT"
    kind: Kind = Kind.TEXT
    required: bool = False
    default: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Procedure:
    """An install: ``kedoctor install NAME``.

    ``preflight`` are codes that must hold before anything is changed; nothing is ever done about them. ``steps`` are
    codes in the order in which they are put right, each by its remedy and judged again by itself. A check judges all
    that its plan makes: where a foreign program has taken over, what is missing behind it is planned anew. Afterwards
    everything that is judged in a plain run is looked at once, from the host's ``side``.

    ``optional`` are steps that are a loss and no end where they do not come out right. ``waits`` gives a step so many seconds to become right by itself, because an earlier step has started what it
    judges. ``member`` is the setting that names the node being installed: what a step says of others is left out.
    ``farewell`` is what a person does next, said when everything is right; ``{member}`` in it becomes that node's name.
    ``handover`` is a fact with an attribute ``handover`` (:class:`Text`): what is shown once at the end, on the screen
    and nowhere else, because it may hold a secret.
    """

    name: str
    title: Text
    side: Side
    parameters: tuple[Parameter, ...]
    preflight: tuple[str, ...]
    steps: tuple[str, ...]
    optional: tuple[str, ...] = ()
    waits: Mapping[str, float] = field(default_factory=dict)
    member: str = ""
    farewell: Text | None = None
    handover: type | None = None
