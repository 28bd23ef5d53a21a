"""The rollout console of a local home, as the WSGI server loads it."""

import os
import secrets
from pathlib import Path

from flask import Flask

from bertmesh.errors import BertmeshError
from bertmesh.home import Home
from canary.console.app import Console, create_app
from canary.console.local import LocalRollouts
from canary.console.security import Guard
from canary.console.settings import Settings
from canary.console.traffic import PrometheusTraffic
from canary.settings import Settings as CanarySettings

SERVICE = "bert"
SECRET_BYTES = 32


def create() -> Flask:
    """Return the console of the home that BERTMESH_HOME names.

    Raises:
        canary.console.settings.BadSetting: as its text says.
    """
    home = Home.at(Path(os.environ["BERTMESH_HOME"]))
    settings = Settings.from_environment(os.environ)
    traffic = PrometheusTraffic(lambda: _prometheus(home), CanarySettings.from_environment(os.environ))
    guard = Guard(settings, secrets.token_bytes(SECRET_BYTES))
    return create_app(Console(LocalRollouts(home.rollout, SERVICE), guard, traffic=traffic), settings)


def _prometheus(home: Home) -> str | None:
    """Return where the mesh's Prometheus is now: its port changes with every start."""
    try:
        return home.info().prometheus
    except BertmeshError:
        return None
