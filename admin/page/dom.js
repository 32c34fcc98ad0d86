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

// settle gives an element its children, and leaves those alone that have not
// changed: a focus, a selection or a click under way on them survives the poll.
export function settle(parent, children) {
  children.forEach((child, i) => {
    const old = parent.children[i];
    if (!old) parent.append(child);
    else if (!old.isEqualNode(child)) old.replaceWith(child);
  });
  while (parent.children.length > children.length) parent.lastElementChild.remove();
}

// rows fills a table, with each cell's heading for narrow screens, where the
// head is not shown; with no rows, another element is shown instead.
export function rows(id, list) {
  const table = byId(id), body = table.tBodies[0];
  const heads = [...table.querySelectorAll("th")].map((h) => ({ class: h.className, "data-head": h.textContent }));
  while (body.rows.length > list.length) body.deleteRow(-1);
  while (body.rows.length < list.length) body.insertRow();
  list.forEach((cells, r) => settle(body.rows[r], cells.map((cell, i) => el("td", heads[i], cell))));
  table.hidden = list.length === 0;
  byId(`${id}-none`).hidden = list.length !== 0;
}
