// Lets a reviewer mark rows and save the marks as JSON lines. Nothing is sent anywhere.
"use strict";
(() => {
  const boxes = [...document.querySelectorAll("fieldset[data-row]")];
  const bar = document.getElementById("save");
  if (!bar || !boxes.length) return;
  const chosen = (box) => box.querySelector("input[type=radio]:checked");
  const comment = (box) => box.querySelector("input[type=text]");
  const marks = () => {
    const found = new Map();
    for (const box of boxes.filter(chosen)) {
      const id = box.dataset.row;
      found.set(id, { id, mark: chosen(box).value, comment: comment(box).value.trim() });
    }
    return [...found.values()];
  };
  // a row may stand in several groups: its boxes say the same
  const spread = (from) => {
    for (const box of boxes) {
      if (box === from || box.dataset.row !== from.dataset.row) continue;
      comment(box).value = comment(from).value;
      for (const radio of box.querySelectorAll("input[type=radio]")) radio.checked = radio.value === chosen(from)?.value;
    }
    document.getElementById("marked").textContent = String(marks().length);
  };
  for (const box of boxes) {
    box.hidden = false;
    box.addEventListener("input", () => spread(box));
  }
  bar.hidden = false;
  document.getElementById("save-marks").addEventListener("click", () => {
    const lines = marks().map((mark) => JSON.stringify(mark) + "\n");
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob(lines, { type: "application/x-ndjson" }));
    link.download = "marks.jsonl";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  });
})();
