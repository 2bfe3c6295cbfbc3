# Everything runs in a virtual environment of its own, .venv, which these targets create.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python

.PHONY: help demo tour cifar10 pets story test mutants fuzz lint format stubs types notebook browser gradcheck \
	bench size gpu clean

help:  ## this list
	@awk -F ':.*## *' '/^[a-z0-9]+:.*## /{printf "%-12s%s\n", $$1, $$2}' Makefile

demo: $(VENV)/.examples  ## handwritten digits: which one is it, and where is it? A few minutes, no download
	$(RUN) -m examples.cifar10 --data digits
	$(RUN) -m examples.localization --data digits

tour: $(VENV)/.examples  ## backpropagation to be stepped through in a browser: five pages, no download
	$(RUN) -m examples.tour

cifar10: $(VENV)/.examples  ## the real thing: downloads CIFAR-10 unless it is there
	$(RUN) -m examples.cifar10

pets: $(VENV)/.examples  ## cats and dogs, and where their heads are: downloads photos and weights
	$(RUN) -m examples.localization --regime finetune

story: $(VENV)/.story  ## the whole story, from a multiplication to boxes on photos, in Jupyter
	mkdir -p runs/story
	$(RUN) -m jupytext --quiet --to ipynb --output runs/story/story.ipynb examples/story.py
	PYTHONPATH=$(CURDIR) $(RUN) -m jupyter lab runs/story/story.ipynb

test: $(VENV)/.test  ## all tests, on all cores; add TESTS=tests/ops for a part
	$(RUN) -m pytest -q -n auto --maxprocesses 8 $(TESTS)

mutants: $(VENV)/.test  ## do the tests notice small faults? 200 of them, without PyTorch: a quarter of an hour
	$(RUN) -m tests.mutation

fuzz: $(VENV)/.test  ## 500,000 damaged and hostile files through every parser; FUZZ="--seconds 60" for a minute of it
	$(RUN) -m tests.fuzz $(FUZZ)

lint: $(VENV)/.test  ## ruff, as CI runs it
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .

format: $(VENV)/.test  ## mend what ruff can mend
	$(RUN) -m ruff check --fix .
	$(RUN) -m ruff format .

stubs: $(VENV)/.test  ## write anew what editors see of the operators' table
	$(RUN) -m tests.stubs

types: $(VENV)/.types  ## README's code, the examples and a user's script, as a type checker sees them
	$(RUN) -m pytest -q tests/test_types.py

notebook: $(VENV)/.notebook  ## README's code and the story in notebooks, which must show figures, bars and tables
	$(RUN) -m pytest -q tests/test_notebook.py tests/test_story.py

browser: $(VENV)/.browser  ## the tour's pages, stepped through in Chromium, which must be there with its driver
	$(RUN) -m pytest -q -n 0 tests/guided -k browser

gradcheck: $(VENV)/.examples  ## every operation against finite differences, as a table
	$(RUN) -m minigrad.gradcheck

bench: $(VENV)/.torch  ## speed and memory beside PyTorch, each in its own process, alternating: ten minutes
	$(RUN) -m benchmarks

size:  ## the reading path in order, and how many lines each room and shelf has
	$(PYTHON) -m benchmarks.size

gpu:  ## on a machine with a GPU, with its own python3: tests, gradients, speed, in five minutes; GPU=--dry without one
	$(PYTHON) -m tests.gpu $(GPU)

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.examples: setup.cfg | $(VENV)/bin/python
	$(RUN) -m pip install --quiet --editable ".[examples]"
	@touch $@

$(VENV)/.test: setup.cfg | $(VENV)/bin/python
	$(RUN) -m pip install --quiet --editable ".[examples,test]"
	@touch $@

$(VENV)/.story: setup.cfg | $(VENV)/bin/python
	$(RUN) -m pip install --quiet --editable ".[examples,story]"
	@touch $@

$(VENV)/.%: setup.cfg | $(VENV)/bin/python
	$(RUN) -m pip install --quiet --editable ".[examples,test,$*]"
	@touch $@

clean:  ## remove what these targets made, but not runs/
	rm -rf $(VENV) build dist *.egg-info
