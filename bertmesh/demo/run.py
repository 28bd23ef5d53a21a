"""The main job on one machine: four rollouts under real traffic, and what came of them."""

import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from random import Random

from rich.console import Console

from bertmesh.demo.acts import ACTS, Act, ActResult
from bertmesh.demo.capacity import measure_capacity
from bertmesh.demo.local import LocalVenue
from bertmesh.demo.pace import Needs
from bertmesh.demo.play import Stagehand
from bertmesh.demo.report import print_report
from bertmesh.demo.screen import Screen
from bertmesh.demo.sentences import review_sentences
from bertmesh.demo.traffic import Traffic
from bertmesh.demo.venue import Venue
from bertmesh.errors import MeshNotRunning, MeshRunning
from bertmesh.local.detached import end_mesh, start_detached
from bertmesh.local.home import Home, MeshInfo
from canary.local.client import Client
from mesh.local.deadline import Deadline

HISTORY_S, HISTORY_REQUESTS, HISTORY_LIMIT_S = 10.0, 200, 120.0
"""Before the first rollout: so long, and so many answers, teach what is usual for the stable."""


def run_demo(home: Home, *, rate: float | None, seed: int, stay: bool, console: Console) -> bool:
    """Play all acts and print the report; return whether every promise was kept.

    ``rate`` is requests a second; None asks for what the machine carries well.

    Raises:
        MeshRunning: a mesh already runs in this home.
        DetachedStartFailed: the mesh could not be started.
    """
    _set_aside(home)
    begin = time.monotonic()
    console.print(f"starting the local mesh in {home.root} ...")
    info = start_detached(home, ["up", "--home", str(home.root)])
    try:
        start_s = time.monotonic() - begin
        console.print(f"ready after {start_s:.1f} s: {info.gateway}")
        venue = LocalVenue(home, info.gateway, Client(home.rollout))
        kept = play_acts(venue, start_s=start_s, rate=rate, seed=seed, console=console)
    except BaseException:
        console.print(end_mesh(home))
        raise
    _finish(home, info, stay=stay, console=console)
    return kept


def play_acts(
    venue: Venue,
    *,
    start_s: float,
    rate: float | None,
    seed: int,
    console: Console,
    acts: Sequence[Act] = ACTS,
) -> bool:
    """Play acts under traffic and print the report; return whether every promise was kept.

    ``start_s`` is how long pods take to start; ``rate`` as for `run_demo`.

    Raises:
        NoSentences: there is nothing to send.
        ActStuck, RolloutRefused, ControllerSilent: an act could not be played.
    """
    sentences = review_sentences()
    if rate is None:
        capacity = measure_capacity(venue.gateway, sentences, seed=seed, headers=venue.headers)
        console.print(capacity.words(), soft_wrap=True)
        rate = capacity.rate
    traffic = Traffic(venue.gateway, sentences, rate=rate, random=Random(seed), headers=venue.headers)
    traffic.start()
    try:
        outcomes = _play_all(venue, traffic, Needs.of(venue.profile, start_s), console, acts)
    finally:
        traffic.stop()
    return print_report(outcomes, traffic.answers(), traffic.pace, console)


def _set_aside(home: Home) -> None:
    """The demo begins with a new mesh; what a former one left is kept beside it."""
    with suppress(MeshNotRunning):
        home.info()
        raise MeshRunning(home.root)
    end_mesh(home)
    if home.root.exists():
        stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
        shutil.rmtree(home.prometheus, ignore_errors=True)
        home.root.rename(home.root.with_name(f"{home.root.name}.{stamp}"))


def _play_all(
    venue: Venue, traffic: Traffic, needs: Needs, console: Console, acts: Sequence[Act]
) -> list[ActResult]:
    rate = traffic.pace.chosen
    with Screen(console) as screen:
        screen.line(
            f"a good canary takes about {needs.seconds(rate):.0f} s so: {needs.start_s:.0f} s to start, "
            f"{needs.soak_s:.0f} s of soaks, {needs.requests:.0f} requests at the most to prove it; "
            f"the first rollout starts in {max(HISTORY_S, HISTORY_REQUESTS / rate):.0f} s"
        )
        time.sleep(HISTORY_S)
        Deadline(HISTORY_LIMIT_S).wait(lambda: len(traffic.answers()) >= HISTORY_REQUESTS)
        return [Stagehand(venue, traffic, needs, screen, act).play() for act in acts]


def _finish(home: Home, info: MeshInfo, *, stay: bool, console: Console) -> None:
    if not stay:
        console.print(end_mesh(home))
        return
    folder = "" if home == Home.at(home.root.parent / ".bertmesh") else f" --home {home.root}"
    console.print(
        f"\nThe mesh stays up: {info.gateway} (Prometheus {info.prometheus}, Envoy {info.envoy_admin})\n"
        "Three things to try:\n"
        f"  curl -s {info.gateway}/fill-mask -H 'content-type: application/json' "
        """-d '{"text": "这家酒店的服[MASK]很好。"}'\n"""
        f"  bertmesh rollout history{folder}\n"
        f"  bertmesh routes --istio{folder}\n"
        f"`bertmesh down{folder}` ends it.",
        soft_wrap=True,
    )
