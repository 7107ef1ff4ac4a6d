"""How an export's report looks: by day, by night, on a phone and on paper."""

from typing import Final

STYLE: Final = """
:root { color-scheme: light dark; --paper: #fbfbfa; --panel: #fff; --ink: #1d2126; --soft: #636b76; --line: #dfe2e6;
  --grid: #eceef0; --good: #17704a; --good-wash: #e8f4ed; --warn: #8a5a00; --warn-wash: #fbf1dc; --bad: #b3261e;
  --bad-wash: #fbeae8; --none: #59626e; --none-wash: #eef0f2; --fp32: #5f7086; --fp16: #1976b8; --int8: #7a4bc4; }
@media (prefers-color-scheme: dark) { :root { --paper: #14171a; --panel: #1b1f23; --ink: #e8eaed; --soft: #9aa4af;
  --line: #333a41; --grid: #272d33; --good: #5cc792; --good-wash: #16291f; --warn: #e3b04b; --warn-wash: #2d2412;
  --bad: #f2867c; --bad-wash: #331b19; --none: #a3adb8; --none-wash: #23292f; --fp32: #93a5bb; --fp16: #5ab0ee;
  --int8: #b391f0; } }
* { box-sizing: border-box; }
body { background: var(--paper); color: var(--ink); font: 15px/1.55 system-ui, "Noto Sans", "Noto Sans CJK JP",
  "Hiragino Sans", sans-serif; margin: 0 auto; max-width: 66rem; padding: 2.4rem 1.25rem 5rem; }
h1 { font-size: 1.75rem; letter-spacing: -.01em; line-height: 1.25; margin: .1rem 0 .2rem; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 3rem 0 .3rem; } h3 { font-size: 1rem; margin: 0; }
p { margin: .35rem 0 .9rem; max-width: 46rem; } .soft, small { color: var(--soft); } small { font-size: .84rem; }
.eyebrow { color: var(--soft); font-size: .78rem; font-weight: 600; letter-spacing: .09em; margin: 0;
  text-transform: uppercase; }
.mark { flex: none; height: 1.15em; vertical-align: -.2em; width: 1.15em; }
.good { color: var(--good); } .warn { color: var(--warn); } .bad { color: var(--bad); } .none { color: var(--none); }
.headline { border: 1px solid var(--line); border-left: 5px solid currentColor; border-radius: 6px; margin: 1rem 0;
  padding: 1rem 1.2rem; } .headline h2 { font-size: 1.22rem; margin: 0; }
  .headline .mark { height: 1.35em; width: 1.35em; }
.headline p { color: var(--ink); margin: .3rem 0 0; }
.headline.good { background: var(--good-wash); } .headline.warn { background: var(--warn-wash); }
.headline.bad { background: var(--bad-wash); } .headline.none { background: var(--none-wash); }
.chips { display: flex; flex-wrap: wrap; gap: .5rem 2rem; margin: .8rem 0 0; } .chips div { color: var(--ink); }
.chips b { display: block; font-size: 1.45rem; font-variant-numeric: tabular-nums; line-height: 1.2; }
.grid { display: grid; gap: 1rem; margin: 1rem 0;
  grid-template-columns: repeat(auto-fit, minmax(min(19rem, 100%), 1fr)); }
.panel { background: var(--panel); border: 1px solid var(--line); border-radius: 6px; margin: 0; padding: .9rem 1rem; }
.panel small { display: block; } .contender { border-top: 3px solid var(--series); }
.fp32 { --series: var(--fp32); } .fp16 { --series: var(--fp16); } .int8 { --series: var(--int8); }
.contender header { align-items: baseline; display: flex; flex-wrap: wrap; gap: .2rem .7rem;
  justify-content: space-between; }
.verdicts { list-style: none; margin: .6rem 0 0; padding: 0; }
.verdicts li { display: flex; gap: .55rem; margin: .45rem 0; }
.verdicts li > div { min-width: 0; overflow-wrap: anywhere; } .verdicts b { font-weight: 600; }
.verdicts .text { color: var(--ink); display: block; font-size: .92rem; line-height: 1.45; }
.badge { font-weight: 600; white-space: nowrap; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-variant-numeric: tabular-nums;
  margin: .4rem 0 1rem; min-width: 60%; }
th, td { border-bottom: 1px solid var(--line); padding: .36rem 1rem .36rem 0; text-align: right;
  white-space: nowrap; } th { color: var(--soft); font-size: .84rem; font-weight: 600; vertical-align: bottom; }
th:first-child, td:first-child { text-align: left; } tr:last-child td { border-bottom: 0; }
td small { display: block; line-height: 1.2; } code { font: .86em ui-monospace, "DejaVu Sans Mono", monospace; }
dl { display: grid; gap: .25rem 1.2rem; grid-template-columns: minmax(6rem, max-content) 1fr; margin: .5rem 0 0; }
dt { color: var(--soft); } dd { margin: 0; min-width: 0; overflow-wrap: anywhere; }
svg.chart { display: block; height: auto; margin-top: .5rem; overflow: visible; width: 100%; }
svg text { fill: var(--soft); font-size: 11.5px; } svg .name { fill: var(--ink); font-size: 13px; }
svg .value { fill: var(--ink); font-size: 13px; font-weight: 600; } svg .end { text-anchor: end; }
svg .middle { text-anchor: middle; } svg .axis { stroke: var(--line); } svg .rule { stroke: var(--grid); }
svg .fill { fill: var(--series); } svg .stroke { fill: none; stroke: var(--series); stroke-width: 2; }
svg .thin { stroke-width: 1.2; opacity: .5; }
svg .limit { stroke: var(--bad); stroke-dasharray: 4 3; stroke-width: 1.4; }
svg .limit-text { fill: var(--bad); } svg .guide { stroke: var(--soft); stroke-dasharray: 2 3; }
svg .track { fill: var(--grid); } svg .hollow { fill: var(--panel); stroke: var(--series); stroke-width: 2; }
@page { margin: 14mm; }
@media (max-width: 34rem) { body { padding-top: 1.4rem; } h1 { font-size: 1.45rem; } .chips { gap: .5rem 1.4rem; } }
@media print { :root { --paper: #fff; } body { font-size: 11px; max-width: none; padding: 0; }
  h2 { break-after: avoid; } .panel, .headline, table, svg { break-inside: avoid; } .scroll { overflow: visible; } }
"""
