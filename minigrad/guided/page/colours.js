// The diverging scale: neutral at 0, orange above, blue below, both ends equally far from the middle.

const isDark = () => {
  const chosen = document.documentElement.dataset.theme;
  return printing ? false : chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
};
let printing = false; // on paper everything is light

const SCALES = {
  light: { middle: [250, 249, 246], above: [196, 78, 8], below: [22, 84, 164], strange: [120, 120, 120] },
  dark: { middle: [34, 37, 43], above: [255, 160, 77], below: [96, 165, 250], strange: [150, 150, 150] },
};

const LEVELS = 255; // on each side of 0
const levels = {}; // the colours of a scale, from the lowest to the highest

function levelsOf(name) {
  const { middle, above, below } = SCALES[name];
  return Array.from({ length: 2 * LEVELS + 1 }, (_, k) => {
    const share = (Math.abs(k - LEVELS) / LEVELS) ** 0.8;
    return middle.map((from, c) => Math.round(from + share * ((k < LEVELS ? below : above)[c] - from)));
  });
}

/** The colour [r, g, b] of a number on a scale from −end to end. */
function colourOf(x, end, dark) {
  const name = dark ? "dark" : "light";
  if (Number.isNaN(x)) return SCALES[name].strange;
  const share = end ? Math.max(-1, Math.min(1, x / end)) : 0;
  return (levels[name] ||= levelsOf(name))[LEVELS + Math.round(LEVELS * share)];
}

/** Black or white, whichever can be read on a colour. */
const inkOn = ([r, g, b]) => (0.299 * r + 0.587 * g + 0.114 * b > 140 ? "#111" : "#fff");

const pictures = new WeakMap();

/** All matrices of a value, one below the other, with one pixel per entry. */
function pictureOf(value, dark) {
  const known = pictures.get(value);
  if (known && known.dark === dark) return known.canvas;
  const columns = value.shape.length ? value.shape[value.shape.length - 1] : 1;
  const canvas = el("canvas", { width: columns, height: value.data.length / columns });
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(canvas.width, canvas.height);
  for (let k = 0; k < value.data.length; k++) {
    const [r, g, b] = colourOf(value.data[k], value.scale, dark);
    pixels.data[4 * k] = r;
    pixels.data[4 * k + 1] = g;
    pixels.data[4 * k + 2] = b;
    pixels.data[4 * k + 3] = 255;
  }
  context.putImageData(pixels, 0, 0);
  pictures.set(value, { dark, canvas });
  return canvas;
}

/** Draw one matrix of a value with its corner at x, y. */
function drawPlane(context, value, plane, dark, x, y, cell) {
  const { rows, columns, at } = plane;
  const across = pictureOf(value, dark).width;
  context.imageSmoothingEnabled = false;
  const [left, top] = [at % across, Math.floor(at / across)];
  context.drawImage(pictureOf(value, dark), left, top, columns, rows, x, y, columns * cell, rows * cell);
}

const thumbnails = new Map();

/** A small picture of a value for its card, as a data URL; null where there are no entries. */
function thumbnail(value) {
  if (!value.data || value.size === 0) return null;
  const dark = isDark();
  const key = `${value.index} ${dark}`;
  if (!thumbnails.has(key)) {
    const planes = planesOf(value).slice(0, 8);
    const [{ rows, columns }] = planes;
    const canvas = el("canvas", { width: planes.length * (columns + 1) - 1, height: rows });
    const context = canvas.getContext("2d");
    planes.forEach((plane, k) => drawPlane(context, value, plane, dark, k * (columns + 1), 0, 1));
    thumbnails.set(key, canvas.toDataURL());
  }
  return thumbnails.get(key);
}

/** The matrices that a value is made of: all, or those of one picture of the batch. */
function planesOf(value, picture = null) {
  const shape = value.shape;
  const columns = shape.length ? shape[shape.length - 1] : 1;
  const rows = shape.length > 1 ? shape[shape.length - 2] : 1;
  const held = value.part ? [...value.part] : shape.slice(0, -2);
  const count = rows * columns ? held.reduce((a, b) => a * b, 1) : 0;
  const planes = Array.from({ length: count }, (_, k) => {
    const index = unravel(k, held);
    return { rows, columns, index, at: k * rows * columns, offset: ravel(index, shape.slice(0, -2)) * rows * columns };
  });
  return picture === null ? planes : planes.filter(({ index }) => index[0] === picture);
}
