// A digest in the shape and within the size that each platform takes. Rows that do not fit are counted, never cut in two.
import type { Digest, Row } from "./digest.ts";
import { say, WORDS } from "./messages.ts";
import { bytes, type Json } from "./values.ts";

// What the platforms document; a little less is used, because they count escapes differently.
export const LIMITS = {
  wecomText: 2_048,
  wecomMarkdown: 4_096,
  dingtalk: 20_000,
  feishu: 20_000, // "20 KB": the smaller reading
  mail: 100_000,
} as const;
const SLACK = 96;

/** WeCom: text when somebody is called (markdown cannot), else markdown. */
export function wecomBody(digest: Digest, mentions: readonly string[]): Json {
  if (mentions.length > 0) {
    const content = fitted(digest, LIMITS.wecomText - SLACK, (part) => part, textOf);
    return { msgtype: "text", text: { content, mentioned_list: mentions } };
  }
  const content = fitted(digest, LIMITS.wecomMarkdown - SLACK, (part) => part, markdownOf);
  return { msgtype: "markdown", markdown: { content } };
}

/** DingTalk markdown; who is called must also stand in the text. */
export function dingtalkBody(digest: Digest, mentions: readonly string[]): Json {
  const calls = mentions.length === 0 ? "" : `\n\n${mentions.map((id) => `@${id}`).join(" ")}`;
  const body = (text: string): Json => ({
    msgtype: "markdown",
    markdown: { title: digest.title, text: text + calls },
    at: { atUserIds: mentions, isAtAll: false },
  });
  return body(fitted(digest, LIMITS.dingtalk - SLACK, (text) => JSON.stringify(body(text)), markdownOf));
}

/** Feishu post: paragraphs of plain text and links, nothing is parsed as markup. */
export function feishuBody(digest: Digest, mentions: readonly string[], signed: Json): Json {
  const calls = mentions.map((id) => ({ tag: "at", user_id: id }));
  const body = (paragraphs: Json[][]): Json => ({
    ...signed,
    msg_type: "post",
    content: {
      post: {
        [digest.language === "en" ? "en_us" : "zh_cn"]: {
          title: digest.title,
          content: calls.length > 0 ? [...paragraphs, calls] : paragraphs,
        },
      },
    },
  });
  return body(
    fitted(digest, LIMITS.feishu - SLACK, (part) => JSON.stringify(body(part)), paragraphsOf),
  );
}

/** The text of an e-mail. */
export function mailText(digest: Digest): string {
  return fitted(digest, LIMITS.mail, (part) => part, textOf);
}

/** The largest number of rows whose layout stays within the limit; the rest is added to "more". */
function fitted<T>(
  digest: Digest,
  limit: number,
  sent: (layout: T) => string,
  layout: (shown: Shown) => T,
): T {
  let [fits, tooMany] = [0, digest.rows.length + 1];
  while (tooMany - fits > 1) {
    const count = Math.floor((fits + tooMany) / 2);
    if (bytes(sent(layout(shown(digest, count)))) <= limit) fits = count;
    else tooMany = count;
  }
  return layout(shown(digest, fits));
}

interface Shown {
  readonly digest: Digest;
  readonly rows: readonly Row[];
  /** "还有 12 项 …", or null when every reminder has its row. */
  readonly rest: Row | null;
}

function shown(digest: Digest, count: number): Shown {
  const hidden = digest.rows.length - count + digest.more;
  const text = say(WORDS.more, digest.language, { count: hidden });
  return {
    digest,
    rows: digest.rows.slice(0, count),
    rest: hidden > 0 ? { text, url: digest.overviewUrl } : null,
  };
}

function textOf({ digest, rows, rest }: Shown): string {
  const line = ({ text, url }: Row) => url === null ? text : `${text}\n${url}`;
  return [digest.title, ...rows.map(line), ...(rest === null ? [] : [line(rest)])].join("\n");
}

function markdownOf({ digest, rows, rest }: Shown): string {
  const open = say(WORDS.open, digest.language);
  const line = ({ text, url }: Row) => url === null ? text : `${text} [${open}](${markdownUrl(url)})`;
  const items = rows.map((row) => `- ${line(row)}`).join("\n");
  return [`**${digest.title}**`, items, ...(rest === null ? [] : [line(rest)])].join("\n\n");
}

function paragraphsOf({ digest, rows, rest }: Shown): Json[][] {
  const open = say(WORDS.open, digest.language);
  return [...rows, ...(rest === null ? [] : [rest])].map(({ text, url }) => {
    const words = { tag: "text", text: url === null ? text : `${text} ` };
    return url === null ? [words] : [words, { tag: "a", text: open, href: url }];
  });
}

function markdownUrl(url: string): string {
  return url.replaceAll("(", "%28").replaceAll(")", "%29");
}
