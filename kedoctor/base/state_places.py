"""Where kedoctor keeps its state, and where plugins of this machine lie: known without importing anything else."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = [
    "PLUGINS_ENVIRONMENT",
    "PLUGIN_DIRECTORY",
    "STATE_ENVIRONMENT",
    "plugin_directories",
    "state_directory",
]

STATE_ENVIRONMENT = "KEDOCTOR_STATE_DIR"
PLUGIN_DIRECTORY = Path("/etc/kedoctor/plugins")
PLUGINS_ENVIRONMENT = "KEDOCTOR_PLUGINS"


def state_directory() -> Path:
    """The state directory; it may not exist yet."""
    named = os.environ.get(STATE_ENVIRONMENT)
    if named:
        return Path(named)
    if os.geteuid() == 0:
        # Root's own state is the machine's: it survives a change of HOME by sudo.
        return Path("/var/lib/kedoctor")
    import platformdirs  # noqa: PLC0415  only here, and not at start

    return platformdirs.user_state_path("kedoctor")


def plugin_directories() -> list[Path]:
    """The directories whose ``.py`` files are plugins: the machine's, and those of ``KEDOCTOR_PLUGINS``."""
    named = os.environ.get(PLUGINS_ENVIRONMENT, "").split(":")
    return [PLUGIN_DIRECTORY, *(Path(one) for one in named if one)]
