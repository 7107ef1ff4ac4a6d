// Every word of the page, in Japanese and English.

const EMOTIONS = {
  joy: ["喜", "喜び", "Joy"],
  sadness: ["悲", "悲しみ", "Sadness"],
  fear: ["恐", "恐怖", "Fear"],
  surprise: ["驚", "驚き", "Surprise"],
  anger: ["怒", "怒り", "Anger"],
  disgust: ["嫌", "嫌悪", "Disgust"],
  excitement: ["興", "興奮", "Excitement"],
  relaxation: ["安", "リラックス", "Relaxation"],
  neutral: ["無", "無感情", "Neutral"],
  uncertain: ["?", "不明", "Uncertain"],
};

const WORDS = {
  ja: {
    title: "いまの表情",
    subtitle: "表情の推定・ライブ",
    language: "表示言語",
    connections: "つながりの状態",
    people: "映っている人",
    timeline: "この3分間",
    events: "最近の変化",
    disclaimer: "表示は顔の表情からの推定であり、診断ではありません。気持ちそのものを表すものでもありません。自信がないときは「不明」と表示します。",
    noEvents: "まだ変化はありません",
    noLanes: "この3分間、映っている人はいません",
    lanes: (names) => `時間の流れ。${names.length ? names.join("、") : "映っている人はいません"}。内容は「最近の変化」でも読めます。`,
    person: (track) => `人物 ${track}`,
    probability: "確からしさ",
    allProbabilities: "すべての感情の確からしさ",
    unsure: "はっきり読み取れません",
    since: (span) => `${span}前から`,
    lastKnown: (span) => `最後の情報 ${span}前`,
    ago: (span) => `${span}前`,
    lastNews: (span) => `最後の知らせ ${span}前`,
    noNews: "知らせはまだありません",
    seconds: (s) => `${s}秒`,
    minutes: (m, s) => `${m}分${s}秒`,
    hours: (h, m) => `${h}時間${m}分`,
    nobody: "いま映っている人はいません",
    nobodyMore: "カメラは動いています。人が映ると、ここに表示します。",
    waiting: "カメラからの知らせを待っています",
    waitingMore: "MQTTブローカーにはつながっています。",
    unknown: "だれがいるか、いまは分かりません",
    unknownMore: "「だれもいない」という意味ではありません。必要なら直接ご確認ください。",
    off: "いまは見ていません",
    offMore: "カメラが止められているため、だれがいるかは分かりません。",
    notKnown: "確認できません",
    page: "画面",
    broker: "ブローカー",
    node: "機器",
    camera: "カメラ",
    up: "接続中",
    down: "切断",
    nodeStates: { online: "動作中", lost: "応答なし", stopped: "停止" },
    cameraStates: {
      starting: "起動中", online: "動作中", stalled: "映像停止", offline: "切断", disabled: "無効", privacy: "プライバシー",
    },
    alarm: {
      page: "この画面とサーバーのつながりが切れました",
      broker: "MQTTブローカーにつながりません",
      lost: (name) => `機器 ${name} から応答がありません`,
      stopped: (name) => `機器 ${name} は停止しています`,
      stalled: (name) => `カメラ ${name} の映像が止まっています`,
      offline: (name) => `カメラ ${name} につながりません`,
      starting: (name) => `カメラ ${name} を起動しています`,
      disabled: (name) => `カメラ ${name} は無効になっています`,
      privacy: (name) => `カメラ ${name} はプライバシーモードです`,
    },
    start: "現れました",
    end: "映らなくなりました",
    lost: "確認できなくなりました",
    gap: (count) => (count === null ? "失われた知らせがあります" : `${count}件の知らせが失われました`),
    outage: "情報なし",
    now: "いま",
    minutesAgo: (m) => `${m}分前`,
    minutesAgoShort: (m) => `−${m}分`,
  },
  en: {
    title: "Right now",
    subtitle: "Estimated facial expressions, live",
    language: "Language",
    connections: "Connections",
    people: "People in view",
    timeline: "The last 3 minutes",
    events: "Latest changes",
    disclaimer: "These are estimates from facial expressions, not a diagnosis, and not what a person feels inside. When the model is not sure it says “Uncertain”.",
    noEvents: "No changes yet",
    noLanes: "Nobody was in view in the last 3 minutes",
    lanes: (names) => `Timeline. ${names.length ? names.join(", ") : "Nobody in view"}. The same is told under “Latest changes”.`,
    person: (track) => `Person ${track}`,
    probability: "Probability",
    allProbabilities: "Probability of every emotion",
    unsure: "Cannot be read clearly",
    since: (span) => `for ${span}`,
    lastKnown: (span) => `last known ${span} ago`,
    ago: (span) => `${span} ago`,
    lastNews: (span) => `last news ${span} ago`,
    noNews: "no news yet",
    seconds: (s) => `${s} s`,
    minutes: (m, s) => `${m} min ${s} s`,
    hours: (h, m) => `${h} h ${m} min`,
    nobody: "Nobody is in view",
    nobodyMore: "The camera is working. People appear here as soon as they are seen.",
    waiting: "Waiting for news from a camera",
    waitingMore: "The MQTT broker is connected.",
    unknown: "Who is there is not known at present",
    unknownMore: "This does not mean that nobody is there. Please look for yourself if needed.",
    off: "Not watching at present",
    offMore: "The camera has been switched off, so who is there is not known.",
    notKnown: "not known",
    page: "Page",
    broker: "Broker",
    node: "Device",
    camera: "Camera",
    up: "connected",
    down: "not connected",
    nodeStates: { online: "working", lost: "lost", stopped: "stopped" },
    cameraStates: {
      starting: "starting", online: "working", stalled: "picture frozen", offline: "not connected", disabled: "disabled",
      privacy: "privacy",
    },
    alarm: {
      page: "This page has lost its server",
      broker: "The MQTT broker cannot be reached",
      lost: (name) => `Device ${name} does not answer`,
      stopped: (name) => `Device ${name} has been stopped`,
      stalled: (name) => `The picture of camera ${name} is frozen`,
      offline: (name) => `Camera ${name} cannot be reached`,
      starting: (name) => `Camera ${name} is starting`,
      disabled: (name) => `Camera ${name} is disabled`,
      privacy: (name) => `Camera ${name} is in privacy mode`,
    },
    start: "came into view",
    end: "left the view",
    lost: "no longer known",
    gap: (count) => (count === null ? "Some news was lost" : `${count} pieces of news were lost`),
    outage: "no information",
    now: "now",
    minutesAgo: (m) => `${m} min ago`,
    minutesAgoShort: (m) => `−${m} min`,
  },
};

let language = firstLanguage();

function firstLanguage() {
  const wishes = [new URLSearchParams(location.search).get("lang"), remembered(), navigator.language.slice(0, 2)];
  return wishes.find((wish) => Object.hasOwn(WORDS, wish ?? "")) ?? "en";
}

function remembered() {
  try {
    return localStorage.getItem("lang");
  } catch {
    return null; // storage is switched off: the language is not remembered
  }
}

export function getLanguage() {
  return language;
}

export function setLanguage(wanted) {
  language = wanted;
  try {
    localStorage.setItem("lang", wanted);
  } catch {
    console.info("the language cannot be remembered");
  }
}

export function words() {
  return WORDS[language];
}

export const EMOTION_IDS = Object.keys(EMOTIONS);

/** The id whose colour and shape are drawn: a label of another task is drawn as "other". */
export function drawnAs(emotion) {
  return Object.hasOwn(EMOTIONS, emotion) ? emotion : "other";
}

export function kanji(emotion) {
  return Object.hasOwn(EMOTIONS, emotion) ? EMOTIONS[emotion][0] : "・";
}

export function emotionWord(emotion, japanese) {
  if (!Object.hasOwn(EMOTIONS, emotion)) return language === "ja" ? japanese || emotion : emotion;
  return EMOTIONS[emotion][language === "ja" ? 1 : 2];
}

/** A length of time as a person says it. */
export function span(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const minutes = Math.floor(seconds / 60);
  const w = words();
  if (minutes >= 60) return w.hours(Math.floor(minutes / 60), minutes % 60);
  return minutes ? w.minutes(minutes, seconds % 60) : w.seconds(seconds);
}

export function clock(ms) {
  return new Date(ms).toLocaleTimeString(language === "ja" ? "ja-JP" : "en-GB", { hour12: false });
}
