# Every target only calls a door: `python -m ROOM`. What a target needs, it makes first.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory
# Nearly all that runs here is many short processes: without bytecode each compiles its imports again, for seconds.
unexport PYTHONDONTWRITEBYTECODE

PYTHON ?= python3
MODEL  ?= examples/iris
NAME   := $(notdir $(patsubst %/,%,$(MODEL)))
BUILT  := build/$(NAME)/bundle
BUNDLE ?= $(BUILT)
IMAGE  ?= tridock:latest
LIVE   ?=
ARGS   ?=

PY      := .venv/bin/python
READY   := .venv/ready
# A target of releases is a folder of deploy/ with an adapter; a client is a lock of tests/clients/.
TARGETS := $(patsubst deploy/%/target.py,%,$(wildcard deploy/*/target.py))
CLIENTS := $(patsubst tests/clients/%.lock,%,$(wildcard tests/clients/*.lock))
MODULES := $(patsubst terraform/%/main.tf,%,$(wildcard terraform/*/main.tf))
PEERS   := $(patsubst tests/performance/peers/%.in,%,$(wildcard tests/performance/peers/*.in))
DEPLOY   = $(PY) -m tridock.deploy

help:  ## list the targets
	@sed -nE 's/^(\$$\((TARGETS|MODULES):%=)?([a-z0-9-]+)[^#]*## /\3 /p' Makefile | sed 's/- /-T /' | \
	  while read -r name about; do printf '  %-13s %s\n' "$$name" "$$about"; done
	@echo "  T is one of: $(TARGETS). Variables: MODEL=$(MODEL) BUNDLE=DIR LIVE=1 ARGS='more words' PYTHON=$(PYTHON)"

# Another Python that is named, in words or in the environment, replaces the one that .venv has.
ifneq ($(origin PYTHON),file)
ifneq ($(shell $(PYTHON) --version 2>&1),$(shell $(PY) --version 2>&1))
$(READY): another-python
endif
endif
another-python:
.PHONY: another-python

setup: $(READY)  ## make .venv from requirements.lock (again: nothing to do)
$(READY): requirements.lock .ci/uv.txt .ci/setup
	@sh .ci/setup $(PYTHON)
	@touch $@

demo: $(READY)  ## train, package, release, canary under traffic, roll back: in three emulated clouds
	@$(PY) -m tridock.examples.demo

# A file's tests share servers, so one worker takes them all; tests/conftest.py has the order of the files.
test: $(READY)  ## run the tests
	$(PY) -m pytest -q -n 4 --dist loadfile --no-loadscope-reorder $(ARGS)

# A part of each room, for the other Pythons in CI.
FAST := tests/assurance tests/security/test_archives.py \
  $(addprefix tests/inference/test_,$(addsuffix .py,blob bucket bundle packaging score signature table)) \
  $(addprefix tests/deploy/test_,$(addsuffix .py,config judge release report rollback strategies)) \
  $(addprefix tests/emulators/test_,$(addsuffix .py,daemon proxy))
test-fast: $(READY)  ## run a part of the tests that takes about a minute
	$(PY) -m pytest -q -n 2 --dist loadfile $(FAST) $(ARGS)

test-security: $(READY)  ## run the attacks: archives, doors, tokens, bounds
	$(PY) -m pytest -q -n 3 --dist loadfile tests/security $(ARGS)

test-trials: $(READY)  ## strike releases and kill emulators at a sample of moments; serve models of public repositories
	$(PY) -m pytest -q -n 3 --dist loadfile tests/ordeal tests/emulators/kills tests/zoo $(ARGS)

test-install: $(READY)  ## build the wheel, install it into an empty environment, and work with it from a folder of its own
	$(PY) -m pytest -q tests/install $(ARGS)

test-clients: $(READY) $(CLIENTS:%=.venvs/%/ready) .venvs/boosters/ready  ## run the vendors' own clients, and other libraries' models
	$(PY) -m pytest -q tests/clients tests/boosters $(ARGS)
.venvs/boosters/ready: tests/boosters/boosters.lock | $(READY); $(SYNC)
.venvs/%/ready: tests/clients/%.lock
	@.venv/bin/uv venv -q --clear --python $(PY) .venvs/$*
	.venv/bin/uv pip sync -q --require-hashes --python .venvs/$*/bin/python $<
	@touch $@

ordeal: $(READY)  ## kill releases at every call, and let every call fail, while a client asks (docs/ordeal.md)
	$(PY) -m tests.ordeal $(ARGS)

test-terraform: $(READY)  ## run releases under the modules' policies and outputs, and planted mistakes
	$(PY) -m pytest -q -n 2 --dist loadfile $(wildcard tests/terraform/test_*.py) tests/terraform/slow $(ARGS)

test-ray: .venvs/ray/ready  ## run batch jobs on a Ray cluster of this machine
	.venvs/ray/bin/python -m pytest -q tests/ray $(ARGS)
.venvs/ray/ready: tests/ray/ray.lock | $(READY); $(SYNC)

# Each peer has its environment, made when it is asked for: make bench ARGS="--only tridock,fastapi --seconds 3"
bench: $(READY)  ## measure servers side by side, overload and batch; writes docs/performance.md
	$(PY) -m tests.performance $(ARGS)
.venvs/bench-%/ready: tests/performance/peers/%.lock; $(SYNC)
.venvs/bench-tridock/ready: inference/requirements-onnx.txt; $(SYNC)
.venvs/bench-tridock-joblib/ready: inference/requirements.txt; $(SYNC)
fuzz: $(READY) .venvs/fuzz/ready  ## send tens of thousands of bad requests, and good ones in company
	$(PY) -m tests.fuzz $(ARGS)
.venvs/fuzz/ready: tests/fuzz/schemathesis.lock; $(SYNC)
define SYNC
@.venv/bin/uv venv -q --clear --python $(PY) $(@D)
@.venv/bin/uv pip sync -q --compile-bytecode --require-hashes --python $(@D)/bin/python $<
@touch $@
endef

CHECKS := check-style check-format check-types check-imports check-docstrings tf-check
check: $(READY)  ## check style, types, import rules, docstrings and Terraform
	@$(MAKE) --keep-going --jobs=2 --output-sync $(CHECKS)
check-style:
	$(PY) -m ruff check
check-format:
	$(PY) -m ruff format --check
check-types:
	$(PY) -m mypy
check-imports:
	.venv/bin/lint-imports
check-docstrings:
	@echo "$(PY) -m numpydoc lint FILES"
	@$(PY) -m numpydoc lint $$(git ls-files '*.py' ':!tests')

# Without Terraform, or without its providers, one line says what to install, and nothing fails.
tf-check: $(READY)  ## check the Terraform modules: format, validity, tests, plans, checkov
	@! command -v terraform >/dev/null || $(MAKE) -s .venvs/checkov/ready || echo "no checkov: $@ goes on without"
	@$(PY) -m tests.terraform.check
.venvs/checkov/ready: tests/terraform/checkov.lock
	@.venv/bin/uv venv -q --clear --python $(PY) .venvs/checkov
	@.venv/bin/uv pip sync -q --require-hashes --python .venvs/checkov/bin/python $<
	@touch $@

fix: $(READY)  ## format, and mend what can be mended
	$(PY) -m ruff check --fix
	$(PY) -m ruff format

# VARIANT=onnx or sklearn, both by default; BAKE=DIR makes self-contained images, too.
VARIANT ?=
BAKE    ?=
image: $(READY) .venvs/audit/ready  ## build the images, list what is in them, audit it; into build/image
	$(PY) -m tridock.inference build --audit .venvs/audit/bin/pip-audit $(VARIANT:%=--variant %) $(BAKE:%=--bundle %) $(ARGS)
.venvs/audit/ready: tests/image/audit.lock; $(SYNC)
check-image: $(READY) $(BUNDLE)/manifest.json  ## start IMAGE as each cloud would and judge it: IMAGE=tridock:onnx
	$(PY) -m tridock.inference check $(IMAGE) --bundle $(BUNDLE) $(ARGS)
e2e: $(READY) .venvs/audit/ready  ## build, check and release the very image on all emulated targets
	$(PY) -m tests.image $(ARGS)
test-image: $(READY) .venvs/audit/ready  ## test the built images and the runner of containers
	$(PY) -m pytest -q tests/image $(ARGS)

bundle: $(BUNDLE)/manifest.json  ## train MODEL and package it into build/NAME/bundle
$(BUILT)/manifest.json: $(shell find $(MODEL) -type f -not -name '*.pyc' 2>/dev/null) | $(READY)
	$(PY) -m $(subst /,.,$(patsubst %/,%,$(MODEL))).train --to $(BUILT)

up: $(READY)  ## start the emulated clouds
	$(PY) -m tridock.emulators up $(ARGS)
down: $(READY)  ## end them and their model servers
	$(PY) -m tridock.emulators down $(ARGS)

# Safe by default: without LIVE=1 a target is the emulated one. A real account takes what is registered and approved there.
$(TARGETS:%=register-%): register-%: bundle  ## enter MODEL's bundle in T's registry of models
	$(DEPLOY) models register --target $* --file $(MODEL)/release.toml --bundle $(BUNDLE) $(if $(LIVE),--live) $(ARGS)
$(TARGETS:%=approve-%): approve-%: $(READY)  ## approve MODEL's newest version there, because WHY="…"
	$(DEPLOY) models approve $(NAME) --reason "$(WHY)" --target $* --file $(MODEL)/release.toml $(if $(LIVE),--live) $(ARGS)
$(TARGETS:%=deploy-%): deploy-%: bundle  ## release MODEL's bundle to T
	$(DEPLOY) release --target $* --file $(MODEL)/release.toml --bundle $(BUNDLE) $(if $(LIVE),--live) $(ARGS)
$(TARGETS:%=invoke-%): invoke-%: $(READY)  ## send MODEL's request.json to its endpoint at T
	$(DEPLOY) invoke --target $* --file $(MODEL)/release.toml $(if $(LIVE),--live) $(ARGS)
$(TARGETS:%=status-%): status-%: $(READY)  ## show endpoints, deployments, traffic and digests at T
	$(DEPLOY) status --target $* --file $(MODEL)/release.toml $(if $(LIVE),--live) $(ARGS)
$(TARGETS:%=rollback-%): rollback-%: $(READY)  ## move all traffic to the release before, at T
	$(DEPLOY) rollback --target $* --file $(MODEL)/release.toml $(if $(LIVE),--live) $(ARGS)
$(TARGETS:%=delete-%): delete-%: $(READY)  ## delete the endpoint and all it holds at T
	$(DEPLOY) delete --target $* --file $(MODEL)/release.toml $(if $(LIVE),--live) $(ARGS)

# Terraform shows its plan and asks for a yes by itself; terraform.tfvars in the module's folder has the variables.
TERRAFORM = export TF_VAR_endpoints='["$(NAME)"]'; terraform -chdir=terraform/$*
$(MODULES:%=provision-%): provision-%:  ## show what Terraform would make at T; with LIVE=1 ask, and make it
	@command -v terraform >/dev/null || { echo "provision-$* needs Terraform 1.9 or newer on PATH" >&2; exit 2; }
	$(TERRAFORM) init -input=false
	$(TERRAFORM) $(if $(LIVE),apply,plan) $(ARGS)
$(MODULES:%=destroy-%): destroy-%:  ## show what Terraform would remove at T; with LIVE=1 ask, and remove it
	@command -v terraform >/dev/null || { echo "destroy-$* needs Terraform 1.9 or newer on PATH" >&2; exit 2; }
	$(TERRAFORM) init -input=false
	$(TERRAFORM) $(if $(LIVE),destroy,plan -destroy) $(ARGS)

LOCK := .venv/bin/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-annotate --custom-compile-command "make lock"
lock: $(READY)  ## resolve all lock files anew (ARGS=--upgrade for newer versions)
	$(LOCK) $(ARGS) pyproject.toml --extra all --group dev -o requirements.lock
	for image in requirements requirements-onnx; do \
	  $(LOCK) $(ARGS) -c requirements.lock inference/$$image.in -o inference/$$image.txt || exit; done
	for client in $(CLIENTS:%=tests/clients/%); do \
	  less=$$client.excludes; test -f $$less && less="--excludes $$less" || less=; \
	  $(LOCK) $(ARGS) $$less $$client.in -o $$client.lock || exit; done
	$(LOCK) $(ARGS) -c requirements.lock tests/boosters/boosters.in -o tests/boosters/boosters.lock
	for peer in $(PEERS:%=tests/performance/peers/%); do $(LOCK) $(ARGS) $$peer.in -o $$peer.lock || exit; done
	$(LOCK) $(ARGS) tests/fuzz/schemathesis.in -o tests/fuzz/schemathesis.lock
	$(LOCK) $(ARGS) tests/image/audit.in -o tests/image/audit.lock
	$(LOCK) $(ARGS) -c requirements.lock tests/ray/ray.in -o tests/ray/ray.lock
	$(LOCK) $(ARGS) tests/terraform/checkov.in -o tests/terraform/checkov.lock
	$(LOCK) $(ARGS) .ci/uv.in -o .ci/uv.txt

.PHONY: test-install ordeal help setup demo test test-fast test-security test-clients test-terraform test-ray bench fuzz check $(CHECKS) fix bundle \
  image check-image e2e test-image up down lock \
  $(foreach verb,register approve deploy invoke status rollback delete,$(TARGETS:%=$(verb)-%)) \
  $(foreach verb,provision destroy,$(MODULES:%=$(verb)-%))
