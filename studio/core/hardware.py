"""What this machine has. Never imports torch: the app process asks too."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import psutil

GIB = 1024**3


@dataclass(frozen=True)
class Gpu:
    name: str
    memory_gib: float
    kind: str = "cuda"


@dataclass(frozen=True)
class Hardware:
    """Cores, memory in GiB (what this process may use, container limits counted in) and accelerators."""

    cpu_name: str
    cpu_cores: int
    memory_gib: float
    available_memory_gib: float
    gpus: tuple[Gpu, ...]
    cpu_bf16: bool

    @property
    def device(self) -> str:
        """``cuda``, ``mps`` or ``cpu``."""
        return self.gpus[0].kind if self.gpus else "cpu"

    @property
    def training_memory_gib(self) -> float:
        """What one training run may use: a GPU's memory, or what is available here less 1 GiB for the rest."""
        if self.gpus and self.gpus[0].kind == "cuda":
            return self.gpus[0].memory_gib
        return max(0.5, self.available_memory_gib - 1.0)

    def sentence(self) -> str:
        where = (
            f"{self.gpus[0].name}, {self.gpus[0].memory_gib:.0f} GB"
            if self.gpus
            else f"{self.cpu_cores} processor cores, no GPU"
        )
        return f"This machine: {where}, {self.memory_gib:.0f} GB of memory."


def detect() -> Hardware:
    """Look at the machine; GPUs are asked for once, memory every time."""
    memory = psutil.virtual_memory()
    total, available = float(memory.total), float(memory.available)
    limit = _container_limit()
    if limit and limit < total:
        used = psutil.Process().memory_info().rss
        total, available = limit, min(available, max(0.0, limit - used))
    return Hardware(
        cpu_name=_cpu_name(),
        cpu_cores=_usable_cores(),
        memory_gib=total / GIB,
        available_memory_gib=available / GIB,
        gpus=_gpus(),
        cpu_bf16=_cpu_bf16(),
    )


def free_disk_gib(path: Path) -> float:
    """Free space at ``path`` or its nearest existing parent, GiB."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return shutil.disk_usage(path).free / GIB


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _container_limit() -> float | None:
    """The cgroup's memory limit in bytes (v2, then v1), or None."""
    for place in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            return float(Path(place).read_text().strip())
        except (OSError, ValueError):
            continue
    return None


@lru_cache(maxsize=1)
def _gpus() -> tuple[Gpu, ...]:
    if platform.system() == "Darwin" and platform.machine() == "arm64":
        return (Gpu("Apple GPU", psutil.virtual_memory().total / GIB, "mps"),)
    command = shutil.which("nvidia-smi")
    if not command:
        return ()
    try:
        listing = subprocess.run(
            [command, "--query-gpu=name,memory.total", "--format=csv,noheader,nounits"],
            capture_output=True, text=True, timeout=5, check=True,
        ).stdout  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return ()
    gpus = []
    for line in listing.splitlines():
        name, _, mib = line.rpartition(",")
        if name and mib.strip().isdigit():
            gpus.append(Gpu(name.strip(), int(mib) / 1024))
    return tuple(gpus)


@lru_cache(maxsize=1)
def _cpu_info() -> str:
    try:
        return Path("/proc/cpuinfo").read_text()
    except OSError:
        return ""


def _cpu_name() -> str:
    for line in _cpu_info().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _cpu_bf16() -> bool:
    """Whether bf16 matrix products are faster than float32 here (AVX-512 BF16 or AMX)."""
    flags = next((line for line in _cpu_info().splitlines() if line.startswith("flags")), "")
    return "avx512_bf16" in flags or "amx_bf16" in flags
