# Everything starts with `make demo` or `make test`; both set up the environment if need be.
# STACK=onedl takes the maintained continuation of OpenMMLab instead, in its own environment.
STACK ?= openmmlab
PYTHON ?= python3
VENV := .venv$(if $(filter-out openmmlab,$(STACK)),-$(STACK))
RUN := $(VENV)/bin/python

.PHONY: setup demo test lint clean

setup:
	@$(PYTHON) tools/install.py --stack $(STACK) --venv $(VENV)

demo: setup
	$(RUN) tools/train.py configs/faster_rcnn_dysample.py --shapes

test: lint
	$(RUN) -m pytest

lint: setup
	$(RUN) -m ruff check
	$(RUN) -m ruff format --check

# Removes what set-up and tests made; data/ and work_dirs/ stay.
clean:
	rm -rf .venv .venv-onedl build dist mmdyup.egg-info .pytest_cache .ruff_cache
	rm -f mmdyup/ops/cpp/*.so
	find mmdyup configs tools tests -name __pycache__ -type d -prune -exec rm -rf {} +
