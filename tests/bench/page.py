"""docs/benchmarks.md from what was measured."""
import os
import platform
import re
import subprocess

import harness
import scaling

THREADS = 1, 2
CODECS = re.compile(r"(png|jpg|webp)(dec|enc)")
# Not libraries that anyone can install: a page of code around libdeflate, for the mark it sets.
MARKS = "libdeflate-", "libdeflate+unfilter"


def shell(command):
    return subprocess.run(command, shell=True, capture_output=True, text=True).stdout.strip()


def ms(x):
    return f"{x:.4f}" if x < .1 else f"{x:.3f}" if x < 10 else f"{x:.1f}"


def table(head, rows):
    if not rows:
        return "Not measured yet.\n"
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(str(c) for c in row) + " |" for row in rows]) + "\n"


# ---- the machine --------------------------------------------------------------------------------------------------

VERSIONS = [
    ("OpenCV", "pkg-config --modversion opencv4"), ("libvips", "pkg-config --modversion vips"),
    ("oneDNN", "dpkg-query -W -f '${Version}' libdnnl2"), ("torch", "dpkg-query -W -f '${Version}' python3-torch"),
    ("libspng", "pkg-config --modversion spng"), ("libpng", "pkg-config --modversion libpng"),
    ("libdeflate", "pkg-config --modversion libdeflate"), ("libjpeg-turbo", "pkg-config --modversion libturbojpeg"),
    ("libwebp", "pkg-config --modversion libwebp"), ("stb", "dpkg-query -W -f '${Version}' libstb-dev"),
    ("node", "node -v"),
]
NODE_VERSIONS = [
    ("onnxruntime-node", "require('onnxruntime-node/package.json').version"),
    ("sharp", "(v => `${v.sharp} (libvips ${v.vips}, zlib-ng ${v['zlib-ng']})`)(require('sharp').versions)"),
]


def machine():
    cpu = {k.strip(): v.strip() for k, _, v in (line.partition(":") for line in shell("LC_ALL=C lscpu").splitlines())}
    system = shell(". /etc/os-release; echo $PRETTY_NAME")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2 ** 30
    versions = [f"{name} {v}" for name, command in VERSIONS if (v := shell(command + " 2>/dev/null"))]
    for name, code in NODE_VERSIONS:
        if v := shell(f'cd {harness.NPM} 2>/dev/null && node -p "{code}" 2>/dev/null'.replace("`", "\\`").replace("${", "\\${")):
            versions.append(f"{name} {v}")
    return (f"Machine: {cpu.get('Model name', platform.machine())} (family {cpu.get('CPU family')}, model "
            f"{cpu.get('Model')}), {os.cpu_count()} virtual cores, L1d {cpu.get('L1d cache')}, L2 "
            f"{cpu.get('L2 cache')}, L3 {cpu.get('L3 cache')}, {memory:.0f} GiB, Linux "
            f"{platform.release().split('-')[0]}, {system}, {shell('${CC:-gcc} --version | head -1')}.\n\n"
            f"Peers: {', '.join(versions)}.")


# ---- workloads ----------------------------------------------------------------------------------------------------

def said(note):
    """"bytes=123" -> "123 bytes"."""
    return re.sub(r"bytes=(\d+)", r"\1 bytes", note)


def kept_bytes(row):
    found = re.search(r"bytes=(\d+)", row["note"])
    return int(found[1]) if found else None


def best_peer(rows, convd, marks):
    """The fastest peer; of encoders the fastest whose file is no larger than convd's."""
    fit = [r for r in rows if not r["peer"].startswith(("limit ", "convd")) and
           r["peer"].startswith(MARKS) == marks]
    size = convd and kept_bytes(convd)
    if size and "enc" in convd["name"]:
        fit = [r for r in fit if kept_bytes(r) and kept_bytes(r) <= size * 1.005]
    return min(fit, key=lambda r: r["min"], default=None)


def convd_rows(rows, threads):
    mine = [r for r in rows if r["threads"] == threads and r["peer"].startswith("convd")]
    return mine or [None]


def cells(rows, threads, convd, codec):
    of = [r for r in rows if r["threads"] == threads]
    peer = best_peer(of, convd, False)
    if not peer and codec and threads > 1:  # decoders and encoders of one thread
        peer = best_peer([r for r in rows if r["threads"] == 1], convd, False)
    if not convd:
        return ["", "", "", peer["peer"] if peer else "", ms(peer["min"]) if peer else "", ""]
    limit = f"{convd['min'] / convd['limit']:.2f}" if convd["limit"] else ""
    ratio = f"**{convd['min'] / peer['min']:.2f}**" if peer else ""
    return [ms(convd["min"]), ms(convd["median"]), limit, peer["peer"] if peer else "", ms(peer["min"]) if peer else "",
            ratio]


def work_table(units, codec):
    head = ["workload", "convd", "median", "×limit", "best peer", "min", "ratio",
            "2 threads: convd", "median", "×limit", "best peer", "min", "ratio", "1 → 2 threads"]
    lines = []
    for unit in units:
        if bool(CODECS.match(unit["name"])) != codec:
            continue
        rows = [dict(r, name=unit["name"]) for r in unit["rows"]]
        labels = sorted({r["peer"] for r in rows if r["peer"].startswith("convd")}) or [None]
        for label in labels:
            mine = {t: next((r for r in rows if r["peer"] == label and r["threads"] == t), None) for t in THREADS}
            name = unit["name"] + (f" {label[5:].strip(' -')}" if label and label != "convd" else "")
            note = next((r["note"] for r in mine.values() if r and r["note"]), "")
            line = [name + (f" ({said(note)})" if note else "")]
            for t in THREADS:
                line += cells(rows, t, mine[t], codec)
            both = mine[1] and mine[2]
            limits = {t: max((r["min"] for r in rows if r["threads"] == t and r["peer"].startswith("limit ")),
                             default=0) for t in THREADS}
            bound = f" (limit {limits[1] / limits[2]:.2f}×)" if limits[2] else ""
            lines.append(line + [f"{mine[1]['min'] / mine[2]['min']:.2f}×{bound}" if both else ""])
    return table(head, lines)


def everything(units):
    lines = []
    for unit in units:
        by_peer = {}
        for r in unit["rows"]:
            by_peer.setdefault(r["peer"], {})[r["threads"]] = r
        for peer, r in sorted(by_peer.items(), key=lambda x: min(v["min"] for v in x[1].values())):
            times = [f"{ms(r[t]['min'])} | {ms(r[t]['median'])}" if t in r else " | " for t in THREADS]
            lines.append([unit["name"], peer, *times, said(next(iter(r.values()))["note"])])
        lines += [[unit["name"], peer, " | ", " | ", f"cannot: {why}"] for peer, why in unit["why"].items()]
    return table(["workload", "who", "min", "median", "2 threads: min", "median", "note"], lines)


# ---- the other tables ---------------------------------------------------------------------------------------------

def limits_table(unit):
    def rate(row):
        unit_of = "GFLOP/s" if "f32" in row["peer"] else "GMAC/s" if "multiply" in row["peer"] else "GB/s"
        return [f"{row['amount'] / row[k] / 1e6:.1f} {unit_of}" for k in ("min", "median")]
    names = list(dict.fromkeys(r["peer"] for r in unit["rows"]))
    return table(["what", "1 thread, best", "median", "2 threads, best", "median"],
                 [[n] + [c for t in THREADS for r in unit["rows"] if r["peer"] == n and r["threads"] == t
                         for c in rate(r)] for n in names])


def isa_table(units):
    isas = list(dict.fromkeys(r["peer"] for u in units for r in u["rows"]))
    lines = []
    for u in units:
        of = {r["peer"]: r["min"] for r in u["rows"]}
        first = of.get(isas[0]) if isas else None
        lines.append([u["name"]] + [f"{ms(of[i])} ({first / of[i]:.1f}×)" if i in of and first else "" for i in isas])
    return table(["workload, 1 thread"] + isas, lines)


def scale_tables(units):
    out = ""
    for name, (what, unit_of, rows) in scaling.TABLES.items():
        of = [(row, u) for row in rows for u in units if u["name"] == f"{name} {row}"]
        if not of:
            continue
        columns = [r["column"] for r in of[0][1]["rows"]]
        lines = []
        for row, u in of:
            each = [r["min"] * 1e6 / r["work"] for r in u["rows"]]
            lines.append([row] + [f"{x:.3g}" for x in each] + [f"{max(each) / min(each):.2f}"])
        out += f"\nBy {what}, {unit_of}:\n\n" + table([what, *columns, "most over least"], lines)
    return out or "\nNot measured yet.\n"


def service_tables(units):
    out = ""
    for u in units:
        out += f"\n{u['name']}:\n\n" + table(
            ["server", "connections", "requests/s", "p50 ms", "p99 ms", "CPU ms a request", "peak MB", "errors"],
            [[r["server"], r["connections"], f"{r['rps']:.0f}", f"{r['p50']:.2f}", f"{r['p99']:.2f}",
              f"{r['cpu']:.2f}", f"{r['peak']:.0f}", r["bad"]] for r in u["rows"]])
        out += "".join(f"\n{name} is left out: {why}.\n" for name, why in u["why"].items())
    return out or "\nNot measured yet.\n"


# ---- the page -----------------------------------------------------------------------------------------------------

def write(path, units, absent):
    def of(name):
        return [u for u in units if u["table"] == name]
    work = of("work")
    plain, codecs = ([u for u in work if bool(CODECS.match(u["name"])) == c] for c in (False, True))
    commits = {}
    for u in units:
        commits.setdefault((u["commit"], u["date"]), []).append(u["name"])
    measured = "; ".join(f"commit {c} of {d}" + (f" ({len(n)} rows)" if len(commits) > 1 else "")
                     for (c, d), n in commits.items())
    left = f"\nNot installed, so left out: {', '.join(absent)}.\n" if absent else ""
    with open(path, "w") as f:
        f.write(f"""# Benchmarks

Written by `make bench` from `tests/bench/results.jsonl`; do not edit. How it is measured, and what the workloads are:
[tests/bench/README.md](../tests/bench/README.md). Times are milliseconds, *min* and *median* over interleaved rounds. *×limit*
is convd's minimum over what the machine must take for that work, measured in the same rounds; *ratio* is convd's minimum over
that of the best peer in any layout: below 1 convd is faster.

Measured at {measured}.

{machine()}
{left}
## The machine's limits

{"".join(limits_table(u) for u in of("limits"))}
Bytes: read, written, or read plus written (copy).

## Pictures and networks

{work_table(plain, False)}
## Codecs

Pictures in memory. Of encoders the best peer is the fastest whose file is at most as large as convd's (half a percent allowed);
a peer that has no second thread stands in both halves with its one. `libdeflate-…` in the last table is a page of code around
libdeflate, not a library: a mark, not a peer.

{work_table(codecs, True)}
## Instruction sets

One thread, the same program with `CONVD_ISA` set; in brackets how much faster than the first.

{isa_table(of("isa"))}
## Does cost grow as the work does?

One thread, `convd bench` on noise. Channels and maps that no longer fit a cache cost more: that step is in these figures.
{scale_tables(of("scale"))}
## Service

One picture posted again and again over loopback by wrk, which shares the cores with the server; the better of two turns.
*sharp* is node's http with one 3x3 convolution by sharp, gray out.
{service_tables(of("service"))}
## Everything

{everything(work)}""")
