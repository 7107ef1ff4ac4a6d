# `make help` lists what there is. Only Python >= 3.10 and make are needed; the rest is fetched into .venv.

VENV := .venv
RUN := $(VENV)/bin/python -m
BOOTSTRAP := bash scripts/bootstrap.sh

# Two releases of PyTorch and torchvision that were built for each other, on every Python from 3.10 on.
TORCH := torch==2.14.1 torchvision==0.29.1

# What training learns from: see train/README.md.
FACES ?= ../shared/data
DETECTOR ?= ../shared/detector_yunet/yunet_n_640_640.onnx
CLIPS ?= ../shared/videos/intel_asl_again.mkv

# A container may see more cores than it may use.
THREADS := $(shell $(BOOTSTRAP) threads)
export OMP_NUM_THREADS ?= $(THREADS)
export OPENBLAS_NUM_THREADS ?= $(THREADS)
# mosquitto lies in /usr/sbin, which is not on everybody's PATH.
export PATH := $(PATH):/usr/sbin:/sbin
export PYTHON APT

# A file of tests on each processor and one more, since many wait for a broker or a browser; programs with two threads
# each would only get in each other's way. What takes long is told: all of them are to take less than ten minutes.
PYTEST = OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(RUN) pytest -n $$(($(THREADS) + 1)) --dist loadfile --durations 20 --durations-min 5

MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test test-all test-deploy faults check model reproduce-small export-demo bench deb docs man constraints clean \
  install-demo install-dev install-deploy packages packages-deploy

help:
	@echo 'ffe-edge reads facial expressions at the edge. Begin with:'
	@echo
	@echo '  make demo          see it work: camera to dashboard, on rendered people; no root, no GPU, no PyTorch'
	@echo '  make test          install everything, look the code over, run the tests that take seconds'
	@echo
	@echo 'Then:'
	@echo '  make test-all      the tests that take minutes, too'
	@echo '  make test-deploy   units, package, images, provision, fleet, each on what it is for; a clean machine is installed (root)'
	@echo '  make faults        break everything round the daemon; the table goes to tests/e2e/README.md'
	@echo '  make check         only look the code over: ruff and mypy'
	@echo '  make model         train the default model, export and measure it, write its card: hours (see train/README.md)'
	@echo '  make reproduce-small   the training protocol at its smallest: half an hour, table in runs/reproduce-small.md'
	@echo '  make export-demo   train a small network, export it in FP32, FP16 and INT8, build engines, verify, run: some minutes'
	@echo '  make bench         milliseconds per frame and step on this machine (CLIPS=video)'
	@echo '  make deb           the Debian package, into dist/ (ARGS=--vendor: with everything it needs, for machines without a network)'
	@echo '  make docs          the guides as pages, into build/docs; links and anchors are checked'
	@echo '  make constraints   renew constraints.txt with the newest releases'
	@echo '  make clean         remove .venv and all that can be made again; runs/ stays'
	@echo
	@echo 'More words for the command:   make demo ARGS="--help"        (also: bench, model)'
	@echo 'More words for pytest:        make test ARGS="-k outbox -x"  (also: test-all, faults)'
	@echo 'Faces to learn from:                make model FACES=folder DETECTOR=yunet.onnx'
	@echo 'Another Python for a new .venv:     make test PYTHON=/path/to/python3.12'
	@echo 'Leave Debian packages alone:        make test APT=no'

demo: install-demo
	@$(VENV)/bin/ffe-edge demo $(ARGS)

test: install-dev packages check
	@$(PYTEST) -m "not slow and not deploy" $(ARGS)

test-all: install-deploy packages packages-deploy check
	@$(PYTEST) $(ARGS)

test-deploy: install-deploy packages packages-deploy
	@bash scripts/test-deploy.sh $(ARGS)

faults: install-dev packages
	@$(RUN) pytest tests/e2e -m faults --fault-table tests/e2e/README.md $(ARGS)

# The types of the last numpy for Python 3.10 are others than those of today's.
check: install-dev
	@$(RUN) ruff check --output-format=concise
	@$(RUN) ruff format --check
	@if $(VENV)/bin/python -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then $(RUN) mypy; \
	  else echo 'mypy: not run, types are checked on Python 3.11 or newer'; fi

# Its last line says which figures are those of the shipped file. SHIP=yes puts it there; PREVIOUS=old.onnx tells its gain.
model: install-dev
	@FACES=$(FACES) DETECTOR=$(DETECTOR) THREADS=$(THREADS) SHIP=$(SHIP) PREVIOUS=$(PREVIOUS) FFE=$(VENV)/bin/ffe-edge \
	  bash scripts/model.sh $(ARGS)

# Real faces where they lie beside the repository, rendered people in any case.
reproduce-small: install-dev
	@FACES=$(FACES) THREADS=$(THREADS) FFE=$(VENV)/bin/ffe-edge bash scripts/reproduce-small.sh $(ARGS)

# What it watches: rendered people, or CLIP=video.
export-demo: install-dev
	@CLIP=$(CLIP) THREADS=$(THREADS) FFE=$(VENV)/bin/ffe-edge PYTHON=$(VENV)/bin/python bash scripts/export-demo.sh

bench: install-demo
	@$(VENV)/bin/python benchmarks/pipeline.py $(CLIPS) --detector $(DETECTOR) --also 1280x720 $(ARGS)

deb: packages-deploy
	@bash scripts/build-deb.sh $(ARGS)

constraints:
	@TORCH="$(TORCH)" $(BOOTSTRAP) constraints

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name .git -prune -o -name runs -prune -o \
	  -type d \( -name __pycache__ -o -name '*.egg-info' \) -prune -exec rm -rf {} +

install-demo:
	@$(BOOTSTRAP) install demo

install-dev:
	@$(BOOTSTRAP) install dev

install-deploy:
	@$(BOOTSTRAP) install deploy

docs: install-dev
	@$(VENV)/bin/mkdocs build --strict --site-dir build/docs

man: install-demo
	@$(VENV)/bin/python scripts/man.py

packages:
	@$(BOOTSTRAP) packages

packages-deploy:
	@$(BOOTSTRAP) packages-deploy
