"""Every odd text gets a clear answer from every endpoint: a result, or a sentence on what to change."""

import json

import pytest
from flask.testing import FlaskClient

ENDPOINTS = ("/fill-mask", "/feature-extraction", "/semantic-similarity")
MASK = "[MASK]"


def ask(client: FlaskClient, path: str, text: str) -> tuple[int, dict[str, object]]:
    body = {"text": text} | ({"text_pair": text} if path == "/semantic-similarity" else {})
    answer = client.post(path, data=json.dumps(body), headers={"Content-Type": "application/json"})
    document: dict[str, object] = json.loads(answer.data)
    return answer.status_code, document


@pytest.mark.parametrize("path", ENDPOINTS)
@pytest.mark.parametrize(
    "text",
    [
        "😀👩‍👩‍👧‍👦🇨🇳今天",
        "\U00020000\U0002a6d6\U0003134a龘𠮷",
        "e\u0301\u200b\u200d\ufeff今",
        "مرحبا שלום นี่",
        "\x00\x01\x7f今",
        "今\u2028\u2029\r\n天",
        "\ue000\U0010ffff今",
    ],
)
def test_emoji_rare_characters_and_other_scripts_are_read(client: FlaskClient, path: str, text: str) -> None:
    status, document = ask(client, path, text + MASK)
    assert (status, document.get("detail")) == (200, None)


@pytest.mark.parametrize("path", ENDPOINTS)
@pytest.mark.parametrize("text", ["", " ", "\n\t\r", "\u3000\u3000", "\u2003\u00a0"])
def test_empty_and_blank_texts_are_refused_by_name(client: FlaskClient, path: str, text: str) -> None:
    status, document = ask(client, path, text)
    assert status == 422
    assert "empty or blank" in str(document["detail"])


@pytest.mark.parametrize("path", ENDPOINTS)
def test_lone_surrogates_are_refused(client: FlaskClient, path: str) -> None:
    status, document = ask(client, path, f"\ud800{MASK}")
    assert (status, document["type"]) == (400, "urn:bertmesh:problem:not-json")


@pytest.mark.parametrize("path", ENDPOINTS)
def test_ten_thousand_masks_are_refused_with_a_sentence(client: FlaskClient, path: str) -> None:
    status, document = ask(client, path, MASK * 10_000)
    assert status == 422
    assert "needed" in str(document["detail"])


@pytest.mark.parametrize("path", ENDPOINTS)
@pytest.mark.parametrize("content", [b"\xff", b"\xed\xa0\x80", b"\xc0\xaf", b"\xf8\x88\x80\x80", b"\xe4\xb8"])
def test_invalid_utf_8_is_refused(client: FlaskClient, path: str, content: bytes) -> None:
    body = b'{"text": "' + content + b'"}'
    answer = client.post(path, data=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert json.loads(answer.data)["type"] == "urn:bertmesh:problem:not-json"


@pytest.mark.parametrize("path", ENDPOINTS)
@pytest.mark.parametrize(("size", "status"), [(1 << 20, 422), ((1 << 20) + 1, 413)])
def test_bodies_of_a_mebibyte_are_read_and_larger_ones_are_not(
    client: FlaskClient, path: str, size: int, status: int
) -> None:
    frame = len(b'{"text": ""}')
    body = b'{"text": "' + b"a" * (size - frame) + b'"}'
    assert len(body) == size
    answer = client.post(path, data=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == status
    assert json.loads(answer.data)["detail"]


def test_texts_of_the_longest_length_are_answered(client: FlaskClient) -> None:
    assert ask(client, "/feature-extraction", "今" * 8192)[0] == 200
