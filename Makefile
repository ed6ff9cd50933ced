# The commands of a checkout. Each installs what it misses first (.ci/install); none asks a question.
BIN := .venv/bin
WORKERS ?= 2

.PHONY: help demo bench test coverage test-ad test-deploy check check-ansible dist bundle test-packages pins changelog

help:
	@echo "make demo         the whole appliance on loopback in ./demo/, until Ctrl-C"
	@echo "make demo ONCE=1  the same, proves that what came in reads back, and ends"
	@echo "make test         the test suite (ARGS='-k name' narrows it)"
	@echo "make coverage     the same, with the branches that no test takes: build/coverage-html"
	@echo "make bench QUICK=1  five minutes of ratios, beside those of the last release"
	@echo "make test-ad      LDAP against a real Active Directory (Samba; needs root)"
	@echo "make test-deploy  units and role on booted machines (systemd-nspawn; needs root)"
	@echo "make test-packages  what make bundle packs"
	@echo "make check        lint, format, types, import contracts"
	@echo "make check-ansible  ansible-lint over the role, production profile"
	@echo "make dist         wheel and sdist, with manual pages and completion, in ./dist/"
	@echo "make bundle       a tar of all wheels, for machines without a network, in ./dist/"
	@echo "make pins         renew the pinned versions in .ci/"
	@echo "make changelog    show what changelog.d/ holds; VERSION=1.2.3 moves it into CHANGELOG.md"

demo:
	@.ci/install
	@$(BIN)/archimed demo $(if $(filter-out 0 no,$(ONCE)),--once) $(if $(DIR),--dir "$(DIR)")

test:
	@.ci/install test
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadscope $(ARGS)

# Servers and mounts that tests start count too; it takes half as long again as `make test`.
coverage:
	@.ci/install test
	@mkdir -p build
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadscope --cov --cov-report term --cov-report html $(ARGS)

# Without QUICK: how each benchmark is run stands in its own page, benchmarks/*.md.
bench:
	@.ci/install test
	@$(if $(filter-out 0 no,$(QUICK)),$(BIN)/python -m benchmarks.quick $(ARGS),ls benchmarks/*.md)

test-ad:
	@.ci/install test
	$(BIN)/python -m pytest $(ARGS) tests/gateway/credentials/active_directory.py

test-deploy: check-ansible
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadscope --timeout 1800 $(ARGS) tests/deploy

check:
	@.ci/install
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

# From the sdist, so that what is packed is what git knows and nothing that an earlier build left.
dist:
	@.ci/install deploy
	rm -rf build dist share
	$(BIN)/python .ci/pages.py share
	PIP_CONSTRAINT=.ci/constraints.txt .venv-deploy/bin/python -m build --outdir dist . >build.log 2>&1 || { cat build.log; exit 1; }
	@rm -f build.log
	@ls dist/*

bundle: dist
	@.ci/bundle dist/archimed-*.whl dist

test-packages:
	@.ci/install deploy
	$(BIN)/python -m pytest $(ARGS) tests/deploy/test_packages.py

check-ansible:
	@.ci/install deploy
	cd ansible && PATH="$(CURDIR)/.venv-deploy/bin:$$PATH" ansible-lint --offline --profile production

changelog:
	@.ci/install
	$(BIN)/scriv $(if $(VERSION),collect --version $(VERSION),print)

# Cython and setuptools-scm: what pyfuse3 is built with.
pins:
	@.ci/install
	$(BIN)/python -m venv --clear .venv-pins
	.venv-pins/bin/python -m pip install --quiet --upgrade pip setuptools Cython setuptools-scm
	.venv-pins/bin/python -m pip install --quiet --editable '.[dev]'
	{ grep '^#' .ci/constraints.txt; .venv-pins/bin/python -m pip freeze --all --exclude-editable --exclude pip | sort -f; } >.venv-pins/new
	mv .venv-pins/new .ci/constraints.txt
	$(BIN)/python -m venv --clear .venv-pins
	.venv-pins/bin/python -m pip install --quiet --upgrade ansible-core ansible-lint build
	{ grep '^#' .ci/deploy.txt; .venv-pins/bin/python -m pip freeze | sort -f; } >.venv-pins/new
	mv .venv-pins/new .ci/deploy.txt
	rm -r .venv-pins
