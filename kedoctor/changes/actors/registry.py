"""Which actor carries out which action on this machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kedoctor.changes.actor import Actor, Actors
from kedoctor.changes.actors.files import FileActor
from kedoctor.changes.actors.images import ImageActor
from kedoctor.changes.actors.installers import ProgramActor
from kedoctor.changes.actors.nat import ChainActor, RuleActor
from kedoctor.changes.actors.nat_tables import NatTables
from kedoctor.changes.actors.programs_in_place import MoveActor, PlaceActor
from kedoctor.changes.actors.units import UnitActor
from kedoctor.model import actions as a
from kedoctor.model.declarations import RedactionRule
from kedoctor.model.observations import Setting, ToolOutput, Unavailable
from kedoctor.observe.live import subprocesses
from kedoctor.observe.live.cluster import LiveCluster

__all__ = ["live_actors"]


def live_actors(
    *,
    root: str = "/",
    kubeconfig: str = "",
    context: str = "",
    redactions: Sequence[RedactionRule] = (),
    settings: Mapping[str, Setting] | None = None,
) -> Actors:
    """The actors of this machine; those that need the API server are there once it can be asked.

    What ``redactions`` call a secret is not shown in any diff. ``settings`` are those of an install.

    Raises:
        KubeconfigError: a kubeconfig or context was named and cannot be used.
    """
    files, units = FileActor(root, redactions), UnitActor(_run, root=root)
    known: dict[type[a.Action], Actor] = {
        a.EditYaml: files,
        a.WriteFile: files,
        a.RemoveFile: files,
        a.ChangeMode: files,
        a.ControlUnit: units,
        a.RestartUnit: units,
    }
    if root == "/":  # the kernel and the runtime are this machine's, whatever files are looked at
        tables = NatTables()
        known |= {
            a.EnsureChain: ChainActor(tables),
            a.RemoveRule: RuleActor(tables),
            a.ImportImage: ImageActor(_run),
            a.PlaceFile: PlaceActor(),
            a.MoveAside: MoveActor(),
            a.RunProgram: ProgramActor(settings, redactions),
        }

    def of_cluster() -> dict[type[a.Action], Actor]:
        return _of_cluster(LiveCluster(kubeconfig or None, context or None, root=root))

    # An install makes the cluster that its later steps change.
    return Actors(known | of_cluster(), late=of_cluster)


def _of_cluster(cluster: LiveCluster) -> dict[type[a.Action], Actor]:
    server = cluster.server()
    if isinstance(server, Unavailable):
        return {}
    from kedoctor.changes.actors.certificates import CertificateActor  # noqa: PLC0415  only with a cluster
    from kedoctor.changes.actors.objects import ObjectActor, ObjectClient  # noqa: PLC0415  only with a cluster
    from kedoctor.changes.actors.pods import PodActor  # noqa: PLC0415  only with a cluster

    client = ObjectClient(server)
    objects = ObjectActor(client)
    return {
        **dict.fromkeys((a.EditObjectYaml, a.PatchObject, a.ApplyObject, a.DeleteObject), objects),
        a.RestartPods: PodActor(client),
        a.IssueCertificates: CertificateActor(client),
    }


def _run(argv: Sequence[str], timeout: float) -> ToolOutput | Unavailable:
    return subprocesses.run(argv, timeout=timeout)
