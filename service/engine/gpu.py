"""The GPU: what torch knows of it, and how work is recorded there as CUDA graphs.

By the book (https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs), and never run on a GPU yet.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from service.engine.replay import Capture, Work
from service.errors import UnsupportedModel

_WARM_UPS = 2
"""Passes before a recording: libraries choose their kernels and take their memory in the first."""


@dataclass(frozen=True)
class Gpu:
    """What an engine has to know of a GPU."""

    device: torch.device
    name: str
    free: int
    """Bytes that a model may take."""
    recorder: Callable[[], Capture] | None = None
    """Makes what records an engine's passes; nothing is recorded without it."""


def find() -> Gpu:
    """Return the GPU that torch computes on.

    Raises:
        UnsupportedModel: There is none that torch can use.
    """
    try:
        if not torch.cuda.is_available():
            raise _no_gpu()
        device = torch.device("cuda", torch.cuda.current_device())
        free, _ = torch.cuda.mem_get_info(device)
        # What torch holds and nobody uses, a freed model's memory for one, is free to the next model.
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        name = torch.cuda.get_device_name(device)
    except RuntimeError as error:  # the driver is gone, or too old
        raise _no_gpu(str(error)) from error
    return Gpu(device, name, free + unused, lambda: Graphs(device))


class Graphs:
    """Records work as CUDA graphs, which share a pool of memory and a stream of their own.

    Graphs that share a pool may be replayed in any order, as long as no two run at once and none reads what
    another has left. The stream is no other engine's: see `service.engine.replay.Replays` for what torch
    does to a stream when a graph goes, and engines do go when models are swapped.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call] # torch types it not
        self._pool = torch.cuda.graph_pool_handle()

    def __call__(self, work: Work) -> Callable[[], None]:
        """Do the work a few times, then record it; a recording computes nothing before it is replayed."""
        present = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(present)
        with torch.cuda.stream(self._stream):
            for _ in range(_WARM_UPS):
                work()
        present.wait_stream(self._stream)
        graph = torch.cuda.CUDAGraph()
        # thread_local: another model may compute and allocate on its own thread meanwhile; by the default,
        # global, that would be an error here or there.
        with torch.cuda.graph(graph, pool=self._pool, stream=self._stream, capture_error_mode="thread_local"):
            work()
        return graph.replay


def _no_gpu(seen: str = "it finds none") -> UnsupportedModel:
    return UnsupportedModel(
        seen=f"no GPU that torch {torch.__version__} can use ({seen})",
        needed="an NVIDIA GPU with its driver, and torch built for CUDA,",
        do="install them, or use an engine for the CPU",
    )
