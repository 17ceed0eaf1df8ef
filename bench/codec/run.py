#!/usr/bin/env python3
"""Codecs against each other and against their limits, in one interleaved run.

First tables for people: medians in microseconds, a row a codec, for each profile; then the seconds that a unit takes to
compile that stores the medium profile. Then one tab-separated line per comparison: budget, name, ours, theirs, ratio,
limit, `met` or `missed` (`-` where there is no limit). Rivals that are not installed are left out. Never fails on a
figure. BENCH_ROUNDS: how many rounds the medians are of.
"""
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
COMPILERS = ("g++", "clang++")
PROFILES = ("small", "medium", "large")
FIRST = ("memcpy", "struct copy", "packed", "cbor", "json")  # of a table's rows; the others by name
WHATS = ("encode", "decode", "decode reused", "decode changed")
ROUNDS = max(2, int(os.environ.get("BENCH_ROUNDS", 7)))

# A unit that stores the medium profile in one form: its name, the form, its header, and what must be installed.
UNITS = (
    ("nothing, a copy", None, None, None),
    ("packed", "bench::Packed", "codec/packed.hpp", None),
    ("cbor", "bench::Cbor", "codec/cbor.hpp", None),
    ("json", "bench::Json", "codec/json.hpp", None),
    ("cereal binary", "bench::Cereal", "codec/cereal.hpp", "cereal/cereal.hpp"),
    ("msgpack-cxx map", "bench::MsgPack", "codec/msgpack.hpp", "msgpack.hpp"),
    ("nlohmann JSON", "bench::NlohmannJson", "codec/nlohmann.hpp", "nlohmann/json.hpp"),
    ("protobuf", "bench::Protobuf", "codec/protobuf.hpp", "profile.pb.h"),
    ("flatbuffers", "bench::FlatBuffers", "codec/flatbuffers.hpp", "profile_generated.h"),
)


def row(name, ours, theirs, limit):
    ratio = ours / theirs
    verdict = "-" if limit is None else "met" if ratio <= limit else "missed"
    shown = "-" if limit is None else f"{limit:.2f}"
    print("budget", name, f"{ours:.6g}", f"{theirs:.6g}", f"{ratio:.3f}", shown, verdict, sep="\t", flush=True)


def table(title, heads, rows):
    """Columns as wide as what is in them; the first to the left, the others to the right."""
    lines = [heads, *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(heads))]
    print(f"\n{title}")
    for line in lines:
        cells = [line[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:]))]
        print("  " + "  ".join(cells).rstrip(), flush=True)


def generate(folder):
    """What the rivals' own compilers make of the profiles. Says which flags and sources it takes."""
    sources = []
    if shutil.which("protoc") and installed("google/protobuf/message.h"):
        subprocess.run(["protoc", f"--proto_path={HERE}", f"--cpp_out={folder}", str(HERE / "profile.proto")], check=True)
        sources.append(str(folder / "profile.pb.cc"))
    if shutil.which("flatc") and installed("flatbuffers/flatbuffers.h"):
        subprocess.run(["flatc", "--cpp", "-o", str(folder), str(HERE / "profile.fbs")], check=True)
    return sources


def flags(folder):
    # What a rival's header warns of is not ours to hear.
    return ["-std=c++20", "-w", f"-I{ROOT / 'include'}", f"-I{ROOT / 'bench'}", f"-isystem{folder}"]


def installed(header, folder=None):
    look = ["g++", "-E", "-x", "c++", *([f"-I{folder}"] if folder else []), "-"]
    return subprocess.run(look, input=f"#include <{header}>", text=True, capture_output=True).returncode == 0


def build(compiler, folder, sources):
    program = folder / f"codec_{compiler}"
    libraries = [f"-l{name}" for name in ("lz4", "zstd") if installed(f"{name}.h")]
    began = time.monotonic()
    subprocess.run([compiler, "-O2", "-DNDEBUG", *flags(folder), str(HERE / "codec.cpp"), *sources, "-o", str(program),
                    "-lbenchmark", "-pthread", *libraries, *(["-lprotobuf"] if sources else [])], check=True)
    print(f"bench: built with {compiler} in {time.monotonic() - began:.0f} s", file=sys.stderr)
    return program


def measure(program):
    """Medians in us and bytes, by (form, what, profile)."""
    out = subprocess.run([str(program), "--benchmark_format=json", f"--benchmark_repetitions={ROUNDS}",
                          "--benchmark_min_time=0.02", "--benchmark_enable_random_interleaving=true",
                          "--benchmark_report_aggregates_only=true"], check=True, stdout=subprocess.PIPE, text=True).stdout
    times, sizes = {}, {}
    for run in json.loads(out)["benchmarks"]:
        if run.get("aggregate_name") != "median":
            continue
        form, what, profile = run["run_name"].split("|")
        times[form, what, profile] = run["cpu_time"] / 1000
        if "bytes" in run:
            sizes[form, profile] = int(run["bytes"])
    return times, sizes


def tables(compiler, times, sizes):
    for profile in PROFILES:
        rows = []
        forms = {form for form, what, at in times if at == profile and what in WHATS}
        for form in sorted(forms, key=lambda form: (FIRST.index(form) if form in FIRST else len(FIRST), form)):
            cells = [times.get((form, what, profile)) for what in WHATS]
            rows.append([form, *("" if each is None else f"{each:.3g}" for each in cells),
                         str(sizes.get((form, profile), ""))])
        table(f"{profile} profile, {compiler}, us", ["codec", *WHATS, "bytes"], rows)


def budget(compiler, times, sizes):
    def against(name, ours, theirs, limit):
        if theirs in times:
            row(f"{name}; {compiler}", times[ours], times[theirs], limit)

    medium = "medium"
    # zpp_bits, which the budget of a plain encode and decode names, is in no distribution: what it costs in copies of
    # the value (0.52 and 2.4 of one, reference run) has to stand for it.
    copy = "struct copy", "decode", medium
    against("us: Packed encode against a copy of the value", ("packed", "encode", medium), copy, 0.52)
    against("us: Packed decode against a copy of the value", ("packed", "decode", medium), copy, 2.68)
    against("us: Packed decode of a changed type against the same type", ("packed", "decode changed", medium),
            ("packed", "decode", medium), 2.0)
    for what, limit in (("encode", 0.05), ("decode", 0.10)):
        against(f"us: Json {what} against nlohmann/json", ("json", what, medium), ("nlohmann JSON", what, medium), limit)
    for theirs in ("protobuf", "flatbuffers", "cereal binary", "msgpack-cxx map"):
        for what in ("encode", "decode"):
            against(f"us: Packed {what} against {theirs}", ("packed", what, medium), (theirs, what, medium), None)
    for name in ("lz4", "zstd"):
        for what in ("wrap", "unwrap"):
            against(f"us: {what} of a record with {name} against the library's call", (name, what, medium),
                    (f"{name} alone", what, medium), 1.05)
    if ("msgpack-cxx map", medium) in sizes:
        row(f"bytes: Packed with its description against MessagePack maps; {compiler}", sizes["packed", medium],
            sizes["msgpack-cxx map", medium], 0.5)


def seconds(folder, compiler, level, form, header):
    """Of the processor, not of the clock: others may use the machine."""
    what = [f"-DBENCH_FORM={form}", f'-DBENCH_HEADER="{header}"'] if form else []
    began = os.times()
    subprocess.run([compiler, level, *flags(folder), *what, "-c", str(HERE / "compile.cpp"), "-o", "/dev/null"], check=True)
    ended = os.times()
    return ended.children_user + ended.children_system - began.children_user - began.children_system


def compile_time(folder):
    units = [unit for unit in UNITS if unit[3] is None or installed(unit[3], folder)]
    spent = {}
    for _ in range(min(ROUNDS, 3)):
        for compiler in COMPILERS:
            for level in ("-O0", "-O2"):
                for name, form, header, _ in units:
                    spent.setdefault((name, compiler, level), []).append(seconds(folder, compiler, level, form, header))
    middle = {key: statistics.median(each) for key, each in spent.items()}
    columns = [(compiler, level) for compiler in COMPILERS for level in ("-O0", "-O2")]
    table("seconds to compile a unit that stores the medium profile", ["codec", *(" ".join(each) for each in columns)],
          [[unit[0], *(f"{middle[unit[0], *each]:.2f}" for each in columns)] for unit in units])
    print()
    # The budget is against zpp_bits, which no distribution packages; nlohmann/json took 1.31 and 0.99 times as long as
    # that at -O0 and -O2, so the limits are 0.7 / 1.31 and 0.5 / 0.99.
    for compiler in COMPILERS:
        for level, limit in (("-O0", 0.53), ("-O2", 0.50)):
            for ours in ("packed", "json"):
                if ("nlohmann JSON", compiler, level) in middle:
                    row(f"seconds: a unit with {ours} against nlohmann/json; {level}, {compiler}",
                        middle[ours, compiler, level], middle["nlohmann JSON", compiler, level], limit)


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp()).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    sources = generate(folder)
    measured = {compiler: measure(build(compiler, folder, sources)) for compiler in COMPILERS}
    for compiler, (times, sizes) in measured.items():
        tables(compiler, times, sizes)
    print()
    for compiler, (times, sizes) in measured.items():
        budget(compiler, times, sizes)
    compile_time(folder)


if __name__ == "__main__":
    main()
