"""The constant server under the pod's worker: the other half of the benchmark of the cache."""

from pathlib import Path

import urllib3

from benchmarks.cache import PATH, SERVER
from benchmarks.pods import gunicorn


def test_constant_answers_the_same_again_and_again_on_one_connection(tmp_path: Path) -> None:
    body = tmp_path / "body"
    body.write_bytes(b'{"result": [1]}')
    with gunicorn(SERVER, {"BODY": str(body)}, tmp_path / "log") as port:
        pool = urllib3.HTTPConnectionPool("127.0.0.1", port, maxsize=1, retries=False)
        answers = [pool.request("POST", PATH, json={"text": "好"}) for _ in range(3)]
    assert [(answer.status, answer.data) for answer in answers] == [(200, b'{"result": [1]}')] * 3
    assert pool.num_connections == 1
