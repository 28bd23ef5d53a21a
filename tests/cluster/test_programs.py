"""Where programs come from; Go and the programs are scripts here."""

import stat
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.cluster.programs import ETCD, KUBERNETES, ProgramMissing, Shelf

GO = """
import os, sys, pathlib
words = sys.argv[1:]
here = pathlib.Path(__file__).parent
if words == ["env", "GOVERSION"]:
    print((here / "version").read_text())
else:
    cache = pathlib.Path(os.environ["GOCACHE"])
    cache.mkdir(exist_ok=True)
    (cache / "object").write_text("")
    with (here / "asked").open("a") as asked:
        print(words[0], words[-1], file=asked)
    if (here / "broken").exists():
        sys.exit("does not compile")
    target = pathlib.Path(words[words.index("-o") + 1])
    target.write_text("#!/bin/sh\\n")
    target.chmod(0o755)
"""


class Machine:
    """A machine with what a test puts on it."""

    def __init__(self, folder: Path) -> None:
        self.path, self.assets, self.cache = folder / "path", folder / "assets", folder / "cache" / "cluster"
        for each in (self.path, self.assets):
            each.mkdir()
        self.said: list[str] = []

    def install(self, folder: Path, name: str, says: str) -> Path:
        """Put a program there that prints something."""
        return _script(folder / name, f"print({says!r})")

    def install_go(self, version: str = "go1.26.8") -> None:
        _script(self.path / "go", GO)
        (self.path / "version").write_text(version)

    def shelf(self) -> Shelf:
        environment: Mapping[str, str] = {"PATH": str(self.path), "KUBEBUILDER_ASSETS": str(self.assets)}
        return Shelf(self.cache, environment, self.said.append)

    @property
    def asked(self) -> list[str]:
        """What Go was asked to do."""
        file = self.path / "asked"
        return file.read_text().splitlines() if file.exists() else []


def _script(file: Path, text: str) -> Path:
    file.write_text(f"#!{sys.executable}\n{text}\n")
    file.chmod(file.stat().st_mode | stat.S_IXUSR)
    return file


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_program_of_the_right_version_is_taken_from_the_assets_before_the_path(machine: Machine) -> None:
    theirs = machine.install(machine.assets, "kube-apiserver", "Kubernetes v1.36.0")
    machine.install(machine.path, "kube-apiserver", "Kubernetes v1.36.1")
    assert machine.shelf().get(["kube-apiserver"]) == {"kube-apiserver": theirs}
    assert machine.said == [f"kube-apiserver v1.36.0 is there already: {theirs}"]


def test_a_program_of_another_version_is_passed_over_and_said(machine: Machine) -> None:
    old = machine.install(machine.path, "kube-apiserver", "Kubernetes v1.29.3")
    machine.install_go()
    found = machine.shelf().get(["kube-apiserver"])["kube-apiserver"]
    assert found.parent == machine.shelf().folder(KUBERNETES)
    assert f"{old} is passed over: it says 'Kubernetes v1.29.3'" in machine.said[0]


def test_what_is_nowhere_is_built_once_and_kept_without_the_build_cache(machine: Machine) -> None:
    machine.install_go()
    built = machine.shelf().get(["etcd"])["etcd"]
    assert machine.asked == [f"build {ETCD.programs['etcd']}"]
    (machine.path / "go").unlink()
    assert machine.shelf().get(["etcd"]) == {"etcd": built}
    assert sorted(each.name for each in machine.cache.iterdir()) == ["build.lock", built.parent.name]
    assert [each.name for each in built.parent.iterdir()] == ["etcd"]


def test_only_what_is_asked_for_is_built(machine: Machine) -> None:
    machine.install_go()
    machine.shelf().get(["kube-controller-manager"])
    assert machine.asked == ["build k8s.io/kubernetes/cmd/kube-controller-manager"]


@pytest.mark.parametrize("version", ["", "go1.25.4"])
def test_a_missing_or_old_go_is_told_in_one_line_with_what_to_do(version: str, machine: Machine) -> None:
    if version:
        machine.install_go(version)
    with pytest.raises(ProgramMissing) as missing:
        machine.shelf().get(["etcd"])
    assert "etcd cannot be built: " in str(missing.value)
    assert "install Go 1.26 or newer" in str(missing.value)
    assert version in str(missing.value)
    assert "\n" not in str(missing.value)


def test_a_build_that_fails_says_why_and_leaves_nothing(machine: Machine) -> None:
    machine.install_go()
    (machine.path / "broken").touch()
    with pytest.raises(ProgramMissing, match="does not compile"):
        machine.shelf().get(["etcd"])
    assert list(machine.shelf().folder(ETCD).iterdir()) == []
    assert not (machine.cache / "go-build").exists()


def test_two_runs_at_once_build_once(machine: Machine) -> None:
    machine.install_go()
    runs = [threading.Thread(target=machine.shelf().get, args=(["etcd"],)) for _ in range(2)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert len(machine.asked) == 1
