"""The machine code of the Triton kernels, counted without a GPU."""

import re
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, CompiledKernel
from triton.runtime.jit import JITFunction, mangle_type

from mmdyup.ops.reassembly import triton as reassembly
from mmdyup.ops.sampling import triton as sampling
from mmdyup.ops.triton_tools import launch

_INSTRUCTION = re.compile(r'/\*([0-9a-f]{4,})\*/\s+(?:@!?U?P\w+\s+)?([A-Z][\w.]*)\s*([^;]*);')


class Count(NamedTuple):
    """Of a kernel: registers of a thread, bytes it spills, and the instructions of a loop."""

    kernel: str
    registers: int
    spilled: int
    loop: Counter


def compile_kernels(capability: int, run: Callable[[], object]) -> list[CompiledKernel]:
    """Calls ``run`` with every launch of a kernel replaced by compiling it for ``capability``."""
    compiled = []

    def compile_launch(kernel, programs, *args, **constants):
        compiled.append(_compile(capability, kernel, args, constants))

    with launch.intercept_launches(compile_launch):
        run()
    return compiled


def run_kernels(
    c: int,
    h: int,
    w: int,
    kernel_size: int,
    scale_factor: int,
    batch: int,
    dtype: torch.dtype,
    memory_format: torch.memory_format,
) -> None:
    """Runs every kernel forward and backward, four groups for sampling and one for the others."""
    k, s = kernel_size, scale_factor

    def empty(channels, h, w, dtype=dtype):
        return torch.empty((batch, channels, h, w), dtype=dtype, memory_format=memory_format)

    x, large, y = empty(c, h, w), empty(k * k, s * h, s * w), empty(c, s * h, s * w)
    reassembly.reassemble(x, large, k, 1, s, True, y)
    reassembly.reassemble(x, large, k, 1, s, False, y)
    reassembly.spread(large, y, k, 1, s, x)
    reassembly.scores(x, y, k, 1, s, large)
    small, pairs = empty(k * k, h, w), empty(2, s * h, s * w)
    reassembly.expand_and_reassemble(x, small, pairs, k, 1, s, y)
    offsets = empty(8 * s * s, h, w, torch.float32).unflatten(1, (2, 4, s, s))
    start = torch.empty(2, 4, s, s)
    sampling.sample(x, offsets, start, 0.25, y)
    sampling.sample_backward(x, y, offsets, start, 0.25, [True, True], x, torch.empty_like(offsets))


def count(kernel: CompiledKernel) -> Count:
    """The instructions of the innermost loop with most multiply-adds, or, without one, of all."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, 'kernel.cubin')
        path.write_bytes(kernel.asm['cubin'])
        usage, code = (_cuobjdump(flag, path) for flag in ('-res-usage', '-sass'))
    code = [
        (int(address, 16), name, rest)
        for address, name, rest in _INSTRUCTION.findall(code)
        if name != 'NOP'
    ]
    loops = [
        (int(target[1], 16), address)
        for address, name, rest in code
        if name.startswith('BRA')
        and (target := re.search(r'0x([0-9a-f]+)', rest))
        and int(target[1], 16) < address
    ]
    innermost = [
        loop
        for loop in loops
        if not any(
            loop[0] <= first and last <= loop[1] and (first, last) != loop for first, last in loops
        )
    ]
    bodies = [
        Counter(_kind(name) for address, name, _ in code if first <= address <= last)
        for first, last in innermost or [(0, code[-1][0])]
    ]
    registers, spilled = (int(re.search(rf'{word}:(\d+)', usage)[1]) for word in ('REG', 'STACK'))
    return Count(
        kernel.metadata.name,
        registers,
        spilled,
        max(bodies, key=lambda body: body['FFMA'] + body['DFMA']),
    )


def _compile(capability: int, kernel: JITFunction, args: tuple, constants: dict) -> CompiledKernel:
    # as a launch with these arguments would: what is 1 is a constant, what 16 divides is known to
    signature, values, attributes = {}, {}, {}

    def describe(path, arg):
        if isinstance(arg, tuple):
            return tuple(describe((*path, i), item) for i, item in enumerate(arg))
        if arg is None or isinstance(arg, int) and arg == 1:
            values[path] = arg
            return 'constexpr'
        if not isinstance(arg, int) or arg % 16 == 0:
            attributes[path] = [['tt.divisibility', 16]]
        return mangle_type(arg)

    for i, (name, arg) in enumerate(zip(kernel.arg_names, args, strict=False)):
        signature[name] = describe((i,), arg)
    for name, value in constants.items():
        signature[name] = 'constexpr'
        values[(kernel.arg_names.index(name),)] = value
    return triton.compile(
        ASTSource(kernel, signature, values, attributes),
        target=GPUTarget('cuda', capability, 32),
        options=dict(maxnreg=launch.REGISTERS),
    )


def _cuobjdump(flag: str, path: Path) -> str:
    tool = Path(triton.__file__).parent / 'backends' / 'nvidia' / 'bin' / 'cuobjdump'
    return subprocess.run([tool, flag, path], capture_output=True, text=True, check=True).stdout


def _kind(name: str) -> str:
    # of a memory access also its width, 32 bits where it says none
    width = re.search(r'\.(U?8|U?16|64|128)\b', name)
    kind = name.split('.')[0]
    return f'{kind}.{width[1]}' if width and kind in ('LDG', 'STG') else kind
