"""Who is believed that a split is live, and when: proxies, counts, and time last of all."""

from dataclasses import dataclass, field

import pytest

from canary.cluster.proof import Asked, Known, ProvedRouter
from canary.controller.ports import NotYetLive
from canary.rollout.confirmation import Confirmation, Source
from mesh.cluster.errors import ApiDown
from mesh.cluster.router import Applied
from mesh.errors import MeshError
from mesh.model import Split, Weights
from tests.canary.fakes import Executioner, FakeClock, FakeRouter
from tests.canary.operator.clusters import RoutedTraffic

STABLE = Split("1.0")
AWAY = ApiDown("http://api", "500 failed calling webhook: istiod")


def at(weight: int) -> Split:
    return Split("1.0", "1.1", Weights(weight))


@dataclass
class Route:
    """The route as the API server has it, and errors that come instead of the next writes."""

    live: Split
    errors: list[MeshError] = field(default_factory=list)

    def split(self) -> Split:
        return self.live

    def apply(self, split: Split) -> Applied:
        if self.errors:
            raise self.errors.pop(0)
        changed, self.live = split != self.live, split
        return Applied(split, changed=changed)


@dataclass
class Said:
    """What the proxies say; by default nobody can be asked."""

    answer: Asked = field(default_factory=lambda: Asked(silent=("gateway pod a is cut off",)))

    def ask(self, split: Split) -> Asked:
        del split
        return self.answer


class Place:
    """A router whose proxies do ``doing``, with 100 requests a second that are counted."""

    def __init__(self, doing: Split, route: Split | None = None, rps: float = 100.0) -> None:
        self.clock = FakeClock()
        self.route, self.said = Route(route or doing), Said()
        self.proxies = FakeRouter(Executioner(), live=doing)
        self.traffic = RoutedTraffic(self.clock, self.proxies, rps=rps)
        self.moved: list[Split] = []
        self.router = self.anew()

    def anew(self, known: Known | None = None, former: Split | None = None) -> ProvedRouter:
        """Return a router that knows only this."""
        return ProvedRouter(
            self.route, self.traffic, self.clock, lambda split, _: self.moved.append(split),
            self.said, known, former,
        )  # fmt: skip

    def tried(self, split: Split, seconds: float = 0.0) -> Confirmation | NotYetLive:
        """Apply a split each second, until it is believed or the time is over; return what came last."""
        end = self.clock.time + seconds
        while True:
            try:
                return self.router.apply(split)
            except NotYetLive as error:
                if self.clock.time >= end:
                    return error
            self.clock.time += 1


def believed(found: Confirmation | NotYetLive) -> Confirmation:
    assert isinstance(found, Confirmation), found
    return found


def refused(found: Confirmation | NotYetLive) -> NotYetLive:
    assert isinstance(found, NotYetLive), found
    return found


def test_when_all_proxies_answer_with_the_split_it_is_proved_at_once_and_without_metrics() -> None:
    here = Place(STABLE)
    here.traffic.down = "connection refused"
    here.said.answer = Asked(hold=("gateway-a", "gateway-b"))
    found = believed(here.tried(at(50)))
    assert (found.by, found.words) == (Source.PROXIES, "gateway-a, gateway-b answered with it")
    assert here.moved == [at(50)]


def test_a_proxy_that_holds_another_split_is_waited_for_however_long_and_named() -> None:
    here = Place(at(50))
    here.said.answer = Asked(hold=("gateway-a",), others=("gateway-b holds 1.0=50,1.1=50",))
    first = refused(here.tried(STABLE))
    assert (first.contrary, first.alert) == (True, False)
    late = refused(here.tried(STABLE, 400))
    assert str(late) == "gateway-b holds 1.0=50,1.1=50, which is not 1.0=100"
    assert (late.contrary, late.alert) == (True, True)
    here.said.answer = Asked(hold=("gateway-a", "gateway-b"))
    assert believed(here.tried(STABLE)).by is Source.PROXIES


def test_where_a_proxy_cannot_be_asked_its_counts_prove_a_weight() -> None:
    here = Place(STABLE)
    here.tried(at(20))
    here.proxies.live = at(20)
    found = believed(here.tried(at(20), 60))
    assert found.by is Source.COUNTS
    assert "not asked: gateway pod a is cut off" in found.words


@pytest.mark.parametrize(("before", "wanted"), [(STABLE, at(50)), (at(20), at(50)), (at(50), STABLE)])
def test_counts_against_a_split_are_never_outweighed_by_time(before: Split, wanted: Split) -> None:
    here = Place(before)  # and the gateway never gets anything new
    found = refused(here.tried(wanted, 400))
    assert (found.contrary, found.alert) == (True, True)
    assert "the proxies' counts show that requests go" in str(found)


def test_counts_against_a_split_stand_when_the_metrics_go() -> None:
    here = Place(at(50))
    here.tried(STABLE, 10)
    here.traffic.down = "connection refused"
    assert refused(here.tried(STABLE, 400)).contrary


def test_the_way_back_is_assumed_without_metrics_only_after_two_minutes_and_called_so() -> None:
    here = Place(at(50))
    here.traffic.down = "connection refused"
    refused(here.tried(STABLE, 118))
    found = believed(here.tried(STABLE, 5))
    assert found.assumed
    assert found.words == "there are no metrics; not asked: gateway pod a is cut off"


def test_the_way_back_is_proved_by_counts_once_the_stable_is_counted_and_the_canary_silent() -> None:
    here = Place(at(50))
    refused(here.tried(STABLE, 5))
    here.proxies.live = STABLE
    assert believed(here.tried(STABLE, 20)).by is Source.COUNTS


def test_a_few_pinned_requests_do_not_speak_against_the_way_back() -> None:
    here = Place(at(50), rps=1000.0)
    here.tried(STABLE)
    here.proxies.live = STABLE
    here.tried(STABLE, 1)
    here.traffic._count("1.1", "requests", 1)
    assert believed(here.tried(STABLE, 60)).by is Source.COUNTS


def test_without_any_traffic_the_way_back_is_assumed() -> None:
    here = Place(at(50), rps=0.0)
    assert believed(here.tried(STABLE, 200)).assumed


def test_forwards_a_canary_that_nobody_has_heard_of_is_never_believed_in() -> None:
    here = Place(STABLE, rps=0.0)
    assert not refused(here.tried(at(5), 400)).contrary
    here.traffic.down = "connection refused"
    refused(here.tried(at(5), 400))


def test_a_share_that_neither_split_explains_is_assumed() -> None:
    here = Place(STABLE)
    here.tried(at(50))
    here.proxies.live = at(10)  # most requests do not come through this route
    refused(here.tried(at(50), 100))
    found = believed(here.tried(at(50), 60))
    assert found.assumed
    assert "the proxies' counts do not show it" in found.words


def test_what_is_assumed_is_proved_as_soon_as_the_proxies_answer() -> None:
    here = Place(at(50), rps=0.0)
    believed(here.tried(STABLE, 200))
    here.said.answer = Asked(hold=("gateway-a",))
    assert believed(here.tried(STABLE)).by is Source.PROXIES


def test_the_clock_starts_at_the_write_that_succeeded() -> None:
    here = Place(at(50))
    here.traffic.down = "connection refused"
    here.route.errors = [AWAY]
    with pytest.raises(ApiDown):
        here.router.apply(STABLE)
    here.clock.time += 500  # istiod was away, and so its webhook
    refused(here.tried(STABLE, 110))
    assert believed(here.tried(STABLE, 20)).assumed


def test_a_route_that_somebody_else_wrote_meanwhile_is_proved_anew() -> None:
    here = Place(STABLE)
    here.said.answer = Asked(hold=("gateway-a",))
    believed(here.tried(at(20)))
    here.route.live = at(90)
    here.said.answer = Asked(others=("gateway-a holds 1.0=10,1.1=90",))
    assert refused(here.tried(at(20))).contrary


def test_pods_stay_while_callers_inside_the_mesh_still_ask_them() -> None:
    here = Place(at(50))
    here.said.answer = Asked(hold=("gateway-a", "our own sidecar"), callers=True)
    found = refused(here.tried(STABLE, 300))  # another caller's sidecar never gets the route
    assert found.contrary
    assert "requests still come" in str(found)
    here.proxies.live = STABLE
    assert believed(here.tried(STABLE, 60)).by is Source.PROXIES


def test_callers_inside_the_mesh_are_watched_for_a_moment_only_where_pods_are_to_go() -> None:
    here = Place(STABLE)
    here.said.answer = Asked(hold=("our own sidecar",), callers=True)
    assert believed(here.tried(at(50))).by is Source.PROXIES
    here.proxies.live = STABLE
    refused(here.tried(STABLE))
    assert believed(here.tried(STABLE, 15)).by is Source.PROXIES


def test_a_route_that_takes_nothing_from_anybody_is_not_kept_waiting() -> None:
    here = Place(STABLE, rps=0.0)
    rehearsed = Split("1.0", "1.1")
    refused(here.tried(rehearsed, 8))
    found = believed(here.tried(rehearsed, 5))
    assert found.assumed
    assert "counts cannot show it" in found.words


def test_a_controller_that_died_after_the_write_knows_who_loses_requests() -> None:
    here = Place(at(50), route=STABLE)  # written, and the gateway has not got it
    here.router = here.anew(former=at(50))
    assert refused(here.tried(STABLE, 400)).contrary


def test_what_was_confirmed_before_is_not_asked_again() -> None:
    here = Place(at(20))
    confirmed = Confirmation(Source.PROXIES, "gateway-a answered with it")
    here.router = here.anew(known=Known(at(20), confirmed))
    assert believed(here.tried(at(20))) is confirmed
