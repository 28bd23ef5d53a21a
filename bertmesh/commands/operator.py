"""`bertmesh operator`: the canary controller on Kubernetes."""

from pathlib import Path

import click

from bertmesh.commands.options import stop_on_signals
from bertmesh.commands.target import cluster_part
from canary.operator.settings import OperatorSettings


@click.command("operator")
@click.option("-n", "--namespace", "namespaces", multiple=True, envvar="BERTMESH_NAMESPACES",
              help="Watch this namespace; may be given several times.")  # fmt: skip
@click.option("-A", "--all-namespaces", is_flag=True, help="Watch all namespaces (needs the ClusterRole).")
@click.option("--prometheus", envvar="BERTMESH_PROMETHEUS_URL", default="http://prometheus:9090",
              show_default=True, help="Where the mesh's metrics are.")  # fmt: skip
@click.option("--gateway", default=OperatorSettings.gateway, show_default=True,
              help="Where golden sets go; {service}, {namespace}, {domain} are filled in.")  # fmt: skip
@click.option("--token-file", type=click.Path(dir_okay=False, path_type=Path),
              help="A file with the token (JWT) that requests to the gateway need.")  # fmt: skip
@click.option("--gateway-namespace", "gateway_namespaces", multiple=True,
              help="Look here for the pods of Istio's gateways, which are asked for their split; may be "
              "given several times, and left out means everywhere.")  # fmt: skip
@click.option("--cluster-domain", envvar="BERTMESH_CLUSTER_DOMAIN", default=OperatorSettings.domain,
              show_default=True, help="The cluster's own domain.")  # fmt: skip
@click.option("--lease-namespace", envvar="POD_NAMESPACE", default=None,
              help="Where the replicas' Lease is; by default the first watched namespace.")  # fmt: skip
@click.option("--metrics-port", type=click.IntRange(0, 65535), default=9090, show_default=True,
              help="Port of the operator's own metrics; 0 is any free one.")  # fmt: skip
@click.option("--metrics-bind", default=OperatorSettings.metrics_bind, show_default=True,
              help="Address of that port; :: is all, of IPv6 and IPv4.")  # fmt: skip
@click.option("--kubeconfig", envvar="KUBECONFIG", default=None, help="Outside a cluster: the kubeconfig.")
def operator(  # noqa: PLR0913 - an argument an option
    namespaces: tuple[str, ...],
    *,
    all_namespaces: bool,
    prometheus: str,
    gateway: str,
    token_file: Path | None,
    gateway_namespaces: tuple[str, ...],
    cluster_domain: str,
    lease_namespace: str | None,
    metrics_port: int,
    metrics_bind: str,
    kubeconfig: str | None,
) -> None:
    """Run the rollouts that ModelRollouts ask for, until told to stop.

    Start as many replicas as you like: one works, the others stand by.
    """
    with cluster_part():
        from canary.operator.process import run  # noqa: PLC0415 - kopf is in the extra `cluster`

    if bool(namespaces) == all_namespaces:
        message = "say which namespaces: --namespace NS (several times if need be), or --all-namespaces"
        raise click.UsageError(message)
    where = lease_namespace or next(iter(namespaces), None)
    if where is None:
        message = "with --all-namespaces, --lease-namespace must say where the Lease is"
        raise click.UsageError(message)
    settings = OperatorSettings(
        prometheus, namespaces, where, metrics_port=metrics_port, metrics_bind=metrics_bind, gateway=gateway,
        domain=cluster_domain, token=token_file, gateway_namespaces=gateway_namespaces, kubeconfig=kubeconfig,
    )  # fmt: skip
    run(settings, stop_on_signals())
