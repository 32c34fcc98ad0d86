// The only way that values reach the page: as text, never as markup.

// el makes an element with attributes; children are elements or texts.
export function el(name, attributes = {}, ...children) {
  const e = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) e.setAttribute(key, value);
  e.append(...children.filter((c) => c !== null && c !== undefined && c !== "").map((c) => (c instanceof Node ? c : String(c))));
  return e;
}

export function byId(id) {
  return document.getElementById(id);
}

// pairs are the terms and details of a <dl>; those without a detail are left out.
export function pairs(list) {
  return list.filter(([, detail]) => detail !== "" && detail !== null && detail !== undefined)
    .map(([term, detail, cls]) => el("div", cls ? { class: cls } : {}, el("dt", {}, term), el("dd", {}, detail)));
}

// badge says a state by colour and word: "good", "busy", "fault" or "idle".
export function badge(state, text) {
  return el("span", { class: `badge ${state}` }, text);
}

// rows fills a table, with each cell's heading for narrow screens, where the
// head is not shown; with no rows, another element is shown instead.
export function rows(id, list) {
  const table = byId(id);
  const heads = [...table.querySelectorAll("th")];
  table.tBodies[0].replaceChildren(...list.map((cells) => el("tr", {},
    ...cells.map((cell, i) => el("td", { class: heads[i].className, "data-head": heads[i].textContent }, cell)))));
  table.hidden = list.length === 0;
  byId(`${id}-none`).hidden = list.length !== 0;
}
