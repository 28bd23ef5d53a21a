"""What a request's texts cost the tokenizer, from its predictor to its answer."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import cast

import pytest
from flask.testing import FlaskClient

from service.api.app import wrap
from service.pod.assembly import Pod, build
from service.text.codec import Encoded
from service.text.tokenizer import Tokenizer
from tests.service.api.test_app import json_of, post
from tests.service.conftest import Tiny
from tests.service.tiny import POSITIONS

LONG = "好" * POSITIONS


class Counting:
    """A tokenizer that counts what it is asked."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self.encoded: Counter[str] = Counter()
        self.looked_up: Counter[str] = Counter()
        self.mask_token, self.limit = tokenizer.mask_token, tokenizer.limit
        self.unspeakable, self.token = tokenizer.unspeakable, tokenizer.token

    def encode(self, text: str) -> Encoded:
        self.encoded[text] += 1
        return self._tokenizer.encode(text)

    def ids_of(self, text: str) -> tuple[int, ...]:
        self.looked_up[text] += 1
        return self._tokenizer.ids_of(text)


@pytest.fixture
def pod(tiny: Tiny) -> Iterator[Pod]:
    pod = build(tiny.settings())
    pod.load()
    served = pod.slots.newest
    assert served is not None
    reader = replace(served.predictor.reader, codec=Counting(served.predictor.reader.codec))
    pod.slots.put(replace(served, predictor=replace(served.predictor, reader=reader)))
    yield pod
    pod.close()


@pytest.fixture
def client(pod: Pod) -> FlaskClient:
    return wrap(pod).test_client()


@pytest.fixture
def counting(pod: Pod) -> Counting:
    return cast("Counting", pod.predictor.reader.codec)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/fill-mask", {"text": [f"{LONG}[MASK]", "[MASK]的[MASK]"]}),
        ("/semantic-similarity", {"text": LONG, "text_pair": "好"}),
        ("/feature-extraction", {"text": [LONG, "好"]}),
        ("/v1/embeddings", {"input": [LONG, "好"], "model": "tiny"}),
    ],
)
def test_each_text_is_tokenised_once(
    client: FlaskClient, counting: Counting, path: str, body: dict[str, object]
) -> None:
    json_of(post(client, path, body))
    assert len(counting.encoded) == 2
    assert set(counting.encoded.values()) == {1}


def test_each_target_is_resolved_once_for_all_texts(client: FlaskClient, counting: Counting) -> None:
    json_of(post(client, "/fill-mask", {"text": ["[MASK]", "的[MASK]", "不[MASK]"], "targets": ["好", "不"]}))
    assert counting.looked_up == {"好": 1, "不": 1}


def test_what_an_embedding_costs_is_what_was_read(client: FlaskClient, counting: Counting) -> None:
    body = {"input": ["今天天气很好", "好"], "model": "tiny"}
    usage = json_of(post(client, "/v1/embeddings", body))["usage"]
    assert usage["prompt_tokens"] == sum(len(counting.encode(text).ids) for text in body["input"])


def test_another_request_is_tokenised_anew(client: FlaskClient, counting: Counting) -> None:
    for _ in range(2):
        json_of(post(client, "/feature-extraction", {"text": "好"}))
    assert counting.encoded == {"好": 2}
