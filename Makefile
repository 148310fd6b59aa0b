# SPDX-License-Identifier: Apache-2.0
# A thin front: everything is built and tested inside the testbed (testbed/), a Debian root that
# is made once, so that nothing but make, git and root is needed here.
# On a system with the dependencies: meson setup build && meson install -C build.

SUITE ?=
PREFIX ?= /usr/local
DESTDIR ?=
IN_TESTBED = testbed/run --as-is --cwd /src --

.PHONY: all testbed demo check bench format lint tidy install clean help

all: ## compile, in the testbed, into build/testbed
	testbed/run -- true

testbed: ## build the testbed's root, if it is not there
	testbed/prepare

demo: ## show what Bivouac does
	testbed/run --user alice -- /src/tests/demo

check: ## run the tests: make check SUITE=unit,apps (all: tests/check --help)
	tests/check $(SUITE)

bench: ## measure against CRIU alone, 25 minutes; QUICK=1: 5; ROWS=NAME,... for some (bench/README.md)
	rm -rf build/bench.new && mkdir -p build && install -d -m 777 build/bench.new
	testbed/run --user alice -- /src/bench/bench $(if $(QUICK),--quick) $(if $(ROWS),--rows $(ROWS)) \
		--output /src/build/bench.new; \
	status=$$?; mv -f build/bench.new/* build/; rmdir build/bench.new; exit $$status

format: ## format the C files in place
	$(IN_TESTBED) sh -c 'find src include plugins tests bench -name "*.[ch]" 2>/dev/null | xargs -r clang-format -i'

lint: ## run the lint lane of the tests
	tests/check lint

tidy: ## run clang-tidy (advice, not a gate)
	$(IN_TESTBED) sh -c '/src/testbed/compile clang && run-clang-tidy -quiet -p build/clang src/'

install: ## install on this system, which must have the dependencies
	meson setup --prefix=$(PREFIX) build/install
	DESTDIR=$(DESTDIR) meson install -C build/install

clean: ## remove what was built here (not the testbed's root)
	rm -rf build

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | expand -t 12
