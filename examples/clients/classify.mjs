// Classifies a picture as `archc run` does: npm install onnxruntime-node pbf sharp; node classify.mjs net.onnx cat.jpg
import { readFileSync } from 'node:fs'
import ort from 'onnxruntime-node'
import { PbfReader } from 'pbf'
import sharp from 'sharp'
// onnxruntime-node gives no metadata: in the model's protobuf they are the fields 14, each a key (field 1) and a text (field 2)
const metadata = new PbfReader(readFileSync(process.argv[2])).readFields((tag, all, file) => tag === 14 &&
  all.push(file.readMessage((field, pair, part) => { pair[field - 1] = part.readString() }, [])), [])
const [how, labels, scores, probabilities] = ['preprocess', 'labels', 'scores', 'probabilities']
  .map((key) => JSON.parse(Object.fromEntries(metadata)[`archc.${key}`] ?? '[]'))
const session = await ort.InferenceSession.create(process.argv[2]), [{ name, type, shape: [, channels, height, width] }] = session.inputMetadata
// the picture stands upright; what is transparent lies on white; a net of one channel sees grey, as Pillow makes it
const { data, info } = await sharp(process.argv[3], { ignoreIcc: true }).autoOrient().toColourspace('srgb')
  .flatten({ background: 'white' }).raw().toBuffer({ resolveWithObject: true })
const grey = channels === 1 || how.color === 'grey', bands = grey ? 1 : 3
const picture = grey ? new Uint8Array(info.width * info.height).map((_, at) =>
  (data[3 * at] * 19595 + data[3 * at + 1] * 38470 + data[3 * at + 2] * 7471 + 32768) >> 16) : data
const [reach, weigh] = { bilinear: [1, (x) => Math.max(0, 1 - x)], bicubic: [2, (x) => x < 1 ? (1.5 * x - 2.5) * x * x + 1
  : x < 2 ? (((x - 5) * x + 8) * x - 4) * -0.5 : 0] }[how.interpolation ?? 'bilinear']
// Pillow's resize along one axis, of which the `wanted` middle is kept; columns come out as rows, so that two calls make a picture
function resize(pixels, columns, rows, size, wanted) {
  const made = new Uint8ClampedArray(wanted * rows * bands), ratio = columns / size, wide = Math.max(ratio, 1)
  const spare = size - wanted, first = spare < 0 ? Math.trunc(spare / 2) : spare % 4 === 1 ? (spare - 1) / 2 : Math.ceil(spare / 2)
  for (let x = Math.max(0, -first); x < wanted && x + first < size; x++) {
    const center = (x + first + 0.5) * ratio
    const [from, to] = [-1, 1].map((way) => Math.min(columns, Math.max(0, Math.trunc(center + way * reach * wide + 0.5))))
    const shares = Array.from({ length: to - from }, (_, i) => weigh(Math.abs((i + from - center + 0.5) / wide)))
    const sum = shares.reduce((a, b) => a + b), weights = shares.map((share) => Math.round(share / sum * 2 ** 22))
    const start = (y) => ((y - y % bands) / bands * columns + from) * bands + y % bands
    for (let y = 0; y < rows * bands; y++)
      made[x * rows * bands + y] = Math.round(weights.reduce((all, each, i) => all + each * pixels[start(y) + i * bands], 0) / 2 ** 22)
  }
  return made
}
const shorter = Math.min(info.width, info.height), resized = (side) => Math.floor(how.resize * side / shorter)
const [wide, high] = how.resize ? [resized(info.width), resized(info.height)] : [width, height]
const pixels = resize(resize(picture, info.width, info.height, wide, width), info.height, width, high, height)
const input = Array.from({ length: channels * height * width }, (_, at) => {
  const band = Math.floor(at / height / width), from = grey ? 0 : how.color === 'bgr' ? 2 - band : band
  const value = pixels[at % (height * width) * bands + from]
  const of = (list, otherwise) => list?.[band] ?? list?.[0] ?? otherwise
  return type === 'uint8' ? value : (value * (how.scale ?? 1 / 255) - of(how.mean, 0)) / of(how.std, 1)
})
const output = scores.includes('logits') ? 'logits' : scores.at(-1)
const found = [...(await session.run({ [name]: new ort.Tensor(type, input, [1, channels, height, width]) }, [output]))[output].data]
const top = Math.max(...found), sum = found.reduce((all, score) => all + Math.exp(score - top), 0)
found.map((score, index) => [probabilities.includes(output) ? score : Math.exp(score - top) / sum, index]).sort(([a, i], [b, j]) => b - a || i - j)
  .slice(0, 5).forEach(([share, index]) => console.log(`${share.toFixed(6)}  ${index}  ${labels[index] ?? ''}`))
