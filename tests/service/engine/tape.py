"""Stands in for CUDA graphs where there is no GPU."""

from collections.abc import Callable

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from service.engine.replay import Work


class Tape(TorchDispatchMode):  # type: ignore[no-untyped-call] # torch types it not
    """Remembers the operations on tensors as a CUDA graph does: which, and in which memory.

    What it replays reads what stands in that memory by then and writes where it wrote before; values that
    Python knew while it recorded are frozen. As on a GPU nothing may wait for a value, and a recording
    computes nothing: what it wrote meanwhile is spoilt.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # the same
        self._done: list[tuple[torch._ops.OpOverload, tuple[object, ...], dict[str, object], object]] = []

    @classmethod
    def capture(cls, work: Work) -> Callable[[], None]:
        """Do the work once to warm up, then record it."""
        work()
        with (tape := cls()):
            work()
        for func, args, _, result in tape._done:
            if isinstance(result, torch.Tensor) and result.is_floating_point() and _wrote(func, args, result):
                result.fill_(torch.nan)
        return tape.replay

    def __torch_dispatch__(
        self,
        func: torch._ops.OpOverload,
        types: object,
        args: tuple[object, ...] = (),
        kwargs: dict[str, object] | None = None,
    ) -> object:
        if func is torch.ops.aten._local_scalar_dense.default:
            message = "operation not permitted when stream is capturing"
            raise RuntimeError(message)
        result = func(*args, **(kwargs or {}))
        self._done.append((func, args, kwargs or {}, result))
        return result

    def replay(self) -> None:
        for func, args, kwargs, result in self._done:
            again = func(*args, **kwargs)
            results = result if isinstance(result, tuple) else (result,)
            for old, new in zip(results, again if isinstance(again, tuple) else (again,), strict=True):
                both = isinstance(old, torch.Tensor) and isinstance(new, torch.Tensor)
                if both and old.data_ptr() != new.data_ptr():  # else a view, or written in place
                    old.copy_(new)


def _wrote(func: torch._ops.OpOverload, args: tuple[object, ...], result: torch.Tensor) -> bool:
    """Whether an operation wrote its result, instead of naming a part of what it was given."""
    given = {each.untyped_storage().data_ptr() for each in args if isinstance(each, torch.Tensor)}
    return result.untyped_storage().data_ptr() not in given or func._schema.is_mutable
