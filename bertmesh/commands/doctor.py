"""`bertmesh doctor`: what is wrong with the mesh, before it bites."""

import sys
from collections.abc import Sequence
from dataclasses import replace

import click

from bertmesh.commands.options import home_option
from bertmesh.commands.output import emit, form_option
from bertmesh.commands.target import cluster_part
from bertmesh.errors import BertmeshError
from bertmesh.local import inventory
from bertmesh.local.home import Home
from doctor.errors import DoctorError
from doctor.examine import report, run
from doctor.model import DEFAULT_NAMESPACE, ROOT_NAMESPACE, Inventory, Severity
from doctor.sources import files
from mesh.errors import MeshError

CLEAN, FOUND, COULD_NOT_LOOK = 0, 1, 2


class CouldNotLook(click.ClickException):
    """The doctor saw nothing, which is not the same as having found nothing."""

    exit_code = COULD_NOT_LOOK


@click.command()
@click.argument("paths", nargs=-1, metavar="[PATH|-]...")
@click.option("-n", "--namespace", "namespaces", multiple=True,
              help="Look at this namespace of the cluster, may be given several times; with PATH, where the "
              "files will go.")  # fmt: skip
@click.option(
    "--context", help="The kubeconfig's context; with PATH, the cluster that the files are meant for."
)
@click.option("--kubeconfig", envvar="KUBECONFIG", help="The kubeconfig [default: as kubectl has it].")
@click.option("--istio-namespace", default=ROOT_NAMESPACE, show_default=True, help="Where Istio itself runs.")
@click.option(
    "--ignore", multiple=True, metavar="CODE", help="Leave this check out; may be given several times."
)
@click.option("--strict", is_flag=True, help="Let warnings count as errors.")
@form_option()
@home_option
def doctor(  # noqa: PLR0913 - an argument an option
    paths: tuple[str, ...],
    *,
    namespaces: tuple[str, ...],
    context: str | None,
    kubeconfig: str | None,
    istio_namespace: str,
    ignore: tuple[str, ...],
    strict: bool,
    output: str,
    home: Home,
) -> None:
    """Find what bites later: in files, in a rendered chart (-), on a cluster (-n), or in the local mesh.

    Exit codes: 0 no errors, 1 errors, 2 the doctor could not look. docs/doctor.md describes every check.
    """
    try:
        if paths or namespaces or context:
            seen = _inventory(paths, namespaces or (DEFAULT_NAMESPACE,), context, kubeconfig, istio_namespace)
        else:
            seen = inventory.inventory(home)
        found = run.examine(seen, ignore)
    except (DoctorError, MeshError, BertmeshError) as error:
        local = isinstance(error, BertmeshError)
        hint = "; or give the doctor files to read, or -n NAMESPACE for a cluster" if local else ""
        raise CouldNotLook(str(error) + hint) from error
    emit(report.as_document(found, seen), output, lambda: report.as_text(found, seen))
    bad = {Severity.ERROR, Severity.WARNING} if strict else {Severity.ERROR}
    sys.exit(FOUND if any(each.severity in bad for each in found) else CLEAN)


def _inventory(
    paths: Sequence[str], namespaces: Sequence[str], context: str | None, kubeconfig: str | None, root: str
) -> Inventory:
    """Return what is in files, with what a cluster serves if one is named, or else what is on a cluster."""
    seen = replace(files.read(paths, namespaces[0], sys.stdin), root=root) if paths else None
    if seen and context is None:
        return seen
    with cluster_part():
        from doctor.sources import cluster  # noqa: PLC0415 - the package kubernetes is in the extra `cluster`

    reached = cluster.reach(context, kubeconfig)
    return replace(seen, served=cluster.served(reached)) if seen else cluster.read(reached, namespaces, root)
