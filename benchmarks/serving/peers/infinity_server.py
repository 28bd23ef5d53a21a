"""infinity with its own dynamic batches: embeddings by torch in float32."""

import os
import sys

import torch
from infinity_emb.cli import cli

if __name__ == "__main__":
    torch.set_num_threads(int(os.environ["BENCH_THREADS"]))
    engine = ["--engine", "torch", "--device", "cpu", "--dtype", "float32", "--no-bettertransformer"]
    served = ["--port", os.environ["BENCH_PORT"], "--batch-size", "32", "--no-model-warmup"]
    sys.argv = ["infinity_emb", "v2", "--model-id", os.environ["BENCH_MODEL"], *engine, *served]
    cli()
