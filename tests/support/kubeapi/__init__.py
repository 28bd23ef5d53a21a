"""A Kubernetes API server for tests: in this process, over real HTTP, honest where it matters.

    with KubeApi(crds=[MODELROLLOUTS, ISTIO]) as api:
        client = api.client()          # for the package kubernetes
        api.kubeconfig(path)           # for kopf and kubectl
        api.create({...})              # what a test prepares

What it does not do is said in `KubeApi`.
"""

from tests.support.kubeapi.api import KubeApi
from tests.support.kubeapi.server import Fault, Seen

__all__ = ["Fault", "KubeApi", "Seen"]
