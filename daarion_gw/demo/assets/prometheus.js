"use strict";
const at = (id) => document.getElementById(id);

async function execute() {
  const query = encodeURIComponent(at("expression").value);
  const answer = await (await fetch(`/prometheus/api/v1/query?query=${query}`)).json();
  const found = answer.status === "success" ? answer.data.result : [];
  at("rows").replaceChildren(...found.map((sample) => {
    const row = document.createElement("tr");
    const { __name__: name, ...labels } = sample.metric;
    const pairs = Object.entries(labels).map(([key, value]) => `${key}="${value}"`);
    row.insertCell().textContent = `${name}{${pairs.join(", ")}}`;
    row.insertCell().textContent = sample.value[1];
    return row;
  }));
  at("state").textContent = answer.error || `${found.length} series`;
  at("state").className = answer.error ? "note bad" : "note good";
}

at("query").addEventListener("submit", (event) => { event.preventDefault(); execute(); });
execute();
