"""What an install of the cloud side was told, the bundle it installs from, and what it needs of the host first."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import datetime

from kedoctor.api import (
    BundledFile,
    Clock,
    FileMetadata,
    Host,
    OfflineBundle,
    Setting,
    fact,
    require,
)
from kedoctor.checks.facts.cloud.cloud_host import HostAddresses
from kedoctor.checks.install.steps import HostBundle, architecture_of
from kedoctor.checks.offline.judge import likely_release

__all__ = ["CloudBundle", "CloudRequest", "HostFitness", "VerifiedBundle"]


# ------------------------------------------------------------------------------------------ what was told


@dataclass(frozen=True, slots=True)
class CloudRequest:
    """What a person asked for; ``node_named`` says whether the name of the node was given or is the host's.

    ``kubeconfig`` is that of an existing cluster; empty: the usual place.
    """

    bundle: str
    advertise_address: str
    node_name: str
    node_named: bool
    kubeconfig: str = ""

    @property
    def address(self) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
        """The address that edges dial; ``None`` when it is not an IP address."""
        try:
            return ipaddress.ip_address(self.advertise_address)
        except ValueError:
            return None


@fact
def cloud_request(host: Host) -> CloudRequest:
    """The settings of ``kedoctor install cloud``; the node is called like the host unless it is named."""
    name = host.setting("node_name")
    kubeconfig = host.setting("kubeconfig")
    return CloudRequest(
        bundle=require(host.setting("bundle")).value,
        advertise_address=require(host.setting("advertise_address")).value.strip(),
        node_name=name.value if isinstance(name, Setting) else require(host.identity()).hostname.lower(),
        node_named=isinstance(name, Setting),
        kubeconfig=kubeconfig.value if isinstance(kubeconfig, Setting) else "",
    )


# ------------------------------------------------------------------------------------------ the bundle


@dataclass(frozen=True, slots=True)
class CloudBundle(HostBundle):
    """The offline bundle as the cloud host can use it."""

    @property
    def images(self) -> dict[str, BundledFile]:
        """What the cloud side can run of it: references in full, with the archive that holds each for this machine."""
        found = {
            one.reference: self.bundle.archive_of(one.reference, self.architecture)
            for one in self.versions.of("cloud")[0]
        }
        return {name: archive for name, archive in sorted(found.items()) if archive is not None}

    @property
    def archives(self) -> tuple[BundledFile, ...]:
        """The archives of those images, each once."""
        return tuple({one.path: one for one in self.images.values()}.values())


@fact
def cloud_bundle(host: Host, request: CloudRequest) -> CloudBundle:
    """The bundle by names, headers and manifests, which takes a moment; its checksums are compared once (KE952)."""
    machine = require(host.identity()).machine
    bundle = require(host.offline_bundle(request.bundle, sums=False))
    return CloudBundle(bundle, architecture_of(machine), likely_release(bundle))


@dataclass(frozen=True, slots=True)
class VerifiedBundle:
    """The same with the checksum of every file, which were all read."""

    bundle: OfflineBundle


@fact
def verified_bundle(host: Host, request: CloudRequest) -> VerifiedBundle:
    """Every byte of it is read."""
    return VerifiedBundle(require(host.offline_bundle(request.bundle)))


# ---------------------------------------------------------------------------------------------- the host


@dataclass(frozen=True, slots=True)
class HostFitness:
    """What an install needs of a host before anything else.

    ``default_address`` is the IPv4 address of the default route's interface; empty without one. ``now`` is what this
    host's clock says, aware UTC.
    """

    uid: int
    systemd: bool
    now: datetime
    default_interface: str = ""
    default_address: str = ""


@fact
def host_fitness(host: Host, clock: Clock, addresses: HostAddresses) -> HostFitness:
    """Who looks, process 1, the default route and the clock."""
    interface = addresses.addresses.default_interface
    on_it = [
        one.address
        for one in addresses.addresses.items
        if one.interface == interface and ":" not in one.address
    ]
    return HostFitness(
        uid=require(host.identity()).uid,
        systemd=isinstance(host.stat("/run/systemd/system"), FileMetadata),
        now=require(clock.now()).time,
        default_interface=interface,
        default_address=on_it[0] if interface and on_it else "",
    )
