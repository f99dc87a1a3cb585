"""Files that steer kedoctor, read strictly: what they say is either understood to the last key or refused.

A mistyped key that is silently ignored would accept, skip or allow something else than its writer believes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kedoctor.base.errors import ConfigurationError
from kedoctor.base.input_files import read_given
from kedoctor.base.suggestions import did_you_mean
from kedoctor.yaml.document import MAX_BYTES, YamlDocument, YamlError, load

__all__ = ["SteeringFile", "read_steering"]

Place = Sequence[str | int]


@dataclass(frozen=True, slots=True)
class SteeringFile:
    """A YAML file whose top is a mapping, with the errors that name its lines."""

    path: Path
    document: YamlDocument

    def wrong(self, place: Place, message: str, *, hint: str = "") -> ConfigurationError:
        """The error about what stands at ``place``, with file and line in front."""
        position = self.document.value_position(place) or self.document.position(place) if place else None
        line = f":{position.line}" if position else ""
        return ConfigurationError(f"{self.path}{line}: {message}", hint=hint)

    def refuse_unknown(self, place: Place, found: Iterable[str], known: Sequence[str]) -> None:
        """Ends the command if a mapping has a key that nobody would read.

        Raises:
            ConfigurationError: it has one.
        """
        for key in found:
            if key not in known:
                position = self.document.position([*place, key])
                line = f":{position.line}" if position else ""
                raise ConfigurationError(
                    f"{self.path}{line}: there is no key {key!r}{did_you_mean(key, known)}",
                    hint=f"the keys are: {', '.join(known)}",
                )

    def text(self, place: Place, value: Any) -> str:
        """A value that must be a text with something in it.

        Raises:
            ConfigurationError: it is none.
        """
        if isinstance(value, str) and value.strip():
            return value
        said = "is empty" if value is None or value == "" else f"must be a text, not {value!r}"
        raise self.wrong(place, f"{place[-1]} {said}")


def read_steering(path: Path, what: str) -> SteeringFile:
    """The file; ``what`` it is, for the messages.

    Raises:
        ConfigurationError: it cannot be read, is not YAML, or says one thing twice.
    """
    try:
        data = read_given(path, MAX_BYTES + 1)
    except OSError as error:
        raise ConfigurationError(f"the {what} {path} cannot be read: {error.strerror or error}") from error
    try:
        document = load(data)
    except YamlError as error:
        raise ConfigurationError(f"the {what} {path} cannot be read: {error}") from error
    for twice in document.duplicates:
        raise ConfigurationError(f"{path}:{twice.last.line}: {twice.path[-1]} is written twice")
    if document.ignored_from is not None:
        raise ConfigurationError(f"{path}:{document.ignored_from.line}: a second document begins here")
    return SteeringFile(path, document)
