# What there is to do here. Everything also works without a terminal.

CARGO ?= cargo

.PHONY: help run test test-deb test-oci check deny bench bench-count chaos soak reliability fuzz dist deb image release

help:
	@echo 'make run    the gateway in front of a Janus on this machine (installs one if missing)'
	@echo 'make test   installs what the tests need, then runs all of them'
	@echo 'make check  format, lints, documentation'
	@echo 'make deny   cargo-deny: licences, sources, duplicates, and known vulnerabilities (needs the network)'
	@echo 'make bench  measurements beside nginx, HAProxy and Caddy'
	@echo 'make bench-count  instructions per request, handshake and message, beside those recorded'
	@echo 'make chaos  a minute of load while everything goes wrong; what is lost, and why'
	@echo 'make soak   the same load for SOAK (10m): what grows'
	@echo 'make reliability  what is lost by upgrades, beside nginx, HAProxy and Caddy'
	@echo 'make dist   the binary to install, stripped, and its debug information'
	@echo 'make deb    the Debian package, in target/debian'
	@echo 'make test-deb  installs, upgrades and purges the package in a Debian root (as root)'
	@echo 'make image  the OCI image, a layout in target/oci/ianitor'
	@echo 'make test-oci  looks at the image and serves from it (as root)'
	@echo 'make release  what is published of a version, in target/release-files'
	@echo 'make fuzz   fuzzing, FUZZ_SECONDS (30) for each parser'

run:
	@scripts/run.sh

test:
	scripts/test-deps.sh
	$(CARGO) test --workspace --locked
	$(CARGO) test --release --locked --test real

# Needs root: debootstrap, chroot and namespaces.
test-deb: deb
	PATH=$$PATH:/usr/sbin python3 tests/deb/deb.py target/debian/ianitor_*.deb
	PATH=$$PATH:/usr/sbin python3 tests/deb/five_commands.py target/debian/ianitor_*.deb

# Needs root: chroot and namespaces.
test-oci: image
	PATH=$$PATH:/usr/sbin python3 tests/oci/oci.py $${CARGO_TARGET_DIR:-target}/oci/ianitor

check:
	scripts/build-deps.sh
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	$(CARGO) clippy --test real --locked -- -D warnings
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --workspace --no-deps --locked
	CARGO_TARGET_DIR=$${CARGO_TARGET_DIR:-target} $(CARGO) check --manifest-path fuzz/Cargo.toml --locked
	@echo 'Known vulnerabilities are not looked up here: make deny'

# `make test` checks the lists of deny.toml by itself; only advisories are looked up here alone.
deny:
	@command -v cargo-deny >/dev/null || $(CARGO) install cargo-deny --locked
	$(CARGO) deny --locked check

bench:
	benches/run.sh

bench-count:
	benches/count/run.sh

chaos:
	scripts/chaos.sh

soak:
	scripts/chaos.sh soak

reliability:
	scripts/chaos.sh peers
	PATH=$$PATH:/usr/sbin IANITOR=$${IANITOR:-$${CARGO_TARGET_DIR:-target}/release/ianitor} \
		python3 benches/failover.py

fuzz:
	fuzz/run.sh

dist:
	scripts/dist.sh

deb:
	scripts/deb.sh

image:
	scripts/image.sh

release:
	scripts/release.sh
