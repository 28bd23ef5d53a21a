from random import Random

from service.engine.sample import splice, to_calibrate, to_judge

SENTENCES = [(1, *range(10 * number, 10 * number + 8), 2) for number in range(1, 21)]
MASK, WORDS = 5, range(1000, 2000)


def test_texts_to_judge_by_share_no_sentence_with_those_to_calibrate_with() -> None:
    judged = {token for ids in to_judge(SENTENCES, Random(1)) for token in ids[1:-1]}
    read = {token for ids in to_calibrate(SENTENCES, 200, WORDS, MASK, Random(1)) for token in ids[1:-1]}
    assert not judged & read
    assert len(judged) > 50


def test_calibration_sees_masks_and_words_of_the_whole_vocabulary() -> None:
    texts = list(to_calibrate(SENTENCES, 200, WORDS, MASK, Random(1)))
    tokens = [token for ids in texts for token in ids[1:-1]]
    assert 0.05 < tokens.count(MASK) / len(tokens) < 0.15
    assert 0.2 < sum(token in WORDS for token in tokens) / len(tokens) < 0.4
    assert len(texts) == 200


def test_a_spliced_text_keeps_one_first_and_one_last_token() -> None:
    random = Random(2)
    for _ in range(200):
        ids = splice(SENTENCES, random)
        assert (ids[0], ids[-1], ids.count(1), ids.count(2)) == (1, 2, 1, 1)
        assert len(ids) >= 4
