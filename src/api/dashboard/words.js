// Every text of the page: English, Chinese. `{0}` and so on are filled in by `say`.

export const words = {
  // Head
  skip: ["Skip to the content", "跳到内容"],
  tools: ["Key and language", "密钥和语言"],
  other_language: ["中文", "English"],
  about: ["version {0} · up {1}", "版本 {0} · 已运行 {1}"],
  connecting: ["Connecting", "正在连接"],
  ok: ["All accounts take requests", "所有账户正常"],
  degraded: ["{0} of {1} accounts take requests", "{1} 个账户中 {0} 个可用"],
  down: ["No account takes requests", "没有可用的账户"],
  draining: ["Stopping", "正在停止"],
  unknown: ["Unknown", "未知"],
  locked: ["Key needed", "需要密钥"],
  unreachable: ["Not reachable", "无法连接"],
  unreachable_since: [
    "Not reachable since {0}: {1} It is asked again in {2}. What you see below is of {0}.",
    "自 {0} 起无法连接：{1} {2}后重试。下面是 {0} 的数据。",
  ],
  unreachable_yet: ["Not reachable: {1} It is asked again in {2}.", "无法连接：{1} {2}后重试。"],
  no_answer: ["no answer.", "没有回应。"],

  // Key
  key: ["API key", "API 密钥"],
  key_title: ["Enter the API key", "请输入 API 密钥"],
  key_remote: [
    "The figures are for this machine itself or for who has the key: api_key in the proxy's configuration.",
    "只有本机或持有密钥者才能查看数据。密钥是代理配置文件中的 api_key。",
  ],
  key_chat: [
    "Chat needs the key: api_key in the proxy's configuration; the demo prints it at its start.",
    "聊天需要密钥：代理配置文件中的 api_key；演示模式在启动时会打印它。",
  ],
  key_kept: ["It is kept until this page is closed, and nowhere else.", "密钥只保留到关闭本页为止，不会保存到任何地方。"],
  key_hint: ["api_key", "api_key"],
  key_use: ["Use it", "使用"],
  key_forget: ["Forget it", "清除"],
  key_wrong: ["This key is wrong. Compare it with api_key in the proxy's configuration.", "密钥不正确，请与代理配置文件中的 api_key 核对。"],
  key_old: ["The key is not valid any more.", "密钥已失效。"],

  // Curves
  curves: ["The last 15 minutes", "最近 15 分钟"],
  requests_a_second: ["Requests a second", "每秒请求数"],
  requests: ["requests", "请求"],
  errors_short: ["errors", "错误"],
  first_token: ["Time to the first token", "首个 token 的时间"],
  output_a_second: ["Output tokens a second", "每秒输出 token"],
  tokens: ["tokens", "token"],
  now: ["now", "现在"],
  minutes_ago: ["−{0} min", "−{0} 分"],
  ago: ["{0} ago", "{0}前"],
  curve_label: ["{0} over the last 15 minutes. Now: {1}. Highest: {2}.", "{0}，最近 15 分钟。现在：{1}。最高：{2}。"],

  // Accounts
  fleet: ["Accounts", "账户"],
  round_robin: ["in turn", "轮询"],
  weighted: ["by weight", "按权重"],
  least_connections: ["least busy first", "最少并发"],
  reset_all: ["Reset all", "全部重置"],
  reset: ["Reset", "重置"],
  reset_one: ["Reset {0}", "重置 {0}"],
  reset_done: ["Reset: {0}", "已重置：{0}"],
  reset_failed: ["Reset failed: {0}", "重置失败：{0}"],
  available: ["Available", "正常"],
  cooling: ["Throttled", "被限流"],
  open: ["Out: breaker open", "已熔断"],
  half_open: ["On trial", "试探中"],
  unhealthy: ["Unhealthy", "不健康"],
  unusable: ["Unusable", "不可用"],
  disabled: ["Disabled", "已停用"],
  why_cooling: ["OCI throttles it for {0}.", "OCI 对 {0} 限流。"],
  why_open: ["It failed too often and is left out.", "失败过多，暂不使用。"],
  why_half_open: ["One request at a time tries it.", "每次用一个请求试探。"],
  why_unhealthy: ["Its health check fails.", "健康检查失败。"],
  why_unusable: ["It cannot be used.", "无法使用。"],
  why_disabled: ["enabled = false in the configuration.", "配置文件中 enabled = false。"],
  back_in: ["Back in {0}, at {1}", "{0}后恢复（{1}）"],
  in_flight: ["In flight", "进行中"],
  of: ["{0} of {1}", "{0} / {1}"],
  requests_title: ["Requests", "请求数"],
  error_rate: ["Errors, 1 min", "错误率（1 分钟）"],
  p50: ["p50", "p50"],
  p99: ["p99", "p99"],
  weight: ["weight {0}", "权重 {0}"],

  // Queue and workers
  queue: ["Queue and workers", "队列和工作线程"],
  workers: ["Workers busy", "忙碌的工作线程"],
  waiting: ["Waiting in the queue", "排队的请求"],
  wait: ["Wait p50 / p99", "等待 p50 / p99"],
  peak: ["Longest queue", "最长队列"],
  refused: ["Refused, expired", "拒绝、超时"],
  all_requests: ["Requests", "请求总数"],
  all_errors: ["Errors", "错误"],
  failovers: ["Failovers", "故障转移"],
  all_tokens: ["Tokens in / out", "输入 / 输出 token"],
  memory: ["Memory", "内存"],

  // Errors
  errors: ["Recent errors", "最近的错误"],
  no_errors: ["None. That is how it should be.", "没有错误，一切正常。"],
  times: ["{0} times", "{0} 次"],
  unnoticed: ["made good by another attempt", "已由重试补救"],

  // What to do about an error, by its code
  hint_invalid_api_key: ["Use api_key of the proxy's configuration.", "请使用代理配置文件中的 api_key。"],
  hint_model_not_found: ["Use a name of [MODELS]; if it is one, OCI does not have the model in this region.", "请使用 [MODELS] 中的名字；若已是，则该区域没有这个模型。"],
  hint_rate_limit_exceeded: ["OCI throttles: wait, or use another model, region or account.", "OCI 限流：请稍候，或换模型、区域、账户。"],
  hint_insufficient_quota: ["A limit of the tenancy is used up: raise it in the OCI console.", "租户配额已用完：请在 OCI 控制台提高限额。"],
  hint_context_length_exceeded: ["Shorten the conversation, or begin a new one.", "请缩短对话，或开始新的对话。"],
  hint_content_filter: ["The model does not answer this: word it in another way.", "模型拒绝回答：请换一种说法。"],
  hint_queue_full: ["Too many requests at once: come back soon, or raise queue_size.", "请求过多：请稍后再试，或调大 queue_size。"],
  hint_queue_timeout: ["It waited too long: fewer requests, or more accounts.", "等待过久：请减少请求，或增加账户。"],
  hint_no_account_available: ["All accounts are out: see above why, and until when.", "所有账户都不可用：原因和恢复时间见上方。"],
  hint_upstream_credentials: ["OCI refuses the credentials: GET /test-oci names the reason.", "OCI 拒绝了凭据：GET /test-oci 会说明原因。"],
  hint_upstream_timeout: ["The model is slow: raise request_timeout.", "模型太慢：请调大 request_timeout。"],
  hint_upstream_unreachable: ["OCI was not reached: check network, region and endpoint.", "无法连接 OCI：请检查网络、区域和 endpoint。"],
  hint_upstream_error: ["OCI failed: try again.", "OCI 出错：请重试。"],
  hint_breaker: ["It is tried again by itself; Reset does so at once.", "到时会自动试探；点“重置”可立即恢复。"],

  // Chat
  chat: ["Try a model", "试用模型"],
  model: ["Model", "模型"],
  no_models: ["no models yet", "暂无模型"],
  chat_log: ["Conversation", "对话"],
  message: ["Message", "消息"],
  message_hint: ["Ask something", "输入问题"],
  send: ["Send", "发送"],
  stop: ["Stop", "停止"],
  clear: ["Clear", "清空"],
  key_enter: ["Enter the key", "输入密钥"],
  chat_empty: ["Enter sends, Shift and Enter begins a new line.", "Enter 发送，Shift+Enter 换行。"],
  reasoning: ["Reasoning", "思考过程"],
  stopped: ["stopped", "已停止"],
  broken_off: ["The answer broke off.", "回答中断。"],
  facts: ["{0} · first token after {1} · {2} tokens", "{0} · 首个 token {1} · {2} 个 token"],

  // Clients
  clients: ["Connect a client", "连接客户端"],
  with_key: ["with my key", "填入我的密钥"],
  copy: ["Copy", "复制"],
  copied: ["Copied", "已复制"],
  copy_one: ["Copy {0}", "复制 {0}"],
  provider: ["Provider", "提供商"],
  host: ["API host", "API 地址"],
  base_url: ["Base URL", "Base URL"],
  model_id: ["Model", "模型"],
  cherry: ["Settings, Model Provider, Add; then Manage lists the models.", "设置 → 模型服务 → 添加；随后点“管理”列出模型。"],
  cline: ["Settings, API Provider.", "设置 → API Provider。"],
  webui: ["Admin Panel, Settings, Connections, OpenAI API.", "管理员面板 → 设置 → 外部连接 → OpenAI API。"],
};

/** The browser's language; of what the page does not speak, English. */
export let language = navigator.languages?.find((tag) => /^(en|zh)\b/i.test(tag))?.slice(0, 2).toLowerCase() ?? "en";

export function switchLanguage() {
  language = language === "zh" ? "en" : "zh";
}

/** The text of `key` with its places filled in. */
export function say(key, ...values) {
  const [english, chinese] = words[key];
  const text = language === "zh" ? chinese : english;
  return text.replace(/\{(\d)\}/g, (_, place) => values[place]);
}

/** Of words that come from the server, such as a state: one that is not known is shown as it is. */
export const sayKnown = (key, other, ...values) => (Object.hasOwn(words, key) ? say(key, ...values) : String(other));

/** What to do about an error. The server's own hint knows more, but is in English alone. */
export function hintOf(code, hint = null) {
  const known = sayKnown(`hint_${code}`, "");
  return (language === "zh" || !hint ? known || hint : hint) ?? "";
}

export const time = (date) => date.toLocaleTimeString(language, { hour12: false });

export const number = (value) =>
  value === null || value === undefined
    ? "–"
    : value.toLocaleString(language, value >= 10_000 ? { notation: "compact", maximumFractionDigits: 1 } : { maximumFractionDigits: value < 10 ? 1 : 0 });

export const millis = (value) => {
  if (value === null || value === undefined) return "–";
  return value < 1000 ? `${Math.round(value)} ms` : `${number(value / 1000)} s`;
};

export const percent = (value) =>
  value === null || value === undefined ? "–" : value.toLocaleString(language, { style: "percent", maximumFractionDigits: value > 0 && value < 0.1 ? 1 : 0 });

/** Seconds in the two largest units that fit. */
export function span(seconds) {
  const whole = Math.max(0, Math.ceil(seconds));
  const [second, minute, hour, day] = language === "zh" ? [" 秒", " 分", " 小时", " 天"] : [" s", " min", " h", " d"];
  const pair = (size, unit, small, smallUnit) => {
    const rest = Math.floor((whole % size) / small);
    return `${Math.floor(whole / size)}${unit}${rest ? ` ${rest}${smallUnit}` : ""}`;
  };
  if (whole < 60) return whole + second;
  if (whole < 3600) return pair(60, minute, 1, second);
  return whole < 86_400 ? pair(3600, hour, 60, minute) : pair(86_400, day, 3600, hour);
}
