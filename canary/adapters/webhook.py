"""Gates over HTTP: asked in the background, so that an abort never waits for somebody else's answer."""

import json
import threading
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final

import urllib3

from canary.controller.gates import Reply
from canary.resource.gates import Webhook

YES, NO, BUSY, LATER = range(200, 300), range(400, 500), 429, 408
MAX_WORDS: Final = 200

Told = tuple[Reply, str]


@dataclass
class HttpWebhooks:
    """Asks by POST: 2xx is yes, 4xx is no (not 408 and 429), anything else is asked again."""

    workers: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(8, "gate"))
    _pool: urllib3.PoolManager = field(default_factory=lambda: urllib3.PoolManager(retries=False))
    _asked: dict[str, Future[Told]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, webhook: Webhook, point: str, question: Mapping[str, Any]) -> Told:
        """Return the answer that is there by now, and its words; silence while there is none."""
        key = f"{webhook.url} {question.get('namespace', '')}/{question.get('name', '')} {point}"
        with self._lock:
            answer = self._asked.get(key)
            if answer is None:
                self._asked[key] = self.workers.submit(self._post, webhook, dict(question))
                return Reply.SILENCE, ""
            if not answer.done():
                return Reply.SILENCE, ""
            del self._asked[key]
        return answer.result()

    def close(self) -> None:
        """Ask no more."""
        self.workers.shutdown(wait=False, cancel_futures=True)

    def _post(self, webhook: Webhook, question: Mapping[str, Any]) -> Told:
        body = json.dumps({"gate": webhook.name, **question}, ensure_ascii=False).encode()
        headers = {"Content-Type": "application/json"}
        limit = urllib3.Timeout(total=webhook.timeout_s)
        try:
            answer = self._pool.request(
                "POST", webhook.url, body=body, headers=headers, timeout=limit, redirect=False
            )
        except urllib3.exceptions.HTTPError as error:
            return Reply.SILENCE, f"{type(error).__name__}"
        words = answer.data[:MAX_WORDS].decode("utf-8", "replace").strip()
        if answer.status in YES:
            return Reply.YES, words
        if answer.status in NO and answer.status not in {BUSY, LATER}:
            return Reply.NO, words or f"HTTP {answer.status}"
        return Reply.SILENCE, f"HTTP {answer.status}"
