"use strict";
// Keeps the page up to date, and asks before a command is sent. Without it everything works by links and forms.

const body = document.body;
const pulse = document.getElementById("pulse");
const announce = document.getElementById("announce");
const said = document.getElementById("said");
const dialog = document.getElementById("confirm");
const form = document.getElementById("confirm-form");
const pollMs = Number(body.dataset.poll);
const longestWaitMs = 15000;
const shown = new Map();
let token = body.dataset.token;
let failures = 0;
let timer;

function localTimes(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    const clock = at.toLocaleTimeString([], { hour12: false });
    const today = at.toDateString() === new Date().toDateString();
    time.title = at.toString();
    time.textContent = today ? clock : `${at.toLocaleDateString()} ${clock}`;
  }
}

function replaceSection(name, html) {
  if (shown.get(name) === html) return;
  shown.set(name, html);
  const section = document.querySelector(`[data-section="${name}"]`);
  const focused = section.contains(document.activeElement) ? document.activeElement.id : "";
  section.innerHTML = html;
  localTimes(section);
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
}

function showPulse(tone, text) {
  pulse.hidden = false;
  if (pulse.textContent !== text) pulse.textContent = text;
  pulse.className = `pulse ${tone}`;
}

async function look() {
  const answer = await fetch(body.dataset.live, { headers: { Accept: "application/json" } });
  const news = await answer.json();
  if (!answer.ok) throw new Error(news.message);
  token = news.token;
  for (const [name, html] of Object.entries(news.sections)) replaceSection(name, html);
  if (document.title !== news.title) {
    document.title = news.title;
    announce.textContent = news.title;
  }
}

async function follow() {
  clearTimeout(timer);
  if (!document.hidden) {
    try {
      await look();
      failures = 0;
      showPulse("good", "live");
    } catch {
      failures += 1;
      showPulse("bad", "no answer from the console, trying again");
    }
  }
  clearTimeout(timer);
  timer = setTimeout(follow, Math.min(longestWaitMs, pollMs * 2 ** failures));
}

function ask(button) {
  const { verb, label, question, consequence } = button.dataset;
  document.getElementById("confirm-question").textContent = question;
  document.getElementById("confirm-consequence").textContent = consequence;
  const yes = document.getElementById("confirm-yes");
  yes.textContent = label;
  yes.classList.toggle("danger", verb === "abort");
  form.action = button.href;
  dialog.returnFocus = button.id;
  dialog.showModal();
  document.getElementById("confirm-no").focus();
}

function say(tone, text) {
  const notice = document.createElement("p");
  notice.className = `notice ${tone}`;
  notice.textContent = text;
  said.replaceChildren(notice);
}

async function send(event) {
  event.preventDefault();
  dialog.close();
  say("calm", "Sent; waiting for the controller ...");
  try {
    const answer = await fetch(form.action, {
      method: "POST",
      headers: { Accept: "application/json" },
      body: new URLSearchParams({ token }),
    });
    const { message } = await answer.json();
    say(answer.ok ? "good" : "bad", answer.ok ? `Done: ${message}` : message);
  } catch {
    say("bad", "No answer from the console: it is not known whether the command arrived. Look at what happened below.");
  }
  await follow();
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-verb]");
  if (!button) return;
  event.preventDefault();
  ask(button);
});
document.addEventListener("keydown", (event) => {
  // A link that looks like a button must also answer to the space bar.
  if (event.key === " " && event.target.matches?.("[data-verb]")) {
    event.preventDefault();
    ask(event.target);
  }
});
form.addEventListener("submit", send);
document.getElementById("confirm-no").addEventListener("click", () => dialog.close());
dialog.addEventListener("close", () => document.getElementById(dialog.returnFocus)?.focus());
document.addEventListener("visibilitychange", () => { if (!document.hidden) follow(); });
localTimes(document);
timer = setTimeout(follow, pollMs);
