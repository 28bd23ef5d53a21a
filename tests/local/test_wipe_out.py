"""What fails for everybody is not the canary's fault.

The last file of its folder: the judge remembers how unsteady the stable was, and for minutes it wants
more evidence.
"""

import os
import signal
from contextlib import suppress

from bertmesh.demo.facts import failures
from bertmesh.demo.traffic import Traffic
from canary.rollout.model import Phase
from tests.local.hand import Hand


def test_when_all_pods_of_both_versions_die_the_canary_is_not_blamed(mesh: Hand, traffic: Traffic) -> None:
    canary = mesh.add("3.0", replicas=1)
    mesh.start(canary)
    mesh.until_weighted(canary)
    mesh.until("there is evidence", lambda: mesh.state.ledger and mesh.state.ledger.ticks >= 3)

    def seen() -> bool:
        """Kill what has come back: one death is over within a second, and retries may hide it."""
        for name, process in mesh.home.processes().items():
            if name.startswith("bert-") and process.pid:
                with suppress(ProcessLookupError):  # dead already, and not noticed yet
                    os.killpg(process.pid, signal.SIGKILL)
        return "common_incident" in mesh.reasons()

    mesh.until("the incident is seen", seen)
    mesh.until("it is over", lambda: mesh.state.latest and mesh.state.latest.reason != "common_incident")
    assert mesh.rollout.phase not in {Phase.ROLLING_BACK, Phase.ROLLED_BACK}
    assert failures(traffic.answers()) > 0
    mesh.command("rollout", "abort")
    mesh.until_ended()
