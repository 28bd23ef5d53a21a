"""A start from data: what counting can tell a model before its first step.

Character embeddings from neighbour statistics (shifted PPMI, truncated SVD; Levy & Goldberg 2014),
the output bias from character counts, smooth positions, and layer-0 heads that look at neighbours.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse
from scipy.sparse.linalg import svds
from transformers import BertForMaskedLM

from training.encoding import Tokens

WINDOW = 4
EMBEDDING_SCALE = 0.05
NEIGHBOUR_HEADS = (-1, 1, -2, 2)
"""Head h of layer 0 starts out looking at the token this many places on."""
SLOWEST = 100.0
SHARPNESS = 4.0
NOISE = 0.01


def start_from_data(model: BertForMaskedLM, ids: Tokens, seed: int) -> None:
    """Set the model's embeddings, output bias and first attention from the training tokens."""
    size, width = model.bert.embeddings.word_embeddings.weight.shape
    counts = np.bincount(ids, minlength=size).astype(np.float64)
    with torch.no_grad():
        # The first columns are left to the positions' code, which is as wide as one head.
        code = model.config.hidden_size // model.config.num_attention_heads
        vectors = torch.from_numpy(neighbour_vectors(ids, size, width - code, seed))
        weight = model.bert.embeddings.word_embeddings.weight
        weight.normal_(std=NOISE)[:, :code].zero_()
        weight[:, code : code + vectors.shape[1]] += vectors.to(weight.dtype) * EMBEDDING_SCALE
        bias = np.log((counts + 0.5) / (counts.sum() + 0.5 * size))
        model.cls.predictions.bias.copy_(torch.from_numpy(bias))
        _look_at_neighbours(model)


def neighbour_vectors(ids: Tokens, size: int, width: int, seed: int) -> npt.NDArray[np.float64]:
    """Embed each token by the truncated SVD of its neighbours' PPMI, rows scaled to unit variance."""
    width = min(width, size - 2)
    pairs = sparse.csr_matrix((size, size), dtype=np.float64)
    for distance in range(1, WINDOW + 1):
        left, right = ids[:-distance].astype(np.int64), ids[distance:].astype(np.int64)
        near = sparse.coo_matrix(
            (np.full(len(left), 1.0 / distance), (left, right)), shape=(size, size)
        ).tocsr()
        pairs = pairs + near + near.T
    row = np.asarray(pairs.sum(axis=1)).ravel() + 1e-9
    column = row**0.75 / (row**0.75).sum()
    pairs = pairs.tocoo()
    information = np.log(pairs.data / (row[pairs.row] * column[pairs.col]))
    positive = sparse.csr_matrix((np.maximum(information, 0.0), (pairs.row, pairs.col)), shape=(size, size))
    u, s, _ = svds(positive, k=width, rng=np.random.default_rng(seed))
    vectors = u * np.sqrt(s)
    return np.asarray(vectors / (vectors.std() + 1e-9))


def _look_at_neighbours(model: BertForMaskedLM) -> None:
    """Give positions a sinusoidal code and layer 0 query and key weights that match shifted codes."""
    table = model.bert.embeddings.position_embeddings.weight
    positions, _ = table.shape
    heads = model.config.num_attention_heads
    size = model.config.hidden_size // heads
    first = model.bert.encoder.layer[0].get_submodule("attention.self")
    query, key = (first.get_parameter(f"{name}.weight") for name in ("query", "key"))
    steps = torch.arange(positions, dtype=torch.float32)[:, None]
    rates = torch.exp(torch.arange(size // 2) * (-math.log(SLOWEST) / (size // 2)))
    code = torch.stack([torch.sin(steps * rates), torch.cos(steps * rates)], dim=2).reshape(positions, size)
    table.normal_(std=NOISE)[:, :size] = code * EMBEDDING_SCALE
    for head in range(heads):
        rows = slice(head * size, (head + 1) * size)
        turn = _rotation(rates, float(NEIGHBOUR_HEADS[head % len(NEIGHBOUR_HEADS)]))
        query[rows, :size] += turn * math.sqrt(SHARPNESS)
        key[rows, :size] += torch.eye(size) * math.sqrt(SHARPNESS)


def _rotation(rates: torch.Tensor, distance: float) -> torch.Tensor:
    """The matrix that moves a sinusoidal code by `distance` places."""
    size = 2 * len(rates)
    turn = torch.zeros(size, size)
    for pair, rate in enumerate(rates.tolist()):
        sine, cosine = math.sin(rate * distance), math.cos(rate * distance)
        turn[2 * pair : 2 * pair + 2, 2 * pair : 2 * pair + 2] = torch.tensor(
            [[cosine, sine], [-sine, cosine]]
        )
    return turn
