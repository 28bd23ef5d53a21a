"""The largest requests that the limits allow, asked of a pod as it runs: answered, and within its memory."""

from pathlib import Path

import pytest

from service.tasks.request import MAX_CHARACTERS, MAX_TEXTS
from tests.service.conftest import Tiny
from tests.service.server.test_gunicorn import HTTP, Running, running_pod

pytestmark = pytest.mark.slow

PATIENT = "60"
"""Seconds: a busy machine is no failure."""
MORE_MIB = 200


def highest_mib(pod: Running) -> int:
    """Return the most memory that the pod's worker has had."""
    master = pod.child.pid
    (worker,) = Path(f"/proc/{master}/task/{master}/children").read_text().split()
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{worker}/status").read_text().splitlines())
    return int(fields["VmHWM"].split()[0]) // 1024


def test_two_texts_of_the_greatest_length_are_compared(tiny: Tiny, tmp_path: Path) -> None:
    sent = {"text": "好" * MAX_CHARACTERS, "text_pair": "不" * MAX_CHARACTERS}
    with running_pod(tiny, tmp_path, DEADLINE_S=PATIENT, QUEUE_TOKENS="4096") as pod:
        answer = HTTP.request("POST", f"{pod.url}/semantic-similarity", json=sent)
    assert answer.status == 200, answer.data


def test_the_largest_answers_do_not_take_the_pods_memory(tiny: Tiny, tmp_path: Path) -> None:
    texts = ["[MASK]" * 16 + "好" * (MAX_CHARACTERS - 200) + str(number) for number in range(MAX_TEXTS)]
    tensor = {"name": "text", "shape": [MAX_TEXTS], "datatype": "BYTES", "data": texts}
    tensors = {"inputs": [tensor], "parameters": {"task": "fill-mask", "top_k": 100}}
    spelled = {"text": ["[MASK]" + "好" * (MAX_CHARACTERS - 6)] * 5, "top_k": 100}
    with running_pod(tiny, tmp_path, DEADLINE_S=PATIENT) as pod:
        before = highest_mib(pod)
        for path, sent in (("/v2/models/tiny/infer", tensors), ("/fill-mask", spelled)):
            answer = HTTP.request("POST", pod.url + path, json=sent)
            assert answer.status == 200, answer.data[:1000]
        assert highest_mib(pod) - before < MORE_MIB
