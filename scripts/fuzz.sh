#!/bin/bash
# Runs every fuzz test of the project for a while each (default 1m), and stops at the first that fails; Go leaves the
# input that did it in that package's testdata/fuzz.
set -euo pipefail
cd "$(dirname "$0")/.."
for package in $(go list ./...); do
	for target in $(go test -list '^Fuzz' "$package" | grep '^Fuzz' || true); do
		echo "fuzz: $package $target"
		go test -run '^$' -fuzz "^$target\$" -fuzztime "${1:-1m}" "$package"
	done
done
