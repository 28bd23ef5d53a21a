"""`bertmesh up`: what it refuses before anything starts."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from bertmesh.commands.up import up

ISSUER = ["--jwt-issuer", "https://issuer.example"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("no json", "it is no JSON"),
        ("[]", "it names no keys"),
        ("{}", "it names no keys"),
        ('{"keys": []}', "it names no keys"),
    ],
)
def test_a_key_set_without_keys_is_refused_by_name(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "jwks.json"
    path.write_text(text, encoding="utf-8")
    answer = CliRunner().invoke(up, [*ISSUER, "--jwks", str(path), "--home", str(tmp_path / "home")])
    assert answer.exit_code == 2
    assert sentence in answer.output.replace("\n", " ")
    assert "jwks.json" in answer.output
    assert not (tmp_path / "home").exists()


def test_an_issuer_without_keys_is_refused(tmp_path: Path) -> None:
    answer = CliRunner().invoke(up, [*ISSUER, "--home", str(tmp_path / "home")])
    assert answer.exit_code == 2
    assert "go together" in answer.output
