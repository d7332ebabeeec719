#!/usr/bin/env python3
"""Writes host/cli/startup.order: which functions a start of `longshore run` goes through, seen by valgrind.

usage: startup_order.py BINARY COMPONENT FUNCTION INPUT ORDER

BINARY is `longshore` with its symbols. The run is a second one, so that code, keys and journal are there. Hashes of crates and
places of back references, which differ between builds, become wildcards (names of rustc's two schemes; the newer is RFC 2603).
"""

import os
import re
import subprocess
import sys
import tempfile

HEAD = """\
# The functions that a start of `longshore run` goes through, as patterns of their names. Written by `just order`; see build.rs.
# A name that is gone does no harm, and one that is missing costs some page faults.
"""
# A pattern stands for all functions of a name if at least this share of their code ran.
MOST = 0.7
# What valgrind's processor lacks.
MORE = ["_ZN4sha26sha2563x86*", "_ZN6blake38platform*"]


def pattern(name):
    """A name as the linker should look for it, or none."""
    if not re.fullmatch(r"[A-Za-z0-9_.$]+", name):
        return None
    name = re.sub(r"\.llvm\.\d+$", "", name)
    if name.startswith("_ZN"):
        return re.sub(r"17h[0-9a-f]{16}E$", "17h*", name)
    if not name.startswith("_R"):
        return name
    name = re.sub(r"Cs[0-9A-Za-z]+_", "Cs*_", name)
    name = re.sub(r"B[0-9A-Za-z]*_", "B*_", name)
    return name + "*"


def traced(binary, arguments, folder):
    """The names of the binary's functions that ran."""
    trace = os.path.join(folder, "trace")
    environment = {"HOME": folder, "LONGSHORE_HOME": os.path.join(folder, "home"), "PATH": os.environ["PATH"]}
    valgrind = ["valgrind", "--quiet", "--tool=callgrind", f"--callgrind-out-file={trace}", "--demangle=no",
                "--compress-strings=no"]
    for _ in range(2):
        subprocess.run([*valgrind, binary, *arguments], env=environment, check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
    names, inside = set(), False
    with open(trace, encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("ob="):
                # Valgrind does not know whose the section of an earlier order is.
                found = line[3:].strip()
                inside = found == "???" or os.path.realpath(found) == os.path.realpath(binary)
            elif inside and line.startswith("fn="):
                names.add(line[3:].strip().split("'")[0])
    return names


def chosen(names, binary):
    """The patterns of these names, in order. One name may be that of many functions: where most of them did not run, those that
    did are told by their hash, which holds until a version of theirs changes; all of that name come last, in case it has."""
    ran, sizes = {}, {}
    listed = subprocess.run(["nm", "--defined-only", "-S", binary], check=True, capture_output=True, text=True).stdout
    for line in listed.splitlines():
        fields = line.split()
        found = pattern(fields[3]) if len(fields) == 4 and fields[2] in "tTwW" else None
        if found:
            size = int(fields[1], 16)
            sizes[found] = sizes.get(found, 0) + size
            if fields[3] in names:
                ran.setdefault(found, []).append((size, fields[3]))
    first, last = set(MORE), []
    for found, of in ran.items():
        share = sum(size for size, _ in of) / max(sizes[found], 1)
        if share >= MOST:
            first.add(found)
        else:
            first.update(re.sub(r"\.llvm\.\d+$", "", name) + "*" for _, name in of)
            last.append((-round(share, 1), found))
    return [*sorted(first), *(found for _, found in sorted(last))]


def main():
    if len(sys.argv) != 6:
        sys.exit(__doc__)
    binary, component, function, text, order = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        names = traced(os.path.abspath(binary), ["run", os.path.abspath(component), "--function", function, "--input", text],
                       folder)
    patterns = chosen(names, binary)
    if len(patterns) < 1000:
        sys.exit(f"only {len(patterns)} functions were seen: is `{binary}` stripped?")
    with open(order, "w", encoding="utf-8") as file:
        file.write(HEAD)
        file.writelines(f"{found}\n" for found in patterns)
    print(f"{len(patterns)} functions")


if __name__ == "__main__":
    main()
