# Builds and checks pyray. Needs make, gcc and Python 3.11 or newer with its headers; everything else
# goes into the virtual environment $(VENV). `make help` lists the targets.
#
#   PYTHON=...       the interpreter to make the environment with (default: the first that is new enough)
#   VENV=...         where the environment goes (default .venv)
#   PYRAY_BUILD=...  release (default) or debug: the variant of the extension that is built in place
#   PYTEST_ARGS=...  arguments for pytest, for instance `make test PYTEST_ARGS='-k wait -x'`
#   C_TESTS=...      names of C tests to run, for instance `make asan C_TESTS=test_heap`
#   WERROR=1         make C warnings errors (`make lint` and CI do)

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules --no-print-directory
# Tests start thousands of processes: each would compile the package anew.
unexport PYTHONDONTWRITEBYTECODE

PYTHON ?= $(firstword $(foreach name,python3 python3.13 python3.12 python3.11 python3.14,$(shell \
	$(name) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $(name))))
VENV ?= .venv
PYRAY_BUILD ?= release
PYTEST_ARGS ?=
JOBS ?= $(shell nproc)
PY := $(VENV)/bin/python

LIBRARY := $(wildcard $(patsubst %,csrc/%/*.c,base os shm store engine))
HEADERS := $(wildcard csrc/*.h csrc/*/*.h)
BINDINGS := $(wildcard csrc/bindings/*.px[di] csrc/bindings/*.pyx)
C_TESTS ?= $(notdir $(basename $(wildcard csrc/tests/test_*.c csrc/tests/fuzz_*.c)))
C_TEST_SUPPORT := $(filter-out $(wildcard csrc/tests/test_*.c csrc/tests/fuzz_*.c),$(wildcard csrc/tests/*.c))

##@ What to call
.PHONY: help
help: ## list these targets
	@echo "make TARGET, where TARGET is one of:"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 12

.PHONY: demo
demo: $(VENV)/.installed-demo build/extension.stamp ## run the example on real data (336,776 flights)
	@$(PY) examples/flights.py

.PHONY: test
test: c-tests-release $(VENV)/.installed-test build/extension.stamp ## C unit tests, then pytest on tests/
	@$(PY) -m pytest $(PYTEST_ARGS)

.PHONY: lint
lint: $(VENV)/.installed-test ## style, types and warnings of Python, Cython and C
	@$(MAKE) -j$(JOBS) --output-sync=target --keep-going lint-mypy lint-ruff lint-cython lint-c lint-format

.PHONY: format
format: $(VENV)/.installed-test ## lay out Python and C as `make lint` wants them
	@$(PY) -m ruff check --quiet --fix || true
	@$(PY) -m ruff format
	@$(if $(C_FILES),clang-format -i $(C_FILES))

.PHONY: bench
bench: $(VENV)/.installed-bench build/extension.stamp ## measure: micro-benchmarks, then the comparison with peers
	@$(if $(wildcard benchmarks/test_*.py),$(PY) -m pytest benchmarks --benchmark-only $(PYTEST_ARGS))
	@$(PY) benchmarks/compare.py

.PHONY: asan
asan: c-tests-asan ## C unit tests under AddressSanitizer and UndefinedBehaviorSanitizer

.PHONY: tsan
tsan: c-tests-tsan ## C unit tests under ThreadSanitizer

# Bounded: each line has a time limit of its own, 30 minutes in all.
STORM_SEED ?= $(shell shuf -i 1-999999 -n 1)
.PHONY: storm
storm: c-programs-release $(VENV)/.installed-test build/extension.stamp ## deaths at random and at every instruction, checked (30 minutes)
	@echo "storm with STORM_SEED=$(STORM_SEED)"
	@timeout 300 build/release/test_step --seed=$(STORM_SEED) --each=0 --seconds=240
	@timeout 140 build/release/test_crash --seed=$(STORM_SEED) --seconds=90
	@timeout 40 build/release/test_interleavings --seed=$(STORM_SEED) --seconds=15
	@timeout 120 build/release/test_kill --seed=$(STORM_SEED) --seconds=60
	@timeout 75 build/release/fuzz_tables --seed=$(STORM_SEED) --seconds=60
	@timeout 45 build/release/fuzz_spills --seed=$(STORM_SEED) --seconds=15
	@timeout 720 $(PY) -m tests.storm --seed $(STORM_SEED) --minutes 8 --pause 0.6
	@timeout 360 $(PY) -m tests.storm.driver_kills --seed $(STORM_SEED) --times 1000 --seconds 300

SOAK_MINUTES ?= 10
.PHONY: soak
soak: $(VENV)/.installed-test build/extension.stamp ## growth under the mixed load with deaths (SOAK_MINUTES=10)
	@timeout $$(( $(SOAK_MINUTES) * 60 + 300 )) $(PY) -m tests.storm.soak --minutes $(SOAK_MINUTES)

.PHONY: debug
debug: c-tests-debug ## all tests with audits and failpoints (the debug variant stays built in place)
	@$(MAKE) PYRAY_BUILD=debug $(VENV)/.installed-test build/extension.stamp
	@$(PY) -m pytest $(PYTEST_ARGS)

.PHONY: build
build: $(VENV)/.installed-test build/extension.stamp ## only make the environment and the extension

.PHONY: clean
clean: ## remove what was built (the environment stays; `rm -r .venv` removes that too)
	rm -rf build dist *.egg-info pyray/_core*.so pyray/_core.c .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find pyray tests benchmarks examples -name __pycache__ -prune -exec rm -rf {} +

# ---- The environment: one stamp for each extra of pyproject.toml, redone when that file changes.
$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "pyray needs Python 3.11 or newer; give one as PYTHON=..."; exit 1; }
	@$(PYTHON) -c 'import sys; v = sys.version.split()[0]; \
		sys.exit(f"pyray needs Python 3.11 or newer; PYTHON is {v}" if sys.version_info < (3, 11) else 0)'
	@echo "Making the environment $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo "This Python cannot make environments (Debian: apt-get install python3-venv)."; exit 1; }

# The requirements of the build and of the package with one extra, one a line. The checkout itself is put
# on the path, so that edits of .py files count at once and in every directory.
define LIST_REQUIREMENTS
import sys, tomllib
data = tomllib.load(open("pyproject.toml", "rb"))
extras = data["project"].get("optional-dependencies", {})
for extra in sys.argv[1:]:
    if extra not in extras: sys.exit(f"pyproject.toml has no extra {extra!r}")
lists = [data["build-system"]["requires"], data["project"]["dependencies"], *(extras[e] for e in sys.argv[1:])]
print("\n".join(line for requirements in lists for line in requirements))
endef
export LIST_REQUIREMENTS

$(VENV)/.installed-%: pyproject.toml $(VENV)/bin/python
	@echo "Installing what '$*' needs into $(VENV)"
	@$(PY) -c "$$LIST_REQUIREMENTS" $* > $@.txt
	@$(PY) -m pip install --quiet --quiet --disable-pip-version-check --prefer-binary --upgrade -r $@.txt
	@pwd > "$$($(PY) -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/pyray-checkout.pth"
	@touch $@

# ---- The extension pyray._core, in place. setuptools compares times of files; what it does not see
# (another variant, another Python, a file that came or went) is the content of build/extension.key.
EXTENSION_KEY := $(PYRAY_BUILD) $(shell readlink -f $(PY) 2>/dev/null) $(sort $(LIBRARY) $(HEADERS) $(BINDINGS))
.PHONY: FORCE
build/extension.key: FORCE
	@mkdir -p build && { echo '$(EXTENSION_KEY)' | cmp -s - $@ || echo '$(EXTENSION_KEY)' > $@; }

build/extension.stamp: build/extension.key $(LIBRARY) $(HEADERS) $(BINDINGS) setup.py \
		$(if $(wildcard pyray/_core*.so),,FORCE) | $(VENV)/.installed-test
	@echo "Building pyray._core ($(PYRAY_BUILD))"
	@force=; [ $@ -nt build/extension.key ] || force=--force; \
	PYRAY_BUILD=$(PYRAY_BUILD) $(PY) setup.py --quiet build_ext --inplace $$force \
		--build-temp build/extension-$(PYRAY_BUILD) 2>&1 | tee build/extension.log >&2
	@touch $@

# ---- The C core and its tests, one library for each variant under build/<variant>/.
CC ?= gcc
ifeq ($(origin CC),default)
CC := gcc
endif
WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wno-unused-parameter -Wmissing-prototypes \
	-Werror=implicit-function-declaration -Werror=incompatible-pointer-types -Werror=int-conversion \
	$(if $(WERROR)$(filter true 1,$(CI)),-Werror)
FLAGS := -std=gnu11 -g -DPR_CRASH_INJECTION -fno-strict-aliasing -pthread $(WARNINGS) -Icsrc
FLAGS_release := -O2
FLAGS_debug := -O1 -DPR_DEBUG=1
FLAGS_asan := -O1 -DPR_DEBUG=1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
FLAGS_tsan := -O1 -DPR_DEBUG=1 -fno-omit-frame-pointer -fsanitize=thread
VARIANTS := release debug asan tsan

define VARIANT_RULES
build/$(1)/%.o: csrc/%.c Makefile
	@mkdir -p $$(@D)
	@$$(CC) $$(FLAGS) $$(FLAGS_$(1)) $$(if $$(findstring /tests/,$$<),-Wno-conversion) -MMD -MP -c $$< -o $$@
build/$(1)/libpyraycore.a: $$(LIBRARY:csrc/%.c=build/$(1)/%.o) $$(C_TEST_SUPPORT:csrc/%.c=build/$(1)/%.o)
	@rm -f $$@ && ar rcs $$@ $$^
build/$(1)/test_%: build/$(1)/tests/test_%.o build/$(1)/libpyraycore.a
	@$$(CC) $$(FLAGS) $$(FLAGS_$(1)) $$^ -lm -o $$@
build/$(1)/fuzz_%: build/$(1)/tests/fuzz_%.o build/$(1)/libpyraycore.a
	@$$(CC) $$(FLAGS) $$(FLAGS_$(1)) $$^ -lm -o $$@
.PHONY: c-programs-$(1) c-tests-$(1)
c-programs-$(1): $$(C_TESTS:%=build/$(1)/%)
c-tests-$(1):
	@echo "C tests, $(1):"
	@$$(MAKE) -j$$(JOBS) c-programs-$(1)
	@csrc/tests/run.sh $(1) $$(C_TESTS:%=build/$(1)/%)
endef
$(foreach variant,$(VARIANTS),$(eval $(call VARIANT_RULES,$(variant))))
.SECONDARY:
-include $(wildcard build/*/*/*.d)

# ---- Lint.
CYTHON_FILES := $(wildcard csrc/bindings/*.pyx csrc/bindings/*.pxd csrc/bindings/*.pxi)
C_FILES := $(wildcard csrc/*.h csrc/*/*.c csrc/*/*.h)
.PHONY: lint-ruff lint-mypy lint-cython lint-c lint-format
lint-ruff:
	@$(PY) -m ruff check
	@$(PY) -m ruff format --check
lint-mypy:
	@$(PY) -m mypy
lint-cython:
	@$(if $(CYTHON_FILES),PATH="$(abspath $(VENV))/bin:$$PATH" cython-lint $(CYTHON_FILES) && echo "cython-lint: fine",true)
lint-c:
	@$(MAKE) WERROR=1 $(patsubst csrc/%.c,build/lint/%.o,$(filter %.c,$(C_FILES)))
	@echo "gcc: no warnings"
build/lint/%.o: csrc/%.c $(HEADERS) Makefile
	@mkdir -p $(@D)
	@$(CC) $(FLAGS) -O2 -DPR_DEBUG=1 $(if $(findstring /tests/,$<),-Wno-conversion) -c $< -o $@
lint-format:
	@if ! command -v clang-format > /dev/null; then echo "clang-format: not installed, skipped"; \
	elif [ -n "$(C_FILES)" ]; then clang-format --dry-run -Werror $(C_FILES) && echo "clang-format: fine"; fi
