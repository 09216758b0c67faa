# swift-cni: `make help` lists the targets. Everything that changes the host needs root: `sudo make demo`.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help

PREFIX ?= /usr/local
DESTDIR ?=
PLUGIN_DIR ?= /opt/cni/bin
BIN := $(CURDIR)/.build/bin

# sudo drops the caller's PATH to Swift, so the usual directories are added.
CALLER_HOME := $(shell getent passwd "$${SUDO_USER:-$$(id -un)}" | cut -d: -f6)
export PATH := $(PATH):/opt/swift/usr/bin:/usr/local/swift/usr/bin:$(CALLER_HOME)/.local/share/swiftly/bin:/usr/sbin:/sbin
# The options of the caller's make must not reach programs that the tests start.
unexport MAKEFLAGS

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

.PHONY: deps
deps: ## install the Debian packages that are missing
	@scripts/deps

.PHONY: build
build: ## build the plugins and cnictl for release into .build/bin
	@scripts/build "$(BIN)"

.PHONY: install
install: build ## install plugins to /opt/cni/bin (PLUGIN_DIR), cnictl to PREFIX/bin, below DESTDIR
	@scripts/install "$(BIN)" "$(DESTDIR)$(PLUGIN_DIR)" "$(DESTDIR)$(PREFIX)"

.PHONY: uninstall
uninstall: ## remove the installed files
	@scripts/uninstall "$(DESTDIR)$(PLUGIN_DIR)" "$(DESTDIR)$(PREFIX)"

.PHONY: release
release: deps ## pack HEAD into .build/tarball/swift-cni-VERSION-linux-ARCH.tar.gz, see RELEASING.md
	@scripts/release

.PHONY: docs
docs: ## write the documentation of the libraries CNI and CNIRuntime into .build/docs
	@scripts/docs

.PHONY: demo
demo: deps build ## attach three containers to a bridge, show what works, leave nothing behind
	@scripts/demo

.PHONY: check
check: deps ## everything that must hold: lint, imports, every test, every conf-example
	@scripts/check "lint imports schema-check unit kernel build" "end-to-end test-multihost" \
	  "link-kinds conf-examples test-docs test-podman faults-sample"

.PHONY: quick
quick: ## lint, imports, and the unit tests of what changed since the branch left main (BASE=COMMIT)
	@scripts/quick $(BASE)

.PHONY: lint
lint: ## formatting, length of files and functions, the version, paths and names in the documentation
	@swift format lint --strict --recursive --parallel Sources Tests embedded Package.swift
	@scripts/lint-length Sources Tests
	@scripts/version check
	@scripts/lint-docs
	@scripts/lint-follow

.PHONY: schemas
schemas: ## write share/swift-cni/schemas and the key tables of docs/plugins.md
	@scripts/schemas

.PHONY: schema-check
schema-check: deps ## the schemas accept every file of conf-examples
	@scripts/schema-check

.PHONY: imports
imports: ## check the imports of docs/architecture.md
	@scripts/lint-imports

.PHONY: unit
unit: ## tests that need no privileges
	@scripts/run-tests unit

.PHONY: kernel
kernel: ## tests of the kernel layer, in a private network namespace
	@scripts/run-tests kernel

# Only for these targets: tests of the environment that a runtime passes to plugins would find the variable there.
end-to-end test-multihost link-kinds conf-examples test-docs test-podman faults faults-sample: export CNI_BIN := $(BIN)

.PHONY: end-to-end
end-to-end: build ## tests with the built plugins, in a private network namespace
	@scripts/run-tests end-to-end

.PHONY: test-multihost
test-multihost: deps build ## overlay networks between several hosts, each a network namespace
	@scripts/run-tests multihost

.PHONY: link-kinds
link-kinds: deps build ## tests of links; where this kernel lacks a kind, in a second kernel
	@scripts/run-tests link-kinds

.PHONY: conf-examples
conf-examples: build ## validate and run every file of conf-examples
	@scripts/conf-examples

.PHONY: test-docs
test-docs: build ## run commands of README and docs with the built plugins, each in a private network namespace
	@scripts/test-docs

.PHONY: test-podman
test-podman: deps build ## run podman with the built plugins: publish, two networks, restart, reload, remove
	@scripts/test-podman

.PHONY: faults
faults: deps build ## kill plugins before every change, fail every system call once (SAMPLE=K: about K runs)
	@scripts/faults $(if $(SAMPLE),--sample $(SAMPLE))

.PHONY: faults-sample
faults-sample: deps build ## the sample of faults that make check runs
	@scripts/faults --sample 144 --seed 594 --and 'dns-hosts-dnsmasq ADD readlink' --and 'macvlan-host-access DEL ioctl' \
	  --and 'tuning DEL ioctl' --and 'bridge-iptables ADD setsockopt' --and 'guarded-bridge ADD write 22' \
	  --and 'guarded-overlay ADD linkat 2' --and 'guarded-overlay GC sendmsg' --and 'guarded-macvlan DEL sendmsg' \
	  --and 'guarded-firewall GC unlink' --and 'service DEL sendmsg'

.PHONY: bench
bench: deps build ## compare with the reference plugins (PEER=DIR) and with the C floor; write docs/benchmarks.md
	@scripts/bench

.PHONY: fuzz
fuzz: ## run each fuzz target for FUZZ_SECONDS (20)
	@scripts/fuzz

.PHONY: fmt
fmt: ## format the Swift files
	@swift format --in-place --recursive --parallel Sources Tests embedded Package.swift
