"""The router over the Kubernetes API."""

import json
import threading
import time
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from canary.controller.ports import Router
from mesh.cluster.api import ClusterApi
from mesh.cluster.errors import (
    ApiDown,
    ApiRefused,
    ClusterError,
    KindMissing,
    NotOurs,
    TooManyConflicts,
    UnreadableRoute,
)
from mesh.cluster.router import MANAGER
from mesh.errors import InvalidMesh
from mesh.model import Split, Weights
from mesh.routing import Style
from tests.mesh.cluster.routers import STYLES, at, kind_of, router, rule, rules, targets, weights
from tests.support.kubeapi import Fault, KubeApi
from tests.support.kubeapi.known import OWN
from tests.support.kubeapi.samples import untyped

Document = dict[str, Any]


def live(api: KubeApi, style: Style) -> Document:
    return api.get(kind_of(style), "bert")


def edited(api: KubeApi, style: Style, weight: int) -> Document:
    """Return the patch of a person who sets the weight by hand."""
    route = live(api, style)
    stable, canary = targets(rule(route, "split"))
    stable["weight"], canary["weight"] = 100 - weight, weight
    return {"spec": {"rules" if style is Style.GATEWAY_API else "http": rules(route)}}


def foreign_route(style: Style, *extra: Document) -> Document:
    """Return a route of somebody else, of the same name."""
    if style is Style.GATEWAY_API:
        reference = {"backendRefs": [{"name": "bert", "port": 80}]}
        spec: Document = {
            "parentRefs": [{"name": "public", "namespace": "istio-ingress"}],
            "rules": [*extra, reference],
        }
        version = "gateway.networking.k8s.io/v1"
    else:
        spec = {"hosts": ["bert"], "http": [*extra, {"route": [{"destination": {"host": "bert"}}]}]}
        version = "networking.istio.io/v1"
    return {
        "apiVersion": version,
        "kind": kind_of(style),
        "metadata": {"name": "bert", "namespace": "default"},
        "spec": spec,
    }


@pytest.mark.parametrize("style", STYLES)
def test_what_was_applied_is_what_is_read(api: KubeApi, style: Style) -> None:
    here = router(api, style)
    for split in (Split("1.0"), at(0), at(0, mirror=25), at(5, mirror=7), at(5), at(100), Split("1.1")):
        assert here.apply(split).split == split
        assert here.split() == split


@pytest.mark.parametrize("style", STYLES)
def test_applying_the_same_again_writes_nothing(api: KubeApi, style: Style) -> None:
    here = router(api, style)
    assert here.apply(at(5)).changed
    before = live(api, style)["metadata"]["resourceVersion"]
    writes = len(api.writes(MANAGER))
    assert not here.apply(at(5)).changed
    assert len(api.writes(MANAGER)) == writes
    assert live(api, style)["metadata"]["resourceVersion"] == before


@pytest.mark.parametrize("style", STYLES)
def test_another_router_goes_on_where_the_first_stopped(api: KubeApi, style: Style) -> None:
    router(api, style).apply(at(5))
    after_restart = router(api, style)
    assert after_restart.split() == at(5)
    assert not after_restart.apply(at(5)).changed


@pytest.mark.parametrize("style", STYLES)
def test_fields_of_others_on_our_route_survive(api: KubeApi, style: Style) -> None:
    here = router(api, style)
    here.apply(at(5))
    mine: Document = {"metadata": {"annotations": {"team": "nlp"}, "labels": {"cost": "7"}}}
    if style is not Style.GATEWAY_API:
        mine["spec"] = {"exportTo": ["."]}
    api.edit(kind_of(style), "bert", mine, manager="argocd")
    result = here.apply(at(20))
    found = live(api, style)
    assert found["metadata"]["annotations"]["team"] == "nlp"
    assert found["metadata"]["labels"]["cost"] == "7"
    assert found["spec"].get("exportTo", ["."]) == ["."]
    assert (weights(found), result.drift) == ([80, 20], ())


@pytest.mark.parametrize("style", STYLES)
def test_a_hand_edited_weight_is_put_back_and_reported(api: KubeApi, style: Style) -> None:
    here = router(api, style)
    here.apply(at(5))
    api.edit(kind_of(style), "bert", edited(api, style, 90))
    assert here.split() == at(90), "what is read is what is there"
    noticed = here.drift()
    assert noticed is not None
    assert noticed.writers == ("kubectl-edit",)
    result = here.apply(at(5))
    assert weights(live(api, style)) == [95, 5]
    [drift] = result.drift
    assert str(drift).startswith(f"{kind_of(style)} default/bert was changed by kubectl-edit (spec.")
    assert here.drift() is None
    assert here.apply(at(5)).drift == ()


@pytest.mark.parametrize("style", STYLES)
def test_a_change_that_only_takes_the_fields_over_is_noticed_too(api: KubeApi, style: Style) -> None:
    here = router(api, style)
    here.apply(at(5))
    api.edit(kind_of(style), "bert", edited(api, style, 90))
    api.edit(kind_of(style), "bert", edited(api, style, 5))
    assert here.apply(at(5)).drift != ()
    assert here.drift() is None


@pytest.mark.parametrize("style", STYLES)
def test_a_route_of_somebody_else_is_not_touched(api: KubeApi, style: Style) -> None:
    api.create(foreign_route(style), manager="helm")
    before = live(api, style)
    with pytest.raises(NotOurs, match=f"{kind_of(style)} default/bert belongs to helm: .*spec.routing.adopt"):
        router(api, style).apply(at(5))
    assert live(api, style) == before
    assert not api.has("DestinationRule", "bert"), "nothing else was written either"
    assert not api.has("Service", "bert-v1-0")


@pytest.mark.parametrize("style", STYLES)
def test_an_adopted_route_keeps_its_way_elsewhere_and_loses_its_way_to_us(api: KubeApi, style: Style) -> None:
    if style is Style.GATEWAY_API:
        elsewhere: Document = {
            "name": "shop",
            "matches": [{"path": {"type": "PathPrefix", "value": "/shop"}}],
            "backendRefs": [{"name": "bert-vip", "port": 80}],
        }
    else:
        elsewhere = {
            "name": "shop",
            "match": [{"uri": {"prefix": "/shop"}}],
            "route": [{"destination": {"host": "bert-vip"}}],
        }
    api.create(foreign_route(style, elsewhere), manager="helm")
    result = router(api, style, adopt=True).apply(at(5))
    assert result.changed
    names = [each.get("name") for each in rules(live(api, style))]
    assert names[0] == "shop"
    assert names[-1] == "split"
    assert None not in names, "the old way to the Service is gone"
    assert not router(api, style).apply(at(5)).changed, "from now on it is ours"
    router(api, style).apply(at(20))
    assert [each.get("name") for each in rules(live(api, style))] == names


def test_an_adopted_route_that_takes_everything_comes_last(api: KubeApi) -> None:
    catch_all = {"name": "rest", "route": [{"destination": {"host": "shop"}}]}
    api.create(foreign_route(Style.SUBSETS, catch_all), manager="helm")
    router(api, adopt=True).apply(at(5))
    assert [each["name"] for each in rules(live(api, Style.SUBSETS))][-2:] == ["split", "rest"]


def test_a_service_of_the_same_name_elsewhere_is_not_us(api: KubeApi) -> None:
    other = {
        "name": "other",
        "match": [{"uri": {"prefix": "/o"}}],
        "route": [{"destination": {"host": "bert.shop.svc.cluster.local"}}],
    }
    api.create(foreign_route(Style.SUBSETS, other), manager="helm")
    router(api, adopt=True).apply(at(5))
    assert rules(live(api, Style.SUBSETS))[0]["name"] == "other"


def test_a_rule_that_a_person_adds_stays(api: KubeApi) -> None:
    here = router(api)
    here.apply(at(5))
    note = {"name": "maintenance", "match": [{"uri": {"prefix": "/x"}}], "directResponse": {"status": 503}}
    api.edit("VirtualService", "bert", {"spec": {"http": [note, *rules(live(api, Style.SUBSETS))]}})
    assert here.apply(at(20)).drift != ()
    assert rules(live(api, Style.SUBSETS))[0]["name"] == "maintenance"
    assert here.apply(at(20)).drift == ()


def test_a_destination_rule_of_somebody_else_is_not_touched(api: KubeApi) -> None:
    rule_of_others = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "DestinationRule",
        "metadata": {
            "name": "bert",
            "namespace": "default",
            "labels": {"app.kubernetes.io/managed-by": "Helm"},
        },
        "spec": {"host": "bert"},
    }
    api.create(rule_of_others, manager="helm")
    with pytest.raises(NotOurs, match="DestinationRule default/bert belongs to Helm and helm"):
        router(api).apply(at(5))
    assert not api.has("VirtualService", "bert")


def test_two_rollouts_do_not_write_one_route(api: KubeApi) -> None:
    router(api, holder="bert").apply(at(5))
    with pytest.raises(NotOurs, match="belongs to ModelRollout bert"):
        router(api, holder="bert-copy").apply(at(50))
    assert router(api, holder="bert").split() == at(5)


def test_an_object_that_lost_its_managed_fields_in_a_backup_is_still_ours(api: KubeApi) -> None:
    router(api).apply(at(5))
    saved = live(api, Style.SUBSETS)
    api.delete("VirtualService", "bert")
    kept = {key: saved["metadata"][key] for key in ("name", "namespace", "labels", "annotations")}
    api.create({**saved, "metadata": kept}, manager="velero")
    assert router(api).apply(at(5)).split == at(5)


SERVICE = {
    "metadata": {"name": "bert", "uid": "5f0c"},
    "spec": {"ports": [{"name": "http", "port": 80}]},
}


def owners_of(api: KubeApi, kind: str, name: str) -> list[tuple[str, str]]:
    found = api.get(kind, name)["metadata"].get("ownerReferences", ())
    return [(each["kind"], each["uid"]) for each in found]


@pytest.mark.parametrize("style", STYLES)
def test_what_is_made_goes_with_the_service(api: KubeApi, style: Style) -> None:
    here = replace(router(api, style), live_service=lambda: SERVICE)
    here.apply(at(5))
    assert owners_of(api, kind_of(style), "bert") == [("Service", "5f0c")]
    if style is not Style.SUBSETS:
        assert owners_of(api, "Service", "bert-v1-1") == [("Service", "5f0c")]
    assert not here.apply(at(5)).changed
    here.apply(at(20))
    assert owners_of(api, kind_of(style), "bert") == [("Service", "5f0c")]


def test_what_was_there_before_stays_without_the_service(api: KubeApi) -> None:
    api.create(foreign_route(Style.SUBSETS), manager="helm")
    here = replace(router(api, adopt=True), live_service=lambda: SERVICE)
    here.apply(at(5))
    here.apply(at(20))
    assert owners_of(api, "VirtualService", "bert") == []
    assert owners_of(api, "DestinationRule", "bert") == [("Service", "5f0c")]


def test_a_deleted_route_is_written_anew(api: KubeApi) -> None:
    here = router(api)
    here.apply(at(5))
    api.delete("VirtualService", "bert")
    with pytest.raises(UnreadableRoute, match="does not exist"):
        here.split()
    assert here.apply(at(5)).changed
    assert here.split() == at(5)


@pytest.mark.parametrize("style", STYLES)
def test_a_route_to_nowhere_cannot_be_read_but_is_put_right(api: KubeApi, style: Style) -> None:
    here = router(api, style)
    here.apply(at(5))
    patch = edited(api, style, 50)
    [split] = [each for each in next(iter(patch["spec"].values())) if each["name"] == "split"]
    target = targets(split)[1]
    target.update({"name": "gone"} if style is Style.GATEWAY_API else {"destination": {"host": "gone"}})
    api.edit(kind_of(style), "bert", patch)
    with pytest.raises(UnreadableRoute, match="'gone', which is no version"):
        here.split()
    assert here.apply(at(5)).split == at(5)


def test_a_version_that_does_not_exist_is_refused_before_anything_is_written(api: KubeApi) -> None:
    with pytest.raises(InvalidMesh, match=r"the versions that exist are 1\.0, 1\.1"):
        router(api).apply(Split("1.0", "2.0", Weights(5)))
    assert api.writes() == []


def test_a_conflict_is_tried_again_with_what_is_there_now(api: KubeApi) -> None:
    here = router(api)
    here.apply(at(5))
    api.fail(Fault(code=409, times=2, method="PATCH", path="virtualservices"))
    assert here.apply(at(20)).split == at(20)


def test_a_change_between_reading_and_writing_is_not_lost(api: KubeApi) -> None:
    here = router(api)
    here.apply(at(5))
    note = {"name": "maintenance", "match": [{"uri": {"prefix": "/x"}}], "directResponse": {"status": 503}}
    ours = rules(live(api, Style.SUBSETS))
    api.fail(Fault(code=200, times=1, method="PATCH", path="virtualservices", delay_s=0.3))
    writing = threading.Thread(target=here.apply, args=(at(20),))
    writing.start()
    while not any(fault.times == 0 for fault in api.server.faults):
        time.sleep(0.01)
    api.edit("VirtualService", "bert", {"spec": {"http": [note, *ours]}})
    writing.join()
    found = live(api, Style.SUBSETS)
    assert rules(found)[0]["name"] == "maintenance"
    assert weights(found) == [80, 20]


def test_conflicts_without_end_are_given_up_and_the_writers_named(api: KubeApi) -> None:
    here = router(api)
    here.apply(at(5))
    api.edit("VirtualService", "bert", edited(api, Style.SUBSETS, 50), manager="flagger")
    api.fail(Fault(code=409, times=1000, method="PATCH", path="virtualservices"))
    with pytest.raises(TooManyConflicts, match=r"VirtualService default/bert changed .* 5 times.*flagger"):
        here.apply(at(20))


def test_an_api_that_is_away_is_an_error_at_once_and_no_error_later(api: KubeApi) -> None:
    here = router(api)
    here.apply(at(5))
    api.stop()
    with pytest.raises(ApiDown, match="traffic stays as it is"):
        here.apply(at(20))
    api.start()
    assert here.split() == at(5)
    assert here.apply(at(20)).split == at(20)


def test_an_api_that_hangs_is_an_error_in_bounded_time(api: KubeApi) -> None:
    api.fail(Fault(code=200, times=100, delay_s=60))
    with pytest.raises(ApiDown):
        router(api, timeout_s=0.3).split()


@pytest.mark.parametrize("code", [429, 500, 503])
def test_an_api_that_is_busy_is_down_for_now(api: KubeApi, code: int) -> None:
    api.fail(Fault(code=code))
    with pytest.raises(ApiDown, match=str(code)):
        router(api).split()


def test_a_webhook_that_is_away_is_not_told_as_an_api_that_is(monkeypatch: pytest.MonkeyPatch) -> None:
    said = 'Internal error occurred: failed calling webhook "validation.istio.io": connection refused'
    monkeypatch.setattr("mesh.cluster.api.READ", lambda _: json.dumps({"message": said}).encode())
    client = SimpleNamespace(
        configuration=SimpleNamespace(host="https://api"),
        param_serialize=lambda *_, **__: (),
        call_api=lambda **__: SimpleNamespace(status=500),
    )
    with pytest.raises(ApiDown, match=r"takes no write, for a webhook .*validation\.istio\.io.*istiod"):
        ClusterApi(untyped(client)).request("PATCH", "/apis/networking.istio.io/v1")


def test_an_answer_cut_short_is_an_api_that_is_down(api: KubeApi) -> None:
    api.fail(Fault(code=0))
    with pytest.raises(ApiDown):
        router(api).split()


def test_a_missing_right_is_named(api: KubeApi) -> None:
    reader = {"apiGroups": ["networking.istio.io"], "resources": ["*"], "verbs": ["get"]}
    api.grant("reader", [{"kind": "Role", "metadata": {"namespace": "default"}, "rules": [reader]}])
    with pytest.raises(
        ApiRefused,
        match="give the controller's Role get, create and patch on destinationrules in namespace default",
    ):
        router(api, client=api.client(token="reader")).apply(at(5))


@pytest.mark.parametrize(
    ("style", "kinds"),
    [
        (Style.SUBSETS, {"virtualservices", "destinationrules"}),
        (Style.SERVICES, {"virtualservices", "destinationrules", "services"}),
        (Style.GATEWAY_API, {"httproutes", "services"}),
    ],
)
def test_get_create_and_patch_on_these_kinds_are_all_the_rights_that_a_router_needs(
    api: KubeApi, style: Style, kinds: set[str]
) -> None:
    groups = ["", "networking.istio.io", "gateway.networking.k8s.io"]
    enough = {"apiGroups": groups, "resources": sorted(kinds), "verbs": ["get", "create", "patch"]}
    api.grant("router", [{"kind": "Role", "metadata": {"namespace": "default"}, "rules": [enough]}])
    here = router(api, style, client=api.client(token="router"))
    here.apply(at(5))
    assert here.apply(at(20)).split == here.split() == at(20)


def test_a_cluster_without_istio_is_told_apart_from_a_missing_route() -> None:
    with KubeApi(crds=[OWN]) as bare:
        with pytest.raises(KindMissing, match=r"no kind VirtualService of networking\.istio\.io/v1"):
            router(bare).split()
        with pytest.raises(KindMissing, match="no kind DestinationRule"):
            router(bare).apply(at(5))


def test_a_webhook_that_turns_the_weight_is_noticed(api: KubeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    here = router(api)
    here.apply(at(5))
    apply = ClusterApi.apply

    def turned(self: ClusterApi, document: Document, manager: str) -> Document:
        answer = apply(self, document, manager)
        if answer["kind"] == "VirtualService":
            targets(rule(answer, "split"))[1]["weight"] = 50
        return answer

    monkeypatch.setattr(ClusterApi, "apply", turned)
    with pytest.raises(UnreadableRoute, match="see its webhooks"):
        here.apply(at(20))


def test_it_is_a_router_to_the_controller(api: KubeApi) -> None:
    port: Router = router(api)
    port.apply(at(5))
    assert port.split() == at(5)


def test_every_error_is_a_cluster_error() -> None:
    for error in (ApiDown, ApiRefused, KindMissing, NotOurs, TooManyConflicts, UnreadableRoute):
        assert issubclass(error, ClusterError)
