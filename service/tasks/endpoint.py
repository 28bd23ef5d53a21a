"""A task as it is offered to clients. No I/O."""

from collections.abc import Mapping
from dataclasses import dataclass

from service.tasks.base import Task
from service.tasks.request import Request


@dataclass(frozen=True)
class Endpoint:
    """A task with the request that asks for it; its path is the task's name.

    ``summary`` says what it does in a few words, ``example`` is a request that it answers.
    """

    task: type[Task]
    request: type[Request]
    summary: str
    example: Mapping[str, object]

    @property
    def name(self) -> str:
        """The task's name."""
        return self.task.name
