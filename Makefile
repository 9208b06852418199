SHELL := /bin/bash
.DEFAULT_GOAL := help
GO ?= go
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
APT := postgresql qemu-system-x86 ovmf ipxe ipxe-qemu dnsmasq udhcpc isc-dhcp-client tftp-hpa atftp curl \
  redfishtool python3-sushy iproute2 stress-ng stressapptest fio iperf3 nvme-cli smartmontools dmidecode ethtool pciutils memtester chromium

.PHONY: help build test race lint fuzz test-real kill-matrix conformance packages demo demo-vm tidy-check

help: ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## bin/rackwright, static, no cgo, with the agent of the burn-in image inside
	CGO_ENABLED=0 GOOS=linux GOARCH=amd64 $(GO) build -trimpath -buildvcs=false -ldflags="-s -w -X main.version=$$(git describe --always --dirty 2>/dev/null || echo devel)" \
	  -o cmd/rackwright/internal/agentbin/rackagent ./cmd/rackagent
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags='-s -w' -o bin/rackwright ./cmd/rackwright

demo: ## a rack from packing list to signed package, no root
	CGO_ENABLED=0 $(GO) run ./cmd/rackwright demo $(ARGS)

demo-vm: packages build ## the same with three QEMU machines, real firmware and real tests (Debian, root)
	bin/rackwright demo --vm $(ARGS)

test: ## unit tests: hermetic, no root, no cgo
	CGO_ENABLED=0 $(GO) test ./...

race: ## unit tests under the race detector (needs gcc)
	CGO_ENABLED=1 $(GO) test -race ./...

lint: tidy-check ## gofmt, vet, staticcheck, tidy
	@out=$$(gofmt -l .); test -z "$$out" || { echo "gofmt: $$out"; exit 1; }
	$(GO) vet -tags realpeer ./...
	$(GO) run $(STATICCHECK) -tags realpeer ./...

tidy-check:
	$(GO) mod tidy -diff

fuzz: ## every fuzz target for 60 s
	@set -e; for p in $$($(GO) list ./...); do for f in $$($(GO) test -list '^Fuzz' $$p | grep '^Fuzz' || true); do \
	  echo "==> $$p $$f"; $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime 60s $$p; done; done

test-real: packages ## tests against real peers: installs what it needs (Debian, root)
	CGO_ENABLED=0 $(GO) test -tags realpeer -run 'RealPeer' -count=1 -p 1 -timeout 40m ./...

kill-matrix: packages ## kill -9 at every commit of a rack's journey, on both databases, for an hour
	CGO_ENABLED=0 RACKWRIGHT_KILL_FULL=1 $(GO) test -tags realpeer -run KillMatrix -count=1 -v -timeout 120m ./cmd/rackwright/internal/killtest

conformance: ## DMTF's validators against the simulated BMCs, for minutes (pinned PyPI tools)
	$(GO) test -tags conformance -count=1 -timeout 20m ./redfish/bmcsim

packages:
	@missing=$$(dpkg-query -W -f='$${Package} $${Status}\n' $(APT) 2>/dev/null | awk '/ok installed/{print $$1}' | sort | comm -13 - <(printf '%s\n' $(APT) | sort)); \
	if [ -n "$$missing" ]; then apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; fi
