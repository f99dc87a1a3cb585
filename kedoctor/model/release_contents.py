"""What an offline bundle is measured by, and the knowledge of it that a plugin brings (hook ``kedoctor_offline``)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from kedoctor.base.text import Text
from kedoctor.model.offline_bundle import OfflineBundle

__all__ = ["Judgement", "NeededImage", "NeededProgram", "OfflineKnowledge", "Shortcoming", "VersionSet"]


@dataclass(frozen=True, slots=True)
class NeededImage:
    """An image: its reference in full, as it is written with the names of versions in it, and who needs it why."""

    reference: str
    template: str
    sides: tuple[str, ...]
    mandatory: bool
    role: str
    why: Text


@dataclass(frozen=True, slots=True)
class NeededProgram:
    """A program or CNI plugin (``plugin``); ``version`` as releases write it, ``variable`` its name."""

    name: str
    version: str
    variable: str
    sides: tuple[str, ...]
    mandatory: bool
    plugin: bool
    why: Text


@dataclass(frozen=True, slots=True)
class VersionSet:
    """Everything that belongs to one release of what is installed; ``versions`` by the name of their variable."""

    release: str
    versions: Mapping[str, str]
    images: tuple[NeededImage, ...]
    programs: tuple[NeededProgram, ...]

    def of(self, side: str | None) -> tuple[tuple[NeededImage, ...], tuple[NeededProgram, ...]]:
        """The images and programs of one side, or of both (``None``)."""
        return (
            tuple(one for one in self.images if side is None or side in one.sides),
            tuple(one for one in self.programs if side is None or side in one.sides),
        )

    def image(self, role: str, side: str) -> NeededImage:
        """The image of that role on that side."""
        return next(one for one in self.images if one.role == role and side in one.sides)


@dataclass(frozen=True, slots=True)
class Shortcoming:
    """Something that is missing or wrong; ``about`` is an image, a program or a path; ``fatal`` makes it incomplete."""

    about: str
    text: Text
    fatal: bool


@dataclass(frozen=True, slots=True)
class Judgement:
    """What an offline bundle was measured by, and where it falls short, the fatal first."""

    bundle: OfflineBundle
    versions: VersionSet
    sides: tuple[str, ...]
    architecture: str
    shortcomings: tuple[Shortcoming, ...]

    @property
    def complete(self) -> bool:
        """Whether nothing that is mandatory is missing, and nothing in it is broken."""
        return not any(one.fatal for one in self.shortcomings)


class Judge(Protocol):
    """Compares an offline bundle with the version set of its release."""

    def __call__(
        self,
        bundle: OfflineBundle,
        *,
        sides: tuple[str, ...] = (),
        architecture: str = "",
        versions: VersionSet | None = None,
    ) -> Judgement:
        """Where it falls short; what is not said is taken from the bundle itself."""


class Job(Protocol):
    """Writes the CI job that fetches the images of an offline bundle."""

    def __call__(
        self,
        system: str,
        versions: VersionSet,
        *,
        directory: str,
        sides: tuple[str, ...],
        machines: tuple[str, ...],
    ) -> str:
        """The job for ``github`` or ``gitlab``."""


@dataclass(frozen=True, slots=True)
class OfflineKnowledge:
    """What belongs into an offline bundle.

    ``version_set`` gives the set of a release (``1.22.0``), or ``None``; ``newest`` that of the newest; ``releases``
    names those there are. ``manifests`` gives, by path, what stands at the top of a file and the objects below it;
    ``plain_files`` gives files that are no manifests.
    """

    version_set: Callable[[str], VersionSet | None]
    newest: Callable[[], VersionSet]
    releases: Callable[[], str]
    judge: Judge
    job: Job
    manifests: Callable[[VersionSet, tuple[str, ...]], Mapping[str, tuple[str, list[dict[str, Any]]]]]
    plain_files: Callable[[tuple[str, ...]], Mapping[str, bytes]]
