import os
import subprocess

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import save_checkpoint
from torch import nn

from preamble import room_on_disk
from recipes.start import check_start, choose_start, claim, last_whole_checkpoint, resume_exactly

CHECKPOINT = dict(
    meta=dict(seed=5), state_dict=nn.Linear(1, 1).state_dict(), optimizer={}, message_hub={}
)


def save(path, content=CHECKPOINT, seconds=0):
    """A checkpoint that was written `seconds` after others."""
    torch.save(content, path)
    os.utime(path, (1e9 + seconds, 1e9 + seconds))
    return path


def cut(path):
    path.write_bytes(path.read_bytes()[:-100])


def test_the_last_checkpoint(tmp_path):
    assert last_whole_checkpoint(str(tmp_path / 'none')) is None
    assert last_whole_checkpoint(str(tmp_path)) is None
    save(tmp_path / 'iter_900.pth', seconds=1)  # of another run, long ago
    save(tmp_path / 'iter_200.pth', seconds=2)
    save(tmp_path / 'iter_300.pth', seconds=3)
    assert last_whole_checkpoint(str(tmp_path))[0] == str(tmp_path / 'iter_300.pth')
    # where the folder was when it was written
    (tmp_path / 'last_checkpoint').write_text('elsewhere/iter_200.pth\n')
    path, content = last_whole_checkpoint(str(tmp_path))
    assert path == str(tmp_path / 'iter_200.pth') and content['meta'] == dict(seed=5)


def test_a_checkpoint_that_was_being_written(tmp_path, capsys):
    save(tmp_path / 'iter_2.pth', seconds=1)
    (tmp_path / 'last_checkpoint').write_text(str(tmp_path / 'iter_2.pth'))
    cut(save(tmp_path / 'iter_4.pth', seconds=2))
    assert last_whole_checkpoint(str(tmp_path))[0] == str(tmp_path / 'iter_2.pth')
    out = capsys.readouterr().out
    assert 'iter_4.pth is cut off; going on from' in out and out.count('\n') == 1
    cut(tmp_path / 'iter_2.pth')
    with pytest.raises(ValueError, match='no other checkpoint'):
        last_whole_checkpoint(str(tmp_path))


def test_what_a_training_starts_from(tmp_path, capsys):
    def cfg(**options):
        return Config(dict(work_dir=str(tmp_path), load_from=None, **options))

    fresh = cfg()
    assert choose_start(fresh, None) is None and choose_start(fresh, 'auto') is None
    assert 'training starts anew' in capsys.readouterr().out and 'resume' not in fresh

    path = str(save(tmp_path / 'iter_2.pth'))
    for resume in ('auto', path):
        resumed = cfg()
        assert choose_start(resumed, resume)['optimizer'] == {}
        assert resumed.resume and resumed.load_from == path
        # the order of the pictures comes from it
        assert resumed.randomness == dict(seed=5)
    seeded = cfg(randomness=dict(seed=1, deterministic=True))
    choose_start(seeded, path)
    assert seeded.randomness == dict(seed=1, deterministic=True)

    with pytest.raises(FileNotFoundError, match='no checkpoint none.pth'):
        choose_start(cfg(), 'none.pth')
    torch.save(nn.Linear(1, 1).state_dict(), tmp_path / 'weights.pth')
    with pytest.raises(ValueError, match='holds weights alone'):
        choose_start(cfg(), str(tmp_path / 'weights.pth'))


def test_weights_to_begin_with_may_lack_something(capsys):
    class Runner:
        model = nn.ModuleDict(dict(backbone=nn.Linear(2, 2), head=nn.Linear(2, 3)))
        cfg = Config(dict(load_from='x.pth', resume=False, model={}))

    other = nn.ModuleDict(dict(backbone=nn.Linear(2, 2), head=nn.Linear(2, 80)))
    check_start(Runner, None)
    check_start(Runner, Runner.model.state_dict())
    check_start(Runner, dict(state_dict=other.state_dict()))
    with pytest.raises(ValueError, match='nothing in x.pth fits'):
        check_start(Runner, nn.Linear(4, 4).state_dict())
    Runner.cfg.resume = True
    with pytest.raises(ValueError, match='2 have another shape .head.bias, head.weight'):
        check_start(Runner, dict(state_dict=other.state_dict()))


def test_batches_stay_those_of_the_config():
    inner = dict(type='AspectRatioBatchSampler')
    cfg = Config(dict(train_dataloader=dict(batch_size=2, drop_last=True, batch_sampler=inner)))
    for _ in range(2):  # a config that was saved has it already
        resume_exactly(cfg)
        assert cfg.train_dataloader.batch_sampler == dict(
            type='SeededBatches', batch_sampler=inner, drop_last=True
        )
        assert 'drop_last' not in cfg.train_dataloader
        assert cfg.default_hooks.resume.type == 'ExactResume'
        assert cfg.custom_imports.imports == ['mmdyup']


def test_two_trainings_in_one_folder(tmp_path):
    with claim(str(tmp_path / 'out')), pytest.raises(ValueError, match='another training') as error:
        claim(str(tmp_path / 'out'))
    assert '\n' not in str(error.value)
    claim(str(tmp_path / 'out')).close()
    (tmp_path / 'file').touch()
    with pytest.raises(ValueError, match='give another folder'):
        claim(str(tmp_path / 'file/out'))


@pytest.mark.slow
def test_a_full_disk_leaves_the_checkpoint_before(tmp_path, capsys):
    mounted = subprocess.run(
        ['mount', '-t', 'tmpfs', '-o', 'size=3m', 'tmpfs', str(tmp_path)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip(f'mounting is not permitted here: {mounted.stderr.decode().strip()}')
    try:
        save_checkpoint(CHECKPOINT, str(tmp_path / 'iter_1.pth'))
        larger = dict(CHECKPOINT, state_dict=dict(weight=torch.zeros(1_000_000)))
        with pytest.raises(SystemExit, match='disk is full.*--resume') as stop, room_on_disk():
            save_checkpoint(larger, str(tmp_path / 'iter_2.pth'))
        assert '\n' not in stop.value.code
        assert last_whole_checkpoint(str(tmp_path))[0] == str(tmp_path / 'iter_1.pth')
        assert 'iter_2.pth is cut off' in capsys.readouterr().out
    finally:
        subprocess.run(['umount', str(tmp_path)], check=True)


def test_other_errors_of_files_are_not_hidden():
    with pytest.raises(PermissionError), room_on_disk():
        raise PermissionError(13, 'Permission denied')
