/* How the panel looks. Logical properties throughout, so that a right-to-left page mirrors it; every colour is a variable. */

export const CSS = `
.panel { --surface: #fff; --ground: #fff; --ink: #16191d; --muted: #59626e; --line: #e2e6ea; --bubble: #f1f3f5; --raised: #fff;
  --warn: #fff5db; --warn-ink: #6b4600; --bad: #b3161b; --good: #0f7a45; --accent: var(--kefu-color); --radius: 18px;
  position: fixed; z-index: var(--kefu-z); inset-block-end: calc(var(--kefu-offset) + 74px + env(safe-area-inset-bottom, 0px));
  inset-inline-end: calc(var(--kefu-offset) + env(safe-area-inset-right, 0px)); inline-size: 396px; block-size: min(690px, 100dvh - 118px);
  display: flex; flex-direction: column; overflow: hidden; border-radius: 20px; background: var(--surface); color: var(--ink);
  box-shadow: 0 0 0 1px #0000000f, 0 4px 12px #0000001a, 0 24px 64px #00000038; font-size: 15px; line-height: 1.45; text-align: start;
  -webkit-font-smoothing: antialiased; animation: rise .2s cubic-bezier(.2, .8, .3, 1); }
.panel.dark { --surface: #181a1f; --ground: #181a1f; --ink: #eceef2; --muted: #a2abb8; --line: #30343c; --bubble: #262a31; --raised: #1f2228;
  --warn: #3a2e10; --warn-ink: #ffdd94; --bad: #ff8d8d; --good: #58d193; color-scheme: dark;
  box-shadow: 0 0 0 1px #ffffff14, 0 24px 64px #000000a6; }
.panel[hidden] { display: none; }
.panel:focus { outline: none; }
:host([position="start"]) .panel { inset-inline: calc(var(--kefu-offset) + env(safe-area-inset-left, 0px)) auto; }
@keyframes rise { from { opacity: 0; transform: translateY(12px) scale(.985); } }
.panel *, .panel *::before { box-sizing: border-box; }
.panel :where(button, textarea) { font: inherit; color: inherit; letter-spacing: inherit; }
.panel button { cursor: pointer; }
.panel :is(button, a, [tabindex]):focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.panel svg { inline-size: 20px; block-size: 20px; flex: none; }
.panel a { color: var(--accent); text-underline-offset: 2px; overflow-wrap: anywhere; }
.unseen { position: absolute; inline-size: 1px; block-size: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }

header { display: flex; align-items: center; gap: 10px; padding: 14px 12px 14px 16px; background: var(--kefu-color); color: var(--kefu-on-color);
  padding-block-start: calc(14px + var(--top, 0px)); flex: none; }
.logo { display: grid; place-items: center; inline-size: 40px; block-size: 40px; border-radius: 50%; background: color-mix(in srgb, currentColor 16%, transparent); flex: none; }
.logo svg { inline-size: 24px; block-size: 24px; }
.titles { flex: 1; min-inline-size: 0; }
h2 { margin: 0; font-size: 16px; line-height: 1.25; font-weight: 650; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
.subtitle { margin: 1px 0 0; font-size: 13px; line-height: 1.3; display: flex; align-items: center; gap: 6px; }
.subtitle::before { content: ""; inline-size: 8px; block-size: 8px; border-radius: 50%; background: #5be49b; flex: none; box-shadow: 0 0 0 2px #00000026; }
.panel[data-holder="queue"] .subtitle::before { background: #ffd166; }
.panel:not([data-line="online"]):not([data-line="limited"]) .subtitle::before { background: #cfd5dc; }
.header-button { display: grid; place-items: center; min-inline-size: 38px; block-size: 38px; padding: 0 8px; border: 0; border-radius: 12px; background: transparent; flex: none; }
.panel .header-button { color: var(--kefu-on-color); }
.header-button.text { font-size: 13px; font-weight: 600; padding-inline: 10px; }
.header-button:hover { background: color-mix(in srgb, currentColor 16%, transparent); }
.panel .header-button:focus-visible { outline-color: var(--kefu-on-color); outline-offset: -2px; }

.middle { position: relative; flex: 1; min-block-size: 0; display: flex; background: var(--ground); }
.scroller { flex: 1; min-inline-size: 0; overflow: hidden auto; overscroll-behavior: contain; padding: 16px 16px 12px; scrollbar-width: thin; scrollbar-color: var(--line) transparent; }
.log { outline-offset: 6px; border-radius: 8px; }
.message { display: flex; gap: 8px; margin-block-start: 14px; animation: appear .18s ease-out; }
.message.joined { margin-block-start: 4px; }
@keyframes appear { from { opacity: 0; transform: translateY(6px); } }
.avatar { inline-size: 28px; block-size: 28px; border-radius: 50%; display: grid; place-items: center; flex: none; margin-block-start: 20px;
  background: color-mix(in srgb, var(--accent) 13%, var(--surface)); color: var(--accent); }
.avatar:empty { background: none; block-size: 0; }
.avatar svg { inline-size: 18px; block-size: 18px; }
.avatar b { font-size: 13px; line-height: 1; }
.content { display: flex; flex-direction: column; align-items: flex-start; gap: 6px; min-inline-size: 0; flex: 1; }
.customer > .content { align-items: flex-end; }
.meta { display: flex; gap: 8px; font-size: 12px; line-height: 16px; color: var(--muted); padding-inline: 2px; margin-block-end: -2px; }
.meta .name { font-weight: 600; }
.bubble { padding: 9px 13px; border-radius: var(--radius); border-start-start-radius: 6px; background: var(--bubble); max-inline-size: min(100%, 300px); overflow-wrap: anywhere; }
.customer .bubble { background: var(--kefu-color); color: var(--kefu-on-color); border-start-start-radius: var(--radius); border-end-end-radius: 6px; }
.agent .bubble { background: color-mix(in srgb, var(--accent) 11%, var(--surface)); }
.bubble > * { margin: 0; }
.bubble > * + * { margin-block-start: 8px; }
.bubble :is(ul, ol) { padding-inline-start: 20px; }
.bubble li + li { margin-block-start: 3px; }
.bubble code { font: .92em ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; background: color-mix(in srgb, currentColor 9%, transparent); border-radius: 4px; padding: 1px 4px; }
.as-written { white-space: pre-wrap; }
.day, .event { display: flex; justify-content: center; text-align: center; font-size: 12px; color: var(--muted); margin-block: 18px 4px; }
.day { gap: 10px; align-items: center; }
.day::before, .day::after { content: ""; flex: 1; block-size: 1px; background: var(--line); }
.event { margin-block: 14px 2px; padding-inline: 24px; }
.pending-message .bubble { opacity: .72; }
.refused .bubble { opacity: 1; background: transparent; color: var(--ink); box-shadow: inset 0 0 0 1.5px var(--bad); }
.delivery { display: flex; gap: 12px; font-size: 12px; color: var(--muted); min-block-size: 17px; }
.refused .delivery { color: var(--bad); }
.plain { border: 0; background: none; padding: 0; text-decoration: underline; font-size: 12px; min-block-size: 24px; }
.panel .plain { color: var(--accent); }

.welcome { padding-block: 6px 2px; }
.welcome p { margin: 0; }
.greeting { font-size: 22px; line-height: 1.25; font-weight: 650; letter-spacing: -.01em; }
.panel .about { margin-block-start: 6px; color: var(--muted); font-size: 13.5px; }
.starters, .choices { display: flex; flex-wrap: wrap; gap: 8px; }
.starters { margin-block-start: 16px; }
.choices { margin-block-start: 2px; }
.choice { display: inline-flex; align-items: center; min-block-size: 36px; padding: 6px 14px; border: 1.5px solid color-mix(in srgb, var(--accent) 45%, var(--surface)); border-radius: 18px; background: var(--surface);
  font-size: 14px; font-weight: 550; text-decoration: none; text-align: start; transition: background .12s; }
.panel .choice { color: var(--accent); }
.choice:hover { background: color-mix(in srgb, var(--accent) 9%, var(--surface)); border-color: var(--accent); }
.earlier { display: block; margin: 0 auto 4px; border: 0; background: none; padding: 6px 12px; font-size: 13px; border-radius: 10px; }
.panel .earlier { color: var(--accent); }

.picture { inline-size: 100%; border-radius: 14px; overflow: hidden; background: var(--bubble); }
.content > .picture { max-inline-size: 300px; }
.picture img { display: block; inline-size: 100%; block-size: auto; }
.card { background: var(--raised); border: 1px solid var(--line); border-radius: 16px; overflow: hidden; display: flex; flex-direction: column; }
.card.alone { inline-size: min(100%, 300px); }
.card .picture { border-radius: 0; aspect-ratio: 5 / 4; flex: none; background: #f4f5f7; }
.card .picture img { block-size: 100%; object-fit: cover; }
.card-body { padding: 12px 14px 14px; display: flex; flex-direction: column; gap: 4px; flex: 1; }
.card-kind { display: flex; align-items: center; gap: 6px; font-size: 12px; color: var(--muted); }
.card-kind svg { inline-size: 16px; block-size: 16px; }
.card-head { display: flex; align-items: flex-start; justify-content: space-between; gap: 8px; }
.card-title { margin: 0; font-size: 14.5px; line-height: 1.3; font-weight: 650; overflow-wrap: anywhere; }
.panel .card-title a { color: inherit; text-decoration: none; }
.panel .card-title a:hover { text-decoration: underline; }
.card-badge { flex: none; font-size: 11.5px; line-height: 18px; font-weight: 600; padding: 1px 8px; border-radius: 10px; background: color-mix(in srgb, var(--accent) 13%, var(--surface)); color: var(--accent); }
.card-text { font-size: 13.5px; color: var(--muted); }
.card-text > * { margin: 0; }
.card-text :is(ul, ol) { padding-inline-start: 18px; }
.carousel .card-text { display: -webkit-box; -webkit-line-clamp: 4; -webkit-box-orient: vertical; overflow: hidden; }
.card-price { font-size: 16px; font-weight: 700; margin-block-start: 2px; font-variant-numeric: tabular-nums; }
.card-buttons { display: flex; flex-direction: column; gap: 6px; margin-block-start: auto; padding-block-start: 8px; }
.card-button { display: block; inline-size: 100%; min-block-size: 36px; padding: 6px 10px; border: 0; border-radius: 11px; background: color-mix(in srgb, var(--accent) 11%, var(--surface)); font-size: 13.5px; line-height: 24px;
  font-weight: 600; text-align: center; text-decoration: none; }
.panel .card-button { color: var(--accent); }
.card-button:hover { background: color-mix(in srgb, var(--accent) 20%, var(--surface)); }
.carousel { align-self: stretch; margin-inline: 0 -16px; min-inline-size: 0; }
.track { display: flex; gap: 10px; overflow: auto hidden; scroll-snap-type: x mandatory; scroll-padding-inline: 3px; padding: 3px 16px 3px 3px; scrollbar-width: none; overscroll-behavior-x: contain; }
.track .card { flex: 0 0 222px; scroll-snap-align: start; }
.steps { display: flex; align-items: center; justify-content: center; gap: 8px; padding-inline-end: 16px; margin-block-start: 6px; font-size: 12.5px; color: var(--muted); }
.step { display: grid; place-items: center; inline-size: 32px; block-size: 32px; padding: 0; border: 1px solid var(--line); border-radius: 50%; background: var(--raised); }
.step svg { inline-size: 16px; block-size: 16px; }
.step:disabled { opacity: .4; cursor: default; }
.step:dir(rtl) svg { transform: scaleX(-1); }
.documents { list-style: none; margin: 0; padding: 0; display: flex; flex-direction: column; gap: 6px; inline-size: min(100%, 300px); }
.document { display: flex; gap: 10px; align-items: flex-start; padding: 9px 12px; border: 1px solid var(--line); border-radius: 12px; background: var(--raised); text-decoration: none; }
.document > svg { color: var(--accent); margin-block-start: 1px; }
a.document:hover .document-title { text-decoration: underline; }
.document-text { display: flex; flex-direction: column; min-inline-size: 0; }
.document-title { font-size: 13.5px; font-weight: 600; color: var(--ink); }
.document-about { font-size: 12.5px; color: var(--muted); display: -webkit-box; -webkit-line-clamp: 2; -webkit-box-orient: vertical; overflow: hidden; }

.typing { display: flex; gap: 8px; align-items: center; margin-block-start: 14px; }
.typing[hidden] { display: none; }
.typing .avatar { margin: 0; }
.dots { display: flex; gap: 4px; padding: 12px 14px; border-radius: var(--radius); border-start-start-radius: 6px; background: var(--bubble); }
.dots i { inline-size: 7px; block-size: 7px; border-radius: 50%; background: var(--muted); animation: dot 1.2s infinite; }
.dots i:nth-child(2) { animation-delay: .15s; }
.dots i:nth-child(3) { animation-delay: .3s; }
@keyframes dot { 0%, 60%, 100% { opacity: .35; } 30% { opacity: 1; transform: translateY(-3px); } }
.new-messages { position: absolute; inset-block-end: 10px; inset-inline: 0; margin-inline: auto; inline-size: fit-content; display: flex; gap: 6px; align-items: center; border: 0; border-radius: 18px; padding: 8px 14px; font-size: 13px; font-weight: 600;
  background: var(--ink); box-shadow: 0 4px 16px #0004; }
.panel .new-messages { color: var(--surface); }
.new-messages[hidden], .notice[hidden], .count[hidden] { display: none; }
.new-messages svg { inline-size: 16px; block-size: 16px; }

.notice { padding: 8px 16px; font-size: 13px; background: var(--warn); color: var(--warn-ink); flex: none; }
.composer { flex: none; padding: 10px 12px calc(12px + var(--bottom, 0px)); border-block-start: 1px solid var(--line); background: var(--surface); }
.field { display: flex; align-items: flex-end; gap: 6px; border: 1.5px solid color-mix(in srgb, var(--muted) 62%, var(--surface)); border-radius: 22px; padding: 4px 4px 4px 14px; background: var(--raised); }
.field:focus-within { border-color: var(--accent); box-shadow: 0 0 0 3px color-mix(in srgb, var(--accent) 18%, transparent); }
.panel textarea { flex: 1; min-inline-size: 0; border: 0; padding: 7px 0; background: none; resize: none; max-block-size: 132px; font-size: 16px; line-height: 22px; outline: none; scrollbar-width: thin; }
textarea::placeholder { color: var(--muted); opacity: 1; }
.send { display: grid; place-items: center; inline-size: 36px; block-size: 36px; border: 0; padding: 0; border-radius: 50%; flex: none; background: var(--kefu-color); transition: opacity .12s; }
.panel .send { color: var(--kefu-on-color); }
.panel .send:disabled { background: var(--bubble); color: var(--muted); cursor: default; }
.composer .count { font-size: 12px; color: var(--muted); padding: 6px 14px 0; }
.composer .count.over { color: var(--bad); font-weight: 600; }

@media (max-width: 479.98px) {
  .panel, :host([position="start"]) .panel { inset: 0 0 var(--keyboard, 0px) 0; inline-size: auto; block-size: auto; border-radius: 0;
    --top: env(safe-area-inset-top, 0px); --bottom: env(safe-area-inset-bottom, 0px); padding-inline: env(safe-area-inset-left, 0px) env(safe-area-inset-right, 0px); }
  .bubble, .card.alone, .documents, .content > .picture { max-inline-size: 100%; }
}
@media (prefers-reduced-motion: reduce) { .panel, .panel * { animation: none !important; transition: none !important; } }
@media (forced-colors: active) { .bubble, .choice, .send, .field { border: 1px solid; } }
`;
