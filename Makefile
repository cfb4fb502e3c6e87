# Everything starts with `make demo` or `make test`; both set up the environment if need be.
# STACK=oldest, newest or onedl takes other versions, in an environment of their own: docs/stacks.md
STACK ?= openmmlab
PYTHON ?= python3
VENV := .venv$(if $(filter-out openmmlab,$(STACK)),-$(STACK))
RUN := $(VENV)/bin/python
# A process for every core, with its share of threads; whoever is done takes from the others.
PYTEST := $(RUN) -m pytest --numprocesses logical --maxprocesses 8 --dist worksteal

.PHONY: setup demo test test-ultralytics quick lint wheel clean

setup:
	@$(PYTHON) tools/install.py --stack $(STACK) --venv $(VENV)

demo: setup
	$(RUN) tools/train.py configs/faster_rcnn_dysample.py --shapes

test: lint
	$(PYTEST)

# The tests in Ultralytics again, with other versions of it: docs/yolo.md
test-ultralytics: setup
	$(RUN) tools/test_ultralytics.py

# For everyday work: what takes long is left out.
quick: setup
	$(PYTEST) -m "not slow"

lint: setup
	$(RUN) -m ruff check
	$(RUN) -m ruff format --check

# One for every Python, in dist/; `pip wheel --no-deps .` does it without the rest of the set-up.
wheel: setup
	$(RUN) -m pip wheel --no-deps --no-build-isolation --wheel-dir dist .

# Removes what set-up and tests made; data/ and work_dirs/ stay.
clean:
	rm -rf .venv .venv-* build dist mmdyup.egg-info .pytest_cache .ruff_cache .hypothesis
	find mmdyup -name '*.so' -delete
	find mmdyup configs tools tests -name __pycache__ -type d -prune -exec rm -rf {} +
