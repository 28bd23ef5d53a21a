"""The OpenAI endpoints, also as the real client of that API sees them."""

from base64 import b64decode
from collections.abc import Iterator
from threading import Thread

import numpy as np
import openai
import pytest
from flask.testing import FlaskClient
from werkzeug.serving import make_server

from service.api.app import wrap
from service.pod.assembly import Pod
from tests.service.api.test_app import json_of, post, problem
from tests.service.tiny import WIDTH

BODY = {"model": "tiny", "input": "今天天气很好"}


@pytest.fixture(scope="module")
def api(pod: Pod) -> Iterator[openai.OpenAI]:
    """A client of the real library, talking to the pod over HTTP."""
    server = make_server("127.0.0.1", 0, wrap(pod), threaded=True)
    thread = Thread(target=server.serve_forever)
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}/v1"
    with openai.OpenAI(base_url=url, api_key="none", max_retries=0) as made:
        yield made
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_openai_client_gets_vectors_of_length_1_in_order(api: openai.OpenAI, client: FlaskClient) -> None:
    texts = ["今天天气很好", "一二三"]
    answer = api.embeddings.create(model="tiny", input=texts)
    own = json_of(post(client, "/feature-extraction", {"text": texts, "pooling": "mean", "normalize": True}))
    assert [each.index for each in answer.data] == [0, 1]
    for each, vector in zip(answer.data, own["result"], strict=True):
        assert each.embedding == pytest.approx(vector, abs=1e-4)
        assert np.linalg.norm(each.embedding) == pytest.approx(1, abs=1e-5)
    assert answer.model == "tiny"
    assert answer.usage.prompt_tokens == answer.usage.total_tokens == 8 + 5


def test_the_openai_client_lists_the_model(api: openai.OpenAI, pod: Pod) -> None:
    assert [model.id for model in api.models.list()] == ["tiny"]
    assert api.models.retrieve("tiny").id == "tiny"
    assert api.embeddings.create(model=f"tiny:{pod.version}", input="好").model == "tiny"


def test_the_openai_client_understands_what_was_wrong(api: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="gpt is asked for; tiny needed") as missing:
        api.embeddings.create(model="gpt", input="好")
    assert missing.value.code == "unknown-model"
    assert missing.value.type == "invalid_request_error"
    with pytest.raises(openai.UnprocessableEntityError, match="holds token ids"):
        api.embeddings.create(model="tiny", input=[1, 2, 3])


def test_both_encodings_hold_the_same_numbers(client: FlaskClient) -> None:
    plain = json_of(post(client, "/v1/embeddings", BODY))["data"][0]["embedding"]
    packed = json_of(post(client, "/v1/embeddings", BODY | {"encoding_format": "base64"}))
    unpacked = np.frombuffer(b64decode(packed["data"][0]["embedding"]), dtype="<f4")
    assert unpacked.tolist() == pytest.approx(plain, abs=1e-6)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"input": [[1, 2], [3]]}, "input: holds token ids or other things; texts needed"),
        ({"input": []}, "input: has 0 texts; 1 to 32 needed"),
        ({"input": ["好", ""]}, "is empty or blank"),
        ({"encoding_format": "int8"}, "encoding_format: is 'int8'; 'float' or 'base64' needed"),
        ({"dimensions": 8}, f"dimensions: is 8; {WIDTH} needed"),
        ({"n": 2}, "n: is unknown"),
    ],
)
def test_what_is_not_taken_is_said(client: FlaskClient, change: dict[str, object], said: str) -> None:
    document = problem(post(client, "/v1/embeddings", BODY | change), 422, "invalid-fields")
    assert said in str(document["detail"])
    assert document["error"] == {
        "message": document["detail"],
        "type": "invalid_request_error",
        "code": "invalid-fields",
        "param": None,
    }


def test_a_known_number_of_dimensions_and_a_user_are_taken(client: FlaskClient) -> None:
    assert post(client, "/v1/embeddings", BODY | {"dimensions": WIDTH, "user": "me"}).status_code == 200


def test_other_models_are_not_here(client: FlaskClient) -> None:
    problem(client.get("/v1/models/gpt"), 404, "unknown-model")
