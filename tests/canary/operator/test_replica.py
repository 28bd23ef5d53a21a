"""The whole replica: kopf, the Lease, the handlers, in real time against the API server."""

from tests.canary.operator.clusters import Cluster
from tests.canary.operator.replicas import running, wait_for


def test_a_resource_is_taken_up_and_let_go_by_its_finalizer_with_all_traffic_on_the_stable(
    cluster: Cluster,
) -> None:
    cluster.apply(canary=None)
    with running(cluster):
        wait_for(lambda: cluster.api.has("VirtualService", "bert"))
        wait_for(lambda: cluster.condition("Ready")["status"] == "True")
        assert "bertmesh.dev/traffic" in cluster.api.get("ModelRollout", "bert")["metadata"]["finalizers"]
        cluster.api.delete("ModelRollout", "bert")
        wait_for(lambda: not cluster.api.has("ModelRollout", "bert"))
    assert cluster.split.shares == (("1.0", 100),)
