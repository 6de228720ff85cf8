// The service as most would write it today: node's http and sharp. POST an image, get its outline: 8-bit gray, one 3x3 convolution, PNG or JPEG out.
// sharp_server.js PORT [echo]; POST /?out=png&level=6 | /?out=jpeg
const path = require('path'), echo = process.argv[3] === 'echo'
const need = m => require(require.resolve(m, { paths: [process.env.BENCH_NPM] }))
const sharp = echo ? null : need('sharp')
require('http').createServer((req, res) => {
  const parts = []
  req.on('data', d => parts.push(d)).on('end', async () => {
    const body = Buffer.concat(parts)
    if (echo) return res.end(body)
    try {
      const q = new URL(req.url, 'http://a').searchParams, p = sharp(body).greyscale().toColourspace('b-w').convolve({ width: 3, height: 3, kernel: [-1, -1, -1, -1, 8, -1, -1, -1, -1] })
      res.end(await (q.get('out') === 'jpeg' ? p.jpeg({ quality: 90 }) : p.png({ compressionLevel: +(q.get('level') || 6) })).toBuffer())
    } catch (e) { res.statusCode = 400; res.end(String(e)) }
  })
}).listen(+process.argv[2], '127.0.0.1', () => console.log('ready'))
