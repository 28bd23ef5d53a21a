"""What the chart's jobs ask of the Kubernetes API, with the standard library alone.

secret NAME HOST        make a Secret with a random password for Redis, unless it is there
ready NAME              wait until the ModelRollout says that its route is made, or why not
farewell NAME           delete the ModelRollout while its controller still runs, and wait until it is gone
"""

# ruff: noqa: INP001, S310, T201 - the script of a job: it is mounted alone, asks the API, and prints
import base64
import json
import os
import secrets
import ssl
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

ACCOUNT = Path(os.environ.get("BERTMESH_ACCOUNT_DIR", "/var/run/secrets/kubernetes.io/serviceaccount"))
API = os.environ.get("BERTMESH_API_URL", "https://kubernetes.default.svc")
PATIENCE_S = float(os.environ.get("BERTMESH_PATIENCE_S", "90"))
READY_WITHIN_S = float(os.environ.get("BERTMESH_PATIENCE_S", "240"))
NOT_FOUND, CONFLICT = 404, 409
GOOD = 300


def ask(method: str, path: str, body: object = None, kind: str = "application/json") -> tuple[int, dict]:
    """Return the API's status and answer."""
    headers = {"Authorization": f"Bearer {(ACCOUNT / 'token').read_text().strip()}", "Content-Type": kind}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(API + path, data=data, headers=headers, method=method)
    context = ssl.create_default_context(cafile=ACCOUNT / "ca.crt") if API.startswith("https") else None
    try:
        with urllib.request.urlopen(request, timeout=10, context=context) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        text = error.read().decode(errors="replace")
        try:
            return error.code, json.loads(text)
        except ValueError:
            return error.code, {"message": text}


def namespace() -> str:
    """Return the pod's namespace."""
    return (ACCOUNT / "namespace").read_text().strip()


def make_secret(name: str, host: str) -> str:
    """Make the Secret unless it is there; a password that is in use is never changed."""
    password = secrets.token_urlsafe(32)
    values = {"password": password, "url": f"redis://:{password}@{host}:6379/0"}
    labels = {"app.kubernetes.io/part-of": "bertmesh", "app.kubernetes.io/component": "redis"}
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "labels": labels},
        "type": "Opaque",
        "data": {key: base64.b64encode(value.encode()).decode() for key, value in values.items()},
    }
    status, answer = ask("POST", f"/api/v1/namespaces/{namespace()}/secrets", secret)
    if status == CONFLICT:
        return f"Secret {name} is there and stays as it is"
    if status >= GOOD:
        sys.exit(f"Secret {name} could not be made ({status}): {answer.get('message')}")
    return f"Secret {name} made"


def ready(name: str) -> str:
    """Wait until the route is made: before that nobody is answered at the gateway."""
    path = f"/apis/bertmesh.dev/v1alpha1/namespaces/{namespace()}/modelrollouts/{name}"
    end, seen = time.monotonic() + READY_WITHIN_S, "its controller has not said anything yet"
    while time.monotonic() < end:
        try:
            status, answer = ask("GET", path)
        except (OSError, ValueError) as error:  # a connection that broke: the next may not
            status, answer = GOOD, {"message": f"{type(error).__name__}: {error}"}
        if status >= GOOD:
            seen = f"the API does not answer ({answer.get('message')})"
        for condition in answer.get("status", {}).get("conditions", ()):
            if condition["type"] == "Ready":
                if condition["status"] == "True":
                    return f"ModelRollout {name} is ready: {condition['message']}"
                seen = condition["message"]
        time.sleep(0.5)
    sys.exit(f"ModelRollout {name} is not ready after {READY_WITHIN_S:g} s: {seen}")


def farewell(name: str) -> str:
    """Delete the ModelRollout; its controller first sends all traffic to the stable version."""
    path = f"/apis/bertmesh.dev/v1alpha1/namespaces/{namespace()}/modelrollouts/{name}"
    end = time.monotonic() + PATIENCE_S
    status, answer = ask("DELETE", path)
    if status != NOT_FOUND and status >= GOOD:
        sys.exit(f"ModelRollout {name} could not be deleted ({status}): {answer.get('message')}")
    while ask("GET", path)[0] != NOT_FOUND:
        if time.monotonic() > end:
            # Nobody is left to take the finalizer away; with it the namespace could not be deleted.
            ask("PATCH", path, {"metadata": {"finalizers": None}}, "application/merge-patch+json")
            return f"ModelRollout {name} let go without its controller"
        time.sleep(0.5)
    return f"ModelRollout {name} is gone"


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["secret", name, host]:
            print(make_secret(name, host))
        case ["ready", name]:
            print(ready(name))
        case ["farewell", name]:
            print(farewell(name))
        case _:
            sys.exit(__doc__)
