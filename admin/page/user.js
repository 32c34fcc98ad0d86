// One user's lamp: what the mailbox holds, each phone, and why.
import { ask } from "./ask.js";
import { badge, byId, el, pairs } from "./dom.js";
import { status } from "./draw.js";
import { ago, clock, counts, duration, holds, milliseconds, never, number, outcome } from "./words.js";

let asked = 0; // so that a late answer does not overwrite a newer question's

export async function searchUser(address) {
  const mine = ++asked;
  const at = address.lastIndexOf("@");
  let shown;
  if (at < 1 || at === address.length - 1) {
    shown = [el("p", { class: "fault" }, "Give it as user@domain.")];
  } else {
    byId("user").replaceChildren(el("p", { class: "quiet" }, "Asking …"));
    const path = `users/${encodeURIComponent(address.slice(at + 1))}/${encodeURIComponent(address.slice(0, at))}`;
    shown = await ask(path).then(user, (error) => [el("p", { class: "fault" }, error.message)]);
  }
  if (mine === asked) byId("user").replaceChildren(...shown);
}

function user(u) {
  const dialogs = u.dialogs || [];
  return [
    el("h3", {}, `${u.user}@${u.domain} `, lamp(u)),
    el("ul", { class: "why" }, ...(u.why || []).map((line) => el("li", {}, line))),
    el("dl", { class: "lines" }, ...pairs([
      ["mailbox", u.mailbox],
      ["holds", u.holds ? holds(u.holds) : "unknown: Asterisk never spoke of it"],
      ["incomplete since", never(u.since) ? "" : `${clock(u.since)} (${ago(u.since)})`],
      ["looked up", clock(new Date().toISOString())],
    ])),
    ...dialogs.map((d) => phone(d, u.holds)),
    dialogs.length ? "" : el("p", { class: "quiet" }, "No phone of this user is subscribed."),
  ].filter(Boolean);
}

function lamp(u) {
  if (!u.holds) return badge("idle", "unknown");
  return u.holds.new ? badge("lit", "lamp ought to be on") : badge("idle", "lamp ought to be off");
}

function phone(d, mailbox) {
  return el("article", { class: "phone" },
    el("h4", {}, `${d.contact || d.watcher} `, phoneState(d, mailbox)),
    el("dl", { class: "lines" }, ...pairs([
      ["shows", d.shows ? holds(d.shows) : "nothing acknowledged yet"],
      ["expires", `${clock(d.expires)} (${d.expires_in < 0 ? `${duration(-d.expires_in)} ago` : `in ${duration(d.expires_in)}`})`],
      ["failures", d.failures ? number(d.failures) : ""],
      ["next attempt", never(d.next_attempt) ? "" : clock(d.next_attempt)],
    ])),
    d.last ? lastDelivery(d.last) : el("p", { class: "quiet" }, "No NOTIFY to it is remembered."),
    d.last ? wire("Request", d.last.request) : "",
    d.last ? wire("Response", d.last.response) : "",
    row(d));
}

// row is the dialog as active_watchers has it; numbers as one would search for them.
function row(d) {
  return el("details", {}, el("summary", {}, "Dialog"), el("dl", { class: "lines" }, ...pairs([
    ["watcher", d.watcher],
    ["Call-ID", d.call_id],
    ["to tag", d.to_tag],
    ["from tag", d.from_tag],
    ["event id", d.event_id],
    ["route", d.route],
    ["socket", d.socket],
    ["status", d.status],
    ["CSeq in the row", d.local_cseq],
    ["CSeq sent", d.cseq || "none"],
  ])));
}

function phoneState(d, mailbox) {
  if (d.skipped) return badge("idle", `skipped: ${d.skipped}`);
  if (d.in_flight) return badge("busy", "NOTIFY under way");
  const right = d.shows && mailbox && ["new", "old", "urgent"].every((k) => d.shows[k] === mailbox[k]);
  return right ? badge("good", "shows it") : badge("busy", "does not show it yet");
}

function lastDelivery(l) {
  return el("p", {}, `Last NOTIFY ${clock(l.time)}: ${counts(l.sent)}, `, badge(l.outcome === "acknowledged" ? "good" : "fault", outcome(l.outcome)),
    ` ${status(l)}, ${l.packets === 1 ? "one packet" : `${l.packets} packets`}, ${milliseconds(l.seconds)}`);
}

function wire(title, text) {
  if (!text) return "";
  return el("details", {}, el("summary", {}, title), el("pre", { tabindex: "0" }, text));
}
