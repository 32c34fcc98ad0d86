# make test    everything CI runs: setup, lint, all tests with the race detector, real servers included
# make build   a static ./zonkeymwi
# make lint    gofmt, go vet, staticcheck
# make e2e     the tests with real servers alone
# make bench   measure everything, some 10 minutes, and write docs/performance.md; wants an idle machine
# make validate   what is in deploy/ and .github/, against its schemas
# make fuzz FUZZTIME=1m   every fuzz test for that long
# make setup   install what the tests need (as root; otherwise it says what)

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
COMMIT ?= $(shell git rev-parse HEAD 2>/dev/null)
STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2

.PHONY: test build lint e2e bench validate fuzz setup
test: setup lint validate
	go test -race -timeout 14m ./...

# The same Go, tree, VERSION and COMMIT make the same bytes, wherever the tree lies. .goreleaser.yaml has the same flags.
build:
	CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags '-s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT)' -o zonkeymwi .

lint:
	@unformatted=$$(gofmt -l .) && test -z "$$unformatted" || { echo "gofmt -w $$unformatted" >&2; exit 1; }
	go vet ./...
	go run $(STATICCHECK) ./...

e2e: setup
	go test -race -count 1 -timeout 14m -v ./e2e

# sipsak is what the program is compared with; without it that line says so.
bench: setup build
	command -v sipsak >/dev/null || [ "$$(id -u)" != 0 ] || apt-get install -qq -y --no-install-recommends sipsak >/dev/null || true
	go test ./bench -count 1 -timeout 40m -run TestPerformance -measure -v

# Schemas of the YAML in deploy/ and of the workflows, packages; a module of its own.
validate:
	cd deploy/validate && go vet ./... && go test -timeout 10m ./...

fuzz:
	scripts/fuzz.sh $(FUZZTIME)

setup:
	scripts/setup.sh
