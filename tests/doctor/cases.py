"""One change each to a healthy mesh, by the code of the finding that it brings."""

from collections.abc import Callable
from typing import Final

from doctor.check import Check
from doctor.model import Place
from tests.doctor.worlds import World, managed

Change = Callable[[World], None]
CASES: Final[dict[str, tuple[Change, ...]]] = {}
AMBIENT: Final = "ambient"


def case(*codes: str) -> Callable[[Change], Change]:
    """Keep a change as a case of these codes."""

    def keep(change: Change) -> Change:
        for code in codes:
            CASES[code] = (*CASES.get(code, ()), change)
        return change

    return keep


def name_of(code_and_change: tuple[str, Change]) -> str:
    code, change = code_and_change
    return f"{code}-{change.__name__}"


def fresh(change: Change) -> World:
    """Return the world that a case changes: those named ambient_* begin in ambient mode."""
    return World("ambient.yaml" if change.__name__.startswith(AMBIENT) else "healthy.yaml")


def has_case(check: Check) -> bool:
    return bool(CASES.get(check.code))


def route(world: World, name: str = "other", **spec: object) -> None:
    """Add a VirtualService to the Service `other`, which no rollout is about."""
    world.copy("Service/bert", "other")
    document = world.add(
        f"{{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {{name: {name}}}}}"
    )
    document["spec"] = {
        "hosts": ["other.example.org"],
        "gateways": ["models/public"],
        "http": [{"route": [{"destination": {"host": "other"}}]}],
        **spec,
    }


def http_route(world: World, service: str = "bert", host: str = "other.example.org") -> None:
    world.add(
        "{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: web}, spec: {"
        f"hostnames: [{host}], rules: [{{backendRefs: [{{name: {service}, port: 80}}]}}]}}}}"
    )


@case("BM101")
def port_named_web(world: World) -> None:
    world.spec("Service/bert")["ports"][0]["name"] = "web"


@case("BM101")
def port_without_a_name(world: World) -> None:
    del world.spec("Service/redis")["ports"][0]["name"]


@case("BM102")
def port_named_tcp(world: World) -> None:
    world.spec("Service/bert")["ports"][0]["name"] = "tcp-model"


@case("BM103")
def target_port_renamed(world: World) -> None:
    world.container("Deployment/bert-1.0")["ports"][0]["name"] = "web"
    world.container("Deployment/bert-1.1")["ports"][0]["name"] = "web"


@case("BM111")
def selector_with_a_typo(world: World) -> None:
    world.spec("Service/bert")["selector"] = {"app": "brt"}


@case("BM112")
def subset_for_a_version_that_is_gone(world: World) -> None:
    world.spec("DestinationRule/bert")["subsets"][1]["labels"] = {"version": "0.9"}


@case("BM113")
def route_to_an_unknown_subset(world: World) -> None:
    route(world, http=[{"route": [{"destination": {"host": "bert", "subset": "v2"}}]}])


@case("BM114")
def route_to_an_unknown_service(world: World) -> None:
    route(world, http=[{"route": [{"destination": {"host": "brt.models.svc.cluster.local"}}]}])


@case("BM114")
def http_route_to_an_unknown_service(world: World) -> None:
    http_route(world, "brt")


@case("BM115")
def pods_lose_their_version(world: World) -> None:
    for part in (world.spec("Deployment/bert-1.0")["selector"]["matchLabels"],
                 world.spec("Deployment/bert-1.0")["template"]["metadata"]["labels"]):  # fmt: skip
        del part["version"]


@case("BM117")
def selector_without_the_version(world: World) -> None:
    del world.spec("Deployment/bert-1.0")["selector"]["matchLabels"]["version"]


@case("BM201")
def virtual_service_beside_http_route(world: World) -> None:
    route(world)
    http_route(world, "other")


@case("BM202")
def two_virtual_services_at_the_gateway(world: World) -> None:
    route(world)
    route(world, "another")


@case("BM202")
def two_virtual_services_for_the_sidecars(world: World) -> None:
    route(world, hosts=["other"], gateways=["mesh"])
    route(world, "another", hosts=["other.models.svc.cluster.local"], gateways=["mesh"])


@case("BM203")
def weights_of_ninety(world: World) -> None:
    ends = [{"destination": {"host": "other"}, "weight": each} for each in (80, 10)]
    route(world, http=[{"route": ends}])


@case("BM203")
def weights_of_zero(world: World) -> None:
    http_route(world)
    world.spec("HTTPRoute/web")["rules"][0]["backendRefs"][0]["weight"] = 0


@case("BM204")
def rendered_route_of_a_rollout(world: World) -> None:
    route(world, http=[{"route": [{"destination": {"host": "bert", "subset": "v1-0"}, "weight": 100}]}])


@case("BM205")
def helm_writes_the_rollouts_route(world: World) -> None:
    world.place = Place.CLUSTER
    route(world, http=[{"route": [{"destination": {"host": "bert", "subset": "v1-0"}}]}])
    managed(world["VirtualService/other"], "bertmesh-controller", {"f:hosts": {}})
    managed(world["VirtualService/other"], "helm", {"f:http": {}})


@case("BM205")
def two_people_write_a_route(world: World) -> None:
    world.place = Place.CLUSTER
    route(world)
    managed(world["VirtualService/other"], "argocd-controller", {"f:http": {}})
    managed(world["VirtualService/other"], "kubectl-edit", {"f:http": {}}, "Update")


@case("BM206")
def gateway_with_a_typo(world: World) -> None:
    route(world, gateways=["models/publik"])


@case("BM207")
def timeout_below_a_try(world: World) -> None:
    target = [{"destination": {"host": "other"}}]
    route(world, http=[{"route": target, "timeout": "500ms", "retries": {"perTryTimeout": "2s"}}])


@case("BM208")
def two_destination_rules(world: World) -> None:
    world.copy("DestinationRule/bert", "again")


@case("BM209")
def second_port(world: World) -> None:
    route(world, http=[{"route": [{"destination": {"host": "bert", "subset": "v1-0"}}]}])
    world.spec("Service/bert")["ports"].append({"name": "grpc", "port": 9000, "targetPort": "http"})


@case("BM211")
def descending_steps(world: World) -> None:
    world.spec("ModelRollout/bert")["policy"] = {"steps": [{"weight": 50}, {"weight": 5}]}


@case("BM212")
def canary_without_a_deployment(world: World) -> None:
    world.spec("ModelRollout/bert")["canary"] = "1.2"


@case("BM212")
def canary_that_only_has_the_name(world: World) -> None:
    deployment = world.copy("Deployment/bert-1.1", "bert-console")
    deployment["metadata"]["labels"] = {"app.kubernetes.io/component": "console"}
    world.spec("ModelRollout/bert")["canary"] = "console"


@case("BM213")
def two_rollouts(world: World) -> None:
    world.copy("ModelRollout/bert", "again")


@case("BM214")
def rollout_of_no_service(world: World) -> None:
    world.spec("ModelRollout/bert")["service"] = "albert"


@case("BM214")
def root_service_for_one_version(world: World) -> None:
    world.spec("Service/bert")["selector"]["version"] = "1.0"


@case("BM301")
def plain_gunicorn(world: World) -> None:
    world.container("Deployment/bert-1.0")["command"] = ["gunicorn", "app:app"]


@case("BM301")
def long_idle_time(world: World) -> None:
    world.spec("DestinationRule/bert")["trafficPolicy"]["connectionPool"]["http"]["idleTimeout"] = "2m"


@case("BM301")
def ambient_without_a_rule(world: World) -> None:
    world.drop("DestinationRule/bert")


@case("BM302")
def no_readiness(world: World) -> None:
    del world.container("Deployment/bert-1.0")["readinessProbe"]


@case("BM303")
def readiness_on_livez(world: World) -> None:
    world.container("Deployment/bert-1.0")["readinessProbe"]["httpGet"]["path"] = "/livez"


@case("BM304")
def default_grace(world: World) -> None:
    del world.pods("Deployment/bert-1.0")["terminationGracePeriodSeconds"]


@case("BM304")
def ambient_long_sleep(world: World) -> None:
    command = ["/bin/sh", "-c", "sleep 15"]
    world.container("Deployment/bert-1.0")["lifecycle"] = {"preStop": {"exec": {"command": command}}}


@case("BM307")
def recreated(world: World) -> None:
    world.spec("Deployment/bert-1.0")["strategy"] = {"type": "Recreate"}


@case("BM401")
def replicas_in_the_file(world: World) -> None:
    world.spec("Deployment/bert-1.0")["replicas"] = 3


@case("BM401")
def replicas_applied_by_helm(world: World) -> None:
    world.place = Place.CLUSTER
    world.spec("Deployment/bert-1.0")["replicas"] = 3
    managed(world["Deployment/bert-1.0"], "helm", {"f:replicas": {}})


@case("BM402")
def keda_beside_hpa(world: World) -> None:
    world.add(
        "{apiVersion: keda.sh/v1alpha1, kind: ScaledObject, metadata: {name: bert-1.0}, "
        "spec: {minReplicaCount: 2, scaleTargetRef: {name: bert-1.0}}}"
    )


@case("BM404")
def utilisation_of_what_nobody_asked_for(world: World) -> None:
    del world.container("Deployment/bert-1.0")["resources"]["requests"]["cpu"]


@case("BM406")
def budget_for_nobody(world: World) -> None:
    world.spec("PodDisruptionBudget/bert-1.0")["selector"]["matchLabels"]["version"] = "0.9"


@case("BM407")
def two_budgets(world: World) -> None:
    world.copy("PodDisruptionBudget/bert-1.0", "bert")["spec"]["selector"] = {"matchLabels": {"app": "bert"}}


@case("BM501")
def unlabelled_namespace(world: World) -> None:
    world["Namespace/models"]["metadata"]["labels"] = {}


@case("BM501")
def injection_refused_by_the_pods(world: World) -> None:
    labels = world.spec("Deployment/bert-1.0")["template"]["metadata"]["labels"]
    labels["sidecar.istio.io/inject"] = "false"


@case("BM501")
def pod_older_than_the_label(world: World) -> None:
    world.place = Place.CLUSTER
    owner = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "name": "bert-1.0-x",
        "uid": "u",
        "controller": True,
    }
    pod = world.add("{apiVersion: v1, kind: Pod, metadata: {name: bert-1.0-x-y}}", ownerReferences=[owner])
    pod["metadata"]["labels"] = {"app": "bert", "version": "1.0"}
    pod.update({"spec": {"containers": [{"name": "pod"}]}, "status": {"phase": "Running"}})


@case("BM502")
def namespace_not_among_the_files(world: World) -> None:
    world.drop("Namespace/models")


@case("BM503")
def two_words_on_the_namespace(world: World) -> None:
    world["Namespace/models"]["metadata"]["labels"]["istio.io/rev"] = "1-30"


@case("BM504")
def ambient_namespace_without_waypoint(world: World) -> None:
    del world["Namespace/models"]["metadata"]["labels"]["istio.io/use-waypoint"]


@case("BM504")
def ambient_waypoint_that_is_not_there(world: World) -> None:
    world.drop("Gateway/waypoint")


@case("BM505")
def ambient_with_subsets(world: World) -> None:
    world.spec("ModelRollout/bert")["routing"] = {"style": "subsets"}


@case("BM601")
def no_telemetry(world: World) -> None:
    world.drop("Telemetry/tracing")


@case("BM602")
def provider_with_a_typo(world: World) -> None:
    world.spec("Telemetry/tracing")["tracing"][0]["providers"] = [{"name": "jaeger"}]


@case("BM602")
def provider_that_cannot_be_seen(world: World) -> None:
    world.drop("ConfigMap/istio")


@case("BM602")
def no_provider_anywhere(world: World) -> None:
    del world.spec("Telemetry/tracing")["tracing"][0]["providers"]


@case("BM603")
def zipkin_before_w3c_pods(world: World) -> None:
    world.spec("Telemetry/tracing")["tracing"][0]["providers"] = [{"name": "zipkin"}]


@case("BM603")
def b3_pods_behind_opentelemetry(world: World) -> None:
    world.container("Deployment/bert-1.0")["env"].append({"name": "OTEL_PROPAGATORS", "value": "b3multi"})


@case("BM604")
def sampling_left_out(world: World) -> None:
    del world.spec("Telemetry/tracing")["tracing"][0]["randomSamplingPercentage"]


@case("BM605")
def metrics_turned_off(world: World) -> None:
    world.spec("Telemetry/tracing")["metrics"] = [
        {"overrides": [{"match": {"metric": "REQUEST_COUNT", "mode": "SERVER"}, "disabled": True}]}
    ]


@case("BM606")
def nobody_scrapes(world: World) -> None:
    world.drop("PodMonitor/bert")


@case("BM607")
def monitor_of_nothing(world: World) -> None:
    world.spec("PodMonitor/bert")["selector"]["matchLabels"] = {"app": "albert"}


@case("BM607")
def monitor_of_an_unknown_port(world: World) -> None:
    world.spec("PodMonitor/bert")["podMetricsEndpoints"][0]["port"] = "metrics"


@case("BM701")
def cluster_without_the_operator(world: World) -> None:
    groups = {"keda.sh", "bertmesh.dev", "networking.istio.io", "telemetry.istio.io", "security.istio.io"}
    known = {(group, each["kind"]) for each in world.documents.values() for group in groups}
    world.options["served"] = frozenset(known | {("networking.istio.io", "VirtualService")})


@case("BM702")
def forbidden_kind(world: World) -> None:
    world.place = Place.CLUSTER
    world.options["unread"] = {"Telemetry": "403 telemetries is forbidden"}


@case("BM802")
def tls_disabled(world: World) -> None:
    world.spec("DestinationRule/bert")["trafficPolicy"]["tls"] = {"mode": "DISABLE"}


@case("BM803")
def tokens_only_validated(world: World) -> None:
    world.drop("AuthorizationPolicy/tokens")


@case("BM803")
def token_required_of_others(world: World) -> None:
    world.spec("AuthorizationPolicy/tokens")["selector"] = {"matchLabels": {"app": "redis"}}


@case("BM804")
def admin_for_all(world: World) -> None:
    world.drop("AuthorizationPolicy/tokens", "RequestAuthentication/tokens")
    world.container("Deployment/bert-1.0")["env"].append(
        {"name": "BERTMESH_ADMIN_BIND", "value": "0.0.0.0:8001"}
    )
