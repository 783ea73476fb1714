"""What this machine has, without torch."""

import subprocess

from studio.core import hardware


def test_memory_and_cores_are_plausible():
    found = hardware.detect()
    assert found.cpu_cores >= 1
    assert 0 < found.available_memory_gib <= found.memory_gib
    assert found.training_memory_gib > 0
    assert found.sentence().startswith("This machine:")


def test_a_container_limit_counts(monkeypatch):
    monkeypatch.setattr(hardware, "_container_limit", lambda: 2.0 * hardware.GIB)
    assert hardware.detect().memory_gib == 2.0
    assert hardware.detect().available_memory_gib <= 2.0


def test_gpus_are_read_from_the_driver_tool(monkeypatch):
    hardware._gpus.cache_clear()
    monkeypatch.setattr(hardware.platform, "system", lambda: "Linux")
    monkeypatch.setattr(hardware.shutil, "which", lambda name: "/usr/bin/nvidia-smi")
    answer = subprocess.CompletedProcess([], 0, stdout="NVIDIA Test, 24576\nnonsense\n")
    monkeypatch.setattr(hardware.subprocess, "run", lambda *a, **k: answer)
    try:
        assert [(g.name, g.memory_gib, g.kind) for g in hardware._gpus()] == [("NVIDIA Test", 24.0, "cuda")]
    finally:
        hardware._gpus.cache_clear()


def test_a_broken_driver_tool_means_no_gpu(monkeypatch):
    def fails(*args, **kwargs):
        raise subprocess.TimeoutExpired("nvidia-smi", 5)

    hardware._gpus.cache_clear()
    monkeypatch.setattr(hardware.platform, "system", lambda: "Linux")
    monkeypatch.setattr(hardware.shutil, "which", lambda name: "/usr/bin/nvidia-smi")
    monkeypatch.setattr(hardware.subprocess, "run", fails)
    try:
        assert hardware._gpus() == ()
    finally:
        hardware._gpus.cache_clear()
