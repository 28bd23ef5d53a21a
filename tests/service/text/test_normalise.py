import pytest

from service.errors import SettingsError
from service.text.normalise import normaliser, unchanged


@pytest.mark.parametrize(
    ("steps", "text", "needed"),
    [
        ([], "Ｈ１漢字", "Ｈ１漢字"),
        (["nfkc"], "［ＭＡＳＫ］Ｈ１㍿漢字", "[MASK]H1株式会社漢字"),
        (["simplified"], "頭髮與發現[MASK]", "头发与发现[MASK]"),
        (["traditional"], "头发与发现[MASK]", "頭髮與發現[MASK]"),
        (["nfkc", "simplified"], "Ｈ漢", "H汉"),
    ],
)
def test_texts_are_normalised_step_by_step(steps: list[str], text: str, needed: str) -> None:
    assert normaliser(steps)(text) == needed


def test_without_a_step_nothing_is_touched() -> None:
    assert normaliser([]) is unchanged


def test_an_unknown_step_is_refused_with_the_known_ones() -> None:
    with pytest.raises(SettingsError, match="some of nfkc, simplified, traditional needed"):
        normaliser(["nfc"])
