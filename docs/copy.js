// Copy buttons of terminal sessions copy the commands alone, without prompts and output.
for (const code of document.querySelectorAll(".highlight code")) {
  if (!code.querySelector(".gp")) continue;
  const kept = code.cloneNode(true);
  for (const each of kept.querySelectorAll(".gp, .go")) each.remove();
  const lines = kept.textContent.split("\n").map((line) => line.replace(/^ /, "").trimEnd());
  code.dataset.copy = lines.filter(Boolean).join("\n");
}
