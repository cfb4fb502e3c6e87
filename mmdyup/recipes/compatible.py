"""Whether a checkpoint is one of the model that is to be tested."""

from mmengine.model import is_model_wrapper
from mmengine.runner import CheckpointLoader
from torch import nn


def check_fits(model: nn.Module, source: str) -> None:
    """Raise ValueError when the tensors of the checkpoint `source` have other names or shapes than
    those of `model`: mmengine would only warn, and score the random weights it left."""
    model = model.module if is_model_wrapper(model) else model
    checkpoint = CheckpointLoader.load_checkpoint(source, map_location='cpu')
    saved = checkpoint.get('state_dict', checkpoint)
    saved = {name.removeprefix('module.'): value for name, value in saved.items()}
    own = model.state_dict()
    common = saved.keys() & own.keys()
    unlike = sorted(name for name in common if saved[name].shape != own[name].shape)
    if common and not unlike:
        return
    example = f'{unlike[0]} has another shape' if unlike else 'no tensor has a name in common'
    raise ValueError(
        f'{source} holds the weights of another model ({example}): test it with the config that '
        'training saved beside it, or with the flags of the training (--data, --shapes, --tiny, '
        '--from-scratch).'
    )
