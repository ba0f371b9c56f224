// Small tools for the page's elements. All text goes in as text, never as HTML.

const SVG = "http://www.w3.org/2000/svg";

export const byId = (id) => document.getElementById(id);

/** An element with attributes and children; `null` and `undefined` children are left out. */
export function el(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** Leaves a text alone that stays the same: a selection in it survives. */
export function setText(node, text) {
  if (node.textContent !== String(text)) node.textContent = text;
}

/** A state's word, with the colour beside it that `tone` names: good, warn, bad or idle. */
export function setState(node, word, tone) {
  setText(node, word);
  node.classList.remove("good", "warn", "bad", "idle");
  node.classList.add("state", tone);
}

/** A bar with a line of text above it; `show` sets how much of it is full. */
export function bar() {
  const [name, value, filled] = [el("span", { class: "soft" }), el("span"), el("i")];
  const track = el("div", { class: "bar", "aria-hidden": "true" }, filled);
  const node = el("div", {}, el("div", { class: "between" }, name, value), track);
  const show = (title, text, part) => {
    setText(name, title);
    setText(value, text);
    filled.style.setProperty("--part", `${Math.min(100, part * 100)}%`);
    track.classList.toggle("full", part >= 0.9);
  };
  return { node, show };
}

/** A list of names and values; `show` takes pairs. */
export function figures() {
  const node = el("dl", { class: "figures" });
  const show = (pairs) =>
    keep(node, pairs.map(([name, value], place) => ({ name, value, place })), ({ place }) => place, () => {
      const [term, value] = [el("dt"), el("dd")];
      const showOne = (pair) => {
        setText(term, pair.name);
        setText(value, pair.value);
      };
      return { node: el("div", {}, term, value), show: showOne };
    });
  return { node, show };
}

const kept = new WeakMap();

/** One child for each item, in their order. `make` gives a child's node and the function that shows an item in it. Children that
 * stay keep their focus and what is selected in them. */
export function keep(parent, items, keyOf, make) {
  const before = kept.get(parent) ?? new Map();
  const after = new Map();
  items.forEach((item, place) => {
    const key = keyOf(item);
    const child = before.get(key) ?? make(item);
    child.show(item);
    after.set(key, child);
    if (parent.children[place] !== child.node) parent.insertBefore(child.node, parent.children[place] ?? null);
  });
  while (parent.children.length > items.length) parent.lastElementChild.remove();
  kept.set(parent, after);
}

/** To the clipboard. Browsers give it only to https and this machine; elsewhere the old way works. */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = el("textarea", { class: "skip", "aria-hidden": "true" });
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
}
