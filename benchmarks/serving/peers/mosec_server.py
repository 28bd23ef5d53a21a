"""mosec with dynamic batches: features by ONNX Runtime int8, or fill-mask by torch in float32."""

import os
from pathlib import Path

import numpy as np
from mosec import Server, Worker
from tokenizers import Tokenizer

MODEL = Path(os.environ["BENCH_MODEL"])
THREADS = int(os.environ["BENCH_THREADS"])
BATCH = int(os.environ.get("BENCH_BATCH", "32"))
WAIT_MS = int(os.environ.get("BENCH_WAIT_MS", "5"))


def load_tokenizer() -> Tokenizer:
    """Return a tokenizer that pads to the longest of a batch."""
    tokenizer = Tokenizer.from_file(str(MODEL / "tokenizer.json"))
    tokenizer.enable_padding()
    return tokenizer


class OrtFeatures(Worker):
    """ONNX Runtime with weights in int8 and activations rounded while it runs."""

    def __init__(self) -> None:
        import onnxruntime as ort  # noqa: PLC0415 - the other worker does not need it

        self.tokenizer = load_tokenizer()
        options = ort.SessionOptions()
        options.intra_op_num_threads = THREADS
        self.session = ort.InferenceSession(os.environ["BENCH_ONNX"], options)

    def forward(self, data: list[dict[str, str]]) -> list[list[float]]:
        """Return a vector a text."""
        encoded = self.tokenizer.encode_batch([each["text"] for each in data])
        ids, mask = (
            np.array([getattr(each, name) for each in encoded]) for name in ("ids", "attention_mask")
        )
        (hidden,) = self.session.run(None, {"input_ids": ids, "attention_mask": mask})
        return hidden[:, 0].tolist()


class TorchFillMask(Worker):
    """transformers in float32, its head at all positions, as it comes."""

    def __init__(self) -> None:
        import torch  # noqa: PLC0415 - the other worker does not need it
        from transformers import BertForMaskedLM  # noqa: PLC0415 - the same

        torch.set_num_threads(THREADS)
        self.tokenizer = load_tokenizer()
        self.mask = self.tokenizer.token_to_id("[MASK]")
        self.model = BertForMaskedLM.from_pretrained(MODEL).eval()
        self.torch = torch

    def forward(self, data: list[dict[str, str]]) -> list[list[dict[str, object]]]:
        """Return the five best words a text."""
        torch = self.torch
        encoded = self.tokenizer.encode_batch([each["text"] for each in data])
        ids = torch.tensor([each.ids for each in encoded])
        with torch.inference_mode():
            logits = self.model(ids, torch.tensor([each.attention_mask for each in encoded])).logits
        rows = logits[torch.arange(len(data)), (ids == self.mask).int().argmax(dim=1)]
        best = rows.softmax(dim=1).topk(5, dim=1)
        return [
            [
                {"token": token, "token_str": self.tokenizer.id_to_token(token), "score": score}
                for score, token in zip(scores, tokens, strict=True)
            ]
            for scores, tokens in zip(best.values.tolist(), best.indices.tolist(), strict=True)
        ]


if __name__ == "__main__":
    worker = {"ort": OrtFeatures, "torch": TorchFillMask}[os.environ["BENCH_WORKER"]]
    server = Server()
    server.append_worker(worker, num=1, max_batch_size=BATCH, max_wait_time=WAIT_MS)
    server.run()
