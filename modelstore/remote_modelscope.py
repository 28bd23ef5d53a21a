"""Models from ModelScope, through its public HTTP interface: a list of files, then one after the other.

MODELSCOPE_ENDPOINT names a mirror, MODELSCOPE_API_TOKEN is sent for models that are not public.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode

import urllib3

from modelstore.hub import FILES, OLD_WEIGHTS
from modelstore.remote_files import inside, unreachable

ENDPOINT: Final = "https://www.modelscope.cn"
NEWEST: Final = "master"
DO: Final = (
    "check the id, the revision, MODELSCOPE_ENDPOINT and, where it is not public, MODELSCOPE_API_TOKEN"
)
OK: Final = 200
CHUNK: Final = 1 << 20
TIMEOUT: Final = urllib3.Timeout(connect=10, read=60)
TRIES: Final = 3


def download(model_id: str, revision: str | None, folder: Path, env: Mapping[str, str]) -> None:
    """Put the model's files into ``folder``.

    Raises:
        RemoteError: there is no such model or revision, a file is not as announced, or there is no way to it.
    """
    endpoint = (env.get("MODELSCOPE_ENDPOINT") or ENDPOINT).rstrip("/")
    base = f"{endpoint}/api/v1/models/{quote(model_id)}/repo"
    token = env.get("MODELSCOPE_API_TOKEN")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    retries = urllib3.Retry(TRIES, backoff_factor=0.5)
    with urllib3.PoolManager(timeout=TIMEOUT, retries=retries, headers=headers) as pool:
        try:
            for each in _wanted(_listed(pool, base, revision or NEWEST)):
                query = urlencode({"Revision": revision or NEWEST, "FilePath": each["Path"]})
                _save(pool, f"{base}?{query}", inside(folder, each["Path"]), each.get("Sha256") or "")
        except (urllib3.exceptions.HTTPError, KeyError, TypeError, ValueError, OSError) as error:
            raise unreachable("modelscope://" + model_id, error, DO) from error


def _listed(pool: urllib3.PoolManager, base: str, revision: str) -> list[Mapping[str, Any]]:
    query = urlencode({"Revision": revision, "Recursive": "true"})
    answer = pool.request("GET", f"{base}/files?{query}")
    try:
        document = json.loads(answer.data)
    except ValueError:
        document = {}
    if answer.status != OK or document.get("Code") != OK:
        message = f"HTTP {answer.status}: {document.get('Message') or answer.reason}"
        raise ValueError(message)
    return [each for each in document["Data"]["Files"] if each["Type"] == "blob"]


def _wanted(files: list[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Yield the files of a model; weights in the old form only where there are no others."""
    new = any(fnmatch(each["Path"], "*.safetensors") for each in files)
    patterns = FILES if new else (*FILES, OLD_WEIGHTS)
    return (each for each in files if any(fnmatch(each["Path"], pattern) for pattern in patterns))


def _save(pool: urllib3.PoolManager, url: str, target: Path, sha256: str) -> None:
    seen = hashlib.sha256()
    with pool.request("GET", url, preload_content=False) as answer, target.open("wb") as file:
        if answer.status != OK:
            message = f"HTTP {answer.status} for {target.name}"
            raise ValueError(message)
        for chunk in answer.stream(CHUNK):
            seen.update(chunk)
            file.write(chunk)
    if sha256 and seen.hexdigest() != sha256:
        message = f"{target.name} has sha256 {seen.hexdigest()[:12]}, not {sha256[:12]}"
        raise ValueError(message)
