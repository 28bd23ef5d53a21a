"""Threads for what may take long: nobody has to wait for its end, nor does the end of the process."""

from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

T = TypeVar("T")


class Workers:
    """Does work in threads of its own; a process ends without waiting for them."""

    def __init__(self, number: int, name: str) -> None:
        self._orders: SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = SimpleQueue()
        for _ in range(number):
            Thread(target=self._work, name=name, daemon=True).start()

    def submit(self, work: Callable[[], T]) -> Future[T]:
        """Have something done; whoever has waited long enough cancels the future, unless it is begun."""
        order: Future[T] = Future()
        self._orders.put((order, work))
        return order

    def _work(self) -> None:
        while True:
            order, work = self._orders.get()
            if order.set_running_or_notify_cancel():
                try:
                    order.set_result(work())
                except BaseException as error:  # noqa: BLE001 - whoever waits for the future is told
                    order.set_exception(error)
