"""What a person sees and does, in a real Chromium."""

from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from playwright.sync_api import Browser, Page, expect

from canary.console.app import Console, create_app
from canary.console.cluster import ClusterRollouts
from canary.console.security import RequestGuard
from canary.console.settings import Settings
from mesh.cluster.api import ClusterApi
from tests.bertmesh.clusters import busy
from tests.canary.console.scenes import SECRET, Scene, at_weight, beat, console, disagreement
from tests.support.kubeapi.known import mesh_api
from tests.support.kubeapi.samples import rollout
from tests.support.processes import wait_until

Serve = Callable[[Flask], str]
QUICK = Settings(poll_s=0.1, trace_url="http://jaeger:16686/trace/{trace_id}")

pytestmark = pytest.mark.slow


@pytest.fixture
def address(folder: Path, serve: Serve) -> str:
    worst = (disagreement(), disagreement(severity=0.2, text="", canary_answer="", trace_id=""))
    return serve(console(folder, settings=QUICK, disagreements=lambda _canary: worst))


def test_pause_asks_first_and_is_carried_out(live: Scene, address: str, page: Page) -> None:
    page.goto(address)
    page.get_by_role("button", name="Pause").click()
    dialog = page.get_by_role("dialog", name="Pause the rollout of 1.1?")
    expect(dialog).to_contain_text("It stays at 20 %")
    assert live.phase == "Progressing"
    dialog.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("button", name="Resume")).to_be_visible()
    expect(page.locator("#move")).to_contain_text("Paused")
    assert live.phase == "Paused"
    assert [entry.who for entry in live.state.history if entry.reason == "by_hand:pause"] == ["console"]


def test_abort_asks_first_and_sends_all_traffic_back(live: Scene, address: str, page: Page) -> None:
    page.goto(address)
    page.get_by_role("button", name="Abort").click()
    dialog = page.get_by_role("dialog", name="Abort the rollout of 1.1?")
    expect(dialog).to_contain_text("All traffic goes back to 1.0 at once")
    dialog.get_by_role("button", name="Abort").click()
    expect(page.locator("#said")).to_contain_text("Done: ")
    expect(page.locator("#move")).to_contain_text("Rolled back")
    expect(page.get_by_role("group", name="Commands")).to_have_count(0)
    assert live.router.live.shares == (("1.0", 100),)
    assert [entry.who for entry in live.state.history if entry.reason == "by_hand:abort"] == ["console"]


def test_cancel_and_escape_send_nothing_and_return_the_focus(live: Scene, address: str, page: Page) -> None:
    page.goto(address)
    page.get_by_role("button", name="Abort").click()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_role("button", name="Abort")).to_be_focused()
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="Cancel")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Abort")).to_be_focused()
    assert live.phase == "Progressing"
    assert not any(entry.reason.startswith("by_hand:abort") for entry in live.state.history)


def test_an_open_page_shows_what_happens(folder: Path, address: str, page: Page) -> None:
    scene = Scene(folder, bad={"1.2": 0.3})
    page.goto(address)
    expect(page.get_by_role("heading", level=1)).to_have_text("No rollout so far")
    scene.roll("1.2", at_weight(scene, 5, 0))
    expect(page.locator("#move")).to_contain_text("Progressing")
    expect(page.locator("#pulse")).to_have_text("live")
    scene.run(60)
    expect(page.locator("#move")).to_contain_text("Rolled back")
    expect(page).to_have_title("1.0 → 1.2 Rolled back · bertmesh rollouts")


def test_a_console_that_is_gone_is_said(folder: Path, serve: Serve, page: Page) -> None:
    beat(folder)
    page.goto(serve(console(folder, settings=QUICK)))
    page.route("**/live", lambda route: route.abort())
    expect(page.locator("#pulse")).to_contain_text("no answer from the console")
    page.unroute("**/live")
    expect(page.locator("#pulse")).to_have_text("live")


def test_without_a_controller_the_answer_is_a_sentence(folder: Path, serve: Serve, page: Page) -> None:
    scene = Scene(folder)
    scene.roll("1.1", at_weight(scene, 20))
    page.goto(serve(console(folder, settings=QUICK, within_s=0.3)))
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("dialog").get_by_role("button", name="Pause").click()
    expect(page.locator("#said")).to_contain_text("no controller answered")


@pytest.mark.usefixtures("live")
def test_everything_works_without_script(address: str, browser: Browser) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address)
    page.get_by_role("button", name="Abort").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Abort the rollout of 1.1?")
    page.get_by_role("button", name="Abort").click()
    expect(page.get_by_role("status")).to_contain_text("Done: ")
    context.close()


@pytest.mark.usefixtures("live")
@pytest.mark.parametrize("width", [360, 768, 1440])
def test_nothing_is_wider_than_the_screen(address: str, page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(address)
    expect(page.locator("#evidence")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.usefixtures("live")
def test_the_page_asks_nobody_but_its_own_server(address: str, page: Page) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address)
    expect(page.locator("#pulse")).to_have_text("live")
    assert all(url.startswith(address) for url in asked)
    assert not page.evaluate("[...document.querySelectorAll('[style]')].length")


CONTRAST = """() => {
  const channel = (c) => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const light = (rgb) => 0.2126 * channel(rgb[0]) + 0.7152 * channel(rgb[1]) + 0.0722 * channel(rgb[2]);
  const numbers = (text) => text.match(/[\\d.]+/g).map(Number);
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const seen = numbers(getComputedStyle(at).backgroundColor);
      if (seen.length < 4 || seen[3] > 0) return seen;
    }
    return [255, 255, 255];
  };
  const poor = [];
  for (const element of document.querySelectorAll("main *:not(svg *), nav *, header *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || element.classList.contains("unseen")) continue;
    const [a, b] = [light(numbers(getComputedStyle(element).color)), light(ground(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) poor.push(`${element.className} ${element.textContent.trim().slice(0, 30)} ${ratio}`);
  }
  return poor;
}"""


@pytest.mark.usefixtures("live")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_has_enough_contrast_in_both_schemes(address: str, page: Page, scheme: str) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.goto(address)
    expect(page.locator("#evidence")).to_be_visible()
    assert page.evaluate(CONTRAST) == []


@pytest.mark.usefixtures("live")
def test_landmarks_labels_and_one_main_heading_are_there(address: str, page: Page) -> None:
    page.goto(address)
    expect(page.get_by_role("banner")).to_have_count(1)
    expect(page.get_by_role("navigation", name="Rollouts")).to_have_count(1)
    expect(page.get_by_role("main")).to_have_count(1)
    expect(page.get_by_role("heading", level=1)).to_have_count(1)
    expect(page.get_by_role("img", name="Share of 1.1 that was asked for")).to_have_count(1)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the rollout")).to_be_focused()


@pytest.mark.usefixtures("live")
def test_the_worst_disagreements_lead_to_their_traces(address: str, page: Page) -> None:
    page.goto(address)
    worst = page.get_by_role("region", name="Worst disagreements")
    expect(worst.get_by_role("listitem")).to_have_count(2)
    expect(worst).to_contain_text("中国的首都是[MASK]京。")
    link = worst.get_by_role("link", name="trace 4bf92f35")
    expect(link).to_have_attribute("href", "http://jaeger:16686/trace/4bf92f3577b34da6a3ce929d0e0e4736")


def test_every_rollout_of_a_cluster_is_on_the_page_and_takes_orders(
    tmp_path: Path, serve: Serve, page: Page
) -> None:
    slow = {"profile": "fast", "steps": [{"weight": 20, "soak": "10m"}], "fallback": "20m"}
    with mesh_api() as api, busy(api, tmp_path) as work:
        work.cluster.apply(policy=slow)
        api.create(rollout("zh", service="zh", canary=None))
        work.until("Progressing")
        wait_until(lambda: "stable" in api.get("ModelRollout", "zh").get("status", {}), "both are looked at")
        seen = ClusterRollouts(ClusterApi(api.client()), ("default",))
        page.goto(serve(create_app(Console(seen, RequestGuard(QUICK, SECRET)), QUICK)))
        expect(page.get_by_role("navigation", name="Rollouts")).to_contain_text("bert.default")
        expect(page.get_by_role("navigation", name="Rollouts")).to_contain_text("zh.default serves 1.0")
        expect(page.get_by_role("banner")).to_contain_text("2 services")
        page.get_by_role("button", name="Abort").click()
        page.get_by_role("dialog").get_by_role("button", name="Abort").click()
        expect(page.locator("#said")).to_contain_text("Done: console: aborted")
        expect(page.locator("#move")).to_contain_text("Rolled back")
        assert work.cluster.weight == 0
        page.set_viewport_size({"width": 360, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
