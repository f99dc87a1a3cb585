"""YAML as the Go programs of a site read it: a plain tree, and the file and line of every key.

``load(data)`` gives a :class:`YamlDocument`; :class:`YamlError` names the line that is wrong. It stands apart from
``kedoctor.api`` because importing the parser takes as long as everything else together.
"""

from __future__ import annotations

from kedoctor.yaml.document import Position, YamlDocument, YamlError, load
from kedoctor.yaml.scalars import text_of

__all__ = ["Position", "YamlDocument", "YamlError", "load", "text_of"]
