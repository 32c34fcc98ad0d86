# make test    everything CI runs: setup, lint, all tests with the race detector, real servers included
# make build   a static ./zonkeymwi
# make lint    gofmt, go vet, staticcheck
# make e2e     the tests with real servers alone
# make setup   install what the tests need (as root; otherwise it says what)

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2

.PHONY: test build lint e2e setup
test: setup lint
	go test -race -timeout 14m ./...

build:
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o zonkeymwi .

lint:
	@unformatted=$$(gofmt -l .) && test -z "$$unformatted" || { echo "gofmt -w $$unformatted" >&2; exit 1; }
	go vet ./...
	go run $(STATICCHECK) ./...

e2e: setup
	go test -race -count 1 -timeout 14m -v ./e2e

setup:
	scripts/setup.sh
