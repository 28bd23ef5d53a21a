"""Hot swap on the local mesh: by the command line, and not by the gateway."""

import json

import urllib3

from tests.local.hand import Hand


def model_at(url: str) -> str:
    return str(json.loads(urllib3.request("GET", f"{url}/version").data)["model"])


def test_a_pod_of_the_mesh_swaps_its_model_and_back_and_the_gateway_cannot_make_it(mesh: Hand) -> None:
    name, url = next((name, each.admin) for name, each in mesh.home.processes().items() if each.admin)
    before = model_at(url)
    other = next(each for each in ("zh-small:1.0", "zh-small:1.1-reviews") if each != before)
    done = mesh.command("models", "activate", other, "--pod", name)
    assert done.stdout == f"{other} is in service at {url}\n", done.stderr
    assert model_at(url) == other
    asked = urllib3.request("POST", f"{mesh.gateway}/v2/repository/models/zh-small/load", retries=False)
    assert asked.status == 404
    back = mesh.command("models", "rollback", "--pod", name)
    assert back.stdout == f"{before} is in service again at {url}\n", back.stderr
    assert model_at(url) == before
