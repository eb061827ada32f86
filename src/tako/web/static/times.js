// Moments in the reader's own time; the exact one stays in the title. Without it they are in UTC.
const parts = {
  weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit",
  timeZoneName: "short",
};
const words = new Intl.DateTimeFormat(undefined, parts);
const long = new Intl.DateTimeFormat(undefined, { ...parts, year: "numeric" });
const clock = new Intl.DateTimeFormat(undefined, {
  day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit",
});
function localise(part) {
  for (const moment of part.querySelectorAll("time[datetime]")) {
    const at = new Date(moment.dateTime);
    const shape = at.getFullYear() === new Date().getFullYear() ? words : long;
    moment.textContent = (moment.hasAttribute("data-short") ? clock : shape).format(at);
  }
}
localise(document);
document.addEventListener("htmx:afterSwap", () => localise(document));
