"""KE932: images are imported from the offline bundle, or from archives on the host, by the runtime's own client."""

from __future__ import annotations

from kedoctor.api import ImportImage, NoPlan, Plan, Risk, Text, Unavailable, Verdict, remedy
from kedoctor.checks.facts.cluster.images import ImageArchives
from kedoctor.checks.facts.edge.image_store import ImageStore
from kedoctor.checks.offline.facts_bundle import BundleHere
from kedoctor.checks.plans.images import imported

__all__ = ["images_present"]

_SETTLE = 3.0
"""Seconds; the store lists an image as soon as it was imported."""


@remedy("KE932")
def images_present(
    verdict: Verdict,
    store: ImageStore,
    bundle: BundleHere | Unavailable,
    archives: ImageArchives | Unavailable,
) -> Plan | NoPlan:
    """One import; running pods notice nothing, and one that waits for the image starts by itself."""
    reference = verdict.subject
    archive = _archive(reference, bundle, archives)
    if isinstance(archive, NoPlan):
        return archive
    action = ImportImage(archive, reference, store.runtime)
    return Plan(
        code=verdict.code,
        subject=verdict.subject,
        title=imported(action),
        prediction=Text(
            "Running pods notice nothing; a pod that waits for the image starts within a few minutes.",
            zh="运行中的 Pod 不受影响；等待该镜像的 Pod 会在几分钟内启动。",
        ),
        risk=Risk.SAFE,
        actions=(action,),
        settle=_SETTLE,
    )


def _archive(
    reference: str, here: BundleHere | Unavailable, archives: ImageArchives | Unavailable
) -> str | NoPlan:
    held = None if isinstance(here, Unavailable) else here.bundle.archive_of(reference, here.architecture)
    if isinstance(here, BundleHere) and held is not None:
        if not here.bundle.packed:
            return here.bundle.path(held)
        return NoPlan(
            Text(
                f"the offline bundle {here.bundle.place} is packed; unpack it and name the directory with --offline-bundle",
                zh=f"离线包 {here.bundle.place} 尚未解包；请解包后用 --offline-bundle 指定目录",
            )
        )
    found = None if isinstance(archives, Unavailable) else archives.of(reference)
    if found is not None:
        return found
    return NoPlan(
        Text(
            f"no archive of {reference} was found on this host; name the offline bundle that holds it with "
            "--offline-bundle DIR",
            zh=f"本机没有 {reference} 的归档；请用 --offline-bundle DIR 指定包含它的离线包",
        )
    )
