// Makes a browser's PNG small: as a page has few colours, each pixel becomes a byte that names one of 256.

import zlib from "node:zlib";

/** Colours of one byte a pixel. */
const MOST = 256;

/** The same picture in fewer bytes: the commonest colours stay, each other one becomes the nearest of them. `png`: three bytes a
 * pixel, as the browser writes it. */
export function smaller(png) {
  const width = png.readUInt32BE(16);
  const data = Buffer.concat(chunks(png).filter(({ type }) => type === "IDAT").map((chunk) => chunk.data));
  const rows = unfiltered(zlib.inflateSync(data), width * 3);
  const colourAt = (row, x) => (row[3 * x] << 16) | (row[3 * x + 1] << 8) | row[3 * x + 2];
  const counts = new Map();
  for (const row of rows) {
    for (let x = 0; x < width; x += 1) counts.set(colourAt(row, x), (counts.get(colourAt(row, x)) ?? 0) + 1);
  }
  const common = [...counts].sort(([, one], [, other]) => other - one).map(([colour]) => colour).slice(0, MOST);
  const places = new Map([...counts.keys()].map((colour) => [colour, nearest(common, colour)]));
  const pixels = rows.map((row) => Buffer.from([0, ...Array.from({ length: width }, (_, x) => places.get(colourAt(row, x)))]));
  return written(png, common, Buffer.concat(pixels));
}

function nearest(common, colour) {
  const parts = (one) => [one >> 16, (one >> 8) & 255, one & 255];
  const wanted = parts(colour);
  const far = common.map((one) => parts(one).reduce((sum, part, place) => sum + (part - wanted[place]) ** 2, 0));
  return far.indexOf(Math.min(...far));
}

function chunks(png) {
  const found = [];
  for (let at = 8; at < png.length; at += 12 + png.readUInt32BE(at)) {
    found.push({ type: png.toString("latin1", at + 4, at + 8), data: png.subarray(at + 8, at + 8 + png.readUInt32BE(at)) });
  }
  return found;
}

/** The rows without the filters of PNG's §9. */
function unfiltered(data, length) {
  const rows = [];
  let above = new Uint8Array(length);
  for (let at = 0; at < data.length; at += length + 1) {
    const row = new Uint8Array(data.subarray(at + 1, at + 1 + length));
    for (let x = 0; x < length; x += 1) {
      const [a, b, c] = [x < 3 ? 0 : row[x - 3], above[x], x < 3 ? 0 : above[x - 3]];
      const [pa, pb, pc] = [Math.abs(b - c), Math.abs(a - c), Math.abs(a + b - 2 * c)];
      const paeth = pa <= pb && pa <= pc ? a : pb <= pc ? b : c;
      row[x] += [0, a, b, (a + b) >> 1, paeth][data[at]];
    }
    rows.push(row);
    above = row;
  }
  return rows;
}

function written(png, palette, pixels) {
  const head = Buffer.from(png.subarray(16, 29));
  head[9] = 3; // by palette
  const colours = Buffer.from(palette.flatMap((colour) => [colour >> 16, (colour >> 8) & 255, colour & 255]));
  const parts = [["IHDR", head], ["PLTE", colours], ["IDAT", zlib.deflateSync(pixels, { level: 9 })], ["IEND", Buffer.alloc(0)]];
  const written = parts.map(([type, data]) => {
    const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
    const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
    length.writeUInt32BE(data.length);
    sum.writeUInt32BE(zlib.crc32(body));
    return Buffer.concat([length, body, sum]);
  });
  return Buffer.concat([png.subarray(0, 8), ...written]);
}
