"""The resource: what the API server and Python refuse, and that they agree."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from canary.resource import crd
from canary.resource.errors import InvalidResource
from canary.resource.policy import PolicySpec
from canary.resource.spec import ModelRollout, document
from tests.canary.resource.refusals import BAD, FIXED
from tests.support.kubeapi import KubeApi
from tests.support.kubeapi.cel import broken_rules
from tests.support.kubeapi.known import OWN, ROOT
from tests.support.kubeapi.problem import ApiError
from tests.support.kubeapi.samples import rollout
from tests.support.kubeapi.schema import fill_defaults, problems

Document = dict[str, Any]
SCHEMA = crd.resource_schema()


@pytest.fixture(scope="module")
def api() -> Iterator[KubeApi]:
    with KubeApi(crds=[OWN]) as server:
        yield server


@pytest.mark.parametrize("what", BAD)
def test_the_api_server_refuses(what: str, api: KubeApi) -> None:
    spec, words = BAD[what]
    with pytest.raises(ApiError) as refused:
        api.create(rollout(**spec))
    assert refused.value.code == 422
    assert words in str(refused.value)


@pytest.mark.parametrize("what", BAD)
def test_python_refuses_the_same_with_the_same_words(what: str) -> None:
    spec, words = BAD[what]
    with pytest.raises(InvalidResource) as refused:
        ModelRollout.read(rollout(**spec))
    assert words in str(refused.value)
    assert "ModelRollout bert cannot be used" in str(refused.value)


def test_every_rule_was_seen_to_refuse_something() -> None:
    rules = {message for _, message in all_rules("", SCHEMA)}
    said = " ".join(str(error) for error in map(refusal, BAD.values()))
    unseen = {message for message in rules if message not in said and "cannot be changed" not in message}
    assert unseen == set()


def all_rules(path: str, schema: Document) -> Iterator[tuple[str, str]]:
    for rule in schema.get("x-kubernetes-validations", ()):
        yield path, rule["message"]
    for inner in [*schema.get("properties", {}).values(), *filter(None, [schema.get("items")])]:
        yield from all_rules(path, inner)


def refusal(bad: tuple[Document, str]) -> InvalidResource:
    with pytest.raises(InvalidResource) as refused:
        ModelRollout.read(rollout(**bad[0]))
    return refused.value


@pytest.mark.parametrize(("change", "words"), FIXED)
def test_what_cannot_be_changed_is_refused(change: Document, words: str, api: KubeApi) -> None:
    api.create(rollout("fixed"))
    try:
        with pytest.raises(ApiError, match=words):
            api.edit("ModelRollout", "fixed", {"spec": change})
    finally:
        api.delete("ModelRollout", "fixed")


def test_an_unknown_field_is_refused_by_name() -> None:
    with pytest.raises(InvalidResource, match=r"spec\.policy\.profil: Extra inputs are not permitted"):
        ModelRollout.read(rollout(policy={"profil": "fast"}))


def test_a_missing_field_is_named() -> None:
    with pytest.raises(InvalidResource, match=r"spec\.stable: Field required"):
        ModelRollout.read({"metadata": {"name": "bert"}, "spec": {"service": "bert"}})


def test_the_api_server_fills_in_what_python_does(api: KubeApi) -> None:
    api.create(rollout("defaults"))
    stored = api.get("ModelRollout", "defaults")
    assert ModelRollout.read(stored) == ModelRollout.read(rollout("defaults"))


def test_the_status_of_a_newer_controller_can_be_read() -> None:
    status = {"phase": "Progressing", "mood": "good", "judge": {"ticks": 3, "deep": {"er": [1.5]}}}
    found = ModelRollout.read({**rollout(), "status": status}).status
    assert (found.phase, found.judge) == ("Progressing", {"ticks": 3, "deep": {"er": [1.5]}})


def test_a_full_status_is_kept_by_the_api_server_as_it_is_written(api: KubeApi) -> None:
    at = "2026-11-21T10:00:00Z"
    counts = {"requests": 3000, "bad": 24}
    status = {
        "observedGeneration": 2,
        "phase": "RolledBack",
        "stable": "1.0",
        "canary": "1.1",
        "step": 1,
        "weight": 0,
        "weightProved": 0,
        "since": at,
        "verdict": "rollback harm:errors",
        "message": "canary 0.81 % vs stable 0.10 % (x8)",
        "evidence": [
            {
                "metric": "errors",
                "stable": counts,
                "canary": counts,
                "harm": 1.8e8,
                "safe": 0.0,
                "words": "x8",
            }
        ],
        "judge": {"any": [{"thing": 1}]},
        "conditions": [
            {
                "type": "Degraded",
                "status": "True",
                "reason": "HarmProved",
                "message": "x8",
                "lastTransitionTime": at,
            }
        ],
        "history": [
            {
                "at": at,
                "phase": "RolledBack",
                "weight": 0,
                "by": "controller",
                "reason": "Harm",
                "message": "x8",
            }
        ],
    }
    api.create(rollout("status"))
    api.edit_status(
        "ModelRollout", "status", document(ModelRollout.read({**rollout(), "status": status}).status)
    )
    assert api.get("ModelRollout", "status")["status"] == status


DURATIONS = st.sampled_from(["500ms", "10s", "1m", "5m", "10m", "1h", "24h", "soon"])
MARGINS = st.fixed_dictionaries(
    {"ratio": st.sampled_from([0, 1, 1.5, 2, 101]), "points": st.sampled_from([0, 0.1, 1])}
)
NAMES = st.sampled_from(["1.0", "1.1", "b" * 30, "b" * 58, "Bad"])
SPECS = st.fixed_dictionaries(
    {"service": st.sampled_from(["bert", "b" * 33, "b" * 63, "9"]), "stable": NAMES},
    optional={
        "canary": NAMES,
        "suspend": st.booleans(),
        "routing": st.fixed_dictionaries(
            {},
            optional={
                "style": st.sampled_from(["subsets", "services", "gatewayAPI"]),
                "gateways": st.lists(st.sampled_from(["mesh", "istio/public"]), max_size=2),
                "hosts": st.lists(st.sampled_from(["*", "bert.example.org", "*.example.org"]), max_size=2),
                "timeout": DURATIONS,
                "match": st.lists(
                    st.sampled_from([{}, {"pathPrefix": "/v1"}, {"headers": [{"name": "x"}]}]), max_size=2
                ),
                "retries": st.fixed_dictionaries({}, optional={"perTryTimeout": DURATIONS}),
            },
        ),
        "policy": st.fixed_dictionaries(
            {},
            optional={
                "steps": st.lists(st.fixed_dictionaries({"weight": st.integers(0, 101)}), max_size=4),
                "fallback": DURATIONS,
                "progressDeadline": DURATIONS,
                "bake": DURATIONS,
                "holdback": st.integers(-1, 6),
                "metrics": st.lists(
                    st.fixed_dictionaries(
                        {"name": st.sampled_from(["errors", "slow", "vibes"])},
                        optional={"tolerated": MARGINS, "tight": MARGINS, "stated": MARGINS},
                    ),
                    max_size=2,
                )
                | st.lists(
                    st.fixed_dictionaries(
                        {"name": st.sampled_from(["errors", "slow", "lowconf", "feedback", "shadow"])},
                        optional={"use": st.sampled_from(["required", "watched", "off"])},
                    ),
                    unique_by=lambda metric: metric["name"],
                ),
            },
        ),
        "notify": st.lists(
            st.fixed_dictionaries(
                {"name": st.just("chat")}, optional={"url": st.just("https://a.b/"), "secret": st.just("s")}
            ),
            max_size=2,
        ),
    },
)


@given(SPECS)
def test_the_api_server_and_python_agree_on_every_spec(spec: Document) -> None:
    given_document = {"metadata": {"name": "bert"}, "spec": spec}
    try:
        ModelRollout.read(given_document)
        python = []
    except InvalidResource as error:
        python = list(error.problems)
    filled = fill_defaults(SCHEMA, {"spec": spec})
    server = list(problems(SCHEMA, filled)) or list(broken_rules(SCHEMA, filled))
    assert bool(server) == bool(python), (server, python)


@given(st.lists(st.integers(1, 100), min_size=1, max_size=20))
def test_steps_are_taken_if_and_only_if_they_ascend(weights: list[int]) -> None:
    ascending = all(a < b for a, b in pairwise(weights))
    spec = {"steps": [{"weight": weight} for weight in weights]}
    ascending = ascending and weights != [100]
    try:
        ModelRollout.read(rollout(policy=spec))
    except InvalidResource:
        assert not ascending
    else:
        assert ascending


def test_a_policy_can_be_written_in_python() -> None:
    assert document(PolicySpec(profile="fast", bake_s=90.0)) == {
        "profile": "fast",
        "metrics": [],
        "bake": "1m30s",
    }


def test_the_example_is_taken_to_the_letter(api: KubeApi) -> None:
    example = yaml.safe_load((ROOT / "docs" / "reference" / "modelrollout.example.yaml").read_text("utf-8"))
    stored = api.apply(example, "kubectl", strict=True)
    assert ModelRollout.read(stored).spec == ModelRollout.read(example).spec
    api.delete("ModelRollout", "bert")
