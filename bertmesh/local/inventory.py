"""The local mesh as the Kubernetes objects that it stands for, so that the doctor can look at it."""

from bertmesh.local.home import Home
from bertmesh.local.pods import GUNICORN
from doctor.model import Inventory, Object, Place
from mesh import istio
from mesh.local.routefile import RouteFile
from mesh.model import NAMESPACE, SERVICE, Version, local_mesh

HTTP_PORT = 8000


def inventory(home: Home) -> Inventory:
    """Return the Service, a Deployment for each version, the route that Envoy has, and the policy.

    Raises:
        MeshNotRunning: no mesh runs in this home.
        UnreadableRoutes: its route file holds no split.
    """
    home.info()
    versions = home.versions()
    known = tuple(Version(name) for name in versions)
    objects = [
        *istio.render(local_mesh(known, RouteFile(home.envoy).split(), home.policy())),
        _service(),
        *(_deployment(name, spec.replicas) for name, spec in versions.items()),
    ]
    return Inventory(tuple(Object(each, NAMESPACE, str(home.root)) for each in objects), Place.LOCAL)


def _service() -> dict[str, object]:
    spec = {"selector": {"app": SERVICE}, "ports": [{"name": "http", "port": 80, "targetPort": "http"}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": SERVICE}, "spec": spec}


def _deployment(version: str, replicas: int) -> dict[str, object]:
    labels = {"app": SERVICE, "version": version}
    ports = [{"name": "http", "containerPort": HTTP_PORT}]
    container = {"name": "pod", "command": list(GUNICORN), "ports": ports}
    spec = {
        "replicas": replicas,
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
    }
    metadata = {"name": f"{SERVICE}-{version}", "labels": labels}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}
