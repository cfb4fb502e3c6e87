"""Reads a checkpoint of others: tensors and plain values alone, never a pickle of other classes."""

import re
from pathlib import Path
from pickle import UnpicklingError

import torch
from torch import Tensor

# what PyTorch's messages, which differ between its versions, put before a name
_ASKED = re.compile(r'(?:GLOBAL|Unsupported class|unrecognized function)\s+([\w.]+)')
# where the weights stand in a file
_KEYS = ('state_dict', 'model')


def read_weights(file: str) -> tuple[dict[str, Tensor], dict]:
    """The weights in a checkpoint, and what is told of them.

    Beside tensors and plain values, only what mmengine's checkpoints hold of the log is read.

    Args:
        file: A path.

    Returns:
        The tensors by their names, without the ``module.`` of a wrapper, and the ``meta`` of the
        file, empty where it has none.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file asks for more than tensors, cannot be read, or holds no weights.
    """
    if not Path(file).is_file():
        raise FileNotFoundError(f'There is no checkpoint {file}: give the path of a .pth file.')
    try:
        checkpoint = torch.load(file, map_location='cpu', weights_only=True)
    except (UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, TypeError) as error:
        raise ValueError(_refusal(file, str(error))) from error
    if not isinstance(checkpoint, dict):
        raise ValueError(f'{file} holds no weights by name, but a {type(checkpoint).__name__}.')
    inner = next((checkpoint[key] for key in _KEYS if isinstance(checkpoint.get(key), dict)), None)
    found = checkpoint if inner is None else inner
    state = {
        name.removeprefix('module.'): value
        for name, value in found.items()
        if isinstance(name, str) and isinstance(value, Tensor)
    }
    if not state:
        raise ValueError(f'{file} holds no tensors by name: give a checkpoint of a model.')
    meta = checkpoint.get('meta')
    return state, meta if isinstance(meta, dict) else {}


def _refusal(file: str, message: str) -> str:
    asked = _ASKED.search(message)
    if asked is None:
        return f'{file} cannot be read: it is cut off, or no checkpoint; take another copy.'
    name = asked[1].rstrip('.').removeprefix('__builtin__.')  # which PyTorch 2.1 says
    return (
        f'{file} asks for {name}, which is code and no weights, so it was not '
        'loaded: if you trust its source, save its state_dict alone where it was made.'
    )
