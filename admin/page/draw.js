// Draws what a poll brought.
import { badge, byId, el, pairs, rows, settle } from "./dom.js";
import { ago, clock, counts, many, milliseconds, never, number, outcome } from "./words.js";

export function banner(state, text, more) {
  const b = byId("banner");
  if (b.textContent === [text, more].filter(Boolean).join(" ") && b.classList.contains(state)) return; // not said twice to a screen reader
  b.className = `banner ${state}`;
  b.replaceChildren(el("strong", {}, text), more ? ` ${more}` : "");
}

export function drawStatus(s, rates) {
  byId("version").textContent = `${s.version} · runs for ${ago(s.started)}`;
  drawBanner(s);
  drawAMI(s.ami);
  drawDatabase(s.database);
  const u = s.unconverged;
  settle(byId("numbers"), pairs([
    ["events / s", rates ? rates.events.toFixed(1) : "–"],
    ["NOTIFYs / s", rates ? rates.notifies.toFixed(1) : "–"],
    ["mailboxes", number(s.mailboxes)],
    ["dialogs", number(s.dialogs)],
    ["phones waiting", number(u.dialogs), u.dialogs ? "busy" : ""],
    ["dead dialogs", number(s.dead)],
    ["in flight", number(s.in_flight)],
    ["queued", number(s.queued)],
  ]));
  settle(byId("outcomes"), pairs(Object.entries(s.outcomes || {}).sort((a, b) => b[1] - a[1])
    .map(([name, n]) => [outcome(name), number(n)])));
}

function drawBanner(s) {
  const u = s.unconverged, down = [];
  if (!s.ami.connected) down.push("Asterisk is not connected.");
  if (!s.database.ok && !never(s.database.since)) down.push("The database does not answer.");
  const waits = u.mailboxes === 0 ? "" : `${many(u.mailboxes, "mailbox is", "mailboxes are")} not converged, the oldest for ${ago(u.oldest)}.`;
  if (down.length) banner("fault", down.join(" "), waits || "The lamps stay as they are.");
  else if (waits) banner("busy", waits, "");
  else if (never(s.ami.resynced)) banner("busy", "The mailboxes are being read.", "");
  else banner("good", "Every phone shows what its mailbox holds.", s.dead ? `${many(s.dead, "dialog is", "dialogs are")} dead: left alone until the phone subscribes again.` : "");
}

function drawAMI(a) {
  const state = !a.connected ? badge("fault", "not connected") : a.booted ? badge("good", "connected") : badge("busy", "booting");
  settle(byId("ami"), [el("h2", {}, "Asterisk ", state), el("dl", { class: "lines" }, ...pairs([
    ["address", a.address],
    ["since", never(a.since) ? "" : `${clock(a.since)} (${ago(a.since)})`],
    ["mailboxes read", never(a.resynced) ? "not yet" : `${clock(a.resynced)} (${ago(a.resynced)} ago)`],
    ["why", a.error, "fault"],
  ]))]);
}

function drawDatabase(d) {
  const state = d.ok ? badge("good", "answers") : never(d.since) ? badge("idle", "not asked yet") : badge("fault", "does not answer");
  settle(byId("database"), [el("h2", {}, "Database ", state), el("dl", { class: "lines" }, ...pairs([
    ["since", never(d.since) ? "" : `${clock(d.since)} (${ago(d.since)})`],
    ["why", d.error, "fault"],
  ]))]);
}

export function drawWaiting(list, status) {
  rows("waiting", list.map((w) => [link(w.user), counts(w.holds), number(w.dialogs), ago(w.since)]));
  const more = status.unconverged.mailboxes - list.length;
  byId("waiting-more").hidden = more <= 0;
  byId("waiting-more").textContent = `and ${number(more)} more`;
  if (list.length === 0) byId("waiting-none").textContent = more > 0 ? "Being looked at." : "Every phone shows what its mailbox holds.";
}

export function drawDeliveries(list) {
  rows("deliveries", list.map((d) => [
    clock(d.time), link(d.user), counts(d.sent), badge(d.outcome === "acknowledged" ? "good" : "fault", outcome(d.outcome)),
    status(d), milliseconds(d.seconds),
  ]));
}

export function status(d) {
  return d.status ? `${d.status} ${d.reason || ""}` : d.error || "no answer";
}

// link leads to the user's explanation; in another tab by the address.
function link(user) {
  return el("a", { href: `#${encodeURIComponent(user)}` }, user);
}
