#!/usr/bin/env bash
# Builds and runs the projects of test/consumer/ the three ways a user takes persist: installed, as a
# part of a project, and as a single header without a build system. Everything is made in DIR.
set -euo pipefail

if [ $# -ne 1 ]; then
  echo "usage: tools/consumers.sh DIR" >&2
  exit 2
fi
root=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "$1"
dir=$(cd "$1" && pwd)
rm -rf "${dir:?}"/*

quietly() {
  "$@" >"$dir/log" 2>&1 || { cat "$dir/log"; echo "failed: $*" >&2; exit 1; }
}

build_and_run() {
  quietly cmake -S "$root/test/consumer/$1" -B "$dir/$1" -G Ninja "${@:2}"
  quietly cmake --build "$dir/$1"
  "$dir/$1/consumer" >/dev/null
  "$dir/$1/adapters" >/dev/null
  echo "consumer: $1: builds and runs"
}

quietly cmake -S "$root" -B "$dir/persist" -G Ninja
quietly cmake --install "$dir/persist" --prefix "$dir/prefix"
build_and_run find_package -DCMAKE_PREFIX_PATH="$dir/prefix"
build_and_run add_subdirectory

if [ -e "$root/single_include/persist/persist.hpp" ]; then
  # Only the one file: no repository beside it.
  mkdir -p "$dir/single"
  cp -r "$root"/single_include/persist "$dir/single"
  cp "$root"/test/consumer/*.cpp "$dir/single"
  cd "$dir/single"
  for compiler in g++ clang++; do
    quietly $compiler -std=c++20 -Wall -Wextra -Werror -I. main.cpp second.cpp -o consumer
    ./consumer >/dev/null
    quietly $compiler -std=c++20 -Wall -Wextra -Werror -I. adapters.cpp -o adapters \
      -llz4 -lzstd -lsodium -lsqlite3 -lpq -lhiredis -lcurl
    ./adapters >/dev/null
    echo "consumer: single header, $compiler: builds and runs"
  done
fi
