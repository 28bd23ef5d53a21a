"""Starting a rollout on a cluster; imported only then, since it loads the package kubernetes."""

import time
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import click

from bertmesh.commands.output import answered, written
from bertmesh.commands.target import Target
from canary.cluster import annotation
from canary.cluster.client import ANSWER_WITHIN_S, ClusterClient
from canary.cluster.errors import NoSuchModelRollout, OperatorSilent
from canary.cluster.start import Wanted, begin, create, new_document, ordered
from canary.controller.client import RolloutClient
from canary.resource.spec import API_VERSION, GROUP, KIND
from canary.rollout.commands import Start

FOREIGN = {
    "replicas": "the operator starts as many canary pods as the stable has, or as its autoscaler wants",
    "golden": "spec.gates.golden names a ConfigMap with the sentences",
}


def start_on_cluster(
    target: Target, output: str, name: str | None, options: Mapping[str, Any]
) -> RolloutClient | None:
    """Begin a rollout, and return where it can be followed; None if it was not to begin.

    Raises:
        CanaryError, MeshError: it does not begin; the sentence says why.
    """
    for word, instead in FOREIGN.items():
        if options.get(word) is not None:
            message = f"--{word} is for the local mesh; on a cluster {instead}"
            raise click.UsageError(message)
    wanted = Wanted(**{each.name: options[each.name] for each in fields(Wanted)})
    known = _existing(target, name, wanted)
    command, within_s = Start(*target.stamp(), wanted.canary), options["within_s"]
    if options["dry_run"]:
        whole = ordered(
            _document(target, known, name, wanted), annotation.written(command, wanted.words if known else {})
        )
        click.echo(written(whole, "json" if output == "json" else "yaml"))
        return None
    if known is not None:
        answered(known, begin(known, wanted, command, within_s=within_s), output)
        return known
    document = _document(target, None, name, wanted)
    text = annotation.written(command)
    create(target.cluster.rollouts(), document, text)
    made = target.cluster.client(document["metadata"]["name"])
    patience = within_s or ANSWER_WITHIN_S
    answer = made.awaited(command, text, time.time() + patience)
    if answer is None:
        raise OperatorSilent(made.place, patience, "it is made, and begins as soon as there is one")
    answered(made, answer, output)
    return made


def _existing(target: Target, name: str | None, wanted: Wanted) -> ClusterClient | None:
    """Return the ModelRollout that is meant, or None if a new one is."""
    if name is None and wanted.service is None:
        return target.cluster.client(None)
    try:
        return target.cluster.client(name or wanted.service)
    except NoSuchModelRollout:
        if wanted.service is None:
            raise
        return None


def _document(
    target: Target, known: ClusterClient | None, name: str | None, wanted: Wanted
) -> dict[str, Any]:
    """Return what is to be applied."""
    namespace = target.cluster.place.namespace
    if known is None:
        return new_document(wanted, name or wanted.service or "", namespace)
    head = {"apiVersion": f"{GROUP}/{API_VERSION}", "kind": KIND}
    return {**head, "metadata": {"name": known.name, "namespace": namespace}}
