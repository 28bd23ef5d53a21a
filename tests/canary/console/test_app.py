from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from canary.adapters.disagreements import Disagreement
from canary.console.ports import Rates
from canary.console.settings import BadSetting, Settings
from canary.errors import ShadowUnreadable
from canary.local.store import FileStore
from tests.canary.console.scenes import SECRET, Scene, at_weight, beat, console, disagreement

OURS = {"Origin": "http://localhost"}
ABORT = "/rollouts/bert/rollout-1/abort"


class SteadyTraffic:
    """Figures that never change."""

    def rates(self, _host: str, versions: Sequence[str]) -> Mapping[str, Rates]:
        return {version: Rates(42.0, 0.0125, 17.0) for version in versions}


@pytest.fixture
def scene(folder: Path) -> Scene:
    """A rollout at 20 %, of a controller that has gone since."""
    scene = Scene(folder)
    scene.roll("1.1", at_weight(scene, 20))
    return scene


@pytest.fixture
def client(folder: Path) -> FlaskClient:
    return console(folder).test_client()


def token(client: FlaskClient) -> str:
    document = client.get("/live").get_json()
    assert isinstance(document["token"], str)
    return document["token"]


def press(client: FlaskClient, path: str = ABORT, headers: Mapping[str, str] = OURS) -> TestResponse:
    wanted = {"Accept": "application/json", **headers}
    return client.post(path, data={"token": token(client)}, headers=wanted)


def waiting(folder: Path) -> list[Path]:
    return list((folder / "inbox").glob("*.json"))


def test_before_any_controller_ran_the_page_says_how_to_begin(client: FlaskClient) -> None:
    answer = client.get("/")
    assert answer.status_code == 200
    assert "No controller has run here yet" in answer.text
    assert "bertmesh up" in answer.text


def test_before_any_rollout_the_page_says_how_to_begin(folder: Path, client: FlaskClient) -> None:
    Scene(folder)
    assert "No rollout so far" in client.get("/").text
    assert "bertmesh rollout start" in client.get("/").text


def test_a_state_that_cannot_be_read_is_said_in_a_sentence(folder: Path, client: FlaskClient) -> None:
    folder.mkdir()
    (folder / "state.json").write_text("{")
    answer = client.get("/")
    assert answer.status_code == 200
    assert "The state cannot be read" in answer.text
    assert "put back a good state file" in answer.text
    assert "Traceback" not in answer.text


@pytest.mark.usefixtures("scene")
def test_a_controller_without_a_sign_of_life_is_said(folder: Path, client: FlaskClient) -> None:
    FileStore(folder).beat(1000.0)
    assert "gives no sign of life" in client.get("/").text
    beat(folder)
    assert "gives no sign of life" not in client.get("/").text


@pytest.mark.usefixtures("scene")
def test_the_page_shows_phase_weight_evidence_and_reasons(client: FlaskClient) -> None:
    text = client.get("/").text
    for piece in (
        "Progressing",
        "20 %",
        "failed or timed out",
        "roll back",
        "by_hand:start",
        "proved to be live",
    ):
        assert piece in text


@pytest.mark.usefixtures("scene")
def test_texts_of_others_are_never_markup(folder: Path, client: FlaskClient) -> None:
    state = FileStore(folder).load()
    assert state is not None
    data = (folder / "state.json").read_text()
    (folder / "state.json").write_text(data.replace('"ann"', '"<script>alert(1)</script>"'))
    text = client.get("/").text
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert" in text


def test_former_rollouts_have_pages_of_their_own(folder: Path, client: FlaskClient) -> None:
    scene = Scene(folder, bad={"1.2": 0.3})
    scene.roll("1.1")
    scene.roll("1.2")
    former = client.get("/rollouts/bert/rollout-1").text
    assert "Promoted" in former
    assert 'aria-current="page"' in former
    assert "data-verb" not in former
    assert "evidence" in client.get("/rollouts/bert/rollout-2").text


def test_a_rollout_that_is_not_known_is_not_found(client: FlaskClient) -> None:
    answer = client.get("/rollouts/bert/rollout-9")
    assert answer.status_code == 404
    assert "there is no rollout &#39;rollout-9&#39;" in answer.text


@pytest.mark.usefixtures("scene")
def test_traffic_is_shown_only_where_there_are_figures(folder: Path, client: FlaskClient) -> None:
    assert "Traffic now" not in client.get("/").text
    text = console(folder, traffic=SteadyTraffic()).test_client().get("/").text
    assert "Traffic now" in text
    assert "1.25 %" in text


@pytest.mark.parametrize(("header", "who"), [({"x-forwarded-user": "mei lin"}, "mei lin"), ({}, "console")])
def test_the_audit_entry_names_who_pressed_the_button(
    folder: Path, header: dict[str, str], who: str, live: Scene
) -> None:
    client = console(folder, settings=Settings(identity_header="x-forwarded-user")).test_client()
    answer = press(client, headers={**OURS, **header})
    assert answer.status_code == 200, answer.text
    entry = next(entry for entry in live.state.history if entry.reason == "by_hand:abort")
    assert entry.who == who


@pytest.mark.usefixtures("live")
def test_nobody_can_name_himself_unless_a_gateway_is_configured(folder: Path, live: Scene) -> None:
    assert (
        press(console(folder).test_client(), headers={**OURS, "x-forwarded-user": "root"}).status_code == 200
    )
    assert {entry.who for entry in live.state.history if "abort" in entry.reason} == {"console"}


@pytest.mark.usefixtures("live")
def test_an_order_without_script_ends_on_the_page_with_its_answer(client: FlaskClient) -> None:
    answer = client.post(ABORT, data={"token": token(client)}, headers=OURS)
    assert answer.status_code == 200
    assert "Done: " in answer.text


@pytest.mark.usefixtures("scene")
def test_without_a_controller_the_order_is_taken_back_and_that_is_said(folder: Path) -> None:
    answer = press(console(folder, within_s=0.3).test_client())
    assert answer.status_code == 503
    assert "no controller answered" in answer.get_json()["message"]
    assert waiting(folder) == []


@pytest.mark.usefixtures("live")
def test_a_refusal_is_passed_on(client: FlaskClient) -> None:
    answer = press(client, "/rollouts/bert/rollout-1/resume")
    assert answer.status_code == 409
    assert "not paused" in answer.get_json()["message"]


def test_an_order_for_a_rollout_that_is_over_is_not_sent(folder: Path, client: FlaskClient) -> None:
    scene = Scene(folder)
    scene.roll("1.1")
    assert press(client).status_code == 409
    assert not (folder / "inbox").exists() or waiting(folder) == []


@pytest.mark.usefixtures("scene")
def test_a_get_asks_and_changes_nothing(folder: Path, client: FlaskClient) -> None:
    before = (folder / "state.json").read_bytes()
    answer = client.get(ABORT)
    assert answer.status_code == 200
    assert "Abort the rollout of 1.1?" in answer.text
    assert (folder / "state.json").read_bytes() == before
    assert waiting(folder) == []


@pytest.mark.usefixtures("scene")
@pytest.mark.parametrize(
    "origin", [{}, {"Origin": "null"}, {"Origin": "http://evil.example"}, {"Origin": "http://localhost:99"}]
)
def test_an_order_from_another_origin_is_refused(client: FlaskClient, origin: dict[str, str]) -> None:
    answer = press(client, headers=origin)
    assert answer.status_code == 403
    assert "Nothing has been changed" in answer.get_json()["message"]


@pytest.mark.usefixtures("scene")
@pytest.mark.parametrize("forged", ["", "0" * 64, SECRET.decode(), "逗号"])
def test_an_order_without_this_browsers_token_is_refused(client: FlaskClient, forged: str) -> None:
    client.get("/")
    assert client.post(ABORT, data={"token": forged}, headers=OURS).status_code == 403


@pytest.mark.usefixtures("scene")
def test_the_token_of_another_browser_is_refused(folder: Path, client: FlaskClient) -> None:
    other = token(console(folder).test_client())
    client.get("/")
    assert client.post(ABORT, data={"token": other}, headers=OURS).status_code == 403


@pytest.mark.usefixtures("scene")
def test_a_word_that_is_no_command_is_refused(client: FlaskClient) -> None:
    answer = press(client, "/rollouts/bert/rollout-1/destroy")
    assert answer.status_code == 400
    assert "use pause, resume, promote, abort or undo" in answer.get_json()["message"]


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8090", "127.0.0.1.evil.example", "192.168.1.9"]
)
def test_other_names_than_loopback_are_refused(client: FlaskClient, host: str) -> None:
    answer = client.get("/", headers={"Host": host})
    assert answer.status_code == 421
    assert "does not answer to the name" in answer.text


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8090", "[::1]:8090", "Rollouts.Example.com"])
def test_loopback_and_configured_names_are_served(folder: Path, host: str) -> None:
    settings = Settings.from_environment(
        {"BERTMESH_CONSOLE_HOSTS": "rollouts.example.com, other.example.com"}
    )
    assert (
        console(folder, settings=settings).test_client().get("/", headers={"Host": host}).status_code == 200
    )


@pytest.mark.parametrize("path", ["/", "/live", "/nowhere", "/static/console.js"])
def test_every_answer_forbids_what_the_page_does_not_need(client: FlaskClient, path: str) -> None:
    answer = client.get(path)
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert "HttpOnly" in answer.headers["Set-Cookie"]
    assert "SameSite=Strict" in answer.headers["Set-Cookie"]


def test_a_header_that_is_no_header_name_is_refused() -> None:
    with pytest.raises(BadSetting, match="give the name of one HTTP header"):
        Settings.from_environment({"BERTMESH_CONSOLE_IDENTITY_HEADER": "x user"})


def test_a_failure_of_our_own_shows_no_traceback(folder: Path) -> None:
    app = console(folder, traffic=None)
    app.add_url_rule("/broken", view_func=lambda: str(1 // 0))
    answer = app.test_client().get("/broken")
    assert answer.status_code == 500
    assert "Traceback" not in answer.text
    assert "ZeroDivisionError" not in answer.text


TRACES = Settings(trace_url="http://jaeger:16686/trace/{trace_id}")


@pytest.mark.usefixtures("scene")
def test_the_worst_disagreements_are_shown_with_links_to_their_traces(folder: Path) -> None:
    asked: list[str] = []

    def worst(canary: str) -> Sequence[Disagreement]:
        asked.append(canary)
        return [disagreement(), disagreement(text="", canary_answer="", trace_id="javascript:alert(1)")]

    text = console(folder, settings=TRACES, disagreements=worst).test_client().get("/").text
    assert asked == ["1.1"]
    for piece in (
        "中国的首都是[MASK]京。",
        "南 0.61",
        'href="http://jaeger:16686/trace/4bf92f3577b34da6a3ce929d0e0e4736"',
        "11 characters, sha256:3f2a",
        "no answer",
    ):
        assert piece in text
    assert 'href="javascript' not in text
    without = console(folder, disagreements=worst).test_client().get("/").text
    assert "trace <code>4bf92f3577b34da6a3ce929d0e0e4736</code>" in without


@pytest.mark.usefixtures("scene")
def test_texts_of_users_cannot_write_into_the_page(folder: Path) -> None:
    nasty = disagreement(text="<script>alert(1)</script>", canary_answer="<b>x</b>")
    text = console(folder, disagreements=lambda _canary: [nasty]).test_client().get("/").text
    assert "<script>alert" not in text
    assert "<b>x</b>" not in text


@pytest.mark.usefixtures("scene")
def test_disagreements_that_cannot_be_read_are_said(folder: Path) -> None:
    def away(_canary: str) -> Sequence[Disagreement]:
        raise ShadowUnreadable(OSError("connection refused"))

    text = console(folder, disagreements=away).test_client().get("/").text
    assert "connection refused" in text
    assert "Worst disagreements" in text


def test_an_address_without_a_place_for_the_trace_is_refused() -> None:
    with pytest.raises(BadSetting, match=r"give an address with \{trace_id\} in it"):
        Settings.from_environment({"BERTMESH_CONSOLE_TRACE_URL": "http://jaeger/trace"})


def test_the_liveness_probe_is_answered_under_any_name(client: FlaskClient) -> None:
    answer = client.get("/livez", headers={"Host": "10.1.2.3:8090"})
    assert (answer.status_code, answer.text) == (200, "ok\n")
