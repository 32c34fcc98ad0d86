// Questions to the API. The token, where one is needed, lives as long as the tab.

const key = "zonkeymwi-token";

export function setToken(token) {
  sessionStorage.setItem(key, token);
}

export function hasToken() {
  return sessionStorage.getItem(key) !== null;
}

export class Refused extends Error {} // 401

// ask gets one answer of /api/v1; its errors are the server's own words.
export async function ask(path) {
  const token = sessionStorage.getItem(key);
  let response;
  try {
    response = await fetch(`/api/v1/${path}`, {
      headers: token === null ? {} : { Authorization: `Bearer ${token}` },
      signal: AbortSignal.timeout(15000),
    });
  } catch {
    throw new Error("No answer: is the bridge running, and this machine still connected to it?");
  }
  const answer = await response.json().catch(() => ({}));
  if (response.status === 401) throw new Refused(answer.error);
  if (!response.ok) throw new Error(answer.error || `the answer was ${response.status}`);
  return answer;
}
