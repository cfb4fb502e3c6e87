"""Names of tensors in the authors' forks, and in older versions of the frameworks, as ours."""

import re
from collections import defaultdict
from collections.abc import Callable

import torch
from torch import Tensor

State = dict[str, Tensor]

# The forks number the six steps of SegFormer's head; ours are by level, then by step.
_STEPS = ('3.0', '3.1', '3.2', '2.0', '2.1', '1.0')
_STEP = re.compile(r'decode_head\.(?:upsamplers|upsample_modules)\.(\d)\.(.+)')
# within a block of SegFormer's own backbone
_BLOCK = {
    'attn.proj': 'attn.attn.out_proj',
    'mlp.fc1': 'ffn.layers.0',
    'mlp.dwconv.dwconv': 'ffn.layers.1',
    'mlp.fc2': 'ffn.layers.4',
}


class Renaming:
    """A state whose names are being changed, with what became of them.

    Args:
        state: Tensors by the names that the file gives.
        own: The names of the model that they are for.

    Attributes:
        state: Tensors by the names so far.
        moved: For each rule, old names and new ones.
        left: Names that no model of ours has a use for, and why.
    """

    def __init__(self, state: State, own: set[str]) -> None:
        self.state = dict(state)
        self.own = own
        self.moved: dict[str, list[tuple[str, str]]] = defaultdict(list)
        self.left: dict[str, str] = {}

    def move(self, rule: str, old: str, new: str, change: Callable | None = None) -> None:
        value = self.state.pop(old)
        self.state[new] = value if change is None else change(value)
        self.moved[rule].append((old, new))

    def join(self, rule: str, olds: list[str], new: str) -> None:
        """Puts several tensors on top of one another."""
        self.state[new] = torch.cat([self.state.pop(old) for old in olds])
        self.moved[rule].extend((old, new) for old in olds)

    def leave(self, name: str, why: str) -> None:
        del self.state[name]
        self.left[name] = why


def rename(state: State, own: set[str]) -> Renaming:
    """Gives a state the names of a model of ours, as far as rules know them.

    Args:
        state: Tensors by the names that the file gives.
        own: The names of the model.

    Returns:
        What came of it. Names that no rule knows stay as they are.
    """
    renaming = Renaming(state, own)
    for rule in (_freqfusion, _steps, _plain, _backbone, _head):
        rule(renaming)
    return renaming


def _freqfusion(renaming: Renaming) -> None:
    for name in list(renaming.state):
        new = re.sub(r'^neck\.alignment\.', 'neck.upsample_modules.', name)
        if new != name:
            renaming.move("FreqFusion's neck", name, new)
    for name in [name for name in renaming.state if name.endswith('.dysampler.init_pos')]:
        renaming.leave(name, 'a constant')


def _steps(renaming: Renaming) -> None:
    ours = any(name.startswith('decode_head.upsample_modules.3.2.') for name in renaming.own)
    found = {name: _STEP.fullmatch(name) for name in renaming.state}
    found = {name: match for name, match in found.items() if match}
    numbered = any(match[1] in '045' for match in found.values())
    for name, match in found.items():
        if ours and numbered and int(match[1]) < len(_STEPS):
            step = _STEPS[int(match[1])]
            new = f'decode_head.upsample_modules.{step}.{match[2]}'
            renaming.move("six steps of SegFormer's head", name, new)
        elif name.startswith('decode_head.upsamplers.'):
            new = f'decode_head.upsample_modules.{match[1]}.{match[2]}'
            renaming.move("upsamplers of a fork's head", name, new)


def _plain(renaming: Renaming) -> None:
    """A fork's transposed convolution, and its convolution before a pixel shuffle."""
    for new in sorted(renaming.own - renaming.state.keys()):
        before, layer, kind = new.rpartition('.layer.')
        if layer:
            kind = kind.removeprefix('upsample_conv.')
            for old in (f'{before}.{kind}', f'{before}.0.{kind}', f'{before}.upsample_conv.{kind}'):
                if old in renaming.state and old not in renaming.own:
                    renaming.move('plain layers of a fork', old, new)
                    break


def _backbone(renaming: Renaming) -> None:
    """SegFormer's own backbone as mmseg's MixVisionTransformer."""
    rule = "SegFormer's own backbone"
    patterns = (
        (r'backbone\.patch_embed(\d)\.proj\.(\w+)', 'backbone.layers.{0}.0.projection.{1}'),
        (r'backbone\.patch_embed(\d)\.norm\.(\w+)', 'backbone.layers.{0}.0.norm.{1}'),
        (r'backbone\.norm(\d)\.(\w+)', 'backbone.layers.{0}.2.{1}'),
        (r'backbone\.block(\d)\.(\d+)\.(.+)\.(\w+)', 'backbone.layers.{0}.1.{1}.{2}.{3}'),
    )
    for name in list(renaming.state):
        for pattern, into in patterns:
            match = re.fullmatch(pattern, name)
            if not match or name not in renaming.state:
                continue
            level, *others = match.groups()
            if len(others) == 3:
                _move_of_block(renaming, rule, name, int(level) - 1, *others)
            else:
                renaming.move(rule, name, into.format(int(level) - 1, *others))
    for name in [name for name in renaming.state if name.startswith('backbone.head.')]:
        renaming.leave(name, 'it classifies whole pictures')


def _move_of_block(
    renaming: Renaming, rule: str, name: str, level: int, block: str, layer: str, kind: str
) -> None:
    start = f'backbone.layers.{level}.1.{block}.'
    if layer in ('attn.q', 'attn.kv'):
        before = name.rpartition(f'{layer}.')[0]
        parts = [f'{before}attn.{part}.{kind}' for part in ('q', 'kv')]
        if all(part in renaming.state for part in parts):
            renaming.join(rule, parts, f'{start}attn.attn.in_proj_{kind}')
        return
    # a linear layer of ours is a 1×1 convolution
    linear = layer in ('mlp.fc1', 'mlp.fc2') and kind == 'weight'
    change = (lambda weight: weight[..., None, None]) if linear else None
    renaming.move(rule, name, f'{start}{_BLOCK.get(layer, layer)}.{kind}', change)


def _head(renaming: Renaming) -> None:
    """SegFormer's own head: our head renames it itself, but for a layer that it does not use."""
    if 'decode_head.linear_pred.weight' not in renaming.state:
        return
    for kind in ('weight', 'bias'):
        name = f'decode_head.conv_seg.{kind}'
        if name in renaming.state:
            renaming.leave(name, "SegFormer's own head does not use it")
