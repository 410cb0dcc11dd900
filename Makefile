# Two commands set everything up on a machine with Python, make and pip:
# `make demo` and `make test`. Both may be run again at any time.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.installed
# Test processes, each computing on one core; about 2 GB of memory each.
WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: help demo test lint docs pages bench release-check clean

help: ## Say what each command does
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): pyproject.toml constraints.txt
	@echo "== installing into $(VENV) (a few minutes the first time)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[train,dev,docs,lab,ui]'
	@touch $@

demo: $(READY) ## Hide a face in a photo and get it back; pictures in demo/
	@echo "== hiding a face and getting it back"
	@$(BIN)/python benchmarks/demo.py --output demo

test: $(READY) lint ## Lint, then run all tests
	@echo "== running the tests"
	@$(BIN)/python -m pytest -q -m "not gpu" -n $(WORKERS) --dist loadgroup

lint: $(READY) ## Check style and types
	@echo "== checking style and types"
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/mypy

docs: $(READY) ## Build the documentation; open site/index.html
	@echo "== building the documentation"
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

pages: $(READY) ## Make the pictures and pages that show what the program does and says
	@$(BIN)/python benchmarks/demo.py --output demo --strip docs/pictures/strip.webp
	@$(BIN)/python docs/make_pictures.py
	@$(BIN)/python docs/make_stc_pictures.py
	@$(BIN)/python docs/make_applications.py
	@$(BIN)/python docs/make_ui_samples.py
	@$(BIN)/python docs/make_ui_pictures.py
	@$(BIN)/python docs/make_gallery.py
	@$(BIN)/python docs/make_structure.py
	@$(BIN)/python docs/make_licences.py
	@$(BIN)/python docs/make_models.py
	@$(BIN)/python docs/make_cli.py
	@$(BIN)/python docs/make_json.py

bench: $(READY) ## Measure the main job on held-out faces (needs ../shared)
	@$(BIN)/python benchmarks/main_job.py

release-check: $(READY) ## Check version, weights, wheel, metadata, installation and licences
	@PYTHONPATH=. $(BIN)/python benchmarks/release_check.py

clean: ## Remove what the other commands made
	rm -rf $(VENV) demo site build dist *.egg-info
