#!/usr/bin/python3
"""Holds convd's JSON Schema against convd's parser, both ways, with a validator of other people's (python3-jsonschema).

For each pipeline: where the schema says no, the parser must refuse it; where the schema says yes, the parser must accept
it, or name only faults that the schema lists as x-rules. Pipelines are those of the fixtures, the hostile ones, the
built-in ones, one for every operation, and mutants of all these (SEED, MUTANTS in the environment)."""
import base64, copy, glob, json, math, os, random, subprocess, sys, warnings
from concurrent.futures import ProcessPoolExecutor

import lib_report

NAME = "schema/agree"

jsonschema, VALIDATOR = lib_report.validator(NAME)

DATA = os.environ.get("TESTDATA", "tests/data")
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(DATA)))  # of the repository
VERDICT = os.path.join(os.environ.get("BUILD", "build"), "tests/schema/verdict")


# ---- pipelines ----------------------------------------------------------------------------------------------------

def b64(path):
    with open(path, "rb") as f:
        return base64.b64encode(f.read()).decode()


def picture():
    pixels = bytes((x * 5 + y * 3 + k * 40) % 256 for y in range(36) for x in range(48) for k in range(3))
    return base64.b64encode(b"P6\n48 36\n255\n" + pixels).decode()


def no_duplicates(pairs):
    if len({k for k, _ in pairs}) < len(pairs):
        raise ValueError("duplicate members")
    return dict(pairs)


def not_json(word):
    raise ValueError(word)


def fixtures():
    """(name, pipeline, image, tensors) of the cases that came from other implementations."""
    with open(DATA + "/torch/manifest.json") as f:
        for c in json.load(f)["case"]:
            at = "%s/torch/%s/" % (DATA, c["name"])
            if os.path.exists(at + c["image"]):
                yield (c["name"], {"steps": c["steps"]}, b64(at + c["image"]),
                       {t: b64(at + t + ".npy") for t in c["tensors"]})
    with open(DATA + "/opencv/manifest.json") as f:
        for c in json.load(f)["case"]:
            at = "%s/opencv/%s" % (DATA, c["input"])
            if os.path.exists(at) and isinstance(c.get("convd"), dict):
                k = c["convd"].get("kernel")
                tensors = {k[1:]: b64("%s/opencv/kernel/%s.npy" % (DATA, k[1:]))} if isinstance(k, str) and k[0] == "@" else {}
                yield c["name"], [c["convd"]], b64(at), tensors


DEEPEST = 32  # arrays and objects inside each other: JSON itself goes no deeper here


def depth(v):
    return 1 + max((depth(x) for x in (v.values() if isinstance(v, dict) else v)), default=0) if isinstance(v, (dict, list)) else 0


def files():
    found = {os.path.basename(p): p for d in (DATA + "/hostile", DATA + "/hostile-specs", ROOT + "/api/pipelines")
             for p in glob.glob(d + "/*.json")}
    for name, path in sorted(found.items()):
        with open(path, "rb") as f:
            text = f.read()
        try:
            spec = json.loads(text.decode("utf-8"), object_pairs_hook=no_duplicates, parse_constant=not_json)
        except (ValueError, RecursionError):
            continue  # no JSON that two readers agree on: nothing for a schema to say
        if depth(spec) < DEEPEST - 1 and b"\\u0000" not in text:
            yield name, spec, None, {}


def sample(ops, op):
    """A step of that operation with a value for each parameter that must be there."""
    step = {"op": op["name"]}
    if op["inputs"][0] > 1:
        step["inputs"] = ["image"] * op["inputs"][0]
    for p in op["params"]:
        if not p["required"]:
            continue
        lo, hi = (p.get("range") or [0, 1])
        lo = 0 if lo is None else lo
        step[p["name"]] = {"integer": 1, "pair": [3, 5], "number": 0.5, "word": (p.get("words") or [""])[0], "padding": 1,
                           "integers": [0, 1], "numbers": [0.5, 1, 2], "kernel": "sobel_x", "steps": ["abs"],
                           "weight": {"init": "he_normal", "out_channels": 4, "kernel_size": 3}}[p["type"]]
    if op["name"] == "resize":
        step["size"] = [10, 12]
    return step


def of_ops(ops):
    for op in ops.values():
        full = sample(ops, op)
        yield op["name"], [full], None, {}
        for p in op["params"]:  # and with every default written out
            if "default" in p:
                full[p["name"]] = p["default"]
        yield op["name"] + "+", {"input": {"channels": "rgb"}, "steps": ["abs", full, "relu"],
                                 "output": {"from": "*", "format": "json"}}, None, {}


def sweep(ops, schema):
    """Every parameter of every operation under every name, at its ends, just past them, and as what it is not; every name
    as a bare string."""
    for op in ops.values():
        for name in [op["name"]] + op["aliases"]:
            yield name, [name], None, {}
            yield name, [dict(sample(ops, op), op=name)], None, {}
        for p in op["params"]:
            ends = [x for x in p.get("range") or [] if x is not None]
            tries = ends + [x + d for x in ends for d in (-1, 1, 0.5)]
            tries += [0, 1, 2, 3.0, 4, 2.5, -1, 1e-50, 1e39, 2.0 ** 53, 2.0 ** 53 + 2, True, None, "", "x", "same", "valid", "@t", {}, []]
            tries += (p.get("words") or []) + [[1], [1, 1], [2, 3], [3, 3, 3], [1, 1, 1, 1], [0] * 5, [0.5, 1], [1, "x"], [0, 0]]
            tries += [[[1, 2]], [[1], [1, 2]], [[[1]]], [[[[1]]]], [[[[[1]]]]], ["sobel_x"], ["@t"], [[[1]], "sobel_x"], ["abs"], ["nothing"]]
            tries += [{"init": "zeros"}, {"init": "he_normal", "out_channels": 2}, {"init": "he_normal", "out_features": 2},
                      {"init": "normal", "out_channels": 2, "kernel_size": 3}, {"name": "gaussian", "size": 4}, {"name": "gaussian", "ksize": 5},
                      {"name": "sobel_x", "size": 3}, {"name": "gaussian", "sigma": 0}, {"size": 3}]
            for value in tries:
                yield p["name"], [dict(sample(ops, op), **{p["name"]: value})], None, {}
            for alias in p["aliases"]:
                step = sample(ops, op)
                step[alias] = step.pop(p["name"], p.get("default", 1))
                yield alias, [step], None, {}
                yield alias, [dict(step, **{p["name"]: step[alias]})], None, {}
            yield "no " + p["name"], [{k: v for k, v in sample(ops, op).items() if k != p["name"]}], None, {}
        for member in ("id", "input", "inputs", "learn", "name", "steps", "nothing"):
            for value in ("image", ["image"], ["image"] * 2, ["image"] * 64, ["image"] * 65, "a", True, 1, []):
                yield member, [dict(sample(ops, op), **{member: value})], None, {}
    for name in schema["$defs"]["kernel_name"]["enum"] + schema["$defs"]["op_pipeline"]["properties"]["name"]["enum"]:
        yield name, [name], None, {}
        yield name, [{"op": "pipeline", "name": name}], None, {}
        yield name, [{"op": "filter", "kernel": name}], None, {}
        yield name, [{"op": "filter", "kernel": {"name": name}}], None, {}
        yield name, [{"op": "filter", "kernel": {"name": name, "size": 3}}], None, {}
    for part in ("input", "output"):
        for name in list(schema["$defs"][part]["properties"]) + ["nothing"]:
            words = schema["$defs"][part]["properties"].get(name, {}).get("enum", [])
            for value in words + [0, 1, 7, 8, 9, 10, 12, 16, 24, 100, 101, -1, 1.5, True, None, "", "x", "*", "s0", "image", [], ["s0"], [1], ["*"],
                                  {}, "auto", "channel:0", "channel:12", "channel:x", "channel:1234567890", "#000000", "#00000", "#00000g"]:
                yield name, {"steps": ["grayscale"], part: {name: value}}, None, {}


# ---- mutants ------------------------------------------------------------------------------------------------------

class Mutator:
    def __init__(self, ops, schema, rng):
        self.rng, self.ops = rng, ops
        self.by_name = {n: o for o in ops.values() for n in [o["name"]] + o["aliases"]}
        self.parts = {part: schema["$defs"][part]["properties"] for part in ("input", "output")}
        self.names = sorted(n for o in ops.values() for n in [o["name"]] + o["aliases"])
        self.params = sorted({n for o in ops.values() for p in o["params"] for n in [p["name"]] + p["aliases"]})
        self.words = sorted(set(self.strings(schema["$defs"])))
        self.ends = sorted({x + d for o in ops.values() for p in o["params"] for x in (p.get("range") or [])
                            if x is not None for d in (-1, 0, 1)})

    def strings(self, node):
        if isinstance(node, dict):
            for k, v in node.items():
                if k == "enum":
                    yield from (w for w in v if isinstance(w, str))
                elif k != "x-rules":
                    yield from self.strings(v)
        elif isinstance(node, list):
            for v in node:
                yield from self.strings(v)

    def value(self):
        r = self.rng
        n = lambda: r.choice([0, 1, 2, 3, 5, 7, -1, 0.5, 1.5, 2.0, 16, 129, 130, 255, 4096, 4097, 1e9, 1e39, -1e39, 1e-50,
                              2 ** 53, 2 ** 53 + 2, r.choice(self.ends), r.choice(self.ends)])
        return r.choice([
            lambda: None, lambda: r.random() < 0.5, n, n, n,
            lambda: r.choice(self.words), lambda: r.choice(self.words),
            lambda: r.choice(self.names), lambda: r.choice(["", "x", "image", "@t", "@", "s0", "same", "valid", "*", "#12345",
                                                            "#123456", "channel:3", "channel:", "a/b", "é"]),
            lambda: [n() for _ in range(r.randrange(0, 6))],
            lambda: [[n() for _ in range(3)] for _ in range(r.randrange(1, 4))],
            lambda: [r.choice(self.words), [[1, 0], [0, 1]]], lambda: {}, lambda: [],
            lambda: [[[[1, 2], [3, 4]]]], lambda: [[[[[1]]]]], lambda: ["sobel_x", "sobel_y"],
            lambda: {"name": r.choice(self.words), "size": n()}, lambda: {"name": "gaussian", "size": 5, "sigma": n()},
            lambda: {"init": r.choice(["zeros", "he_normal", "identity", "x"]), "out_channels": n(), "kernel_size": n()},
            lambda: {"init": "normal", "out_features": n(), "seed": n(), "gain": n()},
            lambda: self.step(),
        ])()

    def step(self):
        r = self.rng
        op = self.ops[r.choice(sorted(self.ops))]
        s = sample(self.ops, op)
        if r.random() < 0.3:
            s["op"] = r.choice([op["name"]] + op["aliases"])
        for p in op["params"]:
            if r.random() < 0.3:
                s[r.choice([p["name"]] + p["aliases"])] = p.get("default", 1) if r.random() < 0.5 else self.value()
        return s

    def near(self, p):
        """A value for parameter p that is right, or wrong by little."""
        r, kind = self.rng, p["type"]
        lo, hi = p.get("range") or [-3, 3]
        lo, hi = (-1e9 if lo is None else lo), (1e9 if hi is None else hi)
        whole = kind in ("integer", "pair", "padding", "integers")

        def one():
            if r.random() < 0.6:
                return r.randint(int(max(lo, 1)), int(min(max(hi, 1), 5))) if whole else round(r.uniform(max(lo, -9), min(hi, 9)), 2)
            return r.choice([lo, hi, lo - 1, hi + 1, lo + 0.5, 2.0, 0, r.randint(1, 9), str(lo), None, [1], True])

        def several(counts):
            return [one() for _ in range(r.choice(counts))]

        matrix = lambda: [[r.choice([0, 1, -1, 0.25, 1e39 if r.random() < 0.05 else 2]) for _ in range(w)]
                          for w in [r.randint(1, 4)] for _ in range(r.randint(1, 4))]
        kernel = lambda: r.choice([lambda: r.choice(self.words), lambda: r.choice(["sobel_x", "gaussian", "log", "mean", "box"]), matrix,
                                   lambda: {"name": r.choice(["gaussian", "box", "gabor", "dog", "motion", "sobel_y", "mean"]),
                                            r.choice(["size", "ksize", "sigma", "theta", "angle", "gamma", "sigma1"]):
                                            r.choice([3, 5, 4, 1, 129, 131, 0.5, 2.5])}, lambda: "@weight"])()
        if kind in ("integer", "number"):
            return one()
        if kind == "boolean":
            return r.choice([True, False, True, False, 0, "true", None])
        if kind == "word":
            return r.choice(p["words"] + [r.choice(self.words)])
        if kind in ("pair", "number-pair"):
            return r.choice([one, lambda: several([2, 2, 2, 1, 3])])()
        if kind == "padding":
            return r.choice([one, lambda: several([2, 2, 4, 4, 3, 1, 5]), lambda: r.choice(["same", "valid", "full"])])()
        if kind in ("integers", "numbers"):
            return r.choice([one, lambda: several([1, 1, 2, 3, 0])])()
        if kind == "across":
            return r.choice([lambda: r.choice(p["words"]), one, lambda: several([1, 3, 3, 0])])()
        if kind == "kernel":
            return kernel()
        if kind == "weight":
            return r.choice([
                lambda: one(), lambda: several([1, 2, 3]), matrix, lambda: [matrix()], lambda: [[matrix()]],
                lambda: [kernel() for _ in range(r.randint(1, 2))], lambda: [r.choice(["sobel_x", "sobel_y"])], lambda: r.choice(["@weight", "@nothing"]),
                lambda: {k: v for k, v in [("init", r.choice(["zeros", "he_normal", "uniform", "none"])), ("out_channels", r.choice([1, 4, 0, 65536])),
                                           ("kernel_size", r.choice([1, 3, [3, 5], 0, 129, 130])), ("seed", r.choice([0, 1, -1, 2 ** 53])),
                                           ("gain", r.choice([1, 0.5, "1"])), ("out_features", 3)] if r.random() < 0.8}])()
        return r.choice([lambda: ["abs"], lambda: [self.step()], lambda: [], lambda: "abs"])()

    def steps(self, spec):
        """Every step that is an object, in any list."""
        for path in self.places(spec):
            at = spec
            for k in path:
                at = at[k]
            if isinstance(at, dict) and isinstance(at.get("op"), str) and at["op"] in self.by_name:
                yield at

    def typed(self, spec):
        """Changes one parameter, or one option, to something near."""
        r = self.rng
        steps = list(self.steps(spec))
        if not steps or (r.random() < 0.15 and isinstance(spec, dict)):
            part = r.choice(["input", "output"])
            spec = spec if isinstance(spec, dict) else {"steps": spec}
            options = self.parts[part]
            name = r.choice(sorted(options))
            words = options[name].get("enum") or ["auto", "grid", "channel:0", "channel:9", "*", "s0", "s1", "#a0B1c2", "#12", ["a"], ["s0", "image"], []]
            number = [options[name][k] + d for k in ("minimum", "maximum") if k in options[name] for d in (-1, 0, 1)] or [8]
            if not isinstance(spec.get(part), dict):
                spec[part] = {}
            spec[part][name] = r.choice([lambda: r.choice(words), lambda: r.choice(number), lambda: r.choice(words)])()
            return spec
        step = r.choice(steps)
        op = self.by_name[step["op"]]
        if not op["params"] or r.random() < 0.2:
            what = r.randrange(5)
            if what == 0:
                step["op"] = r.choice([op["name"]] + op["aliases"])
            elif what == 1:
                step["id"] = r.choice(["a", "a", "s0", "x1", "_", "1x", "image", "a" * 64, "a" * 65, "a-b", "a.b"])
            elif what == 2:
                step[r.choice(["input", "input", "inputs"])] = r.choice(["image", "s0", "a", ["image"], ["image", "image"], "@weight", "nobody"])
            elif what == 3:
                step["learn"] = r.choice([True, False, 1])
            else:
                step["inputs"] = ["image"] * r.choice([0, 1, 2, 3, 64, 65])
            return spec
        p = r.choice(op["params"])
        if r.random() < 0.1:
            step.pop(p["name"], None)
        else:
            if r.random() < 0.5:
                step.pop(p["name"], None)
            step[r.choice([p["name"]] * 3 + p["aliases"])] = self.near(p)
        return spec

    def places(self, v, path=()):
        yield path
        if isinstance(v, dict):
            for k in v:
                yield from self.places(v[k], path + (k,))
        elif isinstance(v, list):
            for i in range(min(len(v), 12)):
                yield from self.places(v[i], path + (i,))

    def once(self, spec):
        r = self.rng
        places = [p for p in self.places(spec) if p]
        if not places:
            return self.value()
        path = r.choice(places)
        if r.random() < 0.5:  # near the top most rules are at home
            path = path[:r.choice([2, 3])]
        at = spec
        for k in path[:-1]:
            at = at[k]
        k = path[-1]
        what = r.randrange(10)
        if what <= 3:
            at[k] = self.value()
        elif what == 4:
            del at[k]
        elif what == 5 and isinstance(at, dict):
            at[r.choice(self.params + ["id", "input", "inputs", "learn", "op", "name", "output"])] = at.pop(k)
        elif what == 6 and isinstance(at, dict):
            at[r.choice(self.params + ["id", "input", "inputs", "learn", "steps", "output", "name"])] = self.value()
        elif what == 7 and isinstance(at, list):
            at.insert(k, copy.deepcopy(r.choice([at[k], self.step(), self.value()])))
        elif what == 8 and isinstance(at[k], (int, float)) and not isinstance(at[k], bool):
            at[k] = r.choice([at[k] + 1, -at[k], at[k] * 1000, at[k] + 0.5, [at[k], at[k]], [at[k]] * 4])
        elif isinstance(at[k], str):
            at[k] = r.choice([at[k] + "x", at[k].upper(), at[k][:-1], r.choice(self.words), r.choice(self.names)])
        else:
            at[k] = [at[k]]
        return spec

    def mutant(self, base):
        while True:
            spec = copy.deepcopy(base)
            for _ in range(self.rng.choice([1, 1, 1, 2, 3])):
                spec = self.typed(spec) if self.rng.random() < 0.75 else self.once(spec)
            try:
                json.dumps(spec, allow_nan=False)
                return spec
            except ValueError:
                pass  # a number grew until it was no JSON any more


# ---- verdicts -----------------------------------------------------------------------------------------------------

def tokens(pointer):
    return [t.replace("~1", "/").replace("~0", "~") for t in pointer.split("/")[1:]]


def fits(at, rest):
    want = tokens(at)
    if want[-1:] == ["**"]:
        return len(rest) >= len(want) - 1 and all(w in ("*", r) for w, r in zip(want[:-1], rest))
    return len(want) == len(rest) and all(w in ("*", r) for w, r in zip(want, rest))


class Rules:
    def __init__(self, schema, ops):
        self.defs, self.ops = schema["$defs"], ops
        self.by_name = {n: o for o in ops.values() for n in [o["name"]] + o["aliases"]}

    def scopes(self, spec, path):
        """(part of the schema, its rules, what is left of the path) for every part that the path goes through."""
        yield "pipeline", self.defs["pipeline"]["x-rules"], path
        if isinstance(spec, str):
            yield "chain", self.defs["chain"]["x-rules"], []
            return
        at, rest = spec, path
        if isinstance(spec, dict):
            for part in ("input", "output"):
                if rest[:1] == [part]:
                    yield part, self.defs[part]["x-rules"], rest[1:]
            if rest[:1] != ["steps"]:
                return
            at, rest = spec.get("steps"), rest[1:]
        while isinstance(at, list) and rest and rest[0].isdigit() and int(rest[0]) < len(at):
            at, rest = at[int(rest[0])], rest[1:]
            yield "step", self.defs["step"]["x-rules"], rest
            op = self.by_name.get(at.get("op")) if isinstance(at, dict) and isinstance(at.get("op"), str) else None
            if not op:
                return
            yield op["name"], self.defs["op_" + op["name"]]["x-rules"], self.own_names(op, rest)
            if rest[:1] != ["steps"]:
                return
            at, rest = at.get("steps"), rest[1:]

    @staticmethod
    def own_names(op, rest):
        """Faults name a parameter as it was written; rules by its own name."""
        own = {a: p["name"] for p in op["params"] for a in p["aliases"]}
        return [own.get(rest[0], rest[0])] + rest[1:] if rest else rest

    def explains(self, spec, fault):
        for part, rules, rest in self.scopes(spec, tokens(fault["pointer"])):
            for rule in rules:
                if not fits(rule["at"], rest) or rule.get("code", fault["code"]) != fault["code"]:
                    continue
                # what a parameter alone may be is the schema's to say, whatever rule stands at its place
                alone = {p["expects"] for p in self.ops[part]["params"]} if part in self.ops else set()
                if fault["expected"] not in alone:
                    return True
        return False


KINDS = ("accepted", "refused", "rules", "DISAGREE: only the parser", "DISAGREE: only the schema")


def judge(job):
    schema, ops, pairs = job
    validator, rules = VALIDATOR(schema), Rules(schema, ops)
    out = []
    for spec, faults in pairs:
        fine = validator.is_valid(spec)
        odd = [f for f in faults if not rules.explains(spec, f)]
        kind = 0 if fine and not faults else 2 if fine and not odd else 3 if fine else 1 if faults else 4
        out.append((kind, odd[:1]))
    return out


def verdicts(process, jobs):
    def feed():
        for _, spec, image, tensors in jobs:
            request = {"pipeline": spec, "image": image or PICTURE, "tensors": tensors}
            process.stdin.write((json.dumps(request) + "\n").encode())
        process.stdin.close()
    import threading
    writer = threading.Thread(target=feed)
    writer.start()
    answers = [json.loads(line) for line in process.stdout]
    writer.join()
    if process.wait() != 0 or len(answers) != len(jobs):
        sys.exit("verdict ended with %s after %d of %d answers" % (process.returncode, len(answers), len(jobs)))
    return answers


def show(name, jobs, faults, results):
    """Prints what was counted; True when schema and parser agree."""
    count = [sum(1 for k, _ in results if k == i) for i in range(len(KINDS))]
    print("%s: %d pipelines: %s" % (name, len(jobs), ", ".join("%d %s" % (c, k) for c, k in zip(count, KINDS) if c)))
    shown = 0
    for (label, spec, _, _), all_faults, (kind, odd) in zip(jobs, faults, results):
        if kind >= 3 and shown < 12:
            shown += 1
            print("  %s: %s\n    %s\n    %s" % (KINDS[kind], label, json.dumps(spec)[:600], json.dumps(odd or all_faults)[:400]))
    return count[3] == 0 and count[4] == 0


def main():
    seed, mutants = int(os.environ.get("SEED", "1"), 0), int(os.environ.get("MUTANTS", "10000"))
    warnings.simplefilter("ignore")
    sys.setrecursionlimit(20000)
    process = subprocess.Popen([VERDICT], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    schema, ops = json.loads(process.stdout.readline()), json.loads(process.stdout.readline())
    ops = {o["name"]: o for o in ops["ops"]}
    VALIDATOR.check_schema(schema)

    groups = [("fixtures", list(fixtures())), ("files", list(files())), ("operations", list(of_ops(ops)))]
    bases = [j for _, g in groups for j in g if len(json.dumps(j)) < 12000]
    mutator, jobs = Mutator(ops, schema, random.Random(seed)), []
    for _ in range(mutants):
        name, spec, image, tensors = mutator.rng.choice(bases)
        jobs.append((name, mutator.mutant(spec), image, tensors))
    print("seed %d" % seed)
    groups += [("sweep", list(sweep(ops, schema))), ("mutants", jobs)]

    every = [j for _, g in groups for j in g]
    faults = verdicts(process, every)
    workers = os.cpu_count() or 1
    pairs = [(j[1], f) for j, f in zip(every, faults)]
    results, tests = [], []
    with ProcessPoolExecutor(workers) as pool:
        size = math.ceil(len(pairs) / (4 * workers))
        for part in pool.map(judge, [(schema, ops, pairs[i:i + size]) for i in range(0, len(pairs), size)]):
            results += part
    at = 0
    for name, jobs in groups:
        part = slice(at, at + len(jobs))
        tests.append((name + "_have_the_same_verdict", show(name, jobs, faults[part], results[part])))
        at += len(jobs)
    return lib_report.say(NAME, tests)


if __name__ == "__main__":
    PICTURE = picture()
    sys.exit(main())
