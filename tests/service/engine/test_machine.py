from pathlib import Path

from service.engine.machine import gpus, key


def cpu(folder: Path, line: str) -> Path:
    path = folder / "cpuinfo"
    path.write_text(f"processor\t: 0\n{line}\n", encoding="ascii")
    return path


def test_cpus_that_compute_alike_share_a_key(tmp_path: Path) -> None:
    one = key(cpu(tmp_path, "flags\t\t: fpu avx2 avx512f avx512_vnni pku"), "1.0")
    other = key(cpu(tmp_path, "flags\t\t: avx512_vnni avx2 avx512f"), "1.0")
    assert one == other
    assert "avx512_vnni" in one


def test_another_ability_or_another_openvino_makes_another_key(tmp_path: Path) -> None:
    plain = key(cpu(tmp_path, "flags\t\t: avx2"), "1.0")
    assert key(cpu(tmp_path, "flags\t\t: avx2"), "1.1") != plain
    assert key(cpu(tmp_path, "flags\t\t: avx2 avx_vnni"), "1.0") != plain


def test_an_arm_cpu_and_a_machine_that_tells_nothing_have_keys_too(tmp_path: Path) -> None:
    assert "i8mm" in key(cpu(tmp_path, "Features\t: fp asimd asimddp i8mm"), "1.0")
    assert key(tmp_path / "absent", "1.0", tmp_path, tmp_path).endswith("openvino-1.0")


def driver(folder: Path, *models: str) -> Path:
    """Write what NVIDIA's driver tells of its GPUs, numbered from 0."""
    for number, model in enumerate(models):
        told = folder / f"0000:0{number}:00.0"
        told.mkdir(parents=True)
        text = f"Model: \t\t {model}\nIRQ:   \t\t 52\nDevice Minor: \t {number}\nGPU Excluded:\t No\n"
        (told / "information").write_text(text, encoding="ascii")
    return folder


def devices(folder: Path, *names: str) -> Path:
    folder.mkdir()
    for name in names:
        (folder / name).touch()
    return folder


def test_a_gpu_is_part_of_the_key_after_all_else(tmp_path: Path) -> None:
    told = driver(tmp_path / "gpus", "Tesla T4", "NVIDIA H100 80GB HBM3")
    none = key(tmp_path / "absent", "1.0", devices(tmp_path / "none", "nvidiactl", "nvidia-uvm"), told)
    assert none.endswith("openvino-1.0")
    second = key(tmp_path / "absent", "1.0", devices(tmp_path / "second", "nvidia1", "nvidiactl"), told)
    assert second == f"{none}-nvidia-h100-80gb-hbm3"


def test_gpus_of_one_kind_are_one_and_all_kinds_count(tmp_path: Path) -> None:
    told = driver(tmp_path / "gpus", "Tesla T4", "Tesla T4", "NVIDIA L4")
    assert gpus(devices(tmp_path / "two", "nvidia0", "nvidia1"), told) == ["Tesla T4"]
    assert gpus(devices(tmp_path / "three", "nvidia0", "nvidia1", "nvidia2"), told) == [
        "NVIDIA L4",
        "Tesla T4",
    ]


def test_a_gpu_of_which_the_driver_tells_nothing_is_seen_nevertheless(tmp_path: Path) -> None:
    assert gpus(devices(tmp_path / "dev", "nvidia0"), tmp_path / "absent") == ["NVIDIA GPU"]
