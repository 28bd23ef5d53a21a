import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import InvalidFields, NotJson
from service.tasks.base import Query
from service.tasks.features import FeaturesRequest
from service.tasks.fill_mask import FillMaskRequest
from service.tasks.request import Request
from service.tasks.similarity import SimilarityRequest
from service.tasks.table import ENDPOINTS

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20).filter(str.strip)


def body(**fields: object) -> bytes:
    return json.dumps(fields).encode()


@given(texts=st.lists(TEXTS, min_size=1, max_size=32))
def test_texts_arrive_as_they_were_sent(texts: list[str]) -> None:
    asked = FeaturesRequest.parse(body(text=texts))
    assert asked.queries == tuple(Query(text) for text in texts)
    assert not asked.single


@given(content=st.binary(max_size=60))
def test_whatever_the_body_the_error_is_a_sentence(content: bytes) -> None:
    for endpoint in ENDPOINTS.values():
        with pytest.raises((InvalidFields, NotJson), match=r"needed"):
            endpoint.request.parse(content)


def test_one_text_is_not_a_list_of_one() -> None:
    assert FeaturesRequest.parse(body(text="好")).single
    assert not FeaturesRequest.parse(body(text=["好"])).single


def test_pairs_are_compared_one_to_one() -> None:
    asked = SimilarityRequest.parse(body(text=["一", "二"], text_pair=["三", "四"]))
    assert asked.queries == (Query("一", "三"), Query("二", "四"))


@pytest.mark.parametrize(
    ("schema", "content", "said"),
    [
        (FillMaskRequest, body(), "text: is missing; it is needed: add it"),
        (FillMaskRequest, body(text=3), "text: is a number; a string needed"),
        (FillMaskRequest, body(text=None), "text: is null; a string needed"),
        (FillMaskRequest, body(text=["好", 3]), r"text\[1\]: is a number; a string needed"),
        (FillMaskRequest, body(text=""), "text: is empty or blank"),
        (FillMaskRequest, body(text=["好", " \t\n　"]), r"text\[1\]: is empty or blank"),
        (FillMaskRequest, body(text="长" * 100_000), "text: has 100,000 characters; at most 8,192 needed"),
        (FillMaskRequest, body(text=[]), "text: has 0 texts; 1 to 32 needed: send at least one"),
        (FillMaskRequest, body(text=["好"] * 33), "text: has 33 texts; 1 to 32 needed: split the list"),
        (FillMaskRequest, body(text="好", top_k=0), "top_k: is 0; at least 1 needed: raise it"),
        (FillMaskRequest, body(text="好", top_k=101), "top_k: is 101; at most 100 needed: lower it"),
        (FillMaskRequest, body(text="好", top_k=True), "top_k: is a boolean; a whole number needed"),
        (FillMaskRequest, body(text="好", top_k="5"), "top_k: is a string; a whole number needed"),
        (FillMaskRequest, body(text="好", topk=5), "topk: is unknown; only known fields are taken"),
        (FillMaskRequest, body(text="好", targets=[]), "targets: has 0 targets; 1 to 100 needed"),
        (FillMaskRequest, body(text="好", targets="好"), "targets: is a string; a list needed"),
        (FillMaskRequest, body(text="好", targets=["好", 1]), r"targets\[1\]: is a number; a string needed"),
        (FillMaskRequest, body(text="好", targets=[""]), r"targets\[0\]: has 0 characters; 1 to 64 needed"),
        (FeaturesRequest, body(text="好", pooling="sum"), "pooling: is 'sum'; 'cls', 'mean' or 'max' needed"),
        (FeaturesRequest, body(text="好", pooling=1), "pooling: is 1; 'cls', 'mean' or 'max' needed"),
        (FeaturesRequest, body(text="好", normalize="yes"), "normalize: is a string; true or false needed"),
        (SimilarityRequest, body(text="好"), "text_pair: is missing"),
        (SimilarityRequest, body(text="好", text_pair=["好"]), "text_pair: is a list of 1; one text needed"),
        (SimilarityRequest, body(text=["好"] * 2, text_pair=["好"]), "is a list of 1; a list of 2 needed"),
        (FeaturesRequest, b"[]", "body: is a list; a JSON object needed"),
        (FeaturesRequest, b"3", "body: is a number; a JSON object needed"),
    ],
)
def test_a_wrong_field_is_named_with_what_was_seen_and_needed(
    schema: type[Request], content: bytes, said: str
) -> None:
    with pytest.raises(InvalidFields, match=said):
        schema.parse(content)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"text=a", b'{"text": "\xff"}', b'{"text": "\\ud800"}', b'{"top_k": NaN}', b"[" * 100_000],
)
def test_what_is_not_json_in_utf8_is_called_so(content: bytes) -> None:
    with pytest.raises(NotJson, match=r"is not JSON \(.*\); a JSON object in UTF-8 needed"):
        FillMaskRequest.parse(content)
