// An answer is held for a few seconds, in which it can be taken back; then it is sent by the same
// form as without this file. Leaving the page sends nothing.
"use strict";
{
  // Browsers forget after 5 s that a person pressed (transient activation), and the server asks
  // those whose login proves nothing to type the word if it is not told of a person.
  const HOLD = 4; // seconds
  let held = null;
  let releasing = false;

  document.addEventListener("submit", (event) => {
    if (releasing || event.defaultPrevented || !event.target.matches("[data-hold]")) return;
    event.preventDefault();
    if (held) return announce("Another answer is not sent yet: undo it, or send it now.");
    hold(event.target, event.submitter);
  });

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && held) { event.preventDefault(); undo("Undone. Nothing was sent."); }
  });
  addEventListener("pagehide", () => undo(""));

  function hold(form, button) {
    const doing = button.dataset.doing;
    const bar = document.createElement("section");
    bar.className = "hold settling";
    bar.setAttribute("aria-label", "An answer that is not sent yet");
    bar.innerHTML = '<div><p><strong></strong> in <span class="hold-left"></span> s: <span dir="auto"></span></p>' +
      '<p class="small">Leaving this page sends nothing.</p></div>' +
      '<p class="row"><button type="button" class="button" data-undo>Undo <kbd>Esc</kbd></button>' +
      '<button type="button" class="button quiet" data-now>Send now</button></p>';
    bar.querySelector("strong").textContent = doing;
    bar.querySelector("[dir]").textContent = form.dataset.hold;
    bar.querySelector("[data-undo]").onclick = () => undo("Undone. Nothing was sent.");
    bar.querySelector("[data-now]").onclick = send;
    document.body.append(bar);
    form.inert = true;
    held = { form, button, bar, content: content(form), until: performance.now() + HOLD * 1_000 };
    held.timer = setInterval(tick, 100);
    tick();
    bar.querySelector("[data-undo]").focus();
    announce(`${doing} in ${HOLD} seconds. Press Escape to undo.`);
  }

  function tick() {
    const left = held.until - performance.now();
    if (left <= 0) return send();
    held.bar.querySelector(".hold-left").textContent = Math.ceil(left / 1_000);
  }

  // Of what was asked when the button was pressed; the page may have been brought up to date.
  function content(form) {
    const field = form.elements.namedItem("digest") ?? form.elements.namedItem("picks");
    return field ? field.value : "";
  }

  function send() {
    const { form, button, content: pressed } = held;
    if (!form.isConnected || !button.isConnected || content(form) !== pressed) {
      return undo("What is asked has changed meanwhile. Nothing was sent.");
    }
    undo("");
    releasing = true;
    form.requestSubmit(button);
    releasing = false;
  }

  function undo(text) {
    if (!held) return;
    const { form, button, bar, timer } = held;
    held = null;
    clearInterval(timer);
    form.inert = false;
    bar.remove();
    settle();
    if (button.isConnected) button.focus();
    if (text) announce(text);
  }

  // What the bar had covered takes no second click of a double one either; see tako.css.
  function settle() {
    const main = document.getElementById("main");
    for (const node of document.querySelectorAll(".settling")) node.classList.remove("settling");
    main.getBoundingClientRect(); // or it would not begin anew
    main.classList.add("settling");
  }

  // --- the list: all at once, and how many

  function picked() {
    const bulk = document.querySelector("[data-bulk]");
    if (!bulk) return;
    const boxes = [...document.querySelectorAll("input[name=pick]")];
    const number = boxes.filter((box) => box.checked).length;
    const all = bulk.querySelector("[data-all]");
    all.closest("label").hidden = false;
    all.checked = number > 0 && number === boxes.length;
    all.indeterminate = number > 0 && number < boxes.length;
    bulk.querySelector("[data-picked]").textContent = number ? `${number} selected` : "";
    for (const button of bulk.querySelectorAll("button")) button.disabled = !number;
  }

  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-all]")) {
      for (const box of document.querySelectorAll("input[name=pick]")) box.checked = event.target.checked;
    }
    picked();
  });
  document.addEventListener("htmx:afterSettle", picked);
  addEventListener("pageshow", picked);

  for (const hint of document.querySelectorAll("[data-opens]")) {
    hint.hidden = false;
    hint.onclick = () => document.getElementById(hint.dataset.opens).showModal();
  }
}
