"""A server like the pod's that answers the same bytes to every request: the ceiling for cached answers."""

import os
from pathlib import Path

from flask import Flask, Response, request

BODY = Path(os.environ["BODY"]).read_bytes()

app = Flask("constant", static_folder=None)


@app.get("/readyz")
def readyz() -> Response:
    """Say that it runs."""
    return Response(b"{}", content_type="application/json")


@app.post("/<path:_path>")
def answer(_path: str) -> Response:
    """Read the request and answer the constant."""
    request.get_data(cache=False)
    return Response(BODY, content_type="application/json")
