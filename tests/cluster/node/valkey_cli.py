#!/usr/bin/env -S python3 -IS
"""A client of Redis that knows what the chart's probes ask: `valkey-cli [--no-auth-warning] [-e] ping`."""

import os
import socket
import sys

PORT = 6379


def main() -> int:
    """Send PING, print the answer, and return 0 if it is PONG."""
    password = os.environ.get("REDISCLI_AUTH")
    words = [*([f"AUTH {password}"] if password else []), "PING"]
    try:
        with socket.create_connection(("127.0.0.1", PORT), timeout=2) as server:
            server.sendall("".join(f"{word}\r\n" for word in words).encode())
            answers = server.makefile()
            said = [answers.readline().strip() for _ in words]
    except OSError as error:
        said = [str(error)]
    sys.stdout.write(f"{said[-1]}\n")
    return 0 if said[-1] == "+PONG" else 1


if __name__ == "__main__":
    sys.exit(main())
