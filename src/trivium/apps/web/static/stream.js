// Asking the server: plain requests, and answers that come in pieces as server-sent events. The token, where the server
// asks for one, stays in this tab.
"use strict";

const KEY = "trivium-token";

function headers() {
  const key = sessionStorage.getItem(KEY);
  return { "Content-Type": "application/json", ...(key ? { Authorization: `Bearer ${key}` } : {}) };
}

// A refusal: its status (0 where the server cannot be reached), sentence and code.
class Refusal extends Error {
  constructor(status, content) {
    super(content?.error?.message || "the server cannot be reached; is it still running?");
    this.status = status;
    this.code = content?.error?.code || null;
  }
}

async function request(path, body, signal) {
  const how = body === undefined ? { headers: headers() } : { method: "POST", headers: headers(), body: JSON.stringify(body), signal };
  let answer;
  try {
    answer = await fetch(path, how);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refusal(0);
  }
  if (!answer.ok) throw new Refusal(answer.status, await answer.json().catch(() => ({})));
  return answer;
}

async function* events(answer) {
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      rest += value;
      const parts = rest.split("\n\n");
      rest = parts.pop();
      for (const part of parts) {
        const data = part.replace(/^data: /, "");
        if (data === "[DONE]") return;
        const content = JSON.parse(data);
        if (content.error) throw new Refusal(503, content);
        yield content;
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

// Streams one answer to `said`. {ended, tokens}; `ended` where the model stopped by itself.
async function stream(body, said, signal) {
  const whole = { ...body, stream: true, stream_options: { include_usage: true } };
  let finish = null, tokens = 0;
  for await (const piece of events(await request("/v1/chat/completions", whole, signal))) {
    for (const choice of piece.choices) {
      if (choice.delta.content) said(choice.delta.content);
      finish = choice.finish_reason || finish;
    }
    tokens = piece.usage?.completion_tokens || tokens;
  }
  if (finish === null) throw new Refusal(0);
  return { ended: finish === "stop", tokens };
}
