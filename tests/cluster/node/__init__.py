"""A node for tests: it runs the pods of a real API server as processes of this machine.

    with Node(plane) as node:
        ...                                                  # what `helm install` brings runs now
        node.address("models/bert-v1-0-abc")                 # 10.244.1.7
        node.exec("models/bert-v1-0-abc", "pod", "python", "-V").stdout
        node.log("models/bert-v1-0-abc", "istio-proxy")

What is as in a cluster: each pod has a network namespace and an address; each container a root of its own
with its volumes, its user, groups and capabilities, its process 1 and its host name. Names are resolved by
the cluster's DNS and Services balanced by rules of the kernel. Init containers, native sidecars, probes,
hooks, restarts and graceful ends go by the kubelet's rules, and what is mounted or read is asked from the API
server: a token is bound to its pod.

What it is not:

- No images. A container finds what an `Image` of the node names: this machine's /usr and the programs of the
  project. An image that has no entry is an `ErrImagePull`.
- No limits. Nothing is throttled, killed for memory or evicted; a volume's size is not looked at.
- No NetworkPolicy, no seccomp, no AppArmor. `hostPath`, `hostNetwork`, `hostPID`, CSI volumes are refused in
  the pod's status; a probe by gRPC fails.
- No scheduler: every pod goes to the one node, whatever it asks for, tolerates or prefers.
- Mounted ConfigMaps, Secrets and labels stay as they were when the pod began; tokens are not renewed (an
  hour).
- Crash loops are slower each time from 1 s to 30 s, not from 10 s to 5 minutes.
- No kubelet API: `kubectl logs`, `exec` and `port-forward` find nobody; `Node.log` and `Node.exec` do that.

Everything ends with the node, also if the test run is killed: the node is process 1 of a process namespace,
in a mount namespace that holds all network namespaces and volumes. The kernel takes all of it away together.
"""

from tests.cluster.node.handle import Node
from tests.cluster.node.images import Image

__all__ = ["Image", "Node"]
