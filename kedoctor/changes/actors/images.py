"""Container images, imported from an archive into the store that the host's runtime reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from kedoctor.base.failpoints import reach
from kedoctor.base.records import decode, encode, replace
from kedoctor.model.actions.action import Action
from kedoctor.model.actions.images import ImportImage
from kedoctor.model.actors import ActionKind, ConflictError, Preview, RefusedError, State
from kedoctor.model.observations.request import Unavailable
from kedoctor.model.observations.tools import ToolOutput
from kedoctor.offline.image_archive import ArchiveError, ImageArchive, canonical, read_archive

__all__ = ["KINDS", "ImageActor"]

_LIST, _IMPORT, _REMOVE = "list", "import", "remove"
_CTR = {_LIST: ("images", "ls", "-q"), _IMPORT: ("images", "import"), _REMOVE: ("images", "rm")}
_DOCKER = {
    _LIST: ("image", "ls", "--format", "{{.Repository}}:{{.Tag}}"),
    _IMPORT: ("load", "-i"),
    _REMOVE: ("image", "rm"),
}
_PROGRAMS = {
    "k3s": (("k3s", "ctr", "-n", "k8s.io"), _CTR),
    "containerd": (("ctr", "-n", "k8s.io"), _CTR),
    "docker": (("docker",), _DOCKER),
}
_SECONDS = {_LIST: 30.0, _IMPORT: 600.0, _REMOVE: 60.0}
_SEPARATOR = "\n"


class ImageActor:
    """Imports images through the runtime's own client; ``options`` stand behind its name (another socket, say)."""

    def __init__(
        self,
        run: Callable[[Sequence[str], float], ToolOutput | Unavailable],
        *,
        options: Sequence[str] = (),
    ) -> None:
        self._run = run
        self._options = tuple(options)

    def look(self, action: Action) -> State:
        """Whether the reference is in the store; ``data`` holds all references that are."""
        wanted = _import(action)
        names = self._references(wanted)
        there = canonical(wanted.reference) in {canonical(name) for name in names}
        return State(
            target=action.target,
            exists=there,
            fingerprint="present" if there else "absent",
            data=encode(names),
        )

    def preview(self, action: Action, before: State) -> Preview:
        """What will be imported; an archive that is truncated or holds something else is refused."""
        wanted = _import(action)
        if before.exists:
            return Preview(changes=False, diff="", fingerprint="present")
        archive = _whole(wanted)
        names = "\n".join(f"+ {name}" for name in archive.references)
        size = Path(wanted.archive).stat().st_size
        diff = f"{wanted.runtime}: from {wanted.archive} ({size} bytes)\n{names}"
        return Preview(changes=True, diff=diff, fingerprint="present")

    def do(self, action: Action, before: State) -> State:
        """Imports the archive; what a failed import left is removed again."""
        wanted = _import(action)
        if self.look(action).fingerprint != before.fingerprint:
            raise ConflictError(f"somebody else changed the image {wanted.reference}")
        archive = _whole(wanted)
        reach()
        refusal = self._call(wanted, _IMPORT, wanted.archive)
        reach()
        after = self.look(action)
        added = _added(wanted, archive, before, after)
        if refusal or not after.exists:
            self._remove(wanted, added)
            said = refusal or f"the import did not bring {wanted.reference}"
            raise RefusedError(f"{wanted.archive}: {said}; what it had brought was removed again")
        return replace(after, attributes={"added": _SEPARATOR.join(added)})

    def undo(self, action: Action, before: State, after: State) -> None:
        """Removes the references that the import added."""
        wanted = _import(action)
        now = self.look(action)
        if now.fingerprint != after.fingerprint:
            raise ConflictError(f"somebody else removed the image {wanted.reference}")
        if "added" in after.attributes:
            there = set(decode(now.data, tuple[str, ...]))
            added = [name for name in after.attributes["added"].split(_SEPARATOR) if name in there]
        else:  # killed while it imported
            added = _added(wanted, _perhaps(wanted), before, now)
        reach()
        self._remove(wanted, added)
        reach()

    def tidy(self, action: Action) -> None:
        """Half an import is content without a name, which the runtime removes by itself."""

    # ------------------------------------------------------------------------------------------ inside

    def _references(self, wanted: ImportImage) -> tuple[str, ...]:
        answer = self._answer(wanted, _LIST)
        if isinstance(answer, Unavailable):
            raise RefusedError(f"the images of {wanted.runtime} cannot be listed: {_why(answer)}")
        if answer.exit_code != 0:
            raise RefusedError(f"the images of {wanted.runtime} cannot be listed: {_last(answer)}")
        names = {line.strip() for line in answer.stdout.splitlines()}
        return tuple(sorted(name for name in names if name and "<none>" not in name))

    def _remove(self, wanted: ImportImage, names: Sequence[str]) -> None:
        for name in names:
            refusal = self._call(wanted, _REMOVE, name)
            if refusal:
                raise RefusedError(f"the image {name} could not be removed: {refusal}")

    def _call(self, wanted: ImportImage, verb: str, operand: str) -> str:
        """Why it was refused; empty when it was not."""
        answer = self._answer(wanted, verb, operand)
        if isinstance(answer, Unavailable):
            return _why(answer)
        return _last(answer) if answer.exit_code != 0 else ""

    def _answer(self, wanted: ImportImage, verb: str, *operands: str) -> ToolOutput | Unavailable:
        program, verbs = _PROGRAMS[wanted.runtime]
        return self._run([*program, *self._options, *verbs[verb], *operands], _SECONDS[verb])


def _import(action: Action) -> ImportImage:
    if not isinstance(action, ImportImage) or action.runtime not in _PROGRAMS:
        raise RefusedError(f"{action.target} is not an import of an image")
    return action


def _whole(wanted: ImportImage) -> ImageArchive:
    try:
        archive = read_archive(Path(wanted.archive))
    except OSError as error:
        raise RefusedError(f"{wanted.archive} cannot be read: {error.strerror}") from error
    except ArchiveError as error:
        raise RefusedError(f"{wanted.archive} was not imported: {error}") from error
    if canonical(wanted.reference) not in archive.references:
        held = ", ".join(archive.references) or "no named image"
        raise RefusedError(f"{wanted.archive} does not hold {wanted.reference}; it holds {held}")
    if archive.compressed and wanted.runtime != "docker":
        raise RefusedError(
            f"{wanted.archive} is compressed, and not every version of ctr reads that",
            hint=f"gunzip {wanted.archive}",
        )
    return archive


def _perhaps(wanted: ImportImage) -> ImageArchive:
    try:
        return read_archive(Path(wanted.archive))
    except (OSError, ArchiveError):
        return ImageArchive((), (), compressed=False)


def _added(wanted: ImportImage, archive: ImageArchive, before: State, after: State) -> list[str]:
    """The names that came and belong to the archive; the one that decides whether it is there comes last."""
    had = set(decode(before.data, tuple[str, ...]))
    own = {canonical(wanted.reference), *archive.references}
    found = [
        name
        for name in decode(after.data, tuple[str, ...])
        if name not in had and (name in archive.images or canonical(name) in own)
    ]
    return sorted(found, key=lambda name: canonical(name) == canonical(wanted.reference))


def _why(answer: Unavailable) -> str:
    return answer.detail or answer.reason.value


def _last(answer: ToolOutput) -> str:
    lines = [line.strip() for line in answer.stderr.splitlines() if line.strip()]
    return lines[-1] if lines else f"exit code {answer.exit_code}"


KINDS = (ActionKind((ImportImage,), lambda place: ImageActor(place.run) if place.is_host else None),)
