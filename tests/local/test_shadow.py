"""Canaries that answer quickly, without errors, and wrongly: found out by copies, or by their own doubts."""

import json

from bertmesh.demo.facts import failures
from bertmesh.demo.traffic import Traffic
from tests.local.hand import Hand

PROMOTED, ROLLED_BACK = 0, 3
ONE_POD = ("--replicas", "1")


def test_a_canary_that_answers_wrongly_is_found_out_by_copies_before_it_answers_anybody(
    mesh: Hand, traffic: Traffic
) -> None:
    stable, canary = mesh.state.stable, mesh.add("3.0-wrong", fault="wrong=1", replicas=1)
    assert mesh.roll(canary, words=("--shadow", "100", *ONE_POD)) == ROLLED_BACK
    assert mesh.state.stable == stable
    assert mesh.rollout.passed == ()
    assert mesh.status()["rollout"]["turn"]["sentence"].startswith("shadow: canary ")
    assert {answer.version for answer in traffic.answers()} == {stable}
    assert failures(traffic.answers()) == 0
    shown = mesh.command("rollout", "disagreements", "-o", "json")
    examples = json.loads(shown.stdout)
    assert 0 < len(examples) <= 20
    assert {(each["stable"], each["canary"], each["text"]) for each in examples} == {(stable, canary, "")}
    assert "no disagreement of 1.0-none" in mesh.command("rollout", "disagreements", "1.0-none").stdout


def test_a_canary_that_answers_alike_goes_on_while_its_copies_are_compared(
    mesh: Hand, traffic: Traffic
) -> None:
    canary = mesh.add("3.1-alike", replicas=1)
    copies = ("--shadow", "50", "--shadow-during", "20")
    assert mesh.roll(canary, words=copies) == PROMOTED
    rehearsed = mesh.decided("rehearsed")
    assert "compared copies" in rehearsed.sentence
    assert [step.weight for step in mesh.rollout.passed] == [50, 100]
    assert failures(traffic.answers()) == 0


def test_a_canary_that_guesses_is_taken_back_for_low_confidence(mesh: Hand, traffic: Traffic) -> None:
    canary = mesh.add("3.2-guessing", fault="wrong=1", replicas=1)
    assert mesh.roll(canary) == ROLLED_BACK
    assert failures(traffic.answers()) == 0
    assert mesh.status()["rollout"]["turn"]["sentence"].startswith("lowconf: canary ")
