#!/usr/bin/python3
"""Does everything that /openapi.json says: every route with every status it lists, against the real daemon. The answer must
have that status, a media type that is listed, the headers that are listed, and JSON that fits its schema."""
import array, http.client, json, os, re, resource, signal, socket, subprocess, sys, tempfile, threading, time

import lib_report

NAME = "schema/openapi"

jsonschema, VALIDATOR = lib_report.validator(NAME)

PROGRAM = os.environ.get("CONVD", "build/convd")


# ---- the daemon ---------------------------------------------------------------------------------------------------

def small_files():
    """No file may grow beyond a MiB: what a full disk looks like."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)


class Server:
    def __init__(self, *words, before=None):
        self.log = tempfile.TemporaryFile()
        self.data = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self.process = subprocess.Popen([PROGRAM, "serve", "--listen", "127.0.0.1:0", "--data", self.data.name] + list(words),
                                        stderr=self.log, preexec_fn=before)
        for _ in range(600):
            self.log.seek(0)
            found = re.search(rb"listening on http://127.0.0.1:(\d+)", self.log.read())
            if found:
                self.port = int(found.group(1))
                return
            time.sleep(0.05)
        sys.exit("the daemon does not come up")

    def ask(self, method, path, body=None, headers=None):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            c.request(method, path, body, headers or {})
            r = c.getresponse()
            return Answer(r.status, r.headers, r.read())
        finally:
            c.close()

    def raw(self, text):
        """What comes back for bytes that no client library sends."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as s:
            s.sendall(text)
            r = http.client.HTTPResponse(s)
            r.begin()
            return Answer(r.status, r.headers, r.read())

    def finished(self):
        """The id of a job that is done."""
        form = multipart({"img": PICTURE, "job": '{"type":"run","pipeline":"edges"}'})
        job = json.loads(self.ask("POST", "/v1/jobs", *form).body)
        while job["state"] in ("queued", "running"):
            time.sleep(0.02)
            job = json.loads(self.ask("GET", "/v1/jobs/" + job["id"]).body)
        return job["id"]

    def fill(self):
        """One of each thing that can be kept."""
        image = json.loads(self.ask("POST", "/v1/images", *multipart({"img": PICTURE})).body)
        self.ask("PUT", "/v1/pipelines/mine", *multipart({"pipeline": SCALED, "weight": safetensors(weight=[1, 2, 3])}))
        self.kept = {"image": image.get("id"), "job": self.finished()}

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        return self.process.wait(60)


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body


# ---- requests -----------------------------------------------------------------------------------------------------

def ppm(w, h, seed=0):
    return b"P6\n%d %d\n255\n" % (w, h) + bytes((x * 5 + y * 3 + k * 40 + seed) % 256 for y in range(h) for x in range(w) for k in range(3))


def multipart(parts):
    out = b""
    for name, value in parts.items():
        file = b'; filename="x"\r\nContent-Type: application/octet-stream' if isinstance(value, bytes) else b""
        value = value if isinstance(value, bytes) else str(value).encode()
        out += b'--XyZ\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n' % (name.encode(), file, value)
    return out + b"--XyZ--\r\n", {"Content-Type": "multipart/form-data; boundary=XyZ"}


def safetensors(**tensors):
    """f32 tensors of one dimension."""
    head, data = {}, b""
    for name, values in sorted(tensors.items()):
        raw = array.array("f", values).tobytes()
        head[name] = {"dtype": "F32", "shape": [len(values)], "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(head).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + data


SCALED = json.dumps([{"id": "n", "op": "batch_norm", "weight": "@weight"}])
HEAVY = json.dumps([{"op": "conv", "weight": {"init": "he_normal", "out_channels": 64, "kernel_size": 7}, "padding": "same"},
                    "global_sum_pool"])


class Route:
    """One operation, and a request for it that works."""

    def __init__(self, method, pattern, operation, kept):
        self.method, self.pattern, self.operation, self.id = method.upper(), pattern, operation, operation["operationId"]
        self.path = pattern
        names = {"/v1/ops/{name}": "max_pool", "/v1/kernels/{name}": "gaussian"}
        known = kept["job"] if "/jobs/" in pattern else kept["image"]
        for k, v in {"{name}": names.get(pattern, "mine"), "{id}": known, "{chain}": "edges", "{ext}": "png"}.items():
            self.path = self.path.replace(k, v)
        properties = operation.get("requestBody", {}).get("content", {}).get("multipart/form-data", {}).get("schema", {}).get("properties", {})
        good = {"img": PICTURE, "pipeline": "edges", "step": "edges.edges", "channel": 0, "x": 3, "y": 4,
                "job": '{"type":"run","pipeline":"edges"}', "weights": safetensors(weight=[1, 2, 3])}
        if self.id == "putPipeline":
            good["pipeline"] = SCALED
        self.parts = {p: good[p] for p in properties if p in good}
        if self.id == "putPipeline":
            self.parts["weight"] = self.parts.pop("weights")

    def request(self, **parts):
        """(body, headers) with these parts in place of the good ones."""
        chosen = {**self.parts, **parts}
        return multipart(chosen) if self.parts else (None, {})

    def head(self, *lines):
        return ("%s %s HTTP/1.1\r\nHost: x\r\n%s\r\n" % (self.method, self.path, "".join(l + "\r\n" for l in lines))).encode()


def wrong_pipeline(route):
    """(path, body, headers) of a pipeline that cannot run."""
    if route.id == "putWeights":
        return route.path, *route.request(weights=safetensors(nothing=[1, 2]))
    if route.id == "putPipeline":
        return route.path, *multipart({"pipeline": "max_pool:0"})
    if route.id == "addJob":
        return route.path, *route.request(job='{"type":"run","pipeline":"max_pool:0"}')
    if route.id == "kernel":
        return route.path + "?size=4", None, {}
    if "{chain}" in route.pattern:
        return route.path.replace("edges", "max_pool:0"), *route.request()
    return route.path, *route.request(pipeline="max_pool:0")


class Recipes:
    """status -> how to get it; each returns an Answer."""

    def __init__(self, servers, kept):
        self.s, self.kept, self.count, self.late = servers, kept, 0, {}

    def plain(self, route, server=None, **headers):
        body, own = route.request()
        own.update({k.replace("_", "-"): v for k, v in headers.items()})
        return (server or self.s["plain"]).ask(route.method, route.path, body, own)

    def of_200(self, r):
        return self.plain(r)

    def of_201(self, r):
        self.count += 1
        if r.id == "putPipeline":
            return self.s["plain"].ask("PUT", r.path + str(self.count), *r.request())
        body, headers = r.request(img=ppm(9, 9, self.count))
        return self.s["plain"].ask(r.method, r.path, body, headers)

    def add_job(self, server, **parts):
        route = self.routes["addJob"]
        return json.loads(server.ask("POST", "/v1/jobs", *route.request(**parts)).body)["id"]

    def of_202(self, r):
        if r.id == "addJob":
            return self.plain(r)
        id = self.add_job(self.s["plain"], img=ppm(900, 900), job=json.dumps({"type": "run", "pipeline": json.loads(HEAVY) * 1}))
        return self.s["plain"].ask("DELETE", "/v1/jobs/" + id)

    def of_204(self, r):
        if r.id == "deletePipeline":
            self.s["plain"].ask("PUT", r.path + "x", *self.routes["putPipeline"].request())
            return self.s["plain"].ask("DELETE", r.path + "x")
        if r.id == "deleteJob":
            return self.s["plain"].ask("DELETE", "/v1/jobs/" + self.s["plain"].finished())
        if r.id == "jobEvents":
            last = re.findall(rb"^id: (\d+)$", self.plain(r).body, re.M)[-1].decode()
            return self.plain(r, Last_Event_ID=last)
        body, headers = multipart({"img": ppm(7, 7)})
        made = json.loads(self.s["plain"].ask("POST", "/v1/images", body, headers).body)
        return self.s["plain"].ask(r.method, r.path.replace(self.kept["image"], made["id"]))

    def of_304(self, r):
        return self.plain(r, If_None_Match="*")

    def of_400(self, r):
        return self.s["plain"].raw(r.head("Content-Length: 0").replace(b" HTTP/", b"?a=%zz HTTP/"))

    def of_401(self, r):
        return self.plain(r, self.s["keyed"])

    def of_403(self, r):
        return self.plain(r, Origin="https://elsewhere.example")

    def of_404(self, r):
        path = r.path.replace(self.kept["image"], "0" * 64).replace(self.kept["job"], "0" * len(self.kept["job"]))
        if path == r.path:
            path = re.sub("(mine|[a-z_]+$)", "nobody", path, count=1)
        if r.id == "jobs":
            path = r.path + "?after=nobody"
        return self.s["plain"].ask(r.method, path, *r.request())

    def of_406(self, r):
        if r.id == "kernel":
            return self.s["plain"].ask("GET", r.path + "?format=gif")
        if r.id == "probe":
            return self.s["plain"].ask("POST", r.path + "?format=png", *r.request())
        if r.id == "runOnImage":
            return self.s["plain"].ask("GET", r.path.replace(".png", ".exe"))
        return self.plain(r, Accept="text/html")

    def of_408(self, r):
        return self.s["hasty"].raw(r.head("Content-Length: 1000"))

    def of_409(self, r):
        if r.id == "jobResult":
            id = self.add_job(self.s["plain"], img=ppm(900, 900), job=json.dumps({"type": "run", "pipeline": json.loads(HEAVY)}))
            a = self.s["plain"].ask("GET", "/v1/jobs/%s/result" % id)
            self.s["plain"].ask("DELETE", "/v1/jobs/" + id)
            return a
        return self.s["plain"].ask(r.method, r.path.replace("mine", "edges"), *r.request())  # built in

    def of_412(self, r):
        return self.plain(r, If_None_Match="*")

    def of_413(self, r):
        return self.s["plain"].raw(r.head("Content-Length: 4000000000"))

    def of_414(self, r):
        return self.s["plain"].raw(r.head("Content-Length: 0").replace(b" HTTP/", b"?" + b"a" * 9000 + b" HTTP/"))

    def of_415(self, r):
        if r.id == "addJob":
            return self.s["plain"].ask("POST", r.path, b"hello", {"Content-Type": "text/plain"})
        if r.id == "putWeights":
            return self.s["plain"].ask("PUT", r.path, *r.request(weights=b"hello"))
        body, headers = r.request(img=b"hello")
        return self.s["plain"].ask(r.method, r.path, body, headers)

    def of_422(self, r):
        path, body, headers = wrong_pipeline(r)
        return self.s["plain"].ask(r.method, path, body, headers)

    def of_431(self, r):
        return self.s["plain"].raw(r.head(*["X-%d: y" % i for i in range(120)]))

    def of_501(self, r):
        return self.s["plain"].raw(r.head("Transfer-Encoding: gzip"))

    def of_503(self, r):
        return self.plain(r, self.s["leaving"])

    def behind(self):
        """What every route answers whose request waits behind a run that does not let go of the only worker: one row, in
        which nobody looks at the clock."""
        server, answers = self.s["busy"], {}
        form = multipart({"img": ppm(32000, 1), "pipeline": json.dumps([
            {"op": "conv", "weight": {"init": "he_normal", "out_channels": 64, "kernel_size": 1}},
            {"op": "conv", "weight": {"init": "he_normal", "out_channels": 128, "kernel_size": [1, 129]}}, "global_sum_pool"])})

        def one(r):
            body, headers = r.request()
            answers[r.id] = server.ask(r.method, r.path.replace(self.kept["image"], server.kept["image"]), body, headers)

        heavy = threading.Thread(target=server.ask, args=("POST", "/v1/run", *form))
        heavy.start()
        time.sleep(0.1)
        others = [threading.Thread(target=one, args=(r,)) for r in self.routes.values() if "504" in r.operation["responses"]]
        for t in others:
            t.start()
        for t in others + [heavy]:
            t.join()
        return answers

    def of_504(self, r):
        for _ in range(4):  # a machine with much else to do may need another try
            if r.id in self.late and self.late[r.id].status == 504:
                break
            self.late = {**self.behind(), **{k: a for k, a in self.late.items() if a.status == 504}}
        return self.late[r.id]

    def of_507(self, r):
        picture, tensor = ppm(700, 700), safetensors(weight=[1] * 400000)
        large = {"keepImage": {"img": picture}, "addJob": {"img": picture}, "putPipeline": {"weight": tensor},
                 "putWeights": {"weights": tensor}}[r.id]
        return self.s["full"].ask(r.method, r.path, *r.request(**large))


# ---- answers ------------------------------------------------------------------------------------------------------

class Checker:
    def __init__(self, doc):
        self.doc, self.validators = doc, {}

    def resolve(self, node):
        while "$ref" in node:
            at = self.doc
            for part in node["$ref"][2:].split("/"):
                at = at[part]
            node = at
        return node

    def validator(self, schema):
        key = json.dumps(schema, sort_keys=True)
        if key not in self.validators:
            self.validators[key] = VALIDATOR({"components": self.doc["components"], "allOf": [schema]})
        return self.validators[key]

    def faults(self, response, a):
        response = self.resolve(response)
        for name in response.get("headers", {}):
            if not a.headers[name]:
                yield "no header " + name
        content = response.get("content")
        if not content:
            if a.body:
                yield "a body where none is listed"
            return
        media = (a.headers["Content-Type"] or "").split(";")[0].strip()
        fit = [m for m in content if m in (media, "*/*") or (m.endswith("/*") and media.startswith(m[:-1]))]
        if not fit:
            yield "%s is not listed" % media
        elif media.endswith("json") and "schema" in content[fit[0]]:
            error = next(self.validator(content[fit[0]]["schema"]).iter_errors(json.loads(a.body)), None)
            if error:
                yield "at %s: %s" % ("/".join(map(str, error.absolute_path)), error.message[:200])
        if media == "application/problem+json" and json.loads(a.body)["status"] != a.status:
            yield "the problem's status is another one"


def main():
    with tempfile.NamedTemporaryFile("w", suffix=".keys") as keys:
        keys.write("secret\n")
        keys.flush()
        servers = {"plain": Server(), "keyed": Server("--api-keys", keys.name), "hasty": Server("--body-timeout", "50ms"),
                   "leaving": Server("--drain-delay", "120s"), "busy": Server("--workers", "1", "--timeout", "300ms", "--queue-depth", "200"),
                   "full": Server(before=small_files)}
    for name in ("plain", "busy", "leaving", "full"):
        servers[name].fill()
    kept = servers["plain"].kept
    servers["leaving"].process.send_signal(signal.SIGTERM)
    time.sleep(0.6)
    doc = json.loads(servers["plain"].ask("GET", "/openapi.json").body)
    schema = json.loads(servers["plain"].ask("GET", "/v1/schema").body)
    checker, recipes = Checker(doc), Recipes(servers, kept)
    routes = [Route(m, p, o, kept) for p, item in doc["paths"].items() for m, o in item.items()]
    recipes.routes = {r.id: r for r in routes}

    bad, done = [], 0
    for route in routes:
        for status, response in sorted(route.operation["responses"].items()):
            recipe = getattr(recipes, "of_" + status, None)
            if not recipe:
                bad.append("%s %s: no way to get %s" % (route.method, route.pattern, status))
                continue
            a = recipe(route)
            done += 1
            if a.status != int(status):
                bad.append("%s %s: %d in place of %s: %s" % (route.method, route.pattern, a.status, status, a.body[:200]))
                continue
            bad += ["%s %s %s: %s" % (route.method, route.pattern, status, f) for f in checker.faults(response, a)]
    print("%d routes, %d answers: every status of every route" % (len(routes), done))
    for line in bad[:40]:
        print("  " + line)

    other = []
    for route in routes:  # what holds for all of them and is not listed
        if route.method == "GET":
            head = servers["plain"].ask("HEAD", route.path)
            if head.status != 200 or head.body:
                other.append("HEAD %s: %d" % (route.path, head.status))
        options = servers["plain"].ask("OPTIONS", route.path)
        if options.status != 204 or route.method not in options.headers["Allow"]:
            other.append("OPTIONS %s: %d %s" % (route.path, options.status, options.headers["Allow"]))
    for line in other:
        print("  " + line)

    text = json.dumps(schema["$defs"]["pipeline"]).replace("#/$defs/", "#/components/schemas/")
    same = json.loads(text) == doc["components"]["schemas"]["pipeline"]
    ends = [s.stop(signal.SIGKILL if n == "leaving" else signal.SIGTERM) for n, s in servers.items()]
    return lib_report.say(NAME, [("every_status_of_every_route", not bad), ("head_and_options_everywhere", not other),
                ("the_schema_is_the_same_in_both", same), ("the_daemons_end_well", all(e in (0, -9) for e in ends))])


if __name__ == "__main__":
    PICTURE = ppm(24, 16)
    sys.exit(main())
