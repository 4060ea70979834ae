import assert from "node:assert/strict";
import { post, ReplyError } from "./http.ts";
import { answering, bodyOf, httpReply, standIn } from "./stand_in.ts";
import type { Wire } from "./wire.ts";

const never = new AbortController().signal;

function outgoing(url = "https://hooks.example.com/a/b?c=1", changed: Record<string, unknown> = {}) {
  const headers = { "content-type": "application/json" };
  return {
    url: new URL(url),
    address: "93.184.216.34",
    headers,
    body: '{"名":1}',
    bodyLimit: 1000,
    ...changed,
  };
}

function reply(text: string, bodyLimit = 1000) {
  return post(answering(text).dial, outgoing(undefined, { bodyLimit }), never);
}

Deno.test("the checked address is dialled, for the name of the certificate", async () => {
  const other = answering(httpReply(200));
  await post(other.dial, outgoing(), never);
  assert.deepEqual(other.targets, [{ address: "93.184.216.34", port: 443, tlsName: "hooks.example.com" }]);
  const [told] = other.told;
  assert.ok(told?.startsWith("POST /a/b?c=1 HTTP/1.1\r\nhost: hooks.example.com\r\n"));
  assert.ok(told?.includes("\r\ncontent-length: 9\r\n"));
  assert.equal(bodyOf(told ?? ""), '{"名":1}');
  assert.equal(other.open, 0);
});

Deno.test("a port, an IPv6 host and a plain connection are dialled as they are", async () => {
  const other = answering(httpReply(200));
  await post(other.dial, outgoing("http://[::1]:8123/x", { address: "::1" }), never);
  assert.deepEqual(other.targets, [{ address: "::1", port: 8123, tlsName: null }]);
  assert.ok(other.told[0]?.includes("host: [::1]:8123\r\n"));
});

Deno.test("a header cannot grow into two", async () => {
  const other = answering(httpReply(200));
  const headers = { "desk-signature": "a\r\nx-evil: 1" };
  await assert.rejects(post(other.dial, outgoing(undefined, { headers }), never), TypeError);
  assert.deepEqual([other.told, other.open], [[""], 0]);
});

Deno.test("an answer has status, headers and body, however it is cut into pieces", async () => {
  const texts = [
    httpReply(200, '{"errcode":0}', { "Retry-After": "7" }),
    'HTTP/1.0 200 OK\r\nRetry-After: 7\r\n\r\n{"errcode":0}',
    'HTTP/1.1 200\r\nretry-after: 7\r\ntransfer-encoding: chunked\r\n\r\n4\r\n{"er\r\n9;x=y\r\nrcode":0}\r\n0\r\n\r\n',
    `HTTP/1.1 100 Continue\r\n\r\n${httpReply(200, '{"errcode":0}', { "retry-after": "7" })}`,
  ];
  for (const text of texts) {
    for (const size of [1, 7, 4096]) {
      let at = 0;
      const other = standIn(() => at >= text.length ? null : text.slice(at, at += size));
      const { status, headers, body } = await post(other.dial, outgoing(), never);
      assert.deepEqual([status, headers.get("retry-after"), body], [200, "7", '{"errcode":0}'], text);
    }
  }
});

Deno.test("a redirect is an answer, and nobody follows it", async () => {
  const other = answering(httpReply(302, "", { location: "http://169.254.169.254/" }));
  assert.equal((await post(other.dial, outgoing(), never)).status, 302);
  assert.equal(other.targets.length, 1);
});

Deno.test("a long answer is read as far as it is wanted", async () => {
  let sent = 0;
  const head = "HTTP/1.1 200 OK\r\n\r\n";
  const endless = standIn(() => {
    sent++;
    return sent === 1 ? head : "x".repeat(1000);
  });
  const { body } = await post(endless.dial, outgoing(undefined, { bodyLimit: 5000 }), never);
  assert.equal(body.length, 5000);
  assert.ok(sent < 10);
  const chunks = standIn(() =>
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + "1\r\nx\r\n".repeat(600)
  );
  assert.ok((await post(chunks.dial, outgoing(undefined, { bodyLimit: 50 }), never)).body.length <= 50);
});

Deno.test("a receiver that accepts and then drips is not waited for when only its status counts", async () => {
  const drip = standIn((told) =>
    told === "" ? undefined : "HTTP/1.1 204 No Content\r\ncontent-length: 9\r\n\r\n"
  );
  assert.equal((await post(drip.dial, outgoing(undefined, { bodyLimit: 0 }), never)).status, 204);
  assert.equal(drip.open, 0);
});

Deno.test("what is not HTTP is said to be so, and the connection is closed", async () => {
  const broken = [
    "SSH-2.0-OpenSSH_9\r\n\r\n",
    "HTTP/2 200\r\n\r\n",
    "HTTP/1.1 999 ?\r\n\r\n",
    "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
  ];
  for (const text of [...broken, "HTTP/1.1 200 OK\r\n", ""]) {
    let isSaid = false;
    const once = standIn(() => isSaid || text === "" ? null : (isSaid = true, text));
    await assert.rejects(post(once.dial, outgoing(), never), ReplyError, text);
    assert.equal(once.open, 0);
  }
  const endless = standIn(() => "HTTP/1.1 200 OK\r\n" + "x: y\r\n".repeat(500));
  await assert.rejects(post(endless.dial, outgoing(), never), ReplyError);
});

Deno.test("a connection that breaks is closed, and its error passed on", async () => {
  let closed = 0;
  const wire: Wire = {
    write: () => Promise.reject(new Error("broken pipe")),
    read: () => Promise.resolve(null),
    close: () => closed++,
  };
  await assert.rejects(post(() => Promise.resolve(wire), outgoing(), never), /broken pipe/);
  assert.equal(closed, 1);
  assert.equal((await reply(httpReply(200, "ok"))).body, "ok");
});
