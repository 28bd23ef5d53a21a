"""etcd, the API server and the controller manager as processes."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import urllib3

from tests.cluster.certificates import Authority, Pair, token_keys
from tests.cluster.control_plane import ControlPlane, Network
from tests.cluster.kubeconfig import write_kubeconfig
from tests.cluster.process import Process
from tests.support.helm import kubectl
from tests.support.processes import HTTP_OK, answers, wait_until

DOMAIN: Final = "kubernetes.default.svc.cluster.local"
ISSUER: Final = f"https://{DOMAIN}"
AUDIENCES: Final = (ISSUER, "istio-ca")
ETCD_URL: Final = "http://127.0.0.1:2379"
ETCD_PEER_URL: Final = "http://127.0.0.1:2380"
MANAGER_PORT: Final = 10257
# These make addresses of nodes and load balancers, which nobody has here. A name that the manager does not
# know ends it without a word, before it has made anything.
NOT_RUN: Final = ("node-ipam-controller", "node-route-controller", "service-lb-controller")
SERVED_AS: Final = (
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    DOMAIN,
    "127.0.0.1",
)


@dataclass(frozen=True)
class _Credentials:
    """All certificates of a control plane."""

    ca: Pair
    server: Pair
    admin: Pair
    manager: Pair
    front_proxy: Pair
    token_key: Path
    token_public_key: Path

    @classmethod
    def made(cls, folder: Path, network: Network) -> "_Credentials":
        folder.mkdir()
        authority = Authority(folder)
        addresses = (*SERVED_AS, network.api, network.node)
        private, public = token_keys(folder)
        return cls(
            authority.files,
            authority.issue("apiserver", "kube-apiserver", names=addresses),
            authority.issue("admin", "admin", groups=["system:masters"]),
            authority.issue("controller-manager", "system:kube-controller-manager", names=["127.0.0.1"]),
            authority.issue("front-proxy", "front-proxy-client"),
            private,
            public,
        )


@contextmanager
def kubernetes(folder: Path, programs: Mapping[str, Path], network: Network) -> Iterator[ControlPlane]:
    """Run an API server with a fresh etcd, and a controller manager; ready means that both do their work.

    ``folder`` must be empty; ``network`` must be that of the calling process.
    """
    credentials = _Credentials.made(folder / "certificates", network)
    url = f"https://{network.api}:{network.api_port}"
    ca = credentials.ca.certificate
    admin = write_kubeconfig(folder / "admin.kubeconfig", url, ca, credentials.admin.user)
    manager = write_kubeconfig(folder / "manager.kubeconfig", url, ca, credentials.manager.user)
    plane = ControlPlane(folder, admin, ca, kubectl(), programs, network)
    health = f"https://127.0.0.1:{MANAGER_PORT}/healthz"
    order = (
        ("etcd", _etcd(folder / "etcd"), answers(f"{ETCD_URL}/health")),
        ("kube-apiserver", _api_server(credentials, network), _is_ready(f"{url}/readyz", credentials)),
        ("kube-controller-manager", _manager(manager, credentials), _is_ready(health, credentials)),
    )
    with ExitStack() as complete:
        for name, arguments, ready in order:
            process = Process(name, [str(programs[name]), *arguments], plane.logs, ready)
            complete.enter_context(process.started())
            plane.processes[name] = process
        wait_until(lambda: _made_accounts(plane), "the controller manager makes service accounts")
        yield plane


def _etcd(data: Path) -> list[str]:
    return [
        f"--data-dir={data}",
        f"--listen-client-urls={ETCD_URL}",
        f"--advertise-client-urls={ETCD_URL}",
        f"--listen-peer-urls={ETCD_PEER_URL}",
        f"--initial-advertise-peer-urls={ETCD_PEER_URL}",
        f"--initial-cluster=default={ETCD_PEER_URL}",
        "--unsafe-no-fsync",  # what is written is not needed after the run
        "--log-level=warn",
    ]


def _api_server(credentials: _Credentials, network: Network) -> list[str]:
    return [
        f"--etcd-servers={ETCD_URL}",
        f"--secure-port={network.api_port}",
        "--bind-address=0.0.0.0",
        # EndpointSlices refuse loopback addresses; pods find this one behind `default/kubernetes`.
        f"--advertise-address={network.node}",
        f"--service-cluster-ip-range={network.services}",
        # Without kube-proxy a webhook is called by its Service's endpoints.
        "--enable-aggregator-routing=true",
        "--authorization-mode=Node,RBAC",
        "--allow-privileged=true",
        f"--client-ca-file={credentials.ca.certificate}",
        f"--tls-cert-file={credentials.server.certificate}",
        f"--tls-private-key-file={credentials.server.key}",
        f"--service-account-issuer={ISSUER}",
        f"--service-account-signing-key-file={credentials.token_key}",
        f"--service-account-key-file={credentials.token_public_key}",
        f"--api-audiences={','.join(AUDIENCES)}",
        f"--requestheader-client-ca-file={credentials.ca.certificate}",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        f"--proxy-client-cert-file={credentials.front_proxy.certificate}",
        f"--proxy-client-key-file={credentials.front_proxy.key}",
    ]


def _manager(config: Path, credentials: _Credentials) -> list[str]:
    return [
        f"--kubeconfig={config}",
        f"--authentication-kubeconfig={config}",
        f"--authorization-kubeconfig={config}",
        "--bind-address=127.0.0.1",
        f"--secure-port={MANAGER_PORT}",
        f"--tls-cert-file={credentials.manager.certificate}",
        f"--tls-private-key-file={credentials.manager.key}",
        "--leader-elect=false",
        "--node-monitor-grace-period=1h",  # a node that says nothing for long is a busy machine here
        "--use-service-account-credentials=true",
        f"--controllers=*,{','.join(f'-{name}' for name in NOT_RUN)}",
        f"--root-ca-file={credentials.ca.certificate}",
        f"--service-account-private-key-file={credentials.token_key}",
        f"--cluster-signing-cert-file={credentials.ca.certificate}",
        f"--cluster-signing-key-file={credentials.ca.key}",
    ]


def _is_ready(url: str, credentials: _Credentials) -> Callable[[], bool]:
    """Return a probe that is true once ``url`` answers 200 to the administrator."""
    admin = urllib3.PoolManager(
        ca_certs=str(credentials.ca.certificate),
        cert_file=str(credentials.admin.certificate),
        key_file=str(credentials.admin.key),
    )

    def probe() -> bool:
        with suppress(urllib3.exceptions.HTTPError):
            return admin.request("GET", url, timeout=2, retries=False).status == HTTP_OK
        return False

    return probe


def _made_accounts(plane: ControlPlane) -> bool:
    return "default" in plane.kubectl("get", "serviceaccounts", "--namespace=default", "--output=name")
