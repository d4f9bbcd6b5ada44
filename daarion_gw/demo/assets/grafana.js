"use strict";
const at = (id) => document.getElementById(id);
const values = [];

function show(value) {
  values.push(value);
  if (values.length > 60) values.shift();
  at("value").textContent = value.toFixed(1);
  at("line").setAttribute("points", values.map((v, i) => `${i},${100 - v}`).join(" "));
}

function listen() {
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  const socket = new WebSocket(`${scheme}//${location.host}/grafana/api/live/ws`);
  socket.onopen = () => { at("state").textContent = "live"; at("state").className = "note good"; };
  socket.onmessage = (event) => show(JSON.parse(event.data).value);
  socket.onclose = () => {
    at("state").textContent = "disconnected, trying again";
    at("state").className = "note bad";
    setTimeout(listen, 2000);
  };
}

async function showUser() {
  const answer = await fetch("/grafana/api/user");
  const link = document.createElement("a");
  link.href = answer.ok ? "/grafana/logout" : "/grafana/login";
  link.textContent = answer.ok ? "log out" : "log in";
  at("user").textContent = answer.ok ? `${(await answer.json()).login} · ` : "";
  at("user").append(link);
}

listen();
showUser();
