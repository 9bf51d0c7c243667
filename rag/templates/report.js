// Narrows the table of questions. Without it the page shows them all.
const form = document.getElementById("narrow");
const rows = [...document.querySelectorAll("#table tbody")].map((row) => ({
  row,
  text: row.textContent.toLowerCase(),
  stage: row.dataset.stage,
  tags: JSON.parse(row.dataset.tags),
}));

function narrow() {
  const words = form.elements.words.value.toLowerCase().split(/\s+/).filter(Boolean);
  const stage = form.elements.stage.value;
  const tag = form.elements.tag ? form.elements.tag.value : "";
  let shown = 0;
  for (const one of rows) {
    const ofStage = !stage || one.stage === stage || (stage === "lost" && one.stage !== "ok");
    const here = ofStage && (!tag || one.tags.includes(tag)) && words.every((word) => one.text.includes(word));
    one.row.hidden = !here;
    shown += here;
  }
  document.getElementById("shown").textContent = `${shown} of ${rows.length} shown`;
}

form.hidden = false;
form.addEventListener("input", narrow);
form.addEventListener("submit", (event) => event.preventDefault());
for (const link of document.querySelectorAll("a[data-narrow]")) {
  link.addEventListener("click", () => {
    form.reset();
    form.elements.stage.value = link.dataset.narrow;
    narrow();
  });
}
narrow();
