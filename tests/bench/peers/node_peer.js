// ONNX Runtime (CPU, all graph optimisations, output tensor given) and sharp (raw pixels in, raw pixels or a file out), in the peer protocol (see peer.hpp).
const fs = require('fs'), path = require('path'), here = process.env.BENCH_DIR
const need = m => require(require.resolve(m, { paths: [process.env.BENCH_NPM] }))
const specs = new Map(fs.readFileSync(path.join(here, 'workloads.tsv'), 'utf8').split('\n').filter(l => l && l[0] !== '#').map(l => {
  const [n, kind, p] = l.split('\t'); return [n, { n, kind, ...Object.fromEntries(p.split(' ').map(x => x.split('=')).map(([k, v]) => [k, /^\d+$/.test(v) ? +v : v])) }] }))
const pic = (s, e) => fs.readFileSync(path.join(here, 'build', 'img', `${s.w}x${s.h}${e}`))
const model = s => path.join(here, 'build', 'models', s.n + '.onnx')

async function ort (s, threads) {
  const o = need('onnxruntime-node')
  const ses = await o.InferenceSession.create(model(s), { intraOpNumThreads: threads, interOpNumThreads: 1, graphOptimizationLevel: 'all', logSeverityLevel: 3 })
  const t = (m) => { const n = m.shape.reduce((a, b) => a * b, 1), d = m.type === 'uint8' ? new Uint8Array(n) : new Float32Array(n); for (let i = 0; i < n; i++) d[i] = m.type === 'uint8' ? i % 251 : (i % 2001) / 1000 - 1; return new o.Tensor(m.type, d, m.shape) }
  const feeds = { x: t(ses.inputMetadata[0]) }, out = { y: t(ses.outputMetadata[0]) }
  return [() => ses.run(feeds, out), '']
}
function ints (k) { const v = [...Array(k * k).keys()].map(i => i * 7 % 11 - 3); return { width: k, height: k, kernel: v, scale: v.reduce((a, b) => a + b, 0) } }
async function sharpCase (s, threads, peer) {
  const sharp = need('sharp'); sharp.cache(false)
  const raw = { raw: { width: s.w, height: s.h, channels: s.kind === 'pngencgray' ? 1 : 3 } }, lvl = +(peer.split('-L')[1] || 0)
  const ext = { pngdec: '.png', jpgdec: '.jpg', webpdec: '.webp', pngencgray: '.edges' }[s.kind] || '.rgb', b = pic(s, ext)
  const run = {
    filter: () => sharp(b, raw).convolve(ints(s.k)).raw().toBuffer(), box: () => sharp(b, raw).convolve({ width: s.k, height: s.k, kernel: Array(s.k * s.k).fill(1) }).raw().toBuffer(),
    gauss: () => sharp(b, raw).blur({ sigma: 5, minAmplitude: 0.0112 }).raw().toBuffer(), median: () => sharp(b, raw).median(s.k).raw().toBuffer(),
    pngdec: () => sharp(b).raw().toBuffer(), jpgdec: () => sharp(b).raw().toBuffer(), webpdec: () => sharp(b).raw().toBuffer(),
    pngenc: () => sharp(b, raw).png({ compressionLevel: lvl }).toBuffer(), pngencgray: () => sharp(b, raw).toColourspace('b-w').png({ compressionLevel: lvl }).toBuffer(),
    jpgenc: () => sharp(b, raw).jpeg({ quality: 90 }).toBuffer(), webpenc: () => sharp(b, raw).webp({ quality: 80 }).toBuffer()
  }[s.kind]
  return [async () => { sharp.concurrency(threads); return run() }, s.kind.includes('enc') ? 'bytes=' + (await run()).length : '']
}
function peersOf (s) {
  if (/enc(gray)?$/.test(s.kind) && s.kind.startsWith('png')) return ['sharp-L1', 'sharp-L6']
  if (/dec$|enc$|filter|box|gauss|median/.test(s.kind)) return ['sharp']
  return fs.existsSync(model(s)) ? ['onnxruntime'] : []
}
async function sample (f) {
  const want = +(process.env.SAMPLE_MS || 15), t0 = performance.now(); let t, one
  do { t = performance.now(); await f(); one = performance.now() - t; if (one > 200) return one } while (performance.now() - t0 < want)
  const n = Math.max(1, Math.min(100000, Math.floor(want / Math.max(one, 1e-4))))
  t = performance.now(); for (let i = 0; i < n; i++) await f()
  return (performance.now() - t) / n
}
async function main () {
  if (process.argv[2] === 'list') { for (const s of specs.values()) for (const p of peersOf(s)) console.log(`${s.n}\t${p}\t2`); return }
  let made = {}, held
  for await (const line of require('readline').createInterface({ input: process.stdin })) {
    const [w, peer, t] = line.split('\t'), s = specs.get(w)
    try {
      if (held !== w) { made = {}; held = w }
      const [f, note] = made[line] ||= await (peer === 'onnxruntime' ? ort(s, +t) : sharpCase(s, +t, peer))
      console.log(`${(await sample(f)).toFixed(6)}\t${note}`)
    } catch (e) { console.log('!' + String(e.message).split('\n')[0].slice(0, 150)) }
  }
}
main()
