from dataclasses import dataclass

import pytest

from service.batching.deadline import Deadline, milliseconds
from service.errors import DeadlinePassed, InvalidHeader, Overloaded


@dataclass
class Clock:
    """A clock that the test moves."""

    now: float = 10.0

    def __call__(self) -> float:
        return self.now


def test_without_a_header_the_pods_own_limit_holds_and_is_an_overload() -> None:
    clock = Clock()
    deadline = Deadline.starting(clock, 10.0, 4.5, None)
    clock.now = 12.0
    assert deadline.left_s() == pytest.approx(2.5)
    clock.now = 14.5
    with pytest.raises(Overloaded, match=r"no answer within 4\.5 s"):
        deadline.left_s()


def test_a_shorter_limit_of_the_client_holds_and_is_its_own_problem() -> None:
    clock = Clock()
    deadline = Deadline.starting(clock, 10.0, 4.5, "500")
    assert deadline.left_s() == pytest.approx(0.5)
    clock.now = 10.5
    with pytest.raises(DeadlinePassed, match="no answer within the 500 ms"):
        deadline.left_s()


def test_a_longer_limit_of_the_client_does_not_lengthen_the_pods() -> None:
    deadline = Deadline.starting(Clock(), 10.0, 4.5, "60000")
    assert deadline.left_s() == pytest.approx(4.5)
    assert deadline.asked_ms is None


@pytest.mark.parametrize("header", ["", "0", "-1", "1.5", "600001", "9" * 5000, "五", "1s", " 5"])
def test_a_header_that_is_no_number_in_range_is_refused(header: str) -> None:
    with pytest.raises(InvalidHeader, match=r"whole milliseconds from 1 to 600,000 needed"):
        milliseconds(header)
