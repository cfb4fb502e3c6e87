import os
import pickle

import pytest
import torch
from torch import nn

from conversion.reading import read_weights


class Runs:
    """What would run a command as it is read."""

    def __reduce__(self):
        return os.mkdir, ('was_run',)


class Unknown:
    pass


def refused(content):
    torch.save(content, 'it.pth')
    with pytest.raises(ValueError) as error:
        read_weights('it.pth')
    assert '\n' not in str(error.value) and str(error.value).endswith('.')
    return str(error.value)


@pytest.mark.parametrize('zipped', [True, False])
@pytest.mark.parametrize('key', ['state_dict', 'model', None])
def test_weights_by_name(elsewhere, key, zipped):
    state = {f'module.{name}': value for name, value in nn.Linear(2, 3).state_dict().items()}
    meta = dict(CLASSES=('a', 'b'), epoch=12, time='Mon')
    torch.save(
        state if key is None else {key: state, 'meta': meta, 'optimizer': {'state': {}}},
        'it.pth',
        _use_new_zipfile_serialization=zipped,
    )
    found, told = read_weights('it.pth')
    assert list(found) == ['weight', 'bias']
    assert torch.equal(found['weight'], state['module.weight'])
    assert told == ({} if key is None else meta)


@pytest.mark.parametrize('zipped', [True, False])
def test_what_would_run_is_named_and_does_not(elsewhere, zipped):
    torch.save(dict(state_dict={}, meta=Runs()), 'it.pth', _use_new_zipfile_serialization=zipped)
    with pytest.raises(ValueError, match=r'it.pth asks for \w+\.mkdir, which is code'):
        read_weights('it.pth')
    assert not os.path.exists('was_run')


def test_classes_are_named(elsewhere):
    message = refused(dict(state_dict=nn.Linear(2, 2).state_dict(), meta=Unknown()))
    assert 'Unknown, which is code and no weights' in message
    assert 'torch.nn.modules.linear.Linear' in refused(nn.Linear(2, 2))


def test_what_is_no_checkpoint(elsewhere):
    with pytest.raises(FileNotFoundError, match='no checkpoint none.pth'):
        read_weights('none.pth')
    assert 'holds no weights by name, but a list' in refused([1, 2])
    assert 'holds no tensors by name' in refused(dict(state_dict=dict(epoch=1)))
    torch.save(nn.Linear(20, 20).state_dict(), 'it.pth')
    whole = open('it.pth', 'rb').read()
    for content in (whole[: len(whole) // 2], b'', b'hello', pickle.dumps('hello')):
        open('it.pth', 'wb').write(content)
        with pytest.raises(ValueError, match='it.pth (cannot be read: it is cut off|holds no)'):
            read_weights('it.pth')
