"""LitServe with dynamic batches: features by ONNX Runtime int8, or by torch in float32."""

import os
from pathlib import Path

import litserve
import numpy as np
from tokenizers import Tokenizer


class Features(litserve.LitAPI):
    """ONNX Runtime with weights in int8 and activations rounded while it runs."""

    def setup(self, device: str) -> None:  # noqa: ARG002 - LitServe's signature
        """Load tokenizer and model."""
        import onnxruntime as ort  # noqa: PLC0415 - the other API does not need it

        self.tokenizer = Tokenizer.from_file(str(Path(os.environ["BENCH_MODEL"]) / "tokenizer.json"))
        self.tokenizer.enable_padding()
        options = ort.SessionOptions()
        options.intra_op_num_threads = int(os.environ["BENCH_THREADS"])
        self.session = ort.InferenceSession(os.environ["BENCH_ONNX"], options)

    def decode_request(self, request: dict[str, str]) -> str:
        """Return the text."""
        return request["text"]

    def batch(self, inputs: list[str]) -> list[str]:
        """Keep the texts as they are."""
        return inputs

    def predict(self, texts: list[str]) -> list[list[float]]:
        """Return a vector a text."""
        encoded = self.tokenizer.encode_batch(texts)
        ids, mask = (
            np.array([getattr(each, name) for each in encoded]) for name in ("ids", "attention_mask")
        )
        (hidden,) = self.session.run(None, {"input_ids": ids, "attention_mask": mask})
        return hidden[:, 0].tolist()

    def unbatch(self, output: list[list[float]]) -> list[list[float]]:
        """Keep the vectors as they are."""
        return output

    def encode_response(self, output: list[float]) -> dict[str, list[float]]:
        """Return what is sent."""
        return {"vector": output}


class TorchFeatures(Features):
    """transformers in float32."""

    def setup(self, device: str) -> None:  # noqa: ARG002 - LitServe's signature
        """Load tokenizer and model."""
        import torch_features  # noqa: PLC0415 - the other API does not need it

        self.features = torch_features.TorchFeatures()

    def predict(self, texts: list[str]) -> list[list[float]]:
        """Return a vector a text."""
        return self.features(texts)


if __name__ == "__main__":
    kind = {"ort": Features, "torch": TorchFeatures}[os.environ["BENCH_WORKER"]]
    api = kind(max_batch_size=32, batch_timeout=0.005)
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=1)
    server.run(port=int(os.environ["BENCH_PORT"]), generate_client_file=False)
