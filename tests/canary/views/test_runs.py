from pathlib import Path

import pytest

from canary.console.page import MOST_CARDS, page
from canary.console.ports import ServiceView
from canary.rollout.model import Phase
from canary.views.findings import evidence
from canary.views.runs import Run, runs
from tests.canary.console.scenes import Scene, at_weight


def newest(scene: Scene) -> Run:
    return runs(scene.state)[0]


def test_no_rollout_so_far_makes_no_runs(folder: Path) -> None:
    assert runs(Scene(folder).state) == ()


def test_former_rollouts_are_known_from_the_history(folder: Path) -> None:
    scene = Scene(folder, bad={"1.2": 0.3})
    scene.roll("1.1")
    scene.roll("1.2")
    latest, former = runs(scene.state)
    assert (latest.id, latest.phase, latest.stable, latest.canary) == (
        "rollout-2",
        Phase.ROLLED_BACK,
        "1.1",
        "1.2",
    )
    assert (former.id, former.phase, former.started_by) == ("rollout-1", Phase.PROMOTED, "ann")
    assert former.ended_at is not None
    assert former.ended_at <= latest.started_at
    assert former.proved == ()


def test_the_curves_tell_what_was_asked_and_what_was_proved(folder: Path) -> None:
    scene = Scene(folder)
    scene.roll("1.1")
    run = newest(scene)
    assert [weight for _, weight in run.asked] == [0, 5, 20, 50, 100]
    assert [weight for _, weight in run.proved] == [0, 5, 20, 50, 100, 100]
    assert [at for at, _ in run.proved] == sorted(at for at, _ in run.proved)


def test_a_rollback_ends_both_curves_at_nothing(folder: Path) -> None:
    scene = Scene(folder, bad={"1.2": 0.3})
    scene.roll("1.2")
    run = newest(scene)
    assert run.asked[-1][1] == run.proved[-1][1] == 0
    assert run.turn.reason in {"harm", "breaker"}


def test_a_weight_that_the_gateway_refuses_is_asked_but_not_proved(folder: Path) -> None:
    scene = Scene(folder)
    scene.roll("1.1", at_weight(scene, 5))
    scene.router.refuses = "clusters are missing"
    scene.run(60, lambda: newest(scene).weight == 20)
    assert newest(scene).asked[-1][1] == 20
    assert newest(scene).proved[-1][1] == 5


def test_evidence_is_missing_before_the_first_judgement(folder: Path) -> None:
    scene = Scene(folder)
    scene.start("1.1")
    assert evidence(newest(scene)) is None


def test_what_is_still_needed_is_said_in_requests_and_time(folder: Path) -> None:
    scene = Scene(folder, rps=20.0)
    scene.roll("1.1", at_weight(scene, 5, 2))
    found = evidence(newest(scene))
    assert found is not None
    assert found.needed.amount.endswith(" requests")
    assert found.needed.words.endswith(" at this rate")
    errors = found.findings[0]
    assert (errors.name, errors.bad) == ("errors", "failed or timed out")
    assert errors.need.startswith("errors: needs about ")


def test_a_looser_proof_that_will_do_in_time_is_not_taken_for_what_is_needed(folder: Path) -> None:
    scene = Scene(folder, rps=60.0, bad={"1.0": 0.001, "1.1": 0.0012})
    scene.roll("1.1", at_weight(scene, 50, 75), profile="default")
    found = evidence(newest(scene))
    assert found is not None
    errors = found.findings[0]
    assert [claim.tone for claim in errors.safe] == ["open", "proved"]
    assert "which is enough in 9 min" in errors.need
    assert "in 9 min what is proved is enough" in found.needed.words
    assert int(found.needed.amount.split()[0].replace(",", "")) > 100


def test_a_paused_rollout_needs_a_person_once_all_is_proved(folder: Path) -> None:
    scene = Scene(folder)
    scene.roll("1.1", at_weight(scene, 20))
    scene.order("pause")
    scene.run(30)
    found = evidence(newest(scene))
    assert found is not None
    assert found.needed.amount == "A person"


@pytest.mark.parametrize(("bad", "tone"), [({}, "calm"), ({"1.1": 0.3}, "bad")])
def test_an_ended_rollout_keeps_the_evidence_that_decided(
    folder: Path, bad: dict[str, float], tone: str
) -> None:
    scene = Scene(folder, bad=bad)
    scene.roll("1.1")
    found = evidence(newest(scene))
    assert found is not None
    assert found.total.tone == tone
    assert found.needed.amount == "Nothing"
    assert all(it.safe for it in found.findings)


def test_the_list_has_every_rollout_of_the_shown_service_and_the_newest_of_each_other(folder: Path) -> None:
    scene = Scene(folder)
    scene.roll("1.1")
    scene.roll("1.2")
    state = scene.state
    now = scene.clock.time
    seen = page([ServiceView(f"s{i:03d}", state) for i in range(MOST_CARDS + 50)], ("s007", "rollout-1"), now)
    assert len(seen.cards) == MOST_CARDS
    assert seen.more == 51
    few = page([ServiceView(name, state) for name in ("a", "b")], ("b", "rollout-2"), now)
    assert [(card.service, card.id) for card in few.cards] == [
        ("a", "rollout-2"),
        ("b", "rollout-2"),
        ("b", "rollout-1"),
    ]
    assert few.stable == "1.2"
