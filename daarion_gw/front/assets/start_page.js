
"use strict";
// Keeps the page true: asks every five seconds while it is looked at.
const main = document.querySelector("main");
const time = document.querySelector("time");
const lang = document.documentElement.lang;
let timer;

// Only what changed is written, so that a screen reader speaks only then.
function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function showTime() {
  write(time, new Date(time.dateTime).toLocaleTimeString(lang));
}

function show(status) {
  const rows = [...document.querySelectorAll("li[data-path]")];
  const paths = status.services.map((service) => service.path);
  // Other routes than before: the page itself is out of date.
  if (rows.map((row) => row.dataset.path).join("\n") !== paths.join("\n")) return location.reload();
  status.services.forEach((service, index) => {
    const row = rows[index];
    row.className = service.answers ? "up" : "down";
    write(row.querySelector(".word"), service.answers ? main.dataset.up : main.dataset.down);
    write(row.querySelector(".detail"), service.detail);
  });
  const counted = main.dataset.count.replace("{n}", status.answering).replace("{all}", paths.length);
  write(document.querySelector(".count"), counted);
  time.dateTime = status.checked;
  showTime();
}

async function refresh() {
  let lost = "";
  try {
    const answer = await fetch(`?format=json&lang=${lang}`, { cache: "no-store" });
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    show(await answer.json());
  } catch {
    lost = main.dataset.lost;
  }
  write(document.querySelector(".lost"), lost);
}

function wait() {
  clearTimeout(timer);
  timer = setTimeout(async () => { await refresh(); if (!document.hidden) wait(); }, 5000);
}

document.addEventListener("visibilitychange", () => {
  clearTimeout(timer);
  if (!document.hidden) { refresh(); wait(); }
});

showTime();
if (!document.hidden) wait();
