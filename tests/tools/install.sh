#!/usr/bin/env bash
# Installs the foreign tools that the interop tests speak to, without touching the system's own packages.
#
# cosign, oras and crane come from newer Debian suites, out of the mirror that apt already uses and under
# apt's signature checks, and are unpacked into a folder of ours: nothing is installed system-wide and no
# other package is upgraded. just and cargo-deny are built by cargo, and so is cargo-fuzz,
# which only `just fuzz` needs, with `--only fuzz`. Every step is skipped when its result
# is there already, so a second run costs nothing.
#
#   tests/tools/install.sh [--only debian|cargo|fuzz] [FOLDER]
#
# FOLDER defaults to $LONGSHORE_TOOLS, then to $XDG_CACHE_HOME/longshore/tools; programs land in FOLDER/bin.
# What was installed, with versions, is listed in FOLDER/VERSIONS.
set -euo pipefail

only=all
while [ $# -gt 0 ]; do
  case "$1" in
    --only) only="${2:?--only needs a value}"; shift 2 ;;
    -h|--help) sed -n '2,13s/^# \{0,1\}//p' "$0"; exit 0 ;;
    -*) echo "install.sh: unknown option \`$1\`" >&2; exit 2 ;;
    *) break ;;
  esac
done
case "$only" in all|debian|cargo|fuzz) ;; *) echo "install.sh: \`--only\` takes debian, cargo or fuzz" >&2; exit 2 ;; esac

tools="${1:-${LONGSHORE_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/longshore/tools}}"
mkdir -p "$tools/bin"
tools="$(cd "$tools" && pwd)"

# One run at a time: two CI jobs on one machine share the folder.
exec 9>"$tools/.lock"
flock 9

say() { printf 'tools: %s\n' "$*" >&2; }

work=''
cleanup() { if [ -n "$work" ]; then rm -rf "$work"; fi; }
trap cleanup EXIT

# The first mirror that apt is set up with for this release: every newer suite lives beside it.
debian_mirror() {
  local codename
  codename="$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-}")"
  apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
    awk -v suite="$codename" '$1 == suite { print $2; exit }'
}

# apt with a sources list, lists and cache of its own, so that the machine's are neither read nor changed.
private_apt() {
  apt-get -qq \
    -o Dir::Etc::SourceList="$work/sources.list" -o Dir::Etc::SourceParts=/dev/null \
    -o Dir::State="$work/state" -o Dir::Cache="$work/cache" \
    -o Dir::State::status="$work/state/status" \
    -o APT::Sandbox::User=root -o Acquire::Retries=3 -o Acquire::Languages=none "$@"
}

# fetch_package PROGRAM PACKAGE SUITE...: the first suite whose program starts on this machine wins.
fetch_package() {
  local program="$1" package="$2" suite deb root
  shift 2
  if "$tools/bin/$program" version >/dev/null 2>&1; then
    say "$program is there"
    return 0
  fi
  for suite in "$@"; do
    rm -rf "$work/deb" && mkdir "$work/deb"
    (cd "$work/deb" && private_apt download "$package/$suite" >/dev/null 2>&1) || continue
    deb="$(find "$work/deb" -name '*.deb' | head -n 1)"
    [ -n "$deb" ] || continue
    root="$tools/debian/$program"
    rm -rf "$root" && mkdir -p "$root"
    dpkg-deb -x "$deb" "$root"
    if [ -x "$root/usr/bin/$program" ] && "$root/usr/bin/$program" version >/dev/null 2>&1; then
      dpkg-deb -f "$deb" Version >"$root/version"
      ln -sfn "../debian/$program/usr/bin/$program" "$tools/bin/$program"
      say "$program: $(dpkg-deb -f "$deb" Version) from $suite"
      return 0
    fi
    say "$program from $suite does not start here, trying an older suite"
  done
  say "$program: no suite has one that starts here"
  return 1
}

install_debian() {
  local mirror suite keyring=/usr/share/keyrings/debian-archive-keyring.gpg failed=0
  if "$tools/bin/cosign" version >/dev/null 2>&1 && "$tools/bin/oras" version >/dev/null 2>&1 &&
    "$tools/bin/crane" version >/dev/null 2>&1; then
    say "cosign, oras and crane are there"
    return 0
  fi
  mirror="$(debian_mirror)"
  if [ -z "$mirror" ]; then
    say "apt has no Debian mirror configured: cosign, oras and crane cannot be fetched"
    return 1
  fi
  work="$(mktemp -d)"
  mkdir -p "$work/state/lists/partial" "$work/cache/archives/partial"
  : >"$work/state/status"
  for suite in forky trixie; do
    printf 'deb [signed-by=%s] %s %s main\n' "$keyring" "$mirror" "$suite"
  done >"$work/sources.list"
  private_apt update
  fetch_package cosign cosign forky trixie || failed=1
  fetch_package oras oras forky trixie || failed=1
  fetch_package crane crane forky trixie || failed=1
  return "$failed"
}

# cargo_tool PROGRAM CRATE VERSION: built outside any checkout, so no workspace setting leaks in.
cargo_tool() {
  local program="$1" crate="$2" version="$3"
  if "$tools/bin/$program" --version 2>/dev/null | grep -qF " $version"; then
    say "$program $version is there"
    return 0
  fi
  say "building $crate $version (some minutes, once)"
  (cd / && env -u CARGO_BUILD_BUILD_DIR -u CARGO_BUILD_TARGET_DIR -u RUSTFLAGS -u RUSTUP_TOOLCHAIN \
    CARGO_TARGET_DIR="$tools/build" nice -n 19 \
    cargo install --quiet --locked --force --root "$tools" --version "=$version" "$crate") || return 1
  rm -rf "$tools/build"
}

status=0
if [ "$only" = all ] || [ "$only" = debian ]; then install_debian || status=1; fi
if [ "$only" = all ] || [ "$only" = cargo ]; then
  cargo_tool just just "1.59.0" || status=1
  cargo_tool cargo-deny cargo-deny "0.20.2" || status=1
fi
if [ "$only" = fuzz ]; then
  cargo_tool cargo-fuzz cargo-fuzz "0.13.1" || status=1
fi

{
  for program in cosign oras crane; do
    if [ -f "$tools/debian/$program/version" ]; then
      printf '%s %s\n' "$program" "$(cat "$tools/debian/$program/version")"
    fi
  done
  for program in just cargo-deny cargo-fuzz; do
    if [ -x "$tools/bin/$program" ]; then "$tools/bin/$program" --version; fi
  done
} >"$tools/VERSIONS.new"
mv "$tools/VERSIONS.new" "$tools/VERSIONS"
exit "$status"
