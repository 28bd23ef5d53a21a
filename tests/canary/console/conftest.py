"""A console on a port of its own, and a browser to look at it with."""

import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from werkzeug.serving import WSGIRequestHandler, make_server

from tests.canary.console.scenes import Scene, at_weight
from tests.support.processes import LIMIT_S

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
PATIENCE_MS = 1000 * LIMIT_S
expect.set_options(timeout=PATIENCE_MS)


class Quiet(WSGIRequestHandler):
    """Says nothing about requests."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


@pytest.fixture
def live(folder: Path) -> Iterator[Scene]:
    """A rollout at 20 % that moves no further, and a controller that takes orders all the time."""
    scene = Scene(folder)
    scene.roll("1.1", at_weight(scene, 20))
    stop = threading.Event()

    def turn() -> None:
        while not stop.wait(0.02):
            scene.tick()

    thread = threading.Thread(target=turn)
    thread.start()
    try:
        yield scene
    finally:
        stop.set()
        thread.join()


@pytest.fixture
def serve() -> Iterator[Callable[[Flask], str]]:
    """Serve applications while the test runs; returns the address of each."""
    running = []

    def start(app: Flask) -> str:
        server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        running.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}"

    try:
        yield start
    finally:
        for server, thread in running:
            server.shutdown()
            thread.join()
            server.server_close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium of this machine."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        names = ", ".join(BROWSERS)
        pytest.fail(f"no browser on PATH ({names}): `make browser` installs one (apt-get install chromium)")
    with sync_playwright() as playwright:
        # No sandbox: these pages are our own, and in a container there is no user namespace for one.
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A fresh profile: no cookies, no cache."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(PATIENCE_MS)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """An empty page; whatever the browser complains about fails the test."""
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    yield page
    assert [text for text in complaints if "Failed to load resource" not in text] == []
