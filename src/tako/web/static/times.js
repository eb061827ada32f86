// Moments in the reader's own time; the exact one stays in the title. Without it they are in UTC.
const words = new Intl.DateTimeFormat(undefined, {
  weekday: "short", day: "numeric", month: "short", year: "numeric", hour: "2-digit",
  minute: "2-digit", timeZoneName: "short",
});
const clock = new Intl.DateTimeFormat(undefined, {
  day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit",
});
function localise(part) {
  for (const moment of part.querySelectorAll("time[datetime]")) {
    const shape = moment.hasAttribute("data-short") ? clock : words;
    moment.textContent = shape.format(new Date(moment.dateTime));
  }
}
localise(document);
document.addEventListener("htmx:afterSwap", () => localise(document));
