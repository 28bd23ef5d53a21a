"""The file by which clients find an API server and say who they are."""

import json
from collections.abc import Mapping
from pathlib import Path


def write_kubeconfig(file: Path, url: str, ca: Path, user: Mapping[str, str]) -> Path:
    """Write how the API server at ``url`` is reached, and return the file, which its owner alone can read.

    ``ca`` is the certificate that it is trusted by; ``user`` are the credentials, as a kubeconfig names them.
    """
    cluster = {"server": url, "certificate-authority": str(ca)}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "tests", "cluster": cluster}],
        "users": [{"name": "user", "user": dict(user)}],
        "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": "user"}}],
        "current-context": "tests",
    }
    file.touch(mode=0o600)
    file.write_text(json.dumps(document), encoding="utf-8")
    return file
