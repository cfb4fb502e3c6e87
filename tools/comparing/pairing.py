"""What makes runs of one seed a pair: the same first weights, the same draws in every step.

An upsampler with parameters draws from PyTorch's generator, and all that is made or drawn after it
would be other than in a model without it. So what variants share is taken from one model. Every
step and every batch draws from a seed of its own already, by which a training resumes exactly.
"""

import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.registry import MODELS, DefaultScope
from mmengine.runner import Runner, load_checkpoint, set_random_seed
from torch import Tensor, nn

from mmdyup.upsamplers import Upsampler

DISTURBANCE = 1e-6


def first_weights(config: str, seed: int) -> dict[str, Tensor]:
    """The state in which the model of a config file starts under ``seed``."""
    cfg = Config.fromfile(config)
    set_random_seed(seed)
    with DefaultScope.overwrite_default_scope(cfg.get('default_scope')):
        model = MODELS.build(cfg.model)
        model.init_weights()
    if cfg.get('load_from'):
        load_checkpoint(model, cfg.load_from, map_location='cpu')
    return model.state_dict()


def load_shared(model: nn.Module, start: dict[str, Tensor]) -> None:
    """Gives ``model`` the tensors of ``start``; what belongs to its upsamplers stays as it is.

    Raises:
        ValueError: Another tensor is missing from ``start``, or the model has no use for one.
    """
    found = model.load_state_dict(start, strict=False)
    own = tuple(f'{name}.' for name in upsamplers(model))
    strange = [key for key in found.missing_keys if not key.startswith(own)]
    strange += found.unexpected_keys
    if strange:
        raise ValueError(
            f'The models differ in {len(strange)} tensors beside those of their upsamplers, for '
            f'instance {strange[0]}: there is no start that they could share.'
        )


def upsamplers(model: nn.Module) -> dict[str, Upsampler]:
    """Those of ``model`` by their names."""
    return {name: module for name, module in model.named_modules() if isinstance(module, Upsampler)}


def model_of(runner: Runner) -> nn.Module:
    """A runner's model, without what wraps it where several processes train it."""
    return runner.model.module if is_model_wrapper(runner.model) else runner.model


def draw_apart(upsampler: Upsampler) -> None:
    """Lets ``upsampler`` draw what it likes in a step, and what follows draw as without it."""
    states = []

    def keep(*_) -> None:
        states.append((torch.get_rng_state(), torch.cuda.get_rng_state_all()))

    def restore(*_) -> None:
        state, cuda_states = states.pop()
        torch.set_rng_state(state)
        torch.cuda.set_rng_state_all(cuda_states)

    upsampler.register_forward_pre_hook(keep)
    upsampler.register_forward_hook(restore)


def disturb(model: nn.Module, seed: int) -> None:
    """Changes every weight that learns by about a millionth of itself."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        if parameter.requires_grad:
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.data.mul_(1 + DISTURBANCE * noise.to(parameter))


class Pairing(Hook):
    """Starts a run from ``start``, and lets its upsamplers draw apart."""

    priority = 'VERY_HIGH'

    def __init__(self, start: dict[str, Tensor], seed: int, disturbed: bool) -> None:
        self.start = start
        self.seed = seed
        self.disturbed = disturbed

    def before_train(self, runner: Runner) -> None:
        model = model_of(runner)
        for upsampler in upsamplers(model).values():
            draw_apart(upsampler)
        # a run that goes on has weights of its own
        if runner.iter == 0:
            load_shared(model, self.start)
            if self.disturbed:
                disturb(model, self.seed)
