// What a message says: a title and one line per reminder, in one language, free of markup and of personal data. How a
// platform wants it written is the business of channels.ts.
import type { Delivery, Language, Line } from "./delivery.ts";
import { ACTIONS, AREAS, FIGURES, say, WORDS } from "./messages.ts";
import { text, whole } from "./values.ts";

export interface Row {
  readonly text: string;
  readonly url: string | null;
}

export interface Digest {
  readonly title: string;
  readonly rows: readonly Row[];
  /** Reminders this message stands for beyond its rows. */
  readonly more: number;
  /** Where all of them can be seen. */
  readonly overviewUrl: string | null;
  readonly language: Language;
}

const OVERVIEWS = { person: "/inbox", group: "/deadlines" } as const;
const HOME = "/home";
const LABEL_LENGTH = 60;
const LATE_MINUTES = 5; // the scheduler rings each minute: less is nobody's delay
const MOBILE = /(?<!\d)(1[3-9]\d)\d{4}(\d{4})(?!\d)/g;

/** The words of a delivery; `publicUrl` is where people open the desk (null: links are left out). */
export function digestOf(delivery: Delivery, publicUrl: string | null, now: number): Digest {
  const { language, lines, more } = delivery;
  if (delivery.purpose === "daily") return dailyDigest(delivery, publicUrl);
  if (delivery.purpose === "test") return testDigest(language, publicUrl);
  return {
    title: titleOf(delivery),
    rows: lines.map((line) => ({ text: rowText(line, language, now), url: linkTo(publicUrl, line.path) })),
    more,
    overviewUrl: linkTo(publicUrl, OVERVIEWS[delivery.audience]),
    language,
  };
}

function testDigest(language: Language, publicUrl: string | null): Digest {
  const row = { text: say(WORDS.body_test, language), url: linkTo(publicUrl, "/") };
  return { title: say(WORDS.title_test, language), rows: [row], more: 0, overviewUrl: null, language };
}

/** The figures of the day for a manager; one that the database does not name is left out. */
function dailyDigest({ figures, language }: Delivery, publicUrl: string | null): Digest {
  const count = (name: string) => whole(figures[name]);
  const rows = Object.entries(FIGURES).filter(([name]) => name in figures).map(([name, words]) => ({
    text: say(words, language, { count: count(name), of: count("done") }),
    url: null,
  }));
  const open = { text: say(WORDS.body_daily, language), url: linkTo(publicUrl, HOME) };
  const title = say(WORDS.title_daily, language, { day: plain(text(figures.day)).slice(5) });
  return { title, rows: [...rows, open], more: 0, overviewUrl: null, language };
}

function titleOf({ audience, language, lines, more }: Delivery): string {
  const words = audience === "person" ? WORDS.title_person : WORDS.title_group;
  const title = say(words, language, { count: lines.length + more });
  if (more > 0) return title; // how those stand is not known here
  const late = lines.filter((line) => line.isOverdue).length;
  const parts = [[WORDS.title_overdue, late], [WORDS.title_soon, lines.length - late]] as const;
  const told = parts.filter(([, count]) => count > 0).map(([part, count]) => say(part, language, { count }));
  return language === "en" ? `${title} (${told.join(", ")})` : `${title}：${told.join("，")}`;
}

function rowText(line: Line, language: Language, now: number): string {
  const area = AREAS[line.area];
  const name = `${area === undefined ? plain(line.policy) : say(area, language)} ${plain(line.label)}`;
  const parts = [plain(line.shop), name.trim(), ...dueParts(line, language, now)];
  const action = ACTIONS[line.action];
  if (action !== undefined) parts.push(say(action, language));
  if (line.lateMinutes >= LATE_MINUTES) {
    parts.push(say(WORDS.late, language, { span: spanText(line.lateMinutes, language) }));
  }
  return parts.filter((part) => part !== "").join(" · ");
}

/** How the deadline stands, and when it is: `还剩 25 分`, `11-22 14:30 到期`. */
function dueParts(line: Line, language: Language, now: number): string[] {
  const due = new Date(line.dueAt ?? "").getTime();
  if (Number.isNaN(due)) return [];
  const words = due <= now ? WORDS.overdue : WORDS.remaining;
  const span = spanText(Math.abs(now - due) / 60_000, language);
  const at = dueText(due, line.timezone);
  return [say(words, language, { span }), say(WORDS.due_at, language, { at })];
}

/** A length of time in its largest fitting unit, as the lists of the desk show it. */
export function spanText(minutes: number, language: Language): string {
  if (minutes < 60) return say(WORDS.minutes, language, { count: Math.max(1, Math.floor(minutes)) });
  if (minutes >= 48 * 60) return say(WORDS.days, language, { count: Math.floor(minutes / (24 * 60)) });
  const isRound = minutes % 60 === 0 || minutes >= 600;
  const count = isRound ? Math.floor(minutes / 60) : (minutes / 60).toFixed(1);
  return say(WORDS.hours, language, { count });
}

/** A deadline in a shop's zone: `11-22 14:30`; midnight reads as 24:00 of the day that ends there. */
export function dueText(due: number, timezone: string): string {
  const local = localParts(due, timezone);
  if (local.time !== "00:00:00") return `${local.date} ${local.time.replace(/:00$/, "")}`;
  return `${localParts(due - 1000, timezone).date} 24:00`;
}

function localParts(instant: number, timezone: string): { date: string; time: string } {
  const found = clockOf(timezone).formatToParts(instant).map(({ type, value }) => [type, value]);
  const parts = Object.fromEntries(found);
  return { date: `${parts.month}-${parts.day}`, time: `${parts.hour}:${parts.minute}:${parts.second}` };
}

const clocks = new Map<string, Intl.DateTimeFormat>(); // making one costs more than a hundred lines

function clockOf(timezone: string): Intl.DateTimeFormat {
  const known = clocks.get(timezone);
  if (known !== undefined) return known;
  const two = "2-digit";
  const clock = new Intl.DateTimeFormat("en-GB", {
    timeZone: timezone,
    hourCycle: "h23",
    month: two,
    day: two,
    hour: two,
    minute: two,
    second: two,
  });
  clocks.set(timezone, clock);
  return clock;
}

/**
 * A label as one line that no platform reads as markup, as a link or as a call to everybody. Item numbers are not personal,
 * but somebody may have typed a phone where a number belongs: it is masked.
 */
export function plain(label: string): string {
  const line = label
    // deno-lint-ignore no-control-regex
    .replace(/[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\s]+/gu, " ")
    .replace(MOBILE, "$1****$2")
    .replaceAll("://", ":／／")
    .replace(/[<>[\]@`*#|\\]/g, (sign) => String.fromCodePoint(sign.charCodeAt(0) + 0xfee0))
    .trim();
  const letters = [...line];
  return letters.length > LABEL_LENGTH ? `${letters.slice(0, LABEL_LENGTH - 1).join("")}…` : line;
}

/** The address of a page of the desk; null unless the path stays on it. */
function linkTo(publicUrl: string | null, path: string): string | null {
  if (publicUrl === null || !/^\/(?![/\\])/.test(path)) return null;
  const base = new URL(publicUrl);
  const folder = base.pathname.replace(/\/$/, "");
  const url = new URL(folder + path, base);
  return url.origin === base.origin ? url.href : null;
}
