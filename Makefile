# `make help` lists what there is. Every target makes the set-up it needs.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3
PACKAGES := bertmesh doctor service mesh canary training observability modelstore chart
# What `make run` needs, and what tests, benchmarks and generators need beside it.
RUN_EXTRAS := local
ALL_EXTRAS := local,train,cluster,s3,dev
RUN_STAMP := $(VENV)/.set-up-run
ALL_STAMP := $(VENV)/.set-up-all
# An index with torch's wheels for the CPU; the default index has those with CUDA, 4 GB more.
TORCH_INDEX ?=
# Where it is set, each of the many processes of a mesh or a test would compile all that it imports.
unexport PYTHONDONTWRITEBYTECODE
SUDO := $(shell [ "$$(id -u)" = 0 ] || command -v sudo)

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'

.PHONY: setup
setup: $(RUN_STAMP) ## Install what the main job needs and is missing: packages, Prometheus (seconds when all is there)
	@$(BIN)/python -m mesh.local.binaries

.PHONY: setup-all
setup-all: setup $(ALL_STAMP) ## The same for tests and training; TORCH_INDEX=URL for torch without CUDA

.PHONY: browser
browser: ## The browser that the console's tests look through
	@command -v chromium chromium-browser google-chrome >/dev/null || { \
	  echo "installing chromium"; $(SUDO) apt-get update -qq; $(SUDO) apt-get install -y -qq chromium; }

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "bertmesh needs Python 3.11 or newer, this is $$($(PYTHON) --version): set PYTHON=..."; exit 1; }
	@$(PYTHON) -m venv $(VENV) 2>/dev/null || { \
	  rm -rf $(VENV); echo "installing python3-venv"; $(SUDO) apt-get update -qq; $(SUDO) apt-get install -y -qq python3-venv; $(PYTHON) -m venv $(VENV); }

# uv fetches in parallel and links what it has already. It reads no settings of pip's, so it is told which index and
# which certificates pip would use. Where it cannot be had, or fails, pip does the same and takes longer.
PIP := $(BIN)/python -m pip --disable-pip-version-check
PIP_SAYS = $${PIP_$(1):-$$($(PIP) config get global.$(2) 2>/dev/null || true)}
define install
	@index="$(call PIP_SAYS,INDEX_URL,index-url)"; cert="$(call PIP_SAYS,CERT,cert)"; \
	[ -z "$$index" ] || export UV_DEFAULT_INDEX="$${UV_DEFAULT_INDEX:-$$index}"; \
	[ -z "$$cert" ] || export SSL_CERT_FILE="$${SSL_CERT_FILE:-$$cert}"; \
	uv=$$(command -v uv || echo $(BIN)/uv); \
	[ -x "$$uv" ] || $(PIP) install --quiet -c constraints.txt uv || true; \
	"$$uv" pip install --quiet --python $(BIN)/python -c constraints.txt $(1) || { \
	  echo "uv does not work here: pip installs, which takes longer"; $(PIP) install --quiet -c constraints.txt $(1); }
endef

$(RUN_STAMP): pyproject.toml constraints.txt | $(BIN)/python
	$(call install,-e '.[$(RUN_EXTRAS)]')
	@touch $@

$(ALL_STAMP): pyproject.toml constraints.txt | $(RUN_STAMP)
	$(if $(TORCH_INDEX),$(call install,--index-url $(TORCH_INDEX) torch))
	$(call install,-e '.[$(ALL_EXTRAS)]')
	@touch $@

.PHONY: run
run: setup ## The main job: a real canary promoted, a bad one taken back (about 3 minutes)
	@$(BIN)/bertmesh demo

.PHONY: up down
up: setup ## Start the local mesh and keep it in the foreground
	@$(BIN)/bertmesh up
down: setup ## End the local mesh
	@$(BIN)/bertmesh down

.PHONY: test
# Three processes on two cores: one has the local mesh, whose tests wait more than they compute.
test: setup-all browser helm lint types contracts ## Lint, types, import contracts and all tests
	$(BIN)/python -m pytest -n 3 --no-loadscope-reorder

.PHONY: test-cluster
# Their mark keeps them out of `make test` (pyproject.toml). They need root, and Go 1.26 where the programs are not yet.
test-cluster: setup-all helm iptables ## Tests on a real API server and istiod, with sidecars (root; the first time builds them, 26 minutes)
	$(BIN)/python -m pytest -m "cluster and not scenarios" tests/cluster

.PHONY: test-scenarios
test-scenarios: setup-all helm iptables ## The chart's scenarios there: installed, tested, upgraded, removed, again (root; 10 minutes)
	$(BIN)/python -m pytest -m scenarios tests/cluster

.PHONY: run-cluster
run-cluster: setup-all helm iptables ## The main job on a real API server, istiod, gateway and sidecars, by `helm install` (root)
	@$(BIN)/python -m tests.cluster.demo

.PHONY: iptables
# The node of these tests balances Services with it, and Istio's redirection is made with it.
iptables:
	@PATH="$$PATH:/usr/sbin" command -v iptables-restore >/dev/null || { \
	  echo "installing iptables"; $(SUDO) apt-get update -qq; $(SUDO) apt-get install -y -qq iptables; }

.PHONY: helm generate
helm: setup-all ## The Helm that the chart's tests use
	@$(BIN)/python -m tests.support.helm
generate: setup-all helm ## Write all that is generated: CRD, chart, reference pages, rendered testdata; read the diff
	$(BIN)/python -m tests.generate

.PHONY: fast-test
fast-test: setup-all ## The tests that start no processes
	$(BIN)/python -m pytest -m "not slow"

.PHONY: lint
lint: setup-all ## Ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

.PHONY: format
format: setup-all ## Let ruff mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: types
types: setup-all ## mypy, strict
	$(BIN)/mypy
	$(BIN)/mypy tests

.PHONY: contracts
contracts: setup-all ## Who may import whom
	$(BIN)/lint-imports

.PHONY: bench-judge bench-judge-quick bench-serving bench-inside bench-cache bench-losses
bench-judge: setup-all ## How often each canary rule is wrong: ours, Flagger's, Argo's, Kayenta's (7 to 22 minutes)
	$(BIN)/python -m benchmarks.judge --write
bench-judge-quick: setup-all ## The same with few runs (a minute)
	$(BIN)/python -m benchmarks.judge --quick
bench-serving: setup-all ## The pod against its peers, in turns
	$(BIN)/python -m benchmarks.serving.run --json benchmarks/serving/results.json
bench-inside: setup-all ## Where the pod's time goes: tokenizer, queue, engine, HTTP
	$(BIN)/python -m benchmarks.serving.inside
bench-cache: setup-all ## The cache: hit ratio, and a cached answer against a constant
	$(BIN)/python -m benchmarks.cache
bench-losses: setup-all ## What a pod loses at its end and to strangers, and what gunicorn by itself loses
	$(BIN)/python -m benchmarks.losses

.PHONY: bench-shadow bench-swap bench-controller soak
bench-shadow: setup-all ## How soon copies convict or clear a canary, and what comparing costs a pod
	$(BIN)/python -m benchmarks.shadow_rehearsal
	$(BIN)/python -m benchmarks.shadow
bench-swap: setup-all ## A hot swap under load: how long, and what requests notice
	$(BIN)/python -m benchmarks.hot_swap
bench-controller: setup-all ## What 1, 100 and 1,000 rollouts cost the operator, Prometheus and the API server
	$(BIN)/python -m benchmarks.controller --write
soak: setup-all ## A pod under mixed load for 10 minutes: memory, threads and files stay level
	$(BIN)/python -m benchmarks.soak

.PHONY: image kind-up kind-demo kind-down
image: ## Build the image with docker, podman or buildah (deploy/image/build.sh --help)
	@deploy/image/build.sh
kind-up: ## kind + Istio + Jaeger + Prometheus + the chart; checks its tools first
	@deploy/kind/kind.sh up
kind-demo: ## A canary under traffic on kind
	@deploy/kind/kind.sh demo
kind-down: ## Remove the kind cluster
	@deploy/kind/kind.sh down

.PHONY: constraints
constraints: setup-all ## Pin what pyproject.toml asks for, for all platforms; UPGRADE=--upgrade for the newest of all
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --all-extras --no-annotate $(UPGRADE) \
	  --custom-compile-command "make constraints" pyproject.toml -o constraints.txt

.PHONY: clean
clean: ## Remove what make and the mesh have made here
	@[ ! -x $(BIN)/bertmesh ] || $(BIN)/bertmesh down --quiet || true
	rm -rf $(VENV) .bertmesh build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
