"""Real Envoys as gateway pods: each holds the rule by which it says which split it holds."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import urllib3
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bertmesh.local.ports import free_port
from mesh.envoy.shapes import address, extension, file_source, header, resources, typed
from mesh.local.binaries import find_envoy
from mesh.local.files import write_yaml
from tests.support.processes import answers, running

Document = dict[str, Any]
HOST = "bert.example.com"
ROUTES = "routes"


def envoy_routes(rules: list[Document], backend: str = "") -> list[Document]:
    """Return Envoy's routes for rules of a VirtualService or an HTTPRoute, as istiod would write them.

    Only what is asked by is translated, and pins of versions, which lead to the cluster ``backend``.
    """
    found = []
    for rule in rules:
        for match in rule.get("match") or rule.get("matches") or ():
            if rule["name"] == "asked":
                found.append({"match": _matched(match), **_answered(rule)})
            elif rule["name"].startswith("pin-") and backend:
                found.append({"match": _matched(match), "route": {"cluster": backend}})
    return found


def _matched(match: Document) -> Document:
    path = match.get("uri", {}).get("exact") or match.get("path", {}).get("value") or "/"
    exact = "uri" in match or match.get("path", {}).get("type") == "Exact"
    headers = match.get("headers", {})
    listed = (
        {name: each["exact"] for name, each in headers.items()}
        if isinstance(headers, Mapping)
        else {each["name"]: each["value"] for each in headers}
    )
    named = [{"name": name, "string_match": {"exact": value}} for name, value in listed.items()]
    return {"path" if exact else "prefix": path, "headers": named}


def _answered(rule: Document) -> Document:
    if "directResponse" in rule:
        told = rule["headers"]["response"]["set"]
        action: Document = {"direct_response": {"status": rule["directResponse"]["status"]}}
    else:
        redirect, modifier = rule["filters"]
        listed = modifier["responseHeaderModifier"]["set"]
        told = {each["name"]: each["value"] for each in listed}
        path = redirect["requestRedirect"]["path"]["replaceFullPath"]
        action = {"redirect": {"path_redirect": path, "response_code": "FOUND"}}
    return {**action, "response_headers_to_add": [header(name, value) for name, value in told.items()]}


class GatewayPod:
    """One Envoy with a port for HTTP and one for HTTPS, where it takes connections for HOST alone."""

    def __init__(self, folder: Path, backend: int = 0) -> None:
        self.folder, self.backend = folder, backend
        self.http, self.https, self.admin = free_port(), free_port(), free_port()
        folder.mkdir(parents=True)
        self.hold([])

    def hold(self, rules: list[Document]) -> None:
        """Let it have these rules, as istiod's push would."""
        routes = envoy_routes(rules, "backend" if self.backend else "")
        held = {"name": ROUTES, "virtual_hosts": [{"name": "bert", "domains": [HOST], "routes": routes}]}
        write_yaml(self.folder / "routes.yaml", resources("config.route.v3.RouteConfiguration", [held], "1"))

    @contextmanager
    def serving(self) -> Iterator["GatewayPod"]:
        """Run it."""
        write_yaml(self.folder / "envoy.yaml", self._bootstrap())
        words = [str(find_envoy()), "--config-path", str(self.folder / "envoy.yaml"), "--concurrency", "1"]
        ready = answers(f"http://127.0.0.1:{self.admin}/ready")
        with running("envoy", [*words, "--disable-hot-restart"], folder=self.folder, ready=ready):
            yield self

    def seen(self) -> int:
        """Return how many requests it got."""
        stats = urllib3.request("GET", f"http://127.0.0.1:{self.admin}/stats?filter=downstream_rq_total").data
        return sum(int(line.rpartition(":")[2]) for line in stats.decode().splitlines() if "gateway" in line)

    def _bootstrap(self) -> Document:
        endpoint = {"endpoint": {"address": address("127.0.0.1", self.backend or 1)}}
        cluster = {
            "name": "backend",
            "type": "STATIC",
            "load_assignment": {"cluster_name": "backend", "endpoints": [{"lb_endpoints": [endpoint]}]},
        }
        listeners = [self._listener(self.http), self._listener(self.https, certificate(self.folder))]
        return {
            "node": {"id": "gateway", "cluster": "gateway"},
            "admin": {"address": address("127.0.0.1", self.admin)},
            "static_resources": {"listeners": listeners, "clusters": [cluster]},
        }

    def _listener(self, port: int, tls: Document | None = None) -> Document:
        router = extension("router", typed("extensions.filters.http.router.v3.Router"))
        manager = typed(
            "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            stat_prefix="gateway",
            rds={"route_config_name": ROUTES, "config_source": file_source(str(self.folder / "routes.yaml"))},
            http_filters=[router],
        )
        chain: Document = {"filters": [extension("manager", manager)]}
        reads: list[Document] = []
        if tls is not None:
            context = {"common_tls_context": {"tls_certificates": [tls]}}
            kind = typed("extensions.transport_sockets.tls.v3.DownstreamTlsContext", **context)
            chain |= {
                "transport_socket": extension("tls", kind),
                "filter_chain_match": {"server_names": [HOST]},
            }
            inspector = typed("extensions.filters.listener.tls_inspector.v3.TlsInspector")
            reads = [extension("inspector", inspector)]
        return {
            "name": f"port-{port}",
            "address": address("127.0.0.1", port),
            "listener_filters": reads,
            "filter_chains": [chain],
        }


def certificate(folder: Path) -> Document:
    """Write a certificate that nobody trusts, and return where it is."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    begin = datetime(2020, 1, 1, tzinfo=UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=36500))
        .sign(key, hashes.SHA256())
    )
    kind = serialization.Encoding.PEM
    plain = serialization.NoEncryption()
    (folder / "key.pem").write_bytes(key.private_bytes(kind, serialization.PrivateFormat.PKCS8, plain))
    (folder / "certificate.pem").write_bytes(made.public_bytes(kind))
    files = {"certificate_chain": "certificate.pem", "private_key": "key.pem"}
    return {name: {"filename": str(folder / file)} for name, file in files.items()}
