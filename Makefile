# Everything runs in a virtual environment of its own, .venv, which these targets create.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python

.PHONY: help demo cifar10 pets test fuzz lint format gradcheck bench clean

help:  ## this list
	@sed -n 's/^\([a-z0-9]*\):[^#]*## */\1\t/p' Makefile | expand -t 12

demo: $(VENV)/.examples  ## handwritten digits: which one is it, and where is it? A few minutes, no download
	$(RUN) -m examples.cifar10 --data digits
	$(RUN) -m examples.localization --data digits

cifar10: $(VENV)/.examples  ## the real thing: downloads CIFAR-10 unless it is there
	$(RUN) -m examples.cifar10

pets: $(VENV)/.examples  ## cats and dogs, and where their heads are: downloads photos and weights
	$(RUN) -m examples.localization --regime finetune

test: $(VENV)/.test  ## all tests; add TESTS=tests/ops for a part
	$(RUN) -m pytest -q $(TESTS)

fuzz: $(VENV)/.test  ## 500,000 damaged and hostile files through every parser; FUZZ="--seconds 60" for a minute of it
	$(RUN) -m tests.fuzz $(FUZZ)

lint: $(VENV)/.test  ## ruff, as CI runs it
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .

format: $(VENV)/.test  ## mend what ruff can mend
	$(RUN) -m ruff check --fix .
	$(RUN) -m ruff format .

gradcheck: $(VENV)/.examples  ## every operation against finite differences, as a table
	$(RUN) -m minigrad.gradcheck

bench: $(VENV)/.torch  ## speed and memory beside PyTorch, each in its own process, alternating: ten minutes
	$(RUN) -m benchmarks

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.examples: setup.cfg | $(VENV)/bin/python
	$(RUN) -m pip install --quiet --editable ".[examples]"
	@touch $@

$(VENV)/.test: setup.cfg | $(VENV)/bin/python
	$(RUN) -m pip install --quiet --editable ".[examples,test]"
	@touch $@

$(VENV)/.torch: setup.cfg | $(VENV)/bin/python
	$(RUN) -m pip install --quiet --editable ".[examples,test,torch]"
	@touch $@

clean:  ## remove what these targets made, but not runs/
	rm -rf $(VENV) build dist *.egg-info
