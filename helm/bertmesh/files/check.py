"""`helm test`: predict through the mesh, and see that each version gets its share."""
# ruff: noqa: INP001, S310, T201 - the script of a job: it is mounted alone, asks who it is told, and prints

import json
import math
import os
import ssl
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from contextlib import suppress
from pathlib import Path

URL = os.environ["BERTMESH_URL"].rstrip("/")
VERSIONS = os.environ["BERTMESH_VERSIONS"].split(",")
REQUESTS = int(os.environ.get("BERTMESH_REQUESTS", "200"))
ROLLOUT = os.environ.get("BERTMESH_ROLLOUT", "")
TOKEN = Path(os.environ.get("BERTMESH_TOKEN_FILE", "/run/bertmesh/token"))
ACCOUNT = Path(os.environ.get("BERTMESH_ACCOUNT_DIR", "/var/run/secrets/kubernetes.io/serviceaccount"))
API = os.environ.get("BERTMESH_API_URL", "https://kubernetes.default.svc")
PATIENCE_S = float(os.environ.get("BERTMESH_PATIENCE_S", "120"))
QUIT = "http://127.0.0.1:15020/quitquitquit"
SIGMAS = 4.0
OK, TOO_MANY = 200, 429
DENIED = (401, 403)


def predict(number: int) -> tuple[int, str, dict]:
    """Send one text, a new one each time, and return the status, the version that answered, and the body."""
    body = json.dumps({"text": f"第{number}个测试:中国的首都是[MASK]京。"}).encode()
    headers = {"Content-Type": "application/json"}
    if TOKEN.is_file():
        headers["Authorization"] = f"Bearer {TOKEN.read_text().strip()}"
    request = urllib.request.Request(f"{URL}/fill-mask", data=body, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.headers.get("x-model-version", ""), json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, "", {"retry_after": error.headers.get("retry-after", "")}
    except (OSError, ValueError):
        return 0, "", {}


def answer_to(number: int, end: float) -> tuple[int, str, dict]:
    """Do as `predict`, and come again until ``end`` where proxies say so, since they limit requests."""
    while (found := predict(number))[0] == TOO_MANY and (left := end - time.monotonic()) > 0:
        after = found[2]["retry_after"]
        time.sleep(min(float(after) if after.isdigit() else 1.0, left))
    return found


def wait() -> None:
    """Wait until the mesh answers: proxies learn of a new route some seconds after it was written."""
    end = time.monotonic() + PATIENCE_S
    while True:
        status, _, _ = predict(0)
        if status == OK:
            return
        if time.monotonic() > end:
            token = ": name a token in mesh.jwt.ownToken, if it wants one" if status in DENIED else ""
            sys.exit(
                f"no answer from {URL}/fill-mask within {PATIENCE_S:g} s, the last status was {status}{token}"
            )
        time.sleep(1)


def shares() -> dict[str, float] | None:
    """Return the share of each version by the ModelRollout's status, or None where nobody splits."""
    if not ROLLOUT:
        return None
    namespace = (ACCOUNT / "namespace").read_text().strip()
    path = f"/apis/bertmesh.dev/v1alpha1/namespaces/{namespace}/modelrollouts/{ROLLOUT}"
    headers = {"Authorization": f"Bearer {(ACCOUNT / 'token').read_text().strip()}"}
    context = ssl.create_default_context(cafile=ACCOUNT / "ca.crt") if API.startswith("https") else None
    request = urllib.request.Request(API + path, headers=headers)
    with urllib.request.urlopen(request, timeout=10, context=context) as answer:
        status = json.load(answer).get("status", {})
    stable, canary = status.get("stable"), status.get("canary")
    if not stable:
        return None
    weight = status.get("weightProved") or 0 if canary else 0
    return {stable: 1 - weight / 100, **({canary: weight / 100} if canary else {})}


def problems(seen: Counter, wanted: dict[str, float] | None) -> list[str]:
    """Return what is wrong with how the answers came from the versions."""
    whole = sum(seen.values())
    strangers = {version: count for version, count in seen.items() if version not in VERSIONS}
    found = [f"{count} answers from {name!r}, which is no version" for name, count in strangers.items()]
    for version, share in (wanted or {}).items():
        expected = whole * share
        allowed = SIGMAS * math.sqrt(whole * share * (1 - share)) + (1 if 0 < share < 1 else 0)
        if abs(seen[version] - expected) > allowed:
            wish = f"{expected:.0f} +- {allowed:.0f} expected"
            found.append(f"{seen[version]} of {whole} answers from {version}, {wish}")
    return found


def main() -> int:
    """Run the test and return the exit code."""
    wait()
    before = shares()
    statuses, seen, end = Counter(), Counter(), time.monotonic() + PATIENCE_S
    for number in range(1, REQUESTS + 1):
        status, version, body = answer_to(number, end)
        statuses[status] += 1
        if status == OK and body.get("result"):
            seen[version] += 1
    print(f"{REQUESTS} requests to {URL}: status {dict(statuses)}, versions {dict(seen)}, wanted {before}")
    failed = REQUESTS - sum(seen.values())
    found = [f"{failed} of {REQUESTS} requests were not answered with a result"] if failed else []
    if before == shares():  # else a weight moved meanwhile
        found += problems(seen, before)
    for each in found:
        print(f"FAILED: {each}")
    print("FAILED" if found else "passed")
    return 1 if found else 0


def release_proxy() -> None:
    """End the sidecar, where it does not end by itself."""
    with suppress(OSError):
        urllib.request.urlopen(urllib.request.Request(QUIT, method="POST"), timeout=2).close()


if __name__ == "__main__":
    try:
        code = main()
    finally:
        release_proxy()
    sys.exit(code)
