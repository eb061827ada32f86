// Moments in the reader's own time; the exact one stays in the title. Without it they are in UTC.
const words = new Intl.DateTimeFormat(undefined, {
  weekday: "short", day: "numeric", month: "short", year: "numeric", hour: "2-digit",
  minute: "2-digit", timeZoneName: "short",
});
for (const moment of document.querySelectorAll("time[datetime]")) {
  moment.textContent = words.format(new Date(moment.dateTime));
}
