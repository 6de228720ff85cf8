// oneDNN. The algorithm (direct, wino) and the layouts are in the peer's name: layouts the library likes best ("any"),
// with "+nchw" plain NCHW tensors in and out (the reorders are timed), or "nhwc" channels last. Weights are packed beforehand.
#include <omp.h>
#include <dnnl.hpp>
#include "peer.hpp"
using namespace dnnl;
using M = memory;
using F = M::format_tag;
using D = M::dims;
static engine &eng()
{
    static engine e(engine::kind::cpu, 0);
    return e;
}
static stream &str()
{
    static stream s(eng());
    return s;
}
static const auto F32 = M::data_type::f32;
static void fill(M &m)
{
    size_t n = m.get_desc().get_size();
    memset(m.get_data_handle(), 0, n);
    float *f = (float *)m.get_data_handle();
    for (size_t i = 0; i < n / 4; i++) f[i] = (float)((i * 2654435761u >> 8) % 2001) / 1000 - 1;
}
struct Step {
    primitive p;
    std::unordered_map<int, M> a;
};
struct Plan { // steps in order; reorders in between where the layout differs
    std::vector<Step> steps;
    M to(const M &m, const M::desc &d)
    {
        if (m.get_desc() == d) return m;
        M o(d, eng());
        steps.push_back({reorder(m, o), {{DNNL_ARG_FROM, m}, {DNNL_ARG_TO, o}}});
        return o;
    }
    void back(const M &m, M &plain)
    {
        if (m.get_desc() != plain.get_desc())
            steps.push_back({reorder(m, plain), {{DNNL_ARG_FROM, m}, {DNNL_ARG_TO, plain}}});
    }
};
static M constant(const M &plain, const M::desc &d)
{
    M o(d, eng());
    reorder(plain, o).execute(str(), const_cast<M &>(plain), o);
    str().wait();
    return o;
}
static Case go(Plan p, int, std::string note)
{
    auto s = std::make_shared<Plan>(std::move(p));
    return {[=] {
                for (auto &x : s->steps) x.p.execute(str(), x.a);
                str().wait();
            },
            note};
}
static Case conv(const Spec &s, int t, algorithm alg, F io, bool plain_io)
{
    omp_set_num_threads(t);
    int ci = s["ci"], co = s["co"], k = s["k"], h = s["h"], st = s["s"], pd = s["p"], g = s["g"],
        ho = (h + 2 * pd - k) / st + 1;
    bool bwd = s.kind == "convbwd", chain = s.kind == "chain";
    D X{1, ci, h, h}, Y{1, co, ho, ho}, W{co, ci, k, k}, S{st, st}, P{pd, pd};
    if (g > 1) W = {g, co / g, ci / g, k, k};
    auto any = [&](const D &d) { return M::desc(d, F32, F::any); };
    M::desc xd(X, F32, io), yd(Y, F32, io), plainx(X, F32, F::nchw), plainy(Y, F32, F::nchw),
        b({co}, F32, F::x);
    primitive_attr at;
    if (chain) {
        post_ops po;
        po.append_eltwise(1, algorithm::eltwise_relu, 0, 0);
        at.set_post_ops(po);
    }
    auto fd =
        convolution_forward::desc(bwd ? prop_kind::forward_training : prop_kind::forward_inference,
                                  alg, xd, any(W), b, yd, S, P, P);
    auto fp = convolution_forward::primitive_desc(fd, at, eng());
    Plan p;
    std::string note = fp.impl_info_str();
    M w0({W, F32, g > 1 ? F::goihw : F::oihw}, eng()), bias(b, eng());
    fill(w0);
    fill(bias);
    if (bwd) {
        auto wp = convolution_backward_weights::primitive_desc({alg, xd, any(W), b, yd, S, P, P},
                                                               eng(), fp);
        M x(plain_io ? plainx : wp.src_desc(), eng()),
            dy(plain_io ? plainy : wp.diff_dst_desc(), eng()), dw(wp.diff_weights_desc(), eng()),
            db(b, eng());
        fill(x);
        fill(dy);
        M x2 = p.to(x, wp.src_desc()), dy2 = p.to(dy, wp.diff_dst_desc());
        p.steps.push_back({convolution_backward_weights(wp),
                           {{DNNL_ARG_SRC, x2},
                            {DNNL_ARG_DIFF_DST, dy2},
                            {DNNL_ARG_DIFF_WEIGHTS, dw},
                            {DNNL_ARG_DIFF_BIAS, db}}});
        if (plain_io) {
            M dwp(w0.get_desc(), eng());
            p.back(dw, dwp);
        }
        note = wp.impl_info_str();
        if (ci > 3) {
            auto dp = convolution_backward_data::primitive_desc({alg, xd, any(W), yd, S, P, P},
                                                                eng(), fp);
            M w = constant(w0, dp.weights_desc()), dx(dp.diff_src_desc(), eng()),
              dy3 = p.to(dy2, dp.diff_dst_desc());
            p.steps.push_back(
                {convolution_backward_data(dp),
                 {{DNNL_ARG_DIFF_DST, dy3}, {DNNL_ARG_WEIGHTS, w}, {DNNL_ARG_DIFF_SRC, dx}}});
            if (plain_io) {
                M o(plainx, eng());
                p.back(dx, o);
            }
            note += std::string(" ") + dp.impl_info_str();
        }
        return go(p, t, note);
    }
    M x(plain_io ? plainx : fp.src_desc(), eng()), w = constant(w0, fp.weights_desc()),
                                                   y(fp.dst_desc(), eng());
    fill(x);
    p.steps.push_back({convolution_forward(fp),
                       {{DNNL_ARG_SRC, p.to(x, fp.src_desc())},
                        {DNNL_ARG_WEIGHTS, w},
                        {DNNL_ARG_BIAS, bias},
                        {DNNL_ARG_DST, y}}});
    if (chain) {
        D Z{1, co, ho / 2, ho / 2};
        auto pp = pooling_forward::primitive_desc({prop_kind::forward_inference,
                                                   algorithm::pooling_max,
                                                   fp.dst_desc(),
                                                   any(Z),
                                                   {2, 2},
                                                   {2, 2},
                                                   {0, 0},
                                                   {0, 0}},
                                                  eng());
        M z(pp.dst_desc(), eng());
        p.steps.push_back({pooling_forward(pp), {{DNNL_ARG_SRC, y}, {DNNL_ARG_DST, z}}});
        y = z;
        plainy = M::desc(Z, F32, F::nchw);
    }
    if (plain_io) {
        M o(plainy, eng());
        p.back(y, o);
    }
    return go(p, t, note);
}
static Case pool(const Spec &s, int t, F io, bool plain_io)
{
    omp_set_num_threads(t);
    bool gl = s.kind == "gpool", b = s.kind == "poolbwd";
    int c = s["c"], h = s["h"], w = s["w"], k = gl ? h : s["k"], st = gl ? 1 : s["s"],
        pd = gl || s.kind == "pool8" ? 0 : k / 2;
    int kw = gl ? w : k, ho = (h + 2 * pd - k) / st + 1, wo = (w + 2 * pd - kw) / st + 1;
    auto T = s.kind == "pool8" ? M::data_type::u8 : F32;
    D X{1, c, h, w}, Y{1, c, ho, wo};
    M::desc xd(X, T, io), yd(Y, T, F::any), plainx(X, T, F::nchw), plainy(Y, T, F::nchw);
    auto alg =
        s.str("op") == "max" ? algorithm::pooling_max : algorithm::pooling_avg_exclude_padding;
    auto fp = pooling_forward::primitive_desc(
        {b ? prop_kind::forward_training : prop_kind::forward_inference,
         alg,
         xd,
         yd,
         {st, st},
         {k, kw},
         {pd, pd},
         {pd, pd}},
        eng());
    Plan p;
    M x(plain_io ? plainx : xd, eng()), y(fp.dst_desc(), eng()), ws;
    if (T == F32)
        fill(x);
    else
        memset(x.get_data_handle(), 7, x.get_desc().get_size());
    M x2 = p.to(x, xd);
    std::unordered_map<int, M> a{{DNNL_ARG_SRC, x2}, {DNNL_ARG_DST, y}};
    if (b) {
        ws = M(fp.workspace_desc(), eng());
        a[DNNL_ARG_WORKSPACE] = ws;
    }
    if (!b) {
        p.steps.push_back({pooling_forward(fp), a});
        if (plain_io) {
            M o(plainy, eng());
            p.back(y, o);
        }
        return go(p, t, fp.impl_info_str());
    }
    pooling_forward(fp).execute(str(), a);
    str().wait();
    auto bp = pooling_backward::primitive_desc(
        {alg, xd, fp.dst_desc(), {st, st}, {k, kw}, {pd, pd}, {pd, pd}}, eng(), fp);
    Plan q;
    M dx(bp.diff_src_desc(), eng());
    fill(y);
    M dy0(plain_io ? plainy : bp.diff_dst_desc(), eng());
    fill(dy0);
    q.steps.push_back({pooling_backward(bp),
                       {{DNNL_ARG_DIFF_DST, q.to(dy0, bp.diff_dst_desc())},
                        {DNNL_ARG_WORKSPACE, ws},
                        {DNNL_ARG_DIFF_SRC, dx}}});
    if (plain_io) {
        M o(plainx, eng());
        q.back(dx, o);
    }
    return go(q, t, bp.impl_info_str());
}
int main(int argc, char **argv)
{
    std::vector<Peer> p;
    for (auto [n, a] : {std::pair<std::string, algorithm>{"direct", algorithm::convolution_direct},
                        {"wino", algorithm::convolution_winograd}})
        for (int r = 0; r < 2; r++)
            p.push_back({"onednn-" + n + (r ? "+nchw" : ""), "conv chain convbwd", 2,
                         [=](const Spec &s, int t) { return conv(s, t, a, F::any, r); }});
    p.push_back({"onednn-nhwc", "conv chain convbwd", 2, [](const Spec &s, int t) {
                     return conv(s, t, algorithm::convolution_direct, F::nhwc, false);
                 }});
    p.push_back({"onednn-blocked", "pool gpool poolbwd", 2,
                 [](const Spec &s, int t) { return pool(s, t, F::nChw16c, false); }});
    p.push_back({"onednn-blocked+nchw", "pool gpool poolbwd", 2,
                 [](const Spec &s, int t) { return pool(s, t, F::nChw16c, true); }});
    p.push_back({"onednn-nchw", "pool gpool pool8 poolbwd", 2,
                 [](const Spec &s, int t) { return pool(s, t, F::nchw, false); }});
    p.push_back({"onednn-nhwc", "pool gpool pool8", 2,
                 [](const Spec &s, int t) { return pool(s, t, F::nhwc, false); }});
    return peer_main(argc, argv, p);
}
