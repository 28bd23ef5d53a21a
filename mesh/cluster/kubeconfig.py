"""Where a person's commands go: cluster, namespace and name, by the rules that kubectl follows.

A kubeconfig that is named comes first, then those in KUBECONFIG, then ``~/.kube/config``; without any, the
credentials of the pod that the command runs in.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from kubernetes import config

from mesh.cluster.api import SERVICE_HOST, ClusterApi, connect
from mesh.cluster.errors import ClusterError, NoCluster

DEFAULT: Final = "default"
TOKENS: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
REVIEW: Final = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
CREATED: Final = 201
# The package says no types of this.
CONTEXTS: Final[Any] = config.list_kube_config_contexts


class NoSuchContext(ClusterError):
    """A context that the kubeconfig does not have."""

    def __init__(self, seen: str, known: list[str], files: str) -> None:
        super().__init__(
            f"there is no context {seen!r} in {files}; it has: {', '.join(sorted(known)) or 'none'}"
        )


@dataclass(frozen=True)
class Place:
    """A cluster as one person sees it; ``user`` is the name under which the kubeconfig knows them."""

    api: ClusterApi
    namespace: str
    context: str
    user: str

    def who(self) -> str:
        """Return the name under which the API server knows us, or else the kubeconfig's.

        Raises:
            ApiDown: the API does not answer.
        """
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        answer = self.api.request("POST", REVIEW, body=body)
        known = answer.body.get("status", {}).get("userInfo", {}).get("username")
        return str(known) if answer.code == CREATED and known else self.user


def find_place(
    context: str | None = None, namespace: str | None = None, kubeconfig: str | None = None
) -> Place:
    """Return the place that the options and the environment name.

    Raises:
        NoCluster: nothing says where the cluster is.
        NoSuchContext: as its text says.
    """
    files = kubeconfig or os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
    there = any(Path(name).expanduser().exists() for name in files.split(os.pathsep) if name)
    if not there and kubeconfig is None and context is None and SERVICE_HOST in os.environ:
        return Place(ClusterApi(connect()), namespace or _own_namespace(), "this pod's cluster", "a pod")
    if not there:
        message = f"there is no file {files}"
        raise NoCluster(message)
    chosen = _context(files, context)
    within = chosen.get("context") or {}
    return Place(
        ClusterApi(connect(chosen["name"], files)),
        namespace or within.get("namespace") or DEFAULT,
        chosen["name"],
        str(within.get("user") or "somebody"),
    )


def _context(files: str, name: str | None) -> Mapping[str, Any]:
    try:
        known, current = CONTEXTS(files)
    except (config.ConfigException, yaml.YAMLError, OSError) as error:
        why = " ".join(str(error).split())
        message = f"{files}: {why}"
        raise NoCluster(message) from error
    if name is None:
        found: Mapping[str, Any] = current
        return found
    for each in known:
        if each["name"] == name:
            return each  # type: ignore[no-any-return] # the package says no types
    raise NoSuchContext(name, [each["name"] for each in known], files)


def _own_namespace() -> str:
    try:
        return (TOKENS / "namespace").read_text("utf-8").strip() or DEFAULT
    except OSError:
        return DEFAULT
