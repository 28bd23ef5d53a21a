"""The console of a running mesh: it shows the real controller's state, carries orders out, and is kept up."""

import re
from urllib.parse import urlencode

import urllib3

from bertmesh.demo.traffic import Traffic
from tests.local.hand import Hand
from tests.support.processes import LIMIT_S


def page(mesh: Hand, path: str = "/", **headers: str) -> urllib3.BaseHTTPResponse:
    return urllib3.request("GET", mesh.info.console + path, headers=headers, timeout=LIMIT_S, retries=False)


def test_the_console_comes_with_the_mesh_and_comes_back_after_a_kill(mesh: Hand) -> None:
    assert mesh.state.stable in page(mesh).data.decode()
    assert mesh.info.console in mesh.command("status").stdout
    starts = mesh.starts("console")
    mesh.kill("console")
    mesh.until("the console is started again", lambda: mesh.starts("console") > starts)
    mesh.until("it answers", lambda: _answers(mesh))


def test_a_rollout_is_shown_with_its_traffic_and_aborted_from_the_console(
    mesh: Hand, traffic: Traffic
) -> None:
    canary = mesh.add("console-canary", replicas=1)
    mesh.start(canary)
    mesh.until_weighted(canary)
    mesh.until("both versions' rates and latencies are shown", lambda: len(_figures(mesh)) == 2)
    assert traffic.answers()
    shown = page(mesh)
    cookie = shown.headers["set-cookie"].partition(";")[0]
    found = re.search(r'data-token="(\w+)"', page(mesh, "/", cookie=cookie).data.decode())
    assert found is not None
    sent = urllib3.request(
        "POST",
        f"{mesh.info.console}/rollouts/bert/{mesh.rollout.id}/abort",
        body=urlencode({"token": found[1]}),
        headers={
            "cookie": cookie,
            "origin": mesh.info.console,
            "content-type": "application/x-www-form-urlencoded",
        },
        timeout=LIMIT_S,
        retries=False,
    )
    assert sent.status == 200, sent.data
    mesh.until_ended()
    aborted = [entry for entry in mesh.state.history if entry.reason == "by_hand:abort"]
    assert aborted[-1].who == "console"
    assert aborted[-1].canary == canary


def _figures(mesh: Hand) -> list[str]:
    """Return the rows of figures that are complete: requests a second, failures, p99."""
    row = r"<td>[\d.]+</td>\s*<td>[\d.]+ %</td>\s*<td>\d+ ms</td>"
    return re.findall(row, page(mesh).data.decode())


def _answers(mesh: Hand) -> bool:
    try:
        return page(mesh, "/livez").status == 200
    except urllib3.exceptions.HTTPError:
        return False
