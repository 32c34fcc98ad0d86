// Words for numbers and times. Times that Go writes for "never" begin with year 1.

export function never(time) {
  return !time || time.startsWith("0001-");
}

export function duration(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 100) return `${s} s`;
  const m = Math.floor(s / 60);
  if (m < 60) return `${m} min`;
  const h = Math.floor(m / 60);
  if (h < 48) return m % 60 ? `${h} h ${m % 60} min` : `${h} h`;
  return `${Math.floor(h / 24)} days`;
}

export function ago(time) {
  return never(time) ? "never" : duration((Date.now() - Date.parse(time)) / 1000);
}

// clock is a time of today as such, else with its date.
export function clock(time) {
  if (never(time)) return "never";
  const t = new Date(time);
  const hms = t.toLocaleTimeString("sv"); // 24 hours, two digits each
  return t.toDateString() === new Date().toDateString() ? hms : `${t.toLocaleDateString("sv")} ${hms}`;
}

export function counts(c) {
  if (!c) return "–";
  return c.urgent ? `${c.new} / ${c.old} (${c.urgent} urgent)` : `${c.new} / ${c.old}`;
}

// holds is counts in words.
export function holds(c) {
  return `${number(c.new)} new${c.urgent ? ` (${number(c.urgent)} urgent)` : ""}, ${number(c.old)} old`;
}

export function milliseconds(seconds) {
  const ms = seconds * 1000;
  return ms < 10 ? `${ms.toFixed(1)} ms` : ms < 10000 ? `${Math.round(ms)} ms` : `${seconds.toFixed(1)} s`;
}

export function outcome(name) {
  return String(name).replaceAll("_", " ");
}

export function number(n) {
  return Number(n).toLocaleString("en").replaceAll(",", "\u202f");
}

export function many(n, one, more) {
  return `${number(n)} ${n === 1 ? one : more}`;
}
