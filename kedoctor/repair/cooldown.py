"""Not the same again and again: what was repaired twice within minutes and is wrong again has another reason."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from kedoctor.base.text import Text
from kedoctor.changes.journal import JournalManifest

__all__ = ["COOL_DOWN", "TRIES", "too_soon"]

COOL_DOWN = timedelta(minutes=10)
TRIES = 2
"""So often within the cool-down; then a person has to say that it is to be tried again."""


def too_soon(history: Sequence[JournalManifest], code: str, subject: str, now: datetime) -> Text | None:
    """Why a repair of this is refused now, or ``None``: it was done (and perhaps taken back) twice just before."""
    times = [
        manifest.started
        for manifest in history
        if (code, subject) in zip(manifest.codes, manifest.subjects, strict=False)
        and timedelta(0) <= now - manifest.started < COOL_DOWN
    ]
    if len(times) < TRIES:
        return None
    minutes = round(COOL_DOWN.total_seconds() / 60)
    return Text(
        f"it was repaired or taken back {len(times)} times in the last {minutes} minutes and is wrong again, so something else makes it so; --again tries once more",
        zh=f"最近 {minutes} 分钟内已修复或撤销 {len(times)} 次，现又异常，说明另有原因；如需再试请加 --again",
    )
