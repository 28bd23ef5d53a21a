from pathlib import Path

import pytest

from service.errors import SettingsError
from service.pod.faults import Fault
from service.pod.settings import Settings, cpu_quota

MINIMAL = {"BERTMESH_MODEL": "zh-small:1.0"}


def test_only_the_model_is_needed() -> None:
    settings = Settings.from_env(MINIMAL)
    assert settings.model == "zh-small:1.0"
    assert settings.redis_url is None
    assert settings.fault is None
    assert settings.threads >= 1


def test_an_empty_variable_is_as_good_as_none() -> None:
    empty = {"BERTMESH_FAULT": "", "BERTMESH_REDIS_URL": "", "BERTMESH_VERSION": "", "BERTMESH_THREADS": ""}
    settings = Settings.from_env(MINIMAL | empty)
    assert (settings.fault, settings.redis_url, settings.version) == (None, None, None)


def test_a_fault_is_taken_in_the_local_home_alone() -> None:
    local = MINIMAL | {"BERTMESH_FAULT": "error=0.3", "BERTMESH_HOME_KIND": "local"}
    assert Settings.from_env(local).fault == Fault(error=0.3)
    with pytest.raises(SettingsError, match="faults exist only in the local mesh: unset it"):
        Settings.from_env(MINIMAL | {"BERTMESH_FAULT": "error=0.3"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BERTMESH_MODEL", ""),
        ("BERTMESH_BIND", "8000"),
        ("BERTMESH_BIND", "127.0.0.1:99999"),
        ("BERTMESH_ENGINE", "int4"),
        ("BERTMESH_THREADS", "0"),
        ("BERTMESH_THREADS", "many"),
        ("BERTMESH_DEADLINE_S", "nan"),
        ("BERTMESH_LOG_LEVEL", "loud"),
        ("BERTMESH_QUEUE_TOKENS", "-5"),
        ("BERTMESH_CACHE_LOCAL_BYTES", "-1"),
    ],
)
def test_a_value_that_cannot_be_used_is_named_with_what_was_needed(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=rf"{name} is {value!r}; .* needed: "):
        Settings.from_env(MINIMAL | {name: value})


@pytest.mark.parametrize(("text", "cpus"), [("100000 100000", 1), ("50000 100000", 1), ("100001 100000", 2)])
def test_threads_follow_the_cgroup_quota(tmp_path: Path, text: str, cpus: int) -> None:
    (tmp_path / "cpu.max").write_text(text)
    assert cpu_quota(tmp_path / "cpu.max") == min(cpus, cpu_quota(tmp_path / "nothing"))


def test_without_a_quota_all_cpus_of_the_process_count(tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text("max 100000")
    assert cpu_quota(tmp_path / "cpu.max") == cpu_quota(tmp_path / "nothing") >= 1
