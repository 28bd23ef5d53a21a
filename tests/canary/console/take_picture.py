"""Takes the picture for the documentation: `python -m tests.canary.console.take_picture docs/console.png`.

Behind the file's name: light or dark, and the width and height in pixels.

What it shows is the real page over a real store, which the real controller has written in a simulated world.
"""

import shutil
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from flask import Flask
from playwright.sync_api import sync_playwright
from werkzeug.serving import make_server

from canary.adapters.disagreements import Disagreement
from canary.console.app import Console, create_app
from canary.console.local import LocalRollouts
from canary.console.ports import Rates
from canary.console.security import RequestGuard
from canary.console.settings import Settings
from tests.canary.console.scenes import SECRET, Scene, at_weight, disagreement

FAULTY = "1.2-faulty"
RARE = 0.001
SETTLE_MS = 1500
HEIGHT = "1180"


class CalmTraffic:
    """Figures as the simulated world has them."""

    def rates(self, _host: str, versions: Sequence[str]) -> Mapping[str, Rates]:
        """Return the same for each."""
        return {version: Rates(30.1, RARE, 18.0 + i) for i, version in enumerate(versions)}


def story(folder: Path) -> Scene:
    """Let one rollout be promoted, one be rolled back, and a third one be at 50 %."""
    bad = {"1.0": RARE, "1.1-reviews": RARE, "1.3": RARE, FAULTY: 0.2}
    scene = Scene(folder, ago=5400, rps=60, bad=bad)
    scene.workloads.pods.update(dict.fromkeys(("1.1-reviews", FAULTY, "1.3"), 0))
    for canary in ("1.1-reviews", FAULTY):
        scene.start(canary, profile="default")
        scene.run(4000)
        scene.clock.time += 300
        scene.traffic.since = scene.clock.time
    scene.start("1.3", profile="default")
    scene.run(4000, at_weight(scene, 50, 75))
    return scene


def examples(canary: str, now: float) -> Sequence[Disagreement]:
    """Return what copied requests may have shown."""
    common = {"canary": canary, "stable": "1.1-reviews", "pod": f"{canary}-a"}
    return [
        disagreement(**common, at=now - 41, severity=0.86, text="这家酒店的服务态度很[MASK]。",
                     stable_answer="好 0.71 · 差 0.22", canary_answer="贵 0.55 · 差 0.19"),
        disagreement(**common, at=now - 310, severity=0.34, task="similarity", text="",
                     about="17 and 21 characters, sha256:9b1e", stable_answer="0.83", canary_answer="0.61",
                     sentence="the similarity differs by 0.22"),
    ]  # fmt: skip


def take(app: Flask, out: Path, scheme: str = "light", width: str = "1280", height: str = HEIGHT) -> None:
    """Serve the page, and write what a browser shows."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox"]
            )
            page = browser.new_page(
                viewport={"width": int(width), "height": int(height)},
                color_scheme="dark" if scheme == "dark" else "light",
            )
            page.goto(f"http://127.0.0.1:{server.server_port}/")
            page.wait_for_timeout(SETTLE_MS)
            page.screenshot(path=out)
    finally:
        server.shutdown()
        thread.join()


def main() -> None:
    """Tell the story and take its picture."""
    with TemporaryDirectory() as folder:
        scene = story(Path(folder))
        now = scene.clock.time + 1
        rollouts = LocalRollouts(Path(folder), "bert")
        settings = Settings(poll_s=0.3, trace_url="http://jaeger:16686/trace/{trace_id}")
        console = Console(
            rollouts,
            RequestGuard(settings, SECRET),
            traffic=CalmTraffic(),
            disagreements=lambda canary: examples(canary, now),
            now=lambda: now,
        )
        take(create_app(console, settings), Path(sys.argv[1]), *sys.argv[2:])


if __name__ == "__main__":
    main()
