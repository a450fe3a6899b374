# SPDX-License-Identifier: MIT
# For people; Meson does the building. `make help` lists the targets.
PREFIX ?= /usr/local
DESTDIR ?=
MINUTES ?= 10

all: ## build/bulkmail, build/libbulkmail.a and build/libbulkmail.so
	@scripts/setup build
	@scripts/build build

demo: all ## a campaign of 1,000 recipients against our own sink
	@scripts/demo

test: ## everything that CI checks; the last line says how many passed and failed (a stage: scripts/test unit)
	@scripts/setup test
	@scripts/test

bench: all ## bulkmail beside other senders; writes docs/performance.md, in about 25 minutes
	@scripts/setup bench
	@scripts/bench

lint: ## layers, function sizes, format, clang-tidy, scripts, man pages, manual coverage, conformance
	@scripts/setup test
	@CC=gcc scripts/build build -Dtests=true
	@CC=clang scripts/build build-clang -Dtests=true
	@scripts/lint

format: ## the sources, by clang-format
	@scripts/setup test
	@scripts/format -i

sanitizers: ## ThreadSanitizer over what has threads, valgrind over a sample: what make test leaves out for its time
	@scripts/setup test
	@scripts/test build tsan valgrind

coverage: ## line coverage of all tests in build-coverage/report; fails below 95 % of src/smtp or src/mail
	@scripts/setup coverage
	@scripts/coverage

fuzz: ## each fuzz target for MINUTES (default 10)
	@scripts/setup test
	@scripts/fuzz $$(($(MINUTES) * 60))

manual-coverage: ## writes docs/manual-coverage.md anew from the tests' tags
	@tools/manual-coverage

conformance: ## writes docs/conformance.md anew from the tests' tags
	@tools/conformance

install: all ## the command, the library, headers, man pages and bulkmail.pc (PREFIX, DESTDIR)
	@scripts/install "$(PREFIX)" "$(DESTDIR)"

clean: ## removes all that was built
	rm -rf build build-*

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1	/p' Makefile | expand -t 18

.PHONY: all demo test sanitizers bench lint format coverage fuzz manual-coverage conformance install clean help
