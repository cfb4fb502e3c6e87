"""What has been run: one line of JSON a run, appended; and who is at which run now."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FILE = 'runs.jsonl'


def append(folder: Path, record: dict) -> None:
    """Adds a line to what has been run in ``folder``.

    A process that is killed may leave a line without an end; the next one starts anew behind it.
    """
    line = json.dumps(record, ensure_ascii=False, allow_nan=True) + '\n'
    with open(folder / FILE, 'ab+') as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if file.seek(0, os.SEEK_END) and not _ends(file):
            line = '\n' + line
        file.write(line.encode())
        file.flush()
        os.fsync(file.fileno())


def _ends(file) -> bool:
    file.seek(-1, os.SEEK_END)
    return file.read() == b'\n'


def read(folder: Path) -> dict[str, dict]:
    """The last line of every run in ``folder`` by its key; a run that was done stays done."""
    records = {}
    path = folder / FILE
    lines = path.read_text(encoding='utf-8').splitlines() if path.exists() else []
    for line in lines:
        try:
            record = json.loads(line)
        except ValueError:
            continue  # cut off
        if not is_done(records.get(record['key'])):
            records[record['key']] = record
    return records


def is_done(record: dict | None) -> bool:
    """Whether a run ended with a score."""
    return record is not None and record['status'] == 'done'


@contextmanager
def claim(folder: Path, key: str) -> Iterator[bool]:
    """Says whether the run ``key`` is this process's now, and holds it so until the block ends.

    A claim ends with its process, however that ends: the system frees the lock on its file.
    """
    claims = folder / 'claims'
    claims.mkdir(exist_ok=True)
    with open(claims / key, 'a') as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield not is_done(read(folder).get(key))
