// Peer programs: one table of workloads, one timing loop, one line protocol.
//   prog list                     workload<TAB>peer<TAB>most threads, for all it can run
//   prog serve                    reads workload<TAB>peer<TAB>threads, answers ms<TAB>note, or !why, a line each
// A sample is SAMPLE_MS of calls that are not counted, then the mean over calls that fill as much again; a call over 200 ms is a sample by itself.
#pragma once
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

struct Spec {
    std::string name, kind;
    std::map<std::string, std::string> p;
    int operator[](const char *k) const
    {
        auto i = p.find(k);
        return i == p.end() ? 0 : atoi(i->second.c_str());
    }
    std::string str(const char *k) const
    {
        auto i = p.find(k);
        return i == p.end() ? "" : i->second;
    }
};
struct Case {
    std::function<void()> run;
    std::string note;
};
struct Peer {
    std::string name, kinds;
    int threads;
    std::function<Case(const Spec &, int)> make;
};

inline std::string bench_dir()
{
    const char *d = getenv("BENCH_DIR");
    return d ? d : ".";
}
inline std::vector<std::string> split(const std::string &s, char c)
{
    std::vector<std::string> v;
    std::stringstream ss(s);
    std::string x;
    while (std::getline(ss, x, c)) v.push_back(x);
    return v;
}
inline std::vector<Spec> workloads()
{
    std::vector<Spec> v;
    std::ifstream f(bench_dir() + "/workloads.tsv");
    std::string l;
    while (std::getline(f, l)) {
        if (l.empty() || l[0] == '#') continue;
        auto c = split(l, '\t');
        Spec s{c[0], c[1], {}};
        for (auto &kv : split(c[2], ' ')) {
            auto e = kv.find('=');
            s.p[kv.substr(0, e)] = kv.substr(e + 1);
        }
        v.push_back(s);
    }
    return v;
}
inline std::vector<unsigned char> slurp(const std::string &path)
{
    std::ifstream f(path, std::ios::binary);
    if (!f) throw std::runtime_error("no file " + path);
    return {std::istreambuf_iterator<char>(f), {}};
}
inline std::string photo(const Spec &s, const char *ext)
{
    return bench_dir() + "/build/img/" + s.str("w") + "x" + s.str("h") + ext;
}
inline double now_ms()
{
    return std::chrono::duration<double, std::milli>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
}
inline double sample(const std::function<void()> &f)
{
    const char *e = getenv("SAMPLE_MS");
    double want = e ? atof(e) : 15, t0 = now_ms(), t, one;
    do {
        t = now_ms();
        f();
        one = now_ms() - t;
        if (one > 200) return one;
    } while (now_ms() - t0 < want);
    int n = std::max(1, std::min(100000, (int)(want / std::max(one, 1e-4))));
    t = now_ms();
    for (int i = 0; i < n; i++) f();
    return (now_ms() - t) / n;
}
// The same small integer kernel for every peer: coefficients, then their sum as the scale.
inline std::vector<int> kernel_ints(int k, int *scale)
{
    std::vector<int> v(k * k);
    *scale = 0;
    for (int i = 0; i < k * k; i++) {
        v[i] = i * 7 % 11 - 3;
        *scale += v[i];
    }
    return v;
}
inline int peer_main(int argc, char **argv, const std::vector<Peer> &peers)
{
    auto specs = workloads();
    auto fits = [](const Peer &p, const Spec &s) {
        return (" " + p.kinds + " ").find(" " + s.kind + " ") != std::string::npos;
    };
    if (argc > 1 && !strcmp(argv[1], "list")) {
        for (auto &s : specs)
            for (auto &p : peers)
                if (fits(p, s)) printf("%s\t%s\t%d\n", s.name.c_str(), p.name.c_str(), p.threads);
        return 0;
    }
    std::map<std::string, Case> made;
    std::string held, line;
    while (std::getline(std::cin, line)) {
        auto a = split(line, '\t');
        try {
            if (a.size() != 3) throw std::runtime_error("workload<TAB>peer<TAB>threads wanted");
            if (held != a[0]) {
                made.clear();
                held = a[0];
            }
            if (!made.count(line))
                for (auto &s : specs)
                    for (auto &p : peers)
                        if (s.name == a[0] && p.name == a[1] && fits(p, s))
                            made[line] = p.make(s, atoi(a[2].c_str()));
            auto c = made.find(line);
            if (c == made.end()) throw std::runtime_error("no such workload or peer");
            double ms = sample(c->second.run);
            printf("%.6f\t%s\n", ms, c->second.note.c_str());
        } catch (const std::exception &e) {
            std::string w = e.what();
            for (auto &ch : w)
                if (ch == '\n') ch = ' ';
            printf("!%s\n", w.c_str());
        }
        fflush(stdout);
    }
    return 0;
}
