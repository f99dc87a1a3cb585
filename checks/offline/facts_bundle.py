"""The offline bundle of a host: the one that was named, else one in a usual place (kubeprepare.md §1.2)."""

from __future__ import annotations

from dataclasses import dataclass

from kedoctor.api import Files, Host, HostContext, OfflineBundle, Reason, Setting, Unavailable, fact, require
from kedoctor.checks.offline.judge import likely_architecture, likely_sides

__all__ = ["ARCHITECTURE_OF", "PLACES", "BundleHere", "BundleRead", "bundle_here", "bundle_read"]

ARCHITECTURE_OF = {"x86_64": "amd64", "aarch64": "arm64"}
"""By what ``uname -m`` says: the machine as Go names it."""

PLACES = (
    "/var/lib/kedoctor/offline/images",
    "/opt/kubeedge-cloud-*/images",
    "/opt/kubeedge-edge-*/images",
    "/root/kubeedge-cloud-*/images",
    "/root/kubeedge-edge-*/images",
)
"""Directories of an offline bundle where one is often unpacked; the newest by name is taken."""

SETTING = "bundle"
_LOOK = 15.0
_READ = 150.0


@dataclass(frozen=True, slots=True)
class BundleHere:
    """An offline bundle on this host, for which sides and which machine it is asked; ``named``: somebody said so.

    It was looked at by names, headers and manifests, which takes a moment.
    """

    bundle: OfflineBundle
    named: bool
    sides: tuple[str, ...]
    architecture: str


@fact
def bundle_here(host: Host, vantage: HostContext) -> BundleHere | Unavailable:
    """The setting ``bundle``, or without it the usual places; ``Unavailable(not-given)`` when there is none."""
    setting = host.setting(SETTING)
    named = isinstance(setting, Setting)
    place = setting.value if isinstance(setting, Setting) else _usual(host)
    if not place:
        places = ", ".join(one.rpartition("/")[0] for one in PLACES[:3])
        return Unavailable(
            Reason.NOT_GIVEN, "an offline bundle", f"none was named, and none lies in {places}"
        )
    bundle = require(host.offline_bundle(place, sums=False, timeout=_LOOK))
    identity = host.identity()
    machine = "" if isinstance(identity, Unavailable) else identity.machine
    sides = tuple(sorted(vantage.sides & {"cloud", "edge"})) or likely_sides(bundle)
    return BundleHere(bundle, named, sides, ARCHITECTURE_OF.get(machine, "") or likely_architecture(bundle))


@dataclass(frozen=True, slots=True)
class BundleRead:
    """The same offline bundle with the checksum of every file, if it was named: else ``bundle`` as it was looked at."""

    bundle: OfflineBundle


@fact
def bundle_read(host: Host, here: BundleHere) -> BundleRead:
    """Every byte of it is read, which takes minutes on a slow disk; for one that was merely found nobody waits so long."""
    if not here.named:
        return BundleRead(here.bundle)
    return BundleRead(require(host.offline_bundle(here.bundle.place, sums=True, timeout=_READ)))


def _usual(host: Host) -> str:
    """The directory above an ``images`` directory in a usual place; empty when there is none."""
    for pattern in PLACES:
        found = host.find(pattern)
        if isinstance(found, Files):
            held = [one.path for one in found.entries if one.kind == "directory"]
            if held:
                return max(held).rpartition("/")[0]
    return ""
