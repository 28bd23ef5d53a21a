from random import Random

from service.engine.sample import Sample, splice, to_calibrate
from service.text.codec import Codec
from service.text.sentences import SENTENCES
from tests.service.conftest import Tiny

MADE_UP = [(1, *range(10 * number, 10 * number + 8), 2) for number in range(1, 21)]
MASK, WORDS = 5, range(1000, 2000)


def test_no_sentence_that_judges_was_calibrated_with(tiny: Tiny) -> None:
    codec = Codec.load(tiny.folder, 128)
    sample = Sample.of(codec)
    judging = {codec.encode(sentence).ids for sentence in SENTENCES[1::2]}
    assert set(sample.judgement) <= judging
    assert len(sample.judgement) > 15
    assert not any(ids[:9] in {each[:9] for each in sample.judgement} for ids in sample.calibration)


def test_calibration_sees_masks_and_words_of_the_whole_vocabulary() -> None:
    texts = list(to_calibrate(MADE_UP, 200, WORDS, MASK, Random(1)))
    tokens = [token for ids in texts for token in ids[1:-1]]
    assert 0.05 < tokens.count(MASK) / len(tokens) < 0.15
    assert 0.2 < sum(token in WORDS for token in tokens) / len(tokens) < 0.4
    assert len(texts) == 200


def test_a_spliced_text_keeps_one_first_and_one_last_token() -> None:
    random = Random(2)
    for _ in range(200):
        ids = splice(MADE_UP, random)
        assert (ids[0], ids[-1], ids.count(1), ids.count(2)) == (1, 2, 1, 1)
        assert len(ids) >= 4
