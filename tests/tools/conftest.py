import pytest


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """Scripts run in an empty folder."""
    monkeypatch.chdir(tmp_path)
