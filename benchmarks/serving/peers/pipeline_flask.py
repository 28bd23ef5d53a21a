"""The usual start: a transformers pipeline in Flask, under gunicorn."""

import os

from flask import Flask, jsonify, request
from transformers import pipeline

app = Flask(__name__)
features = pipeline("feature-extraction", model=os.environ["BENCH_MODEL"], framework="pt")


@app.post("/features")
def answer() -> object:
    """Return the vector of [CLS]."""
    return jsonify(features(request.get_json()["text"])[0][0])
