from random import Random

import pytest

from service.errors import SettingsError
from service.pod.faults import Fate, Fault, Faults


def test_a_fault_is_read_from_its_text() -> None:
    assert Fault.parse("error=0.3,latency=200ms,wrong=0.5") == Fault(error=0.3, latency_s=0.2, wrong=0.5)
    assert Fault.parse("latency=1.5s") == Fault(latency_s=1.5)


@pytest.mark.parametrize(
    "text",
    ["", "error", "error=", "error=2", "error=-1", "error=nan", "latency=200", "latency=-1s", "slow=1"],
)
def test_a_fault_that_makes_no_sense_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(SettingsError, match=r"write it like error=0\.3,latency=200ms,wrong=0\.5"):
        Fault.parse(text)


def test_without_a_fault_every_request_is_spared() -> None:
    waited: list[float] = []
    assert Faults(None, Random(1), waited.append).strike() == Fate()
    assert waited == []


def test_faults_strike_as_often_as_asked() -> None:
    waited: list[float] = []
    faults = Faults(Fault(error=0.3, latency_s=0.2, wrong=0.5), Random(1), waited.append)
    fates = [faults.strike() for _ in range(2000)]
    assert sum(fate.error for fate in fates) == pytest.approx(600, abs=60)
    assert sum(fate.wrong for fate in fates) == pytest.approx(1000, abs=70)
    assert waited == [0.2] * 2000
