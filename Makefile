# The commands of a checkout. Each installs what it misses first (.ci/install); none asks a question.
BIN := .venv/bin
WORKERS ?= 2

.PHONY: help demo test test-ad check pins

help:
	@echo "make demo         the whole appliance on loopback in ./demo/, until Ctrl-C"
	@echo "make demo ONCE=1  the same, proves that what came in reads back, and ends"
	@echo "make test         the test suite (ARGS='-k name' narrows it)"
	@echo "make test-ad     LDAP against a real Active Directory (Samba; needs root)"
	@echo "make check        lint, format, types, import contracts"
	@echo "make pins         renew the pinned versions in .ci/constraints.txt"

demo:
	@.ci/install
	@$(BIN)/archimed demo $(if $(filter-out 0 no,$(ONCE)),--once) $(if $(DIR),--dir "$(DIR)")

test:
	@.ci/install test
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadscope $(ARGS)

test-ad:
	@.ci/install test
	$(BIN)/python -m pytest $(ARGS) tests/gateway/credentials/active_directory.py

check:
	@.ci/install
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

# Cython and setuptools-scm: what pyfuse3 is built with.
pins:
	@.ci/install
	$(BIN)/python -m venv --clear .venv-pins
	.venv-pins/bin/python -m pip install --quiet --upgrade pip setuptools Cython setuptools-scm
	.venv-pins/bin/python -m pip install --quiet --editable '.[dev]'
	{ grep '^#' .ci/constraints.txt; .venv-pins/bin/python -m pip freeze --all --exclude-editable --exclude pip | sort -f; } >.venv-pins/new
	mv .venv-pins/new .ci/constraints.txt
	rm -r .venv-pins
