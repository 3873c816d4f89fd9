/** The emoji that are offered. Any other can be used by whoever can type it. */
import { html, useMemo, useState } from './html.js';

const LIST = `👍 thumbs up yes good|👎 thumbs down no bad|❤️ heart love|😂 joy laugh tears|😄 smile happy|🎉 party celebrate tada|😮 wow surprised|😢 sad cry|🙏 please thanks pray|👀 eyes look|🔥 fire hot|✅ check done yes|❌ cross no wrong|🚀 rocket ship launch|💯 hundred perfect|🤔 thinking hmm|
😀 grin|😁 beam|😅 sweat relief|🤣 rolling laugh|😊 blush warm|🙂 slight smile|🙃 upside down|😉 wink|😍 heart eyes|😘 kiss|😜 tongue wink|🤪 zany|😎 cool sunglasses|🤓 nerd|🥳 partying|😏 smirk|😒 unamused|😔 pensive|😕 confused|🙁 frown|😣 persevere|😫 tired|🥺 pleading|😭 sob loud cry|😤 huff|😠 angry|🤯 mind blown|😳 flushed|🥶 cold|😱 scream|😴 sleep|🤗 hug|🤭 oops giggle|🤫 shush quiet|🤨 raised eyebrow|😐 neutral|😬 grimace|🙄 eye roll|😇 angel|🤠 cowboy|🤒 ill sick|🤖 robot bot|👻 ghost|💀 skull|💩 poo|
👋 wave hello bye|👌 ok|✌️ peace victory|🤞 fingers crossed luck|🤝 handshake deal|👏 clap applause|🙌 raised hands hooray|💪 strong muscle|🫶 heart hands|👉 point right|👈 point left|👆 point up|👇 point down|✋ hand stop|🤷 shrug|🤦 facepalm|💁 info|🙋 raise hand|
🐶 dog|🐱 cat|🦊 fox|🐻 bear|🐼 panda|🐸 frog|🐵 monkey|🐧 penguin|🦉 owl|🦄 unicorn|🐝 bee|🦋 butterfly|🐢 turtle|🐙 octopus|🐳 whale|🌵 cactus|🌲 tree|🍀 clover luck|🌸 blossom flower|🌻 sunflower|🌈 rainbow|☀️ sun|🌙 moon|⭐ star|⚡ lightning zap|❄️ snow|💧 drop water|🌍 earth world|
🍎 apple|🍌 banana|🍓 strawberry|🍉 melon|🥑 avocado|🍕 pizza|🍔 burger|🍟 fries|🌮 taco|🍣 sushi|🍜 noodles ramen|🍰 cake|🎂 birthday|🍪 cookie|🍫 chocolate|🍿 popcorn|☕ coffee|🍵 tea|🍺 beer|🥂 cheers champagne|
⚽ football soccer|🏀 basketball|🎾 tennis|🏆 trophy win|🎮 game|🎲 dice|🎯 target goal|🎸 guitar|🎵 music note|🎬 film|🎨 art paint|📷 camera|✈️ plane travel|🚗 car|🚲 bicycle|🏠 home house|🏖️ beach holiday|⏰ alarm clock time|📅 calendar date|📌 pin|📎 paperclip|✏️ pencil write|📝 memo note|📚 books read|💡 idea bulb|🔧 wrench fix|🔨 hammer build|🐛 bug|🔒 lock secure|🔑 key|📣 megaphone announce|💬 speech chat|📦 package ship|🎁 gift present|💰 money|📈 chart up|📉 chart down|⚠️ warning|❓ question|❗ exclamation important|➕ plus|➖ minus|♻️ recycle|🆕 new|🔴 red|🟢 green|🟡 yellow|🔵 blue|💙 blue heart|💚 green heart|💛 yellow heart|💜 purple heart|🖤 black heart|💔 broken heart|✨ sparkles|💥 boom|💤 zzz sleep`
  .split('|').map((entry) => {
    const [emoji, ...words] = entry.trim().split(' ');
    return { emoji, words: words.join(' ') };
  });

export const QUICK = LIST.slice(0, 6);
const COLUMNS = 8;

/** @param {{onPick: (emoji: string) => void, close?: () => void}} given */
export function EmojiPicker({ onPick, close }) {
  const [query, setQuery] = useState('');
  const found = useMemo(() => LIST.filter((one) => one.words.includes(query.trim().toLowerCase())), [query]);
  const pick = (emoji) => {
    close?.();
    onPick(emoji);
  };
  const search = (event) => {
    if (event.key !== 'Enter' || !found[0]) return;
    // The focus goes back to the button that opened this, and this same Enter would press it.
    event.preventDefault();
    pick(found[0].emoji);
  };
  const keys = (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: COLUMNS, ArrowUp: -COLUMNS }[event.key];
    const all = [...event.currentTarget.querySelectorAll('.emoji-grid button')];
    const at = all.indexOf(document.activeElement);
    if (!step || (at < 0 && event.key !== 'ArrowDown')) return;
    event.preventDefault();
    if (at < 0) all[0]?.focus();
    else if (at + step < 0) event.currentTarget.querySelector('input').focus();
    else all[Math.min(at + step, all.length - 1)].focus();
  };
  return html`
    <div class="emoji-picker" onKeyDown=${keys}>
      <input type="search" aria-label="Search emoji" placeholder="Search emoji" value=${query}
        onInput=${(event) => setQuery(event.currentTarget.value)}
        onKeyDown=${search} />
      <div class="emoji-grid">
        ${found.map((one) => html`<button key=${one.emoji} type="button" title=${one.words} aria-label=${one.words}
          onClick=${() => pick(one.emoji)}>${one.emoji}</button>`)}
        ${!found.length && html`<p class="hint">No emoji is called that.</p>`}
      </div>
    </div>`;
}
