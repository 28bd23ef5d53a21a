from service.cache.breaker import Breaker


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def broken(clock: Clock, failures: int = 3) -> Breaker:
    breaker = Breaker(clock, threshold=3, pause_s=1.0, longest_s=4.0)
    for _ in range(failures):
        assert breaker.allows()
        breaker.failed()
    return breaker


def test_it_stays_closed_below_the_threshold() -> None:
    assert broken(Clock(), failures=2).allows()


def test_it_opens_at_the_threshold() -> None:
    assert not broken(Clock()).allows()


def test_a_success_in_between_starts_the_count_anew() -> None:
    breaker = broken(Clock(), failures=2)
    breaker.succeeded()
    breaker.failed()
    assert breaker.allows()


def test_after_a_pause_one_caller_alone_may_try() -> None:
    clock = Clock()
    breaker = broken(clock)
    clock.now += 1.0
    assert [breaker.allows() for _ in range(3)] == [True, False, False]


def test_a_trial_that_succeeds_closes_it() -> None:
    clock = Clock()
    breaker = broken(clock)
    clock.now += 1.0
    assert breaker.allows()
    breaker.succeeded()
    assert [breaker.allows() for _ in range(3)] == [True, True, True]


def test_pauses_double_up_to_the_longest_while_trials_fail() -> None:
    clock = Clock()
    breaker = broken(clock)
    pauses = []
    for _ in range(4):
        start = clock.now
        while not breaker.allows():
            clock.now += 0.5
        pauses.append(clock.now - start)
        breaker.failed()
    assert pauses == [1.0, 2.0, 4.0, 4.0]


def test_late_failures_of_calls_from_before_do_not_lengthen_the_pause() -> None:
    clock = Clock()
    breaker = broken(clock)
    for _ in range(50):
        breaker.failed()
    clock.now += 1.0
    assert breaker.allows()


def test_a_caller_that_never_reports_back_does_not_keep_it_open_for_ever() -> None:
    clock = Clock()
    breaker = broken(clock)
    clock.now += 1.0
    assert breaker.allows()
    clock.now += 1.0
    assert breaker.allows()
