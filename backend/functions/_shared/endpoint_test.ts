import assert from "node:assert/strict";
import { isLoopbackAddress, isPublicAddress } from "./address.ts";
import { type Kind, Problem } from "./delivery.ts";
import { checkedEndpoint } from "./endpoint.ts";

const PUBLIC = "93.184.216.34";
const closed = { resolve: () => Promise.resolve([PUBLIC]), allowsLoopback: false };

async function verdict(kind: Kind, url: string, addresses = [PUBLIC], host?: string): Promise<string> {
  const expected = host ?? hostOf(url);
  try {
    const policy = { ...closed, resolve: () => Promise.resolve(addresses) };
    return (await checkedEndpoint(kind, expected, url, policy)).address;
  } catch (error) {
    assert.ok(error instanceof Problem);
    return error.code;
  }
}

function hostOf(url: string): string {
  return URL.parse(url)?.hostname ?? "";
}

Deno.test("the platforms' own addresses pass", async () => {
  assert.equal(await verdict("wecom", "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=k"), PUBLIC);
  assert.equal(await verdict("dingtalk", "https://oapi.dingtalk.com/robot/send?access_token=t"), PUBLIC);
  assert.equal(await verdict("feishu", "https://open.feishu.cn/open-apis/bot/v2/hook/0a-b"), PUBLIC);
  assert.equal(await verdict("feishu", "https://open.larksuite.com/open-apis/bot/v2/hook/0a"), PUBLIC);
  assert.equal(await verdict("webhook", "https://hooks.example.com:8443/desk?a=1"), PUBLIC);
  assert.equal(
    await verdict("email", "smtps://desk%40example.com@smtp.example.com?to=a@example.com"),
    PUBLIC,
  );
  assert.equal(await verdict("email", "https://api.example.com/emails"), PUBLIC);
});

Deno.test("a robot's kind goes nowhere but to its platform", async () => {
  const hostile = [
    "http://oapi.dingtalk.com/robot/send?access_token=t",
    "https://oapi.dingtalk.com:8443/robot/send",
    "https://oapi.dingtalk.com/topapi/user/delete",
    "https://oapi.dingtalk.com.evil.example/robot/send",
    "https://oapi.dingtalk.com@evil.example/robot/send",
    "https://user:pass@oapi.dingtalk.com/robot/send",
    "https://evil.example/robot/send#oapi.dingtalk.com",
    "https://evil.example\\@oapi.dingtalk.com/robot/send",
    "https://qyapi.weixin.qq.com/robot/send",
    "ftp://oapi.dingtalk.com/robot/send",
    "file:///etc/passwd",
    "javascript:alert(1)",
    "smtps://oapi.dingtalk.com",
    "not an address",
    "",
  ];
  for (const url of hostile) assert.equal(await verdict("dingtalk", url), "endpoint_not_allowed", url);
});

Deno.test("a webhook stays on https, and on the host that was allowed", async () => {
  for (
    const url of [
      "http://hooks.example.com/",
      "https://a:b@hooks.example.com/",
      "gopher://hooks.example.com/",
    ]
  ) {
    assert.equal(await verdict("webhook", url), "endpoint_not_allowed", url);
  }
  const other = await verdict("webhook", "https://other.example.com/", [PUBLIC], "hooks.example.com");
  assert.equal(other, "endpoint_not_allowed");
  assert.equal(await verdict("email", "smtps://smtp.example.com:25"), "endpoint_not_allowed");
  assert.equal(await verdict("email", "smtp://smtp.example.com"), "endpoint_not_allowed");
});

const NEAR = [
  "0.0.0.0",
  "10.1.2.3",
  "100.100.100.200",
  "127.0.0.1",
  "127.9.9.9",
  "168.63.129.16",
  "169.254.169.254",
  "172.16.0.1",
  "172.31.255.255",
  "192.0.0.192",
  "192.168.1.1",
  "198.18.0.1",
  "224.0.0.1",
  "255.255.255.255",
  "::",
  "::1",
  "::ffff:127.0.0.1",
  "::ffff:7f00:1",
  "::ffff:93.184.216.34",
  "::127.0.0.1",
  "64:ff9b::a00:1",
  "64:ff9b:1::a00:1",
  "100::1",
  "fc00::1",
  "fd00:ec2::254",
  "fe80::1",
  "fe80::1%eth0",
  "fec0::1",
  "ff02::1",
  "2001::1",
  "2001:db8::1",
  "2002:7f00:1::",
  "2002:a00:1::1",
  "3fff::1",
  "5f00::1",
];

Deno.test("a name that leads near is refused, also when only one of its addresses does", async () => {
  for (const address of NEAR) {
    assert.equal(isPublicAddress(address), false, address);
    assert.equal(
      await verdict("webhook", "https://hooks.example.com/", [address]),
      "private_address",
      address,
    );
    assert.equal(
      await verdict("webhook", "https://hooks.example.com/", [PUBLIC, address]),
      "private_address",
    );
    assert.equal(
      await verdict("dingtalk", "https://oapi.dingtalk.com/robot/send", [address]),
      "private_address",
    );
    assert.equal(await verdict("email", "smtps://smtp.example.com", [address]), "private_address", address);
  }
});

Deno.test("an address in the place of the name is judged in each of its spellings", async () => {
  const spellings = [
    "127.1",
    "2130706433",
    "0x7f000001",
    "0177.0.0.1",
    "127.0.0.1.",
    "[::1]",
    "[::ffff:10.0.0.1]",
  ];
  for (const host of [...spellings, "169.254.169.254", "１２７.0.0.1", "[fd00:ec2::254]"]) {
    assert.equal(await verdict("webhook", `https://${host}/`), "private_address", host);
  }
  assert.equal(await verdict("webhook", "https://[2606:4700::1111]/"), "2606:4700::1111");
});

Deno.test("public addresses are public", () => {
  for (
    const address of ["1.1.1.1", PUBLIC, "100.63.255.255", "172.32.0.1", "2606:4700::1111", "2400:3200::1"]
  ) {
    assert.equal(isPublicAddress(address), true, address);
  }
});

Deno.test("what is no address is neither public nor ours", () => {
  for (
    const text of [
      "",
      "example.com",
      "1.2.3",
      "1.2.3.4.5",
      "1.2.3.256",
      "01.2.3.4",
      "1::2::3",
      "12345::",
      "1:2:3:4:5:6:7",
      "::g",
    ]
  ) {
    assert.equal(isPublicAddress(text), false, text);
    assert.equal(isLoopbackAddress(text), false, text);
  }
});

Deno.test("a name that cannot be looked up is tried again", async () => {
  const failing = { ...closed, resolve: () => Promise.reject(new Error("no such name")) };
  for (const policy of [failing, { ...closed, resolve: () => Promise.resolve([]) }]) {
    const trying = checkedEndpoint("webhook", "hooks.example.com", "https://hooks.example.com/", policy);
    await assert.rejects(trying, (error) => error instanceof Problem && error.verdict === "failed");
  }
});

Deno.test("a developer's stand-in is reached with the switch alone, and only on this machine", async () => {
  const open = { ...closed, allowsLoopback: true };
  for (const url of ["http://127.0.0.1:8123/robot/send", "http://[::1]:8123/", "smtp://127.0.0.1:2525"]) {
    assert.equal(await verdict("dingtalk", url), "endpoint_not_allowed");
    assert.equal((await checkedEndpoint("dingtalk", "oapi.dingtalk.com", url, open)).url.href, url);
  }
  const near = { ...open, resolve: () => Promise.resolve(["10.0.0.1"]) };
  for (const url of ["http://10.0.0.1/", "http://localhost:8123/", "http://169.254.169.254/"]) {
    await assert.rejects(checkedEndpoint("webhook", "hooks.example.com", url, near), Problem, url);
  }
});
