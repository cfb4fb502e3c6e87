"""The kernels go through Triton's compiler, which needs no device: the interpreter takes more."""
import re

import pytest
import torch

triton = pytest.importorskip('triton')

from triton.backends.compiler import GPUTarget  # noqa: E402
from triton.compiler import ASTSource  # noqa: E402
from triton.runtime.jit import mangle_type  # noqa: E402

pytestmark = pytest.mark.skipif(triton.knobs.runtime.interpret, reason='interpreted')


def compile_for(capability, kernel, *args, **constants):
    """Compiles as a launch with these arguments would."""
    signature, values, attributes = {}, {}, {}

    def describe(path, arg):
        if isinstance(arg, tuple):
            return tuple(describe((*path, i), item) for i, item in enumerate(arg))
        if isinstance(arg, int) and arg == 1:
            values[path] = 1
            return 'constexpr'
        if not isinstance(arg, int) or arg % 16 == 0:
            attributes[path] = [['tt.divisibility', 16]]
        return mangle_type(arg)

    for i, (name, arg) in enumerate(zip(kernel.arg_names, args, strict=False)):
        signature[name] = describe((i, ), arg)
    for name, value in constants.items():
        signature[name] = 'constexpr'
        values[(kernel.arg_names.index(name), )] = value
    return triton.compile(ASTSource(kernel, signature, values, attributes),
                          target=GPUTarget('cuda', capability, 32))


@pytest.mark.parametrize('dtype, memory_format, capability', [
    (torch.float32, torch.contiguous_format, 90),
    (torch.float16, torch.channels_last, 90),
    (torch.bfloat16, torch.contiguous_format, 80)])
def test_every_kernel_compiles_and_reads_side_by_side(dtype, memory_format, capability,
                                                      monkeypatch):
    from mmdyup.ops.triton import carafe, expand_and_reassemble, point_sample, reassembly
    compiled = []

    def launch(kernel, programs, *args, **constants):
        compiled.append(compile_for(capability, kernel, *args, **constants))

    for module in (expand_and_reassemble, point_sample, reassembly):
        monkeypatch.setattr(module, 'launch', launch)

    def zeros(*shape):
        return torch.zeros(shape, dtype=dtype).to(memory_format=memory_format).requires_grad_()

    x, small, large = zeros(1, 64, 8, 48), zeros(1, 9, 8, 48), zeros(1, 9, 16, 96)
    for y in (carafe.carafe(x, large, 3, 1, 2, False), carafe.carafe(x, large, 3, 1, 2, True),
              point_sample.point_sample(x, zeros(1, 32, 8, 48), torch.zeros(2, 4, 2, 2), 2, 4, 0.5),
              expand_and_reassemble.expand_and_reassemble(x, small, zeros(1, 2, 16, 96), 3, 1, 2)):
        y.backward(torch.zeros_like(y))
    assert len(compiled) == 11
    for kernel in compiled:
        text = kernel.asm['ttgir']
        orders = dict(re.findall(r'(#blocked\d*) = .*order = \[(\d)', text))
        # a tile's first axis is the one along which memory lies contiguous, where it has that
        layouts = re.findall(r'tt\.load .*tensor<(?!1x).*(#blocked\d*)>', text)
        assert layouts and {orders[layout] for layout in layouts} == {'0'}
