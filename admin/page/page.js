// The status page: asks every two seconds, seldom while nobody looks.
import { ask, hasToken, Refused, setToken } from "./ask.js";
import { byId } from "./dom.js";
import { banner, drawDeliveries, drawStatus, drawWaiting } from "./draw.js";
import { searchUser } from "./user.js";

const looked = 2000, hidden = 30000; // ms from one poll to the next
let timer = 0, polling = false, last = null;

async function poll() {
  if (polling) return;
  polling = true;
  clearTimeout(timer);
  try {
    const [status, waiting, deliveries] = await Promise.all([ask("status"), ask("waiting?limit=20"), ask("deliveries?limit=20")]);
    const now = { status, at: performance.now() };
    byId("token").hidden = true;
    byId("told").hidden = false;
    document.body.classList.remove("stale");
    drawStatus(status, last && rates(last, now));
    drawWaiting(waiting, status);
    drawDeliveries(deliveries);
    if (last === null) fromAddress(); // what the address asks for, once the page has a right to ask
    last = now;
  } catch (error) {
    lost(error);
  }
  polling = false;
  timer = setTimeout(poll, document.hidden ? hidden : looked);
}

// lost keeps what was told last, greyed, beside why there is no news.
function lost(error) {
  document.body.classList.add("stale");
  if (!(error instanceof Refused)) {
    banner("fault", error.message, last === null ? "" : "What is shown below is old.");
    return;
  }
  byId("token").hidden = false;
  byId("told").hidden = true;
  if (hasToken()) banner("fault", "The token was refused.", "");
  else banner("busy", "A token is needed.", "");
}

function total(outcomes) {
  return Object.values(outcomes || {}).reduce((a, b) => a + b, 0);
}

// rates are per second, from one poll to the next; null after a restart.
function rates(before, now) {
  const seconds = (now.at - before.at) / 1000;
  const events = now.status.received - before.status.received;
  const notifies = total(now.status.outcomes) - total(before.status.outcomes);
  if (seconds <= 0 || events < 0 || notifies < 0) return null;
  return { events: events / seconds, notifies: notifies / seconds };
}

// show explains a user, and puts it in the address so that it can be linked to.
function show(user) {
  byId("search-field").value = user;
  history.replaceState(null, "", `#${encodeURIComponent(user)}`);
  searchUser(user);
}

// goTo shows a user that was not typed in there.
function goTo(user) {
  show(user);
  byId("search-title").scrollIntoView({ block: "start" });
  byId("search-title").focus({ preventScroll: true });
}

function fromAddress() {
  let user = "";
  try {
    user = decodeURIComponent(location.hash.slice(1));
  } catch {
    return; // not an address that this page made
  }
  if (user !== "") goTo(user);
}

addEventListener("hashchange", fromAddress);
addEventListener("click", (e) => {
  const link = e.target.closest("td a");
  if (!link || e.ctrlKey || e.metaKey || e.shiftKey) return;
  e.preventDefault();
  goTo(link.textContent);
});
byId("search").addEventListener("submit", (e) => {
  e.preventDefault();
  show(byId("search-field").value.trim());
});
byId("token").addEventListener("submit", (e) => {
  e.preventDefault();
  setToken(byId("token-field").value.trim());
  byId("token-field").value = "";
  poll();
});
document.addEventListener("visibilitychange", () => document.hidden || poll());
poll();
