"""Exit code 0 if the pod in this container is alive, 1 if not; for engines that have no probes of their own.

It asks /livez at the address that the pod listens on, or whatever BERTMESH_HEALTH_URL says.
"""

import os
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping

TIMEOUT_S = 2.0


def url(env: Mapping[str, str]) -> str:
    """Return what to ask."""
    port = (env.get("BERTMESH_BIND") or "0.0.0.0:8000").rpartition(":")[2]
    return env.get("BERTMESH_HEALTH_URL") or f"http://127.0.0.1:{port}/livez"


def alive(address: str) -> bool:
    """Tell whether something answers there, and not with an error."""
    try:
        with urllib.request.urlopen(address, timeout=TIMEOUT_S):  # noqa: S310 - the address is our own
            return True
    except (OSError, ValueError, urllib.error.HTTPError) as error:
        sys.stdout.write(f"{address}: {error}\n")
        return False


if __name__ == "__main__":
    sys.exit(0 if alive(url(os.environ)) else 1)
