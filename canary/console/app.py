"""The web application: routes, and what an error looks like."""

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from flask import Flask, Response, g, jsonify, make_response, render_template, request
from markupsafe import Markup, escape
from werkzeug.exceptions import HTTPException

from canary.console import verbs
from canary.console.detail import Detail
from canary.console.errors import ConsoleError, Refused, RolloutMovedOn, Unanswered
from canary.console.page import Choice, Notice, Page, page
from canary.console.ports import Disagreements, Rollouts, TrafficFigures
from canary.console.security import FIELD, RequestGuard, protect
from canary.console.settings import Settings
from canary.errors import CanaryError

SECTIONS: Final = ("notices", "list", "head", "weights", "evidence", "traffic", "disagreements", "events")
ALIVE: Final = "/livez"
LARGEST_BODY: Final = 16_384


@dataclass(frozen=True)
class Console:
    """What the routes share: the home, the guard and the clock."""

    rollouts: Rollouts
    guard: RequestGuard
    traffic: TrafficFigures | None = None
    disagreements: Disagreements | None = None
    now: Callable[[], float] = time.time

    def page(self, choice: Choice) -> Page:
        """Return what is to be shown.

        Raises:
            NoSuchRollout: the chosen one is not known.
        """
        readings = self.rollouts.read()
        seen = page(readings, choice, self.now())
        if seen.detail is None:
            return seen
        host = next(each.host for each in readings if each.service == seen.detail.service)
        return replace(seen, detail=self._with_figures(seen.detail, host))

    def _with_figures(self, detail: Detail, host: str) -> Detail:
        """Return the rollout with what is shown beside its evidence."""
        run, shown = detail.run, detail
        if self.traffic is not None and not run.ended:
            shown = replace(shown, rates=self.traffic.rates(host, (run.stable, run.canary)))
        if self.disagreements is None or detail.historical:
            return shown
        try:
            return replace(shown, disagreements=tuple(self.disagreements(run.canary)))
        except CanaryError as error:
            return replace(shown, unread=str(error))

    def order(self, choice: tuple[str, str], word: str, who: str) -> str:
        """Have an order about the chosen rollout carried out, and return the controller's answer.

        Raises:
            UnknownVerb, NoSuchRollout: there is no such thing.
            RolloutMovedOn: it is not in progress any more.
            Refused: the controller said no.
            Unanswered: nobody answered.
        """
        verb = verbs.parse(word)
        detail = self.page(choice).detail
        if detail is None or verb not in verbs.allowed(detail.run.rollout):
            raise RolloutMovedOn(choice[1])
        try:
            answer = self.rollouts.send(choice[0], verbs.command(verb, uuid.uuid4().hex, who, self.now()))
        except CanaryError as error:
            raise Unanswered(str(error)) from error
        if not answer.ok:
            raise Refused(answer.message)
        return answer.message


def create_app(console: Console, settings: Settings) -> Flask:
    """Return the application; it changes nothing on GET, and answers only to its own names."""
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_BODY
    app.jinja_env.filters["clock"] = _clock
    app.jinja_env.filters["coded"] = _coded
    app.jinja_env.globals["poll_ms"] = int(1000 * settings.poll_s)
    app.jinja_env.globals["beginning"] = settings.beginning
    app.jinja_env.globals["trace_link"] = settings.trace_link
    app.before_request(partial(_admit, console.guard))
    app.after_request(_protect)
    app.register_error_handler(ConsoleError, _explain)
    app.register_error_handler(HTTPException, _explain_http)
    _add_pages(app, console)
    _add_orders(app, console)
    app.add_url_rule(ALIVE, view_func=_livez)
    return app


def _livez() -> str:
    return "ok\n"


def _add_pages(app: Flask, console: Console) -> None:
    def show(service: str | None = None, rollout: str | None = None) -> str:
        return _render(console.page(_choice(service, rollout)), console)

    def live(service: str | None = None, rollout: str | None = None) -> Response:
        seen = console.page(_choice(service, rollout))
        context = _context(seen, console)
        sections = {name: render_template(f"{name}.html", **context) for name in SECTIONS}
        return jsonify(sections=sections, token=context["token"], title=_title(seen))

    def confirm(service: str, rollout: str, word: str) -> str:
        verb = verbs.parse(word)
        detail = console.page((service, rollout)).detail
        if detail is None or detail.run.rollout is None or verb not in verbs.allowed(detail.run.rollout):
            raise RolloutMovedOn(rollout)
        asked = verbs.describe(verb, detail.run.rollout)
        return render_template("confirm.html", verb=asked, detail=detail, token=_token(console))

    app.add_url_rule("/", "show", show)
    app.add_url_rule("/rollouts/<service>/<rollout>", "show", show)
    app.add_url_rule("/live", "live", live)
    app.add_url_rule("/live/<service>/<rollout>", "live", live)
    app.add_url_rule("/rollouts/<service>/<rollout>/<word>", "confirm", confirm)


def _add_orders(app: Flask, console: Console) -> None:
    def order(service: str, rollout: str, word: str) -> Response:
        console.guard.check_command(request)
        said = console.order((service, rollout), word, console.guard.who(request))
        if _wants_json():
            return jsonify(message=said)
        seen = console.page((service, rollout))
        return make_response(
            _render(replace(seen, notices=(Notice("good", f"Done: {said}."), *seen.notices)), console)
        )

    app.add_url_rule("/rollouts/<service>/<rollout>/<word>", "order", order, methods=["POST"])


def _choice(service: str | None, rollout: str | None) -> Choice:
    return (service, rollout) if service is not None and rollout is not None else None


def _admit(guard: RequestGuard) -> None:
    g.visitor = guard.visitor(request)
    if request.path != ALIVE:  # a kubelet asks for it by the pod's address
        guard.check_host(request)


def _protect(response: Response) -> Response:
    return protect(response, g.visitor)


def _token(console: Console) -> str:
    return console.guard.token(g.visitor)


def _context(seen: Page, console: Console) -> dict[str, Any]:
    return {"page": seen, "detail": seen.detail, FIELD: _token(console), "title": _title(seen)}


def _render(seen: Page, console: Console) -> str:
    return render_template("page.html", **_context(seen, console))


def _title(seen: Page) -> str:
    if seen.detail is None:
        return "bertmesh rollouts"
    run = seen.detail.run
    return f"{run.stable} → {run.canary} {seen.detail.phase} · bertmesh rollouts"


def _wants_json() -> bool:
    return request.accept_mimetypes.best_match(["text/html", "application/json"]) == "application/json"


def _explain(error: ConsoleError) -> tuple[Response, int]:
    return _sorry(str(error), error.status)


def _explain_http(error: HTTPException) -> tuple[Response, int]:
    return _sorry(error.description or error.name, error.code or 500)


def _sorry(sentence: str, status: int) -> tuple[Response, int]:
    if _wants_json():
        return jsonify(message=sentence), status
    return make_response(render_template("sorry.html", sentence=sentence, status=status)), status


def _clock(at: float) -> datetime:
    """Return a time for templates; the page's script shows it in the reader's own time zone."""
    return datetime.fromtimestamp(at, UTC)


def _coded(sentence: str) -> Markup:
    """Return a sentence in which what stands between backticks is set as code."""
    words = sentence.split("`")
    pieces = (
        Markup("<code>{}</code>").format(word) if i % 2 else escape(word) for i, word in enumerate(words)
    )
    return Markup("").join(pieces)
