import os
import platform
from pathlib import Path

import mmcv
import mmengine
import torch

from ..version import __version__

_VARIABLES = ('OMP_NUM_THREADS', 'MKL_NUM_THREADS', 'OMP_WAIT_POLICY')


def describe_machine(device: str) -> dict[str, str | int]:
    """What the numbers depend on: processor, cores, versions; the GPU where ``device`` is one."""
    facts = {
        'system': f'{platform.system()} {platform.machine()}',
        'processor': _processor(),
        'instructions': torch.backends.cpu.get_cpu_capability(),
        'cores': os.cpu_count(),
        'threads of PyTorch': torch.get_num_threads(),
        'Python': platform.python_version(),
        'torch': torch.__version__,
        'mmengine': mmengine.__version__,
        'mmcv': mmcv.__version__,
        'mmdyup': __version__,
        **{name: os.environ[name] for name in _VARIABLES if name in os.environ},
    }
    if device == 'cuda':
        gpu = torch.cuda.get_device_properties(torch.cuda.current_device())
        facts |= {
            'GPU': gpu.name,
            'compute capability': f'{gpu.major}.{gpu.minor}',
            'GPU memory, MB': round(gpu.total_memory / 1e6),
            'L2 cache, MB': round(gpu.L2_cache_size / 1e6),
            'CUDA': torch.version.cuda,
        }
    return facts


def _processor() -> str:
    info = Path('/proc/cpuinfo')
    lines = info.read_text(encoding='utf-8').splitlines() if info.exists() else []
    names = [line.partition(':')[2].strip() for line in lines if line.startswith('model name')]
    return names[0] if names else platform.processor() or 'unknown'
