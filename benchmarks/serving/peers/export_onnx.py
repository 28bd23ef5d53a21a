"""Export a model to ONNX, fuse its graph for ONNX Runtime, and quantise it dynamically to int8."""

import sys
from pathlib import Path

import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.transformers import optimizer
from transformers import BertModel

HEADS, WIDTH = 12, 768


def main(folder: str, target: str) -> None:
    """Read a Hugging Face folder, write one ONNX file."""
    plain, fused = (Path(target).with_suffix(suffix) for suffix in (".plain.onnx", ".fused.onnx"))
    model = BertModel.from_pretrained(folder, add_pooling_layer=False).eval()
    ids = torch.ones(2, 32, dtype=torch.long)
    shape = {0: torch.export.Dim("batch", min=1, max=64), 1: torch.export.Dim("length", min=2, max=512)}
    torch.onnx.export(
        model,
        (ids, torch.ones_like(ids)),
        str(plain),
        input_names=["input_ids", "attention_mask"],
        output_names=["hidden"],
        dynamic_shapes={"input_ids": shape, "attention_mask": shape},
        opset_version=18,
        dynamo=True,
        external_data=False,
    )
    optimizer.optimize_model(
        str(plain), "bert", num_heads=HEADS, hidden_size=WIDTH, opt_level=0
    ).save_model_to_file(str(fused))
    quantize_dynamic(fused, target, weight_type=QuantType.QInt8)
    for temporary in (plain, fused):
        temporary.unlink()


if __name__ == "__main__":
    main(*sys.argv[1:])
