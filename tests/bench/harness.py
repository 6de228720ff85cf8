"""Programs that measure one library each, taken in turn.

A round takes one sample of every peer and of every limit of the machine, in an order that rotates, so that a slow
spell of the machine hits all alike. A program is stopped (SIGSTOP) while another is sampled: idle thread pools spin
for milliseconds and would take a core from the next. The line protocol is at the top of peers/peer.hpp.
"""
import ctypes
import os
import shlex
import shutil
import signal
import statistics
import subprocess
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BUILD = os.path.join(ROOT, "build", "bench")  # BENCH_DIR of the programs: workloads.tsv, and build/img, build/models
NPM = os.environ.get("BENCH_NPM", os.path.join(BUILD, "npm"))  # has node_modules with sharp and onnxruntime-node
ROUNDS = int(os.environ.get("ROUNDS", 7))
LONG = 900  # ms: a peer whose samples have taken that long is left out of further rounds, three at the least

# Without these, glibc gives every large block back to the kernel at each free, and peers mostly measure page faults.
SAMPLE_MS = os.environ.get("SAMPLE_MS", "8")
ENV = dict(os.environ, BENCH_DIR=BUILD, SAMPLE_MS=SAMPLE_MS, BENCH_NPM=NPM, MALLOC_MMAP_MAX_="0", MALLOC_TRIM_THRESHOLD_="20000000000",
           MALLOC_TOP_PAD_="67108864")

# Name, source, and what the compiler needs beside it (pkg-config's words after "pkg:").
BUILT = [
    ("limits", "limits.c", "-pthread"),
    ("opencv", "peers/opencv.cpp", "pkg:--cflags=opencv4 -lopencv_core -lopencv_imgproc"),
    ("vips", "peers/vips.cpp", "pkg:--cflags=vips pkg:--libs=vips"),
    ("onednn", "peers/onednn.cpp", "-fopenmp -ldnnl"),
    ("codec", "peers/codec.cpp", "-O3 -lspng -lpng -lturbojpeg -lwebp -ldeflate -lz -lm"),
    ("mhd_echo", "peers/mhd_echo.c", "-lmicrohttpd"),
]
PYTHON = next((p for p in ("/usr/bin/python3", "python3") if shutil.which(p)), "python3")
PROGRAMS = {
    "convd": [os.path.join(ROOT, "build", "bench-engine")],
    **{name: [os.path.join(BUILD, name)] for name in ("opencv", "vips", "onednn", "codec")},
    "torch": [PYTHON, os.path.join(HERE, "peers", "torch_peer.py")],
    "node": ["node", os.path.join(HERE, "peers", "node_peer.js")],
}


def build():
    """Builds what can be built; returns the names of what cannot."""
    os.makedirs(BUILD, exist_ok=True)
    shutil.copy(os.path.join(HERE, "workloads.tsv"), BUILD)
    absent = []
    for name, source, words in BUILT:
        source, target = os.path.join(HERE, source), os.path.join(BUILD, name)
        if os.path.exists(target) and os.path.getmtime(target) > os.path.getmtime(source):
            continue
        compiler = [os.environ.get("CC", "gcc"), "-std=gnu11", "-D_GNU_SOURCE"]
        if source.endswith("cpp"):
            compiler = [os.environ.get("CXX", "g++"), "-std=c++17"]
        flags = []
        for word in words.split():
            if word.startswith("pkg:"):
                word = subprocess.run(["pkg-config", *word[4:].split("=")], capture_output=True, text=True).stdout
            flags += shlex.split(word)
        try:
            done = subprocess.run([*compiler, "-O2", source, "-o", target, *flags], capture_output=True, text=True)
        except FileNotFoundError:
            done = None
        if not done or done.returncode:
            absent.append(name)
    return absent


def workloads():
    for line in open(os.path.join(HERE, "workloads.tsv")):
        if line.strip() and line[0] != "#":
            name, kind, parameters, what = line.rstrip("\n").split("\t")
            pairs = (x.split("=") for x in parameters.split())
            yield dict(name=name, kind=kind, what=what, **{k: int(v) if v.isdigit() else v for k, v in pairs})


# ---- the least that any implementation must do -------------------------------------------------------------------

def conv_work(ci, co, h, ho, k, groups=1):
    """Bytes read, bytes written, and operations of a direct convolution of ci x h x h to co x ho x ho."""
    return (4 * (ci * h * h + ci // groups * co * k * k), 4 * co * ho * ho, 2 * co * ho * ho * (ci // groups) * k * k)


def limits_of(s):
    """The limits of a workload as requests to the program limits, and its floating-point operations."""
    kind = s["kind"]
    if kind in ("conv", "chain", "convbwd"):
        ho = (s["h"] + 2 * s["p"] - s["k"]) // s["s"] + 1
        read, write, flop = conv_work(s["ci"], s["co"], s["h"], ho, s["k"], s["g"])
        if kind == "chain":
            write //= 4
        if kind == "convbwd":
            deep = s["ci"] > 3  # else the image needs no gradient
            read, write = read + write, read if deep else 4 * s["ci"] * s["co"] * s["k"] ** 2
            flop *= 1 + deep
        return [f"mem:{read}:{write}", f"fma:{flop}"], flop
    if kind == "residual":
        read, write, flop = conv_work(s["c"], s["c"], s["h"], s["h"], 3)
        return [f"mem:{read}:{write}", f"fma:{2 * flop}"], 2 * flop
    if kind == "train":
        # forward and weights of all convolutions, input gradients of all but the first
        flop = 2 * s["n"] * 9 * s["h"] ** 2 * (2 * s["co"] * s["ci"] + 3 * 2 * s.get("blocks", 0) * s["co"] ** 2)
        return [f"mem:{4 * s['n'] * s['ci'] * s['h'] ** 2}:{4 * s['co'] * 27}", f"fma:{flop}"], flop
    if kind == "edges":
        return [f"mem:{3 * s['w'] * s['h']}:{s['w'] * s['h']}"], 0
    if kind in ("pool8", "pool", "poolbwd"):
        n = (1 if kind == "pool8" else 4) * s["c"] * s["h"] * s["w"]
        return [f"mem:{n // 2}:{n}" if kind == "poolbwd" else f"mem:{n}:{n // 4}"], 0
    if kind == "gpool":
        return [f"mem:{4 * s['c'] * s['h'] * s['w']}:{4 * s['c']}"], 0
    if kind == "se":
        n = 4 * s["c"] * s["h"] ** 2
        return [f"mem:{n}:{n}"], 0
    n = s["w"] * s["h"] * (1 if kind == "pngencgray" else 3)
    taps = {"filter": s.get("k", 0) ** 2, "gauss": 2 * s.get("k", 0)}.get(kind)
    return [f"mem:{n}:{n}"] + ([f"i16:{n * taps}"] if taps else []), 0


# ---- programs ----------------------------------------------------------------------------------------------------

def die_with_us():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # a stopped child must not outlive its parent


class Program:
    """A process that answers samples, for one number of threads: some keep plans that were made for one."""

    def __init__(self, command, threads, **env):
        self.threads = threads
        self.process = subprocess.Popen([*command, "serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True, cwd=BUILD, preexec_fn=die_with_us,
                                        env=dict(ENV, OMP_NUM_THREADS=str(threads), **env))

    def sample(self, workload, peer):
        """Milliseconds and a note; RuntimeError says why not."""
        self.process.send_signal(signal.SIGCONT)
        try:
            self.process.stdin.write(f"{workload}\t{peer}\t{self.threads}\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise RuntimeError("died") from None
        answer = self.process.stdout.readline().rstrip("\n")
        self.process.send_signal(signal.SIGSTOP)
        if not answer or answer[0] == "!":
            raise RuntimeError(answer[1:] or "died")
        ms, _, note = answer.partition("\t")
        return float(ms), note

    def running(self):
        return self.process.poll() is None

    def close(self):
        self.process.kill()
        self.process.wait()


class Bench:
    def __init__(self):
        self.up, self.peers, self.answering = {}, {}, set()
        for program, command in PROGRAMS.items():
            try:
                listed = subprocess.run([*command, "list"], capture_output=True, text=True, env=ENV, cwd=BUILD)
            except FileNotFoundError:
                continue
            for line in listed.stdout.splitlines():
                workload, peer, threads = line.split("\t")
                self.peers.setdefault(workload, []).append((program, peer, int(threads)))
                self.answering.add(program)

    def program(self, name, threads, isa=None):
        key = name, threads, isa
        if key not in self.up or not self.up[key].running():
            command = [os.path.join(BUILD, "limits")] if name == "limits" else PROGRAMS[name]
            self.up[key] = Program(command, threads, **({"CONVD_ISA": isa} if isa else {}))
        return self.up[key]

    def rounds(self, who, rounds=ROUNDS):
        """who: label -> (Program, workload, peer). Rows by label, and why some have none. The first round does not count."""
        times, notes, why, slow = {}, {}, {}, {}
        who = dict(who)
        for r in range(-1, rounds):
            order = list(who)
            for label in order[max(r, 0) % max(1, len(order)):] + order[:max(r, 0) % max(1, len(order))]:
                if r > 2 and r * slow[label] > LONG:
                    continue
                program, workload, peer = who[label]
                time.sleep(.002)
                try:
                    ms, notes[label] = program.sample(workload, peer)
                except RuntimeError as e:
                    del who[label]
                    times.pop(label, None)
                    why[label] = str(e)
                    continue
                slow[label] = max(ms, slow.get(label, 0))
                if r >= 0:
                    times.setdefault(label, []).append(ms)
        return {k: dict(min=min(v), median=statistics.median(v), rounds=len(v), note=notes[k])
                for k, v in times.items()}, why

    def workload(self, s, threads):
        """Rows of all peers of a workload; the limits are peers called "limit KIND"."""
        requests, flop = limits_of(s)
        who = {f"limit {q.split(':')[0]}": (self.program("limits", threads), q, "limit") for q in requests}
        for program, peer, most in self.peers.get(s["name"], []):
            if most >= threads:
                who[peer] = self.program(program, threads), s["name"], peer
        rows, why = self.rounds(who)
        limit = max((r["min"] for k, r in rows.items() if k.startswith("limit ")), default=0)
        why = {k: v for k, v in why.items() if "not asked for" not in v}
        return [dict(peer=k, threads=threads, limit=limit, flop=flop, **r) for k, r in rows.items()], why

    def close(self):
        for program in self.up.values():
            program.close()
        self.up.clear()
