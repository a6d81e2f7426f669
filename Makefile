# `make run` runs the main job and `make test` the tests; both install what they need into .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
TORCH := torch==2.13.0
PACKAGES := schemas filters infra jobs examples tests benchmarks

# What torch itself brings or what text generation does not need; see requirements/overrides.txt.
NOT_LOCKED := torch torchvision torchaudio torchcodec triton pycosat matplotlib
CUDA := cuda-bindings cuda-pathfinder cuda-toolkit nvidia-cublas nvidia-cuda-cupti \
	nvidia-cuda-nvrtc nvidia-cuda-runtime nvidia-cudnn-cu13 nvidia-cufft nvidia-cufile \
	nvidia-curand nvidia-cusolver nvidia-cusparse nvidia-cusparselt-cu13 nvidia-nccl-cu13 \
	nvidia-nvjitlink nvidia-nvshmem-cu13 nvidia-nvtx
UV_COMPILE = $(BIN)/uv pip compile pyproject.toml --extra dev --generate-hashes --universal \
	--python-version 3.11 --overrides requirements/overrides.txt --no-header --quiet

.PHONY: help install run test check format lock bench clean

help:  ## what can be made
	@grep -hE '^[a-z]+:.*##' Makefile | sed 's/:.*## /\t/' | expand -t 10

install: $(INSTALLED)  ## install everything into .venv (CPU build of vLLM)

$(INSTALLED): requirements/cpu.txt pyproject.toml
	@echo "Installing into $(VENV), about 3 minutes and 3.5 GB: 1 of 3, PyTorch"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet '$(TORCH)'
	@echo "2 of 3, everything else, from requirements/cpu.txt"
	@$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r requirements/cpu.txt
	@echo "3 of 3, Stillhouse itself"
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

run: install  ## the main job: prompts in, a published dataset out, from a real vLLM engine here
	@echo "Distilling the embedded teacher examples/tiny_r1 with vLLM on this machine's CPU."
	$(BIN)/stillhouse run recipes/quickstart.yaml

test: install  ## the tests (without those marked slow)
	@echo "Testing; the engine tests start one real vLLM engine."
	$(BIN)/python -m pytest -m "not slow"

check: install  ## format, lint and types
	$(BIN)/ruff format --check $(PACKAGES)
	$(BIN)/ruff check $(PACKAGES)
	$(BIN)/mypy

format: install  ## format the sources
	$(BIN)/ruff format $(PACKAGES)
	$(BIN)/ruff check --fix $(PACKAGES)

bench: install  ## the benchmarks; results are in docs/benchmarks.md
	$(BIN)/python -m benchmarks.service_against_bare_engine
	$(BIN)/python -m benchmarks.sampling_policies
	$(BIN)/python -m benchmarks.scheduling
	$(BIN)/python -m benchmarks.compressed_time
	$(BIN)/python -m benchmarks.longer_max_tokens
	$(BIN)/python -m benchmarks.sampling_on_the_tiny_teacher
	$(BIN)/python -m benchmarks.math_verdicts
	$(BIN)/python -m benchmarks.sandbox
	$(BIN)/python -m benchmarks.stores
	$(BIN)/python -m benchmarks.publishing
	$(BIN)/python -m benchmarks.changes
	POLARS_MAX_THREADS=1 $(BIN)/python -m benchmarks.choosing
	$(BIN)/python -m benchmarks.splits
	$(BIN)/python -m benchmarks.refreshing
	$(BIN)/python -m benchmarks.report
	$(BIN)/python -m benchmarks.watching

lock: install  ## resolve requirements/*.txt again
	$(BIN)/python -m pip install --quiet uv
	$(UV_COMPILE) --extra cpu $(patsubst %,--no-emit-package %,$(NOT_LOCKED) $(CUDA)) \
		--custom-compile-command "make lock" -o requirements/cpu.txt
	$(UV_COMPILE) --extra gpu $(patsubst %,--no-emit-package %,$(NOT_LOCKED)) \
		--custom-compile-command "make lock" -o requirements/gpu.txt

clean:  ## remove what tools left behind; the store stays
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis
