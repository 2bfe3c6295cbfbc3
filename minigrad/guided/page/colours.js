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

/** The colour [r, g, b] of a number on a scale from −end to end. */
function colourOf(x, end, dark) {
  const scale = dark ? SCALES.dark : SCALES.light;
  if (Number.isNaN(x)) return scale.strange;
  const share = end ? Math.min(1, Math.abs(x) / end) ** 0.8 : 0;
  const pole = x < 0 ? scale.below : scale.above;
  return scale.middle.map((from, k) => Math.round(from + share * (pole[k] - from)));
}

/** Black or white, whichever can be read on a colour. */
const inkOn = ([r, g, b]) => (0.299 * r + 0.587 * g + 0.114 * b > 140 ? "#111" : "#fff");

/** One plane of a value as a picture with one pixel per entry. */
function planePicture(value, plane, dark) {
  const canvas = el("canvas", { width: plane.columns, height: plane.rows });
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(plane.columns, plane.rows);
  for (let k = 0; k < plane.rows * plane.columns; k++) {
    const [r, g, b] = colourOf(value.data[plane.at + k], value.scale, dark);
    pixels.data.set([r, g, b, 255], 4 * k);
  }
  context.putImageData(pixels, 0, 0);
  return canvas;
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
    planes.forEach((plane, k) => context.drawImage(planePicture(value, plane, dark), k * (columns + 1), 0));
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
