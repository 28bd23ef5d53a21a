// Sends the request of a form and shows what comes back.
"use strict";

const LONGEST = 20000; // characters shown: a batch of vectors is longer than anyone reads

function target(form) {
  return form.dataset.path.replace(/{(\w+)}/g, (_, name) => encodeURIComponent(form.elements[name].value));
}

function request(form) {
  const method = form.dataset.method;
  if (!form.elements.body) return { method };
  return { method, headers: { "Content-Type": "application/json" }, body: form.elements.body.value };
}

function pretty(text) {
  let shown = text;
  try { shown = JSON.stringify(JSON.parse(text), null, 2); } catch { /* not JSON: shown as it is */ }
  return shown.length > LONGEST ? `${shown.slice(0, LONGEST)}\n… ${shown.length - LONGEST} more characters` : shown;
}

function show(form, status, text, good) {
  const answer = form.querySelector(".answer");
  const line = answer.querySelector(".status");
  line.textContent = status;
  line.classList.toggle("bad", !good);
  answer.querySelector("pre").textContent = text;
  answer.hidden = false;
}

async function send(form) {
  const started = performance.now();
  const response = await fetch(target(form), request(form));
  const text = await response.text();
  const version = response.headers.get("x-model-version");
  const parts = [`${response.status} ${response.statusText}`, `${Math.round(performance.now() - started)} ms`];
  if (version) parts.push(`model version ${version}`);
  show(form, parts.join(" · "), pretty(text), response.ok);
}

document.addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target;
  const button = form.querySelector("button");
  button.disabled = true;
  try {
    await send(form);
  } catch (error) {
    show(form, "No answer", `${error}. Is the pod still running?`, false);
  } finally {
    button.disabled = false;
  }
});
