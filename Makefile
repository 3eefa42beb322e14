# Development of jobalerts: `make` lists the commands.
#
# DATABASE_URL and AMQP_URL, if they are set, name the servers to use; a server that is not named is started for the
# command and stopped after it (see deploy/dev/services --help).

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-builtin-rules
.DEFAULT_GOAL := help

CARGO ?= cargo
SERVICES := deploy/dev/services
MAIL_CHECK := deploy/dev/mail-check/run
FUZZ_SECONDS ?= 20
BIN := $(or $(CARGO_TARGET_DIR),target)/debug

.PHONY: help demo dev chaos test bench check advisories deb deb-check fuzz mail-check mail-pictures mails clean tools build

help: ## list the commands
	@echo 'Usage: make COMMAND'
	@awk -F ' ## ' '/^[a-z-]+:.* ## / { sub(/:.*/, "", $$1); printf "  %-13s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: build ## play vacancies to invented people, on real servers, and tell what happened
	@$(SERVICES) run -- $(BIN)/demo

dev: build ## run the daemon with invented people and a web inbox, until Ctrl-C
	@$(SERVICES) run -- $(BIN)/demo --stay

chaos: build ## play faults against several daemons, on real servers; CHAOS="ARGUMENTS" goes to the player
	@$(SERVICES) run -- $(BIN)/chaos $(CHAOS)

test: tools ## run all tests, on real servers
	@$(SERVICES) run -- $(CARGO) test --workspace --locked --no-fail-fast

bench: tools ## measure the road, on real servers; BENCH="ARGUMENTS" goes to the benchmark
	@$(SERVICES) run -- $(CARGO) bench --locked --bench road -- $(BENCH)

check: tools ## check format, lints, documentation, dependencies and scripts
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --workspace --no-deps --document-private-items --locked
	@if grep -n '^name = "aws-lc' Cargo.lock; then echo 'Cargo.lock: the only cryptography here is ring' >&2; exit 1; fi
	@if command -v shellcheck >/dev/null; then shellcheck .ci/run $(SERVICES) $(MAIL_CHECK) deploy/dev/lib/*.sh deploy/rabbitmq/permissions deploy/systemd/check deploy/prometheus/check deploy/deb/build deploy/deb/check deploy/deb/scripts/*; else echo 'shellcheck is not installed; the scripts were not checked'; fi
	@if command -v cargo-deny >/dev/null; then $(CARGO) deny --locked check -s bans licenses sources; else echo 'cargo-deny is not installed; licences, bans and sources of the dependencies were not checked'; fi
	@if command -v systemd-analyze >/dev/null; then deploy/systemd/check; else echo 'systemd is not installed; its units were not checked'; fi
	@if command -v promtool >/dev/null; then deploy/prometheus/check; else echo 'prometheus is not installed; its rules were not checked'; fi

advisories: tools ## hold the dependencies against the RustSec database, which is fetched from GitHub
	@command -v cargo-deny >/dev/null || { echo 'cargo-deny is not installed: cargo install --locked cargo-deny' >&2; exit 69; }
	$(CARGO) deny --locked check advisories

fuzz: tools ## feed the readers of what strangers send with garbage, FUZZ_SECONDS (20) each
	@command -v cargo-fuzz >/dev/null || { echo 'cargo-fuzz is not installed: cargo install --locked cargo-fuzz' >&2; exit 69; }
	@for reader in events returns tokens; do \
	    mkdir -p ".dev/fuzz/$$reader"; \
	    $(CARGO) fuzz run --fuzz-dir tests/fuzz --sanitizer none --release "$$reader" ".dev/fuzz/$$reader" \
	        $$(ls -d "tests/golden/$$reader" 2>/dev/null) -- -max_total_time=$(FUZZ_SECONDS) -print_final_stats=1; \
	done

mail-check: mails ## hold every mail against tools that others wrote; the mails stay in .dev/mails
	@$(MAIL_CHECK) self-test
	@$(MAIL_CHECK) check .dev/mails .dev/mails/dns.json

mail-pictures: mails ## take pictures of every mail for docs/mails
	@$(MAIL_CHECK) pictures .dev/mails docs/mails

deb: tools ## build the Debian package
	@CARGO='$(CARGO)' deploy/deb/build

deb-check: build ## build the Debian package, install it (as root), try it, and purge it; PROFILE=dev is sooner
	@deb=$$(CARGO='$(CARGO)' PROFILE='$(PROFILE)' deploy/deb/build) && env -u DATABASE_URL -u AMQP_URL CATCHER=$(BIN)/catcher $(SERVICES) run -- deploy/deb/check "$$deb"

clean: ## remove what was built, and the folders of demo, dev, chaos and mail-check
	$(CARGO) clean
	rm -rf .dev/demo .dev/demo-* .dev/inbox .dev/inbox-* .dev/chaos-* .dev/mails .dev/mail-check

mails: tools
	@rm -rf .dev/mails
	@CARGO='$(CARGO)' $(MAIL_CHECK) preview .dev/mails

build: tools
	@$(CARGO) build --workspace --bins --locked

# What cannot be installed by a script of ours; the servers can, see deploy/dev/services.
tools:
	@command -v $(CARGO) >/dev/null || { echo 'cargo is not installed: see https://rustup.rs (Rust 1.94 or later)' >&2; exit 69; }
	@command -v cc >/dev/null || { echo 'There is no C compiler (cc): sudo apt-get install build-essential' >&2; exit 69; }
