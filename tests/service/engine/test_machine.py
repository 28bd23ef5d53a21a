from pathlib import Path

from service.engine.machine import key


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
    assert key(tmp_path / "absent", "1.0").endswith("openvino-1.0")
