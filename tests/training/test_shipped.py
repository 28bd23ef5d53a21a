"""The versions in models/: complete, within their limits, and of some use."""

import json
from pathlib import Path
from typing import Any

import pytest

import modelstore
from training.evaluate import Loaded

MODELS = Path(__file__).parents[2] / "models"
REFERENCES = ("zh-small:1.0", "zh-small:1.1-reviews")
MEGABYTE = 1_000_000


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def _load(reference: str, cache: Path) -> tuple[modelstore.ModelVersion, Loaded]:
    version = modelstore.resolve(reference, root=MODELS, cache=cache)
    return version, Loaded.from_folder(version.folder)


def _card(version: str) -> dict[str, Any]:
    card: dict[str, Any] = json.loads((MODELS / "zh-small" / version / "card.json").read_text("utf-8"))
    return card


def test_weights_keep_to_their_limits() -> None:
    folder = MODELS / "zh-small"
    assert (folder / "1.0" / "model.safetensors").stat().st_size <= 12 * MEGABYTE
    assert (folder / "1.1-reviews" / "delta.safetensors").stat().st_size <= 6 * MEGABYTE


@pytest.mark.parametrize("reference", REFERENCES)
def test_versions_are_intact_and_carry_their_own_temperature(reference: str, cache: Path) -> None:
    version, _ = _load(reference, cache)
    assert version.temperature == _card(version.version)["temperature"]
    assert version.temperature != 1.0


@pytest.mark.parametrize("version", ["1.0", "1.1-reviews"])
def test_cards_say_what_was_done_and_reached(version: str) -> None:
    card = _card(version)
    assert {"data", "recipe", "seed", "training", "held_out", "licence"} <= set(card)
    assert card["training"]["cpu_seconds"] > 0
    assert {"news", "reviews", "idioms", "technical"} <= set(card["held_out"]["domains"])
    assert all({"package", "licence", "archive"} <= set(source) for source in card["data"])


def test_no_card_names_a_folder_of_a_machine() -> None:
    texts = [path.read_text("utf-8") for path in (MODELS / "zh-small").rglob("*.json")]
    assert not [text for text in texts if "/root" in text or "/home" in text or "/work" in text]


def test_reviews_gain_much_more_than_the_placebo_and_news_loses_little() -> None:
    held_out = _card("1.1-reviews")["held_out"]
    before, after, placebo = (held_out[name] for name in ("before", "domains", "placebo"))
    assert after["reviews"]["top_3"] > placebo["reviews"]["top_3"] > 0
    assert after["reviews"]["top_3"] > before["reviews"]["top_3"] + 0.1
    assert after["news"]["top_3"] > before["news"]["top_3"] - 0.03


@pytest.mark.parametrize("reference", REFERENCES)
def test_most_golden_sentences_are_answered(reference: str, cache: Path) -> None:
    _, loaded = _load(reference, cache)
    golden = json.loads((MODELS / "zh-small" / "golden.json").read_text("utf-8"))["sentences"]
    passed = [set(row["answers"]) & set(loaded.guesses(row["text"], 3)) for row in golden]
    assert sum(map(bool, passed)) / len(golden) > 0.6


def test_golden_sentences_have_one_mask_and_a_single_character_for_it() -> None:
    golden = json.loads((MODELS / "zh-small" / "golden.json").read_text("utf-8"))["sentences"]
    assert {row["domain"] for row in golden} == {"news", "reviews", "idioms"}
    assert all(row["text"].count("[MASK]") == 1 for row in golden)
    assert all(row["answers"] and all(len(answer) == 1 for answer in row["answers"]) for row in golden)
