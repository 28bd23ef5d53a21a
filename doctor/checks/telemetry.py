"""Telemetry: who traces, with which headers, and whether the numbers that are judged are reported."""

from collections.abc import Iterator
from typing import Final

from doctor.check import check
from doctor.dig import Document, dig, listed, parts, text
from doctor.fixes import replace
from doctor.meshconfig import (
    PROVIDER_KINDS,
    TELEMETRY,
    default_providers,
    default_sampling,
    mesh_configs,
    named_providers,
    providers,
    tracing,
)
from doctor.model import Inventory, Object, Severity, Sighting
from doctor.traffic import routed_services, routed_workloads

JUDGED: Final = frozenset({"ALL_METRICS", "REQUEST_COUNT", "REQUEST_DURATION"})
W3C: Final = "tracecontext"
DEFAULT_PROPAGATORS: Final = "tracecontext,baggage"
RESOURCE: Final = (
    "kubectl apply -f - <<< '{apiVersion: telemetry.istio.io/v1, kind: Telemetry, metadata: {name: tracing, "
    "namespace: %s}, spec: {tracing: [{providers: [{name: otel}], randomSamplingPercentage: 5}]}}'"
)


@check("BM601", Severity.WARNING)
def no_telemetry(inventory: Inventory) -> Iterator[Sighting]:
    """No Telemetry resource asks for traces.

    Without one (and without a default provider in the mesh configuration) the proxies start no traces and
    pass no headers on: the spans of the pods hang in the air, and a slow request cannot be followed.

    Create a Telemetry with a tracing provider in the namespace, or in Istio's own for the whole mesh.
    """
    if default_providers(inventory):
        return
    covered = {each.namespace for each, *_ in tracing(inventory)}
    told: set[str] = set()
    for service in routed_services(inventory):
        if not {service.namespace, inventory.root} & covered and service.namespace not in told:
            told.add(service.namespace)
            yield Sighting(
                service,
                "metadata.namespace",
                f"no Telemetry with spec.tracing in {service.namespace} or {inventory.root}",
                RESOURCE % service.namespace,
            )


@check("BM602", Severity.ERROR)
def provider_undefined(inventory: Inventory) -> Iterator[Sighting]:
    """A Telemetry asks a tracing provider that the mesh configuration does not have.

    Istio accepts it and traces nothing. A chart of an application cannot define it: extensionProviders
    belong to the mesh configuration. Where that was not among what was read, or where no provider is asked
    for by name and the mesh has none (Istio's own default), this is only told.

    Add the provider to meshConfig.extensionProviders and restart istiod's configuration (istioctl or its
    chart).
    """
    known, seen = providers(inventory), bool(mesh_configs(inventory))
    for telemetry, field, part in tracing(inventory):
        if seen and not named_providers(part) and not default_providers(inventory):
            yield Sighting(
                telemetry,
                f"{field}.providers",
                "none is named and the mesh configuration has no defaultProviders.tracing: nothing is traced",
                (
                    f"name one of {listed(sorted(known))}"
                    if known
                    else "define one in meshConfig.extensionProviders"
                )
                + f", and name it in {field}.providers of {telemetry}",
                Severity.INFO,
            )
        for name in named_providers(part):
            if name not in known:
                yield Sighting(
                    telemetry,
                    f"{field}.providers",
                    f"{name}; defined are {listed(sorted(known))}"
                    if seen
                    else f"{name}; the mesh configuration is not among what was read",
                    "istioctl install --set 'meshConfig.extensionProviders[0].name="
                    f"{name}' --set 'meshConfig.extensionProviders[0].opentelemetry.service="
                    "jaeger-collector.observability.svc.cluster.local' --set "
                    "'meshConfig.extensionProviders[0].opentelemetry.port=4317'",
                    None if seen else Severity.INFO,
                )


@check("BM603", Severity.ERROR)
def propagation_mismatch(inventory: Inventory) -> Iterator[Sighting]:
    """The proxies and the pods do not speak of traces in the same headers.

    Istio's opentelemetry provider sends W3C traceparent, its zipkin provider B3. A pod that reads the
    other kind begins a new trace for every request, and the trace breaks in two at each hop.

    Use an opentelemetry provider, and OTEL_PROPAGATORS=tracecontext,baggage (the default) in the pods.
    """
    known = providers(inventory)
    used = {
        name: telemetry
        for telemetry, _, part in tracing(inventory)
        for name in named_providers(part) or default_providers(inventory)
    }
    for name, telemetry in used.items():
        headers = PROVIDER_KINDS.get(known.get(name, ""), "")
        for workload in routed_workloads(inventory):
            for place, container in workload.containers:
                spoken = _propagators(parts(container, "env"))
                if headers and headers not in spoken:
                    yield Sighting(
                        workload.object,
                        f"{place}.env",
                        f"OTEL_PROPAGATORS {listed(sorted(spoken))}, while {telemetry} uses {name}, "
                        f"a {known[name]} provider with {headers.upper()} headers",
                        f"set OTEL_PROPAGATORS={DEFAULT_PROPAGATORS}"
                        + (",b3multi" if headers == "b3" else "")
                        + " in the pods, or name an opentelemetry provider in the Telemetry",
                    )


def _propagators(env: list[Document]) -> set[str]:
    said = next((text(each, "value") for each in env if text(each, "name") == "OTEL_PROPAGATORS"), "")
    words = {each.strip() for each in (said or DEFAULT_PROPAGATORS).split(",")}
    return {"w3c" if each == W3C else "b3" if each.startswith("b3") else each for each in words} - {"baggage"}


@check("BM604", Severity.WARNING)
def nothing_sampled(inventory: Inventory) -> Iterator[Sighting]:
    """A Telemetry asks for traces and samples none.

    randomSamplingPercentage is 0 unless somebody says otherwise: only requests that already carry a
    sampling decision are traced.

    Set randomSamplingPercentage, such as 5.
    """
    if default_sampling(inventory):
        return
    for telemetry, field, part in tracing(inventory):
        said = dig(part, "randomSamplingPercentage")
        if dig(part, "disableSpanReporting") is not True and not said:
            pointer = "/" + field.replace("[", "/").replace("]", "").replace(".", "/")
            yield Sighting(
                telemetry,
                f"{field}.randomSamplingPercentage",
                "not set, which is 0" if said is None else "0",
                replace(telemetry, f"{pointer}/randomSamplingPercentage", 5),
            )


@check("BM605", Severity.ERROR)
def judged_metrics_off(inventory: Inventory) -> Iterator[Sighting]:
    """A Telemetry turns off the metrics that canaries are judged by.

    The judge reads istio_requests_total and istio_request_duration_milliseconds at the destination.
    Without them every canary is silent and no rollout moves.

    Remove the override, or narrow it to metrics that nobody reads.
    """
    for telemetry in inventory.of("Telemetry", group=TELEMETRY):
        for number, metrics in enumerate(telemetry.parts("spec", "metrics")):
            for index, override in enumerate(parts(metrics, "overrides")):
                name = text(override, "match", "metric") or "ALL_METRICS"
                side = text(override, "match", "mode") or "CLIENT_AND_SERVER"
                gone = dig(override, "disabled") in (True, "true")
                if gone and name in JUDGED and side != "CLIENT":
                    yield _off(telemetry, f"spec.metrics[{number}].overrides[{index}]", name, side)


def _off(telemetry: Object, field: str, name: str, side: str) -> Sighting:
    return Sighting(
        telemetry, f"{field}.disabled", f"{name} ({side}) is disabled", f"remove {field} from {telemetry}"
    )
