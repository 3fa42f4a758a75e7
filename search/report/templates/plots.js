"use strict";
const fingers = matchMedia("(pointer: coarse)").matches; // they scroll the page, also across a plot
for (const data of document.querySelectorAll("script[type='application/json']")) {
  const plot = data.previousElementSibling;
  const { data: traces, layout } = JSON.parse(data.textContent);
  layout.dragmode = fingers ? false : "zoom";
  Plotly.newPlot(plot, traces, layout, { responsive: true, displaylogo: false, displayModeBar: fingers ? false : "hover" });
}
for (const details of document.querySelectorAll("details")) {
  addEventListener("beforeprint", () => { details.open = true; });
}
